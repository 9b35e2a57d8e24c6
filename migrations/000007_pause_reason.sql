-- Why a run paused by itself; null where it is not paused, or a person paused it.
alter table sessions add column pause_reason text;
