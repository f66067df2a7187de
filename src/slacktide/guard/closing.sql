-- name: synchronous
-- A commit of ours is flushed at least locally; where the database asks for more, it stays so.
select set_config('synchronous_commit', 'local', true) where current_setting('synchronous_commit') = 'off'

-- name: lock_timeout
-- How long this transaction waits for a lock.
select set_config('lock_timeout', %(milliseconds)s, true)

-- name: register
-- Give the organization its row and its epoch.
select slacktide.guard_register(%(organization)s)

-- name: registered
-- Tell whether the organization has its row.
select from slacktide.guard_closing where organization = %(organization)s

-- name: exclusive
-- The closer's locks: the organization's, then TRUNCATE's.
select pg_advisory_xact_lock(slacktide.guard_lock_class(), slacktide.guard_lock_key(%(organization)s)),
       pg_advisory_xact_lock(slacktide.guard_lock_class(), slacktide.guard_lock_key('*'))

-- name: state_for_update
-- The state and its epoch, kept from changing until we commit.
select state, epoch from slacktide.guard_closing where organization = %(organization)s for update

-- name: change
-- The new state; the epochs of the organization and of all rise above whatever was ever published.
update slacktide.guard_closing set
    epoch = greatest(epoch, slacktide.guard_published(organization)) + 1,
    since = case when organization = '*' or state = %(state)s::text then since else clock_timestamp() end,
    state = case when organization = '*' then 'open' else %(state)s::text end,
    lives_at = case when organization = '*' then null else %(lives_at)s::text end,
    reason = case when organization = '*' then '' else coalesce(%(reason)s::text, reason) end
where organization = any (array[%(organization)s::text, '*'])

-- name: begin_watch
-- Begin to wait for a first write where it is opened as a target, and to count refusals anew.
with forgotten as (delete from slacktide.guard_first_write where %(awaits)s and organization = %(organization)s)
update slacktide.guard_closing set awaits_write = awaits_write or %(awaits)s
where organization = %(organization)s
returning setval(to_regclass(slacktide.guard_refused_name(organization)), 1, false)

-- name: publish
-- What is committed becomes known to old snapshots, too.
select slacktide.guard_publish()

-- name: state
-- The state as everybody may see it.
select organization, state, since, lives_at, reason, epoch
from slacktide.guard_closing where organization = %(organization)s

-- name: states
-- Every organization that has a state of its own, the site's included.
select organization, state, since, lives_at, reason, epoch
from slacktide.guard_closing where organization <> '*' order by organization

-- name: held
-- Tell whether anybody is still to be waited for, though the exclusive lock is ours; or, if that is asked, has written.
select exists (select from slacktide.guard_held(%(organization)s))
    or %(written)s and exists (select from slacktide.guard_first_write where organization = %(organization)s)

-- name: unsettled
-- The organizations with which the closed one may have exchanged rows since the last closing.
select distinct o.name from slacktide.guard_crossing c cross join unnest(c.organizations) as o (name)
where %(organization)s = any (c.organizations) and o.name <> %(organization)s and c.writers is null

-- name: raise
-- Snapshots older than this are to be told apart.
update slacktide.guard_closing set epoch = greatest(epoch, slacktide.guard_published(organization)) + 1
where organization = any (%(organizations)s::text[])

-- name: settle
-- The line: whoever is not among these writers sees the crossings when it is judged.
update slacktide.guard_crossing set writers = array(select w.virtualtransaction from slacktide.guard_writers() w)
where %(organization)s = any (organizations) and writers is null

-- name: forget
-- Crossings whose writers have all ended.
delete from slacktide.guard_crossing c
where c.writers is not null and not exists (
    select from slacktide.guard_writers() w where w.pid is null or w.virtualtransaction = any (c.writers))
