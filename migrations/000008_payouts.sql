-- Whose a payout is while nobody knows an account of theirs: a number of its own, that manifests may show.
alter table users add column payee bytea not null unique check (length(payee) = 32)
  default decode(replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''), 'hex');

-- Balances are in the manifest. The block is where its bounties were read.
alter table epochs drop column balances;
alter table epochs add column block bigint not null default 0 check (block >= 0);

-- Epochs that an upheld dispute took back, as they were.
create table rejected_epochs (
  chain_id      bigint not null,
  ledger        text not null,
  id            int not null,
  rejections    int not null,
  manifest_hash text not null,
  manifest      text not null,
  count         int not null,
  tx_hash       text,
  rejected_at   timestamptz not null default clock_timestamp(),
  primary key (chain_id, ledger, id, rejections)
);
