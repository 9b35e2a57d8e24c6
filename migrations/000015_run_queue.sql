-- Active runs take turns where trainers have fewer places than there are runs. Since when a run has waited for one.
alter table sessions add column queued_at timestamptz not null default now();
-- A run that nobody votes on has given its place up: the newest vote that it knows of was cast before this.
alter table sessions add column parked_at timestamptz;

-- The last word of each part of the system that does something again and again.
create table heartbeats (
  part text primary key,
  at timestamptz not null,
  every_ms int not null check (every_ms > 0),
  -- Null: its last turn went well.
  failing_since timestamptz,
  error text
);
