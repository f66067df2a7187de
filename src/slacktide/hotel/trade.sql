-- name: add
-- Adds an object's root row. Each statement for a root row tells the transaction's number too.
insert into hotel.{table} ({columns}) values ({values}) returning {key} as key, version, pg_current_xact_id()::text as transaction

-- name: put
-- Adds a part's row.
insert into hotel.{table} ({columns}) values ({values})

-- name: change
-- Changes an object's root row, or only raises its version; either way it is ours until the transaction ends.
update hotel.{table} set {changes}version = version + 1 where {key} = %(key)s returning *, pg_current_xact_id()::text as transaction

-- name: remove
-- Deletes an object's root row; that is one more version.
delete from hotel.{table} where {key} = %(key)s
returning version + 1 as version, pg_current_xact_id()::text as transaction

-- name: pick
-- The first object of the property from a key on.
select {key} as key from hotel.{table}
where property_code = %(property)s and {key} >= %(first)s order by {key} limit 1

-- name: bounds
-- The least and the greatest key of the property's objects of one kind.
select coalesce(min({key}), 0) as least, coalesce(max({key}), 0) as greatest
from hotel.{table} where property_code = %(property)s

-- name: today
-- What day it is in the property, and whether that is about to change.
select business_date, end_of_day_running from hotel.property where code = %(property)s

-- name: property
-- The property, and another one, if there is one.
select p.currency_code, (select min(o.code) from hotel.property o where o.code <> p.code) as other
from hotel.property p where p.code = %(property)s

-- name: codes
-- The property's codes by list.
select 'room_type' as list, code from hotel.room_type t
where property_code = %(property)s
  and exists (select from hotel.room r where r.property_code = t.property_code and r.room_type = t.code)
union all select 'rate', code from hotel.rate_code where property_code = %(property)s
union all select 'market', code from hotel.market_code where property_code = %(property)s
union all select 'source', code from hotel.source_code where property_code = %(property)s
union all select 'meal', code from hotel.meal_code where property_code = %(property)s
union all select 'space', code from hotel.function_space where property_code = %(property)s
union all select 'cashier', cashier_no::text from hotel.cashier where property_code = %(property)s
union all select 'room', room_no from hotel.room where property_code = %(property)s
order by 1, 2

-- name: draw
-- Draws the next numbers of a range.
update hotel.number_range set last_number = last_number + %(count)s
where property_code = %(property)s and name = %(name)s returning last_number

-- name: outcome
-- What became of a transaction: committed, aborted, in progress; null where it is too long ago.
select pg_xact_status(%(number)s::xid8) as outcome

-- name: sold
-- What reservations hold of the inventory.
select n.room_type, n.stay_date, 1 as sold, 0 as held
from hotel.reservation r join hotel.reservation_night n on n.reservation_id = r.reservation_id
where r.reservation_id = any (%(reservations)s::bigint[])
  and r.status in ('reserved', 'in house') and r.sharer_of_id is null

-- name: held
-- What blocks hold of the inventory.
select o.room_type, o.stay_date, 0 as sold, greatest(o.held - o.picked_up, 0) as held
from hotel.block b join hotel.block_room o on o.block_id = b.block_id
where b.block_id = any (%(blocks)s::bigint[]) and b.status = 'definite'

-- name: pick_reserved
-- A reservation that is still to come, by the day of arrival.
select reservation_id as key, profile_id, reservation_id, departure from hotel.reservation
where property_code = %(property)s and status = 'reserved' and arrival >= %(day)s
order by arrival limit 1 offset %(skip)s

-- name: pick_due_in
-- A guest who should have arrived.
select reservation_id as key from hotel.reservation
where property_code = %(property)s and status = 'reserved' and arrival <= %(today)s
order by arrival desc limit 1 offset %(skip)s

-- name: pick_in_house
-- A guest in house.
select reservation_id as key, profile_id from hotel.reservation
where property_code = %(property)s and status = 'in house'
order by departure limit 1 offset %(skip)s

-- name: pick_same_type
-- Another guest in house, in a room of the same type.
select reservation_id as key from hotel.reservation
where property_code = %(property)s and status = 'in house' and reservation_id <> %(key)s and room_no is not null
  and sharer_of_id is null and room_type = %(room_type)s
order by departure limit 1 offset %(skip)s

-- name: pick_open_folio
-- The open folio of a guest in house.
select f.folio_id as key, f.reservation_id from hotel.reservation r join hotel.folio f on f.reservation_id = r.reservation_id
where r.property_code = %(property)s and r.status = 'in house' and f.settled_on is null
order by r.departure limit 1 offset %(skip)s

-- name: pick_plain
-- A reservation to come to which nothing but nights, routing, messages and traces belongs.
select r.reservation_id as key, r.profile_id from hotel.reservation r
where r.property_code = %(property)s and r.status = 'reserved' and r.arrival >= %(day)s
  and r.block_id is null and r.sharer_of_id is null
  and not exists (select from hotel.folio x where x.reservation_id = r.reservation_id)
  and not exists (select from hotel.deposit x where x.reservation_id = r.reservation_id)
  and not exists (select from hotel.reservation x where x.sharer_of_id = r.reservation_id)
  and not exists (select from hotel.block x where x.master_reservation_id = r.reservation_id)
order by r.arrival limit 1 offset %(skip)s

-- name: pick_ends_before
-- A reservation to come that ends on a day, so that it can take one more night.
select reservation_id as key from hotel.reservation
where property_code = %(property)s and status = 'reserved' and departure = %(day)s and departure > arrival
  and arrival between %(day)s::date - 14 and %(day)s::date and block_id is null and reservation_id <> %(key)s
limit 1 offset %(skip)s

-- name: add_nights
-- Adds the nights of a stay.
insert into hotel.reservation_night (reservation_id, stay_date, property_code, room_type, rate_amount)
select %(key)s, d::date, %(property)s, %(room_type)s, %(rate)s
from generate_series(%(arrival)s::date, %(departure)s::date - 1, interval '1 day') d

-- name: remove_nights
-- Removes the nights of a reservation from a day on.
delete from hotel.reservation_night where reservation_id = %(key)s and stay_date >= %(day)s

-- name: move_night
-- Moves a night to another reservation.
update hotel.reservation_night set reservation_id = %(to)s where reservation_id = %(key)s and stay_date = %(day)s

-- name: give_room
-- Gives the nights of a reservation from a day on a room, or none.
update hotel.reservation_night set room_no = %(room_no)s where reservation_id = %(key)s and stay_date >= %(day)s

-- name: give_room_of_type
-- Gives the nights of a reservation from a day on a room of a type.
update hotel.reservation_night set room_no = %(room_no)s, room_type = %(room_type)s
where reservation_id = %(key)s and stay_date >= %(day)s

-- name: free_room
-- A room of a type that nobody has on the nights of a stay.
select r.room_no from hotel.room r
where r.property_code = %(property)s and r.room_type = %(room_type)s
  and not exists (select from hotel.reservation_night n where n.property_code = r.property_code
                  and n.room_no = r.room_no and n.stay_date >= %(arrival)s and n.stay_date < %(departure)s)
order by r.room_no limit 1 offset %(skip)s

-- name: remove_routing
-- Removes the routing of a reservation.
delete from hotel.routing_instruction where reservation_id = %(key)s

-- name: routed_windows
-- The windows that a reservation's routing needs besides the first.
select window_no, min(payee_id) as payee_id from hotel.routing_instruction
where reservation_id = %(key)s and window_no > 1 group by 1 order by 1

-- name: papers
-- The messages and traces of a reservation.
select 'guest_message' as entity, guest_message_id as key from hotel.guest_message where reservation_id = %(key)s
union all
select 'trace', trace_id from hotel.trace where reservation_id = %(key)s

-- name: held_deposits
-- The deposits of a reservation that are held.
select deposit_id as key from hotel.deposit where reservation_id = %(key)s and status = 'held' order by 1

-- name: folio_of
-- The open folio of a reservation.
select folio_id as key from hotel.folio where reservation_id = %(key)s and settled_on is null

-- name: balances
-- What is open on a folio, by window and currency.
select window_no, currency_code, sum(amount) as amount from hotel.posting
where folio_id = %(key)s group by 1, 2 having sum(amount) <> 0 order by 1, 2

-- name: windows
-- How many windows a folio has: the highest number.
select coalesce(max(window_no), 0) as last from hotel.folio_window where folio_id = %(key)s

-- name: postings
-- The postings of a folio to which no invoice refers.
select posting_id as key from hotel.posting p
where folio_id = %(key)s and not exists (select from hotel.ar_invoice_line l where l.posting_id = p.posting_id)
order by 1

-- name: move_postings
-- Moves postings to a window, of this folio or of another.
update hotel.posting set folio_id = %(folio)s, window_no = %(window)s where posting_id = any (%(keys)s::bigint[])

-- name: post
-- Posts an amount on a folio's window.
insert into hotel.posting
    (folio_id, window_no, transaction_code, currency_code, amount, business_date, cashier_no, description)
values (%(folio)s, %(window)s, %(code)s, %(currency)s, %(amount)s, %(today)s, %(cashier)s, %(description)s)
returning posting_id as key

-- name: foreign_account
-- Makes a house account of another property ours until the transaction ends, and raises its version.
update hotel.folio set version = version + 1 where folio_id = (
    select min(f.folio_id) from hotel.folio f join hotel.folio_window w on w.folio_id = f.folio_id and w.window_no = 1
    where f.property_code = %(other)s and f.reservation_id is null and f.settled_on is null)
returning folio_id as key

-- name: pick_invoice
-- An open invoice of the property.
select i.ar_invoice_id as key, a.ar_account_id from hotel.ar_account a join hotel.ar_invoice i on i.ar_account_id = a.ar_account_id
where a.property_code = %(property)s and a.ar_account_id >= %(first)s and i.status = 'open'
order by a.ar_account_id, i.ar_invoice_id limit 1 offset %(skip)s

-- name: owed
-- What is still owed on an invoice.
select coalesce((select sum(amount) from hotel.ar_invoice_line where ar_invoice_id = %(key)s), 0)
     - coalesce((select sum(amount) from hotel.ar_payment where ar_invoice_id = %(key)s), 0) as amount

-- name: pick_open_block
-- A block that still has rooms to pick up.
select b.block_id as key from hotel.block b
where b.property_code = %(property)s and b.block_id >= %(first)s and b.status <> 'cancelled' and b.departure > %(today)s
  and exists (select from hotel.block_room o where o.block_id = b.block_id and o.picked_up < o.held)
order by b.block_id limit 1

-- name: block_rooms
-- The room type of a block that has rooms left, and its days.
select room_type, min(stay_date) as arrival, max(stay_date) + 1 as departure from hotel.block_room
where block_id = %(key)s and stay_date >= %(today)s and picked_up < held
group by 1 having count(*) = max(stay_date) - min(stay_date) + 1 order by 1

-- name: pick_up
-- Counts rooms of a block as picked up, or gives them back.
update hotel.block_room o set picked_up = o.picked_up + %(rooms)s
where o.block_id = %(block)s and o.picked_up + %(rooms)s >= 0 and exists (
    select from hotel.reservation_night n where n.reservation_id = %(key)s
    and n.stay_date = o.stay_date and n.room_type = o.room_type)

-- name: add_block_rooms
-- Adds the rooms that a block holds.
insert into hotel.block_room (block_id, stay_date, room_type, property_code, held, picked_up)
select %(key)s, d::date, %(room_type)s, %(property)s, %(held)s, 0
from generate_series(%(arrival)s::date, %(departure)s::date - 1, interval '1 day') d

-- name: remove_block_rooms
-- Removes the rooms that a block holds.
delete from hotel.block_room where block_id = %(key)s

-- name: pick_lone_block
-- A block of the trader's own whose only reservation is its master, and whose guest is nobody else's.
select b.block_id as key, b.master_reservation_id, r.profile_id
from hotel.block b join hotel.reservation r on r.reservation_id = b.master_reservation_id
where b.property_code = %(property)s and b.block_code like 'T-%%' and r.status = 'reserved'
  and not exists (select from hotel.reservation x where x.block_id = b.block_id and x.reservation_id <> r.reservation_id)
  and not exists (select from hotel.event x where x.block_id = b.block_id)
  and not exists (select from hotel.deposit x where x.reservation_id = r.reservation_id)
  and not exists (select from hotel.reservation x where x.sharer_of_id = r.reservation_id)
order by b.block_id limit 1 offset %(skip)s

-- name: guest
-- The profile of a guest, if it is one.
select profile_id as key from hotel.profile where profile_id = %(key)s and kind = 'guest'

-- name: communications
-- The addresses of a profile.
select communication_id as key from hotel.profile_communication where profile_id = %(key)s order by 1

-- name: change_communication
-- Changes an address.
update hotel.profile_communication set value = %(value)s where communication_id = %(key)s

-- name: remove_communications
-- Removes the addresses of a profile.
delete from hotel.profile_communication where profile_id = %(key)s

-- name: move_communications
-- Moves the addresses of a profile to another one.
update hotel.profile_communication set profile_id = %(to)s where profile_id = %(key)s

-- name: merge_reservation
-- Points the property's reservations at the profile that stays.
update hotel.reservation r set version = version + 1,
    profile_id = case r.profile_id when %(key)s then %(to)s else r.profile_id end,
    agent_id = case r.agent_id when %(key)s then %(to)s else r.agent_id end,
    company_id = case r.company_id when %(key)s then %(to)s else r.company_id end
where property_code = %(property)s and %(key)s in (profile_id, agent_id, company_id)
returning reservation_id as key, version

-- name: merge_payee
-- Points the routing of the property's reservations at the profile that stays.
with changed as (
    update hotel.routing_instruction i set payee_id = %(to)s
    from hotel.reservation r
    where i.payee_id = %(key)s and r.reservation_id = i.reservation_id and r.property_code = %(property)s
    returning i.reservation_id)
update hotel.reservation set version = version + 1 where reservation_id in (select reservation_id from changed)
returning reservation_id as key, version

-- name: merge_folio
-- Points the windows of the property's folios at the profile that stays.
with changed as (
    update hotel.folio_window w set payee_id = %(to)s
    from hotel.folio f where w.payee_id = %(key)s and f.folio_id = w.folio_id and f.property_code = %(property)s
    returning w.folio_id)
update hotel.folio set version = version + 1 where folio_id in (select folio_id from changed)
returning folio_id as key, version

-- name: merge_block
-- Points the property's blocks at the profile that stays.
update hotel.block set profile_id = %(to)s, version = version + 1
where property_code = %(property)s and profile_id = %(key)s returning block_id as key, version

-- name: merge_event
-- Points the property's events at the profile that stays.
update hotel.event set profile_id = %(to)s, version = version + 1
where property_code = %(property)s and profile_id = %(key)s returning event_id as key, version

-- name: merge_ar_account
-- Points the property's accounts at the profile that stays.
update hotel.ar_account set profile_id = %(to)s, version = version + 1
where property_code = %(property)s and profile_id = %(key)s returning ar_account_id as key, version

-- name: merge_stay_history
-- Points the property's old stays at the profile that stays.
update hotel.stay_history set profile_id = %(to)s, version = version + 1
where property_code = %(property)s and profile_id = %(key)s

-- name: merge_attachment
-- Points the property's attachments at the profile that stays.
update hotel.attachment set profile_id = %(to)s, version = version + 1
where property_code = %(property)s and profile_id = %(key)s

-- name: room_overlap
-- Keeps others from putting the same room out of order; tells its type, and whether it already is.
select r.room_type, exists (
    select from hotel.out_of_order o where o.property_code = r.property_code and o.room_no = r.room_no
    and o.first_date <= %(last)s and o.last_date >= %(first)s) as taken
from hotel.room r where r.property_code = %(property)s and r.room_no = %(room_no)s for no key update of r

-- name: remove_event_parts
-- Removes the spaces and resources of an event.
with spaces as (delete from hotel.event_space where event_id = %(key)s)
delete from hotel.event_resource where event_id = %(key)s
