-- Why a recorded vote earned nothing, and whether its credit waited for its author to qualify in the session.
alter table epoch_records
  add column no_credit text check (no_credit in ('text', 'closed', 'unused', 'no-weight', 'no-change', 'pace')),
  add column held boolean not null default false,
  add check (no_credit is null or credit = 0);
