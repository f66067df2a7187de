-- What has ended long ago may be deleted; what lives, or has ended within a day, never.
-- depends: 0010-drain

create or replace function slacktide.lease_keep() returns trigger language plpgsql as $body$
begin
    if tg_op = 'DELETE' then
        if old.ended_at is null or old.ended_at > clock_timestamp() - interval '1 day' then
            raise restrict_violation using message = format(
                'lease %s cannot be deleted before it has ended for a day: end it', old.id);
        end if;
        return old;
    end if;
    if (new.id, new.user_name, new.session, new.task, new.organization, new.opened_at)
        is distinct from (old.id, old.user_name, old.session, old.task, old.organization, old.opened_at) then
        raise restrict_violation using message = format('lease %s is never passed on', old.id);
    end if;
    if old.ended_at is not null then
        raise restrict_violation using message = format('lease %s has ended and stays so', old.id);
    end if;
    new.last_sign_at := greatest(new.last_sign_at, old.last_sign_at);
    return new;
end
$body$;

create or replace function slacktide.session_keep() returns trigger language plpgsql as $body$
begin
    if old.ended_at is null or old.ended_at > clock_timestamp() - interval '1 day' then
        raise restrict_violation using message = format(
            'session %s cannot be deleted before it has ended for a day: end it', old.id);
    end if;
    return old;
end
$body$;

create or replace trigger session_keep before delete on slacktide.session
    for each row execute function slacktide.session_keep();

create index if not exists lease_ended on slacktide.lease (ended_at) where ended_at is not null;

create index if not exists lease_of_session on slacktide.lease (session);

create index if not exists session_ended on slacktide.session (ended_at) where ended_at is not null;
