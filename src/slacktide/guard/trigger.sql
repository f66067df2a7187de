-- name: function
-- The trigger function of one guarded table.
create or replace function {function}() returns trigger language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp set row_security = off as {body}

-- name: own
-- Keeps a table's trigger function to its owner: on a table of their own, others would have it run their code as the owner.
revoke all on function {function}() from public

-- name: body
-- Says whose rows were written; `guard_decide` decides. A statement that wrote no row is not judged. One row is asked by
-- itself: to make several distinct costs it half as much again as all the rest. A row that an UPDATE or a MERGE moves to
-- another partition comes as a DELETE and, directly after it, an INSERT; so the first says for the second whose it was.
#variable_conflict use_column
declare
    guard_organizations text[] := '{{}}';
    guard_count bigint := 1;
    guard_left text[];
begin
    if tg_op = 'TRUNCATE' then
        perform slacktide.guard_decide(null, {interface}, {relation});
        return null;
    end if;
    if tg_level = 'ROW' and tg_op = 'INSERT' then
        guard_organizations := array(select ({organization})::text from (select new.*) as r);
        if current_setting('slacktide.guard_left', true) <> '' then
            guard_left := current_setting('slacktide.guard_left');
            perform set_config('slacktide.guard_left', '', true);
            if guard_left[1] = {relation} and guard_left[2] is distinct from guard_organizations[1] then
                insert into slacktide.guard_crossing (organizations)
                values (array_replace(guard_left[2:] || guard_organizations, null, ''));
            end if;
        end if;
    elsif tg_level = 'ROW' and tg_op = 'DELETE' then
        guard_organizations := array(select ({organization})::text from (select old.*) as r);
        perform set_config('slacktide.guard_left', (array[{relation}] || guard_organizations)::text, true);
    elsif tg_level = 'ROW' then
        guard_organizations := array(select ({organization})::text from (select new.*) as r
                                     union select ({organization})::text from (select old.*) as r);
    elsif tg_op = 'INSERT' then
        guard_organizations := array(select ({organization})::text from (select * from new_rows limit 2) as r);
        if cardinality(guard_organizations) > 1 then
            guard_organizations := array(select distinct ({organization})::text from {new_rows} as r);
        end if;
    elsif tg_op = 'DELETE' then
        guard_organizations := array(select ({organization})::text from (select * from old_rows limit 2) as r);
        if cardinality(guard_organizations) > 1 then
            guard_organizations := array(select distinct ({organization})::text from {old_rows} as r);
        end if;
    else
        guard_organizations := array(select ({organization})::text from (select * from new_rows limit 2) as r)
                               || array(select ({organization})::text from (select * from old_rows limit 2) as r);
        if cardinality(guard_organizations) <> 2 then
            guard_organizations := array(select ({organization})::text from {new_rows} as r
                                         union select ({organization})::text from {old_rows} as r);
        elsif guard_organizations[1] is not distinct from guard_organizations[2] then
            guard_organizations := guard_organizations[1:1];
        end if;
    end if;
    if cardinality(guard_organizations) = 0
       or not slacktide.guard_decide(guard_organizations, {interface}, {relation}, tg_op = 'UPDATE') then
        return null;
    end if;
    if tg_level = 'STATEMENT' and tg_op = 'DELETE' then
        select count(*) into guard_count from old_rows;
    elsif tg_level = 'STATEMENT' then
        select count(*) into guard_count from new_rows;
    end if;
    insert into slacktide.guard_touched (tester, relation, operation, organizations, row_count)
    values (session_user, {relation}, tg_op, array_remove(guard_organizations, null), guard_count);
    return null;
end

-- name: insert
-- Has an INSERT judged once, by the rows it made.
create trigger slacktide_guard_insert after insert on {relation}
referencing new table as new_rows for each statement execute function {function}()

-- name: update
-- Has an UPDATE judged once, by its rows before and after: a row may change hands.
create trigger slacktide_guard_update after update on {relation}
referencing old table as old_rows new table as new_rows for each statement execute function {function}()

-- name: delete
-- Has a DELETE judged once, by the rows it took away.
create trigger slacktide_guard_delete after delete on {relation}
referencing old table as old_rows for each statement execute function {function}()

-- name: row
-- Has every row judged, where statement triggers would not catch every row: in partitions, inheritance and subscriptions.
create trigger slacktide_guard_row after insert or update or delete on {relation}
for each row execute function {function}()

-- name: truncate
-- Has a TRUNCATE judged before it empties the table: it says nothing of whose rows go.
create trigger slacktide_guard_truncate before truncate on {relation}
for each statement execute function {function}()

-- name: always
-- Lets a trigger fire for replicated changes too, and with session_replication_role = replica.
alter table {relation} enable always trigger {trigger}

-- name: drop_trigger
-- Takes one trigger of ours away, if it is there.
drop trigger if exists {trigger} on {relation}

-- name: drop_function
-- Takes the trigger function of a table away, if it is there.
drop function if exists {function}()
