-- Attune's log. Postgres is the truth: everything in Redis, and every epoch on
-- the chain, can be rebuilt from these tables.

create table users (
  id            uuid primary key default gen_random_uuid(),
  username      text not null unique check (length(username) between 1 and 64),
  email         bytea,                       -- encrypted at rest (server/auth/seal.ts)
  password_hash text,                        -- scrypt; null for guests and wallet users
  role          text not null check (role in ('contributor', 'trainer', 'validator', 'admin')),
  guest         boolean not null default false,
  wallet        text unique check (wallet ~ '^0x[0-9a-f]{40}$'),
  created_at    timestamptz not null default now()
);

-- Refresh tokens, stored as hashes: one row a login, gone at logout.
create table refresh_tokens (
  token_hash bytea primary key,
  user_id    uuid not null references users on delete cascade,
  expires_at timestamptz not null
);

-- Sign-In with Ethereum: each nonce is good for one verification.
create table wallet_nonces (
  nonce      text primary key,
  expires_at timestamptz not null
);

create table models (
  id              text primary key,
  name            text not null check (length(name) between 1 and 200),
  type            text not null check (type in ('nlp', 'vision', 'audio', 'multimodal', 'full-oni')),
  architecture    text not null,
  parameters      bigint not null default 0 check (parameters >= 0),
  input_shape     int[] not null default '{}',
  output_shape    int[] not null default '{}',
  hyperparameters jsonb not null default '{}',
  checkpoint_path text,                      -- relative to MODELS_PATH
  huggingface_repo text,
  created_by      uuid references users on delete set null,
  created_at      timestamptz not null default now()
);

-- A training session (a "run"). status is the run's real state: the trainer
-- reads it between minibatches, so a pause takes effect within one step.
create table sessions (
  id             text primary key check (id ~ '^[a-z0-9-]{1,64}$'),
  title          text not null,
  model_id       text not null references models,
  user_id        uuid not null references users,
  status         text not null check (status in ('pending', 'active', 'paused', 'completed', 'failed')),
  configuration  jsonb not null,
  total_steps    int not null check (total_steps > 0),
  current_step   int not null default 0 check (current_step >= 0),
  policy_version int not null default 0 check (policy_version >= 0),
  checkpoint     text,                       -- content hash of the last committed checkpoint
  metrics        jsonb not null default '{}',
  error          text,
  start_time     timestamptz not null default now(),
  end_time       timestamptz
);
create index sessions_by_status on sessions (status);

-- What the policy said. A rollout that is shown to the crowd, or the answer to a
-- rater's own question. Ids are derived from (session, step, index), so a step
-- that is repeated after a crash writes the same rows again.
create table samples (
  id             uuid primary key,
  session_id     text not null references sessions on delete cascade,
  step           int not null check (step >= 0),
  origin         text not null check (origin in ('rollout', 'ask')),
  asked_by       uuid references users on delete set null,
  prompt         text not null,
  response       text not null default '',
  policy_version int not null default 0,
  status         text not null check (status in ('queued', 'streaming', 'open', 'closed', 'failed')),
  crowd          double precision check (crowd between 0 and 1),   -- the crowd value h, once used
  created_at     timestamptz not null default now(),
  opened_at      timestamptz,
  closed_at      timestamptz
);
create index samples_by_session on samples (session_id, created_at desc, id);
create index samples_queued on samples (session_id) where status = 'queued';

-- A vote, immutable but for its withdrawal.
create table feedback (
  id                uuid primary key,
  seq               bigint generated always as identity unique,
  session_id        text not null references sessions on delete cascade,
  sample_id         uuid references samples on delete cascade, -- null: a text the session never produced
  user_id           uuid not null references users,
  input_text        text not null,
  model_response    text not null,
  human_rating      double precision not null check (human_rating between 1 and 10),
  human_preference  text check (human_preference in ('model_a', 'model_b', 'tie')),
  categories        jsonb not null default '[]',
  comments          text,
  tags              text[] not null default '{}',
  ethical_concerns  text[] not null default '{}',
  compassion_rating double precision not null check (compassion_rating between 0 and 1),
  compassion        jsonb,
  quality           double precision not null check (quality between 0 and 1), -- q
  value             double precision not null check (value between 0 and 1),   -- v at the session's λ then
  verified          boolean not null default false,
  salt              bytea not null check (length(salt) = 32),  -- of its leaf on chain
  created_at        timestamptz not null default clock_timestamp(),
  withdrawn_at      timestamptz
);
-- One standing vote a rater and sample.
create unique index feedback_once on feedback (sample_id, user_id) where withdrawn_at is null;
create index feedback_by_session on feedback (session_id, seq);
create index feedback_by_user on feedback (user_id, seq desc);

-- One row a committed step, written in one transaction with the session's
-- pointer to the checkpoint and with the receipts: a step happened or it didn't.
create table steps (
  session_id     text not null references sessions on delete cascade,
  step           int not null check (step > 0),
  policy_version int not null,
  metrics        jsonb not null,
  checkpoint     text not null,
  votes          int not null check (votes >= 0),
  created_at     timestamptz not null default clock_timestamp(),
  primary key (session_id, step)
);

-- Which update used a vote, with what weight. The key says: at most once.
create table receipts (
  feedback_id uuid primary key references feedback on delete cascade,
  session_id  text not null,
  step        int not null,
  weight      double precision not null check (weight between 0 and 1), -- its share of the sample's crowd value
  reliability double precision not null check (reliability between 0 and 1),
  crowd       double precision check (crowd between 0 and 1),  -- h of its sample; null: reward model only
  advantage   double precision,                                -- mean whitened advantage of its sample
  latency_ms  int not null check (latency_ms >= 0),            -- vote stored → weights changed
  created_at  timestamptz not null default clock_timestamp(),
  foreign key (session_id, step) references steps on delete cascade
);
create index receipts_by_step on receipts (session_id, step);

-- Epochs on chain. A row is complete (roots, manifest) before anything is sent
-- (rule C4). An epoch belongs to one ledger: another chain begins again at 1.
create table epochs (
  chain_id           bigint not null,
  ledger             text not null check (ledger ~ '^0x[0-9a-f]{40}$'),
  id                 int not null check (id > 0),
  contributions_root text not null,
  rewards_root       text not null,
  manifest_hash      text not null,
  manifest           text not null,          -- its keccak is manifest_hash, byte for byte
  balances           jsonb not null,         -- everybody's cumulative points; private
  count              int not null check (count > 0),
  tx_hash            text,
  block_number       bigint,
  block_hash         text,
  built_at           timestamptz not null default clock_timestamp(),
  confirmed_at       timestamptz,
  primary key (chain_id, ledger, id)
);

-- The primary key is rule C1: no record is in two epochs.
create table epoch_records (
  feedback_id uuid primary key references feedback,
  chain_id    bigint not null,
  ledger      text not null,
  epoch_id    int not null,
  leaf_index  int not null check (leaf_index >= 0),
  credit      bigint not null check (credit >= 0),
  foreign key (chain_id, ledger, epoch_id) references epochs,
  unique (chain_id, ledger, epoch_id, leaf_index)
);

-- Facts of this installation: the deployed ledger's address, for one.
create table facts (
  key   text primary key,
  value jsonb not null
);
