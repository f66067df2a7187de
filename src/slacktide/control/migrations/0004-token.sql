-- Tokens of other programs, of which only a hash is kept, and what gates say of themselves.
-- depends: 0001-downtime

create table if not exists slacktide.token (
    id bigint generated always as identity primary key,
    name text not null check (name <> ''),
    hash bytea not null unique check (octet_length(hash) = 32),
    scopes text[] not null check (
        cardinality(scopes) > 0 and scopes <@ array['decide', 'schedule', 'assert-admin', 'api']
    ),
    organizations text[] not null default '{}',
    created_by text not null,
    created_at timestamptz not null default clock_timestamp(),
    revoked_at timestamptz
);

create unique index if not exists token_name on slacktide.token (name) where revoked_at is null;

-- A gate's last look; it is forgotten when it has not been heard of for long.
create table if not exists slacktide.gate (
    token text not null,
    name text not null,
    version text not null,
    schedule text,
    offset_seconds double precision,
    age_seconds double precision,
    seen_at timestamptz not null default clock_timestamp(),
    primary key (token, name)
);

-- Whoever admits by tokens is told of every change; the message says only that there is one.
create or replace function slacktide.token_changed() returns trigger language plpgsql as $body$
begin
    perform pg_notify('slacktide_token', '');
    return null;
end
$body$;

create or replace trigger token_changed after insert or update or delete on slacktide.token
    for each statement execute function slacktide.token_changed();
