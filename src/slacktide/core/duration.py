"""ISO 8601 durations and the instants that commands take, as text."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import msgspec

from slacktide.core.errors import UsageError


class BadDuration(UsageError):
    """{text!r} is not an ISO 8601 duration: write one like PT5M, PT1H30M or P7D."""


class LongDuration(UsageError):
    """{text!r} is longer than 36525 days, which are a hundred years: write one like PT5M, PT1H30M or P7D."""


_WEEKS = re.compile(r"P(\d{1,9})W", re.ASCII)
_LONGEST = timedelta(days=36_525)  # added to an instant that is accepted it gives one that can be reckoned with


def parse_duration(text: str) -> timedelta:
    """Read an ISO 8601 duration: weeks, or days, hours, minutes and seconds. Raises BadDuration, LongDuration."""
    weeks = _WEEKS.fullmatch(text)
    try:
        duration = timedelta(weeks=int(weeks[1])) if weeks else msgspec.convert(text, timedelta, strict=True)
    except msgspec.ValidationError as error:
        raise BadDuration(text=text) from error
    except OverflowError as error:
        raise LongDuration(text=text) from error
    if abs(duration) > _LONGEST:
        raise LongDuration(text=text)
    return duration


def format_instant(instant: datetime) -> str:
    """Write an instant as RFC 3339 in UTC."""
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")
