-- What a payment loses by waiting: the day it is due, and the last day of its discount. Few items of few organizations
-- have them, so that they are counted by an index of their own.
-- depends: 0304-held-running

alter table slacktide.held_item add column if not exists due_on date, add column if not exists discount_until date;

create index if not exists held_item_dated on slacktide.held_item (organization)
    where state in ('waiting', 'running') and (due_on is not null or discount_until is not null);
