"""The published bookings, whole, when they are there: beside the project, or where the variable says."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from slacktide.hotel import inventory
from slacktide.hotel.loading import LoadingReport
from slacktide.hotel.schema import create
from slacktide.postgres.connection import connect

FILE = Path(
    os.environ.get("SLACKTIDE_TEST_BOOKINGS") or Path(__file__).parents[3] / "shared/data/hotel/hotel_bookings.csv.zip"
)
# A process of its own, so that its memory can be told from that of the tests: `ru_maxrss` would count what the process
# was before it became this program, which is the tests' own.
LOAD = """
import sys
from pathlib import Path
import msgspec
from slacktide.hotel.loading import load
report = load(address=sys.argv[1], bookings=Path(sys.argv[2]))
memory = int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
sys.stdout.buffer.write(msgspec.json.encode([memory, report]))
"""


@pytest.mark.skipif(not FILE.exists(), reason=f"the published bookings are not at {FILE}")
def test_whole_file(database):
    """Every row becomes a booking, every oddity is counted, nothing of a row is lost, and rooms and money hold."""
    create(address=database)
    done = subprocess.run([sys.executable, "-c", LOAD, database, FILE], check=True, capture_output=True)
    memory_kib, report = msgspec.json.decode(done.stdout, type=tuple[int, LoadingReport])
    assert memory_kib < 300 * 1024
    assert report.read == {"CITY": 79_330, "RESORT": 40_060}
    assert report.odd == {
        "duplicate": 31_994,
        "no_night": 715,
        "no_guest": 180,
        "negative_rate": 1,
        "absurd_rate": 1,
        "unknown_children": 4,
        "no_country": 488,
    }
    assert report.noted["no_agent"] == 16_340
    assert report.noted["company"] == 6_797
    assert report.noted["other_room_type"] == 14_917
    assert report.source_statuses == {"Check-Out": 75_166, "Canceled": 43_017, "No-Show": 1_207}
    assert report.rows["reservation"] == 119_390
    assert sum(report.statuses.values()) == 119_390
    with connect(database, name="test") as connection:
        row = connection.execute(
            "select count(distinct source_row), sum(rate_amount), sum(departure - arrival), sum(adults), "
            "sum(children), sum(previous_stays), min(rate_amount), max(rate_amount) from hotel.reservation"
        ).fetchone()
        assert [float(value) for value in row[:1]] == [119_390]
        assert (float(row[6]), float(row[7])) == (-6.38, 5400)
        nights = connection.execute("select count(*) from hotel.reservation_night").fetchone()
        assert nights == (row[2],) == (409_257,)
        rooms = dict(connection.execute("select property_code, count(*) from hotel.room group by 1").fetchall())
    assert 200 < rooms["RESORT"] < rooms["CITY"] < 300
    assert inventory.check(address=database, property_code="CITY") == []
