-- What the site's pages need: a task's work, drafts of what could not be saved, limited sessions, and failed log-ins.
-- depends: 0008-user-channel

alter table slacktide.task add column if not exists note text not null default '';

alter table slacktide.task add column if not exists version integer not null default 1;

-- A limited session may go on with the tasks that its user has open, and nothing else.
alter table slacktide.session add column if not exists limited boolean not null default false;

-- What somebody typed and could not save, by user and task; it is theirs alone.
create table if not exists slacktide.draft (
    user_name text not null references slacktide.app_user,
    task text not null references slacktide.task,
    note text not null,
    because text not null,
    kept_at timestamptz not null default clock_timestamp(),
    primary key (user_name, task)
);

-- Failed log-ins of the last day. The name is what was typed, and need not be a user's.
create table if not exists slacktide.log_in_failure (
    user_name text not null,
    address text not null,
    failed_at timestamptz not null default clock_timestamp()
);

create index if not exists log_in_failure_at on slacktide.log_in_failure (failed_at);

create index if not exists log_in_failure_address on slacktide.log_in_failure (address, failed_at);

-- A token may be good for a calendar's address.
alter table slacktide.token drop constraint if exists token_scopes_check;

alter table slacktide.token drop constraint if exists token_scopes_known;

alter table slacktide.token add constraint token_scopes_known check (
    cardinality(scopes) > 0 and scopes <@ array['decide', 'schedule', 'assert-admin', 'api', 'calendar']
);
