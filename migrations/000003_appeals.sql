-- What somebody says is wrong about the record of a vote of theirs, and what was decided. One a vote.
create table appeals (
  id          uuid primary key,
  feedback_id uuid not null unique references feedback,
  user_id     uuid not null references users,      -- the vote's author
  ground      text not null check (ground in ('not-counted', 'wrong-weight', 'wrong-record', 'other')),
  statement   text not null check (length(statement) <= 1000),
  created_at  timestamptz not null default clock_timestamp(),
  outcome     text check (outcome in ('upheld', 'dismissed')),
  reason      text check (length(reason) between 1 and 1000),
  decided_by  uuid references users,
  decided_at  timestamptz,
  check (num_nonnulls(outcome, reason, decided_by, decided_at) in (0, 4)),
  check (decided_by <> user_id)                    -- nobody decides their own
);
create index appeals_open on appeals (created_at, id) where outcome is null;
create index appeals_by_user on appeals (user_id, created_at desc);

-- Contributions that are no vote. Those of kind feedback correct one: an upheld appeal's.
create table contributions (
  id         uuid primary key default gen_random_uuid(),
  seq        bigint generated always as identity unique,
  user_id    uuid not null references users,
  session_id text not null references sessions on delete cascade,
  kind       text not null check (kind in ('training', 'feedback', 'validation', 'compute', 'data')),
  payload    jsonb not null,                       -- what its leaf commits to, measures included (contracts/credit.ts)
  appeal_id  uuid references appeals,
  salt       bytea not null check (length(salt) = 32),
  created_at timestamptz not null default clock_timestamp(),
  -- An appeal makes one validation, and one correction at most.
  unique (appeal_id, kind),
  check (kind <> 'feedback' or appeal_id is not null)
);
create index contributions_by_user on contributions (user_id, seq desc);

-- A record is a vote or another contribution; each is in one epoch (rule C1).
alter table epoch_records drop constraint epoch_records_pkey;
alter table epoch_records drop constraint epoch_records_chain_id_ledger_epoch_id_leaf_index_key;
alter table epoch_records
  alter column feedback_id drop not null,
  add column contribution_id uuid references contributions,
  add primary key (chain_id, ledger, epoch_id, leaf_index),
  add unique (feedback_id),
  add unique (contribution_id),
  add check (num_nonnulls(feedback_id, contribution_id) = 1);
