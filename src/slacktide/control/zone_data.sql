-- name: looked_at
-- Give the starts of each series as they were looked at last.
select setting::text, starts from slacktide.series_looked_at;

-- name: look
-- Keep the starts of a series as they were looked at now.
insert into slacktide.series_looked_at (setting, starts) values (%(id)s::bigint, %(starts)s::jsonb)
on conflict (setting) do update set starts = excluded.starts;
