-- A shown answer is recorded as it was sampled: a step that learns from votes on it needs its tokens and their
-- log-probabilities, whatever the policy has become. Null: an answer to a question, or shown before this was recorded.
alter table samples add column rollout jsonb;

-- A step is provisional while one of its votes can still be withdrawn. It is undone then, and made again without it.
alter table steps
  add column final boolean not null default true,
  -- SHA-256 of what the update computed: the same inputs on the same machine give the same.
  add column digest text,
  -- The checkpoint's file is kept. Final steps between two checkpoints have none.
  add column kept boolean not null default true,
  alter column checkpoint drop not null,
  add check (final or checkpoint is null),
  add check (checkpoint is not null or not kept);
create index steps_provisional on steps (session_id, step) where not final;
create index steps_kept on steps (session_id, step) where kept;

-- A provisional receipt goes with its step, and becomes final with it.
alter table receipts
  add column final boolean not null default true,
  -- log π of the vote's answer before the update and after it, nats, summed over its tokens. Null: not part of the update.
  add column logprob_before double precision,
  add column logprob_after double precision;

create index feedback_withdrawn on feedback (session_id, withdrawn_at) where withdrawn_at is not null;

-- The probe: a prompt, the reference's answer, the policy's latest, and the step after which it was given. Not in the
-- session's own row, which must stay small enough to be updated in place on a full disk.
create table probes (
  session_id text primary key references sessions on delete cascade,
  prompt     text not null,
  before     text not null,
  now        text not null,
  step       int not null
);
