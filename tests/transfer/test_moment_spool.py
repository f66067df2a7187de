"""Dangerous moments of spool files: changed or gone in one spool or in both, with other batches behind them."""

from __future__ import annotations

import hashlib

import msgspec
import pytest
import zstandard

from slacktide.transfer import message, slot
from slacktide.transfer.apply import NotTheOwner
from slacktide.transfer.move import Move
from slacktide.transfer.process import Generate, Process, Transfer
from slacktide.transfer.spool import SealedSpool
from slacktide.transfer.spool_key import OtherSecretKey, seal_of
from tests.transfer.conftest import SEED
from tests.transfer.line import HERE, PLAN
from tests.transfer.test_moment_refused import with_root


class Processes:
    """The processes behind Synchronization, as the worker's children run them, over a line's databases."""

    def __init__(self, line):
        self.line = line
        move = Move(
            move_id=line.move_id, name=line.move, plan_file="bare.yaml", plan_text=(HERE / "bare.yaml").read_text(),
            property_code=line.property, target_property=line.property, source=line.addresses[0],
            target=line.addresses[1], spool=str(line.folder / "spool"), task=5, state="", configured_at=None, facts={},
            organization=line.property,
        )  # fmt: skip
        move.__dict__["plan"] = line.plan
        self.move = move
        self.spools = move.source_spool, move.target_spool
        self.generate = Generate(move, line.journal("generate"), reached=line.reached)
        self.transfer = Transfer(move, line.journal("transfer"))
        self.process = Process(move, line.journal("process"))

    def __enter__(self):
        for each in (self.generate, self.transfer, self.process):
            each.open()
        return self

    def __exit__(self, *_):
        for each in (self.generate, self.transfer, self.process):
            each.close()

    def make(self, *statements):
        """Make a batch of each statement, and bring it over."""
        for statement in statements:
            self.line.sql(statement)
            self.line.catch_up()
            assert self.generate.step()
            assert self.transfer.step()

    def go_on(self):
        """Step them until there is nothing left to do."""
        self.line.catch_up()
        while any([self.generate.step(), self.transfer.step(), self.process.step()]):
            pass
        states = {state for (state,) in self.line.control.execute("select distinct state from slacktide.batch")}
        assert states == {"processed"}

    def files(self):
        """Give the files of the batches that are not applied, oldest first: of the source's spool, the target's."""
        rows = self.line.control.execute("select file from slacktide.batch where state <> 'processed' order by number")
        return [tuple(spool / file for spool in self.spools) for (file,) in rows]

    def remembered(self):
        facts = self.line.control.execute("select facts from slacktide.move").fetchone()[0]
        return [each["text"] for each in facts.get("remembered", [])]


CHANGES = [
    "update bare.booking set amount = 71, number = 'N2x' where booking_id = 1",
    "update bare.booking set amount = 72, number = 'N1' where booking_id = 2",
    "delete from bare.night where booking_id = 3; update bare.person set name = 'new' where person_id = 4",
]


def spoil(file):
    file.write_bytes(file.read_bytes()[:-1] + b"x")


def remove(file):
    file.unlink()


@pytest.fixture
def made(own_line):
    """Give processes that have made three batches and brought them over, none of which is applied."""
    with Processes(own_line) as processes:
        processes.make(*CHANGES)
        yield processes


@pytest.mark.parametrize("harm", [spoil, remove])
def test_brought_again(made, harm):
    """A file that is changed or gone at the target is brought again, before the batches behind it are applied."""
    first = made.files()[0]
    harm(first[1])
    assert made.process.step()
    assert not made.process.step()  # the others are there, and wait
    made.go_on()
    assert first[0].read_bytes() == first[1].read_bytes()
    assert made.remembered() == []


@pytest.mark.parametrize("at", [0, 1])
@pytest.mark.parametrize("harm", [spoil, remove])
def test_made_again(made, harm, at):
    """A batch whose file is lost in both spools is made again, with all behind it, and the operator is told."""
    lost = made.files()[at]
    for file in lost:
        harm(file)
    number = made.line.journal().last_batch() - 2 + at
    made.go_on()
    assert [text.partition(":")[0] for text in made.remembered()] == [f"batch {number} is made again"]
    assert str(lost[0]) in made.remembered()[0]


def test_pass_is_read_again(bare_line, monkeypatch):
    """Key ranges of the pass that were in a lost batch, or in one behind it, are read again."""
    monkeypatch.setattr(slot, "RANGE_OBJECTS", 15)
    bare_line.sql(SEED)
    bare_line.start()
    bare_line.catch_up()
    with Processes(bare_line) as processes:
        while processes.generate.step():
            processes.transfer.step()
        for file in processes.files()[0]:
            remove(file)
        bare_line.sql("update bare.booking set amount = 5")
        processes.go_on()
    bare_line.check()


def test_settled_by_the_batch_that_holds_it(bare_line):
    """What failed in a batch behind the lost one is settled where it arrives now, by a batch of a lower number."""
    line, root = bare_line, PLAN.entity["booking"].root
    mandatory = msgspec.structs.replace(root.codes[0], mandatory=True)
    line.plan = with_root(PLAN, msgspec.structs.replace(root, codes=(mandatory,)))
    line.sql(SEED)
    line.start()
    line.drain()
    with Processes(line) as processes:
        processes.make(CHANGES[0], "update bare.booking set rate = 'RACK' where booking_id = 10")
        assert [(key, state) for _, key, state, _ in line.problems()] == [("10", "failed")]
        line.control.execute("insert into slacktide.conversion values (%s, 'rate', 'RACK', 'RACK')", [line.move_id])
        for file in processes.files()[0]:
            remove(file)
        processes.go_on()
        assert line.problems() == []
    line.check()


def test_restarted_between_lost_and_made_again(made):
    """A kill after a batch was found lost loses nothing: whoever runs Generate next makes it again."""
    for file in made.files()[0]:
        remove(file)
    while made.process.step() or made.transfer.step():
        pass
    made.generate.close()
    made.generate.open()
    made.go_on()


def test_applied_by_a_zombie_after_all(made):
    """Where a sleeper applied the lost batch, the one made again is refused, and a restart reads everything anew."""
    line = made.line
    batch = line.journal().next_batch("transferred")
    spool = SealedSpool(made.spools[1], seal=seal_of(line.control, move=made.move))
    content = message.read([*spool.read(batch.file, checksum=batch.checksum)], plan=line.plan)
    for file in made.files()[0]:
        remove(file)
    made.process.step()
    line.applier.apply(batch, content)
    with pytest.raises(NotTheOwner):
        made.go_on()
    line.halt()
    line.start()
    assert "was restored" in line.restored


def test_forged_is_made_again(made):
    """A file that somebody forged in both spools, with the journal's checksum of it, is not applied but made again."""
    first = made.files()[0]
    older = first[0].read_bytes()[:-40] + bytes(40)
    for file in first:
        file.write_bytes(older)
    checksum = hashlib.sha256(older).hexdigest()
    made.line.control.execute("update slacktide.batch set checksum = %s where file = %s", [checksum, first[0].name])
    made.go_on()
    (told,) = made.remembered()
    assert "is made again" in told
    assert str(first[1]) in told


def test_only_who_has_the_key_can_read(made, monkeypatch):
    """In neither spool anything can be read; the key is one, in no table, and a process with another one says so."""
    seal = seal_of(made.line.control, move=made.move)
    batch = made.line.journal().next_batch("transferred")
    spool = SealedSpool(made.spools[0], seal=seal)
    assert b"booking" in b"".join(spool.read(batch.file, checksum=batch.checksum))
    for file in (file for pair in made.files() for file in pair):
        assert b"booking" not in file.read_bytes()
        with pytest.raises(zstandard.ZstdError):
            zstandard.ZstdDecompressor().decompress(file.read_bytes()[40:])
    (wrapped,) = made.line.control.execute("select wrapped from slacktide.spool_key").fetchone()
    assert seal == seal_of(made.line.control, move=made.move)
    assert seal.key not in wrapped
    with monkeypatch.context() as patch:
        patch.setenv("SLACKTIDE_SECRET_KEY", "another worker's")
        with pytest.raises(OtherSecretKey, match="same one to every worker"):
            Process(made.move, made.line.journal("process")).open()
    made.go_on()
