-- name: look
-- Be the only one that plans until the end of the transaction; give this instant, which does not go back.
update slacktide.notice_look set at = case
    when at > clock_timestamp() and at < clock_timestamp() + interval '1 minute' then at else clock_timestamp() end
returning at;

-- name: subjects
-- What was told of downtimes that come or last, and of those that were over or cancelled since an instant.
select id, downtime::text, organization, occurrence, stage, starts_at, ends_at, users, lead
from slacktide.notice_subject
where stage in ('ahead', 'started') or coalesce(ends_at, 'infinity') > %(since)s;

-- name: tell
-- Keep what is told of a downtime; give the number of what it is about.
insert into slacktide.notice_subject (downtime, organization, occurrence, stage, starts_at, ends_at, users, lead, sequence)
values (%(downtime)s, %(organization)s, %(occurrence)s, %(stage)s, %(start)s, %(end)s, %(users)s, %(lead)s, %(sequence)s)
on conflict (downtime, coalesce(organization, ''), occurrence) do update
set stage = excluded.stage, starts_at = excluded.starts_at, ends_at = excluded.ends_at, users = excluded.users,
    lead = excluded.lead, sequence = excluded.sequence
returning id;

-- name: looked_at
-- Note how often the settings had been changed that were looked at.
update slacktide.notice_subject s set sequence = seen.sequence
from unnest(%(downtimes)s::bigint[], %(sequences)s::integer[]) as seen (downtime, sequence)
where s.downtime = seen.downtime and s.sequence <> seen.sequence;

-- name: add
-- Add a notice.
insert into slacktide.notice (subject_id, kind, content) values (%(subject)s, %(kind)s, %(content)s::jsonb) returning id;

-- name: plan_mail
-- Plan a mail to each user whom it concerns; where mail is not configured it is only listed.
insert into slacktide.notice_delivery (notice_id, channel, recipient, state)
select %(notice)s, 'mail', name, case when %(configured)s then 'waiting' else 'not configured' end
from slacktide.concerned(%(organization)s::text);

-- name: plan_milestone
-- Plan a mail to each administrator whom it concerns; where mail is not configured it is only listed.
insert into slacktide.notice_delivery (notice_id, channel, recipient, state)
select %(notice)s, 'mail', c.name, case when %(configured)s then 'waiting' else 'not configured' end
from slacktide.concerned(%(organization)s::text) c join slacktide.app_user u using (name)
where u.admin or exists (select from slacktide.app_user_role r
    where r.user_name = u.name and r.organization = %(organization)s::text and r.role = 'administrator');

-- name: plan_one
-- Plan a delivery to one user, or to the webhook.
insert into slacktide.notice_delivery (notice_id, channel, recipient) values (%(notice)s, %(channel)s, %(recipient)s);

-- name: planned
-- Tell whoever sends that there may be something.
select pg_notify('slacktide_notice', '');

-- name: new_sender
-- Take a number, and the lock that says for as long as this session lives that it is taken.
select number, pg_advisory_lock(%(class)s, number) from (select nextval('slacktide.notice_sender')::integer as number) n;

-- name: turn
-- Let those who claim of one channel come one after the other, so that each sees what the one before has claimed.
select pg_advisory_xact_lock(hashtextextended('slacktide notice ' || %(channel)s::text, 0));

-- name: alone
-- Be the only one that tidies until the end of the transaction, or tell that another one does.
select pg_try_advisory_xact_lock(hashtextextended('slacktide notice tidy', 0));

-- name: claim
-- Take the next delivery of a channel that does not wait: of a downtime as it is saved now, no newer notice of which is
-- there, and none of which is being sent to the same recipient.
with next as (
    select d.id
    from slacktide.notice_delivery d
    join slacktide.notice n on n.id = d.notice_id
    left join slacktide.notice_subject s on s.id = n.subject_id
    left join slacktide.setting t on t.id = s.downtime
    where d.channel = %(channel)s and d.state = 'waiting' and d.next_try <= clock_timestamp()
      and (t.id is null or t.sequence = s.sequence)
      and not exists (select from slacktide.notice newer where newer.subject_id = s.id and newer.id > n.id)
      and not exists (
          select from slacktide.notice_delivery b join slacktide.notice o on o.id = b.notice_id
          where b.state = 'sending' and o.subject_id = s.id and b.channel = d.channel and b.recipient = d.recipient
      )
      and not exists (select from slacktide.notice_channel c where c.channel = d.channel and c.next_try > clock_timestamp())
    order by d.next_try, d.id
    limit 1
    for update of d skip locked
), claimed as (
    update slacktide.notice_delivery d set state = 'sending', attempts = attempts + 1, sender = %(sender)s
    from next where d.id = next.id and d.state = 'waiting'
    returning d.id, d.notice_id, d.recipient, d.key, d.attempts
)
select c.id, n.id, n.kind, n.content::text, n.planned_at, c.recipient, c.key::text, c.attempts, s.organization
from claimed c join slacktide.notice n on n.id = c.notice_id left join slacktide.notice_subject s on s.id = n.subject_id;

-- name: address
-- The address of a user, if the user is concerned now.
select email from slacktide.concerned(%(organization)s::text) where name = %(name)s;

-- name: happened
-- An event of a delivery that was in the state before it, and is ours where it is being sent.
update slacktide.notice_delivery set
    state = %(after)s::text,
    because = %(because)s::text,
    attempts = attempts - %(less)s,
    next_try = clock_timestamp() + %(pause)s::interval,
    sender = null,
    ended_at = case when %(after)s::text <> 'waiting' then clock_timestamp() end
where id = %(id)s and state = %(before)s and sender = %(sender)s
returning id;

-- name: recover
-- Let deliveries wait again whose sender is gone; one that has been tried as often as it may is given up.
update slacktide.notice_delivery d set
    state = case when attempts >= %(most)s then 'given up' else 'waiting' end,
    ended_at = case when attempts >= %(most)s then clock_timestamp() end,
    because = %(because)s, repeats = repeats + 1, sender = null, next_try = clock_timestamp()
where state = 'sending' and not exists (
    select from pg_locks l where l.locktype = 'advisory' and l.classid = %(class)s and l.objid = d.sender and l.granted
        and l.database = (select oid from pg_database where datname = current_database())
);

-- name: supersede
-- Let deliveries go whose notice a newer one of the same downtime replaces.
update slacktide.notice_delivery d set state = 'superseded', because = %(because)s, ended_at = clock_timestamp()
from slacktide.notice n
where d.state = 'waiting' and n.id = d.notice_id
  and exists (select from slacktide.notice newer where newer.subject_id = n.subject_id and newer.id > n.id);

-- name: expire
-- Give up what could not be sent in time; a mail that asks to act on a task waits for the end of any downtime.
update slacktide.notice_delivery d set
    state = 'given up', ended_at = clock_timestamp(),
    because = concat_ws(': ', %(because)s::text, nullif(coalesce(nullif(d.because, ''), c.because), ''))
from slacktide.notice n, slacktide.notice_channel c
where d.state = 'waiting' and n.id = d.notice_id and c.channel = d.channel and n.kind <> 'task'
  and n.planned_at < clock_timestamp() - %(lasts)s::interval;

-- name: channel_failed
-- Let a whole channel wait, longer after each failure.
update slacktide.notice_channel set failures = failures + 1, because = %(because)s, next_try = clock_timestamp() + %(pause)s::interval
where channel = %(channel)s;

-- name: channel_works
-- Note that a channel's server takes what it is given.
update slacktide.notice_channel set failures = 0, because = '' where channel = %(channel)s and failures > 0;

-- name: channels
-- How the channels are.
select channel, failures, because, next_try from slacktide.notice_channel order by channel;

-- name: failures
-- How often a channel has failed in a row.
select failures from slacktide.notice_channel where channel = %(channel)s;

-- name: pause_seconds
-- How long it is until the next delivery of a channel may be tried.
select extract(epoch from greatest(
    (select min(next_try) from slacktide.notice_delivery where state = 'waiting' and channel = %(channel)s),
    (select next_try from slacktide.notice_channel where channel = %(channel)s)) - clock_timestamp())::float8;

-- name: list
-- List the newest notices, each with how many of its deliveries are in which state: all, or those with one in a state.
select n.id, n.kind, n.content::text, n.planned_at, (
    select coalesce(jsonb_object_agg(state, number), '{}')
    from (select state, count(*) as number from slacktide.notice_delivery where notice_id = n.id group by state) counted
)
from slacktide.notice n
where %(state)s::text is null
   or exists (select from slacktide.notice_delivery d where d.notice_id = n.id and d.state = %(state)s::text)
order by n.id desc limit %(last)s;

-- name: deliveries
-- The deliveries of some notices that are in some states.
select notice_id, channel, recipient, state, attempts, repeats, because, next_try, ended_at
from slacktide.notice_delivery where notice_id = any(%(notices)s) and state = any(%(states)s::text[]) order by id;
