-- Models on their way in from a hub. The server that runs one says so every few seconds; one that
-- nobody speaks for any more is taken over by another server, or by the next start.
create table imports (
  id          uuid primary key,
  name        text not null check (name ~ '^[a-z0-9][a-z0-9._-]{0,63}$'), -- of the model that it makes, and its id
  repo        text not null,
  revision    text not null,
  status      text not null check (status in ('running', 'done', 'failed', 'stopped')),
  file        text,                                                       -- the one that is arriving
  bytes       bigint not null default 0 check (bytes >= 0),
  total_bytes bigint not null default 0 check (total_bytes >= 0),
  error       text check ((error is not null) = (status = 'failed')),
  runner      uuid not null,
  started_by  uuid references users on delete set null,
  created_at  timestamptz not null default now(),
  spoken_at   timestamptz not null default clock_timestamp()
);
-- Imports of one repository share what has arrived of it.
create unique index imports_running_name on imports (name) where status = 'running';
create unique index imports_running_repo on imports (repo) where status = 'running';
