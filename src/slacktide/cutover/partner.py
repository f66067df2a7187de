"""The partners' checklist: what else talks to the property (door locks, payment terminals) has to follow it.

A plan names the partners. Of each the checklist says who answers for it, how it is stopped, how it is pointed to the
target, and what proves that it works there. It is full when nothing of that is empty for any partner of the plan; a
partner that a later plan does not name any more is not asked for.
"""

from __future__ import annotations

import csv
import io
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from slacktide.control.audit import record_audit
from slacktide.core.errors import InputError, UsageError
from slacktide.cutover.prediction import Verdict
from slacktide.postgres import sql

if TYPE_CHECKING:
    from collections.abc import Sequence

    import psycopg
    from psycopg.rows import TupleRow

    from slacktide.transfer.move import Move

_STATEMENTS = sql.load(__package__, "partner.sql")
FIELDS = ("owner", "stop", "repoint", "test")


class UnknownPartner(UsageError):
    """The plan of {move} names no partner {partner!r}: it names {known}. See `slacktide move partners {move}`."""


class PartnerUnsaid(UsageError):
    """Nothing is said of {partner!r}: `slacktide move partners {move} --set {quoted} --owner TEXT --stop TEXT --repoint TEXT --test TEXT`."""  # noqa: E501 -- the message is one sentence


class BadChecklist(InputError):
    """{file}, line {line}: {reason}. Nothing was filled in. The first line is `partner,owner,stop,repoint,test`; then `slacktide move partners {move} --file {file}`."""  # noqa: E501 -- the message is one text


class Partner(msgspec.Struct, frozen=True):
    """One line of the checklist; an empty text is one that is missing."""

    partner: str
    owner: str = ""
    stop: str = ""
    repoint: str = ""
    test: str = ""
    who: str | None = None
    at: datetime | None = None

    @property
    def missing(self) -> list[str]:
        """Name what is not filled in."""
        return [name for name in FIELDS if not getattr(self, name).strip()]


class Filling(msgspec.Struct, frozen=True):
    """What is to be filled in of one partner; None leaves what is there."""

    partner: str
    owner: str | None = None
    stop: str | None = None
    repoint: str | None = None
    test: str | None = None


def checklist(control: psycopg.Connection[TupleRow], *, move: Move) -> list[Partner]:
    """Give the checklist: a line for each of the plan's partners, in its order."""
    rows = control.execute(_STATEMENTS["filled"], {"move_id": move.move_id}).fetchall()
    filled = {row[0]: Partner(*row) for row in rows}
    return [filled.get(name, Partner(name)) for name in move.plan.partners]


def fill(
    control: psycopg.Connection[TupleRow], *, move: Move, lines: Sequence[Filling], who: str, reason: str
) -> list[Partner]:
    """Fill in lines, all or none; give the checklist as it then is. Raises UnknownPartner, PartnerUnsaid."""
    for line in lines:
        if line.partner not in move.plan.partners:
            known = ", ".join(move.plan.partners) or "none"
            raise UnknownPartner(move=move.name, partner=line.partner, known=known)
        if all(getattr(line, name) is None for name in FIELDS):
            raise PartnerUnsaid(move=move.name, partner=line.partner, quoted=f"'{line.partner}'")
    with control.transaction():
        for line in lines:
            facts = msgspec.structs.asdict(line)
            control.execute(_STATEMENTS["fill"], {"move_id": move.move_id, "who": who, **facts})
        record_audit(control, who=who, what="move partners", object=move.name, after=list(lines), reason=reason)
    return checklist(control, move=move)


def read(text: str, *, move: Move, file: str) -> list[Filling]:
    """Read a checklist from CSV with a head; an empty field leaves what is there. Raises BadChecklist."""
    reader = csv.DictReader(io.StringIO(text.removeprefix("\ufeff")))
    if "partner" not in (reader.fieldnames or ()) or not {*(reader.fieldnames or ())} <= {"partner", *FIELDS}:
        raise BadChecklist(file=file, line=1, reason=f"its head is {text.partition(chr(10))[0]!r}", move=move.name)
    found = []
    for row in reader:
        if None in row or row["partner"] not in move.plan.partners:
            known = ", ".join(move.plan.partners) or "none"
            reason = "it has more fields than the head" if None in row else f"no partner {row['partner']!r}: {known}"
            raise BadChecklist(file=file, line=reader.line_num, reason=reason, move=move.name)
        found.append(Filling(row["partner"], **{name: row.get(name) or None for name in FIELDS}))
    return found


def judge(control: psycopg.Connection[TupleRow], *, move: Move) -> Verdict:
    """Judge whether the checklist is full."""
    lacking = [line for line in checklist(control, move=move) if line.missing]
    if not lacking:
        return Verdict(ok=True)
    empty = [line.partner for line in lacking if len(line.missing) == len(FIELDS)]
    said = [f"not filled in: {', '.join(empty)}"] if empty else []
    said += [f"{line.partner}: no {', '.join(line.missing)}" for line in lacking if line.partner not in empty]
    mend = f"slacktide move partners {move.name}, or waive it by name: --waive partners=NAME"
    return Verdict(ok=False, reason="; ".join(said), mend=mend)
