-- The last report of each move, signed, as text: it stays when everything else of the move is taken away. And what is
-- forgotten with a move's journal: also what was verified, and the key of its spool.

create table if not exists slacktide.report (
    move_id integer primary key references slacktide.move on delete cascade,
    who text not null,
    made_at timestamptz not null default clock_timestamp(),
    signed text not null
);

create or replace function slacktide.forget_verified(of integer) returns void language sql as $$
delete from slacktide.verified_object where move_id = of;
delete from slacktide.verified_since where move_id = of;
delete from slacktide.verified_measure where move_id = of;
delete from slacktide.verified_difference where move_id = of;
delete from slacktide.verified_rows where move_id = of;
delete from slacktide.verified_total where move_id = of;
delete from slacktide.verification where move_id = of;
$$;

-- Forget what was carried; the move itself and its down time stay, for the record.
create or replace function slacktide.forget_journal(of integer) returns void language sql as $$
delete from slacktide.journal where move_id = of;
delete from slacktide.pass_range where move_id = of;
delete from slacktide.batch where move_id = of;
delete from slacktide.message where move_id = of;
delete from slacktide.outside_object where move_id = of;
select slacktide.forget_verified(of);
delete from slacktide.spool_key where move_id = of;
delete from slacktide.move_incarnation where move_id = of;
delete from slacktide.move_process where move_id = of;
update slacktide.move set state = 'clean' where move_id = of;
$$;

-- Forget what was carried, so that a new pass begins; the batches stay, settled, for the numbers go on behind them.
create or replace function slacktide.forget_carried(of integer) returns void language sql as $$
delete from slacktide.journal where move_id = of;
delete from slacktide.pass_range where move_id = of;
delete from slacktide.message where move_id = of;
delete from slacktide.outside_object where move_id = of;
select slacktide.forget_verified(of);
update slacktide.move_process set wanted = 'stopped' where move_id = of and process <> 'down time';
$$;
