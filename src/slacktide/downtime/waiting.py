"""What waiting for a downtime is over with, as a pure function of the downtime, the state of its scope and the time."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from slacktide.downtime.setting import Setting, in_effect
from slacktide.downtime.state import State

Goal = Literal["started", "quiet", "open"]
Outcome = Literal["reached", "not yet", "never"]

_QUIET = ("quiet", "down, users in")  # with users in, nobody but transactions is waited for
_OPEN = ("open", "scheduled")


def outcome(goal: Goal, *, setting: Setting, state: State, now: datetime) -> Outcome:
    """Tell whether a downtime has started, is quiet, or its scope is open again; or that this cannot come any more.

    `started` and `quiet` are of that downtime while it is in effect. `open` is of its scope, once the downtime has
    been: another one may keep it down.
    """
    lasting = in_effect(setting, now)
    gone = setting.over(now) or not setting.is_on
    if goal == "started":
        return "reached" if lasting else "never" if gone else "not yet"
    if state.state == "reference only":
        return "never"
    if goal == "quiet":
        return "never" if gone else "reached" if lasting and state.state in _QUIET else "not yet"
    been = gone or (setting.recurrence is not None and setting.begun(now))
    return "reached" if been and not lasting and state.state in _OPEN else "not yet"
