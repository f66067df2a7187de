-- Whoever keeps what users are is told of every change; the message says only that there is one.
-- depends: 0003-user

create or replace function slacktide.user_changed() returns trigger language plpgsql as $body$
begin
    perform pg_notify('slacktide_user', '');
    return null;
end
$body$;

create or replace trigger user_changed after insert or update or delete on slacktide.app_user
    for each statement execute function slacktide.user_changed();
