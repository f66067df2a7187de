-- A downtime that ends in a verifying phase: the testers who may enter.
-- depends: 0005-lease 0006-sequence

alter table slacktide.setting add column if not exists testers text[] not null default '{}';

alter table slacktide.setting drop constraint if exists setting_testers;

alter table slacktide.setting add constraint setting_testers check (
    testers = '{}'
    or (parameter in ('site_scheduled_downtime', 'organization_scheduled_downtime') and rrule is null)
);
