-- A vote's kind, and its content as its author gave it; what it comes to as a rating stands in the columns as before.
alter table feedback
  add column kind text not null default 'rating',
  add column content jsonb;
