"""The work of the down time, at scale 1 and at scale 3, with 1,000 changed objects queued at the start.

`python -m bench.down_time` prints `work_seconds` of both and the ratio, and the latency from commit to visible at the
target while the property trades at 100 changes a second. Goals: below 5 s, at most 1.3 times.
"""

from __future__ import annotations

import time

from bench.setting import WAIVED, Setting
from slacktide.demo.stage import Stage

_CHANGED = 1000


def night(scale: int) -> tuple[float, str]:
    """Move RESORT at a scale; give the seconds of work, and the latency as text."""
    with Stage(lambda line: print(line, flush=True)) as stage:
        setting = Setting(stage, scale=scale)
        setting.pass_seconds()
        latency = trading_latency(stage, setting) if scale == 1 else ""
        setting.wait_verified()
        stage.run("downtime", "schedule", "--organization", "RESORT", "--for", "PT1H", "--users", "out",
                  "--reason", "bench")  # fmt: skip
        stage.run("move", "processes", "stop", "m")
        with setting.connect(setting.source) as source:
            source.execute(
                "update hotel.reservation set version = version + 1 where reservation_id in (select reservation_id "
                "from hotel.reservation where property_code = 'RESORT' order by md5(reservation_id::text) limit %s)",
                [_CHANGED],
            )
            (today,) = source.execute("select business_date from hotel.property where code = 'RESORT'").fetchone()
        lines = stage.run("move", "downtime", "start", "m", "--business-date", str(today), "--go", "operations=Bench",
                          *WAIVED, "--reason", "bench")  # fmt: skip
        result = lines[-1]
        print({k: v for k, v in result.items() if k not in ("totals", "rows")}, flush=True)
        return result["work_seconds"], latency


def trading_latency(stage: Stage, setting: Setting) -> str:
    """Trade for some seconds; give median and p99 from a commit at the source to its batch's commit at the target."""
    setting.wait_verified()
    trader = stage.start("hotel", "trade", setting.source, "--property", "RESORT", "--rate", "100")
    time.sleep(25)
    stage.end(trader)
    with setting.connect(setting.control.address("slacktide")) as control:
        median, p99 = control.execute(
            "select percentile_cont(0.5) within group (order by l), percentile_cont(0.99) within group (order by l) "
            "from ("
            "select extract(epoch from b.processed_at - j.committed_at) * 1000 as l from slacktide.journal j "
            "join slacktide.batch b on (b.move_id, b.number) = (j.move_id, j.batch) "
            "where b.processed_at is not null and j.committed_at > clock_timestamp() - interval '20 s') x"
        ).fetchone()
    return f"median {median:.0f} ms, p99 {p99:.0f} ms"


def main() -> None:
    """Run both and print a table."""
    one, latency = night(1)
    three, _ = night(3)
    print(f"work of the down time: scale 1 {one:.2f} s, scale 3 {three:.2f} s, ratio {three / one:.2f}")
    print(f"commit to visible at the target at 100 changes/s: {latency}")


if __name__ == "__main__":
    main()
