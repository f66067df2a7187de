"""Reading the documents: pages, links, anchors, commands in code blocks, tables."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
PROMPT = re.compile(r"^\$ ((?:.*\\\n)*.*)$", re.MULTILINE)


def shown(page):
    """Name a page as an editor opens it."""
    return str(page.relative_to(ROOT))


def text_of(page):
    """Give a page's text."""
    return page.read_text(encoding="utf-8")


def prose(page):
    """Give a page's text without its code blocks."""
    return BLOCK.sub("", text_of(page))


def anchors(page):
    """Give the anchors of a page's headings, as the usual renderers make them."""
    heads = re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def typed(page):
    """Go through the commands that a page shows as typed at a prompt."""
    for kind, block in BLOCK.findall(text_of(page)):
        if kind in {"console", "text"}:
            yield from (line.replace("\\\n", " ") for line in PROMPT.findall(block))


def words(command):
    """Split a command; give the words of the first `slacktide` or `make` in it, or nothing."""
    lexer = shlex.shlex(command, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    found = [*lexer]
    for name in ("slacktide", "make"):
        starts = [n for n, word in enumerate(found) if word.rpartition("/")[2] == name]
        if starts:
            rest = found[starts[0] + 1 :]
            end = next((n for n, word in enumerate(rest) if set(word) <= set("|&;<>()")), len(rest))
            return [name, *rest[:end]]
    return []


def rows(page, *, head):
    """Give the rows of the table whose head begins with a word, as lists of cells."""
    lines = prose(page).splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith(f"| {head} |")) + 2
    found = []
    for line in lines[start:]:
        if not line.startswith("|"):
            break
        found.append([cell.strip() for cell in line.strip("|").split("|")])
    return found
