from __future__ import annotations

from slacktide.hotel.property_plan import PLAN_FILE


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
