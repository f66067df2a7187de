"""What a move keeps of guests goes when its time is over, and never before it is needed no longer."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from slacktide.control.audit import list_audit
from slacktide.core.configuration import RetentionTooShort, move_retention
from slacktide.cutover import contingency
from slacktide.cutover.bulkhead import Bulkhead
from slacktide.cutover.purging import purge
from slacktide.transfer.entry import Batch, Problem, Touched, Transaction
from slacktide.transfer.journal import Journal
from slacktide.transfer.spool import SealedSpool, Spool
from slacktide.transfer.spool_key import seal_of
from tests.transfer.moved import moving as a_move

KEEP = timedelta(days=7)
NOW = datetime.now(UTC)
OPEN = """
insert into slacktide.procedure (move_id, attempt, downtime_id, business_date, who, reason, state, opened_at)
values (%s, 1, 'd', '2026-01-01', 'ada', 'the move', %s, clock_timestamp() - %s::interval)
"""
ANOTHER = """
insert into slacktide.move (name, plan, plan_text, property, target_property, source, target, spool)
select 'another', plan, plan_text, property, target_property, source, target, %s from slacktide.move returning move_id
"""
MESSAGE = """
insert into slacktide.message (move_id, entity, key, batch, state, reason, at)
values (%s, 'profile', '1', 1, 'warning', 'a code', clock_timestamp() - interval '9 days')
"""
VERIFIED = "insert into slacktide.verification values (%s, %s, 1, '', '2026-01-01')"


class Kept:
    """A move with batches, as the four processes leave them."""

    def __init__(self, moving):
        self.control, self.move = moving.control, moving.move
        self.journal = Journal(self.control, move_id=self.move.move_id)
        self.spools = (
            SealedSpool(self.move.source_spool, seal=seal_of(self.control, move=self.move)),
            Spool(self.move.target_spool),
        )
        self.journal.begin_incarnation(slot="s")
        self.journal.slot_made(
            incarnation=1, slot="s", system_id="1", timeline=1, consistent_point="0/1", snapshot="1:1:", reached="0/1"
        )

    def batch(self, *, days, state="processed"):
        """Make a batch of one transaction so many days ago; give its file's name."""
        number = self.journal.last_batch() + 1
        self.journal.append(
            [Transaction(number, number, NOW - timedelta(days=days), (Touched("profile", str(number)),))],
            reached=number,
        )
        written = self.spools[0].write([b"a guest"], number=number)
        self.journal.store(
            Batch(number, 1, "1:1:", number, NOW, None, written.name, written.checksum, written.bytes, 1),
            sequences=[pending.sequence for pending in self.journal.pending()], ordinals=[], outside=[], own_objects=1,
            problems=[Problem("profile", str(number), "warning", "a code without a mapping")],
        )  # fmt: skip
        if state != "generated":
            self.spools[1].fetch(self.spools[0], name=written.name, checksum=written.checksum)
            self.journal.transferred(number)
        if state == "processed":
            self.journal.processed(number, written=1, arrived=[], problems=[])
        self.control.execute(
            "update slacktide.batch set processed_at = processed_at - %s where number = %s",
            [timedelta(days=days), number],
        )
        self.control.execute(
            "update slacktide.message set at = at - %s where batch = %s", [timedelta(days=days), number]
        )
        for spool in self.spools:
            self.age(spool.path(written.name), days=days)
        return written.name

    def age(self, path, *, days):
        if path.exists():
            os.utime(path, ((NOW - timedelta(days=days)).timestamp(),) * 2)

    def purge(self):
        purge(self.control, keep=KEEP, bulkhead=Bulkhead("purge"))

    def files(self):
        """Give what lies in the spools of the source and of the target."""
        return [sorted(path.name for path in spool.folder.iterdir()) for spool in self.spools]

    def counts(self):
        """Give how many transactions, touched objects and messages there are."""
        names = ("journal", "journal_object", "message")
        return [self.control.execute(f"select count(*) from slacktide.{name}").fetchone()[0] for name in names]

    def trail(self):
        return [entry["after"] for entry in list_audit(self.control) if entry["what"] == "move purge"]


@pytest.fixture
def kept(server, tmp_path):
    """Give a move with the journal that its processes keep."""
    made = a_move(server, tmp_path)
    yield Kept(made)
    made.close()


def test_files_go_and_those_that_are_needed_stay(kept):
    """A file goes from both spools when its batch was applied long ago; one that is not applied stays, however old."""
    kept.batch(days=9)
    recent = kept.batch(days=1)
    waiting = kept.batch(days=30, state="transferred")
    made = kept.batch(days=30, state="generated")
    kept.purge()
    assert kept.files() == [sorted([recent, waiting, made]), sorted([recent, waiting])]
    (purged,) = kept.trail()
    assert purged["files"] == 2
    kept.purge()
    assert len(kept.trail()) == 1  # nothing was left to do


def test_a_move_whose_spool_cannot_be_read(kept, capsys):
    """A move that cannot be purged keeps no other one from it; what had gone of it by then is in the trail."""
    (another,) = kept.control.execute(ANOTHER, ["x" * 300]).fetchone()  # no folder can have that name
    kept.control.execute(OPEN, [another, "open", "8 days"])
    kept.control.execute(MESSAGE, [another])
    kept.batch(days=9)
    kept.purge()
    assert kept.files() == [[], []]
    trail = [entry for entry in list_audit(kept.control) if entry["what"] == "move purge"]
    told = [(entry["object"], entry["after"]["messages"], entry["after"]["files"]) for entry in trail]
    assert told == [("another", 1, 0), (kept.move.name, 0, 2)]
    assert "slacktide: another purge: " in capsys.readouterr().err


def test_files_that_no_batch_names(kept):
    """A file that no batch names goes by its own age: one that was just written may be named soon."""
    old, new = (kept.move.source_spool / name for name in ("00000001-old.sealed", ".00000002.1.part"))
    for path in (old, new):
        path.write_bytes(b"x")
    kept.age(old, days=8)
    kept.purge()
    assert kept.files()[0] == [new.name]


def test_journal_goes_behind_what_is_verified(kept):
    """Entries go when their batch was applied long ago, and stay where the verification ahead is behind them."""
    for days in (10, 9, 8, 1):
        kept.batch(days=days)
    kept.batch(days=30, state="transferred")
    kept.purge()
    assert kept.counts() == [5, 5, 5]  # nothing was verified ahead: whoever verifies may need them all
    kept.control.execute(VERIFIED, [kept.move.move_id, 2])
    kept.purge()
    assert [batch for (batch,) in kept.control.execute("select batch from slacktide.journal order by 1")] == [3, 4, 5]
    assert (
        kept.counts()[2] == 5
    )  # a move that is not open keeps its messages: they stop it, or its report tells of them


@pytest.mark.parametrize(("state", "days", "left"), [("open", 8, 1), ("open", 6, 2), ("paused", 8, 2)])
def test_messages_and_journal_of_an_open_property(kept, state, days, left):
    """So long after the property opened what is old goes, messages too; nothing while the down time is under way."""
    kept.batch(days=20)
    kept.batch(days=1)
    kept.control.execute(OPEN, [kept.move.move_id, state, timedelta(days=days)])
    kept.purge()
    assert kept.counts() == [left, left, left]


def test_packs(kept):
    """A contingency pack goes when it is old, not while the house may be on paper; its forms stay accounted for."""
    made = contingency.make(kept.control, move=kept.move, who="ada")
    folder = Path(made.folder)
    kept.purge()
    assert folder.exists()
    kept.age(folder, days=8)
    kept.control.execute(OPEN, [kept.move.move_id, "ready", timedelta(days=0)])
    kept.purge()
    assert folder.exists()
    kept.control.execute("update slacktide.procedure set state = 'open'")
    kept.purge()
    assert not folder.exists()
    assert contingency.forms(kept.control, move=kept.move)


def test_after_clean(kept):
    """When a move is cleaned, its spool goes on a machine that `clean` did not run on, too; its key is gone at once."""
    kept.batch(days=0)
    kept.control.execute("select slacktide.forget_journal(%s)", [kept.move.move_id])  # as `clean` does, elsewhere
    assert kept.counts() == [0, 0, 0]
    assert kept.control.execute("select count(*) from slacktide.spool_key").fetchone() == (0,)
    assert all(kept.files())
    kept.purge()
    assert not Path(kept.move.spool).exists()


def test_retention():
    """It is seven days unless something else is said, and a day at least."""
    assert move_retention({}) == KEEP
    assert move_retention({"SLACKTIDE_MOVE_RETENTION": "P1D"}) == timedelta(days=1)
    with pytest.raises(RetentionTooShort, match="SLACKTIDE_MOVE_RETENTION=PT1H"):
        move_retention({"SLACKTIDE_MOVE_RETENTION": "PT1H"})
