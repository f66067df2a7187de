"""Metrics as text: Prometheus' exposition format 0.0.4, and OpenMetrics 1.0 for who asks for it.

A label's value may hold anything, so it is escaped; a family without a sample is left out.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import msgspec

PLAIN = "text/plain; version=0.0.4; charset=utf-8"
OPEN = "application/openmetrics-text; version=1.0.0; charset=utf-8"
_VALUE = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})
_HELP = str.maketrans({"\\": r"\\", "\n": r"\n"})


class Sample(msgspec.Struct, frozen=True):
    """One value, by its labels."""

    value: float
    labels: dict[str, str] = {}


class Family(msgspec.Struct, frozen=True):
    """What is measured; `name` without the `_total` that a counter's samples end with."""

    name: str
    help: str
    samples: tuple[Sample, ...]
    kind: Literal["gauge", "counter"] = "gauge"


def content_type(accept: str) -> str:
    """Give the form that a scraper accepts."""
    return OPEN if "application/openmetrics-text" in accept else PLAIN


def exposition(families: Iterable[Family], *, form: str) -> bytes:
    """Write families in one of the two forms."""
    lines = [line for family in families if family.samples for line in _lines(family, form=form)]
    return "".join(f"{line}\n" for line in [*lines, *(["# EOF"] if form == OPEN else [])]).encode()


def _lines(family: Family, *, form: str) -> Iterable[str]:
    sample_name = f"{family.name}_total" if family.kind == "counter" else family.name
    name = family.name if form == OPEN else sample_name
    yield f"# HELP {name} {family.help.translate(_VALUE if form == OPEN else _HELP)}"
    yield f"# TYPE {name} {family.kind}"
    for sample in family.samples:
        labels = ",".join(f'{label}="{value.translate(_VALUE)}"' for label, value in sample.labels.items())
        yield f"{sample_name}{f'{{{labels}}}' if labels else ''} {float(sample.value)!r}"
