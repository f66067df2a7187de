"""Watching: what is looked at is said again whenever it has changed, until somebody interrupts."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn, TypeVar

from slacktide.core import clock

if TYPE_CHECKING:
    from collections.abc import Callable

_EVERY_SECONDS = 1.0

T = TypeVar("T")


def watch(look: Callable[[], T], *, say: Callable[[T], object]) -> NoReturn:
    """Say what `look` gives, and again each time it gives something else."""
    said: T | None = None
    while True:
        seen = look()
        if seen != said:
            say(seen)
            said = seen
        clock.sleep(_EVERY_SECONDS)
