from __future__ import annotations

import os
from datetime import date
from pathlib import Path

import psycopg
import pytest

from slacktide.cli import plan
from slacktide.hotel.property_plan import PLAN_FILE
from slacktide.plan.draft import draft_plan


def test_the_hotels_plan(slacktide):
    """The word `hotel` means the shipped plan, which is right by itself."""
    said = slacktide("plan", "check", "hotel", "--json")
    assert (said.status, said.json) == (0, {"ok": True, "errors": [], "warnings": []})
    assert slacktide("plan", "xsd", "hotel").out.startswith("<?xml")


def test_errors_name_file_line_and_field(slacktide, tmp_path):
    """Every error of a plan has its place in the file."""
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(PLAN_FILE.read_text(encoding="utf-8").replace("phase:", "fase:", 1), encoding="utf-8")
    said = slacktide("plan", "check", wrong, "--json")
    assert (said.status, said.json["ok"]) == (1, False)
    assert list(said.json["errors"][0]) == ["file", "line", "field", "message"]
    assert all(error["file"] == str(wrong) and error["line"] for error in said.json["errors"])
    assert str(wrong) in slacktide("plan", "check", wrong).out
    assert slacktide("plan", "xsd", wrong).status == 1


def test_against_a_database(slacktide, database):
    """A plan is held against the databases that are named."""
    said = slacktide("plan", "check", "hotel", "--source", database)
    assert (said.status, "the table hotel.reservation is not there" in said.out) == (1, True)


def test_no_file(slacktide):
    """A file that is not there is wrong usage."""
    assert slacktide("plan", "check", "/not/there.yaml").status == 2


PAYABLE = (Path(__file__).parents[1] / "plan" / "payable.sql").read_text(encoding="utf-8")


@pytest.fixture
def payable(database):
    """Give the address of a database for which nobody has written a plan."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(PAYABLE)
    return database


def test_draft(slacktide, payable, tmp_path):
    """A first plan is written from the foreign keys, and the check accepts it, source and target."""
    file = tmp_path / "payable.yaml"
    said = slacktide("plan", "draft", payable, "--property-column", "org_id", "-o", file, "--json")
    assert (said.status, list(said.json)) == (0, ["ok", "file", "plan", "guesses", "warnings"])
    assert (said.json["ok"], said.json["file"], said.json["plan"]) == (True, str(file), None)
    assert slacktide("plan", "check", file, "--source", payable, "--target", payable).status == 0


def test_draft_to_standard_output(slacktide, payable):
    """Without a file the plan alone is the output; with --json it is in the document."""
    plain = slacktide("plan", "draft", payable, "--property-column", "org_id")
    assert (plain.status, plain.out.startswith("# A first plan")) == (0, True)
    assert "0 guesses that need a hand" in plain.err
    assert slacktide("plan", "draft", payable, "--property-column", "org_id", "--json").json["plan"] == plain.out


def test_draft_that_needs_a_hand(slacktide, payable, tmp_path):
    """A guess that the check refuses ends with 1 and names its place and what to do; the file is there to be mended."""
    with psycopg.connect(payable, autocommit=True) as connection:
        connection.execute("create table payable.memo (org_id text not null, body text not null)")
    file = tmp_path / "payable.yaml"
    said = slacktide("plan", "draft", payable, "--property-column", "org_id", "-o", file, "--json")
    assert (said.status, said.json["ok"]) == (1, False)
    (guess,) = said.json["guesses"]
    assert list(guess) == ["file", "line", "field", "message", "todo"]
    assert (guess["file"], guess["field"]) == (str(file), "entities.memo.key")
    assert "key: body" in file.read_text(encoding="utf-8").splitlines()[guess["line"] - 1]


def test_draft_is_not_written_over_a_file(slacktide, payable, tmp_path):
    """A plan that somebody mended is not lost."""
    file = tmp_path / "mended.yaml"
    file.write_text("mine", encoding="utf-8")
    said = slacktide("plan", "draft", payable, "--property-column", "org_id", "-o", file)
    assert (said.status, file.read_text(encoding="utf-8")) == (2, "mine")
    assert slacktide("plan", "draft", payable, "--property-column", "org_id", "-o", tmp_path / "no" / "x").status == 2


def test_a_file_that_is_made_meanwhile(slacktide, payable, tmp_path, monkeypatch):
    """A file that somebody makes while the database is read stays as it is."""
    file = tmp_path / "mended.yaml"

    def meanwhile(**named):
        file.write_text("mine", encoding="utf-8")
        return draft_plan(**named)

    monkeypatch.setattr(plan, "draft_plan", meanwhile)
    said = slacktide("plan", "draft", payable, "--property-column", "org_id", "-o", file)
    assert (said.status, file.read_text(encoding="utf-8")) == (2, "mine")


def test_draft_by_an_unknown_column(slacktide, payable):
    """A column that no table has is wrong usage, and the nearest one is named."""
    said = slacktide("plan", "draft", payable, "--property-column", "org")
    assert (said.status, "did you mean 'org_id'" in said.err) == (2, True)


def test_draft_of_a_database_that_does_not_answer(slacktide):
    """A database that cannot be reached is a failure, and named."""
    said = slacktide("plan", "draft", "postgresql://127.0.0.1:1/nothing", "--property-column", "org_id")
    assert (said.status, "127.0.0.1" in said.err) == (1, True)


def test_the_tasks_take_a_draft(slacktide, server, payable, tmp_path):
    """A drafted plan goes through the tasks up to the four processes: the property and its configuration are there."""
    file, other = tmp_path / "payable.yaml", f"payable_target_{os.getpid()}"
    server.create_database(other)
    target = server.address(other)
    with psycopg.connect(target, autocommit=True) as connection:
        connection.execute(PAYABLE)
        connection.execute("delete from payable.gl_account; delete from payable.organization")
    assert slacktide("plan", "draft", payable, "--property-column", "org_id", "-o", file).status == 0
    address = ("--source", payable, "--target", target)
    for arguments in (
        ("create", "plaza", "--plan", file, "--property", "P", *address),
        ("connections", "plaza"), ("property", "plaza"), ("configure", "plaza"), ("convert", "plaza"),
        ("prepare", "plaza", "--apply"),
    ):  # fmt: skip
        said = slacktide("move", *arguments)
        assert said.status == 0, (arguments, said.out, said.err)
    with psycopg.connect(target) as connection:
        copied = connection.execute(
            "select account_no from payable.gl_account where org_id = 'P' order by 1"
        ).fetchall()
        here = connection.execute("select name, business_date from payable.organization where org_id = 'P'").fetchone()
    assert copied == [("1",), ("2",), ("3",)]
    assert here == ("Plaza", date(2026, 1, 1))
