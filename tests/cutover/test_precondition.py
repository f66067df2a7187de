"""Every precondition of the down time, shown false with its reason and mend, and then true. One story, in order."""

from __future__ import annotations

import shlex

import pytest

from slacktide.control.lease import take_lease
from slacktide.control.session import start_session
from slacktide.cutover import contingency
from slacktide.postgres.connection import connect
from tests.cutover.house import a_move
from tests.cutover.moving import BUSINESS_DATE, NAME, PROPERTY, WAIVED, until

MOVER = "slacktide_mover"
PLANTED_DIFFERENCE = """
insert into slacktide.verified_difference (move_id, entity, key)
select move_id, 'trace', '0' from slacktide.verification;
update slacktide.move set facts = jsonb_set(facts, '{verified,different}', '1')
"""


@pytest.fixture(scope="module")
def moving(server):
    """Give a move of a hotel with 100 bookings each, nothing of it written down yet."""
    with a_move(server, name="night", bookings=100) as moving:
        yield moving


def checks(moving, *more, date=BUSINESS_DATE, waived=WAIVED, status=1):
    """Give the preconditions by name."""
    said = moving.run("move", "downtime", "check", NAME, "--business-date", date, *waived, *more, accept=(0, 1))
    assert said.status == status
    return {line["name"]: line for line in said.json["checks"]}


def fails(line):
    """Tell whether a precondition fails with its reason and the way to mend it."""
    return not line["ok"] and bool(line["reason"]) and bool(line["mend"])


def run_as(address, statement, *values, role=MOVER):
    with connect(address, name="test", role=role) as connection:
        connection.execute(statement, [*values])


# -- before Start ------------------------------------------------------------------------------------------------------


def test_not_steady_then_steady(moving):
    """Before the pass is through the transfer is not steady; afterwards it is, and its processes run."""
    moving.create()
    moving.run("move", "configure", NAME)
    moving.run("move", "prepare", NAME, "--apply")
    assert fails(checks(moving)["steady"])
    moving.worker()
    moving.run("move", "processes", "start", NAME)
    moving.until_steady()
    found = checks(moving)
    assert found["steady"]["ok"]
    assert fails(found["stopped"])
    assert "processes stop" in found["stopped"]["mend"]


def test_stopped(moving):
    """Processes that were told to stop are stopped, and the transfer is judged as of that moment."""
    moving.run("move", "processes", "stop", NAME)
    found = checks(moving)
    assert found["stopped"]["ok"]
    assert found["steady"]["ok"]


def test_verified(moving):
    """What differed and has not arrived since fails, with the commands that compare anew; nothing compared holds."""
    for what in (["processes", "start"], ["verify"], ["processes", "stop"]):
        moving.run("move", *what, NAME)
    assert checks(moving)["verified"]["ok"]
    moving.ask("control", PLANTED_DIFFERENCE)
    found = checks(moving)["verified"]
    assert (found["ok"], found["reason"]) == (False, "1 object differs")
    for command in found["mend"].split(";"):
        moving.run(*shlex.split(command)[1:])
    assert checks(moving)["verified"]["ok"]
    moving.ask("control", "update slacktide.move set facts = facts - 'verified'")
    found = checks(moving)["verified"]
    assert (found["ok"], "reads everything" in found["reason"]) == (True, True)


def test_people(moving):
    """A lease and a session of the property are named, with the commands that end them; without them the line holds."""
    moving.run("user", "add", "ada")
    task = moving.run("task", "add", "--organization", PROPERTY).json["id"]
    with connect(moving.control, name="test") as control:
        take_lease(control, session=start_session(control, user="ada"), task=task)
    for kind in ("lease", "session"):
        found = checks(moving)["sessions"]
        assert fails(found)
        assert f"{kind} 1 of ada" in found["reason"]
        moving.run(*shlex.split(found["mend"].partition(",")[0])[1:])
    assert checks(moving)["sessions"]["ok"]


def test_downtime(moving):
    """It takes a downtime of the property with users out; none, and one with users in, are refused."""
    assert fails(checks(moving)["downtime"])
    first = moving.schedule(users="in")
    found = checks(moving)["downtime"]
    assert fails(found)
    assert "users in" in found["reason"]
    moving.run("downtime", "end", first, "--reason", "a test")
    assert "slacktide downtime end" in found["mend"]
    last = moving.schedule()
    assert checks(moving, status=0)["downtime"]["ok"]
    more = moving.schedule()
    found = checks(moving)["downtime"]
    assert fails(found)
    assert found["mend"].startswith(f"slacktide move downtime check {NAME} --downtime ")
    assert checks(moving, "--downtime", last, status=0)["downtime"]["ok"]
    moving.run("downtime", "end", more, "--reason", "a test")


def test_downtime_of_another_scope(moving):
    """A downtime of the site, and one that is not there, are refused as what they are, with one that is taken."""
    said = moving.run("downtime", "schedule", "--site", "--yes", "--start", "now+PT5H", "--for", "PT1H",
                      "--reason", "a test")  # fmt: skip
    found = said.json[0] if isinstance(said.json, list) else said.json
    for key, reason in ((found["id"], "is the site's"), ("99999", "there is no downtime 99999")):
        line = checks(moving, "--downtime", str(key))["downtime"]
        assert reason in line["reason"]
        assert f"slacktide move downtime check {NAME} --downtime" in line["mend"]
    moving.run("downtime", "cancel", str(found["id"]), "--reason", "a test")


def test_business_date(moving):
    """The business date has to be the one named, and no End of Day may be under way."""
    found = checks(moving, date="2016-08-16")["business_date"]
    assert fails(found)
    assert BUSINESS_DATE in found["mend"]
    rolling = "update hotel.property set end_of_day_running = %s where code = 'RESORT'"
    moving.ask("source", rolling, True)  # noqa: FBT003 -- a value
    assert "End of Day" in checks(moving)["business_date"]["reason"]
    moving.ask("source", rolling, False)  # noqa: FBT003 -- a value
    assert checks(moving, status=0)["business_date"]["ok"]


def test_plan_checks(moving):
    """What the plan checks is asked of the database it names: an open cashier, a user without an account."""
    moving.ask(
        "source", "update hotel.cashier set open_since = now() where property_code = 'RESORT' and cashier_no = 1"
    )
    found = checks(moving)["cashiers_closed"]
    assert fails(found)
    assert "Cashier 1" in found["reason"]
    moving.run(*shlex.split(found["mend"])[1:])
    (name, account), *_ = moving.ask(
        "target", "select user_name, account from hotel.app_user where account is not null"
    )
    account_of = "update hotel.app_user set account = %s where property_code = 'RESORT' and user_name = %s"
    moving.ask("target", account_of, None, name)
    assert name in checks(moving)["users_ready"]["reason"]
    moving.ask("target", account_of, account, name)
    assert checks(moving, status=0)["users_ready"]["ok"]


def test_waivers(moving):
    """What was not made has to be waived by name, and nothing else can be waived."""
    found = checks(moving, waived=())
    assert all(fails(found[name]) for name in ("prediction", "partners"))
    assert checks(moving, status=0)["partners"]["waived_by"] == "Ada Night"
    said = moving.run("move", "downtime", "check", NAME, "--waive", "steady=Ada", accept=(2,))
    assert "contingency" in said.err


def test_partners(moving, tmp_path):
    """Each partner of the plan has to have owner, stop, re-point and test; a file is filled in whole or not at all."""
    others = [text for text in WAIVED if "partners" not in text]
    assert "not filled in: door locks, telephone system" in checks(moving, waived=others)["partners"]["reason"]
    file = tmp_path / "partners.csv"
    head = "partner,owner,stop,repoint,test\n"
    file.write_text(f"{head}door locks,Ben,off,new host,a key\nlift,Ben,off,host,ride\n")
    refused = moving.run("move", "partners", NAME, "--file", str(file), accept=(1,))
    assert "line 3" in refused.err
    assert not any(line["owner"] for line in moving.run("move", "partners", NAME).json["partners"])
    named = [line["partner"] for line in moving.run("move", "partners", NAME).json["partners"]]
    file.write_text(head + "".join(f"{name},Ben,off,new host,\n" for name in named))
    moving.run("move", "partners", NAME, "--file", str(file))
    assert checks(moving, waived=others)["partners"]["reason"].startswith("door locks: no test")
    for name in named:
        moving.run("move", "partners", NAME, "--set", name, "--test", "it answers")
    assert checks(moving, waived=others, status=0)["partners"]["ok"]
    assert moving.run("move", "partners", NAME).json["partners"][0]["owner"] == "Ben"
    for wrong, said in ((["--set", "lift", "--owner", "x"], "door locks"), (["--owner", "x"], "--set PARTNER")):
        assert said in moving.run("move", "partners", NAME, *wrong, accept=(2,)).err


def test_contingency(moving):
    """A contingency pack of the last hour holds; an older one, or none, has to be made anew or waived by name."""
    others = [text for text in WAIVED if "contingency" not in text]
    with connect(moving.control, name="test") as control:
        until(lambda: contingency.own(control, move=moving.move()))  # so that no worker makes one meanwhile
        moving.ask("control", "delete from slacktide.contingency_pack")
        found = checks(moving, waived=others)["contingency"]
        assert fails(found)
        assert checks(moving, status=0)["contingency"]["waived_by"] == "Ada Night"
        moving.run(*shlex.split(found["mend"].partition(",")[0])[1:])
        assert checks(moving, waived=others, status=0)["contingency"]["ok"]
        moving.ask("control", "update slacktide.contingency_pack set begun_at = begun_at - interval '61 minutes'")
        assert "the last one is of" in checks(moving, waived=others)["contingency"]["reason"]


def test_target_untouched(moving):
    """A row of the property at the target that the mover did not write is listed, and stops Start."""
    row = "insert into hotel.telephone_entry (property_code, category, name, number) values ('RESORT', 'x', 'y', '1')"
    run_as(moving.target, row)
    found = checks(moving)["target"]
    assert fails(found)
    assert "hotel.telephone_entry" in found["reason"]
    refused = moving.run(*moving.start_arguments(), accept=(1,))
    assert "hotel.telephone_entry" in refused.err
    assert moving.procedure()[0] == "not started"
    run_as(moving.target, "delete from hotel.telephone_entry where category = 'x'")
    assert checks(moving, status=0)["target"]["ok"]
