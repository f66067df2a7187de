-- What was taken is put back by its own index: the one of all that is pending is long while much waits.

create index if not exists held_item_running on slacktide.held_item (organization) where state = 'running';
