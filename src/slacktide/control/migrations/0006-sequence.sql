-- How often a setting was changed, and when last: a calendar that shows it has to say so.
-- depends: 0002-recurrence

alter table slacktide.setting add column if not exists sequence integer not null default 0;

alter table slacktide.setting add column if not exists changed_at timestamptz not null default clock_timestamp();

create or replace function slacktide.setting_sequence() returns trigger language plpgsql as $body$
begin
    new.sequence := old.sequence + (
        to_jsonb(new) - array['whose', 'sequence', 'changed_at'] <> to_jsonb(old) - array['whose', 'sequence', 'changed_at']
    )::integer;
    new.changed_at := case when new.sequence > old.sequence then clock_timestamp() else old.changed_at end;
    return new;
end
$body$;

create or replace trigger setting_sequence before update on slacktide.setting
    for each row execute function slacktide.setting_sequence();

alter table slacktide.setting enable always trigger setting_sequence;
