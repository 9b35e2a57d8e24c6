-- A vote's compassion may be missing: the dial was not touched.
alter table feedback alter column compassion_rating drop not null;
-- Cast after voting on its sample had closed.
alter table feedback add column late boolean not null default false;
-- How many votes of its author could be compared with others' when the step learnt from it.
alter table receipts add column comparable int not null default 0 check (comparable >= 0);
-- False: the step's update left every weight as it was.
alter table receipts add column updated boolean not null default true;
