"""Processes of a PostgreSQL that outlive it.

Where the server is killed with -9, its processes see that and end within moments. But for one that waits for a lock in
shared memory with which another one died (seen with PostgreSQL 18): it waits for ever, and while it keeps the shared
memory no server starts on that cluster again. What is committed is in the log, so nothing is lost by ending it.
"""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path


def end_orphans(cluster: Path) -> list[int]:
    """Kill the processes that a server left in its cluster; to be called only where that server is surely gone.

    Gives them. Where a process does not say in which folder it works, none is found.
    """
    found = [int(each.name) for each in Path("/proc").glob("[0-9]*") if _is_of(each, cluster.resolve())]
    for process in found:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    return found


def _is_of(process: Path, cluster: Path) -> bool:
    try:
        return (process / "cwd").readlink() == cluster and (process / "cmdline").read_bytes().startswith(b"postgres: ")
    except OSError:  # it has ended, or is somebody else's
        return False
