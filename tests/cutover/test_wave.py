"""Four small hotels in two waves over two workers, of which one is killed, and one hotel fails. One story, in order."""

from __future__ import annotations

import pytest

from tests.cutover.chain import a_chain
from tests.cutover.moving import until

pytestmark = pytest.mark.long
WAVES = {"first": ["H1", "H2"], "second": ["H3", "H4"]}
FAILS = "H2"
SECONDS = 240


@pytest.fixture(scope="module")
def chain(server):
    """Give a chain of four, three of them on one source, whose waves are written down."""
    with a_chain(server, name="chain", shared=["H1", "H2", "H3"], alone=["H4"], bookings=10) as chain:
        chain.create(WAVES)
        yield chain


@pytest.fixture(scope="module")
def steady(chain):
    """Give the chain when both waves are started by two workers, and all of its hotels are steady."""
    chain.workers += [chain.moving.worker(), chain.moving.worker()]
    for wave in WAVES:
        chain.start(wave)
    for wave in WAVES:
        chain.until_steady(wave, seconds=SECONDS)
    return chain


def test_without_a_worker(chain):
    """Nothing would happen without a worker: it is refused with the command that starts one."""
    said = chain.moving.run("wave", "start", "first", accept=(1,))
    assert "slacktide worker" in said.err
    assert {line["state"] for line in chain.board("first").values()} == {"not started"}


def test_they_wait_for_their_window(steady):
    """A wave that is started carries its moves until they are steady, and nothing goes down before its window."""
    for wave, codes in WAVES.items():
        lines = until(lambda wave=wave: settled(steady.board(wave)), what="the window")
        assert lines.keys() == {*codes}
        assert not any(line["down_seconds"] for line in lines.values())


def settled(lines):
    return lines if {line["state"] for line in lines.values()} == {"steady; waits for its window"} else None


def test_one_fails_and_a_worker_is_killed(steady):
    """A hotel with an unmapped code cannot start and says why; the one beside it opens, though a worker is killed."""
    steady.spoil(FAILS)
    until(lambda: steady.moving.run("move", "messages", FAILS.lower()).json["counts"]["failed"], what="the failure")
    steady.close(WAVES["first"])
    until(lambda: steady.board("first")["H1"]["down_seconds"], seconds=SECONDS, what="the start of the down time")
    steady.workers[0].kill()
    steady.workers[0].wait()
    until(lambda: steady.board("first")["H1"]["state"] == "open", seconds=SECONDS, what="the first to open")
    line = until(lambda: (one := steady.board("first")[FAILS])["state"] == "cannot start" and one, what="the reason")
    assert "no message is failed or waiting: open errors: 1" in line["error"]
    assert line["next"] == "slacktide move downtime check h2"
    until(lambda: settled(steady.board("second")), seconds=SECONDS, what="the second wave, untouched")


def test_the_other_wave_opens(steady):
    """The next wave opens whole, while the hotel that failed goes on waiting where it is."""
    steady.close(WAVES["second"])
    until(lambda: {line["state"] for line in steady.board("second").values()} == {"open"}, seconds=SECONDS, what="open")
    assert steady.board("first")[FAILS]["state"] == "cannot start"


def test_each_is_equal_and_no_other(steady):
    """Every hotel that is open equals its source by content; the one that failed still trades at its own."""
    for code in ("H1", "H3", "H4"):
        assert steady.differences(code) == []
    assert steady.foreign(["H1", "H2", "H3", "H4"]) == []
    assert steady.still_writable(FAILS)


def test_what_the_trail_says(steady):
    """Each start of a down time is in the trail, in the name of who started the wave, once."""
    trail = steady.moving.run("audit").json
    assert sorted(e["object"] for e in trail if e["what"] == "move downtime start") == ["h1", "h3", "h4"]
    assert [e["object"] for e in trail if e["what"] == "wave start"] == ["wave first", "wave second"]


def test_a_mended_one_goes_on_by_itself(steady):
    """When its code is mapped and its message read again, the hotel that failed goes down and opens by itself."""
    file = steady.moving.folder / "mappings.csv"
    code = steady.moving.ask("target", "select min(code) from hotel.market_code where property_code = %s", FAILS)[0][0]
    file.write_text(f"list,source_code,target_code\nmarket,ZZ,{code}\n")
    steady.moving.run("move", "convert", FAILS.lower(), "--mappings", str(file))
    until(lambda: steady.board("first")[FAILS]["state"] == "open", seconds=SECONDS, what="open")
    assert steady.differences(FAILS) == []
