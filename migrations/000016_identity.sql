-- Rule S6: an installation is never without an administrator, whoever acts at the same moment.
create function keep_an_admin() returns trigger language plpgsql as $$
begin
  perform pg_advisory_xact_lock(hashtext('attune:admins'));
  if not exists (select 1 from users where role = 'admin' and erased_at is null) then
    raise exception 'an installation is never without an administrator'
      using errcode = 'check_violation', constraint = 'users_keep_an_admin', table = 'users';
  end if;
  return null;
end $$;
create trigger users_keep_an_admin after update of role, erased_at on users for each row
  when (old.role = 'admin' and old.erased_at is null and (new.role <> 'admin' or new.erased_at is not null))
  execute function keep_an_admin();
create trigger users_keep_an_admin_row after delete on users for each row
  when (old.role = 'admin' and old.erased_at is null)
  execute function keep_an_admin();

-- What a name looks like (server/auth/names.ts). Null: erased, or from before this column and about to be given one.
alter table users add column skeleton text;
create unique index users_skeleton_key on users (skeleton);
-- Names of erased people, as keyed hashes of their skeletons: nobody takes one to pass for them.
create table retired_names (
  digest bytea primary key
);

-- A login is a family of refresh tokens, each of which has followed another. One that has been
-- followed stays for a while, to know a token that is used twice.
alter table refresh_tokens add column family uuid not null default gen_random_uuid();
alter table refresh_tokens add column rotated_at timestamptz;
create index refresh_tokens_by_family on refresh_tokens (family);
create index refresh_tokens_by_user on refresh_tokens (user_id);

-- From now on the nonces that were used: one that was only asked for is no row.
delete from wallet_nonces;

-- Where somebody has signed in, as keyed hashes: wrong passwords from elsewhere don't lock them out there.
create table sign_in_addresses (
  user_id uuid not null references users on delete cascade,
  address bytea not null,
  seen_at timestamptz not null default now(),
  primary key (user_id, address)
);
