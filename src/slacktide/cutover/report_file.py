"""Writing a reconciliation report: as JSON that can be verified, as HTML that loads nothing, as PDF."""

from __future__ import annotations

import os
from html import escape
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any

import msgspec

from slacktide.core.errors import OutsideError, UsageError
from slacktide.cutover import paper
from slacktide.cutover.report_page import Page, laid_out


class UnknownFileKind(UsageError):
    """{file} is no kind of file that a report is written as: name it .html, .pdf or .json, as in slacktide move report {move} -o {move}.html."""  # noqa: E501 -- the message is one sentence


class ReportNotWritten(OutsideError):
    """The report cannot be written to {file} ({reason}): make room there, or name another file: slacktide move report {move} -o FILE."""  # noqa: E501 -- the message is one sentence


def write(signed: dict[str, Any], *, file: Path, proven: bool) -> None:
    """Write a report for its owner's eyes only, whole or not at all.

    Raises UnknownFileKind, ReportNotWritten, TypstMissing.
    """
    move = signed["report"]["move"]["name"]
    require_kind(file, move=move)
    content = _CONTENT[file.suffix](signed, proven)
    beside = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        with os.fdopen(os.open(beside, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "wb") as written:
            written.write(content)
            written.flush()
            os.fsync(written.fileno())
        beside.rename(file)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise ReportNotWritten(file=file, reason=error.strerror, move=move) from None


def require_kind(file: Path, *, move: str) -> None:
    """Refuse a file whose name says no kind that a report is written as. Raises UnknownFileKind."""
    if file.suffix not in _CONTENT:
        raise UnknownFileKind(file=file, move=move)


def _json(signed: dict[str, Any], proven: bool) -> bytes:  # noqa: ARG001, FBT001 -- one of three kinds
    return msgspec.json.format(msgspec.json.encode(signed), indent=1) + b"\n"


def _html(signed: dict[str, Any], proven: bool) -> bytes:  # noqa: FBT001 -- one of three kinds
    page: Page = laid_out(signed, proven=proven)
    frame = Template(resources.files(__package__).joinpath("report.html").read_text(encoding="utf-8"))
    return frame.substitute(
        title=escape(page.title),
        standing=escape(page.standing),
        proof=escape(page.proof),
        kind="final" if page.final and proven else "open",
        facts="\n".join(f"<tr><th>{escape(name)}</th><td>{escape(text)}</td></tr>" for name, text in page.facts),
        contents="\n".join(paper.contents(page.sections)),
        sections="\n".join(paper.html(one, number=n, running=page.running) for n, one in enumerate(page.sections, 1)),
    ).encode()


def _pdf(signed: dict[str, Any], proven: bool) -> bytes:  # noqa: FBT001 -- one of three kinds
    template = resources.files(__package__).joinpath("report.typ").read_bytes()
    return paper.pdf(template, laid_out(signed, proven=proven))


_CONTENT = {".json": _json, ".html": _html, ".pdf": _pdf}
