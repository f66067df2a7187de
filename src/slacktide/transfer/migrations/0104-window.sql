-- What the monitoring window shows besides the panels' numbers: the rate of each of the last beats, oldest first, and
-- of Synchronization what it saw at the source that Steady does not count. The journal of a move comes before (0101).

alter table slacktide.move_process add column if not exists rates real[] not null default '{}';
alter table slacktide.move_process add column if not exists uncounted jsonb;
