-- What a run warns of, for those who come later. A step that is made again warns of a thing once.
create table warnings (
  session_id text not null references sessions on delete cascade,
  step       int not null check (step >= 0),
  kind       text not null,
  message    text not null check (message <> ''),
  created_at timestamptz not null default clock_timestamp(),
  primary key (session_id, step, kind)
);

-- When a step, its checkpoint having been lost, was made again and came out otherwise.
alter table steps add column remade_at timestamptz;
