-- Pausing and abandoning a System Down Time: the states between, and what abandoning has come to.

alter table slacktide.procedure drop constraint if exists procedure_state_check;
alter table slacktide.procedure add constraint procedure_state_check check (state in (
    'running', 'pausing', 'paused', 'ready', 'failed', 'opening', 'open', 'abandoning', 'abandoned'));

alter table slacktide.procedure add column if not exists abandoned_at timestamptz;
alter table slacktide.procedure add column if not exists abandoned_by text;
alter table slacktide.procedure add column if not exists abandoned_reason text;
alter table slacktide.procedure add column if not exists source_opened_at timestamptz;
alter table slacktide.procedure add column if not exists still_down jsonb;
alter table slacktide.procedure add column if not exists cleared_at timestamptz;
alter table slacktide.procedure add column if not exists cleared jsonb;

-- Forget what was carried, so that a new pass begins; the batches stay, settled, for the numbers go on behind them.
create or replace function slacktide.forget_carried(of integer) returns void language sql as $$
delete from slacktide.journal where move_id = of;
delete from slacktide.pass_range where move_id = of;
delete from slacktide.message where move_id = of;
delete from slacktide.outside_object where move_id = of;
delete from slacktide.verified_object where move_id = of;
delete from slacktide.verified_measure where move_id = of;
delete from slacktide.verified_difference where move_id = of;
delete from slacktide.verified_rows where move_id = of;
delete from slacktide.verified_total where move_id = of;
delete from slacktide.verification where move_id = of;
update slacktide.move_process set wanted = 'stopped' where move_id = of and process <> 'down time';
$$;
