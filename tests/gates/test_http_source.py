from __future__ import annotations

import logging
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import msgspec
import pytest

from slacktide.control.gate import list_gates
from slacktide.control.schedule import schedule_of
from slacktide.control.setting import control_now
from slacktide.downtime.wire import encode_schedule
from slacktide.gates.http_source import BadGateToken, BadServerAddress, HttpSource
from slacktide.gates.keeper import Keeper
from slacktide.server.asgi import Site
from slacktide.server.run import serving
from tests.clock import TOLD_SECONDS
from tests.gates.cable import Cable
from tests.gates.conftest import serving_any
from tests.gates.test_keeper import OPEN, OTHER, codes


@pytest.fixture
def cable(site):
    """Give a cable to the site."""
    made = Cable(site)
    yield made
    made.close()


def test_starts_now_is_there_within_a_second(gate_of, plan, end, soon):
    """A downtime that starts now, and its end, reach a gate over HTTP without another look."""
    kept = gate_of()
    soon(lambda: kept.refusal(OPEN) is None)
    for _ in range(3):
        key = plan("HOTEL")
        assert soon(lambda: kept.refusal(OPEN) is not None) < TOLD_SECONDS
        assert kept.refusal(OTHER) is None
        end(key)
        assert soon(lambda: kept.refusal(OPEN) is None) < TOLD_SECONDS


def test_twenty_gates_within_a_second(gate_of, plan, end, soon):
    """A start and an end reach the last of twenty gates without a look; `python -m bench.told` has two hundred."""
    gates = [gate_of(name=f"gate {number}") for number in range(20)]
    for kept in gates:
        soon(lambda kept=kept: kept.refusal(OPEN) is None)
    for _ in range(3):
        key = plan("HOTEL")
        assert soon(lambda: all(kept.refusal(OPEN) is not None for kept in gates)) < TOLD_SECONDS
        end(key)
        assert soon(lambda: all(kept.refusal(OPEN) is None for kept in gates)) < TOLD_SECONDS


class ToldAtTheEnd(threading.Event):
    """An event that happens just when the first wait for it has run out."""

    def wait(self, timeout=None):
        """Wait, then let it happen."""
        found = super().wait(timeout)
        self.set()
        return found


def test_told_when_a_wait_has_run_out(site, token):
    """A change that is told of just when a wait has run out is known at the next one, and not at the next look."""
    source = HttpSource(site, token=token("schedule"))
    source._follower = threading.current_thread()  # noqa: SLF001 -- the test is the one who tells
    source._told = ToldAtTheEnd()  # noqa: SLF001 -- at the moment that matters
    assert not source.wait(0.01)
    assert source.wait(1)


def test_nothing_new_is_not_sent_again(site, token, hands, soon):
    """A second look brings only word that nothing has changed, and renews the age."""
    kept = Keeper(HttpSource(site, token=token("schedule")), wall=hands.wall, monotonic=hands.monotonic)
    kept.start = lambda **_: None
    soon(kept.look)
    schedule, tag = kept.moment().schedule, kept.moment().tag
    hands.seconds += 30
    assert kept.moment().age_seconds > 29
    assert kept.look()
    assert (kept.moment().schedule, kept.moment().tag) == (schedule, tag)
    assert kept.moment().schedule is schedule
    assert kept.moment().age_seconds < 5
    kept.close()


def test_a_stream_that_breaks(cable, token, plan, end, soon):
    """A gate whose stream is cut connects anew, and learns at once what it missed."""
    with Keeper(HttpSource(cable.url, token=token("schedule"))) as kept:
        soon(lambda: kept.refusal(OPEN) is None)
        for _ in range(2):
            opened = cable.opened
            cable.plugged = False
            cable.cut()
            key = plan("HOTEL")
            cable.plugged = True
            assert soon(lambda: kept.refusal(OPEN) is not None) < 4
            soon(lambda seen=opened: cable.opened > seen)
            end(key)
            assert soon(lambda: kept.refusal(OPEN) is None) < 4


def test_another_server_knows_less(cable, site, database, token, plan, hands, soon):
    """An older schedule, of another server behind the same address, never replaces what a gate knows."""
    other, key = Site(database), token("schedule")
    with serving(other, host="127.0.0.1", port=0) as url:
        soon(lambda: other.keeper.moment().schedule is not None)
        other.keeper.close()  # it has lost the control database, and goes on by what it knows
        plan("HOTEL")
        kept = Keeper(HttpSource(cable.url, token=key), wall=hands.wall, monotonic=hands.monotonic)
        kept.start = lambda **_: None
        soon(lambda: kept.look() and codes(kept, OPEN) == ["organization_downtime"])
        cable.lead(url)
        soon(lambda: other.keeper.moment().age_seconds > kept.moment().age_seconds)
        assert kept.look()
        assert codes(kept, OPEN) == ["organization_downtime"]
        opened = cable.opened
        hands.seconds += 1
        kept.tick()  # it asks again a second later, and not only at its next look
        assert cable.opened == opened + 1
        hands.seconds += 50
        assert kept.look()
        assert codes(kept, OPEN) == [None]  # what is known by then is the older
        kept.close()


def test_the_server_is_killed(control, database, token, plan, hands, soon, tmp_path):
    """After kill -9 of the server a gate goes on for 60 seconds, then closes near downtimes; it opens again."""
    plan("HOTEL", start="now+PT3H", end="start+PT1H")
    command = [Path(sys.executable).with_name("slacktide"), "up", "--port", "0", "--no-worker"]
    environment = os.environ | {"SLACKTIDE_DATABASE_URL": database, "SLACKTIDE_DATA": str(tmp_path)}

    def up():
        running = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True)
        return running, re.search(r"http://[\d.:]+", running.stdout.readline())[0]

    running, url = up()
    kept = Keeper(HttpSource(url, token=token("schedule")), wall=hands.wall, monotonic=hands.monotonic)
    kept.start = lambda **_: None
    soon(kept.look)
    assert codes(kept, OPEN, OTHER) == [None, None]
    running.kill()
    running.communicate()
    for _ in range(5):
        hands.seconds += 11
        kept.tick()
        assert codes(kept, OPEN, OTHER) == [None, None]
    hands.seconds += 6
    assert not kept.look()
    assert codes(kept, OPEN, OTHER) == ["schedule_unknown", None]
    command[3] = url.rsplit(":", 1)[1]
    running, _ = up()
    soon(kept.look)
    assert codes(kept, OPEN, OTHER) == [None, None]
    running.send_signal(signal.SIGTERM)
    out, _ = running.communicate(timeout=10)
    assert (running.returncode, out) == (0, "")
    kept.close()


def test_a_schedule_of_another_version(example_document, token, hands):
    """A schedule of a version that the gate does not know is no schedule."""

    async def app(scope, receive, send):
        headers = [(b"etag", b'"1"'), (b"x-slacktide-now", b"2026-06-01T12:00:00Z")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": example_document})

    with serving_any(app) as url:
        kept = Keeper(HttpSource(url, token="x"), wall=hands.wall, monotonic=hands.monotonic)
        kept.start = lambda **_: None
        assert not kept.look()
        assert codes(kept, OPEN) == ["schedule_unknown"]
        kept.close()


@pytest.fixture
def example_document(control):
    """Give a schedule's document of the next version."""
    document = msgspec.json.decode(encode_schedule(schedule_of(control), since=control_now(control)))
    return msgspec.json.encode(document | {"version": 2})


def test_the_gate_list(gate_of, control, plan, soon):
    """Each gate is listed with its name, version, clock's offset and age, as it says with its next look."""
    gate_of(name="web-1")
    plan("OTHER")  # of which it is told, so that it looks once more
    soon(lambda: any(row["schedule"] for row in list_gates(control)))
    (row,) = list_gates(control)
    assert (row["token"], row["name"], row["version"]) == ("t1", "web-1", "0.1.0")
    assert abs(row["offset_seconds"]) < 1
    assert row["age_seconds"] < 10


def test_a_wrong_token_is_not_shown(site, hands, caplog):
    """A gate whose token is refused says so without the token, and what is no token is refused without being shown."""
    source = HttpSource(site, token="slacktide_wrong")
    kept = Keeper(source, wall=hands.wall, monotonic=hands.monotonic)
    with caplog.at_level(logging.DEBUG):
        assert not kept.look()
    assert "401 Unauthorized: This needs" in caplog.text
    assert "slacktide_wrong" not in caplog.text
    with pytest.raises(BadGateToken) as refused:
        HttpSource(site, token="two\r\nlines")
    assert "two" not in str(refused.value)
    for url in ("example.com", "ftp://example.com", "http://"):
        with pytest.raises(BadServerAddress):
            HttpSource(url, token="x")


def test_a_redirect_is_not_followed(token, hands):
    """A token goes to its server and nowhere else."""
    asked = []

    async def elsewhere(scope, receive, send):
        asked.extend([scope["path"]] if scope["type"] == "http" else [])

    with serving_any(elsewhere) as other:

        async def app(scope, receive, send):
            await send({"type": "http.response.start", "status": 307, "headers": [(b"location", other.encode())]})
            await send({"type": "http.response.body", "body": b""})

        with serving_any(app) as url:
            kept = Keeper(HttpSource(url, token="x"), wall=hands.wall, monotonic=hands.monotonic)
            assert not kept.look()
    assert asked == []
