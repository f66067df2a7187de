"""The commands of the contingency pack: made where it is wanted, and every form accounted for."""

from __future__ import annotations

from pathlib import Path

from slacktide.cli.move_contingency import _numbers, _spans
from tests.transfer.moved import empty_hotel, hotel


def test_pack_and_forms(slacktide, server, tmp_path):
    """A pack is made, its forms are entered and voided, and what is missing is listed; what is wrong is refused."""
    made = slacktide("move", "create", "resort", "--plan", "hotel", "--property", "RESORT", "--source", hotel(server),
                     "--target", empty_hotel(server))  # fmt: skip
    assert made.status == 0, made.err
    assert "no form was printed yet" in slacktide("move", "form", "resort", "list").out
    said = slacktide("move", "contingency", "resort", "-o", tmp_path, "--json")
    assert said.status == 0, said.err
    pack = said.json
    assert [Path(path).name for path in pack["files"]] == ["contingency.html", "contingency.pdf"]
    assert Path(pack["folder"]).parent == tmp_path
    assert pack["forms"]["first"] == 1
    last = pack["forms"]["last"]

    assert slacktide("move", "form", "resort", "enter", 1, "3-5", "--as", "Ada").status == 0
    refused = slacktide("move", "form", "resort", "void", f"6-{last}")
    assert (refused.status, "--reason" in refused.err) == (2, True)
    voided = slacktide("move", "form", "resort", "void", f"6-{last}", "--reason", "unused", "--json").json
    assert voided["missing"] == [2]
    listed = slacktide("move", "form", "resort", "list", "--json").json
    assert listed["missing"] == [2]
    assert [(one["number"], one["state"], one["who"]) for one in listed["forms"][:2]] == [
        (1, "entered", "Ada"),
        (2, "printed", None),
    ]
    twice = slacktide("move", "form", "resort", "enter", 2, 3)
    assert twice.status == 1
    assert "entered by Ada" in twice.err
    assert "the next that is missing is 2" in twice.err
    assert slacktide("move", "form", "resort", "enter", last + 1).status == 2
    assert slacktide("move", "form", "resort", "enter").status == 2
    assert slacktide("move", "form", "resort", "enter", "five").status == 2
    assert "none is missing" in slacktide("move", "form", "resort", "enter", 2).out
    assert {line["what"] for line in slacktide("audit", "--json").json} >= {"move contingency", "move form voided"}


def test_spans():
    """Numbers are read and written as spans."""
    assert _numbers(["12-14", "3", "13"]) == [3, 12, 13, 14]
    assert _spans([3, 12, 13, 14, 16]) == "3, 12-14, 16"
