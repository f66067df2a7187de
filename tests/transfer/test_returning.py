"""Codes on the way back: turned round where they can be, listed where they cannot, and what stands there is kept."""

from __future__ import annotations

import json

import pytest

from slacktide.hotel.property_plan import PLAN_FILE
from slacktide.postgres.connection import connect
from slacktide.transfer import move, returning
from slacktide.transfer.conversion import CodeInUse
from tests.migrated import migrate

MAPPED = (
    ("market", "A", "A"), ("market", "B", "A"), ("rate", "X", "Z"), ("rate", "Y", "Z"), ("rate", "V", "W"),
    ("country", "PRT", None), ("country", "ESP", "ESP"),
)  # fmt: skip


@pytest.fixture
def control(database):
    """Give a connection to a control database."""
    migrate(address=database)
    with connect(database, name="test") as connection:
        yield connection


@pytest.fixture
def back(control):
    """Give the way back of a move with these mappings."""
    facts = {"name": "m", "plan_file": "hotel", "plan_text": PLAN_FILE.read_text(), "property": "RESORT",
             "target_property": "SEASIDE", "source": "here", "target": "there", "spool": "/m"}  # fmt: skip
    forward = move.create_move(control, **facts)
    for mapping in MAPPED:
        control.execute("insert into slacktide.conversion values (%s, %s, %s, %s)", [forward.move_id, *mapping])
    found = move.create_back(control, of=forward, name="m-back", spool="/m-back")
    returning.invert_codes(control, back=found)
    return found


def used(name, code):
    return CodeInUse(name, code, 7, mandatory=True, columns=(), state="unmapped", target_code=None)


def test_the_other_way_round(control, back):
    """Source and target are exchanged, with the property's codes; the organization keeps its name."""
    assert (back.source, back.target, back.property_code, back.target_property) == (
        "there",
        "here",
        "SEASIDE",
        "RESORT",
    )
    assert back.organization == "RESORT"
    assert move.back_of(control, move=move.load_move(control, name="m")) == back
    assert move.forward_of(control, move=back).name == "m"


def test_codes_turned_round(control, back):
    """A code that stands for one only, or for itself among others, is turned round."""
    rows = control.execute(
        "select list, source_code, target_code from slacktide.conversion where move_id = %s order by 1, 2",
        [back.move_id],
    )
    assert rows.fetchall() == [("country", "ESP", "ESP"), ("market", "A", "A"), ("rate", "W", "V")]


def test_a_code_that_stands_for_several(control, back):
    """A code in use that stands for several is listed with them and their rows; mapped by hand, it passes."""
    returning.require_inverted(control, back=back, used=[used("rate", "W"), used("market", "A")])
    with pytest.raises(returning.NotInvertible, match=r"rate 'Z' \(7 rows\) for 'X', 'Y'.* convert m-back --mappings"):
        returning.require_inverted(control, back=back, used=[used("rate", "Z")])
    control.execute("insert into slacktide.conversion values (%s, 'rate', 'Z', 'Y')", [back.move_id])
    returning.require_inverted(control, back=back, used=[used("rate", "Z")])


def test_what_stands_there_is_kept(control, back):
    """Of each code that stands at the old source it is known what comes for it; of one that was left out, nothing."""
    kept = {name: json.loads(text) for name, text in returning.kept_codes(control, move=back).items()}
    assert kept["kept_market"] == {"A": "A", "B": "A"}
    assert kept["kept_country"] == {"ESP": "ESP"}
    assert kept["kept_rate"] == {"V": "V"}
    control.execute("insert into slacktide.conversion values (%s, 'country', 'PRT', 'PRT')", [back.move_id])
    control.execute("insert into slacktide.conversion values (%s, 'market', 'N', 'N')", [back.move_id])
    kept = returning.kept_codes(control, move=back)
    assert json.loads(kept["kept_country"]) == {"ESP": "ESP"}  # what was left out stands for nothing, whatever comes
    assert json.loads(kept["kept_market"]) == {"A": "A", "B": "A", "N": "N"}
    codes = {"country": {"PRT": "PRT", "ESP": "ESP"}, "market": {"A": "A", "B": "B", "N": "N"}}
    assert returning.compared_codes(codes, kept=kept) == {
        "country": {"PRT": None, "ESP": "ESP"}, "market": {"A": "A", "B": "A", "N": "N"}
    }  # fmt: skip
    assert returning.kept_codes(control, move=move.load_move(control, name="m")) is None
