"""Parameter, setting, schedule, decision: pure functions of the facts and the time."""

from slacktide.downtime.compiling import compile_schedule
from slacktide.downtime.decision import Decision, decide
from slacktide.downtime.schedule import Organization, Schedule, Side
from slacktide.downtime.setting import Setting, in_effect
from slacktide.downtime.state import Holders, State, state_of

__all__ = [
    "Decision",
    "Holders",
    "Organization",
    "Schedule",
    "Setting",
    "Side",
    "State",
    "compile_schedule",
    "decide",
    "in_effect",
    "state_of",
]
