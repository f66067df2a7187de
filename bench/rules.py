"""Take each rule out of a copy of the program, and see its test fail.

    python -m bench.rules
    python -m bench.rules --only page-border --only zombie

`bench/rules/*.yaml` holds the rules: which text of which file is put in place of which, so that the rule is out and the
program still runs, and which test has to notice. First all these tests run once in the copy as it is, and have to pass.
Then, rule by rule, one text is changed, its test runs, and the text is put back.

A rule counts as held only if its test failed by an assertion or an error of the product: not where the copy could no
longer be read, nor where the test could not begin. A test that went on until its time was over counts only where the
rule says `times_out`. It ends with 1 if any rule was taken out unnoticed.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from xml.etree import ElementTree as ET

import msgspec

ROOT = Path(__file__).parents[1]
TABLES = sorted((ROOT / "bench" / "rules").glob("*.yaml"))
COPIED = ("src", "tests", "bench", "pyproject.toml")
SECONDS = 60
_SPARE_SECONDS = 60  # for what surrounds a test: its server, its fixtures
_BROKEN = re.compile(
    r"(SyntaxError|IndentationError|ImportError|ModuleNotFoundError|NameError|UnboundLocalError|AttributeError"
    r"|TypeError|psycopg\.errors\.(SyntaxError|Undefined\w+|Ambiguous\w+|DatatypeMismatch|CannotCoerce))\b"
)


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One rule: what could happen, how the rule is taken out, and the test that has to notice.

    `file` is below `src/slacktide`, `test` and `run` below `tests`; `run` is what has to run for the test to make
    sense, where that is more than itself.
    """

    name: str
    event: str
    file: str
    take: str
    put: str
    test: str
    run: str = ""
    times_out: bool = False
    seconds: int = SECONDS


class Outcome(msgspec.Struct, frozen=True):
    """What came of a rule's test: whether it failed as it should, and what it said."""

    noticed: bool
    said: str
    seconds: float


def rules() -> list[Rule]:
    """Read all rules, in the order of the tables."""
    tables = [msgspec.yaml.decode(table.read_bytes(), type=dict[str, list[Rule]]) for table in TABLES]
    return [rule for table in tables for listed in table.values() for rule in listed]


def without(rule: Rule, *, text: str) -> str:
    """Give a file's text without the rule. Ends the program where what is to be taken out is not there once."""
    count = text.count(rule.take)
    if count != 1:
        sys.exit(f"{rule.name}: the text to take out of src/slacktide/{rule.file} is there {count} times")
    return text.replace(rule.take, rule.put)


class Copy:
    """A copy of the program and its tests, in which rules are taken out."""

    def __init__(self, folder: Path) -> None:
        """Copy the program to a folder, and see that what runs there runs from there."""
        self.folder = folder
        for name in COPIED:
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
            copy(ROOT / name, folder / name)
        self.environment = os.environ | {
            "PYTHONPATH": os.pathsep.join((str(folder / "src"), str(folder))),
            "PYTHONDONTWRITEBYTECODE": "1",  # two texts of one length within a second are told apart by nothing
        }
        ask = [sys.executable, "-c", "import slacktide; print(slacktide.__file__)"]
        found = subprocess.run(ask, env=self.environment, cwd=folder, capture_output=True, text=True, check=True).stdout
        if not Path(found.strip()).is_relative_to(folder):
            sys.exit(f"the copy's processes would run {found.strip()}")

    def passes(self, listed: list[Rule]) -> bool:
        """Run every test that is named, once, with every rule in."""
        nodes = sorted({rule.run or rule.test for rule in listed}, key=_place)
        code, failures = self._pytest(nodes, seconds=SECONDS * 2, limit=_SPARE_SECONDS * (len(nodes) + 1), show=True)
        for test, message in failures:
            print(f"{test}: {message}")
        return code == 0

    def take_out(self, rule: Rule) -> Outcome:
        """Take one rule out, run its test, and put the rule back."""
        file = self.folder / "src" / "slacktide" / rule.file
        whole, begun = file.read_text(encoding="utf-8"), time.monotonic()
        file.write_text(without(rule, text=whole), encoding="utf-8")
        try:
            code, failures = self._pytest(
                [rule.run or rule.test], seconds=rule.seconds, limit=rule.seconds + _SPARE_SECONDS
            )
        finally:
            file.write_text(whole, encoding="utf-8")
        noticed, said = _judge(rule, code, failures)
        return Outcome(noticed, said, time.monotonic() - begun)

    def _pytest(
        self, nodes: list[str], *, seconds: int, limit: int, show: bool = False
    ) -> tuple[int | None, list[tuple[str, str]]]:
        """Run tests; give the exit code, None where they had to be ended, and each failure: test and message."""
        report = self.folder / "report.xml"
        report.unlink(missing_ok=True)
        options = [
            "-q",
            "-x",
            "-m",
            "long or not long",
            "-p",
            "no:cacheprovider",
            f"--timeout={seconds}",
            f"--junitxml={report}",
        ]
        command = [sys.executable, "-m", "pytest", *options, *(f"tests/{node}" for node in nodes)]
        out = None if show else subprocess.DEVNULL
        with subprocess.Popen(
            command, env=self.environment, cwd=self.folder, stdout=out, stderr=out, start_new_session=True
        ) as running:
            try:
                code = running.wait(limit)
            except subprocess.TimeoutExpired:
                code = None
            finally:
                _end(running)
        return code, _failures(report) if report.exists() else []


def _place(node: str) -> tuple[str, int]:
    """Say where a test stands: those of a module that share something are run in their order."""
    file, _, test = node.partition("::")
    text = (ROOT / "tests" / file).read_text(encoding="utf-8")
    return file, text.find(f"def {test.partition('[')[0]}(")


def _end(running: subprocess.Popen[bytes]) -> None:
    """End tests that still run, as somebody at the keyboard does, so that they leave no server behind."""
    for number, seconds in ((signal.SIGINT, _SPARE_SECONDS), (signal.SIGKILL, _SPARE_SECONDS)):
        if running.poll() is None:
            os.killpg(running.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                running.wait(seconds)


def _failures(report: Path) -> list[tuple[str, str]]:
    """Read what failed: the test without its parameters, and the first line of the message."""
    cases = ET.parse(report).iter("testcase")  # noqa: S314 -- pytest wrote it a moment ago
    return [
        (case.get("name", "").partition("[")[0], (found.get("message") or "").partition("\n")[0])
        for case in cases
        for found in (*case.iter("failure"), *case.iter("error"))
    ]


def _judge(rule: Rule, code: int | None, failures: list[tuple[str, str]]) -> tuple[bool, str]:
    """Tell whether a rule's test noticed that it is out, and what it said."""
    if code == 0:
        return False, "passes without the rule"
    if code != 1 or not failures:
        return False, "the tests did not come to an end" if code is None else f"pytest ended with {code}"
    test, message = failures[0]
    said = re.sub(r'^failed on teardown with "(.*)"?$', r"\1", message)
    if test != rule.test.rpartition("::")[2]:
        return False, f"{test} failed instead: {message}"
    if message.startswith(("failed on setup", "collection failure")) or _BROKEN.match(said):
        return False, f"the test could not be run: {message}"
    if "Timeout (>" in message and not rule.times_out:
        return False, f"it did not end: {message}"
    return True, said


def main() -> None:
    """Take out all rules, or those that are named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", metavar="NAME", help="take out this rule; may be given again")
    only = parser.parse_args().only
    listed = [rule for rule in rules() if only is None or rule.name in only]
    if not listed:
        sys.exit(f"no rule has this name; there are {', '.join(rule.name for rule in rules())}")
    for rule in listed:
        without(rule, text=(ROOT / "src" / "slacktide" / rule.file).read_text(encoding="utf-8"))
    folder, begun = Path(tempfile.mkdtemp(prefix="slacktide-rules-")), time.monotonic()
    try:
        sys.exit(_all(Copy(folder), listed, begun))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _all(copy: Copy, listed: list[Rule], begun: float) -> int:
    print(f"{len(listed)} rules; first, their tests with every rule in", flush=True)
    if not copy.passes(listed):
        print("a test fails although no rule is out: nothing can be seen")
        return 1
    unnoticed = []
    for rule in listed:
        outcome = copy.take_out(rule)
        verdict = "fails as it should" if outcome.noticed else "NOT NOTICED"
        print(f"{rule.name:<32} {outcome.seconds:5.1f} s  {rule.test}\n    {verdict}: {outcome.said[:160]}", flush=True)
        unnoticed += [] if outcome.noticed else [rule.name]
    print(
        f"{len(listed) - len(unnoticed)} of {len(listed)} rules were seen to matter, {time.monotonic() - begun:.0f} s"
    )
    for name in unnoticed:
        print(f"not noticed: {name}")
    return 1 if unnoticed else 0


if __name__ == "__main__":
    main()
