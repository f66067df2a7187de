"""`slacktide up` and `slacktide worker`: what runs in the foreground."""

from __future__ import annotations

import signal
import threading
from typing import Annotated

from cyclopts import Parameter

from slacktide.cli.output import Shown
from slacktide.control.database import Control, open_control
from slacktide.postgres.connection import shown

_SHOWN = Shown()


def up(
    *,
    no_worker: Annotated[bool, Parameter(negative="", help="Start the control database only.")] = False,
    options: Shown = _SHOWN,
) -> int:
    """Start the control database and a worker, in the foreground. Says "ready" with its address."""
    ended = _until_signal()
    with open_control() as control:
        if no_worker:
            _say_ready(control, options, what="the control database")
            ended.wait()
        else:
            _work(control, options, ended, what="the control database and a worker")
    return 0


def worker(*, options: Shown = _SHOWN) -> int:
    """Start one more worker, on this or any machine with the same control database."""
    ended = _until_signal()
    with open_control() as control:
        _work(control, options, ended, what="a worker")
    return 0


def _work(control: Control, options: Shown, ended: threading.Event, *, what: str) -> None:
    from slacktide.worker.supervise import Worker  # noqa: PLC0415 -- `up --no-worker` does without

    said = threading.Event()

    def ready() -> None:
        if not said.is_set():
            said.set()
            _say_ready(control, options, what=what)

    Worker(control.address).run(ended=ended.is_set, ready=ready)


def _say_ready(control: Control, options: Shown, *, what: str) -> None:
    address = shown(control.address)
    options.say({"state": "ready", "database": address}, f"ready: {what} at {address} (ctrl-C ends it)")


def _until_signal() -> threading.Event:
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    return ended
