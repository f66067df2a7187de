-- Notices of the milestones of a move: of no downtime, as a mail that asks to act on a task.

alter table slacktide.notice drop constraint if exists notice_kind_check;
alter table slacktide.notice add constraint notice_kind_check
    check (kind in ('ahead', 'changed', 'started', 'ended', 'cancelled', 'task', 'milestone'));

alter table slacktide.notice drop constraint if exists notice_check;
alter table slacktide.notice add constraint notice_check
    check ((kind in ('task', 'milestone')) = (subject_id is null));
