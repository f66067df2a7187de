"""An attempt: whatever its program or the ERP does, it stops nobody else's work, and nothing is done twice."""

from __future__ import annotations

import pytest

from slacktide.holding import attempt, sample, store
from slacktide.holding.item import Arrival
from slacktide.holding.work import NotAccepted
from tests.holding.conftest import release, run_until


class Refusing(sample.InvoiceWork):
    """Refuses each write of SOUTH, with a text that no database takes."""

    def __init__(self, reason):
        self.reason = reason

    def write(self, connection, *, item):
        if item.organization == "SOUTH":
            raise NotAccepted(key=item.key, reason=self.reason)
        super().write(connection, item=item)


@pytest.mark.parametrize("reason", ["cut \ud83d", "nul \x00"])
def test_a_text_that_cannot_be_kept(site, releaser, work, reason):
    """An error's text that the database does not take sets its item aside like any other, and stops nobody."""
    work(Refusing(reason))
    site.arrive(1)
    site.arrive(1, 2, organization="NORTH")
    run_until(releaser, lambda: site.states() == ["failed", "done", "done"])
    (item,) = store.list_items(site.control)
    assert reason[:3] in item.because


class NoResult(sample.InvoiceWork):
    """Has a bug: it gives no result."""

    def result(self, *_, **__):
        return None


def test_a_result_that_is_none(site, releaser, work):
    """A program that gives no result leaves its import sent, visibly, and stops nobody else."""
    work(NoResult())
    site.arrive(1, imported=True)
    site.arrive(1, 2, organization="NORTH")
    run_until(releaser, lambda: site.written("NORTH") == ["1", "2"] and site.queue().kind == "stopped")
    assert (site.states()[-1], "NoneType" in site.queue().because) == ("sent", True)


class FollowFails(sample.InvoiceWork):
    """Has a bug: it cannot say what follows from an import."""

    def __init__(self):
        self.sends = []

    def follow(self, item):
        if item.step == "import":
            raise LookupError
        return super().follow(item)

    def send(self, connection, *, item):
        self.sends.append(item.key)
        super().send(connection, item=item)


def test_what_follows_from_an_import_fails(site, releaser, work):
    """A bug after the result is read sets the import aside without sending it again, and stops nobody else."""
    program = work(FollowFails())
    site.arrive(1, imported=True)
    release(releaser)
    sample.run_importer(site.erp)
    (sent,) = store.list_items(site.control)
    site.arrive(1, 2, organization="NORTH")
    run_until(releaser, lambda: site.written("NORTH") == ["1", "2"] and site.item(sent).state == "failed")
    assert program.sends == ["SOUTH/1/import"]


def test_what_nobody_foresaw(site, releaser, monkeypatch):
    """What fails while a failure is noted stops the release of its organization alone, visibly."""
    failed = attempt.Attempt._failed  # noqa: SLF001 -- what is made to fail

    def failing(self, item, error):
        if item.organization == "SOUTH":
            raise LookupError
        return failed(self, item, error)

    monkeypatch.setattr(attempt.Attempt, "_failed", failing)
    site.arrive(1, lines=("-1",))
    site.arrive(1, 2, organization="NORTH")
    run_until(releaser, lambda: site.written("NORTH") == ["1", "2"] and site.queue().kind == "stopped")
    assert "LookupError" in site.queue().because


class Posting(sample.InvoiceWork):
    """Sends to a web service that takes everything, or nothing, and fails to note that by itself."""

    def __init__(self, statement, *, arrives):
        self.statement, self.arrives, self.posted = statement, arrives, []

    def send(self, connection, *, item):
        self.posted.append(item.key)
        if self.arrives:
            super().send(connection, item=item)
        connection.execute(self.statement)


def imported(site):
    """Let the ERP do what it has accepted; give what it has done."""
    sample.run_importer(site.erp)
    return site.imported()


LOCKED = "do $$ begin raise exception 'in the way' using errcode = '55P03'; end $$"


@pytest.mark.parametrize("statement", ["select 1/0", LOCKED], ids=["its data", "in the way"])
def test_an_error_of_sql_behind_the_sending(site, releaser, work, statement):
    """An SQL error says nothing of whether it arrived: the result is read, and it is not sent again."""
    program = work(Posting(statement, arrives=True))
    site.arrive(1, imported=True)
    run_until(releaser, lambda: imported(site) and site.states() == ["done", "done"])
    assert (program.posted, site.imported()) == (["SOUTH/1/import"], ["1"])


def test_an_error_of_sql_instead_of_the_sending(site, releaser, work):
    """Where the result says that it never arrived, an error of its data uses up a retry, up to the last one."""
    program = work(Posting("select 1/0", arrives=False))
    site.arrive(1, imported=True)
    run_until(releaser, lambda: site.states() == ["done", "failed"])
    (item,) = store.list_items(site.control)
    assert (len(program.posted), "division by zero" in item.because) == (3, True)


class Following(sample.InvoiceWork):
    """Lets an import follow that cannot be kept: of this step, with this text."""

    def __init__(self, step, note):
        self.step, self.note, self.sends, self.looks = step, note, [], 0

    def find(self, connection, *, key):
        self.looks += 1
        return super().find(connection, key=key)

    def follow(self, item):
        found = super().follow(item)
        if item.step != self.step or item.payload.get("number", "1") != "1":
            return found
        payload = {"header_key": item.key, "note": self.note}
        facts = {"work": sample.NAME, "key": f"{item.key}/import", "payload": payload}
        return [Arrival(organization=item.organization, step="import", **facts)]

    def send(self, connection, *, item):
        self.sends.append(item.key)
        super().send(connection, item=item)


@pytest.mark.parametrize(("note", "reason"), [("taken", "belongs to held item"), ("nul \x00", "unsupported Unicode")])
def test_what_follows_cannot_be_kept(site, releaser, work, note, reason):
    """A write whose follow-up cannot be kept is set aside with the reason, and the next one goes on."""
    program = work(Following("insert", note))
    site.arrive("1/import")
    site.arrive(1, 2)
    run_until(releaser, lambda: site.states() == ["done", "failed", "done"])
    (item,) = store.list_items(site.control)
    assert (site.written(), reason in item.because, program.looks <= 5) == (["1/import", "1", "2"], True, True)


def test_what_follows_from_an_import_cannot_be_kept(site, releaser, work):
    """The same for an import, which is not sent again for that: its result is read before."""
    program = work(Following("import", "nul \x00"))
    site.arrive(1, imported=True)
    release(releaser)
    sample.run_importer(site.erp)
    site.arrive(2)
    run_until(releaser, lambda: site.states() == ["done", "failed", "done"])
    assert (program.sends, site.imported()) == (["SOUTH/1/import"], ["1"])
