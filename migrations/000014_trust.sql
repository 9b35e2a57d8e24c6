-- Raters whom a session's owner or an administrator keeps out of it. Readmitting ends an exclusion; the row stays.
create table exclusions (
  id            bigint generated always as identity primary key,
  session_id    text not null references sessions on delete cascade,
  user_id       uuid not null references users,
  reason        text not null check (reason <> ''),
  excluded_by   uuid not null references users,
  excluded_at   timestamptz not null default clock_timestamp(),
  readmitted_by uuid references users,
  readmitted_at timestamptz,
  check ((readmitted_by is null) = (readmitted_at is null))
);
-- Nobody is excluded twice at a time.
create unique index exclusions_standing on exclusions (session_id, user_id) where readmitted_at is null;

-- Whose votes a step left out: a step that has to be made again leaves out the same.
alter table steps add column excluded uuid[] not null default '{}';
