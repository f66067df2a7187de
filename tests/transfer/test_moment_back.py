"""Dangerous moments of keys on a way back: those with a minus before them, and those that hold a code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from slacktide.postgres.connection import connect
from slacktide.transfer import move, prepare, returning
from tests.migrated import migrate
from tests.transfer.line import Databases, Line
from tests.transfer.test_moment_kept import NATIVE, PLAN, SAME, SCHEMA, SEED, convert, states

TEXT = (Path(__file__).parent / "kept.yaml").read_text()
BELOW = """
insert into kept.folio values (-5, 'P', 'below'), (-7, 'P', 'below too');
insert into kept.posting values (-50, -5, 1), (-70, -7, 1);
"""


class BackLine(Line):
    """A line on the way back, whose target is full."""

    full = True

    kept = SAME

    def new_applier(self, connection, **named):
        return super().new_applier(connection, kept={"kept_space": json.dumps(self.kept)}, **named)


@pytest.fixture(scope="module")
def keeping(server):
    """Give the templates of these tests' lines."""
    return Databases(server, plan=PLAN, schema=SCHEMA, native=NATIVE)


@pytest.fixture
def there_and_back(keeping, database, tmp_path, request):
    """Give a line whose objects have arrived but for one, and what makes the line back; both sides are everybody's.

    A parameter gives other mappings of the way there and rows to change before it.
    """
    codes, changes = getattr(request, "param", (SAME, ""))
    line = Line(**keeping.addresses(), folder=tmp_path / "there", plan=PLAN)
    lines = [line]
    convert(line, codes)
    line.checking.execute("alter table kept.folio add constraint refuse check (name <> 'folio 7') not valid")
    line.sql(SEED + BELOW + changes)
    line.start()
    line.drain(compare=False)
    assert states(line) == {("folio", "7"): "failed"}

    def back():
        line.halt()
        seeded(database, line)
        returned = BackLine(control=keeping.addresses()["control"], source=line.addresses[1], target=line.addresses[0],
                            folder=tmp_path / "back", plan=PLAN, move="m-back", watch=False)  # fmt: skip
        lines.append(returned)
        returned.kept = codes
        convert(returned, SAME)
        with connect(line.addresses[1], name="prepare") as connection:
            prepare.prepare_source(connection, plan=PLAN, move="m-back")
        returned.start()
        returned.drain(compare=False)
        return returned

    yield line, back
    for each in reversed(lines):
        each.end()


def seeded(control, line):
    """Let the old source know what it holds."""
    migrate(address=control)
    with connect(control, name="test") as connection:
        forward = move.create_move(
            connection, name="m", plan_file="kept", plan_text=TEXT, property="P", target_property="P",
            source=line.addresses[0], target=line.addresses[1], spool="/m",
        )  # fmt: skip
        back = move.create_back(connection, of=forward, name="m-back", spool="/m-back")
        returning.seed_keys(back=back, forward=forward)


def test_negative_keys_come_back(there_and_back):
    """An object whose key is negative keeps it on the way there and back, changed or deleted meanwhile."""
    line, back = there_and_back
    line.checking.execute("update kept.folio set name = 'changed' where name = 'below'")
    line.checking.execute("delete from kept.posting where folio_id in (select folio_id from kept.folio where "
                          "name = 'below too'); delete from kept.folio where name = 'below too'")  # fmt: skip
    returned = back()
    assert returned.problems() == []
    folios = line.sql("select folio_id, name from kept.folio where folio_id < 0 or name like '%below%'").fetchall()
    assert folios == [(-5, "changed")]
    assert line.sql("select posting_id from kept.posting where folio_id = -5").fetchall() == [(-50,)]
    assert line.sql("select count(*) from kept.folio where name = 'folio 7'").fetchone() == (1,)


def test_negative_key_is_not_what_never_arrived(there_and_back):
    """What is made meanwhile under the negative of a key that never arrived comes back; the other one stays."""
    line, back = there_and_back
    line.checking.execute("insert into kept.folio values (-7, 'P', 'made there')")
    returned = back()
    assert returned.problems() == []
    names = line.sql("select name from kept.folio where name in ('folio 7', 'made there') order by 1").fetchall()
    assert names == [("folio 7",), ("made there",)]


ONE_EACH = "delete from kept.seat where space = case folio_id % 2 when 1 then 'A' else 'B' end"


@pytest.mark.parametrize("there_and_back", [({"A": "A", "B": "A", "C": "C"}, ONE_EACH)], indirect=True)
def test_code_in_a_key_is_kept(there_and_back):
    """A part keeps the code in its key, of two that became one, as long as what comes says the same of it."""
    line, back = there_and_back
    line.checking.execute("update kept.seat set setup = setup || '!' where space = 'A'")
    line.checking.execute("update kept.seat set space = 'C' from kept.folio f where f.folio_id = kept.seat.folio_id "
                          "and f.name = 'folio 3'")  # fmt: skip
    returned = back()
    assert returned.problems() == []
    rows = line.sql("select folio_id, space, setup from kept.seat where folio_id in (1, 2, 3, 4, 7) order by 1")
    assert rows.fetchall() == [(1, "B", "round B!"), (2, "A", "round A!"), (3, "C", "round B!"), (4, "A", "round A"),
                               (7, "B", "round B")]  # fmt: skip
