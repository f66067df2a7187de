"""A go by name: who gives it, for which role, when, and for which control totals.

The events:

1. A go is given before there are totals ("if verified"): it stands for whatever totals verification passes.
2. The totals change after a go was given with them, for the barrier was void: that go stands no longer. It is kept and
   marked, once, with a line in the audit trail, and has to be given again by somebody who sees the new totals.
3. A go is given at the moment at which the procedure has found it missing and is about to wait for it: it looks once
   more, with the attempt's row locked, which every go has to pass.
4. A go is given while the barrier is made anew: it signs the totals that were shown, so 2 holds for it.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from slacktide.control.audit import record_audit
from slacktide.core.errors import InputError

if TYPE_CHECKING:
    from slacktide.cutover.night import Night
    from slacktide.cutover.record import Attempt
    from slacktide.transfer.move import Move


class GoMissing(InputError):
    """The go of {roles} is missing: `slacktide move go {move} --role {role} --name NAME`."""


class GoVoid(GoMissing):
    """The totals have changed since these gos were given, so they stand no longer: {listed}. Look at the totals, and give it again: `slacktide move go {move} --role {role} --name NAME`."""  # noqa: E501 -- the message is one sentence


def totals_of(attempt: Attempt) -> dict[str, Any]:
    """Give the totals that a go would sign now; none where nothing was verified behind the barrier yet."""
    totals: dict[str, Any] = (attempt.verification or {}).get("totals", {})
    return totals


def checksum(totals: dict[str, Any]) -> str:
    """Give the SHA-256 of totals; empty where there are none."""
    if not totals:
        return ""
    return hashlib.sha256(json.dumps(totals, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def lacking(attempt: Attempt, *, move: Move) -> tuple[list[str], list[str]]:
    """Give the roles whose go stands no longer, and those whose go is missing."""
    signed, roles = checksum(totals_of(attempt)), move.plan.roles
    void = [role for role in roles if attempt.gos.get(role, {}).get("checksum", "") not in ("", signed)]
    return void, [role for role in roles if role not in attempt.gos]


def require(night: Night) -> dict[str, Any]:
    """Give the gos, one of each role that the plan lists, each for the totals as they are. Raises GoMissing, GoVoid."""
    attempt, move = night.record.current(), night.move
    void, missing = lacking(attempt, move=move)
    for role in void:
        if "void" not in attempt.gos[role]:
            _take(night, role, attempt.gos[role])
    if void:
        listed = ", ".join(f"{role}, by {attempt.gos[role]['name']}" for role in void)
        raise GoVoid(listed=listed, role=void[0], move=move.name)
    if missing:
        raise GoMissing(roles=", ".join(missing), role=missing[0], move=move.name)
    return dict(attempt.gos)


def _take(night: Night, role: str, given: dict[str, str]) -> None:
    with night.control.transaction():
        night.record.void_go(role=role)
        record_audit(night.control, who=night.attempt.who, what="move go void", object=night.move.name,
                     before={"role": role, **given}, reason="the totals have changed since")  # fmt: skip
