"""What the explanations say of the code holds: packages, arrows, states, promises, decisions."""

from __future__ import annotations

import ast
import re

import pytest

from slacktide.cutover.precondition import WAIVABLE
from slacktide.downtime.parameter import PARAMETERS
from slacktide.guard.state import TRANSITIONS, State
from tests.docs.documents import PAGES, ROOT, rows, shown, text_of

EXPLANATION = ROOT / "docs" / "explanation"
DECISIONS = sorted((ROOT / "docs" / "decisions").glob("0*.md"))
SOURCE = ROOT / "src" / "slacktide"
PACKAGES = {path.name for path in SOURCE.iterdir() if (path / "__init__.py").exists()}
NODE = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
FILE = re.compile(r"`((?:src|tests|docs|bench)/[a-z\d_./-]+\.\w+)`")
FIELDS = ["Status", "Date", "Context", "Decision", "Why", "Consequences"]


def imported(package):
    """Give the packages of ours that a package imports."""
    found = set()
    for path in (SOURCE / package).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [each.name for each in node.names] if isinstance(node, ast.Import) else []
            if names == ["slacktide"]:
                names = [f"slacktide.{each.name}" for each in node.names]
            found |= {name.split(".")[1] for name in names if name.startswith("slacktide.")}
    return found & PACKAGES - {package}


def test_packages():
    """The architecture has a row for each package, in the order of the layers, with what it imports."""
    table = rows(EXPLANATION / "architecture.md", head="package")
    named = [row[0].strip("`") for row in table]
    layers = re.search(
        r"^layers =\n((?:    \w+\n)+)", (ROOT / ".importlinter").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert set(named) == PACKAGES == set(layers[1].split())
    for at, (package, row) in enumerate(zip(named, table, strict=True)):
        said = {"everything below": set(named[at + 1 :]), "nothing of ours": set()}
        stands = said.get(row[2]) if row[2] in said else set(row[2].split(", "))
        assert imported(package) <= stands, package
        assert row[2] in said or imported(package) == stands, package


@pytest.mark.parametrize("page", PAGES, ids=shown)
def test_named_files_and_tests(page):
    """Each file that a page names is there, and each test is a test of that file."""
    text = text_of(page)
    missing = [name for name in FILE.findall(text) if not (ROOT / name).exists()]
    for file, test in NODE.findall(text):
        tree = ast.parse((ROOT / file).read_text(encoding="utf-8")) if (ROOT / file).exists() else ast.Module([], [])
        if test not in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}:
            missing.append(f"{file}::{test}")
    assert missing == []


def test_promises():
    """Each promise names its code and a test."""
    table = rows(EXPLANATION / "promises.md", head="promise")
    assert [row[0] for row in table if not (FILE.search(row[1]) and row[2] and NODE.search(row[3]))] == []


def test_states():
    """The table of states in cutover.md is the one that decides, without what is done already."""
    table = rows(EXPLANATION / "cutover.md", head="state")
    assert {row[0].strip("`") for row in table} == {str(state) for state in State}
    for state, _, events in table:
        said = set(re.findall(r"([a-z ]+) → `([a-z ]+)`", events))
        own = {(str(e), str(t[0])) for (s, e), t in TRANSITIONS.items() if str(s) == state.strip("`") and t[0] is not s}
        assert {(event.strip(), after) for event, after in said} == own, state


def test_parameters():
    """The table of parameters in downtime.md is the one that counts."""
    said = rows(EXPLANATION / "downtime.md", head="parameter")
    wanted = [
        [f"`{one.name}`", one.title, ", ".join(one.levels), one.kind.expected, one.default or "(none)"]
        for one in PARAMETERS.values()
    ]
    assert said == wanted


def test_waivable():
    """The page of the night names every check that may be waived."""
    text = text_of(ROOT / "docs" / "how-to" / "night.md")
    assert [name for name in WAIVABLE if f"--waive {name}=" not in text] == []


@pytest.mark.parametrize("page", DECISIONS, ids=shown)
def test_decisions(page):
    """A decision has its seven lines, in order, and stands in the list."""
    title, *lines = [line for line in text_of(page).splitlines() if line]
    assert re.fullmatch(rf"# {page.name[:4]} \S.*", title)
    assert [line.split(":")[0].removeprefix("- ") for line in lines] == FIELDS
    assert all(line.partition(": ")[2] for line in lines)
    assert f"({page.name})" in text_of(page.parent / "README.md")
