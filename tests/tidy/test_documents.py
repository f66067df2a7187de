"""The reference names every command, every variable of the environment and every option there is."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from slacktide.cli.commands import app

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"
VARIABLE = re.compile(r"SLACKTIDE_[A-Z_]+")


def walk(group, names=()):
    """Go through the commands that can be run, each with its name in full."""
    for name in group:
        if not name.startswith("-"):
            full = (*names, name)
            command = group[name]
            yield from [(" ".join(full), command)] if command.default_command else walk(command, full)


def headings(file):
    """Give the texts of the headings of a page."""
    lines = (REFERENCE / file).read_text(encoding="utf-8").splitlines()
    return {line.lstrip("#").strip().replace("`", "") for line in lines if line.startswith("#")}


def constants(path):
    """Give the texts in a module's code that are whole constants."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}


@pytest.fixture(scope="module")
def commands():
    """Give every command by its name."""
    return dict(walk(app))


def test_every_command_is_documented(commands):
    """Each command has a heading in docs/reference/commands.md, and no heading names another."""
    documented = {heading for heading in headings("commands.md") if heading.startswith("slacktide ")}
    assert documented == {f"slacktide {name}" for name in commands}


def test_every_command_takes_json(commands):
    """Each command takes --json, and each option has a help text."""
    for name, command in commands.items():
        options = [argument for argument in command.assemble_argument_collection() if argument.show]
        assert "--json" in {option.name for option in options}, name
        assert [option.name for option in options if not option.parameter.help] == [], name


def test_every_variable_is_documented():
    """Each variable that is read has a heading in docs/reference/configuration.md, and no other has."""
    read = {text for path in (ROOT / "src").rglob("*.py") for text in constants(path) if VARIABLE.fullmatch(text)}
    assert {heading for heading in headings("configuration.md") if VARIABLE.fullmatch(heading)} == read


def test_every_option_is_documented(commands):
    """The section of a command in docs/reference/commands.md names each of its options but those that all share."""
    text = (REFERENCE / "commands.md").read_text(encoding="utf-8")
    parts = {part.partition("\n")[0].replace("`", ""): part for part in text.split("\n## ")}
    shared = {"--json", "--reason", "--as"}
    missing = {
        name: wanted
        for name, command in commands.items()
        if (wanted := options(command) - shared - set(re.findall(r"--[a-z-]+", parts.get(f"slacktide {name}", ""))))
    }
    assert missing == {}


def options(command):
    """Give the options that a command's help shows."""
    named = {argument.name for argument in command.assemble_argument_collection() if argument.show}
    return {name for name in named if name.startswith("--")}
