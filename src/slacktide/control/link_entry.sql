-- name: credentials
-- Tell since when what was remembered of a user counts.
select credentials_at from slacktide.app_user where name = %(user)s and not disabled;
