-- What the last comparison behind the verification ahead found: of each object that it read the digest, where both sides
-- are equal, else nothing. With what was verified ahead these are all objects as of that comparison. Comes after 0102.
create table if not exists slacktide.verified_since (
    move_id integer not null references slacktide.move on delete cascade,
    entity text not null,
    key text not null,
    digest text,
    primary key (move_id, entity, key)
);
