"""The contingency pack of a move: one snapshot, whole or not at all, and numbered forms that are accounted for."""

from __future__ import annotations

import re
import stat
import threading
import time
from datetime import timedelta
from pathlib import Path

import pytest

from slacktide.control.audit import list_audit
from slacktide.cutover import contingency
from slacktide.postgres.connection import Unreachable, connect
from slacktide.transfer.journal import Journal
from slacktide.transfer.move import list_moves
from tests.transfer.moved import moving as a_move

HALF_AN_HOUR = timedelta(minutes=30)


@pytest.fixture
def moving(server, tmp_path):
    """Give a move of a small hotel, and its connections."""
    made = a_move(server, tmp_path)
    yield made
    made.close()


def make(moving, **more):
    return contingency.make(moving.control, move=moving.move, who="ada", **more)


def missing(moving):
    return [form.number for form in contingency.forms(moving.control, move=moving.move) if form.missing]


def settle(moving, *numbers, state="entered", reason="typed in"):
    contingency.settle(moving.control, move=moving.move, numbers=numbers, state=state, who="ada", reason=reason)


def test_whole_and_for_its_owner_alone(moving, tmp_path):
    """A pack is an HTML page and a PDF in a folder named by property, instant and number, for its owner alone."""
    made = make(moving, folder=tmp_path / "packs")
    folder = Path(made.folder)
    assert re.fullmatch(r"RESORT-\d{8}T\d{6}Z-\d+", folder.name)
    assert [path.name for path in sorted(folder.iterdir())] == ["contingency.html", "contingency.pdf"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert [*folder.parent.iterdir()] == [folder]
    page = (folder / "contingency.html").read_text()
    assert all(f"No. {number}<" in page for number in missing(moving))
    assert contingency.last_made(moving.control, move=moving.move) == made


def test_one_snapshot(moving):
    """What commits while a pack is read is in none of its lists: guests and ledgers are of one instant."""
    with connect(moving.source_address, name="test", autocommit=False) as other:
        other.execute("lock table hotel.telephone_entry in access exclusive mode")  # read between guests and ledgers
        making = threading.Thread(target=make, args=[moving])
        making.start()
        waits = (
            "select count(*) from pg_stat_activity where application_name = 'slacktide contingency' "
            "and wait_event_type = 'Lock'"
        )
        while moving.source.execute(waits).fetchone() == (0,):
            time.sleep(0.02)
        moving.source.execute(
            "insert into hotel.posting (folio_id, window_no, transaction_code, currency_code, amount, business_date, "
            "cashier_no) select folio_id, 1, '2000', 'SEK', 4711.11, '2016-08-15', 1 from hotel.folio "
            "join hotel.reservation using (reservation_id) where status = 'in house' "
            "and folio.property_code = 'RESORT' limit 1"
        )
        other.commit()
        making.join()
    page = (Path(contingency.last_made(moving.control, move=moving.move).folder) / "contingency.html").read_text()
    assert "4,711.11" not in page
    time.sleep(1)  # folders are named by the second
    assert "4,711.11" in (Path(make(moving).folder) / "contingency.html").read_text()


def test_numbers_are_given_out_once(moving, tmp_path):
    """Numbers of a second pack go on after the first one's, and after those of a pack that could not be written."""
    make(moving)
    first = missing(moving)
    assert first == [*range(1, len(first) + 1)]
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(contingency.PackNotWritten, match="-o FOLDER"):
        make(moving, folder=tmp_path / "file")
    assert missing(moving) == first
    time.sleep(1)
    make(moving)
    second = missing(moving)
    assert second[0] == 2 * len(first) + 1
    assert second == [*range(second[0], second[0] + len(first))]


def test_failure_is_shown_until_one_is_made(moving, tmp_path):
    """Why a pack was not made is shown, leaves nothing half written, and is forgotten once one is made."""
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(contingency.PackNotWritten):
        make(moving, folder=tmp_path / "file")
    (said,) = contingency.problems(moving.control, move=moving.move)
    assert str(tmp_path / "file") in said
    assert contingency.last_made(moving.control, move=moving.move) is None
    make(moving)
    assert contingency.problems(moving.control, move=moving.move) == []


def test_source_is_away(moving):
    """A source that cannot be reached fails the pack, and is named."""
    moving.control.execute("update slacktide.move set source = 'postgresql://nobody@127.0.0.1:1/none'")
    with pytest.raises(Unreachable):
        make(moving)
    assert "127.0.0.1" in contingency.problems(moving.control, move=moving.move)[0]


def test_a_table_of_the_source_is_locked(moving, monkeypatch):
    """A source whose table somebody locks fails the pack within a time, and it is said why."""
    monkeypatch.setattr(contingency, "_LIMITS", "-c lock_timeout=100ms")
    forgets = "-c idle_in_transaction_session_timeout=60s"  # so that this ends where nobody gives up
    with connect(moving.source_address, name="test", autocommit=False, options=forgets) as other:
        other.execute("lock table hotel.telephone_entry in access exclusive mode")
        with pytest.raises(contingency.PackNotRead, match="lock timeout"):
            make(moving)
    (said,) = contingency.problems(moving.control, move=moving.move)
    assert "slacktide move contingency resort" in said
    make(moving)
    assert contingency.problems(moving.control, move=moving.move) == []


def test_states_of_forms(moving):
    """A form is printed, then entered or voided, by name, with time and reason, in the audit trail."""
    make(moving)
    everything = missing(moving)
    settle(moving, 1, 2)
    settle(moving, 3, state="voided")
    assert missing(moving) == everything[3:]
    found = {form.number: form for form in contingency.forms(moving.control, move=moving.move)}
    assert [found[number].state for number in (1, 3, 4)] == ["entered", "voided", "printed"]
    assert (found[3].who, found[3].reason, found[4].who) == ("ada", "typed in", None)
    assert found[3].at is not None
    trail = [(line["what"], line["after"].get("numbers")) for line in list_audit(moving.control)]
    assert trail[-2:] == [("move form entered", [1, 2]), ("move form voided", [3])]


@pytest.mark.parametrize("state", ["entered", "voided"])
def test_a_form_is_settled_once(moving, state):
    """A form that was settled is refused with who did it, and so is a number that was never printed; all or none."""
    make(moving)
    settle(moving, 1, state=state)
    with pytest.raises(contingency.FormSettled, match=rf"{state} by ada at .*the next that is missing is 2;"):
        settle(moving, 5, 1, state="voided")
    with pytest.raises(contingency.UnknownForm, match=r"99999.*move form resort list"):
        settle(moving, 5, 99999)
    assert 5 in missing(moving)


def test_a_voided_form_turns_up(moving):
    """A form that was voided by mistake is entered with a reason; one that was entered is not, whatever is said."""
    make(moving)
    settle(moving, 1, 2, state="voided")
    with pytest.raises(contingency.FormSettled, match="one that turned up is entered with --reason TEXT"):
        settle(moving, 1, reason="")
    settle(moving, 1, reason="it lay under the desk")
    found = {form.number: form for form in contingency.forms(moving.control, move=moving.move)}
    assert [(found[number].state, found[number].reason) for number in (1, 2)] == [
        ("entered", "it lay under the desk"), ("voided", "typed in"),
    ]  # fmt: skip
    with pytest.raises(contingency.FormSettled):
        settle(moving, 1, reason="once more")


def test_older_packs(moving):
    """Forms of an older pack are not missing, until one of them is entered: then that pack was in use too."""
    make(moving)
    older = missing(moving)
    time.sleep(1)
    make(moving)
    newer = missing(moving)
    assert not set(older) & set(newer)
    settle(moving, older[4])
    assert missing(moving) == [number for number in older if number != older[4]] + newer


def test_pack_before_a_start(moving):
    """The last pack before a Start counts, also when another one is made during the down time."""
    make(moving)
    printed = missing(moving)
    moving.control.execute(
        "insert into slacktide.procedure (move_id, attempt, downtime_id, business_date, who, reason) "
        "values (%s, 1, '1', '2016-08-15', 'ada', 'test')",
        [moving.move.move_id],
    )
    time.sleep(1)
    make(moving)
    assert missing(moving)[: len(printed)] == printed


def test_only_the_last_packs_are_kept(moving):
    """The move's own folder keeps three packs: it holds guest data."""
    folder = contingency.folder_of(moving.move)
    for number in range(4):
        (folder / f"RESORT-2001010{number}T000000Z").mkdir(parents=True)
    made = make(moving)
    assert len([*folder.iterdir()]) == 3
    assert Path(made.folder).is_dir()


def test_no_pack_of_a_rehearsal(moving):
    """A rehearsal is a move that nobody lists, and no pack is made of it."""
    (hidden,) = moving.control.execute(
        "insert into slacktide.move "
        "(name, plan, plan_text, property, target_property, source, target, spool, rehearses) "
        "select '~' || name, plan, plan_text, property, target_property, source, target, spool, move_id "
        "from slacktide.move returning move_id"
    ).fetchone()
    Journal(moving.control, move_id=hidden).want("synchronization", running=True)
    assert contingency.due(moving.control, every=HALF_AN_HOUR) == []
    assert [move.name for move in list_moves(moving.control)] == ["resort"]
    moving.control.execute("select slacktide.forget_rehearsal(%s)", [hidden])
    assert moving.control.execute("select count(*) from slacktide.move").fetchone() == (1,)


def test_due(moving):
    """A pack is due from `processes start` on, again after the interval, and not any more from Start on."""
    due = lambda every=HALF_AN_HOUR: contingency.due(moving.control, every=every)  # noqa: E731 -- for the next lines alone
    assert due() == []
    Journal(moving.control, move_id=moving.move.move_id).want("synchronization", running=True)
    assert due() == ["resort"]
    make(moving)
    assert due() == []
    assert due(timedelta(0)) == ["resort"]
    Journal(moving.control, move_id=moving.move.move_id).want("synchronization", running=False)
    assert due(timedelta(0)) == ["resort"]
    moving.control.execute(
        "insert into slacktide.procedure (move_id, attempt, downtime_id, business_date, who, reason) "
        "values (%s, 1, '1', '2016-08-15', 'ada', 'test')",
        [moving.move.move_id],
    )
    assert due(timedelta(0)) == []
    moving.control.execute("update slacktide.procedure set state = 'abandoned'")
    assert due(timedelta(0)) == ["resort"]
