"""Chance that comes out the same everywhere: the same numbers give the same throws, in every Python."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence

T = TypeVar("T")
_MASK = (1 << 64) - 1


class Dice:
    """A linear congruential generator with Knuth's MMIX constants, of which the high bits are used."""

    __slots__ = ("_state",)

    def __init__(self, *numbers: int) -> None:
        """Take the numbers that the throws depend on, such as seed, copy and row."""
        state = 0x9E3779B97F4A7C15
        for number in numbers:
            state = ((state ^ number) * 0xBF58476D1CE4E5B9) & _MASK
            state ^= state >> 31
        self._state = state

    def below(self, limit: int) -> int:
        """Throw a number from 0 to below the limit."""
        self._state = (self._state * 6364136223846793005 + 1442695040888963407) & _MASK
        return (self._state >> 33) % limit

    def one_in(self, number: int) -> bool:
        """Be true once in so many throws."""
        return self.below(number) == 0

    def choice(self, values: Sequence[T]) -> T:
        """Choose one of the values."""
        return values[self.below(len(values))]


def purpose(name: str) -> int:
    """Make a number of a name, so that throws for one purpose do not depend on another's."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8])
