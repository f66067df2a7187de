"""The decision table of the downtime specification (section 4), as data.

Rows are read from the top; of an action's rows the first one whose user and condition fit decides. Two
verdicts are not an end: `reference only` is noted as the first reason, and the reading goes on, since what
else denies is named too; and `as ACTION` reads that action's rows instead. `while` verdicts deny or hold
while a downtime of one of their scopes is in effect (with `users out`: one that bars normal users), and allow
otherwise.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

import msgspec


class Action(StrEnum):
    """What somebody, or some work, is about to do."""

    LOGIN = "login"
    READ = "read"
    OPEN_TASK = "open_task"
    CONTINUE_TASK = "continue_task"
    EMAIL_LINK = "email_link"
    CHANGE_SETTING = "change_setting"
    IMPORT = "import"
    WRITE_INTERFACE = "write_interface"


class Who(StrEnum):
    """Which users a row speaks of."""

    ADMIN = "admin user"
    NORMAL = "normal user"
    ANYBODY = "anybody"


class Facts(msgspec.Struct, frozen=True):
    """What a decision is made by, beside the downtimes themselves."""

    admin: bool
    own_downtime: bool  # a downtime of an organization that the user administers
    lease: bool
    live_session: bool
    own_writer: bool
    reference_only: bool
    link_barred: bool  # a downtime that sends e-mail links to the log-in is in effect
    link_asks: bool  # the link's security level asks for a log-in


class Given(msgspec.Struct, frozen=True):
    """A condition: the sentence that a person reads, and its test."""

    sentence: str
    holds: Callable[[Facts], bool]


ALWAYS = Given("", lambda _: True)
OWN_DOWNTIME = Given("a downtime of an own organization, for its administrator", lambda facts: facts.own_downtime)
LEASE = Given("a live lease (of that task; for the log-in: of any)", lambda facts: facts.lease)
LIVE_SESSION = Given("a live session", lambda facts: facts.live_session)
LEFT = Given("the organization is reference only", lambda facts: facts.reference_only)
LINK_BARRED = Given("any downtime is in effect (`own`: the site's or the task's)", lambda facts: facts.link_barred)
LINK_ASKS = Given("the link's security level asks for a log-in", lambda facts: facts.link_asks)
OWN_WRITER = Given("our own writer", lambda facts: facts.own_writer)


class Verdict(msgspec.Struct, frozen=True):
    """A row's answer: how it reads, and what it does (exactly one of the other fields, or none for allow)."""

    text: str
    login: bool = False
    not_administrator: bool = False
    reference_only: bool = False
    same_as: Action | None = None
    outcome: str | None = None  # deny or hold, while one of these is in effect:
    site: bool = False
    organization: bool = False
    users_out: bool = False


ALLOW = Verdict("allow")
LOG_IN = Verdict("login", login=True)
NOT_ADMINISTRATOR = Verdict("deny: `not_administrator`", not_administrator=True)
REFERENCE_ONLY = Verdict("deny: `reference_only`, and", reference_only=True)
AS_LOGIN = Verdict("as `login`", same_as=Action.LOGIN)
AS_OPEN_TASK = Verdict("as `open_task`", same_as=Action.OPEN_TASK)
DENY_SITE_OUT = Verdict("deny while site, users out", outcome="deny", site=True, users_out=True)
DENY_OUT = Verdict("deny while site or org, users out", outcome="deny", site=True, organization=True, users_out=True)
DENY = Verdict("deny while site or org", outcome="deny", site=True, organization=True)
HOLD = Verdict("hold while site or org", outcome="hold", site=True, organization=True)

Row = tuple[Action, Who, Given, Verdict]

TABLE: tuple[Row, ...] = (
    (Action.LOGIN, Who.ADMIN, ALWAYS, ALLOW),
    (Action.LOGIN, Who.NORMAL, LEASE, ALLOW),
    (Action.LOGIN, Who.NORMAL, ALWAYS, DENY_SITE_OUT),
    (Action.READ, Who.ANYBODY, LIVE_SESSION, ALLOW),
    (Action.READ, Who.ANYBODY, ALWAYS, AS_LOGIN),
    (Action.OPEN_TASK, Who.ANYBODY, LEFT, REFERENCE_ONLY),
    (Action.OPEN_TASK, Who.ADMIN, ALWAYS, ALLOW),
    (Action.OPEN_TASK, Who.NORMAL, LEASE, ALLOW),
    (Action.OPEN_TASK, Who.NORMAL, ALWAYS, DENY_OUT),
    (Action.CONTINUE_TASK, Who.ANYBODY, ALWAYS, AS_OPEN_TASK),
    (Action.EMAIL_LINK, Who.ANYBODY, LINK_BARRED, LOG_IN),
    (Action.EMAIL_LINK, Who.ANYBODY, LINK_ASKS, LOG_IN),
    (Action.EMAIL_LINK, Who.ANYBODY, ALWAYS, AS_OPEN_TASK),
    (Action.CHANGE_SETTING, Who.ADMIN, ALWAYS, ALLOW),
    (Action.CHANGE_SETTING, Who.NORMAL, OWN_DOWNTIME, ALLOW),
    (Action.CHANGE_SETTING, Who.NORMAL, ALWAYS, NOT_ADMINISTRATOR),
    (Action.IMPORT, Who.ANYBODY, LEFT, REFERENCE_ONLY),
    (Action.IMPORT, Who.ANYBODY, ALWAYS, HOLD),
    (Action.WRITE_INTERFACE, Who.ANYBODY, LEFT, REFERENCE_ONLY),
    (Action.WRITE_INTERFACE, Who.ANYBODY, OWN_WRITER, HOLD),
    (Action.WRITE_INTERFACE, Who.ANYBODY, ALWAYS, DENY),
)

_ROWS: dict[Action, dict[bool, tuple[tuple[Given, Verdict], ...]]] = {
    action: {
        admin: tuple(
            (given, verdict)
            for row_action, who, given, verdict in TABLE
            if row_action is action and who in (Who.ANYBODY, Who.ADMIN if admin else Who.NORMAL)
        )
        for admin in (True, False)
    }
    for action in Action
}


def judge(action: Action, facts: Facts) -> tuple[Verdict, bool]:
    """Give the verdict of the table, and whether `reference_only` stands before it."""
    left = False
    for given, verdict in _ROWS[action][facts.admin]:
        if given.holds(facts):
            if not verdict.reference_only:
                break
            left = True
    else:
        verdict = ALLOW  # every action's rows end with one that always holds
    if verdict.same_as is None:
        return verdict, left
    same, also_left = judge(verdict.same_as, facts)
    return same, left or also_left


def table_as_markdown() -> str:
    """Give the table as the documentation shows it."""
    head = ["| action | who | given | answer |", "|---|---|---|---|"]
    return "\n".join(
        [
            *head,
            *(f"| `{action}` | {who} | {given.sentence} | {verdict.text} |" for action, who, given, verdict in TABLE),
        ]
    )
