-- name: takes
-- Tell whether this database has the interface.
select to_regclass('payables.invoice_header') is not null

-- name: find
-- Tell whether the invoice of this key is in the interface.
select exists (select from payables.invoice_header where key = %(key)s)

-- name: write
-- Insert an invoice into the interface, with its key, and its lines.
with header as (
    insert into payables.invoice_header (key, organization, number, amount)
    values (%(key)s, %(organization)s, %(number)s, %(amount)s) returning interface_id, organization
)
insert into payables.invoice_line (interface_id, line, organization, amount)
select interface_id, line, organization, amount
from header, unnest(%(lines)s::numeric[]) with ordinality as l (amount, line)

-- name: send
-- Ask the importer for an invoice; asked twice with one key it is asked once.
insert into ledger.request (key, header_key) values (%(key)s, %(header_key)s) on conflict (key) do nothing

-- name: result
-- What became of it.
select coalesce(result, 'pending'), coalesce(note, '') from ledger.request where key = %(key)s

-- name: run_importer
-- Let the importer do what it has accepted.
select ledger.run_importer()
