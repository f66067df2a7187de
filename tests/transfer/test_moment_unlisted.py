"""Dangerous moments of refusals that nobody has listed: a trigger's own error code, what is judged at the commit."""

from __future__ import annotations

import pytest

from slacktide.transfer import loop
from slacktide.transfer.journal import Journal
from tests.transfer.conftest import SEED
from tests.transfer.moved import moving
from tests.transfer.test_moment_refused import states

TRIGGER = """
create function bare.judge() returns trigger language plpgsql as $$ begin {} return new; end $$;
create trigger judge before insert or update on bare.booking for each row execute function bare.judge()
"""
WIDE = "(select string_agg(md5(n::text), '') from generate_series(1, 400) n)"
UNLISTED = {
    "a foreign key that is held at the commit":
        "create table bare.room (code text primary key); grant select on bare.room to slacktide_mover; "
        "alter table bare.night add constraint later foreign key (room) references bare.room "
        "deferrable initially deferred not valid",
    "an error code of its own":
        TRIGGER.format("if new.note = 'bad' then raise exception 'no' using errcode = 'HT001'; end if;"),
    "an assertion": TRIGGER.format("assert new.note is distinct from 'bad', 'no';"),
    "a text that is too long for an index": "create index wide on bare.booking (note)",
    "a value that is set aside": "alter table bare.booking add constraint looks check (number ~ '^[A-Z]') not valid",
    "a right that the mover lacks": TRIGGER.format("if new.note = 'bad' then perform from bare.hidden; end if;")
        + "; create table bare.hidden ()",
}  # fmt: skip


@pytest.mark.parametrize("refusal", UNLISTED)
def test_refused_in_an_unlisted_way(bare_line, refusal):
    """Whatever the target refuses an object for, it fails alone, and the rest of its batch arrives."""
    line = bare_line
    line.sql(SEED)
    line.start()
    line.drain()
    line.checking.execute(UNLISTED[refusal])
    note = WIDE if "too long" in refusal else "'bad'"
    line.sql(f"begin; update bare.booking set note = {note}, number = 'N6b' where booking_id = 6; "
             "insert into bare.night values (6, '2026-02-01', 'nowhere', 1); "
             "update bare.person set name = 'arrives' where person_id = 3; commit")  # fmt: skip
    line.drain()
    assert states(line) == {("booking", "6"): "failed"}
    assert line.checking.execute("select 1 from bare.person where name = 'arrives'").fetchone()
    line.check()


def test_the_targets_own_trigger_fires(bare_line):
    """A trigger of the target's own is never disabled: it fires for what the pass writes, and for each change."""
    line = bare_line
    line.sql(SEED)
    line.checking.execute("""
        create table bare.told (number text, operation text);
        create function bare.tell() returns trigger language plpgsql security definer as
            'begin insert into bare.told values (new.number, tg_op); return new; end';
        create trigger tell after insert or update on bare.booking for each row execute function bare.tell();
    """)
    line.start()
    line.drain()
    told = line.checking.execute("select number from bare.told where operation = 'INSERT'").fetchall()
    assert sorted(number for (number,) in told) == sorted(f"N{n}" for n in range(1, 41) if n % 4)
    line.sql("update bare.booking set amount = 77 where booking_id = 1")
    line.drain()
    assert ("N1", "UPDATE") in line.checking.execute("select number, operation from bare.told").fetchall()
    enabled = line.checking.execute("select tgenabled from pg_trigger where tgname = 'tell'").fetchone()
    assert enabled == ("O",)


@pytest.mark.parametrize("kind", ["deletion", "two that go wrong at the commit"])
def test_judged_at_the_commit(bare_line, kind):
    """What the target refuses at the commit alone is found among many, whether it comes or goes."""
    line = bare_line
    line.sql(SEED)
    line.start()
    line.drain()
    if kind == "deletion":
        line.checking.execute(
            "create table bare.keep (night bigint references bare.account deferrable initially deferred); "
            "insert into bare.keep select account_id from bare.account where name = 'b' and property = 'P'"
        )
        line.sql("begin; update bare.booking set amount = 3; delete from bare.line where invoice_id = 2; "
                 "delete from bare.invoice where account_id = 2; delete from bare.account where account_id = 2; "
                 "update bare.account set name = 'a2' where account_id = 1; commit")  # fmt: skip
        expected = {("account", "2"): "failed"}
    else:
        line.checking.execute(UNLISTED["a foreign key that is held at the commit"])
        night = "update bare.night set room = 'nowhere' where (booking_id, day) ="
        line.sql(
            f"begin; update bare.booking set amount = 3; {night} (3, '2026-01-01'); {night} (9, '2026-01-02'); commit"
        )
        expected = {("booking", "3"): "failed", ("booking", "9"): "failed"}
    line.drain(compare=False)
    assert states(line) == expected
    assert line.checking.execute("select count(*) from bare.booking where amount = 3").fetchone() >= (28,)


def test_what_nobody_thought_of(server, tmp_path):
    """A process that meets what it does not know says so on its panel, and is not started over and over."""
    moved = moving(server, tmp_path)
    try:
        move = moved.move
        journal = Journal(moved.control, move_id=move.move_id, process="process")
        journal.want("process", running=True)
        with pytest.raises(Exception, match="permission denied"):  # the target was not prepared
            loop.run(move=move, journal=journal, ended=lambda: False)
        state, wanted, error = moved.control.execute(
            "select state, wanted, error from slacktide.move_process where process = 'process'"
        ).fetchone()
        assert (state, wanted) == ("failed", "stopped")
        assert "InsufficientPrivilege" in error
    finally:
        moved.close()
