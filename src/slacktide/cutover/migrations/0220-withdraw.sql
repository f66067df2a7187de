-- A down time that is open can be given up until a user has written at the target: the state in which that is judged.

alter table slacktide.procedure drop constraint if exists procedure_state_check;
alter table slacktide.procedure add constraint procedure_state_check check (state in (
    'running', 'pausing', 'paused', 'ready', 'failed', 'opening', 'open', 'withdrawing', 'abandoning', 'abandoned'));
