-- name: foreign_keys
-- Every foreign key of the hotel's tables, with the statements that drop it and add it again.
select format('alter table %s drop constraint %I', conrelid::regclass, conname),
       format('alter table %s add constraint %I %s', conrelid::regclass, conname, pg_get_constraintdef(oid))
from pg_constraint
where connamespace = 'hotel'::regnamespace and contype = 'f'
order by conrelid::regclass::text, conname
