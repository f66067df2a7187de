-- name: derived
-- Inventory from what it derives from: rooms, rooms out of order, nights of reservations that hold a room, and rooms of
-- definite blocks not picked up; per room type and day from the business date to a year on, or the last night sold.
with property as (
    select code, business_date from hotel.property where code = %(property)s
), sold as (
    select n.room_type, n.stay_date, count(*)::integer as rooms
    from property p
    join hotel.reservation_night n on n.property_code = p.code and n.stay_date >= p.business_date
    join hotel.reservation r on r.reservation_id = n.reservation_id
    where r.status in ('reserved', 'in house') and r.sharer_of_id is null
    group by 1, 2
), held as (
    select o.room_type, o.stay_date, sum(greatest(o.held - o.picked_up, 0))::integer as rooms
    from property p
    join hotel.block b on b.property_code = p.code and b.status = 'definite'
    join hotel.block_room o on o.block_id = b.block_id and o.stay_date >= p.business_date
    group by 1, 2
), days as (
    select d::date as stay_date
    from property p, generate_series(p.business_date, greatest(
        p.business_date + 365,
        (select max(stay_date) from sold),
        (select max(stay_date) from held),
        (select max(stay_date) from hotel.inventory where property_code = p.code)), interval '1 day') d
), rooms as (
    select t.code as room_type, count(r.room_no)::integer as physical
    from hotel.room_type t
    left join hotel.room r on r.property_code = t.property_code and r.room_type = t.code
    where t.property_code = %(property)s
    group by 1
), out_of_order as (
    select r.room_type, d.stay_date, count(distinct o.room_no)::integer as rooms
    from hotel.out_of_order o
    join hotel.room r on r.property_code = o.property_code and r.room_no = o.room_no
    join days d on d.stay_date between o.first_date and o.last_date
    where o.property_code = %(property)s
    group by 1, 2
)
select %(property)s::text as property_code, t.room_type, d.stay_date, t.physical,
       coalesce(o.rooms, 0) as out_of_order, coalesce(s.rooms, 0) as sold, coalesce(h.rooms, 0) as held,
       t.physical - coalesce(o.rooms, 0) - coalesce(s.rooms, 0) - coalesce(h.rooms, 0) as available
from rooms t
cross join days d
left join sold s using (room_type, stay_date)
left join held h using (room_type, stay_date)
left join out_of_order o using (room_type, stay_date)

-- name: clear
-- Removes a property's inventory, so that it can be made anew.
delete from hotel.inventory where property_code = %(property)s

-- name: fill
-- Begins the statement that fills the inventory from what it derives from.
insert into hotel.inventory
    (property_code, room_type, stay_date, physical, out_of_order, sold, held, available)

-- name: stored
-- The inventory as it is kept, from the business date onwards.
select i.room_type, i.stay_date, i.physical, i.out_of_order, i.sold, i.held, i.available
from hotel.inventory i join hotel.property p on p.code = i.property_code
where p.code = %(property)s and i.stay_date >= p.business_date

-- name: lock
-- Keeps others from changing inventory and what it derives from, until the transaction ends.
lock table hotel.room, hotel.out_of_order, hotel.block, hotel.block_room, hotel.reservation, hotel.reservation_night,
    hotel.inventory in share row exclusive mode

-- name: change
-- Adds to rooms sold, held and out of order of room types on days. Rows are locked in one order, so that those who do the
-- same at the same time wait for each other and never in a circle. Days before the business date are left alone.
insert into hotel.inventory as i
    (property_code, room_type, stay_date, physical, out_of_order, sold, held, available)
select p.code, c.room_type, c.stay_date, r.physical, sum(c.out_of_order), sum(c.sold), sum(c.held),
       r.physical - sum(c.out_of_order) - sum(c.sold) - sum(c.held)
from unnest(%(types)s::text[], %(days)s::date[], %(sold)s::integer[], %(held)s::integer[], %(out_of_order)s::integer[])
    c (room_type, stay_date, sold, held, out_of_order)
join hotel.property p on p.code = %(property)s and c.stay_date >= p.business_date
cross join lateral (
    select count(*)::integer as physical from hotel.room
    where property_code = p.code and room_type = c.room_type) r
group by 1, 2, 3, 4
having sum(c.sold) <> 0 or sum(c.held) <> 0 or sum(c.out_of_order) <> 0
order by 1, 2, 3
on conflict (property_code, room_type, stay_date) do update set
    out_of_order = i.out_of_order + excluded.out_of_order,
    sold = i.sold + excluded.sold,
    held = i.held + excluded.held,
    available = i.available - excluded.out_of_order - excluded.sold - excluded.held
