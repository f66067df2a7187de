-- The way back of a move is a move of its own, the other way round: `back_of` is the one that it takes back. The
-- organization is named as it was when the first of them was written down, whatever the property is called at its source.

alter table slacktide.move add column if not exists back_of integer references slacktide.move;
alter table slacktide.move add column if not exists organization text;
create unique index if not exists move_back_of on slacktide.move (back_of);
