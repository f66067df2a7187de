from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from slacktide.control.lease import take_lease
from slacktide.control.organization import add_organization, set_side
from slacktide.control.session import start_session
from slacktide.control.task import add_task
from slacktide.postgres.connection import connect
from tests.downtime.test_decision import CELLS, naive

OWN = ("--organization", "HOTEL")
FIELDS = ["decision", "code", "scope", "organization", "message", "start", "until", "next_check", "retry_after_seconds",
          "valid_until", "also"]  # fmt: skip
COMMAND = [Path(sys.executable).with_name("slacktide"), "check", "--lines"]
WHO = {"who": "tester", "reason": "a test"}


@pytest.fixture
def control(hotel, database):
    """Give a connection to the command line's control database."""
    with connect(database, name="test") as connection:
        yield connection


@pytest.fixture
def lines(hotel):
    """Give a running `check --lines`: a function that asks one question and gives its answer."""
    process = subprocess.Popen(COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=os.environ, text=True)

    def ask(request=None, **facts):
        process.stdin.write((request if request is not None else json.dumps(facts)) + "\n")
        process.stdin.flush()
        return json.loads(process.stdout.readline())

    yield ask
    process.stdin.close()
    assert process.wait(timeout=20) == 0
    process.stdout.close()


def down(hotel, *arguments):
    said = hotel("downtime", "schedule", *(arguments or (*OWN, "--for", "PT1H")), "--reason", "x", "--json")
    assert said.status == 0
    return said.json["id"]


# -- the table ---------------------------------------------------------------------------------------------------------

SLOTS = {pair: f"2030-01-{day:02}" for day, pair in enumerate(itertools.product([None, "in", "out"], repeat=2), 1)}
USERS = {(admin, asks): f"{'root' if admin else 'ada'}-{'high' if asks else 'low'}"
         for admin in (True, False) for asks in (True, False)}  # fmt: skip


@pytest.fixture
def prepared(hotel, control):
    """Schedule each pair of a site's and an organization's downtime on a day of its own; LEFT has moved away."""
    add_organization(control, code="LEFT", **WHO)
    set_side(control, organization="LEFT", side="source", state="reference only", lives_at="https://new", **WHO)
    for (admin, asks), name in USERS.items():
        hotel("user", "add", name, *(["--admin"] if admin else []))
        if not asks:
            hotel("setting", "add", "email_notification_security", "low", "--user", name)
    for (site, own), day in SLOTS.items():
        when = ("--start", f"{day}T08:00:00Z", "--for", "PT8H")
        if site:
            down(hotel, "--site", "--yes", *when, "--users", site)
        for code in ("HOTEL", "LEFT") if own else ():
            down(hotel, "--organization", code, *when, "--users", own)


def test_whole_table(prepared, hotel):
    """Every cell of the decision table answers on the command line as the specification's sentences do."""
    asked = [(cell, via) for cell in CELLS for via in ("browser", "email", "api")]
    requests = "".join(json.dumps(request(cell, via)) + "\n" for cell, via in asked)
    start = time.monotonic()
    said = subprocess.run(COMMAND, input=requests.encode(), capture_output=True, env=os.environ, check=True)
    rate = len(asked) / (time.monotonic() - start)
    answers = [json.loads(line) for line in said.stdout.splitlines()]
    assert len(answers) == len(asked) == 13824
    wrong = [(cell, via, answer) for (cell, via), answer in zip(asked, answers, strict=True)
             if (answer.get("decision"), answer.get("code")) != expected(cell)]  # fmt: skip
    assert wrong[:3] == []
    assert rate > 300, f"{rate:.0f} lines a second: far slower than on any machine that was measured"


def request(cell, via):
    """Write the request of a cell; its downtimes are those of its day."""
    action, admin, site, own, lease, session, writer, left, asks = cell
    return {
        "action": action.value,
        "user": {"name": USERS[admin, asks]},
        "organization": "LEFT" if left else "HOTEL",
        "lease": lease,
        "session": session,
        "writer": writer,
        "via": via,
        "at": f"{SLOTS[site, own]}T12:00:00Z",
    }


def expected(cell):
    """Give what the sentences say of a cell."""
    names = ("admin", "site", "own", "lease", "session", "writer", "left", "asks")
    return naive(cell[0].value, **dict(zip(names, cell[1:], strict=True)))


# -- one question ------------------------------------------------------------------------------------------------------


def test_exit_status(hotel):
    """It ends with 0 for allow, 75 for hold, 77 for deny and login, and the document has the interface's fields."""
    said = hotel("check", "open_task", *OWN, "--json")
    assert (said.status, list(said.json), said.json["decision"]) == (0, FIELDS, "allow")
    down(hotel)
    for arguments, status, decision in (
        (("open_task",), 77, "deny"),
        (("import",), 75, "hold"),
        (("write_interface", "--writer", "other"), 77, "deny"),
        (("email_link",), 77, "login"),
        (("login",), 0, "allow"),
        (("continue_task", "--lease"), 0, "allow"),
        (("change_setting",), 77, "deny"),
    ):
        said = hotel("check", *arguments, *OWN, "--json")
        assert (said.status, said.json["decision"]) == (status, decision), arguments
        assert hotel("check", *arguments, *OWN).out.startswith(decision)
    assert "The organization HOTEL is not available" in hotel("check", "open_task", *OWN).out


def test_who_is_asked_for(hotel, control):
    """Without a user it is a normal one; a known one is what its current data say; an unknown one ends with 2."""
    hotel("user", "add", "root", "--admin")
    hotel("user", "add", "ada", "--organization", "HOTEL:admin")
    down(hotel)
    assert hotel("check", "open_task", *OWN).status == 77
    assert hotel("check", "open_task", *OWN, "--user", "root").status == 0
    hotel("user", "change", "root", "--no-admin")
    assert hotel("check", "open_task", *OWN, "--user", "root").status == 77
    hotel("user", "change", "root", "--admin")
    hotel("user", "disable", "root")
    assert hotel("check", "open_task", *OWN, "--user", "root").status == 77
    for user, code, status in (("ada", "HOTEL", 0), ("ada", "OTHER", 77)):
        add_organization(control, code="OTHER", **WHO) if code == "OTHER" else None
        assert hotel("check", "change_setting", "--user", user, "--organization", code).status == status
    for unknown in (("--user", "grace"), ("--organization", "NONE")):
        assert hotel("check", "login", *unknown).status == 2


def test_task_and_lease(hotel, control):
    """A known task says its organization, a live lease of it counts; an unknown task is judged as the request says."""
    hotel("user", "add", "ada")
    task, other = (add_task(control, organization="HOTEL", **WHO).id for _ in range(2))
    take_lease(control, session=start_session(control, user="ada"), task=task)
    down(hotel)
    down(hotel, "--site", "--yes", "--for", "PT1H")
    assert hotel("check", "open_task", "--task", task, "--json").json["also"]
    assert hotel("check", "continue_task", "--task", task, "--user", "ada").status == 0
    assert hotel("check", "continue_task", "--task", other, "--user", "ada").status == 77
    assert hotel("check", "login", "--user", "ada").status == 0
    assert hotel("check", "login").status == 77
    said = hotel("check", "import", "--task", "unknown", *OWN, "--json")
    assert (said.status, said.json["organization"]) == (75, "HOTEL")


def test_a_task_of_another_organization_than_is_named(hotel, control, lines):
    """A known task is judged by its own organization, whichever is named, by the command and line by line."""
    add_organization(control, code="OTHER", **WHO)
    closed, open_ = (add_task(control, organization=code, **WHO).id for code in ("HOTEL", "OTHER"))
    down(hotel)
    for task, named, expected in ((closed, "OTHER", "deny"), (open_, "HOTEL", "allow")):
        facts = {"task": task, "organization": named}
        said = hotel("check", "open_task", "--task", task, "--organization", named, "--json").json
        assert [answer["decision"] for answer in (said, lines(action="open_task", **facts))] == [expected] * 2


def test_at(hotel):
    """Another instant is asked about in the organization's zone or the one given, recurring ones far ahead too."""
    when = ("--start", "2030-01-01T00:00", "--for", "PT1H", "--rrule", "FREQ=YEARLY")
    down(hotel, *OWN, *when)
    for at, zone, status in (
        ("2030-01-01T00:30", (), 75),
        ("2041-01-01T00:30", (), 75),
        ("2041-01-01T00:30", ("--zone", "UTC"), 0),
        ("2041-01-02", (), 0),
        ("now", (), 0),
    ):
        assert hotel("check", "import", *OWN, "--at", at, *zone).status == status, at
    assert hotel("check", "import", *OWN, "--at", "soon").status == 2
    assert hotel("check", "import", "--at", "2041-01-02").status == 2


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        ((), "slacktide check ACTION"),
        (("fly",), "slacktide check --help"),
        (("login", "--via", "pigeon"), "slacktide check --help"),
        (("login", "--nonsense"), "slacktide check --help"),
        (("login", "--user"), "slacktide check --help"),
        (("login", "--lines"), "slacktide check ACTION"),
    ],
)
def test_wrong_usage(hotel, arguments, wanted):
    """What is not understood ends with 2 and says what would be."""
    said = hotel("check", *arguments)
    assert (said.status, wanted in said.err) == (2, True), said.err


def test_options_in_any_form(hotel):
    """Options are read in any order, with a blank or an equals sign before the value."""
    down(hotel)
    for arguments in (
        ("--organization=HOTEL", "import"),
        ("--organization", "HOTEL", "--via=api", "--session", "live", "import", "--lease"),
        ("import", "--organization", "HOTEL", "--side=source", "--json"),
    ):
        assert hotel("check", *arguments).status in {75, 2 if "--side=source" in arguments else 75}


def test_quick():
    """An answer imports neither the command line's machinery nor the migrations' runner."""
    code = (
        "import sys; from slacktide.cli import run; import slacktide.cli.check_quick;"
        "sys.exit(bool({'cyclopts', 'yoyo', 'yaml', 'argon2', 'dateutil'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# -- many questions ----------------------------------------------------------------------------------------------------


def test_bad_lines(lines):
    """A bad line is answered with an error, and the next one as if nothing had been."""
    for bad in (
        "",
        "  ",
        "no json",
        "[]",
        "{}",
        '{"action": "fly"}',
        '{"action": "login", "organisation": "HOTEL"}',
        '{"action": "login", "organization": "NONE"}',
        '{"action": "login", "at": "soon"}',
        '{"action": "login", "session": "maybe"}',
        '{"action": "login", "user": {"name": "a\\u0000b"}}',
        '{"action": "open_task", "organization": "HOTEL", "side": "target"}',
    ):
        assert list(lines(bad)) == ["error", "message"], bad
        assert list(lines(action="login")) == FIELDS


def test_lines_hear_of_changes(lines, hotel):
    """What is changed while it runs counts from the next line on: schedule, roles, leases."""
    hotel("user", "add", "ada")
    asked = {"action": "open_task", "organization": "HOTEL", "user": {"name": "ada"}}
    anybody = {"action": "open_task", "organization": "HOTEL"}
    assert [lines(**each)["decision"] for each in (asked, anybody)] == ["allow", "allow"]
    down(hotel)
    assert [lines(**each)["decision"] for each in (anybody, asked)] == ["deny", "deny"]
    hotel("user", "change", "ada", "--admin")
    assert lines(**asked)["decision"] == "allow"
    hotel("user", "change", "ada", "--no-admin")
    assert lines(**asked)["decision"] == "deny"
    assert lines(**asked | {"lease": True})["decision"] == "allow"


def test_asserted_administrator(lines, hotel):
    """An asserted administrator counts for a user that is not known; of a known one the data count."""
    hotel("user", "add", "ada")
    down(hotel)
    asked = {"action": "open_task", "organization": "HOTEL"}
    assert lines(**asked, user={"name": "grace", "admin": True})["decision"] == "allow"
    assert lines(**asked, user={"admin": True})["decision"] == "allow"
    assert lines(**asked, user={"name": "ada", "admin": True})["decision"] == "deny"


def test_boundary_passes_while_it_runs(lines, hotel):
    """A downtime that was known beforehand takes effect at its instant, without any message."""
    asked = {"action": "open_task", "organization": "HOTEL"}
    assert lines(**asked)["decision"] == "allow"
    down(hotel, *OWN, "--start", "now+PT4S", "--for", "PT3S")
    assert lines(**asked)["decision"] == "allow"
    answers = []
    limit = time.monotonic() + 60
    while "deny" not in answers or answers[-1] != "allow":
        answers.append(lines(**asked)["decision"])
        assert time.monotonic() < limit
        time.sleep(0.05)
    assert [answer for answer, _ in itertools.groupby(answers)] in (["allow", "deny", "allow"], ["deny", "allow"])
