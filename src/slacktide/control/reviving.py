"""The embedded server is started again when it is gone, by whoever stays attached to it: the site and the workers.

1. Its postmaster is killed, by the machine that is out of memory or by somebody: within seconds one of us finds no
   process, and starts it. What was committed is there; who was connected connects anew.
2. Two find it gone at once: the start is under a lock, and the second finds it running.
3. It cannot start: that is logged once, and tried again.
4. The control database is somewhere else: it is not ours to start.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from slacktide.control.database import Control
from slacktide.core.errors import SlacktideError
from slacktide.postgres.server import Server

_LOG = logging.getLogger("slacktide.control")
_LOOK_SECONDS = 2.0


@contextmanager
def revived(control: Control) -> Iterator[None]:
    """Have the embedded server started again whenever it is gone, while the block runs."""
    if control.server is None:
        yield
        return
    ended = threading.Event()
    thread = threading.Thread(target=_run, args=(control.server, ended), name="slacktide reviving")
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _run(server: Server, ended: threading.Event) -> None:
    failing = False
    while not ended.wait(_LOOK_SECONDS):
        if server.pid() is not None:
            continue
        try:
            server.restart()
        except (SlacktideError, OSError) as error:
            if not failing:
                _LOG.warning("the embedded server is gone and cannot be started: %s", " ".join(str(error).split()))
            failing = True
        else:
            _LOG.warning("the embedded server was gone, and was started again")
            failing = False
