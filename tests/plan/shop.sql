create schema shop;
create table shop.site (code text primary key, zone text not null, day date not null, closing boolean not null);
create table shop.tariff (site_code text not null references shop.site, code text not null, primary key (site_code, code));
create table shop.profile (
    profile_id bigint generated always as identity primary key,
    name text not null,
    email text unique,
    note text,
    search text generated always as (lower(name)) stored
);
create table shop.booking (
    booking_id bigint generated always as identity primary key,
    site_code text not null references shop.site,
    number varchar(20) not null,
    profile_id bigint not null references shop.profile,
    other_id bigint references shop.booking,
    tariff_code text,
    at timestamptz(3),
    unique (site_code, number),
    unique (site_code, booking_id)
);
create table shop.night (
    booking_id bigint not null references shop.booking on delete cascade,
    stay date not null,
    amount numeric(12, 2) not null,
    primary key (booking_id, stay)
);
create table shop.invoice (
    invoice_id bigint generated always as identity primary key,
    booking_id bigint not null references shop.booking,
    number integer not null unique
);
create index on shop.invoice (booking_id, invoice_id);
create table shop.series (site_code text not null, name text not null, last bigint not null, primary key (site_code, name));
create table shop.scratch (scratch_id bigint primary key);
