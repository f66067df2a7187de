-- name: begin
-- Says, for all to see, that End of Day is under way.
update hotel.property set end_of_day_running = true where code = %(property)s

-- name: hold
-- Takes the property's row, which only one End of Day can have; the business date is read under it.
select business_date from hotel.property where code = %(property)s for no key update nowait

-- name: no_shows
-- Who was expected by the business date and did not come is a no show.
update hotel.reservation set status = 'no show', version = version + 1
where property_code = %(property)s and status = 'reserved' and arrival <= %(business_date)s
returning reservation_id, sharer_of_id

-- name: freed_nights
-- The nights that no shows leave unsold from the business date onwards, and that sharers never held.
select n.room_type, n.stay_date
from hotel.reservation_night n
where n.reservation_id = any(%(reservations)s) and n.stay_date >= %(business_date)s

-- name: forfeit
-- A no show's deposit stays with the hotel.
update hotel.deposit set status = 'forfeited', version = version + 1
where reservation_id = any(%(reservations)s) and status = 'held'

-- name: folios
-- Every guest in house has a folio.
insert into hotel.folio (property_code, reservation_id)
select property_code, reservation_id from hotel.reservation
where property_code = %(property)s and status = 'in house'
on conflict (reservation_id) do nothing

-- name: windows
-- The windows that tonight's room charges go to.
insert into hotel.folio_window (folio_id, window_no, payee_id)
select f.folio_id, coalesce(i.window_no, 1), coalesce(i.payee_id, r.profile_id)
from hotel.reservation r
join hotel.folio f on f.reservation_id = r.reservation_id
left join lateral (
    select window_no, payee_id from hotel.routing_instruction
    where reservation_id = r.reservation_id and transaction_code = '1000' order by instruction_no limit 1) i on true
where r.property_code = %(property)s and r.status = 'in house'
on conflict (folio_id, window_no) do nothing

-- name: room_charges
-- Posts tonight's rate of every guest in house, to the window that its routing says.
with charged as (
    insert into hotel.posting
        (folio_id, window_no, transaction_code, currency_code, amount, business_date, cashier_no, description)
    select f.folio_id, coalesce(i.window_no, 1), '1000', r.currency_code, n.rate_amount, n.stay_date, 1, 'End of Day'
    from hotel.reservation r
    join hotel.reservation_night n on n.reservation_id = r.reservation_id and n.stay_date = %(business_date)s
    join hotel.folio f on f.reservation_id = r.reservation_id
    left join lateral (
        select window_no from hotel.routing_instruction
        where reservation_id = r.reservation_id and transaction_code = '1000' order by instruction_no limit 1) i on true
    where r.property_code = %(property)s and r.status = 'in house' and n.rate_amount <> 0
    returning folio_id
)
update hotel.folio f set version = version + 1 from charged c where c.folio_id = f.folio_id

-- name: overdue
-- Guests who should have left by the business date and are still in house.
select confirmation_no from hotel.reservation
where property_code = %(property)s and status = 'in house' and departure <= %(business_date)s
order by confirmation_no

-- name: forget_inventory
-- A day that is over has nothing left to sell.
delete from hotel.inventory where property_code = %(property)s and stay_date <= %(business_date)s

-- name: roll
-- The next day begins, and End of Day is over.
update hotel.property set business_date = business_date + 1, end_of_day_running = false where code = %(property)s

-- name: close_cashiers
-- Closes every open cashier.
update hotel.cashier set open_since = null where property_code = %(property)s and open_since is not null

-- name: settle_card_batches
-- Settles every card batch that is not.
update hotel.card_batch set settled_at = clock_timestamp(), version = version + 1
where property_code = %(property)s and settled_at is null
