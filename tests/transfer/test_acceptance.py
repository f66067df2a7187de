"""Errors that are accepted by name, never of money, until the object changes or arrives. One story, in order."""

from __future__ import annotations

import msgspec
import pytest

from slacktide.control.audit import ReasonMissing
from slacktide.transfer import acceptance, panel
from slacktide.transfer.move import load_move
from tests.migrated import migrate
from tests.transfer.conftest import SEED
from tests.transfer.line import Databases
from tests.transfer.test_moment_refused import reask
from tests.transfer.verified import FULL_SCHEMA, PLAN, TEXT, VerifiedLine

BY = {"name": "Ada Night", "role": "duty manager", "reason": "entered by hand at the target", "who": "ada@desk"}
BAD = """
begin; insert into bare.account (account_id, property, name) values (900, 'P', 'bad');
insert into bare.invoice (invoice_id, account_id, number, issued) values (900, 900, 'waits', '2026-01-01');
insert into bare.line (invoice_id, amount) values (900, 7);
update bare.booking set note = 'bad' where booking_id = 1; commit
"""


class AcceptingLine(VerifiedLine):
    """A line whose verification leaves out what was accepted."""

    @property
    def subject(self):
        return msgspec.structs.replace(
            super().subject, accepted=acceptance.accepted_keys(self.control, move_id=self.move_id)
        )

    @property
    def kept(self):
        """The move as the control database has it."""
        return load_move(self.control, name=self.move)

    def errors(self):
        return {error.id: error for error in acceptance.errors(self.control, move=self.kept)}

    def accept(self, error, **by):
        return acceptance.accept(self.control, move=self.kept, error=error, **BY | by)


@pytest.fixture(scope="module")
def line(server, tmp_path_factory):
    """Give a line whose pass has arrived, but for a booking and an account that the target refuses."""
    addresses = Databases(server, plan=PLAN, schema=FULL_SCHEMA).addresses()
    server.create_database("accepting")
    addresses["control"] = server.address("accepting")
    migrate(address=addresses["control"])
    line = AcceptingLine(**addresses, folder=tmp_path_factory.mktemp("line"))
    try:
        line.control.execute("update slacktide.move set plan_text = %s", [TEXT])
        line.sql(SEED)
        line.start()
        line.drain()
        line.checking.execute(
            "alter table bare.booking add constraint no check (note is distinct from 'bad') not valid"
        )
        line.checking.execute("alter table bare.account add constraint no check (name not like 'bad%') not valid")
        line.sql(BAD)
        line.drain()
        yield line
    finally:
        line.end()


def over(line):
    """Give what the audit trail says of acceptances that have ended."""
    said = "select before ->> 'key', reason from slacktide.audit where what = 'move error acceptance over' order by id"
    return line.control.execute(said).fetchall()


def test_each_has_its_ways_out(line):
    """Each error stands with its object, its reason and what can be done; for money nothing is accepted."""
    found = line.errors()
    assert {key: error.state for key, error in found.items()} == {
        "account:900": "failed", "invoice:900": "waiting", "booking:1": "failed",
    }  # fmt: skip
    assert found["invoice:900"].waits_for == "account 900"
    account = found["account:900"]
    assert [way.way for way in account.ways] == ["process it again", "accept it by name"]
    assert account.ways[0].command == f"slacktide move reprocess m {account.message}"
    assert found["booking:1"].money
    assert [way.way for way in found["booking:1"].ways] == ["process it again"]


def test_money_is_never_accepted(line):
    """An object that a total of money is of is refused, with the total and the way to mend it; so is an unknown one."""
    with pytest.raises(acceptance.MoneyNeverAccepted, match=r"Ledger.*slacktide move reprocess m \d+"):
        line.accept("booking:1")
    with pytest.raises(acceptance.UnknownError, match="slacktide move error list m"):
        line.accept("account:1")
    with pytest.raises(ReasonMissing, match="--reason"):
        line.accept("account:900", reason=" ")
    assert acceptance.accepted(line.control, move_id=line.move_id) == []


def test_left_out_by_name(line):
    """What is accepted counts on neither side, in objects, rows and totals, and is listed; what waits too."""
    line.sql("update bare.booking set note = 'good' where booking_id = 1")
    line.drain()
    assert line.ahead().different == 3  # the invoice in content, and in what a total measures of it
    line.accept("account:900")
    assert line.again().different == 2
    line.accept(str(line.errors()["invoice:900"].message))
    for found in (line.again(), line.compare(), line.ahead(), line.again()):
        assert found.equal
        assert sorted(each.key for each in found.accepted) == ["900", "900"]
        assert found.rows["source"]["account"] == found.rows["target"]["account"] == 2
        assert "bad" not in found.totals["source"]["invoices"]
    assert acceptance.different(line.control, move=line.kept) == 0
    assert panel.status(line.control, move=line.kept).processes["process"].failed == 0
    (account, _) = acceptance.accepted_of(line.control, move=line.kept, left_out=found.accepted)
    assert account.items() >= {"key": "900", "name": "Ada Night", "role": "duty manager"}.items()


def test_it_changes_at_the_source(line):
    """When an accepted object changes at the source, its acceptance is over; read again it stays."""
    for error in line.errors().values():
        if error.accepted is None and not error.money:
            line.accept(error.id)
    reask(line, ("account", "900"))
    line.drain()
    assert over(line) == []
    line.sql("update bare.account set name = 'bad too' where account_id = 900")
    line.catch_up()
    with pytest.raises(acceptance.ErrorChanging, match="slacktide move error list m"):
        line.accept("account:900")
    line.drain()
    assert over(line) == [("900", "it changed at the source")]
    found = line.compare()
    assert not found.equal
    assert "account" in {each.entity for each in found.differences}
    assert line.errors()["account:900"].accepted is None


def test_it_arrives(line):
    """Processed again with success it is no error any more, and nothing is accepted of it or of what waited for it."""
    line.accept("account:900")
    line.sql("update bare.booking set note = 'good' where booking_id = 1")
    line.checking.execute("alter table bare.account drop constraint no")
    reask(line, ("account", "900"))
    line.drain()
    assert line.errors() == {}
    assert acceptance.accepted(line.control, move_id=line.move_id) == []
    found = line.again()
    assert found.equal
    assert found.accepted == []
    assert found.totals["target"]["invoices"]["bad too"] == 7


def test_a_difference_that_was_touched_since_is_none(line):
    """An object that differed, and was read again since, is neither listed nor counted as different."""
    line.ahead()
    different = "insert into slacktide.verified_difference select move_id, 'account', '900' from slacktide.move"
    line.control.execute(different)
    assert acceptance.different(line.control, move=line.kept) == len(line.errors()) == 1
    reask(line, ("account", "900"))
    line.drain()
    assert acceptance.different(line.control, move=line.kept) == len(line.errors()) == 0
