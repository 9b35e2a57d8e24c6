-- Rule S4: an erased person's row stays as the key that their votes hang on, and says nothing of them.
alter table users add column erased_at timestamptz;

-- A vote in the seed's form names its sample by its text.
create index samples_by_text on samples (session_id, md5(response));
