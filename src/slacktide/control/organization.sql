-- name: list
-- List the organizations by code: all, or the one of a code.
select code, name, zone from slacktide.organization where %(code)s::text is null or code = %(code)s::text order by code;

-- name: one
-- Give one organization and keep others from changing it.
select code, name, zone from slacktide.organization where code = %(code)s for no key update;

-- name: add
-- Add an organization, unless its code is taken.
insert into slacktide.organization (code, name, zone) values (%(code)s, %(name)s, %(zone)s)
on conflict do nothing returning code;

-- name: change
-- Change an organization's name and zone.
update slacktide.organization set name = %(name)s, zone = %(zone)s where code = %(code)s;

-- name: sides
-- List the sides, of one organization or of all.
select organization, side, state, since, database, lives_at
from slacktide.side
where %(code)s::text is null or organization = %(code)s::text
order by organization, side;

-- name: set_side
-- Add a side, or give it a state; a state that stays keeps its instant.
insert into slacktide.side as present (organization, side, state, database, lives_at)
values (%(organization)s, %(side)s, %(state)s, %(database)s, %(lives_at)s)
on conflict (organization, side) do update
set state = excluded.state,
    since = case when present.state = excluded.state then present.since else excluded.since end,
    database = coalesce(excluded.database, present.database),
    lives_at = excluded.lives_at;

-- name: remove_side
-- Forget a side.
delete from slacktide.side where organization = %(organization)s and side = %(side)s;
