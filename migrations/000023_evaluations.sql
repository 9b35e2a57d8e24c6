-- How a run's weights did on the prompts that it does not train on. Step 0: before training. A step that is made again
-- is evaluated again.
create table evaluations (
  session_id     text not null references sessions on delete cascade,
  step           int not null check (step >= 0),
  policy_version int not null check (policy_version >= 0),
  metrics        jsonb not null,
  heads          jsonb not null,               -- predicted scores, {head: {mean, error}}
  against        jsonb,                        -- the best evaluation before it, {step, difference, error}; null: none
  regressed      boolean not null,
  shows          int not null check (shows between 0 and step),  -- the step whose weights answer from then on
  answers        jsonb not null,
  created_at     timestamptz not null default clock_timestamp(),
  primary key (session_id, step)
);

-- A run that began from a kept step of another one. It learns from that one's votes, too: those used in `line`.
create table branches (
  session_id   text primary key references sessions on delete cascade,
  from_session text references sessions on delete set null,
  from_step    int not null check (from_step > 0),
  line         int4multirange not null,        -- the steps of from_session that led to these weights
  excluded     uuid[] not null,                -- whose votes from_step left out
  checkpoint   text not null,                  -- content hash; the file is among the branch's own
  branched_by  uuid not null references users,
  branched_at  timestamptz not null default clock_timestamp()
);

-- A run taken back to a kept step. The steps after it stay in the log with their receipts, and are set aside: the run
-- no longer continues from them and no longer learns from the votes that they were the first to use.
create table rollbacks (
  id          bigint generated always as identity primary key,
  session_id  text not null references sessions on delete cascade,
  at_step     int not null,                    -- the last number in use; the next step is the one after it
  to_step     int not null check (to_step > 0 and to_step < at_step),
  rolled_by   uuid not null references users,
  rolled_at   timestamptz not null default clock_timestamp(),
  foreign key (session_id, to_step) references steps (session_id, step) on delete cascade
);
create index rollbacks_by_session on rollbacks (session_id, id);
alter table steps add column set_aside boolean not null default false;
