"""Options that are pairs: a go given beforehand as ROLE=NAME, a check that somebody waives as CHECK=NAME."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slacktide.control.audit import require_reason
from slacktide.core.errors import UsageError
from slacktide.cutover.precondition import WAIVABLE

if TYPE_CHECKING:
    from slacktide.transfer.move import Move


class BadPair(UsageError):
    """{text!r} is not {form}: write it as in `slacktide move downtime start NAME {example}`."""


class NotWaivable(UsageError):
    """The check {check!r} cannot be waived, only {known} can: mend it as `slacktide move downtime check {move}` says."""  # noqa: E501 -- the message is one sentence


class UnknownRole(UsageError):
    """The plan of {move} asks for no go of the role {role!r}: it asks for {known}. `slacktide move downtime check {move}` shows what else it takes."""  # noqa: E501 -- the message is one sentence


def waived_of(texts: tuple[str, ...], *, move: str) -> dict[str, str]:
    """Give who waives which check. Raises BadPair, NotWaivable."""
    waived = _pairs(texts, form="CHECK=NAME", example="--waive contingency='Ada Night'")
    for check in waived:
        if check not in WAIVABLE:
            raise NotWaivable(check=check, known=", ".join(WAIVABLE), move=move)
    return waived


def require_reason_to_waive(texts: tuple[str, ...], *, reason: str | None, what: str) -> None:
    """See that whoever waives a check says why. Raises ReasonMissing."""
    if texts:
        require_reason(reason or "", what=f"{what} --waive")


def gos_of(texts: tuple[str, ...], *, move: Move) -> dict[str, str]:
    """Give who gives the go of which role of a move's plan. Raises BadPair, UnknownRole."""
    gos = _pairs(texts, form="ROLE=NAME", example="--go operations='Ada Night'")
    for role in gos:
        if role not in move.plan.roles:
            raise UnknownRole(role=role, known=", ".join(move.plan.roles) or "none", move=move.name)
    return gos


def _pairs(texts: tuple[str, ...], *, form: str, example: str) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for text in texts:
        left, _, right = text.partition("=")
        if not left or not right:
            raise BadPair(text=text, form=form, example=example)
        pairs[left] = right
    return pairs
