"""A signed report: what was signed holds, and whatever was done to it is refused by name."""

from __future__ import annotations

import json

import pytest

from slacktide.cutover import report_signature
from slacktide.cutover.report_signature import OtherKey, ReportChanged, ReportUnreadable

SECRET = "the installation's own"
REPORT = {
    "move": {"name": "night", "property": "RÉSORT"},
    "totals": [{"total": "ledger", "source": "10.00", "target": "10.00"}],
    "down_time": {"down_seconds": 12.25, "steps": []},
    "messages": [],
}
OWN = report_signature.public_key(secret=SECRET)


@pytest.fixture
def file(tmp_path):
    """Give a file with a signed report."""
    path = tmp_path / "report.json"
    path.write_text(json.dumps(report_signature.sign(REPORT, secret=SECRET)))
    return path


def verified(file, *, expected=OWN.fingerprint):
    """Read and verify a file, as the command does."""
    return report_signature.verify(report_signature.read(file), file=file, expected=expected)


def changed(file, change):
    """Change what a file says."""
    signed = json.loads(file.read_text())
    change(signed)
    file.write_text(json.dumps(signed))
    return signed


def test_what_was_signed_holds(file):
    """A report holds as it was written, laid out otherwise too, by the key or its fingerprint."""
    assert verified(file) == OWN
    file.write_text(json.dumps(json.loads(file.read_text()), indent=7, sort_keys=True))
    assert verified(file, expected=OWN.public_key) == OWN


def test_the_key_is_of_the_secret():
    """The same secret key gives the same key on every machine, another one another."""
    assert report_signature.public_key(secret=SECRET) == OWN
    assert report_signature.public_key(secret=SECRET + "x") != OWN


CHANGES = {
    "totals": lambda report: report["totals"][0].update(target="11.00"),
    "down_time": lambda report: report["down_time"].update(down_seconds=12.5),
    "messages": lambda report: report["messages"].append({}),
    "move": lambda report: report.pop("move"),
    "added": lambda report: report.update(added=1),
}


@pytest.mark.parametrize("part", CHANGES)
def test_changed_part_is_named(file, part):
    """Whatever is changed, taken out or added is named by its part."""
    changed(file, lambda signed: CHANGES[part](signed["report"]))
    with pytest.raises(ReportChanged, match=f"after it was signed: {part}"):
        verified(file)


def test_changed_with_its_hash(file):
    """A part that is changed together with its SHA-256 is not covered by the signature."""
    other = report_signature.sign({**REPORT, "messages": ["x"]}, secret="somebody else's")

    def change(signed):
        signed["report"] = other["report"]
        signed["signature"]["parts"] = other["signature"]["parts"]

    changed(file, change)
    with pytest.raises(ReportChanged, match="does not hold for its parts"):
        verified(file)


def test_signed_anew_by_another(file):
    """A report that somebody else signed is refused, with the keys of both, unless that one is asked for."""
    other = report_signature.sign(REPORT, secret="somebody else's")
    file.write_text(json.dumps(other))
    with pytest.raises(OtherKey, match=r"by SHA256:.* and not by SHA256:"):
        verified(file)
    assert verified(file, expected=other["signature"]["fingerprint"]).fingerprint != OWN.fingerprint


def test_another_name_for_the_key(file):
    """The fingerprint beside the key cannot be exchanged for one that is trusted."""
    changed(file, lambda signed: signed["signature"].update(fingerprint="SHA256:trusted"))
    with pytest.raises(ReportChanged, match="the key beside it"):
        verified(file)


DAMAGES = {
    "cut": lambda text: text[: len(text) // 2],
    "empty": lambda text: text[:0],
    "said twice": lambda text: text.replace('"messages": []', '"messages": [], "messages": []', 1),
    "no number": lambda text: text.replace("12.25", "NaN"),
    "another file": lambda text: json.dumps([len(text)]),
    "half a surrogate": lambda text: text.replace("night", "\\ud800"),
    "without a signature": lambda text: json.dumps({"report": json.loads(text)["report"]}),
    "no key": lambda text: text.replace(OWN.public_key, "x"),
    "signature of a list": lambda text: json.dumps({"report": {}, "signature": []}) + text[:0],
    "parts of a list": lambda text: json.dumps({"report": {}, "signature": {"parts": []}}) + text[:0],
    "very deep": lambda text: "[" * 100_000 + text[:0],
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_file(file, damage):
    """A file that is cut, ambiguous or something else is not read, and the error says why."""
    file.write_text(DAMAGES[damage](file.read_text()))
    with pytest.raises(ReportUnreadable, match=r"no whole report .*report\.json|report\.json is no whole report"):
        verified(file)


def test_missing_file(tmp_path):
    """A file that is not there is said to be unreadable."""
    with pytest.raises(ReportUnreadable, match="No such file"):
        report_signature.read(tmp_path / "report.json")
