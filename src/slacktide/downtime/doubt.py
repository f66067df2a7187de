"""A schedule in doubt: it may be an old one, because the control database was restored from a backup.

It counts as a downtime of the site, users out, without a known end, so that all that reads a schedule closes: gates of
an older version and the copies of the windows in guarded databases too. Where a reason is given, its code is
`schedule_unknown`.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from slacktide.downtime.parameter import SITE_DOWNTIME, Level
from slacktide.downtime.setting import Setting

ID = "doubt"


class Doubt(msgspec.Struct, frozen=True):
    """Since when a schedule is in doubt, and why."""

    since: datetime
    why: str

    def closing(self) -> Setting:
        """Give the downtime that it counts as."""
        return Setting(
            id=ID,
            parameter=SITE_DOWNTIME,
            level=Level.SITE,
            value="Y",
            latched=True,
            start=self.since,
            users="out",
            reason=f"{self.why}: see that the schedule is right, then `slacktide schedule confirm --reason TEXT`",
        )
