"""The reconciliation report as an auditor reads it: what was promised, by whom, and then table by table the proof.

Everything is in the JSON; on paper a control total of many labels (by day and room type) is its sum, and below it each
label that differs.
"""

from __future__ import annotations

from decimal import Decimal
from itertools import groupby
from typing import TYPE_CHECKING, Any

import msgspec

from slacktide.cutover.paper import Column, Section, plain

if TYPE_CHECKING:
    from collections.abc import Iterable

_MOST_LABELS = 12
_SIDES = ("source", "target", "difference")
_SIGNED = "Every line of this report stands in the signed JSON beside it. Whether that is what was signed is told by `slacktide move report --verify FILE.json`, which names the key; compare the key with one that you have from somewhere else."  # noqa: E501 -- one paragraph


class Page(msgspec.Struct, frozen=True):
    """A report, laid out: what stands on top of it and on each page, facts by name, and the tables."""

    title: str
    standing: str
    final: bool
    proof: str
    running: str
    facts: list[tuple[str, str]]
    sections: list[Section]


def laid_out(signed: dict[str, Any], *, proven: bool) -> Page:
    """Lay out a signed report."""
    report = signed["report"]
    move = report["move"]
    return Page(
        title=f"Reconciliation report: {plain(move['property'])}",
        standing=report["standing"]["text"],
        final=report["standing"]["final"],
        proof=_proof(report, proven=proven),
        running=f"move {move['name']} of {plain(move['property'])}, made {_at(report['made']['at'])}",
        facts=_facts(signed),
        sections=[
            _totals(report["totals"]),
            _rows(report["rows"]),
            _list("Differences", ["What differs"], [[text] for text in report["comparison"]["differences"]],
                  note=f"{report['comparison']['different']} objects differed when both sides were compared."),
            _list("Accepted errors", ["Object", "Error", "Accepted: by whom, as what, why"],
                  map(_accepted, report["accepted"])),
            _list("Messages failed or warned about", ["Object", "State", "Reason", "Since"],
                  ([f"{m['entity']} {m['key']}", m["state"], m["reason"], _at(m["at"])] for m in report["messages"])),
            *_down_time(report["down_time"]),
            _list("Number ranges", ["Range", "Of", "Last at the source", "Target before", "Target after"],
                  ([c["counter"], c["key"], *(_number(c[at]) for at in ("source", "before", "after"))]
                   for c in report["counters"]), right=(2, 3, 4)),
            _forms(report["contingency"]),
            _objects(report["objects"]),
            _list("Left out by the plan", ["Table or column", "Reason"], _pairs(report["plan"]["left_out"])),
            _list("Timeline", ["When", "Who", "What", "Of", "Reason"],
                  ([_at(e["at"]), e["by"], e["what"], e["object"], e["reason"]] for e in report["timeline"]),
                  note="What the audit trail has of the move, of its property, and of the downtimes it was made in."),
            _list("Signed parts", ["Part", "SHA-256"], _pairs(signed["signature"]["parts"]), note=_SIGNED),
        ],
    )  # fmt: skip


def _proof(report: dict[str, Any], *, proven: bool) -> str:
    compared = report["comparison"]
    said = compared["text"]
    if compared["where"] == "never":
        return str(said)
    count = compared["read"] + compared["carried"]
    verdict = "no difference" if compared["equal"] else f"{compared['different']} objects differ"
    signed = "" if proven or not compared["equal"] else " NOT PROVEN: not all objects of that comparison are signed."
    return f"{said} {count:,} objects, {verdict}. {_at(compared['at'])}.{signed}"


def _facts(signed: dict[str, Any]) -> list[tuple[str, str]]:
    report, signature = signed["report"], signed["signature"]
    move, plan, night = report["move"], report["plan"], report["down_time"] or {}
    pairs = [
        ("Move", move["name"]),
        ("Property", f"{move['property']} at the source, {move['target_property']} at the target"),
        ("Source", move["source"]),
        ("Target", move["target"]),
        ("Plan", f"{plan['name']}, version {plan['version']}, SHA-256 {plan['checksum']}"),
        ("Switched off", ", ".join(plan["switched_off"]) or "nothing"),
        ("Business date", str(night.get("business_date", "-"))),
        ("Down time", _duration(night)),
        ("Started by", f"{night['started_by']}, {_at(night['started_at'])}" if night else "-"),
        ("Opened", _at(night.get("opened_at"))),
        ("Waived", _named(night.get("waived", {}))),
        ("Go given", _named({role: f"{go['name']} ({_at(go['at'])})" for role, go in night.get("gos", {}).items()})),
        ("Made", f"{_at(report['made']['at'])} by {report['made']['by']}, {report['made']['program']}"),
        ("Signed by", f"{signature['algorithm']} key {signature['fingerprint']}"),
        ("Signature", signature["value"]),
    ]
    return [(name, plain(text)) for name, text in pairs]


def _duration(night: dict[str, Any]) -> str:
    if not night:
        return "-"
    moved = f"{night['objects_moved']:,} objects moved since Start"
    return f"{night['down_seconds']} s, of it work {night['work_seconds']} s; {moved}"


def _named(found: dict[str, str]) -> str:
    return "; ".join(f"{name}: {value}" for name, value in found.items()) or "none"


def _totals(found: list[dict[str, Any]]) -> Section:
    rows: list[list[str]] = []
    for title, group in groupby(found, key=lambda line: line["title"]):
        lines = list(group)
        many = len(lines) > _MOST_LABELS
        if many:
            sums = {side: str(sum(Decimal(line[side]) for line in lines)) for side in _SIDES}
            rows.append([title, f"{len(lines):,} lines, their sum", *_amounts(lines[0] | sums)])
        shown = [line for line in lines if Decimal(line["difference"])] if many else lines
        rows += [[title, line["label"], *_amounts(line)] for line in shown]
    return _list("Control totals", ["Total", "Label", "Source", "Target", "Difference"], rows, right=(2, 3, 4))


def _amounts(line: dict[str, Any]) -> list[str]:
    return [f"{Decimal(line[side]):{',.2f' if line['money'] else ','}}" for side in _SIDES]


def _rows(found: list[dict[str, Any]]) -> Section:
    rows = [[line["table"], *(_number(line[at]) for at in (*_SIDES, "written_since_start"))] for line in found]
    sums = [f"{sum(line[side] for line in found):,}" for side in _SIDES]
    note = "Written since Start counts objects, at their root's table."
    section = _list("Rows by table", ["Table", "Source", "Target", "Difference", "Written since Start"], rows,
                    right=(1, 2, 3, 4), note=note)  # fmt: skip
    return msgspec.structs.replace(section, totals=[["in all", *sums, ""]])


def _accepted(one: dict[str, Any]) -> list[str]:
    return [f"{one['entity']} {one['key']}", one["reason"], _named(one["accepted"] or {})]


def _down_time(night: dict[str, Any] | None) -> list[Section]:
    if night is None:
        return []
    steps = ([s["title"], s["state"], _at(s["at"]), f"{s['work_seconds']} s", f"{s['done']:,}"] for s in night["steps"])
    tries = (
        [str(a["attempt"]), a["state"], f"{a['by']}: {a['reason']}", _at(a["started_at"]), _at(a["opened_at"]),
         f"{a['abandoned_by']}: {a['abandoned_reason']}, {_at(a['abandoned_at'])}" if a["abandoned_by"] else ""]
        for a in night["attempts"]
    )  # fmt: skip
    return [
        _list("Steps of the down time", ["Step", "State", "Last noted", "Work", "Done"], steps, right=(3, 4)),
        _list("Attempts", ["No.", "State", "Started by", "At", "Opened", "Abandoned by"], tries),
    ]


def _forms(found: dict[str, Any]) -> Section:
    """List the forms, those that follow each other and share everything else on one line."""
    forms = [{"state": "MISSING", "by": "", "at": None, "reason": "", **form} for form in found["missing"]]
    forms = sorted(forms + found["settled"], key=lambda form: form["number"])
    lines = [
        [form["kind"], str(form["pack"]), form["state"], f"{form['by']}, {_at(form['at'])}" if form["by"] else "",
         form["reason"]] for form in forms
    ]  # fmt: skip
    rows: list[list[str]] = []
    for form, line in zip(forms, lines, strict=True):
        number = str(form["number"])
        if rows and rows[-1][1:] == line and rows[-1][0].rpartition("-")[2] == str(form["number"] - 1):
            rows[-1][0] = f"{rows[-1][0].partition('-')[0]}-{number}"
        else:
            rows.append([number, *line])
    last, missing = found["last_pack"], len(found["missing"])
    note = (
        f"The last pack, {last['pack']}, is as of {_at(last['instant'])}; {missing} forms are missing." if last else ""
    )
    return _list("Forms of the contingency pack", ["No.", "Form", "Pack", "State", "By", "Reason"], rows,
                 note=note or "No contingency pack was made.")  # fmt: skip


def _objects(found: dict[str, Any]) -> Section:
    rows = [[name, f"{one['objects']:,}", one["digest"]] for name, one in found["entities"].items()]
    note = "As they were compared. The digest of an entity is the " + found["construction"] + "."
    return _list("Objects and their digests", ["Entity", "Objects", "Digest"], rows, right=(1,), note=note)


def _list(
    title: str, heads: list[str], rows: Iterable[list[str]], *, right: tuple[int, ...] = (), note: str = ""
) -> Section:
    """Make a section whose columns are as wide as what is in them."""
    cells = [[plain(str(cell)) for cell in row] for row in rows]
    widths = [max(len(text) for text in column) for column in zip(heads, *cells, strict=True)]
    columns = [
        Column(head, min(max(width, 6), 60), right=n in right)
        for n, (head, width) in enumerate(zip(heads, widths, strict=True))
    ]
    return Section(title=title, columns=columns, rows=cells, note=note)


def _pairs(found: dict[str, str]) -> list[list[str]]:
    return sorted([name, value] for name, value in found.items())


def _number(value: Any) -> str:
    return "" if value is None else f"{value:,}" if isinstance(value, int) else str(value)


def _at(value: str | None) -> str:
    """Write an instant to the second, as it is compared: in UTC."""
    return value[:19].replace("T", " ") + " UTC" if value and value[:2].isdigit() and "T" in value else value or "-"
