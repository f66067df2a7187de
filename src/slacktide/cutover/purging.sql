-- name: needed
-- The files of batches that are not applied, or were not long ago.
select b.file from slacktide.batch b where b.move_id = %(move_id)s
    and (b.state <> 'processed' or b.processed_at > clock_timestamp() - %(keep)s::interval)

-- name: down_time
-- Whether a down time is under way: the house may be on paper.
select 1 from slacktide.procedure p where p.move_id = %(move_id)s and p.state not in ('open', 'abandoned')

-- name: journal
-- Delete some entries whose batch was applied long ago and is not behind what was verified ahead; all that is old of a
-- property that opened long ago.
delete from slacktide.journal where move_id = %(move_id)s and sequence in (
    select j.sequence from slacktide.journal j
    left join slacktide.batch b on (b.move_id, b.number) = (j.move_id, j.batch)
    where j.move_id = %(move_id)s and (
        b.state = 'processed' and b.processed_at < clock_timestamp() - %(keep)s::interval
            and j.batch <= (select v.batch from slacktide.verification v where v.move_id = j.move_id)
        or exists (select from slacktide.procedure p where p.move_id = j.move_id and p.state = 'open'
            and p.opened_at < clock_timestamp() - %(keep)s::interval)
            and j.committed_at < clock_timestamp() - %(keep)s::interval)
    limit %(piece)s for update of j skip locked)

-- name: messages
-- Delete some messages of a property that opened long ago.
delete from slacktide.message where message_id in (
    select m.message_id from slacktide.message m
    where m.move_id = %(move_id)s and m.at < clock_timestamp() - %(keep)s::interval
        and exists (select from slacktide.procedure p where p.move_id = m.move_id and p.state = 'open'
            and p.opened_at < clock_timestamp() - %(keep)s::interval)
    limit %(piece)s for update of m skip locked)
