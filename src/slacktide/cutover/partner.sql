-- name: filled
-- What is filled in of a move's checklist.
select partner, owner, stop, repoint, test, who, at from slacktide.partner where move_id = %(move_id)s

-- name: fill
-- Fill in what is said of a partner; what is not said stays.
insert into slacktide.partner (move_id, partner, owner, stop, repoint, test, who)
values (%(move_id)s, %(partner)s, coalesce(%(owner)s, ''), coalesce(%(stop)s, ''), coalesce(%(repoint)s, ''),
    coalesce(%(test)s, ''), %(who)s)
on conflict (move_id, partner) do update set owner = coalesce(%(owner)s, partner.owner), stop = coalesce(%(stop)s, partner.stop),
    repoint = coalesce(%(repoint)s, partner.repoint), test = coalesce(%(test)s, partner.test),
    who = excluded.who, at = clock_timestamp()
