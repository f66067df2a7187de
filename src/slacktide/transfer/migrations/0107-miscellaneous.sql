-- What moves after the opening is one more thing that is owned and has a panel. What may be owned is said by the code
-- (transfer/journal.py), which gives each a lock of its own. The journal of a move comes before (0101).

alter table slacktide.move_process drop constraint if exists move_process_process_check;
