-- name: failures
-- List the failed log-ins from an address within the window, oldest first.
select user_name, failed_at from slacktide.log_in_failure
where address = %(address)s and failed_at > clock_timestamp() - %(window)s::interval
order by failed_at;

-- name: fail
-- Note a failed log-in, and forget those that count no more.
with old as (
    delete from slacktide.log_in_failure where failed_at < clock_timestamp() - %(window)s::interval
)
insert into slacktide.log_in_failure (user_name, address) values (left(%(user)s, 200), %(address)s);

-- name: forgive
-- Forget the failures of a user who has logged in from an address.
delete from slacktide.log_in_failure where user_name = %(user)s and address = %(address)s;
