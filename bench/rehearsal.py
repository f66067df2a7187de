"""The prediction of a down time beside what came of it: RESORT is rehearsed twice while it trades, and then moves.

`python -m bench.rehearsal` prints both, step by step. Goal: the work within 10 % or one second of what was predicted.
"""

from __future__ import annotations

import time

from bench.setting import WAIVED, Setting
from slacktide.cli.move_prediction import beside
from slacktide.cutover import prediction
from slacktide.demo.stage import Stage
from slacktide.postgres.connection import connect
from slacktide.transfer.move import load_move

_RATE = 30
_TRADE_SECONDS = 20


def main() -> None:
    """Rehearse, move, and print every prediction beside what came of it."""
    with Stage(lambda line: print(line, flush=True)) as stage:
        setting = Setting(stage)
        setting.pass_seconds()
        setting.wait_verified()
        trader = stage.start("hotel", "trade", setting.source, "--property", "RESORT", "--rate", str(_RATE))
        for _ in range(2):
            time.sleep(_TRADE_SECONDS)
            stage.run("move", "rehearse", "m", "--reason", "bench")
        setting.wait_verified()
        stage.run("downtime", "schedule", "--organization", "RESORT", "--for", "PT1H", "--users", "out",
                  "--reason", "bench")  # fmt: skip
        stage.run("move", "processes", "stop", "m")
        with setting.connect(setting.source) as source:
            (today,) = source.execute("select business_date from hotel.property where code = 'RESORT'").fetchone()
        lines = stage.run("move", "downtime", "start", "m", "--business-date", str(today), "--go", "operations=Bench",
                          *WAIVED, "--reason", "bench")  # fmt: skip
        stage.end(trader)
        print({k: v for k, v in lines[-1].items() if k not in ("totals", "rows")}, flush=True)
        with connect(setting.control.address("slacktide"), name="bench") as control:
            for truth in prediction.truths(control, move=load_move(control, name="m")):
                print(beside(truth), flush=True)


if __name__ == "__main__":
    main()
