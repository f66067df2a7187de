-- Two databases whose tables are partitioned, some on two levels, one leaf in a schema that no plan names.
create schema leaf;
create schema other;
create table leaf.property (code text primary key, zone text not null default 'UTC', today date not null default '2026-01-01', closing_day boolean not null default false);
create table leaf.person (person_id bigserial, name text not null, primary key (person_id)) partition by range (person_id);
create table leaf.person_low partition of leaf.person for values from (minvalue) to (5);
create table leaf.person_high partition of leaf.person for values from (5) to (maxvalue);
create table leaf.account (account_id bigserial, property text not null references leaf.property, name text not null,
    primary key (account_id), unique (account_id, property)) partition by range (account_id);
create table leaf.account_low partition of leaf.account for values from (0) to (4);
create table leaf.account_high partition of leaf.account for values from (4) to (maxvalue) partition by hash (account_id);
create table leaf.account_even partition of leaf.account_high for values with (modulus 2, remainder 0);
create table other.account_odd partition of leaf.account_high for values with (modulus 2, remainder 1);
create table leaf.invoice (invoice_id bigserial primary key, account_id bigint not null references leaf.account, number text not null unique);
create index on leaf.invoice (account_id);
create table leaf.booking (booking_id bigserial primary key, property text not null references leaf.property, number text not null,
    person_id bigint not null, unique (property, number), unique (booking_id, property));
create table leaf.charge (number bigint not null, kind text not null, day date not null, booking_id bigint not null references leaf.booking,
    amount numeric(12,2) not null, note text, primary key (number, kind, day)) partition by range (day);
create index on leaf.charge (booking_id);
create table leaf.charge_2025 partition of leaf.charge for values from (minvalue) to ('2026-01-01');
create table leaf.charge_2026 partition of leaf.charge for values from ('2026-01-01') to ('2027-01-01') partition by list (kind);
create table leaf.charge_room partition of leaf.charge_2026 for values in ('room');
-- The same columns in another order, one of them behind one that is gone.
create table leaf.charge_rest (note text, was text, amount numeric(12,2) not null, booking_id bigint not null references leaf.booking,
    day date not null, kind text not null, number bigint not null);
alter table leaf.charge_rest drop column was;
alter table leaf.charge_2026 attach partition leaf.charge_rest default;
insert into leaf.property (code) values ('P'), ('Q');
