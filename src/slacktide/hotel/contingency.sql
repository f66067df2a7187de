-- name: property
-- The property, its business date, and the instant of the snapshot that all that follows is read in.
select code, name, time_zone, business_date, now() from hotel.property where code = %(property)s

-- name: in_house
-- Guests in house, each once; a sharer's room is that of the reservation it shares with.
select r.reservation_id, r.confirmation_no, coalesce(r.room_no, m.room_no, '') as room_no, r.sharer_of_id is not null,
       p.last_name, coalesce(p.first_name, ''), p.vip, r.arrival, r.departure,
       r.adults + coalesce(r.children, 0) + r.babies, r.meal_code, r.rate_amount, r.currency_code, coalesce(r.note, '')
from hotel.reservation r
join hotel.profile p on p.profile_id = r.profile_id
left join hotel.reservation m on m.reservation_id = r.sharer_of_id
where r.property_code = %(property)s and r.status = 'in house'
order by lpad(coalesce(r.room_no, m.room_no, ''), 10), r.sharer_of_id is not null, r.confirmation_no

-- name: windows
-- Every folio window of guests in house: its balance in each currency, who pays, and how much credit that payer has here.
select f.reservation_id, w.window_no, coalesce(q.currency_code, r.currency_code), coalesce(q.amount, 0),
       coalesce(concat_ws(' ', p.first_name, p.last_name), ''), a.credit_limit
from hotel.reservation r
join hotel.folio f on f.reservation_id = r.reservation_id
join hotel.folio_window w on w.folio_id = f.folio_id
left join lateral (
    select currency_code, sum(amount) as amount from hotel.posting
    where folio_id = w.folio_id and window_no = w.window_no group by 1) q on true
left join hotel.profile p on p.profile_id = w.payee_id and p.profile_id <> r.profile_id
left join lateral (
    select max(credit_limit) as credit_limit from hotel.ar_account
    where property_code = f.property_code and profile_id = w.payee_id) a on true
where r.property_code = %(property)s and r.status = 'in house'
order by f.reservation_id, w.window_no, 3

-- name: deposits
-- Deposits of guests in house and of reservations that are still to come.
select d.reservation_id, d.status, d.currency_code, sum(d.amount)
from hotel.deposit d join hotel.reservation r on r.reservation_id = d.reservation_id
where d.property_code = %(property)s and r.status in ('in house', 'reserved') and d.status in ('held', 'applied')
group by 1, 2, 3 order by 1, 2, 3

-- name: open_folios
-- Folios with a balance that belong to nobody in house: house accounts, and guests who have left or are still to come.
select coalesce(f.title, concat_ws(' ', p.first_name, p.last_name)), r.confirmation_no, q.window_no, q.currency_code, sum(q.amount)
from hotel.folio f
join hotel.posting q on q.folio_id = f.folio_id
left join hotel.reservation r on r.reservation_id = f.reservation_id
left join hotel.profile p on p.profile_id = r.profile_id
where f.property_code = %(property)s and r.status is distinct from 'in house'
group by f.folio_id, 1, 2, 3, 4 having sum(q.amount) <> 0
order by r.confirmation_no nulls first, 1, 3, 4

-- name: stays
-- Arrivals up to a last day of those who are expected.
select r.reservation_id, r.confirmation_no, coalesce(r.room_no, m.room_no, ''), r.sharer_of_id is not null, p.last_name,
       coalesce(p.first_name, ''), p.vip, r.arrival, r.departure, r.adults + coalesce(r.children, 0) + r.babies, r.room_type,
       r.meal_code, r.rate_amount, r.currency_code, coalesce(c.last_name, g.last_name, ''), r.guarantee, coalesce(r.note, '')
from hotel.reservation r
join hotel.profile p on p.profile_id = r.profile_id
left join hotel.profile c on c.profile_id = r.company_id
left join hotel.profile g on g.profile_id = r.agent_id
left join hotel.reservation m on m.reservation_id = r.sharer_of_id
where r.property_code = %(property)s and r.status = 'reserved' and r.arrival <= %(last)s
order by r.arrival, p.last_name, p.first_name, r.confirmation_no

-- name: rooms
-- Every room as it is on the business date: who is in it and until when, who has it next, whether it is out of order.
select o.room_no, o.room_type, o.floor, g.departure, coalesce(g.name, ''), n.arrival, coalesce(n.name, ''), x.last_date
from hotel.room o
left join lateral (
    select r.departure, concat_ws(' ', p.first_name, p.last_name) as name
    from hotel.reservation r join hotel.profile p on p.profile_id = r.profile_id
    where r.property_code = o.property_code and r.room_no = o.room_no and r.status = 'in house' and r.sharer_of_id is null
    order by r.departure desc limit 1) g on true
left join (
    select distinct on (r.room_no) r.room_no, r.arrival, concat_ws(' ', p.first_name, p.last_name) as name
    from hotel.reservation r join hotel.profile p on p.profile_id = r.profile_id
    where r.property_code = %(property)s and r.status = 'reserved' and r.room_no is not null
    order by r.room_no, r.arrival) n on n.room_no = o.room_no
left join (
    select room_no, max(last_date) as last_date from hotel.out_of_order
    where property_code = %(property)s and %(business_date)s between first_date and last_date group by 1) x on x.room_no = o.room_no
where o.property_code = %(property)s
order by lpad(o.room_no, 10)

-- name: room_types
-- The room types and how many rooms each has.
select t.code, t.name, count(r.room_no)
from hotel.room_type t left join hotel.room r on r.property_code = t.property_code and r.room_type = t.code
where t.property_code = %(property)s group by 1, 2 order by 1

-- name: out_of_order
-- Rooms that are out of order on the business date or later.
select room_no, first_date, last_date, reason from hotel.out_of_order
where property_code = %(property)s and last_date >= %(business_date)s order by first_date, lpad(room_no, 10)

-- name: traces
-- Traces that are not resolved, of guests who are here or still to come.
select t.due_on, t.department, coalesce(r.room_no, m.room_no, ''), r.confirmation_no, concat_ws(' ', p.first_name, p.last_name), t.body
from hotel.trace t
join hotel.reservation r on r.reservation_id = t.reservation_id
join hotel.profile p on p.profile_id = r.profile_id
left join hotel.reservation m on m.reservation_id = r.sharer_of_id
where t.property_code = %(property)s and t.resolved_at is null
order by t.due_on, t.department, t.trace_id

-- name: messages
-- Messages that no guest has yet.
select g.received_at, coalesce(r.room_no, m.room_no, ''), r.confirmation_no, concat_ws(' ', p.first_name, p.last_name),
       coalesce(g.sender, ''), g.body
from hotel.guest_message g
join hotel.reservation r on r.reservation_id = g.reservation_id
join hotel.profile p on p.profile_id = r.profile_id
left join hotel.reservation m on m.reservation_id = r.sharer_of_id
where g.property_code = %(property)s and g.delivered_at is null
order by g.received_at, g.guest_message_id

-- name: telephone_book
-- The telephone book.
select category, name, number, coalesce(note, '') from hotel.telephone_entry
where property_code = %(property)s order by category, name, telephone_entry_id

-- name: ledgers
-- What each ledger holds in each currency.
select 'Guest ledger' as ledger, p.currency_code, sum(p.amount), 1 as place
from hotel.folio f join hotel.posting p on p.folio_id = f.folio_id
where f.property_code = %(property)s group by 2
union all
select 'Package ledger', p.currency_code, sum(p.amount), 2
from hotel.folio f join hotel.posting p on p.folio_id = f.folio_id
join hotel.transaction_code t on t.code = p.transaction_code and t.kind = 'package'
where f.property_code = %(property)s group by 2
union all
select 'Deposit ledger', currency_code, sum(amount), 3
from hotel.deposit where property_code = %(property)s and status = 'held' group by 2
union all
select 'Accounts receivable', i.currency_code, sum(v.amount), 4
from hotel.ar_account a
join hotel.ar_invoice i on i.ar_account_id = a.ar_account_id
cross join lateral (
    select amount from hotel.ar_invoice_line where ar_invoice_id = i.ar_invoice_id
    union all
    select -amount from hotel.ar_payment where ar_invoice_id = i.ar_invoice_id) v
where a.property_code = %(property)s group by 2
order by 4, 2

-- name: accounts
-- Accounts receivable: their credit limits, and what is open in each currency.
select a.account_no, concat_ws(' ', p.first_name, p.last_name), a.credit_limit, coalesce(i.currency_code, ''), coalesce(sum(v.amount), 0)
from hotel.ar_account a
join hotel.profile p on p.profile_id = a.profile_id
left join hotel.ar_invoice i on i.ar_account_id = a.ar_account_id and i.status = 'open'
left join lateral (
    select amount from hotel.ar_invoice_line where ar_invoice_id = i.ar_invoice_id
    union all
    select -amount from hotel.ar_payment where ar_invoice_id = i.ar_invoice_id) v on true
where a.property_code = %(property)s
group by a.account_no, 2, 3, 4 order by 2, a.account_no, 4
