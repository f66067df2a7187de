"""What sealing costs: the same content through a spool as it is, and packed and hashed only.

    python -m bench.spool

Written, carried and read like every batch; computed, not on the clock. The content is XML as batches have it.
"""

from __future__ import annotations

import hashlib
import random
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from slacktide.transfer.seal import Seal
from slacktide.transfer.spool import SealedSpool

_BATCH_BYTES = 800_000  # of some 2,000 objects
_BATCHES = 100
_ROUNDS = 5


class Unsealed(Seal, frozen=True):
    """Packed content as it is, with a hash over it."""

    def sealed(self, pieces: Iterable[bytes], *, number: int) -> Iterator[bytes]:  # noqa: ARG002 -- as a seal's
        """Give it as it is."""
        yield from pieces

    def opened(self, pieces: Iterable[bytes], *, number: int, path: Path) -> Iterator[bytes]:  # noqa: ARG002 -- as a seal's
        """Give it as it is."""
        yield from pieces


def main() -> int:
    """Measure both, in turn, and print the ratio of the medians."""
    seal = Seal(bytes(32), move="m", plan="p", version="1")
    plain = Unsealed(**msgspec.structs.asdict(seal))
    content = _content()
    found: dict[str, list[float]] = {"sealed": [], "unsealed": []}
    for _ in range(_ROUNDS):
        found["sealed"].append(_seconds(seal, content))
        found["unsealed"].append(_seconds(plain, content))
    medians = {name: sorted(seconds)[_ROUNDS // 2] for name, seconds in found.items()}
    size = _BATCHES * _BATCH_BYTES / 1e6
    for name, seconds in medians.items():
        print(f"{name:<10} {seconds:.3f} s computed for {size:.0f} MB of XML (median of {_ROUNDS})")
    print(f"ratio      {medians['sealed'] / medians['unsealed']:.2f}")
    return 0


def _content() -> bytes:
    chance = random.Random(1)  # noqa: S311 -- a benchmark's content
    lines = []
    while sum(map(len, lines)) < _BATCH_BYTES:
        lines += [
            f'<reservation h="{chance.randbytes(16).hex()}" reservation_id="{chance.randrange(10**6)}" '
            f'status="reserved" arrival="2016-0{chance.randrange(1, 9)}-{chance.randrange(10, 28)}" '
            f'amount="{chance.randrange(10**5)}.00" note="\\N" market="Online TA" source="TA/TO" company="\\N"/>\n'
            for _ in range(500)
        ]
    return "".join(lines).encode()


def _seconds(seal: Seal, content: bytes) -> float:
    with tempfile.TemporaryDirectory() as folder:
        out, into = (SealedSpool(Path(folder) / name, seal=seal) for name in ("out", "in"))
        begun = time.process_time()
        digest = hashlib.sha256()
        for number in range(_BATCHES):
            written = out.write([content], number=number)
            into.fetch(out, name=written.name, checksum=written.checksum)
            for piece in into.read(written.name, checksum=written.checksum):
                digest.update(piece)
        return time.process_time() - begun


if __name__ == "__main__":
    raise SystemExit(main())
