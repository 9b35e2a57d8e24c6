-- How many upheld disputes an epoch was built after: the ledger refuses one that rests on what they took back.
alter table epochs add column rejections int not null default 0 check (rejections >= 0);
