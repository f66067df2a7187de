"""Task 4: from the source's codes to the target's, and every code in use without a mapping, before anything is sent.

A code that is the same on both sides maps to itself; the property's own code maps to the one that it has at the
target. A code is *left out* where its mapping is to nothing; a list that some column must have a code of cannot be
left out. A mandatory code without a mapping fails each message that carries it, so the gate is closed until there is
none.

A changed mapping has every object that uses the code read again. The order answers these events:

1. Generate reads an object with the old mapping while the new one is written: the mapping commits first, then the
   source is asked who uses the code, so that whatever was read with the old one is found.
2. The command is killed in between: which codes are to be read again commits together with the mappings, and the next
   call goes on with them.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

import msgspec

from slacktide.control.audit import record_audit
from slacktide.core.errors import InputError, UsageError
from slacktide.plan.document import nearest
from slacktide.postgres import sql
from slacktide.transfer import configuration_sql, conversion_sql
from slacktide.transfer.entry import Touched
from slacktide.transfer.journal import Journal
from slacktide.transfer.move import set_fact

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    import psycopg
    from psycopg.rows import TupleRow

    from slacktide.plan.model import Code, CodeList, Entity, Table
    from slacktide.transfer.move import Move

    _Connection = psycopg.Connection[TupleRow]
    Name = tuple[str, str]  # a list, and a code of it

_STATEMENTS = sql.load(__package__, "conversion.sql")
_SHOWN = 10
_TO_READ_AGAIN = "codes_to_read_again"


class UnmappedCodes(InputError):
    """Mandatory codes in use have no mapping: {codes}. Map them with `slacktide move convert {move} --mappings FILE.csv`, or `--default LIST=CODE`."""  # noqa: E501 -- the message is one sentence


class BadMappings(InputError):
    """Nothing was mapped: {problems}. Mend that, then run `slacktide move convert {move}` again."""


class UnknownList(UsageError):
    """The plan has no code list {name!r}{hint}: it has {known}. Run `slacktide move convert {move} --default LIST=CODE` with one of them."""  # noqa: E501 -- the message is one sentence


class CodeMapping(msgspec.Struct, frozen=True, order=True):
    """A mapping of one code; without a target code it is left out on purpose."""

    list: str
    source_code: str
    target_code: str | None


class CodeInUse(msgspec.Struct, frozen=True):
    """A code that objects of the property use, in so many rows, and what becomes of it.

    `state` is `mapped`, `left out` or `unmapped`; `mandatory` says that some of the columns must have a code.
    """

    list: str
    code: str
    count: int
    mandatory: bool
    columns: tuple[str, ...]
    state: str
    target_code: str | None


class Changed(msgspec.Struct, frozen=True):
    """What a call changed: mappings that are new or other ones, and how many objects are read again for them."""

    mappings: list[CodeMapping]
    objects: int


class Conversion:
    """The codes of one move, over its three databases."""

    def __init__(
        self, control: _Connection, *, source: _Connection, target: _Connection, move: Move, who: str, reason: str = ""
    ) -> None:
        """Take the connections, all in autocommit mode, and who asks, for the audit trail."""
        self._who, self._reason = who, reason
        self._control, self._source, self._target, self._move = control, source, target, move
        self._plan = move.plan.late  # what moves after the opening is sent as well: its codes are known beforehand

    # -- what there is -------------------------------------------------------------------------------------------------

    def mappings(self) -> list[CodeMapping]:
        """List the mappings by list and code."""
        return [
            CodeMapping(*row) for row in self._control.execute(_STATEMENTS["mappings"], {"move_id": self._move.move_id})
        ]

    def valid_mappings(self) -> list[CodeMapping]:
        """List those to a code that the target has, or to nothing."""
        valid = self.valid_codes()
        return [one for one in self.mappings() if one.target_code is None or one.target_code in valid.get(one.list, ())]

    def valid_codes(self) -> dict[str, set[str]]:
        """Give, by list, the codes that the property can have at the target."""
        return {item.name: self._at_target(item, {None, self._move.target_property}) for item in self._plan.lists}

    def in_use(self, *, by: Iterable[CodeMapping] = ()) -> list[CodeInUse]:
        """List the codes that the property uses, by list and code, with what becomes of each, by more mappings too."""
        mapped = {(one.list, one.source_code): one.target_code for one in [*self.mappings(), *by]}
        valid = self.valid_codes()
        counts: dict[Name, int] = defaultdict(int)
        columns: dict[Name, list[tuple[str, bool]]] = defaultdict(list)
        for entity, table, code in self._columns():
            for value, count in self._rows(conversion_sql.in_use(self._plan, entity, table, code)):
                counts[code.list, value] += count
                columns[code.list, value].append((f"{table.name}.{code.column}", code.mandatory))
        return [
            _code(name, counts[name], columns[name], mapped=mapped, valid=valid[name[0]]) for name in sorted(counts)
        ]

    def _columns(self) -> Iterator[tuple[Entity, Table, Code]]:
        """Go through the columns with codes of all that is sent, before the opening or after it."""
        for entity in self._plan.moving:
            for table in entity.tables:
                for code in table.codes:
                    yield entity, table, code

    def _rows(self, query: Any, **facts: object) -> list[TupleRow]:
        return self._source.execute(query, {"property": self._move.property_code, **facts}).fetchall()

    def _at_target(self, item: CodeList, whose: set[str | None]) -> set[str]:
        return {code for code_of, code in self._target.execute(conversion_sql.valid(item)) if code_of in whose}

    # -- mapping -------------------------------------------------------------------------------------------------------

    def map_same(self) -> Changed:
        """Map every code without a mapping that the target has too to itself, and the property's code to its own."""
        return self._put(self._same())

    def _same(self, *, beside: Iterable[CodeMapping] = ()) -> list[CodeMapping]:
        known = {(one.list, one.source_code) for one in [*self.mappings(), *beside]}
        return [one for item in self._plan.lists for one in self._same_in(item, known)]

    def _same_in(self, item: CodeList, known: set[Name]) -> Iterator[CodeMapping]:
        move, there = self._move, set(self._target.execute(conversion_sql.valid(item)))
        becomes = {move.property_code: move.target_property}
        own = becomes if configuration_sql.is_property(self._plan, item) else {}
        for whose, code in self._source.execute(conversion_sql.valid(item)).fetchall():
            other = own.get(code, code)
            if (item.name, code) not in known and (becomes.get(whose, whose), other) in there:
                known.add((item.name, code))
                yield CodeMapping(item.name, code, other)

    def put(self, placed: list[tuple[str, CodeMapping]], *, defaults: Mapping[str, str] | None = None) -> Changed:
        """Write mappings, then what is the same on both sides, then a list's rest in use to its default: all or none.

        Each mapping has the place to name in an error; a default is a code, by list. Raises UnknownList, BadMappings.
        """
        defaults = defaults or {}
        self._require(placed, defaults)
        given = [one for _, one in placed]
        given += self._same(beside=given)
        used = self.in_use(by=given) if defaults else []
        rest = [one for one in used if one.list in defaults and one.state == "unmapped"]
        return self._put([*given, *(CodeMapping(one.list, one.code, defaults[one.list]) for one in rest)])

    def _require(self, placed: list[tuple[str, CodeMapping]], defaults: Mapping[str, str]) -> None:
        known = [item.name for item in self._plan.lists]
        for name in defaults:
            if name not in known:
                hint = nearest(name, known)
                raise UnknownList(name=name, hint=hint, known=", ".join(known), move=self._move.name)
        problems = list(self._problems([*placed, *(("", CodeMapping(name, "", defaults[name])) for name in defaults)]))
        if problems:
            more = [f"and {len(problems) - _SHOWN} more"] if len(problems) > _SHOWN else []
            raise BadMappings(problems="; ".join([*problems[:_SHOWN], *more]), move=self._move.name)

    def _problems(self, placed: list[tuple[str, CodeMapping]]) -> Iterator[str]:
        valid = self.valid_codes()
        required = {code.list for _, _, code in self._columns() if code.mandatory}
        seen: set[Name] = set()
        for place, one in placed:
            if one.list not in valid:
                yield f"{place}the plan has no code list {one.list!r}{nearest(one.list, valid)}"
            elif (one.list, one.source_code) in seen:
                yield f"{place}{one.source_code!r} of the list {one.list} is mapped twice"
            elif one.target_code is None and one.list in required:
                yield f"{place}{one.source_code!r} of the list {one.list} cannot be left out, for it is mandatory"
            elif one.target_code is not None and one.target_code not in valid[one.list]:
                hint = nearest(one.target_code, valid[one.list])
                yield f"{place}the target has no code {one.target_code!r} in the list {one.list}{hint}"
            seen.add((one.list, one.source_code))

    # -- writing, and reading again ------------------------------------------------------------------------------------

    def _put(self, mappings: Iterable[CodeMapping]) -> Changed:
        """Write what is new or other than before; then have what uses these codes read again."""
        with self._control.transaction():
            waiting, incarnation = self._locked()
            before = {(one.list, one.source_code): one for one in self.mappings()}
            changed = [one for one in mappings if before.get((one.list, one.source_code)) != one]
            facts = {"lists": [one.list for one in changed], "sources": [one.source_code for one in changed]}
            targets = [one.target_code for one in changed]
            self._control.execute(_STATEMENTS["put"], {"move_id": self._move.move_id, "targets": targets, **facts})
            self._record(changed)
            names = sorted({*waiting, *((one.list, one.source_code) for one in changed)})
            if incarnation and names:
                set_fact(self._control, move=self._move, name=_TO_READ_AGAIN, value=names)
        return Changed(changed, self.read_again())

    def _record(self, changed: list[CodeMapping]) -> None:
        if changed:
            subject = f"move {self._move.name}"
            record_audit(
                self._control, who=self._who, what="move convert", object=subject, after=changed, reason=self._reason
            )

    def read_again(self) -> int:
        """Enqueue every object that uses a code whose mapping was changed; give how many they are."""
        with self._control.transaction():
            waiting, _ = self._locked()
            if not waiting:
                return 0
            journal = Journal(self._control, move_id=self._move.move_id)
            touched = self._users(waiting, outside=journal.outside())
            (now,) = self._control.execute(_STATEMENTS["now"]).fetchone() or (None,)
            if touched:
                journal.enqueue(touched, now=now)
            set_fact(self._control, move=self._move, name=_TO_READ_AGAIN, value=[])
            return len(touched)

    def _locked(self) -> tuple[list[Name], int]:
        row = self._control.execute(_STATEMENTS["lock"], {"move_id": self._move.move_id}).fetchone()
        waiting, incarnation = row or ([], 0)
        return [(name, code) for name, code in waiting], incarnation

    def _users(self, names: list[Name], *, outside: dict[str, list[str]]) -> set[Touched]:
        codes: dict[str, list[str]] = defaultdict(list)
        names_of_moving = {entity.name for entity in self._move.plan.moving}
        for name, code in names:
            codes[name].append(code)
        return {
            Touched(entity.name, key)
            for entity, table, code in self._columns()
            if code.list in codes and entity.name in names_of_moving
            for (key,) in self._rows(
                conversion_sql.users(self._plan, entity, table, code),
                codes=codes[code.list],
                outside=outside.get(entity.name, []),
            )
        }


def _code(
    name: Name, count: int, columns: list[tuple[str, bool]], *, mapped: Mapping[Name, str | None], valid: set[str]
) -> CodeInUse:
    """Say of a code in use what becomes of it; a mapping to what the target does not have is none."""
    mandatory = any(required for _, required in columns)
    target = mapped.get(name)
    state = "unmapped"
    if target in valid:
        state = "mapped"
    elif name in mapped and target is None and not mandatory:
        state = "left out"
    return CodeInUse(name[0], name[1], count, mandatory, tuple(column for column, _ in columns), state, target)


def require_mapped(codes: Iterable[CodeInUse], *, move: str) -> None:
    """Raise UnmappedCodes where a mandatory code in use has no mapping."""
    missing = [one for one in codes if one.mandatory and one.state == "unmapped"]
    if missing:
        said = [f"{one.list} {one.code!r} ({one.count} rows)" for one in missing[:_SHOWN]]
        more = [f"and {len(missing) - _SHOWN} more"] if len(missing) > _SHOWN else []
        raise UnmappedCodes(codes=", ".join([*said, *more]), move=move)
