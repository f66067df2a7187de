"""What an application says of one of its requests, so that the gate can judge it."""

from __future__ import annotations

from typing import Literal

import msgspec

from slacktide.downtime.schedule import SideName
from slacktide.downtime.table import Action


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """One request: who does what, for which organization (None: none is concerned).

    `admin`, `lease` and `session` are as the application's data say now, never as a session remembers them. `lease`:
    the user's own live lease of this very task (for `login`: of any). `own_downtime`, `link_asks`, `writer` and `side`
    are those of `slacktide.downtime.decide`. `stream`: the answer goes on for long, so that it is judged again while it
    does.
    """

    action: Action
    organization: str | None = None
    user: str | None = None
    admin: bool = False
    task: str | None = None
    lease: bool = False
    session: Literal["none", "live"] = "live"
    via: Literal["browser", "email", "api"] = "browser"
    writer: Literal["own", "other"] = "own"
    side: SideName | None = None
    own_downtime: bool = False
    link_asks: bool = True
    stream: bool = False
