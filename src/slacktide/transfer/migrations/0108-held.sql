-- Until when the processes of a move stand still, for others to have the machine; it is over by itself.
alter table slacktide.move_process add column if not exists held_until timestamptz;
