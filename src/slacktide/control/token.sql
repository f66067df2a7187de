-- name: add
-- Add a token, unless a live one has its name.
insert into slacktide.token (name, hash, scopes, organizations, created_by)
values (%(name)s, %(hash)s, %(scopes)s, %(organizations)s, %(who)s)
on conflict do nothing
returning created_at;

-- name: list
-- List all tokens, revoked ones too, without what could be used.
select name, scopes, organizations, created_at, revoked_at from slacktide.token order by name, id;

-- name: live
-- List the tokens that are admitted, by their hashes.
select hash, name, scopes, organizations from slacktide.token where revoked_at is null;

-- name: admitted
-- Find the token of a hash, if it is admitted.
select name, scopes, organizations, created_at, revoked_at from slacktide.token where hash = %(hash)s and revoked_at is null;

-- name: revoke
-- Revoke a token by its name.
update slacktide.token set revoked_at = clock_timestamp()
where name = %(name)s and revoked_at is null
returning name, scopes, organizations, created_at, revoked_at;
