"""What is wrong with a plan: every error at once, each with file, line and field."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from slacktide.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from slacktide.plan.model import Plan


class PlanProblem(msgspec.Struct, frozen=True):
    """One problem: `field` is the path of names from the top of the file; line 0 means the whole file."""

    file: str
    line: int
    field: str
    message: str

    def __str__(self) -> str:
        """Write it as one line."""
        return f"{self.file}:{self.line}: {self.field + ': ' if self.field else ''}{self.message}"


class PlanError(InputError):
    """The plan {file} cannot be used, mend it and call again: {problems}."""

    def __init__(self, *, file: str, errors: list[PlanProblem]) -> None:
        """Keep the errors as values too."""
        super().__init__(file=file, problems="; ".join(str(error) for error in errors))
        self.errors = errors


def line_of(lines: Mapping[str, int], field: str) -> int:
    """Give the line of a field, or of the nearest one around it."""
    while field and field not in lines:
        field = field.rpartition(".")[0]
    return lines.get(field, 0)


class Problems:
    """Collects the problems of one file."""

    def __init__(self, *, file: str, lines: Mapping[str, int]) -> None:
        """Take the file's name and the lines of its fields (which may still grow)."""
        self.file, self.lines = file, lines
        self.found: list[PlanProblem] = []

    def add(self, field: str, message: str, *, line: int | None = None) -> None:
        """Note a problem of a field."""
        at = line_of(self.lines, field) if line is None else line
        self.found.append(PlanProblem(file=self.file, line=at, field=field, message=message))

    def in_order(self) -> list[PlanProblem]:
        """Give the problems in the order of the lines."""
        return sorted(self.found, key=lambda problem: problem.line)


class Notes:
    """Collects errors and warnings about one database, which is named in front of each."""

    def __init__(self, *, plan: Plan, side: str) -> None:
        """Take the plan, for its lines, and the name of the database."""
        self._side = side
        self.errors = Problems(file=plan.file, lines=plan.lines)
        self.warnings = Problems(file=plan.file, lines=plan.lines)

    def error(self, field: str, message: str) -> None:
        """Note what stops the migration."""
        self.errors.add(field, f"{self._side}: {message}")

    def warning(self, field: str, message: str) -> None:
        """Note what is to be known."""
        self.warnings.add(field, f"{self._side}: {message}")
