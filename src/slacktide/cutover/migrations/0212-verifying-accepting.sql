-- Testers at the target before it opens: who they are, what they wrote, and whether that is gone again.

alter table slacktide.side add column if not exists testers text[] not null default '{}';

create table if not exists slacktide.verifying (
    move_id integer not null,
    attempt integer not null,
    testers text[] not null,
    who text not null,
    reason text not null,
    began_at timestamptz not null default clock_timestamp(),
    ended_at timestamptz,     -- null until what they wrote is gone, and that is proven
    wrote jsonb not null default '[]',
    primary key (move_id, attempt),
    foreign key (move_id, attempt) references slacktide.procedure on delete cascade
);
-- Errors that somebody accepted by name: as the object stands, until it changes at the source or arrives after all.

alter table slacktide.message drop column if exists accepted_by;
alter table slacktide.message drop column if exists accepted_reason;

create table if not exists slacktide.accepted_error (
    move_id integer not null references slacktide.move on delete cascade,
    entity text not null,
    key text not null,
    error text not null,      -- what was wrong with it when it was accepted
    name text not null,
    role text not null,
    reason text not null,
    who text not null,
    at timestamptz not null default clock_timestamp(),
    primary key (move_id, entity, key)
);

-- End acceptances, with a line in the audit trail for each.
create or replace function slacktide.end_acceptance(of integer, entities text[], keys text[], why text)
returns void language sql as $$
with over as (
    delete from slacktide.accepted_error a using unnest(entities, keys) o (entity, key)
    where a.move_id = of and (a.entity, a.key) = (o.entity, o.key) returning a.*
)
insert into slacktide.audit (who, what, object, before, reason)
select 'slacktide', 'move error acceptance over', m.name,
    jsonb_build_object('entity', o.entity, 'key', o.key, 'name', o.name, 'role', o.role), why
from over o join slacktide.move m using (move_id)
$$;

-- What changed at the source is another object than the one that was accepted. Entries without an id are our own wish
-- to read it again.
create or replace function slacktide.accepted_changed() returns trigger language plpgsql as $$
begin
    if exists (select from slacktide.accepted_error) then
        perform slacktide.end_acceptance(
            n.move_id, array_agg(n.entity), array_agg(n.key), 'it changed at the source')
        from new_rows n join slacktide.journal j using (move_id, sequence) where j.xid is not null group by n.move_id;
    end if;
    return null;
end
$$;
create or replace trigger accepted_changed after insert on slacktide.journal_object
    referencing new table as new_rows for each statement execute function slacktide.accepted_changed();

-- What has arrived is no error any more.
create or replace function slacktide.accepted_arrived() returns trigger language plpgsql as $$
begin
    if exists (select from slacktide.accepted_error) then
        perform slacktide.end_acceptance(o.move_id, array_agg(o.entity), array_agg(o.key), 'it has arrived, or was forgotten')
        from old_rows o group by o.move_id;
    end if;
    return null;
end
$$;
create or replace trigger accepted_arrived after delete on slacktide.message
    referencing old table as old_rows for each statement execute function slacktide.accepted_arrived();
