"""The demonstration of an administrative downtime: one organization closes while people work, and opens by itself.

The intervals are short, so that all of it is seen in two minutes; nothing else is. Administrators type commands, people
use the site's pages. Each thing that was promised is a row of the table at its end, with what was seen.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec
import psycopg

from slacktide.core import clock
from slacktide.core.errors import SQLSTATE_CLOSED, OutsideError
from slacktide.demo.person import Page, Person
from slacktide.demo.stage import Stage
from slacktide.holding import sample

_PASSWORD = "tide and slack"  # noqa: S105 -- of people who last two minutes
_CLOSED = "RESORT"
_OPEN = "CITY"
_AWAIT_SECONDS = 60.0
_DOWN, _OK = 503, 200
_TASKS_OF_CLOSED = 2
_TASKS = 3
_INSERT = "insert into payables.invoice_header (key, organization, number, amount) values (%s, %s, %s, 1)"
_WRITTEN = "select organization, written_at from payables.invoice_header order by written_at"
_IMPORTED = "select organization, count(*) from ledger.invoice group by organization"


class NotAsPromised(OutsideError):
    """The demonstration ended otherwise than promised: {broken}."""


class NotInTime(OutsideError):
    """It took longer than {seconds:.0f} s until {what}."""


class Check(msgspec.Struct, frozen=True):
    """One promise: what was to be seen, what was seen, and whether that is it."""

    promise: str
    seen: str
    holds: bool


class _Cast(msgspec.Struct):
    """Who and what takes part."""

    stage: Stage
    url: str
    erp: str
    clerk: Person
    tasks: list[str]
    checks: list[Check] = []

    def check(self, promise: str, seen: object, holds: object) -> None:
        """Note a promise, and say it."""
        self.checks.append(Check(promise, str(seen), bool(holds)))
        self.stage.say(f"  {'yes' if holds else 'NO '}  {promise}: {seen}")


def run(*, say: Callable[[str], None]) -> list[Check]:
    """Run the demonstration; `say` gets lines. Raises NotAsPromised."""
    with Stage(say) as stage:
        say("A site with two organizations starts, and a sample ERP with guarded interface tables.")
        cast = _set_up(stage)
        key = _begin(cast)
        _people_while_closed(cast)
        _writes_while_closed(cast)
        _extended(cast, key)
        _goes_on(cast, key)
        _site(cast)
        if broken := [check.promise for check in cast.checks if not check.holds]:
            raise NotAsPromised(broken="; ".join(broken))
        return cast.checks


def _set_up(stage: Stage) -> _Cast:
    output = stage.folder / "up.out"
    stage.start("up", "--port", "0", "--json", output=output)
    url = _until(lambda: output.read_text().strip() and json.loads(output.read_text())["url"], "the site is ready")
    secret = stage.folder / "password"
    secret.write_text(_PASSWORD)
    for code in (_CLOSED, _OPEN):
        stage.run("organization", "add", code)
    stage.run("user", "add", "ada", "--admin", "--password-file", str(secret))
    stage.run("user", "add", "clara", "--organization", _CLOSED, _OPEN, "--password-file", str(secret))
    titles = ((_CLOSED, "pay the linen"), (_CLOSED, "pay the eggs"), (_OPEN, "pay the rent"))
    tasks = [stage.run("task", "add", "--organization", code, "--title", title)["id"] for code, title in titles]
    stage.run("setting", "add", "hold_recheck_interval", "--site", "PT10S")
    erp = stage.run("database", "add", "erp")["url"]
    with psycopg.connect(erp, autocommit=True) as connection:
        sample.create(connection)
    stage.run("held", "place", "set", "erp", erp)
    clerk = Person(url)
    clerk.log_in("clara", _PASSWORD)
    return _Cast(stage, url, erp, clerk, tasks)


def _begin(cast: _Cast) -> str:
    """Clara opens a task; the downtime is scheduled, and starts."""
    stage = cast.stage
    stage.say("Clara, a clerk, logs in and opens the first task.")
    cast.clerk.post(f"/task/{cast.tasks[0]}/open")
    planned = stage.run("downtime", "schedule", "--organization", _CLOSED, "--start", "now+PT5S", "--for", "PT35S",
                        "--users", "out", "--message", "The ledger is closing", "--reason", "month end")  # fmt: skip
    stage.say(f"  it will concern {planned['effect']}")
    stage.run("downtime", "wait", planned["id"], "--for", "started", "--timeout", "PT30S")
    state = stage.run("status", "--organization", _CLOSED, accept=(75,))
    cast.check("the line closes, and waits for who has a task open", state["state"], state["holders"]["leases"] == 1)
    return str(planned["id"])


def _people_while_closed(cast: _Cast) -> None:
    """Try what the clerk and the administrator can do meanwhile."""
    clerk, (mine, other, elsewhere) = cast.clerk, cast.tasks
    refused = _until(lambda: (page := clerk.post(f"/task/{other}/open")).status == _DOWN and page, "it is refused")
    cast.check(
        "the clerk is refused the next task, with the message", _short(refused), "ledger is closing" in refused.text
    )
    finished = clerk.post(f"/task/{mine}/save", note="paid", version="1", finish="")
    cast.check("the clerk finishes the open task", finished.path, finished.path == "/worklist")
    shown = clerk.get("/worklist")
    cast.check("closed tasks show their number and until when", "closed until", "closed until" in shown.text
               and "eggs" not in shown.text)  # fmt: skip
    opened = clerk.post(f"/task/{elsewhere}/open")
    cast.check("tasks of other organizations open", opened.path, opened.path == f"/task/{elsewhere}")
    clerk.post(f"/task/{elsewhere}/save", note="paid", version="1", finish="")
    link = cast.stage.run("task", "link", other, "--user", "clara")["path"]
    led = clerk.get(link)
    cast.check("the link of a mail leads to the log-in", led.path, led.path == "/login")
    ada = Person(cast.url)
    ada.log_in("ada", _PASSWORD)
    done = ada.post(f"/task/{other}/open")
    cast.check("an administrator comes in", done.path, done.path == f"/task/{other}")
    ada.post(f"/task/{other}/save", note="paid", version="1", finish="")


def _writes_while_closed(cast: _Cast) -> None:
    """Try what nobody can do meanwhile, and see what goes on."""
    with psycopg.connect(cast.erp, autocommit=True) as connection:
        try:
            connection.execute(_INSERT, ("by hand", _CLOSED, "by hand"))
            state = "written"
        except psycopg.Error as error:
            state = f"refused with {error.sqlstate}"
    cast.check("nobody writes to the interface by hand", state, SQLSTATE_CLOSED in state)
    written = _until(lambda: _rows(cast.erp, _WRITTEN), "the other organization's invoice is written")
    cast.check("the other organization's invoice is imported meanwhile", written[0][0], written[0][0] == _OPEN)
    held = cast.stage.run("held", "list")
    cast.check(
        "the closed one's invoices wait",
        f"{len(held)} waiting",
        [one["state"] for one in held] == ["waiting"] * _TASKS_OF_CLOSED,
    )


def _extended(cast: _Cast, key: str) -> None:
    """Extend the downtime while it runs."""
    before = cast.stage.run("downtime", "show", key)["end"]
    extended = cast.stage.run("downtime", "extend", key, "--by", "PT10S", "--reason", "not done yet")
    clock.sleep(max(0.0, (datetime.fromisoformat(before) - datetime.now(UTC)).total_seconds()) + 1)
    codes = [code for code, _ in _rows(cast.erp, _WRITTEN)]
    cast.check("an extension keeps them held beyond the first end", f"to {extended['end']}", _CLOSED not in codes)


def _goes_on(cast: _Cast, key: str) -> None:
    """Wait for the end, at which all goes on by itself."""
    end = datetime.fromisoformat(cast.stage.run("downtime", "show", key)["end"])
    cast.stage.say(f"The end comes at {end:%H:%M:%S}; nobody does anything.")

    def written() -> list[datetime]:
        found = [at for code, at in _rows(cast.erp, _WRITTEN) if code == _CLOSED]
        return found if len(found) == _TASKS_OF_CLOSED else []

    seconds = [(at - end).total_seconds() for at in _until(written, "the held invoices are written")]
    cast.check("held work goes on by itself, none early, the first within a second",
               ", ".join(f"{one:.2f} s after the end" for one in seconds), 0 <= seconds[0] <= 1)  # fmt: skip
    imported = _until(lambda: _imported(cast.erp), "the ERP has imported them")
    cast.check("each is imported once", imported, imported == {_CLOSED: _TASKS_OF_CLOSED, _OPEN: 1})
    state = cast.stage.run("status", "--organization", _CLOSED)["state"]
    cast.check("the organization is open", state, state == "open")


def _site(cast: _Cast) -> None:
    """Take the whole site down: nobody logs in but administrators, until it is ended."""
    stage = cast.stage
    planned = stage.run(
        "downtime", "schedule", "--site", "--yes", "--until-ended", "--users", "out", "--reason", "upgrade"
    )
    refused = _until(
        lambda: (page := Person(cast.url).log_in("clara", _PASSWORD)).status == _DOWN and page, "it is refused"
    )
    cast.check("in a downtime of the site users cannot log in", _short(refused), "not available" in refused.text)
    entered = Person(cast.url).log_in("ada", _PASSWORD)
    cast.check("administrators can", entered.path, entered.status == _OK)
    stage.run("downtime", "end", planned["id"], "--reason", "done")
    back = Person(cast.url).log_in("clara", _PASSWORD)
    cast.check("after its end everybody can", back.path, back.path == "/worklist")


def _rows(erp: str, statement: str) -> list[Any]:
    with psycopg.connect(erp, autocommit=True) as connection:
        sample.run_importer(connection)
        return connection.execute(statement.encode()).fetchall()


def _imported(erp: str) -> dict[str, int]:
    found = dict(_rows(erp, _IMPORTED))
    return found if sum(found.values()) == _TASKS else {}


def _until(look: Callable[[], Any], what: str) -> Any:
    limit = clock.monotonic_seconds() + _AWAIT_SECONDS
    while not (found := look()):
        if clock.monotonic_seconds() > limit:
            raise NotInTime(seconds=_AWAIT_SECONDS, what=what)
        clock.sleep(0.2)
    return found


def _short(page: Page) -> str:
    return f"{page.status}, {page.text.strip()[:60]}"
