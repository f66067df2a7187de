"""The only place that reads the time. Everything else takes it as an argument."""

from __future__ import annotations

import time
from datetime import UTC, datetime


def now() -> datetime:
    """Give this instant, aware, in UTC."""
    return datetime.now(UTC)


def monotonic_seconds() -> float:
    """Give seconds that only go forward, for measuring lengths."""
    return time.monotonic()


def sleep(seconds: float) -> None:
    """Wait."""
    time.sleep(seconds)
