"""The one base of all errors, in three families.

An error is for the person who gets it: its class's docstring is its message, a full sentence or two that quotes
the value in braces and says what to do now. The exit statuses are those of the interface specification.
"""

from __future__ import annotations

import inspect
from enum import IntEnum


class ExitStatus(IntEnum):
    """What a command ends with."""

    DONE = 0
    REFUSED = 1
    USAGE = 2
    HELD = 75
    DENIED = 77


class SlacktideError(Exception):
    """Something went wrong."""

    exit_status = ExitStatus.REFUSED

    def __init__(self, **facts: object) -> None:
        """Keep the facts; the docstring of the class, with the facts filled in, is the message."""
        self.facts = facts
        super().__init__(" ".join(inspect.cleandoc(type(self).__doc__ or "").format(**facts).split()))

    @property
    def code(self) -> str:
        """A stable name for scripts: the class's own."""
        return type(self).__name__


class InputError(SlacktideError):
    """What was asked for cannot be done as it was asked."""


class UsageError(InputError):
    """The call names something that is not there, or in a way that is not understood."""

    exit_status = ExitStatus.USAGE


class OutsideError(SlacktideError):
    """Something that Slacktide relies on did not do its part."""


class BugError(SlacktideError):
    """Slacktide itself did something that it must not do."""


# The guard's refusals as SQLSTATEs, so that any client can tell them from its own errors.
# Class ST is not used by PostgreSQL or the standard.
SQLSTATE_CLOSED = "ST001"  # the organization is closed: try again later
SQLSTATE_REFERENCE_ONLY = "ST002"  # the organization has moved: go to where it lives now
