"""Dangerous moments of what is refused: objects, batches, spool files."""

from __future__ import annotations

import msgspec
import pytest

from slacktide.postgres.connection import connect
from slacktide.transfer import message
from slacktide.transfer.apply import ManyAbsent, NotTheOwner
from slacktide.transfer.entry import Touched
from slacktide.transfer.spool import CorruptFile
from tests.transfer.checker import digest, rows_of
from tests.transfer.conftest import SEED
from tests.transfer.line import PLAN
from tests.transfer.test_moment_stream import until


def reask(line, *names):
    (now,) = line.control.execute("select clock_timestamp()").fetchone()
    line.journal().enqueue([Touched(*name) for name in names], now=now)


def states(line):
    return {(entity, key): state for entity, key, state, _ in line.problems()}


def refuse(line, condition):
    """Have the target refuse bookings; give what ends that."""
    line.checking.execute(f"alter table bare.booking add constraint refuse check ({condition}) not valid")
    return lambda: line.checking.execute("alter table bare.booking drop constraint refuse")


def test_one_fails_alone(line):
    """What the target refuses fails alone, what refers to it waits, and both arrive by themselves when it is mended."""
    mend = refuse(line, "note is distinct from 'bad'")
    line.sql("begin; insert into bare.booking (booking_id, property, number, person_id, amount, note) "
             "values (700, 'P', 'bad', 1, 1, 'bad');"
             "insert into bare.posting (posting_id, booking_id, amount) values (700, 700, 1);"
             "insert into bare.booking (booking_id, property, number, person_id, amount, sharer_id) "
             "values (701, 'P', 'waits', 1, 1, 700);"
             "insert into bare.line (line_id, invoice_id, posting_id, amount) values (700, 1, 700, 1);"
             "update bare.booking set amount = 5 where booking_id < 40; commit")  # fmt: skip
    line.drain()
    assert states(line) == {("booking", "700"): "failed", ("booking", "701"): "waiting", ("invoice", "1"): "waiting"}
    mend()
    reask(line, ("booking", "700"))
    line.drain()
    assert states(line) == {}


def test_right_that_a_trigger_lacks(line):
    """Where a trigger of the target may not do something the object fails, and names the role that lacks the right."""
    line.checking.execute(
        "create table bare.told (booking_id bigint); create function bare.tell() returns trigger "
        "language plpgsql as 'begin insert into bare.told values (1); return new; end'; create trigger "
        "tell before update on bare.booking for each row execute procedure bare.tell()"
    )
    line.sql("update bare.booking set amount = 7 where booking_id = 1")
    line.drain()
    ((_, _, _, reason),) = line.problems()
    assert reason.endswith("(rows are written, and triggers run, as slacktide_mover: grant that role the right).")
    line.checking.execute("grant insert on bare.told to slacktide_mover")
    reask(line, ("booking", "1"))
    line.drain()
    assert line.problems() == []


def test_failed_keeps_its_values(line):
    """A known object that fails keeps its unique values; who wants them fails as well, and arrives with it."""
    mend = refuse(line, "note is distinct from 'bad'")
    line.sql("begin; update bare.booking set number = 'moved on', note = 'bad' where booking_id = 1; "
             "update bare.booking set number = 'N1' where booking_id = 2; "
             "update bare.booking set amount = 6 where booking_id = 3; commit")  # fmt: skip
    line.drain()
    assert states(line) == {("booking", "1"): "failed", ("booking", "2"): "failed"}
    there = line.checking.execute("select number from bare.booking where property = 'P' and number in ('N1', 'N2')")
    assert sorted(there.fetchall()) == [("N1",), ("N2",)]
    mend()
    reask(line, ("booking", "1"))
    line.drain()
    assert states(line) == {}


def test_chain_with_one_bad(line):
    """In a batch with a bad object, new ones that refer to each other within a table arrive all the same."""
    mend = refuse(line, "note is distinct from 'bad'")
    line.sql("begin; insert into bare.booking (booking_id, property, number, person_id, amount, note) "
             "values (800, 'P', 'bad chain', 1, 1, 'bad');"
             "insert into bare.booking (booking_id, property, number, person_id, amount) "
             "select n, 'P', 'chain ' || n, 1, 1 from generate_series(801, 808) n;"
             "update bare.booking set sharer_id = 801 + (booking_id - 800) % 8 "
             "where booking_id > 800; commit")  # fmt: skip
    line.drain()
    assert states(line) == {("booking", "800"): "failed"}
    mend()
    reask(line, ("booking", "800"))


def test_failed_is_deleted(line):
    """An object that failed and is then deleted at the source stands in nobody's way."""
    mend = refuse(line, "note is distinct from 'bad'")
    line.sql(
        "insert into bare.booking (booking_id, property, number, person_id, amount, note) "
        "values (710, 'P', 'bad too', 1, 1, 'bad')"
    )
    line.drain()
    assert states(line) == {("booking", "710"): "failed"}
    line.sql("delete from bare.booking where booking_id = 710")
    line.drain()
    assert states(line) == {}
    mend()


def test_failed_again_after_newer(line):
    """A failed object that is asked for again arrives as it is now, not as it was when it failed."""
    mend = refuse(line, "note is distinct from 'bad'")
    line.sql("update bare.booking set note = 'bad' where booking_id = 1")
    line.drain()
    line.sql("update bare.booking set note = 'good', amount = 77 where booking_id = 1")
    line.drain()
    assert states(line) == {}
    reask(line, ("booking", "1"))
    line.drain()
    mend()


def test_codes(line):
    """A code without a mapping is left out and named where it is optional."""
    line.sql("update bare.booking set rate = 'RACK', amount = 3 where booking_id = 1")
    line.drain(compare=False)
    ((entity, key, state, reason),) = line.problems()
    assert (entity, key, state) == ("booking", "1", "warning")
    assert "RACK" in reason
    reask(line, ("booking", "1"))
    line.drain(compare=False)
    assert states(line) == {("booking", "1"): "warning"}
    line.sql("update bare.booking set rate = null where booking_id = 1")


@pytest.fixture
def strict(bare_line):
    """Give a line to whose plan the code of a booking is mandatory."""
    root = PLAN.entity["booking"].root
    code = msgspec.structs.replace(root.codes[0], mandatory=True)
    bare_line.plan = with_root(PLAN, msgspec.structs.replace(root, codes=(code,)))
    return bare_line


def test_older_batch_settles_nothing(strict):
    """An object that fails in a batch stays failed when an older one, in which it arrives, is applied afterwards."""
    line = strict
    line.sql(SEED)
    line.start()
    line.drain()
    for change in ("amount = 5", "rate = 'RACK'"):
        line.sql(f"update bare.booking set {change} where booking_id = 10")
        line.catch_up()
        assert line.generate()
        line.transfer()
    assert states(line) == {("booking", "10"): "failed"}
    line.process()
    assert states(line) == {("booking", "10"): "failed"}
    line.process()


def test_mandatory_code(strict):
    """A code without a mapping fails its object where it is mandatory, and names it; a mapping lets it arrive."""
    line = strict
    line.sql(SEED + "update bare.booking set rate = 'RACK' where booking_id = 10")
    line.start()
    line.drain()
    ((entity, key, state, reason),) = line.problems()
    assert (entity, key, state) == ("booking", "10", "failed")
    assert "RACK" in reason
    line.control.execute("insert into slacktide.conversion values (%s, 'rate', 'RACK', 'RACK')", [line.move_id])
    reask(line, ("booking", "10"))
    line.drain()
    assert line.problems() == []
    line.check()


@pytest.mark.parametrize("again", ["vacuum full bare.booking", "a new incarnation"])
def test_unmapped_is_not_absent(strict, again):
    """A pass that tells what is absent leaves alone what is there and has a code without a mapping; it stays failed."""
    line = strict
    line.sql(SEED)
    line.start()
    line.drain()
    line.sql("update bare.booking set rate = 'NEW' where booking_id = 10")
    line.drain()
    if again == "a new incarnation":
        line.halt()
        line.checking.execute("select pg_drop_replication_slot(%s)", [line.incarnation.slot])
        line.start()
    else:
        line.sql(again)
        line.sql("update bare.booking set amount = 5 where booking_id = 1")
    line.drain()
    assert line.control.execute("select 1 from slacktide.pass_range where absence and entity = 'booking'").fetchone()
    assert states(line) == {("booking", "10"): "failed"}
    there = "select 1 from slacktide.key_map join bare.booking b on target_key = b.booking_id::text"
    assert line.checking.execute(f"{there} where name = 'booking' and source_key = '10'").fetchone()
    line.control.execute("insert into slacktide.conversion values (%s, 'rate', 'NEW', 'NEW')", [line.move_id])
    reask(line, ("booking", "10"))
    line.drain()
    line.check()


def with_root(plan, root):
    entities = tuple(
        msgspec.structs.replace(entity, root=root) if entity.name == root.name else entity for entity in plan.entities
    )
    return msgspec.structs.replace(plan, entities=entities)


# -- batches ----------------------------------------------------------------------------------------------------------


def made(line, amount="amount + 1"):
    """Make and carry a batch; give it and its content."""
    line.sql(f"update bare.booking set amount = {amount} where booking_id = 1")
    line.catch_up()
    batch = line.generate()
    line.transfer()
    return batch, message.read(line.spools[1].read(batch.file, checksum=batch.checksum), plan=line.plan)


def test_zombie(line):
    """An owner who wakes after two newer batches changes nothing and stops."""
    with connect(line.addresses[1], name="zombie", role="slacktide_mover") as connection:
        zombie = line.new_applier(connection)
        batch, content = made(line)
        line.process()
        for _ in range(2):
            made(line)
            line.process()
        before = digest(rows_of(line.checking, line.plan))
        with pytest.raises(NotTheOwner):
            zombie.apply(batch, content)
    assert digest(rows_of(line.checking, line.plan)) == before


def test_duplicate(line):
    """A batch that comes a second time is counted as done and changes nothing."""
    batch, content = made(line)
    first = line.applier.apply(batch, content)
    before = digest(rows_of(line.checking, line.plan))
    second = line.applier.apply(batch, content)
    assert set(second.arrived) >= set(first.arrived)
    assert second.written == 0
    assert digest(rows_of(line.checking, line.plan)) == before
    line.process()


def test_killed_before_the_note(line):
    """A batch that was committed and, as the process was killed, not noted tells again what failed in it or waits."""
    line.sql("update bare.booking set rate = 'RACK' where booking_id = 2")
    mend = refuse(line, "note is distinct from 'bad' and amount <> 44")
    line.sql("begin; insert into bare.booking (booking_id, property, number, person_id, amount, note) "
             "values (720, 'P', 'bad note', 1, 1, 'bad');"
             "insert into bare.booking (booking_id, property, number, person_id, amount, sharer_id) "
             "values (721, 'P', 'unnoted', 1, 1, 720); "
             "update bare.booking set amount = 44 where booking_id = 1; commit")  # fmt: skip
    batch, content = made(line, amount="amount")
    line.applier.apply(batch, content)
    line.halt()
    line.start()
    _, again = line.process()
    assert again.written == 0
    told = {("booking", "720"): "failed", ("booking", "721"): "waiting", ("booking", "1"): "failed"}
    assert states(line) == {**told, ("booking", "2"): "warning"}
    mend()
    line.sql("update bare.booking set amount = 2 where booking_id in (1, 720)")
    line.sql("update bare.booking set rate = null where booking_id = 2")
    line.drain()
    assert states(line) == {}


def test_absent_before_the_note(bare_line):
    """What went for being absent in a batch that was not noted does not stand as failed for ever."""
    line = bare_line
    line.sql(SEED)
    line.start()
    line.drain()
    mend = refuse(line, "amount <> 44")
    line.sql("update bare.booking set amount = 44 where booking_id = 10")
    line.drain()
    mend()
    line.halt()
    line.checking.execute("select pg_drop_replication_slot(%s)", [line.incarnation.slot])
    line.sql("update bare.line set posting_id = null where posting_id = 10; "
             "delete from bare.night where booking_id = 10; "
             "delete from bare.posting where booking_id = 10; "
             "delete from bare.booking where booking_id = 10")  # fmt: skip
    line.start()
    while line.generate():
        batch = line.transfer()
        path = line.spools[1].read(batch.file, checksum=batch.checksum)
        line.applier.apply(batch, message.read(path, plan=line.plan))
        line.process()
    assert states(line) == {}
    line.check()


def test_same_number_other_content(line):
    """A batch of the last number with another checksum is not a duplicate: the process stops."""
    batch, content = made(line)
    line.process()
    with pytest.raises(NotTheOwner):
        line.applier.apply(msgspec.structs.replace(batch, checksum="0" * 64), content)


def test_foreign_batch(line):
    """A batch of another plan, version, move, property, incarnation or number is refused."""
    batch, content = made(line)
    head = content.head
    for field in ("plan", "version", "move", "property", "incarnation", "number"):
        wrong = 99 if field in ("incarnation", "number") else "other"
        content.head = msgspec.structs.replace(head, **{field: wrong})
        with pytest.raises(message.ForeignBatch, match=f"another {field}"):
            line.applier.apply(batch, content)
    line.process()


def test_corrupt_file(line):
    """A corrupt file of the target's spool is refused and fetched again; of the source's, it is refused."""
    line.sql("update bare.booking set amount = 7 where booking_id = 1")
    line.catch_up()
    batch = line.generate()
    line.transfer()
    place = line.spools[1].path(batch.file)
    place.write_bytes(place.read_bytes()[:-1] + b"x")
    with pytest.raises(CorruptFile):
        list(line.spools[1].read(batch.file, checksum=batch.checksum))
    line.spools[1].fetch(line.spools[0], name=batch.file, checksum=batch.checksum)
    source = line.spools[0].path(batch.file)
    good = source.read_bytes()
    source.write_bytes(good[:-1] + b"x")
    place.unlink()
    with pytest.raises(CorruptFile):
        line.spools[1].fetch(line.spools[0], name=batch.file, checksum=batch.checksum)
    source.write_bytes(good)
    line.spools[1].fetch(line.spools[0], name=batch.file, checksum=batch.checksum)
    line.process()


HEAD = '<batch plan="bare" version="1" move="m" property="P" incarnation="1" number="1" as_of="x" snapshot="1:1:">'


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<batch",
        HEAD,
        f"<!DOCTYPE batch>{HEAD}</batch>",
        f'<!DOCTYPE batch [<!ENTITY a "b">]>{HEAD}&a;</batch>',
        f"<?php x?>{HEAD}</batch>",
        f"{HEAD}<other/></batch>",
        f"{HEAD}text</batch>",
        f'{HEAD}<person h="0" person_id="1" name="n" email="e"/></batch>',
        f'{HEAD}<person h="0" name="n" person_id="1" email="e" employer_id="1"/></batch>',
        f'{HEAD}<person h="0" person_id="1" name="n" email="e" employer_id="1" more="1"/></batch>',
        f'{HEAD}<person person_id="1" name="n" email="e" employer_id="1"/></batch>',
        f'{HEAD}<person h="0" person_id="1" name="n" email="e" employer_id="1"><night/></person></batch>',
        f'{HEAD}<party h="0" party_id="1" property="P" name="n" master_booking_id="1"><x><y/></x></party></batch>',
        f'{HEAD}<gone entity="other" key="1"/></batch>',
        f'{HEAD}<gone entity="person"/></batch>',
        f'{HEAD}<failed entity="person"/></batch>',
        '<batch plan="bare"></batch>',
        f"{HEAD}<batch/></batch>",
        f"{HEAD}</batch><batch/>",
    ],
)
def test_malformed(text):
    """A batch that is not exactly of the plan's shape is refused."""
    with pytest.raises(message.MalformedBatch):
        message.read([text.encode()], plan=PLAN)


@pytest.mark.parametrize("emptied", ["truncate bare.booking cascade", "delete from bare.booking"])
def test_many_absent(bare_line, emptied):
    """Where a large share of an entity is absent, or deleted, at once, nothing is deleted until that is allowed."""
    line = bare_line
    line.sql("insert into bare.person (name) values ('p'); "
             "insert into bare.booking (property, number, person_id, amount) "
             "select 'P', n::text, 1, 1 from generate_series(1, 300) n")  # fmt: skip
    line.start()
    line.drain()
    line.sql(emptied)
    line.catch_up()
    with pytest.raises(ManyAbsent):
        line.drain()
    assert line.checking.execute("select count(*) from bare.booking where property = 'P'").fetchone() == (300,)
    line.halt()
    line.start(allow_absent=True)
    until(lambda: line.process() is None)
    line.drain()
    line.check()
