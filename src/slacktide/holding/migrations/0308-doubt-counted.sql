-- A doubt of the schedule, and its confirmation, are changes of it: they raise the count, so that a look reads it anew.
-- depends: 0307-accepted 0012-origin

create or replace trigger schedule_counted after insert or update or delete or truncate on slacktide.origin
    for each statement execute function slacktide.schedule_counted();

alter table slacktide.origin enable always trigger schedule_counted;
