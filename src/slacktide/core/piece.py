"""A long list, some at a time, so that what is made of it meanwhile stays small."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

Item = TypeVar("Item")


def pieces(items: Sequence[Item], *, size: int) -> Iterator[Sequence[Item]]:
    """Give a list in pieces of `size`, in its order; the last one may be shorter. An empty list has none."""
    for start in range(0, len(items), size):
        yield items[start : start + size]
