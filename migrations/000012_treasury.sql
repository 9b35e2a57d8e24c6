-- Calls that the treasury's account makes for this installation, in order, one at a time.
create table treasury_orders (
  id         uuid primary key,
  seq        bigint generated always as identity,
  chain_id   bigint not null,
  session_id text not null references sessions on delete cascade,
  ordered_by uuid not null references users,
  what       text not null check (what in ('approve', 'fund', 'price', 'close', 'refund')),
  contract   text not null check (contract ~ '^0x[0-9a-f]{40}$'),
  data       text not null check (data ~ '^0x([0-9a-f]{2})+$'),
  value      numeric(29) not null check (value >= 0),     -- wei
  state      text not null default 'waiting' check (state in ('waiting', 'sent', 'done', 'failed')),
  nonce      int check (nonce >= 0),                      -- never changed once it is set: nothing is paid twice
  tx_hashes  text[] not null default '{}',                -- each replaced the one before
  problem    text,
  created_at timestamptz not null default clock_timestamp(),
  updated_at timestamptz not null default clock_timestamp(),
  check (state <> 'sent' or nonce is not null)
);
create index treasury_orders_open on treasury_orders (chain_id, seq) where state in ('waiting', 'sent');
create index treasury_orders_by_session on treasury_orders (session_id, seq desc);
