-- The reasons stand in contracts/ledger/epoch/reasons.ts alone: a new one needs no migration.
alter table epoch_records drop constraint epoch_records_no_credit_check;
