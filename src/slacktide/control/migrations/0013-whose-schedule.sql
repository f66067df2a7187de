-- The message of a change says whose schedule has changed, so that whoever keeps it reads that organization alone: its
-- code; nothing where it is the site's, or a user's, or where all have to be looked at.

create or replace function slacktide.organization_changed() returns trigger language plpgsql as $body$
declare
    own text := tg_argv[0];
begin
    if tg_op <> 'INSERT' then
        perform pg_notify('slacktide_schedule', coalesce(to_jsonb(old) ->> own, ''));
    end if;
    if tg_op <> 'DELETE' then
        perform pg_notify('slacktide_schedule', coalesce(to_jsonb(new) ->> own, ''));
    end if;
    return null;
end
$body$;

create or replace trigger schedule_changed after insert or update or delete on slacktide.organization
    for each row execute function slacktide.organization_changed('code');

create or replace trigger schedule_changed after insert or update or delete on slacktide.side
    for each row execute function slacktide.organization_changed('organization');

create or replace trigger schedule_changed after insert or update or delete on slacktide.setting
    for each row execute function slacktide.organization_changed('organization');

drop function if exists slacktide.schedule_changed();
