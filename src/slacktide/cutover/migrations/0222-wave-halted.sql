-- A wave that stopped processes for a window starts them again when the down time does not begin in it.

alter table slacktide.wave_move add column if not exists halted text[] not null default '{}';  -- those that it stopped
