-- Whoever keeps what users are is told of a change of their roles in organizations too, whoever makes it.
-- depends: 0008-user-channel

create or replace trigger user_changed after insert or update or delete on slacktide.app_user_role
    for each statement execute function slacktide.user_changed();
