-- Links by which people are invited into a session. Whoever has the link knows its token; here is the token's SHA-256.
create table invites (
  id         uuid primary key default gen_random_uuid(),
  session_id text not null references sessions,
  token_hash bytea not null unique check (octet_length(token_hash) = 32),
  label      text not null check (label <> ''),
  role       text not null check (role in ('rater', 'observer')),
  cap        int not null check (cap > 0),              -- most people who may come by it
  created_by uuid not null references users,
  created_at timestamptz not null default clock_timestamp(),
  expires_at timestamptz not null,
  revoked_by uuid references users,
  revoked_at timestamptz,
  check ((revoked_by is null) = (revoked_at is null))
);
create index invites_by_session on invites (session_id, created_at desc);

-- Who has come by which link. A row is never deleted: somebody who is erased frees no place.
create table invite_acceptances (
  invite_id   uuid not null references invites,
  user_id     uuid not null references users,
  accepted_at timestamptz not null default clock_timestamp(),
  primary key (invite_id, user_id)
);
create index invite_acceptances_by_user on invite_acceptances (user_id);

-- The link whose people were all excluded together, and this one with them. Null: they were excluded by themselves.
alter table exclusions add column invite_id uuid references invites;

-- What was decided about who may enter a session and vote there. Rows stand as they were written (below).
create table decisions (
  id         bigint generated always as identity primary key,
  session_id text not null references sessions,
  what       text not null check (what in ('exclude', 'readmit', 'audience', 'invite', 'revoke', 'exclude-invited')),
  decided_by uuid not null references users,
  user_id    uuid references users,                     -- whom it is about
  invite_id  uuid references invites,                   -- which link it is about
  audience   text,                                      -- what the session's audience became
  people     int check (people >= 0),                   -- how many were excluded together
  reason     text check (reason <> ''),
  decided_at timestamptz not null default clock_timestamp(),
  check ((user_id is not null) = (what in ('exclude', 'readmit'))),
  check ((invite_id is not null) = (what in ('invite', 'revoke', 'exclude-invited'))),
  check ((audience is not null) = (what = 'audience')),
  check ((people is not null) = (what = 'exclude-invited'))
);
create index decisions_by_session on decisions (session_id, id desc);

-- No decision is changed or deleted, but that a reason is forgotten with somebody it was about (rule S4).
create function decisions_stand() returns trigger language plpgsql as $$
begin
  if tg_op = 'UPDATE' then
    if new.reason = '(an erased reason)' and to_jsonb(new) - 'reason' = to_jsonb(old) - 'reason' and exists (
      select from users u where u.erased_at is not null and (u.id = old.user_id or exists (
        select from exclusions x where x.user_id = u.id and x.invite_id = old.invite_id))
    ) then
      return new;
    end if;
  end if;
  raise exception 'a decision stands as it was made'
    using errcode = 'check_violation', constraint = 'decisions_stand', table = 'decisions';
end $$;
create trigger decisions_stand before update or delete on decisions for each row execute function decisions_stand();
create trigger decisions_stand_all before truncate on decisions execute function decisions_stand();

-- The exclusions before this table are its first rows.
insert into decisions (session_id, what, decided_by, user_id, reason, decided_at)
select session_id, what, decided_by, user_id, reason, decided_at from (
  select id, session_id, 'exclude' as what, excluded_by as decided_by, user_id, reason, excluded_at as decided_at from exclusions
  union all
  select id, session_id, 'readmit', readmitted_by, user_id, null, readmitted_at from exclusions where readmitted_at is not null
) as earlier order by decided_at, id;
