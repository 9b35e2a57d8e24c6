-- Where a vote came from, as a keyed hash of its network that is cut short: what one source brings counts jointly.
-- Null: unknown, or forgotten with its author.
alter table feedback add column source bytea check (octet_length(source) = 12);
