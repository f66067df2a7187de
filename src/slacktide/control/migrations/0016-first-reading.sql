-- A series keeps the reading of its first start, so that an update of zone data gives no occurrence another name; the
-- starts that were looked at last, so that what an update moves is found and told; and when that was.
-- depends: 0014-moved

-- What was saved before: by its start and zone, as far as this server knows the zone; the others as they are looked at.
create or replace function slacktide.reading_of(instant timestamptz, zone text) returns timestamp language plpgsql as $body$
begin
    return instant at time zone zone;
exception when invalid_parameter_value then
    return null;
end
$body$;

alter table slacktide.setting add column if not exists first_reading timestamp;

-- The change of a type fills it in without an update, which the triggers refuse of what was cancelled, and count.
alter table slacktide.setting alter column first_reading type timestamp using
    coalesce(first_reading, case when rrule is not null then slacktide.reading_of(starts_at, zone) end);

drop function slacktide.reading_of(timestamptz, text);

alter table slacktide.setting add column if not exists zone_moved_at timestamptz;

-- `starts`: the next ones by the rule, each by the reading that names it.
create table if not exists slacktide.series_looked_at (
    setting bigint primary key references slacktide.setting on delete cascade,
    starts jsonb not null
);

-- A first reading stays, whatever becomes of the start.
create or replace function slacktide.setting_keep_reading() returns trigger language plpgsql as $body$
begin
    if new.first_reading is distinct from old.first_reading then
        raise restrict_violation using message = format('setting %s keeps its first reading', old.id);
    end if;
    return new;
end
$body$;

create or replace trigger setting_keep_reading before update on slacktide.setting
    for each row execute function slacktide.setting_keep_reading();

alter table slacktide.setting enable always trigger setting_keep_reading;
