"""Dangerous moments of restarts: a slot that is gone or another one, a journal or a target that was restored."""

from __future__ import annotations

import psycopg
import pytest
from psycopg import sql

from slacktide.transfer import prepare, slot
from slacktide.transfer.generate import Generator, Names
from slacktide.transfer.restart import reconcile
from tests.transfer.test_moment_stream import INSERT

DELETE = (
    "delete from bare.night where booking_id = {0}; delete from bare.posting where booking_id = {0}; "
    "delete from bare.booking where booking_id = {0};"
)


def unseen(line):
    """Change of everything while nobody listens: deletions, swaps, handed over numbers, what others refer to."""
    add = "insert into bare.booking (booking_id, property, number, person_id, amount) values (%s, 'P', %s, 1, 1)"
    line.sql(INSERT, "unseen")
    for key, number in ((1, "x"), (30, "N1"), (1, "N30")):
        line.sql("update bare.booking set number = %s where booking_id = %s", number, key)
    for gone, taker in ((39, 1000), (37, -1)):  # the taker comes behind, or before, what it takes from
        line.sql(DELETE.format(gone))
        line.sql(add, taker, f"N{gone}")
    line.sql(DELETE.format(5) + "update bare.booking set number = 'N5' where booking_id = 2")
    line.sql("update bare.person set name = 'unseen'; update bare.account set property = 'Q' where name = 'b'")


def test_slot_dropped(own_line, monkeypatch):
    """A slot that was dropped gives a new incarnation and a full pass of many ranges, deletions meanwhile included."""
    monkeypatch.setattr(slot, "RANGE_OBJECTS", 7)
    own_line.halt()
    own_line.checking.execute("select pg_drop_replication_slot(%s)", [own_line.incarnation.slot])
    unseen(own_line)
    own_line.start()
    assert own_line.incarnation.incarnation == 2
    own_line.drain()
    assert own_line.problems() == []


def test_conflicts_across_ranges(own_line, monkeypatch):
    """What came into another one's way in a pass of many ranges is asked for once more when the pass ends."""
    monkeypatch.setattr(slot, "RANGE_OBJECTS", 7)
    own_line.halt()
    own_line.checking.execute("select pg_drop_replication_slot(%s)", [own_line.incarnation.slot])
    for key, number in ((1, "x"), (30, "N1"), (1, "N30")):
        own_line.sql("update bare.booking set number = %s where booking_id = %s", number, key)
    own_line.start()
    own_line.drain()
    assert own_line.problems() == []


def test_slot_made_again(own_line):
    """A slot that was dropped and made again under its name is not taken for the old one."""
    own_line.halt()
    own_line.checking.execute("select pg_drop_replication_slot(%s)", [own_line.incarnation.slot])
    unseen(own_line)
    own_line.trading.execute("select pg_create_logical_replication_slot(%s, 'pgoutput')", [own_line.incarnation.slot])
    own_line.start()
    assert own_line.incarnation.incarnation == 2
    own_line.drain()
    assert own_line.problems() == []


def test_slot_read_by_another(own_line):
    """A slot whose changes somebody else has consumed is not used again."""
    own_line.sql(INSERT, "stolen")
    own_line.halt()
    own_line.trading.execute(
        "select pg_replication_slot_advance(%s, pg_current_wal_lsn())", [own_line.incarnation.slot]
    )
    own_line.start()
    assert own_line.incarnation.incarnation == 2
    own_line.drain()


def test_killed_while_the_slot_was_made(bare_line):
    """A slot that a killed predecessor half made is ended and made anew."""
    line = bare_line
    incarnation = line.journal().begin_incarnation(slot="slacktide_m_half")
    line.trading.execute("select pg_create_logical_replication_slot('slacktide_m_half', 'pgoutput')")
    line.sql("insert into bare.person (name) values ('p')")
    line.sql(INSERT, "1")
    line.start()
    assert line.incarnation.incarnation == incarnation.incarnation
    line.drain()
    line.check()


def saved(server, address):
    """Copy a database; give the copy's name."""
    name = psycopg.conninfo.conninfo_to_dict(address)["dbname"]
    with psycopg.connect(server.address(), autocommit=True) as connection:
        connection.execute(
            sql.SQL("create database {} template {}").format(sql.Identifier(f"{name}_saved"), sql.Identifier(name))
        )
    return name


def restored(server, name):
    with psycopg.connect(server.address(), autocommit=True) as connection:
        connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))
        connection.execute(
            sql.SQL("create database {} template {}").format(sql.Identifier(name), sql.Identifier(f"{name}_saved"))
        )


def reopened(line, *, control, source, target):
    """Give a new line over the same databases."""
    again = type(line)(control=control, source=source, target=target, folder=line.folder)
    again.native = line.native
    return again


def _restore(server, line, which):
    """Save one database, go on, put it back, go on; everything must hold."""
    line.drain()
    addresses = {"control": None, "source": line.addresses[0], "target": line.addresses[1]}
    addresses["control"] = server.address(line.control.info.dbname)
    line.stop()
    name = saved(server, addresses[which])
    line = reopened(line, **addresses)
    line.start()
    for n in range(3):
        line.sql(INSERT, f"after {n}")
        line.drain()
    line.sql(DELETE.format(7))
    line.drain()
    line.stop()
    restored(server, name)
    line = reopened(line, **addresses)
    unseen(line)
    for _ in range(3):
        line.start()
        line.drain()
        line.halt()
    line.start()
    line.drain()
    assert line.problems() == []
    line.check()
    incarnation = line.incarnation.incarnation
    line.stop()
    return incarnation


def test_target_restored(server, started):
    """A target that was restored behind the journal gets everything newer again."""
    assert _restore(server, started, "target") == 2


def test_journal_restored(server, started):
    """A journal that was restored behind the target begins a new incarnation behind the target's last batch."""
    assert _restore(server, started, "control") >= 2


@pytest.mark.parametrize("known", ["timeline = timeline + 1", "system_id = '1'", "reached = 'FFFF/0'"])
def test_source_restored(own_line, known):
    """A source of another system or timeline, or one that is behind what was journalled, is read as a whole again."""
    own_line.halt()
    own_line.control.execute(f"update slacktide.move_incarnation set {known}")
    unseen(own_line)
    own_line.start()
    assert own_line.incarnation.incarnation == 2
    own_line.drain()
    assert own_line.problems() == []


def test_clean_with_a_live_stream(started):
    """Clean takes the slot away even while somebody is streaming from it."""
    with psycopg.connect(started.addresses[0], autocommit=True) as connection:
        prepare.clean_source(connection, move="m")
        assert (
            connection.execute("select 1 from pg_replication_slots where database = current_database()").fetchall()
            == []
        )


def test_superseded_while_it_reads(own_line):
    """A batch that was read while a new incarnation began is not stored: it would stand above what is settled."""
    line = own_line
    line.checking.execute("update slacktide.mover_move set number = number - 1")  # the target lost its last commit
    line.sql(INSERT, "superseded")
    line.catch_up()

    def meanwhile():  # as Process and Synchronization do, each by itself
        reconcile(line.journal(), line.applier, move=line.move)
        slot.ensure(line.journal(), address=line.addresses[0], move=line.move)

    line.source.meanwhile = meanwhile
    generator = Generator(
        source=line.source, journal=line.journal(), spool=line.spools[0], plan=line.plan,
        names=Names(line.move, line.property), reached=lambda _: line.journal().reached(),
    )  # fmt: skip
    assert generator.batch() is None
    assert line.control.execute("select 1 from slacktide.batch where state <> 'processed'").fetchone() is None
    line.halt()
    line.start()
    assert line.incarnation.incarnation == 2
    line.drain()
    assert line.problems() == []


def test_stored_while_another_begins(own_line):
    """A batch that is stored before a new incarnation begins is settled, even if nobody had counted it yet."""
    line = own_line
    journal = line.journal()
    line.sql(INSERT, "stored")
    line.catch_up()
    last = journal.last_batch()
    assert line.generate()
    journal.begin_incarnation(slot="slacktide_m_00000000", floor=last)
    assert journal.settled()[0] == last + 1
    line.halt()
    line.start()
    line.drain()


@pytest.mark.parametrize("lost", ["target", "slot"])
def test_old_slot_goes(own_line, lost):
    """A new incarnation leaves no slot of an earlier one behind: it would keep the source's log for nobody."""
    line = own_line
    line.halt()
    if lost == "target":
        line.checking.execute("update slacktide.mover_move set number = number - 1")
    else:
        line.control.execute("update slacktide.move_incarnation set timeline = timeline + 1")
    line.trading.execute("select pg_create_logical_replication_slot('slacktide_m_0000000f', 'pgoutput')")  # another's
    line.start()
    slots = line.sql("select slot_name from pg_replication_slots where database = current_database()").fetchall()
    assert sorted(slots) == sorted([(line.incarnation.slot,), ("slacktide_m_0000000f",)])
    line.trading.execute("select pg_drop_replication_slot('slacktide_m_0000000f')")
    line.drain()
