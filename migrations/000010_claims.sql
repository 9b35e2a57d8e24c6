-- Claims that their accounts have signed and the server's relayer sends.
create table relayed_claims (
  id          uuid primary key,
  user_id     uuid not null references users,
  chain_id    bigint not null,
  distributor text not null,
  bounty      text not null check (bounty ~ '^0x[0-9a-f]{64}$'),
  account     text not null check (account ~ '^0x[0-9a-f]{40}$'),
  amount      numeric(29) not null check (amount > 0),
  epoch_id    int not null,
  proof       text[] not null,
  recipient   text not null check (recipient ~ '^0x[0-9a-f]{40}$'),
  deadline    bigint not null,               -- seconds since 1970
  signature   text not null,
  state       text not null default 'waiting' check (state in ('waiting', 'sent', 'done', 'failed')),
  tx_hash     text,                          -- of the transaction sent last
  bumps       int not null default 0 check (bumps >= 0), -- how often its fee was raised
  problem     text,
  created_at  timestamptz not null default clock_timestamp(),
  updated_at  timestamptz not null default clock_timestamp(),
  check (state <> 'sent' or tx_hash is not null)
);
-- One at a time of an account and bounty.
create unique index relayed_claims_open on relayed_claims (chain_id, distributor, bounty, account) where state in ('waiting', 'sent');
create index relayed_claims_by_user on relayed_claims (user_id, created_at desc);
create index relayed_claims_by_time on relayed_claims (created_at);
