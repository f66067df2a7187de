-- Users, and what they are in each organization.
--
-- A user is never deleted, since settings, leases and the trail name users; a disabled one has no rights.
-- depends: 0002-recurrence

create table if not exists slacktide.app_user (
    name text primary key check (name <> ''),
    email text,
    admin boolean not null default false,
    disabled boolean not null default false,
    password_hash text,
    created_at timestamptz not null default clock_timestamp(),
    -- Whatever was remembered of the user before this instant (e-mail links, browsers) counts no more.
    credentials_at timestamptz not null default clock_timestamp()
);

create table if not exists slacktide.app_user_role (
    user_name text not null references slacktide.app_user,
    organization text not null references slacktide.organization,
    role text not null check (role in ('user', 'administrator')),
    primary key (user_name, organization)
);

create index if not exists app_user_role_organization on slacktide.app_user_role (organization);
