"""Why an action is denied or held, as a value."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from slacktide.downtime.parameter import Level
from slacktide.downtime.schedule import Phase

Code = Literal["site_downtime", "organization_downtime", "reference_only", "not_administrator", "schedule_unknown"]


class Reason(msgspec.Struct, frozen=True, kw_only=True):
    """Why an action is denied or held: by which scope, from when, until when (None: no known end)."""

    code: Code
    scope: Level | None = None
    start: datetime | None = None
    until: datetime | None = None
    phase: Phase | None = None
    lives_at: str | None = None
