-- name: forget_guard
-- Take away what the guard keeps in a database where no table is guarded any more, and the schema when it is then empty.
do $$
declare
    item text;
begin
    if exists (select from pg_trigger where tgname like 'slacktide\_guard\_%') then
        return;
    end if;
    for item in
        select format('drop %s %s cascade', case relkind when 'S' then 'sequence' else 'table' end, oid::regclass) from pg_class
        where relnamespace = to_regnamespace('slacktide') and relname like 'guard\_%' and relkind in ('r', 'S')
            and not (relkind = 'S' and exists (select from pg_depend where objid = pg_class.oid and deptype = 'i'))
    loop
        execute item;
    end loop;
    for item in
        select format('drop function %s cascade', oid::regprocedure) from pg_proc
        where pronamespace = to_regnamespace('slacktide') and proname like 'guard\_%'
    loop
        execute item;
    end loop;
    if exists (select from pg_namespace where nspname = 'slacktide')
        and not exists (select from pg_depend where refclassid = 'pg_namespace'::regclass and refobjid = to_regnamespace('slacktide'))
    then
        drop schema slacktide;
    end if;
end $$
