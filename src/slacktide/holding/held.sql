-- name: order
-- Let arrivals of one organization come one after the other: who has a lower number has committed before.
select pg_advisory_xact_lock(hashtextextended('slacktide held ' || %(organization)s::text, 0))

-- name: queue_up
-- Give an organization that is known its queue.
insert into slacktide.held_queue (organization)
select code from slacktide.organization where code = %(organization)s on conflict do nothing

-- name: arrive
-- Keep a write that is handed in, unless its key is there already.
insert into slacktide.held_item (organization, step, work, key, payload, due_on, discount_until)
select code, %(step)s, %(work)s, %(key)s, %(payload)s::jsonb, %(due_on)s::date, %(discount_until)s::date
from slacktide.organization where code = %(organization)s
on conflict (key) do nothing
returning id, organization, step, work, key, payload, state, since, because, attempts, next_check, sent_at, ended_at,
    due_on, discount_until, sent_to, accepted

-- name: by_key
-- The item of a key.
select id, organization, step, work, key, payload, state, since, because, attempts, next_check, sent_at, ended_at,
    due_on, discount_until, sent_to, accepted
from slacktide.held_item where key = %(key)s

-- name: one
-- One item.
select id, organization, step, work, key, payload, state, since, because, attempts, next_check, sent_at, ended_at,
    due_on, discount_until, sent_to, accepted
from slacktide.held_item where id = %(id)s

-- name: list
-- What is not done, in the order of arrival.
select id, organization, step, work, key, payload, state, since, because, attempts, next_check, sent_at, ended_at,
    due_on, discount_until, sent_to, accepted
from slacktide.held_item
where state <> 'done' and (%(organization)s::text is null or organization = %(organization)s)
order by id

-- name: happened
-- An event of an item that was in the state before it; both are written, or none.
with changed as (
    update slacktide.held_item set
        state = %(after)s::text,
        organization = coalesce(%(organization)s::text, organization),
        because = %(because)s::text,
        attempts = attempts + %(more)s,
        next_check = %(next_check)s::timestamptz,
        sent_at = case %(after)s::text when 'sent' then coalesce(sent_at, clock_timestamp()) when 'waiting' then null else sent_at end,
        sent_to = coalesce(%(sent_to)s::text, sent_to),
        accepted = case %(event)s when 'not yet' then true when 'send' then false else accepted end,
        ended_at = case when %(after)s::text in ('done', 'failed', 'refused') then clock_timestamp() end
    where id = %(id)s and state = %(before)s
    returning id, organization
), noted as (
    insert into slacktide.held_event (organization, held_id, what, because)
    select organization, id, %(event)s, %(because)s::text from changed where %(noted)s::boolean
)
select id from changed

-- name: take
-- The next items of an organization in the order of their arrival become those whose turn it is (by a range: see `due`).
with next as (
    select id from slacktide.held_item
    where organization between %(organization)s::text and %(organization)s::text and state = 'waiting'
    order by organization, id limit %(count)s for update
)
update slacktide.held_item i set state = 'running' from next where i.id = next.id
returning i.id, organization, step, work, key, payload, state, since, because, attempts, next_check, sent_at, ended_at,
    due_on, discount_until, sent_to, accepted

-- name: put_back
-- What was taken and not begun, or whose worker is gone, waits again.
update slacktide.held_item set state = 'waiting' where organization = %(organization)s and state = 'running'

-- name: sent
-- The items of an organization whose result is to be read: those of which it is not known whether they arrived come
-- first, and before anything is written (`unknown`) all of these.
select id, organization, step, work, key, payload, state, since, because, attempts, next_check, sent_at, ended_at,
    due_on, discount_until, sent_to, accepted
from slacktide.held_item
where organization = %(organization)s and state = 'sent'
  and (next_check <= clock_timestamp() or %(unknown)s and not accepted)
order by accepted, next_check, id

-- name: queue
-- The queue of an organization.
select organization, kind, because, until, next_check, failures, next_check <= clock_timestamp()
    or kind = 'hold' and seen <> (select last_value + is_called::int from slacktide.schedule_count)
from slacktide.held_queue where organization = %(organization)s

-- name: queues
-- All queues.
select organization, kind, because, until, next_check, failures, next_check <= clock_timestamp() from slacktide.held_queue

-- name: due
-- The organizations with work that can be looked at now, those that have waited longest first: at the head those whose
-- downtime was ended early, which are due before their next check. Of each the first item is asked for by the order of
-- the index of what is pending, and by a range: for `exists` and `=` the planner reads what is done, expecting to find
-- one soon.
select q.organization from slacktide.held_queue q
where (q.next_check <= clock_timestamp()
       or q.kind = 'hold' and q.seen <> (select last_value + is_called::int from slacktide.schedule_count))
  and (select i.id from slacktide.held_item i
       where i.organization between q.organization and q.organization and i.state in ('waiting', 'running')
       order by i.organization, i.id limit 1) is not null
   or (select i.next_check from slacktide.held_item i where i.organization = q.organization and i.state = 'sent'
       order by i.next_check limit 1) <= clock_timestamp()
order by q.next_check > clock_timestamp() desc, q.next_check

-- name: pause_seconds
-- How long it is to the next instant at which something may be due.
select extract(epoch from least(
    (select min(q.next_check) from slacktide.held_queue q
     where (select i.id from slacktide.held_item i
            where i.organization between q.organization and q.organization and i.state in ('waiting', 'running')
            order by i.organization, i.id limit 1) is not null),
    (select min(next_check) from slacktide.held_item where state = 'sent')) - clock_timestamp())::float8

-- name: looked
-- When a queue is looked at next, and why; a new reason to wait, and its end, is an event of all its items.
with before as (
    select kind, because, until from slacktide.held_queue where organization = %(organization)s
), noted as (
    insert into slacktide.held_event (organization, at, what, because)
    select %(organization)s, coalesce(%(at)s::timestamptz, clock_timestamp()),
        case when %(kind)s::text in ('hold', 'stopped') then %(kind)s::text else 'continue' end, %(said)s::text
    from before
    where %(kind)s::text in ('hold', 'stopped') and (kind, because, until) is distinct from (%(kind)s::text, %(because)s::text, %(until)s::timestamptz)
       or %(kind)s::text in ('open', 'retry') and kind in ('hold', 'stopped')
)
update slacktide.held_queue set
    kind = %(kind)s::text, because = %(because)s::text, until = %(until)s::timestamptz, failures = %(failures)s, seen = %(seen)s,
    next_check = coalesce(%(next_check)s::timestamptz, clock_timestamp())
where organization = %(organization)s

-- name: check
-- Let the work of one organization, or of all, be looked at now.
update slacktide.held_queue set next_check = clock_timestamp()
where (%(organization)s::text is null or organization = %(organization)s) and next_check > clock_timestamp()

-- name: read_now
-- Let results be read now.
update slacktide.held_item set next_check = clock_timestamp()
where state = 'sent' and (%(organization)s::text is null or organization = %(organization)s)

-- name: history
-- What happened to an item and to all work of its organization while it was here, and what held that when it came.
select at, what, because from (
    select id, at, what, because from slacktide.held_event where held_id = %(id)s
    union all
    select id, at, what, because from slacktide.held_event
    where held_id is null and organization = %(organization)s
      and at > %(since)s and at <= coalesce(%(ended_at)s::timestamptz, 'infinity')
    union all
    select id, at, what, because from (
        select id, at, what, because from slacktide.held_event
        where held_id is null and organization = %(organization)s and at <= %(since)s
        order by id desc limit 1
    ) last where what <> 'continue'
) e
order by at, id

-- name: count
-- How much is held, of one organization or of all.
select count(*) from slacktide.held_item
where state in ('waiting', 'running', 'sent') and (%(organization)s::text is null or organization = %(organization)s)

-- name: own
-- Become the only one that releases an organization's work, for as long as this session lives.
select pg_try_advisory_lock(%(class)s, hashtext(%(organization)s))

-- name: disown
-- Let others release it.
select pg_advisory_unlock(%(class)s, hashtext(%(organization)s))

-- name: places
-- The databases that held work goes to.
select name, address, organization from slacktide.held_place order by name

-- name: set_place
-- Add a database that held work goes to, or give it another address or organization.
insert into slacktide.held_place (name, address, organization) values (%(name)s, %(address)s, %(organization)s)
on conflict (name) do update set address = excluded.address, organization = excluded.organization

-- name: move_sent
-- What was sent to a place is read there by the place's new address.
update slacktide.held_item set sent_to = %(after)s where sent_to = %(before)s and state <> 'done'

-- name: note_job_held
-- Note that a job of somebody's own queue was held; give how often by now.
insert into slacktide.held_job as known (queue, task, job) values (%(queue)s, %(task)s, %(job)s)
on conflict (queue, task, job) do update set holds = known.holds + 1, last_at = clock_timestamp()
returning holds

-- name: job_holds
-- Give how often a job of somebody's own queue was held.
select holds from slacktide.held_job where queue = %(queue)s and task = %(task)s and job = %(job)s

-- name: sums
-- Count what is not done by organization and state, with its queue's kind and the age of the oldest.
select i.organization, i.state, coalesce(min(q.kind), 'open'), count(*),
    extract(epoch from clock_timestamp() - min(i.since))::float8
from slacktide.held_item i left join slacktide.held_queue q on q.organization = i.organization
where i.state <> 'done'
group by i.organization, i.state
order by i.organization, i.state

-- name: at_risk
-- Count the dates of what waits that come no later than the first day on which its organization's work can go on.
select i.organization, count(*) filter (where i.due_on <= f.day), count(*) filter (where i.discount_until <= f.day)
from unnest(%(organizations)s::text[], %(days)s::date[]) f (organization, day)
join slacktide.held_item i on i.organization = f.organization
where i.state in ('waiting', 'running') and (i.due_on is not null or i.discount_until is not null)
group by i.organization order by i.organization

-- name: forget_jobs
-- Forget the jobs of somebody's own queue that were held long ago.
delete from slacktide.held_job where last_at < clock_timestamp() - %(keep)s::interval

-- name: lock_places
-- Let others who change places wait; the lock goes with the transaction.
select pg_advisory_xact_lock(hashtextextended('slacktide places', 0))

-- name: remove_place
-- Forget a place.
delete from slacktide.held_place where name = %(name)s returning name, address, organization

-- name: places_seen
-- The places, each with when the windows were copied there, or why they were not.
select name, address, organization, copied_at, problem from slacktide.held_place order by name

-- name: organizations_held
-- The organizations that have work that is not done.
select distinct organization from slacktide.held_item where state in ('waiting', 'running', 'sent') order by organization
