-- How much arrived in a window is counted by its instants.
-- depends: 0301-held

create index if not exists held_item_since on slacktide.held_item (since);
