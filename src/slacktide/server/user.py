"""Whom the site knows, and as what: a copy of the current data, read anew whenever that changes.

1. An administrator's role is taken away: the site is told, and its next decisions know. A message that is lost with its
   connection is made up for by the next one, on which everything is read; whatever else happens, within a minute.
2. A user is disabled: it is known, and no administrator.
3. The control database cannot be reached: what was known goes on as long as the schedule does; past its age the gate
   closes for everybody who is no administrator.
"""

from __future__ import annotations

from typing import Any

import psycopg

from slacktide.control.user import Role, administrators


class KnownUsers:
    """The users of the control database, each with what it administers."""

    def __init__(self) -> None:
        """Know nobody yet."""
        self._roles: dict[str, Role] = {}

    def load(self, connection: psycopg.Connection[Any]) -> None:
        """Read them anew."""
        self._roles = administrators(connection)

    def role(self, name: str | None) -> Role | None:
        """Tell what a user administers; None for one that the site does not know."""
        return None if name is None else self._roles.get(name)

    def admin(self, name: str) -> bool | None:
        """Tell whether a user is an administrator; None for one that the site does not know."""
        role = self.role(name)
        return None if role is None else role.admin
