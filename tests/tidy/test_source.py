"""What holds the style of the source (see CONTRIBUTING.md), where ruff has no rule for it."""

from __future__ import annotations

import ast
import io
import re
import subprocess
import sys
import tokenize
from pathlib import Path
from urllib.parse import urlsplit

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = sorted((ROOT / "src").rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
STATEMENTS = sorted((ROOT / "src").rglob("*.sql"))
FILE_LINES = 400
BODY_LINES = 40
VAGUE = {"util", "utils", "common", "helper", "helpers", "manager", "misc"}
SUPPRESSION = re.compile(r"#\s*(noqa|type:\s*ignore|pylint:|pragma:|nosec|fmt:\s*(off|skip))")
REASONED = re.compile(
    r"# noqa: [A-Z]+\d+(, [A-Z]+\d+)* -- \S"  # ruff
    r"|# type: ignore\[[\w-]+(, ?[\w-]+)*\] +(#|--) \S"  # mypy
    r"|# fmt: (off|on|skip)\b",
)
NAMED = re.compile(r"^-- name: (\w+)\n((?:--.*\n)*)", re.MULTILINE)
MACHINE = re.compile(r"(?<![\w.~-])/(?:work|root|home|Users)/\w")
INDEX = re.compile(r"(?<!-emit)(?<!no)-(?:-extra)?-index-url\b|--find-links\b|--trusted-host\b")
OPTION_NAMES = re.compile(r"--no-emit-\S+")
TEXT = {".py", ".sql", ".md", ".toml", ".txt", ".in", ".yaml", ".yml", ".cfg", ".html", ".css", ".sh", ""}
SKIPPED = {"__pycache__", "node_modules"}


def shown(path, line=None):
    """Name a place as an editor opens it."""
    return f"{path.relative_to(ROOT)}{f':{line}' if line else ''}"


def lines_of(path):
    return path.read_text(encoding="utf-8").splitlines()


def functions(path):
    """Go through the functions of a file."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def body_lines(function):
    """Count the lines of a function's body, without its docstring."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return body[-1].end_lineno - body[0].lineno + 1 if body else 0


def comments(path):
    """Go through the comments of a file."""
    for token in tokenize.generate_tokens(io.StringIO(path.read_text(encoding="utf-8")).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def begins(text):
    """Give what an f-string begins with, if that is the beginning of a name, as in `merge_{entity}`."""
    first = text.values[0]
    return first.value if isinstance(first, ast.Constant) and re.fullmatch(r"[a-z]\w*_", first.value) else None


def repository():
    """Go through the files that are ours and hold text."""
    for path in ROOT.rglob("*"):
        parts = path.relative_to(ROOT).parts
        hidden = any(part in SKIPPED or (part.startswith(".") and part != ".ci") for part in parts[:-1])
        ours = parts[-1] != ".git" and "egg-info" not in str(path)  # a work tree's .git is a file that names a folder
        if path.is_file() and not hidden and ours and path.suffix in TEXT:
            yield path


def test_length_of_files():
    """No file of the source or the tests is longer than 400 lines."""
    found = [shown(path) for path in SOURCE + TESTS if len(lines_of(path)) > FILE_LINES]
    assert found == []


def test_length_of_functions():
    """No function's body is longer than 40 lines."""
    found = [
        f"{shown(path, function.lineno)} {function.name}"
        for path in SOURCE
        for function in functions(path)
        if body_lines(function) > BODY_LINES
    ]
    assert found == []


def test_names_of_modules():
    """No module has a name that says nothing."""
    assert [shown(path) for path in SOURCE + TESTS if VAGUE & set(path.stem.split("_"))] == []


def test_modules_have_a_theory():
    """Each module of the source opens with a docstring."""
    found = [shown(path) for path in SOURCE if ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) is None]
    assert found == []


def test_tests_say_what_must_hold():
    """Each test says in a sentence what must hold."""
    found = [
        f"{shown(path, function.lineno)} {function.name}"
        for path in TESTS
        for function in functions(path)
        if function.name.startswith("test_") and not (ast.get_docstring(function) or "").endswith((".", ":"))
    ]
    assert found == []


def test_suppressions_have_a_reason():
    """Each suppression names a code and a reason."""
    found = [
        f"{shown(path, line)} {comment}"
        for path in SOURCE + TESTS
        for line, comment in comments(path)
        if SUPPRESSION.search(comment) and not REASONED.search(comment)
    ]
    assert found == []


@pytest.mark.parametrize("path", STATEMENTS, ids=shown)
def test_statements(path):
    """Each named statement says its purpose, and is used by its package."""
    nodes = [
        node for module in path.parent.glob("*.py") for node in ast.walk(ast.parse(module.read_text(encoding="utf-8")))
    ]
    used = {node.value for node in nodes if isinstance(node, ast.Constant)}
    begun = tuple(begins(node) for node in nodes if isinstance(node, ast.JoinedStr) and begins(node))
    named = NAMED.findall(path.read_text(encoding="utf-8"))
    assert [name for name, purpose in named if not purpose.strip().endswith((".", ":"))] == []
    assert [name for name, _ in named if name not in used and not name.startswith(begun)] == []


def test_nothing_of_this_machine():
    """No file names a folder of somebody's machine, or where packages come from."""
    found = [
        f"{shown(path, number)} {line.strip()}"
        for path in repository()
        for number, line in enumerate(lines_of(path), 1)
        if MACHINE.search(line) or INDEX.search(OPTION_NAMES.sub("", line))
    ]
    assert [line for line in found if not line.startswith(shown(Path(__file__)))] == []


def test_no_index_of_this_machine():
    """No file names the host of the package index that this machine is set to."""
    command = [sys.executable, "-m", "pip", "config", "list"]
    said = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    hosts = {urlsplit(url).hostname for url in re.findall(r"https?://[^'\"\s]+", said)} - {None, "pypi.org"}
    found = [shown(path) for path in repository() if any(host in path.read_text(encoding="utf-8") for host in hosts)]
    assert found == []
