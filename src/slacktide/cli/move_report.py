"""`slacktide move report`: what was moved and how it was proven, signed; and whether such a report still holds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from cyclopts import Parameter

from slacktide.cli import move_window
from slacktide.cli.address import reachable
from slacktide.cli.output import ACTING, Acting, Flag, table
from slacktide.control.database import open_control
from slacktide.core.configuration import secret_key
from slacktide.core.errors import ExitStatus, UsageError
from slacktide.cutover import report as reports
from slacktide.cutover import report_compare, report_file, report_page, report_signature
from slacktide.transfer.move import load_move

if TYPE_CHECKING:
    from slacktide.cutover.report_compare import SideNow

_TOP = ("Plan", "Down time", "Opened", "Waived", "Go given", "Made", "Signed by")


class WhatToReport(UsageError):
    """A report is made of a move, or verified, or the key is shown: `slacktide move report NAME`, or `--verify FILE.json`, or `--public-key`."""  # noqa: E501 -- the message is one sentence


def report(
    name: Annotated[str | None, Parameter(name="NAME", help="The move's name.")] = None,
    /,
    *,
    output: Annotated[
        Path | None, Parameter(name=["--output", "-o"], help="The file it is written to: .html, .pdf or .json.")
    ] = None,
    verify: Annotated[Path | None, Parameter(help="Verify this report (.json) instead of making one.")] = None,
    key: Annotated[
        str | None, Parameter(help="With --verify: whose signature it has to be; default: this installation's.")
    ] = None,
    compare: Annotated[Flag, Parameter(help="With --verify: also say what differs now in the databases.")] = False,
    public_key: Annotated[
        Flag, Parameter(help="Show the key that reports of this installation are signed by.")
    ] = False,
    options: Acting = ACTING,
) -> int:
    """Make the reconciliation report of a move, signed; or verify one. Ends with 1 where nothing proves it."""
    if (name is not None) + (verify is not None) + public_key != 1:
        raise WhatToReport
    if verify is not None:
        return _verify(verify, key=key, compare=compare, options=options)
    if name is not None:
        return _make(name, output=output, options=options)
    own = report_signature.public_key(secret=secret_key())
    return options.say(own, f"{own.algorithm} {own.public_key}\n{own.fingerprint}")


def _make(name: str, *, output: Path | None, options: Acting) -> int:
    if output is not None:
        report_file.require_kind(output, move=name)
    with open_control() as control, control.connect(name="move report") as connection:
        move = load_move(connection, name=name)
        with reachable(move.target):
            signed = reports.make(connection, move=move, who=options.who)
    proven = reports.proves(signed["report"])
    if output is not None:
        report_file.write(signed, file=output, proven=proven)
    options.say(signed, lambda: _text(signed, proven=proven, output=output))
    return ExitStatus.DONE if proven else ExitStatus.REFUSED


def _text(signed: dict[str, Any], *, proven: bool, output: Path | None) -> str:
    report, page = signed["report"], report_page.laid_out(signed, proven=proven)
    facts = [[fact, text] for fact, text in page.facts if fact in _TOP]
    totals = {f"{line['total']} {line['label']}".strip(): line for line in report["totals"]}
    counts = {one.title: len(one.rows) for one in page.sections}
    forms = report["contingency"]
    counted = (
        f"{counts['Differences']} differences, {counts['Accepted errors']} accepted errors, "
        f"{counts['Messages failed or warned about']} messages failed or warned about, "
        f"{len(forms['missing'])} forms missing, {len(forms['settled'])} settled"
    )
    lines = [
        page.title,
        page.standing,
        page.proof,
        "",
        table(facts, head=["", ""]).strip(),
        "",
        move_window.totals(totals) if totals else "No control total was measured yet.",
        "",
        counted,
    ]
    if output is not None:
        return "\n".join([*lines, f"written: {output}"])
    move = report["move"]["name"]
    return "\n".join([*lines, f"The whole report: slacktide move report {move} -o {move}.html (or .pdf, or .json)"])


def _verify(file: Path, *, key: str | None, compare: bool, options: Acting) -> int:
    signed = report_signature.read(file)
    expected = key or report_signature.public_key(secret=secret_key()).fingerprint
    by = report_signature.verify(signed, file=file, expected=expected)
    report = signed["report"]
    whose = "the key that you gave" if key else "this installation's key"
    lines = [f"{file} is as it was signed by {by.fingerprint}, {whose}.", report["standing"]["text"]]
    proven = reports.proves(report)
    lines += [report_page.laid_out(signed, proven=proven).proof]
    sides = _now(report) if compare else []
    lines += [line for side in sides for line in _side(side)]
    holds = proven and all(side.same for side in sides)
    value = {"file": str(file), "valid": True, "key": by, "final": report["standing"]["final"], "proven": proven}
    options.say(value | {"now": msgspec.to_builtins(sides)}, "\n".join(lines))
    return ExitStatus.DONE if holds else ExitStatus.REFUSED


def _now(report: dict[str, Any]) -> list[SideNow]:
    with open_control() as control, control.connect(name="move report") as connection:
        move = load_move(connection, name=report["move"]["name"])
        with reachable(move.source, move.target):
            return report_compare.compare(connection, move=move, report=report)


def _side(now: SideNow) -> list[str]:
    if now.unreachable:
        return [f"{now.side} now: NOT COMPARED: {now.unreachable}"]
    if now.same:
        return [f"{now.side} now: every object of {now.entities} entities is as it was signed"]
    lines = [f"{now.side} now: {now.entities} entities as they were signed, {len(now.different)} not:"]
    for entity, keys in now.different.items():
        lines.append(f"  {entity}: {', '.join(keys) if keys else 'what was signed is not kept, so no object is named'}")
    return lines
