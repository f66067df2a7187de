"""ISO 8601 durations and the instants that commands take, as text."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec

from slacktide.core.errors import UsageError


class BadDuration(UsageError):
    """{text!r} is not an ISO 8601 duration: write one like PT5M, PT1H30M or P7D."""


def parse_duration(text: str) -> timedelta:
    """Read an ISO 8601 duration of weeks, days, hours, minutes and seconds."""
    try:
        return msgspec.convert(text, timedelta, strict=True)
    except msgspec.ValidationError as error:
        raise BadDuration(text=text) from error


def format_instant(instant: datetime) -> str:
    """Write an instant as RFC 3339 in UTC."""
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")
