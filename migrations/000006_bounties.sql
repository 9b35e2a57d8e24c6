-- Bounties for sessions of this installation, as their distributor last had them. The chain is the
-- truth; these rows are read wherever nobody may wait for it.
create table bounties (
  chain_id    bigint not null,
  distributor text not null check (distributor ~ '^0x[0-9a-f]{40}$'),
  id          text not null check (id ~ '^0x[0-9a-f]{64}$'),
  session_id  text not null references sessions on delete cascade,
  sponsor     text not null check (sponsor ~ '^0x[0-9a-f]{40}$'),
  token       text not null check (token ~ '^0x[0-9a-f]{40}$'),     -- zero: the chain's own coin
  symbol      text not null check (length(symbol) between 1 and 16),
  decimals    int not null check (decimals between 0 and 255),
  funded      numeric(29) not null check (funded >= 0),             -- less what was returned; smallest unit
  pot         numeric(29) not null check (pot between 0 and funded), -- less what was paid out as well
  per_credit  numeric(29) not null check (per_credit >= 0),
  closed_at   timestamptz,
  primary key (chain_id, distributor, id)
);
create index bounties_by_session on bounties (session_id);

-- Up to which block a contract's events have been read.
create table chain_cursors (
  chain_id bigint not null,
  contract text not null,
  block    bigint not null check (block >= 0),
  primary key (chain_id, contract)
);
