-- What happened to disputes of epochs, as their ledger's events have it. The chain is the truth; these
-- rows are read where nobody may wait for it.
create table dispute_events (
  chain_id  bigint not null,
  ledger    text not null check (ledger ~ '^0x[0-9a-f]{40}$'),
  block     bigint not null check (block >= 0),
  log_index int not null check (log_index >= 0),
  epoch_id  int not null check (epoch_id > 0),
  kind      text not null check (kind in ('opened', 'upheld', 'dismissed')),
  disputer  text check (disputer ~ '^0x[0-9a-f]{40}$'),
  bond      numeric(29) check (bond >= 0),   -- wei
  reason    text,
  tx_hash   text not null,
  at        timestamptz not null,            -- of its block
  primary key (chain_id, ledger, block, log_index),
  check (kind <> 'opened' or (disputer is not null and bond is not null and reason is not null))
);
