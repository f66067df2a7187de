"""`slacktide move partners`: the checklist of those who talk to the property, shown and filled in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from slacktide.cli.output import ACTING, Acting, table
from slacktide.control.database import open_control
from slacktide.core.errors import UsageError
from slacktide.cutover import partner
from slacktide.transfer.move import load_move

if TYPE_CHECKING:
    from slacktide.cutover.partner import Filling, Partner
    from slacktide.transfer.move import Move


class FileUnreadable(UsageError):
    """The file {file} cannot be read: {reason}. Give another one: `slacktide move partners {move} --file FILE.csv`."""


class SaidOfNobody(UsageError):
    """Whose is it? Name the partner: `slacktide move partners {move} --set PARTNER ...`."""


def partners(
    name: Annotated[str, Parameter(name="NAME", help="The move's name.")],
    /,
    *,
    set_: Annotated[str | None, Parameter(name="--set", help="The partner of whom something is filled in.")] = None,
    owner: Annotated[str | None, Parameter(help="Who answers for it, and how to reach them.")] = None,
    stop: Annotated[str | None, Parameter(help="How it is stopped.")] = None,
    repoint: Annotated[str | None, Parameter(help="How it is pointed to the target.")] = None,
    test: Annotated[str | None, Parameter(help="What proves that it works there.")] = None,
    file: Annotated[
        Path | None, Parameter(help="Fill in many from CSV with the head partner,owner,stop,repoint,test.")
    ] = None,
    options: Acting = ACTING,
) -> int:
    """Show the partners' checklist of the plan, or fill it in; what is not said stays as it is."""
    said = {"owner": owner, "stop": stop, "repoint": repoint, "test": test}
    if set_ is None and any(value is not None for value in said.values()):
        raise SaidOfNobody(move=name)
    with open_control() as control, control.connect(name="move partners") as connection:
        move = load_move(connection, name=name)
        lines = [*(_read(file, move) if file else []), *([partner.Filling(set_, **said)] if set_ else [])]
        found = (
            partner.fill(connection, move=move, lines=lines, who=options.who, reason=options.reason or "")
            if lines
            else partner.checklist(connection, move=move)
        )
    value = {"move": name, "filled": not any(line.missing for line in found),
             "partners": [_line(line) for line in found]}  # fmt: skip
    return options.say(value, _text(name, found))


def _read(file: Path, move: Move) -> list[Filling]:
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise FileUnreadable(file=file, reason=reason, move=move.name) from error
    return partner.read(text, move=move, file=str(file))


def _line(line: Partner) -> dict[str, object]:
    facts = {name: getattr(line, name) for name in ("partner", *partner.FIELDS, "who", "at")}
    return facts | {"missing": line.missing}


def _text(name: str, found: list[Partner]) -> str:
    if not found:
        return f"The plan of {name} names no partners."
    head = ["partner", "owner", "stop", "re-point", "test"]
    rows = [[line.partner, *(getattr(line, field) or "MISSING" for field in partner.FIELDS)] for line in found]
    lacking = [line.partner for line in found if line.missing]
    if not lacking:
        return f"{table(rows, head=head)}\nevery partner is filled in"
    said = f"slacktide move partners {name} --set '{lacking[0]}' --owner TEXT --stop TEXT --repoint TEXT --test TEXT"
    return f"{table(rows, head=head)}\n{len(lacking)} of {len(found)} lack something: {said}"
