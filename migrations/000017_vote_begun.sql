-- Somebody began a vote while voting on its sample was open: cast soon, it is
-- on time although voting has closed. Written only while the sample is open.
create table vote_begun (
  sample_id uuid not null references samples on delete cascade,
  user_id   uuid not null references users on delete cascade,
  begun_at  timestamptz not null default clock_timestamp(),
  primary key (sample_id, user_id)
);
create index vote_begun_by_user on vote_begun (user_id, begun_at);
-- Whether somebody has voted on a sample at all, be it that they withdrew.
create index feedback_by_sample on feedback (sample_id, user_id);
