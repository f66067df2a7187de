"""The report of a move, before its down time, after it, when the target was traded on, and when all else is gone.

The tests of this module are one story, told in order.
"""

from __future__ import annotations

import hashlib
import json
import re
import stat
from html.parser import HTMLParser

import pytest

from slacktide.hotel.property_plan import PLAN_FILE
from tests.cutover.house import a_steady_move
from tests.cutover.moving import NAME, PROPERTY

HOSTILE = "<script>alert(1)</script> #panic(1)"
OF_RESORT = "(select min(telephone_entry_id) from hotel.telephone_entry where property_code = 'RESORT')"
CHANGED = f"update hotel.telephone_entry set name = 'changed' where telephone_entry_id = {OF_RESORT}"
KNOWN = """
select k.name, k.source_key, k.target_key from slacktide.key_map k join slacktide.mover_move m using (move_no)
where m.name = %s and k.name = 'telephone_entry'
"""
DIGESTS = """
select key, digest from slacktide.verified_since where digest is not null and entity = 'telephone_entry' union all
select key, digest from slacktide.verified_object o where entity = 'telephone_entry' and key not in (
    select key from slacktide.verified_since where entity = 'telephone_entry')
"""


@pytest.fixture(scope="module")
def moving(server):
    """Give a steady move of a small hotel that has a pack, and was compared."""
    with a_steady_move(server, name="report", bookings=40) as moving:
        made = moving.run("move", "contingency", NAME, "-o", str(moving.folder / "packs"))
        moving.forms = made.json["forms"]["first"]
        moving.run("move", "verify", NAME)
        yield moving


@pytest.fixture(scope="module")
def ahead(moving):
    """Give the report before the down time."""
    return moving.run("move", "report", NAME).json


@pytest.fixture(scope="module")
def final(moving, ahead):
    """Give the report after it, from the file that it is written to."""
    moving.run("move", "processes", "stop", NAME)
    moving.ask("source", CHANGED)  # after what was verified ahead
    moving.schedule()
    moving.run(*moving.start_arguments())
    first = moving.forms
    moving.run("move", "form", NAME, "enter", f"{first + 1}-{first + 2}")
    moving.run("move", "form", NAME, "void", str(first + 3), "--reason", HOSTILE)
    moving.run("move", "report", NAME, "-o", str(moving.folder / "report.json"))
    return json.loads((moving.folder / "report.json").read_text())


def file(moving):
    return str(moving.folder / "report.json")


def test_not_final_before_the_down_time(ahead):
    """Before the down time a report says that it is not final, and what was compared ahead."""
    report = ahead["report"]
    assert report["standing"] == {
        "final": False, "state": "not started", "text": "NOT FINAL: the down time was not started yet.",
    }  # fmt: skip
    assert report["comparison"]["where"] == "ahead"
    assert (
        sum(one["objects"] for one in report["objects"]["entities"].values())
        == report["comparison"]["read"] + (report["comparison"]["carried"])
    )


def test_both_sides(moving, final):
    """The final report has both sides' totals and rows as the down time found them, and no difference."""
    report = final["report"]
    assert report["standing"]["final"]
    assert report["comparison"]["where"] == "barrier"
    assert report["comparison"]["equal"]
    assert {line["difference"] for line in report["rows"]} == {0}
    assert {float(line["difference"]) for line in report["totals"]} == {0.0}
    rows = {line["table"]: line["source"] for line in report["rows"]}
    for table in ("hotel.reservation", "hotel.telephone_entry"):
        statement = f"select count(*) from {table} where property_code = %s"
        assert (
            [(rows[table],)] == moving.ask("source", statement, PROPERTY) == moving.ask("target", statement, PROPERTY)
        )
    assert report["plan"]["checksum"] == hashlib.sha256(PLAN_FILE.read_bytes()).hexdigest()


def test_who_answers_for_what(moving, final):
    """It names who started it, waived what, gave which go, and every step, number range and form."""
    report, night = final["report"], final["report"]["down_time"]
    assert night["waived"] == dict.fromkeys(("contingency", "prediction", "partners"), "Ada Night")
    assert night["gos"]["operations"]["name"] == "Ada Night"
    assert [step["state"] for step in night["steps"]] == ["done"] * len(night["steps"])
    assert {counter["key"] for counter in report["counters"]} >= {"confirmation", "folio"}
    assert all(counter["after"] >= counter["source"] for counter in report["counters"])
    forms = report["contingency"]
    settled = {(one["number"] - moving.forms, one["state"]) for one in forms["settled"]}
    assert settled == {(1, "entered"), (2, "entered"), (3, "voided")}
    assert moving.forms in {one["number"] for one in forms["missing"]}
    told = [event["what"] for event in report["timeline"]]
    of_the_night = {"downtime schedule", "move downtime start", "side change"}
    assert {"move create", "move prepare", "move processes start", "move form entered"} | of_the_night <= set(told)
    assert report["timeline"] == sorted(report["timeline"], key=lambda event: event["at"])


def test_digest_as_it_is_documented(moving, final):
    """Whoever has the objects' records can compute an entity's digest by what the report says of it."""
    keys = {source: target for _, source, target in moving.ask("target", KNOWN, NAME)}
    hashes = dict(moving.ask("control", DIGESTS))
    records = b"".join(
        len(field.encode()).to_bytes(4, "big") + field.encode()
        for key in sorted(hashes, key=str.encode)
        for field in ("telephone_entry", key, keys[key], hashes[key])
    )
    signed = final["report"]["objects"]["entities"]["telephone_entry"]
    assert signed == {"objects": len(hashes), "digest": hashlib.sha256(records).hexdigest()}
    assert moving.ask("control", "select count(*) from slacktide.verified_since") != [(0,)]


def test_verified(moving, final):
    """The file is verified by itself, and both databases are as they were signed."""
    assert final["signature"]["fingerprint"] == moving.run("move", "report", "--public-key").json["fingerprint"]
    said = moving.run("move", "report", "--verify", file(moving), "--compare").json
    assert (said["valid"], said["proven"], said["final"]) == (True, True, True)
    assert [(side["side"], side["same"]) for side in said["now"]] == [("source", True), ("target", True)]


def test_task_7_changes_nothing_of_it(moving, final):
    """What old stays brought along by reference was not signed: both databases are as they were signed all the same."""
    brought = "select count(*) from slacktide.key_map where name = 'profile' and outside"
    before = moving.ask("target", brought)
    moving.run("move", "miscellaneous", NAME)
    assert moving.ask("target", brought) > before
    said = moving.run("move", "report", "--verify", file(moving), "--compare").json
    assert [(side["side"], side["same"]) for side in said["now"]] == [("source", True), ("target", True)]


def test_tampered(moving, final):
    """A file in which one number was changed is refused, with 1 and the part that was changed."""
    forged = moving.folder / "forged.json"
    forged.write_text(
        re.sub(r'"down_seconds": *[\d.]+', '"down_seconds":1.0', (moving.folder / "report.json").read_text())
    )
    said = moving.run("move", "report", "--verify", str(forged), accept=(1,))
    assert said.json["error"] == "ReportChanged"
    assert "down_time" in said.json["message"]
    other = moving.run("move", "report", "--verify", file(moving), "--key", "SHA256:other", accept=(1,))
    assert other.json["error"] == "OtherKey"


class Loads(HTMLParser):
    """What a page holds that a browser would run or load."""

    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attrs):
        outside = [value for name, value in attrs if name in {"src", "href"} and not value.startswith("#")]
        self.found += [tag] * (tag in {"script", "img", "link", "iframe"}) + outside


def test_on_paper(moving, final):
    """The HTML loads nothing and runs nothing that somebody typed; it and the PDF are for their owner alone."""
    for kind in ("html", "pdf"):
        path = moving.folder / f"report.{kind}"
        moving.run("move", "report", NAME, "-o", str(path))
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    page = (moving.folder / "report.html").read_text()
    loads = Loads()
    loads.feed(page)
    assert loads.found == []
    assert "alert(1)" in page  # as a text
    assert "FINAL: " in page
    assert all(one["digest"] in page for one in final["report"]["objects"]["entities"].values())
    assert (moving.folder / "report.pdf").read_bytes().startswith(b"%PDF-")
    said = moving.run("move", "report", NAME, "-o", str(moving.folder / "report.docx"), accept=(2,))
    assert said.json["error"] == "UnknownFileKind"


def test_what_differs_now(moving, final):
    """When the target was traded on, the report still holds, and what differs now is named."""
    moving.ask("target", CHANGED.replace("'changed'", "'traded on'"))
    assert moving.run("move", "report", "--verify", file(moving)).json["valid"]
    said = moving.run("move", "report", "--verify", file(moving), "--compare", accept=(1,)).json
    source, target = said["now"]
    assert source["same"]
    ((entity, (key,)),) = target["different"].items()
    assert entity == "telephone_entry"
    keys = {new: old for _, old, new in moving.ask("target", KNOWN, NAME)}
    assert keys[str(moving.ask("target", f"select {OF_RESORT}")[0][0])] == key
    again = moving.run("move", "report", NAME).json["report"]
    assert again["objects"] == final["report"]["objects"]  # those of the barrier, whatever is done afterwards


def test_kept_when_all_else_goes(moving, final):
    """After `clean` the last report is still there, and holds; nothing else of a guest is."""
    moving.run("move", "miscellaneous", NAME)
    moving.run("hotel", "end-of-day", moving.target, "--property", PROPERTY)
    moving.run("move", "clean", NAME, "--apply")
    kept = moving.run("move", "report", NAME, "-o", str(moving.folder / "kept.json")).json
    assert kept["report"]["objects"] == final["report"]["objects"]
    assert moving.run("move", "report", "--verify", str(moving.folder / "kept.json")).json["proven"]
    said = moving.run("move", "report", "--verify", file(moving), "--compare", accept=(1,))
    assert said.json["error"] == "NothingToCompare"
    tables = (
        "journal_object",
        "message",
        "spool_key",
        "verified_object",
        "verified_since",
        "verified_measure",
        "batch",
    )
    assert [moving.ask("control", f"select count(*) from slacktide.{table}")[0][0] for table in tables] == [0] * len(
        tables
    )
    assert not (moving.folder / "spool" / NAME).exists()
