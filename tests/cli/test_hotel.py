from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from slacktide.core import clock
from slacktide.postgres.connection import connect
from slacktide.postgres.server import Server

SLACKTIDE = Path(sys.executable).with_name("slacktide")
RESORT = ("--property", "RESORT")


@pytest.fixture(scope="module")
def url(server: Server):
    """Give the address of a loaded hotel."""
    name = f"hotel_by_command_{os.getpid()}"
    server.create_database(name)
    url = server.address(name)
    environment = os.environ | {"SLACKTIDE_DATA": str(server.folder), "HOTEL": url}
    subprocess.run([SLACKTIDE, "hotel", "create", "env:HOTEL"], env=environment, check=True, capture_output=True)
    subprocess.run([SLACKTIDE, "hotel", "load", url], env=environment, check=True, capture_output=True)
    return url


def test_once_only(slacktide, url):
    """A schema and a hotel that are there already are refused, and nothing is changed."""
    assert slacktide("hotel", "create", url).status == 1
    again = slacktide("hotel", "load", url, "--json")
    assert (again.status, again.json["error"]) == (1, "AlreadyLoaded")


def test_load_report(slacktide, server):
    """The loading report counts what came in, as JSON and for people."""
    name = f"hotel_report_{os.getpid()}"
    server.create_database(name)
    slacktide("hotel", "create", server.address(name))
    report = slacktide("hotel", "load", server.address(name), "--json", "--business-date", "2016-09-01", "--seed", "2")
    assert (report.json["read"], report.json["business_date"]) == ({"CITY": 3000, "RESORT": 3000}, "2016-09-01")


def test_trade_and_promises(slacktide, url, tmp_path):
    """What was traded is promised, the promises are kept, and a lost object is told."""
    promises = tmp_path / "promises"
    traded = slacktide("hotel", "trade", url, *RESORT, "--for", "PT1S", "--rate", 50, "--promises", promises, "--json")
    assert (traded.status, traded.json["ended"]) == (0, "time")
    assert traded.json["changes"] > 0
    checked = slacktide("hotel", "promises", "check", url, promises, "--json")
    assert (checked.status, checked.json["kept"]) == (0, True)
    assert checked.json["key_map"] is False
    with promises.open("a", encoding="utf-8") as file:
        line = {
            "entity": "trace",
            "key": "987654321",
            "version": 1,
            "deleted": False,
            "committed_at": "2026-01-01T00:00:00Z",
        }
        file.write(json.dumps(line) + "\n")
    broken = slacktide("hotel", "promises", "check", url, promises)
    assert (broken.status, "missing: trace 987654321" in broken.out) == (1, True)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_trader_reports(url, started, tmp_path, number):
    """A trader that is stopped by a signal ends its transactions and writes its report."""
    promises = tmp_path / "promises"
    trader = started("hotel", "trade", url, *RESORT, "--promises", promises, "--json")
    while not (promises.exists() and promises.stat().st_size):
        assert trader.poll() is None
        clock.sleep(0.05)
    trader.send_signal(number)
    out, _ = trader.communicate(timeout=30)
    assert (trader.returncode, json.loads(out)["ended"]) == (0, "stopped")


def test_day(slacktide, url):
    """Cashiers are closed, and End of Day begins the next business date."""
    assert slacktide("hotel", "cashiers", "close", url, *RESORT, "--json").json == {"cashiers": 2, "card_batches": 1}
    rolled = slacktide("hotel", "end-of-day", url, *RESORT, "--json")
    assert (rolled.status, rolled.json["business_date"]) == (0, "2016-08-16")


def test_inventory(slacktide, url):
    """Inventory that came apart is told, and made anew."""
    with connect(url, name="test") as connection:
        connection.execute("update hotel.inventory set sold = sold + 1, available = available - 1"
                           " where property_code = 'CITY' and stay_date = '2016-09-01'")  # fmt: skip
    told = slacktide("hotel", "inventory", url, "--property", "CITY", "--json")
    assert (told.status, len(told.json["differences"]) > 0) == (1, True)
    assert slacktide("hotel", "inventory", url, "--property", "CITY", "--resync").status == 0
    assert slacktide("hotel", "inventory", url, "--property", "CITY", "--check").status == 0
    assert slacktide("hotel", "inventory", url, "--property", "CITY", "--check", "--resync").status == 2


def test_unknown(slacktide, url):
    """An unknown property and an address that is none are wrong usage; a server that is not there is a failure."""
    assert slacktide("hotel", "trade", url, "--property", "NONE").status == 2
    assert slacktide("hotel", "create", "nonsense").status == 2
    assert slacktide("hotel", "create", "postgresql://x:secret@127.0.0.1:1/y").status == 1
