"""Drafts: what somebody typed and could not save, so that a refusal costs nobody their work.

A draft belongs to a user and a task; a later one takes the place of the earlier, and a save that succeeds ends it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
import psycopg

from slacktide.postgres.sql import load

_sql = load("slacktide.control", "draft.sql")


class Draft(msgspec.Struct, frozen=True):
    """What was typed, why it was not saved, and when."""

    note: str
    because: str
    kept_at: datetime


def keep_draft(connection: psycopg.Connection[Any], *, user: str, task: str, note: str, because: str) -> None:
    """Keep what a user typed into a task. Of a task or user that is not there nothing is kept."""
    connection.execute(_sql["keep"], {"user": user, "task": task, "note": note, "because": because})


def draft_of(connection: psycopg.Connection[Any], *, user: str, task: str) -> Draft | None:
    """Give a user's draft of a task, if there is one."""
    row = connection.execute(_sql["one"], {"user": user, "task": task}).fetchone()
    return None if row is None else Draft(*row)


def drop_draft(connection: psycopg.Connection[Any], *, user: str, task: str) -> None:
    """Forget a draft: it has been saved, or its user does not want it."""
    connection.execute(_sql["drop"], {"user": user, "task": task})
