-- A small ERP with an interface, for tests and demonstrations: invoices are inserted into `payables`, whose tables are
-- guarded, and an importer of the ERP's own carries them into its `ledger`. Run as one script, any number of times.

create schema if not exists payables;

create schema if not exists ledger;

create table if not exists payables.invoice_header (
    interface_id bigint generated always as identity primary key,
    key text not null unique,
    organization text not null,
    number text not null,
    amount numeric not null check (amount > 0),
    written_at timestamptz not null default clock_timestamp()
);

create table if not exists payables.invoice_line (
    interface_id bigint not null references payables.invoice_header,
    line integer not null,
    organization text not null,
    amount numeric not null,
    primary key (interface_id, line)
);

-- What the importer was asked to do: accepted once for each key, then done or failed.
create table if not exists ledger.request (
    request_id bigint generated always as identity primary key,
    key text not null unique,
    header_key text not null references payables.invoice_header (key),
    accepted_at timestamptz not null default clock_timestamp(),
    result text check (result in ('done', 'failed')),
    note text
);

create table if not exists ledger.invoice (
    invoice_id bigint generated always as identity primary key,
    request_id bigint not null unique references ledger.request,
    organization text not null,
    number text not null,
    amount numeric not null,
    unique (organization, number)
);

-- The ERP's own importer: whatever was accepted, in that order; an invoice whose lines do not add up fails.
create or replace function ledger.run_importer() returns integer language plpgsql as $body$
declare
    asked record;
    worked integer := 0;
begin
    for asked in
        select r.request_id, h.organization, h.number, h.amount,
               (select sum(l.amount) from payables.invoice_line l where l.interface_id = h.interface_id) as lines
        from ledger.request r join payables.invoice_header h on h.key = r.header_key
        where r.result is null order by r.request_id for update of r skip locked
    loop
        if asked.lines is distinct from asked.amount then
            update ledger.request set result = 'failed', note = 'its lines do not add up to ' || asked.amount
            where request_id = asked.request_id;
        else
            insert into ledger.invoice (request_id, organization, number, amount)
            values (asked.request_id, asked.organization, asked.number, asked.amount);
            update ledger.request set result = 'done' where request_id = asked.request_id;
        end if;
        worked := worked + 1;
    end loop;
    return worked;
end
$body$;
