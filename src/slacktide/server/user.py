"""Whom the site knows as an administrator."""

from __future__ import annotations


def known_admin(name: str) -> bool | None:
    """Tell whether a user is an administrator; None for one that the site does not know."""
    del name  # the table of users comes with the accounts
    return None
