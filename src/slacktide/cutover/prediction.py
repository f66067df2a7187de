"""How long the down time will take: what the last rehearsal measured, for what has changed since.

Every step takes what it took at the rehearsal, but for the final synchronization, which grows with the objects that it
has to bring, by what the rehearsal measured for one: those that are journalled, and those that come at the rate of the
last minute of trade since Synchronization was stopped. Waiting for people (a writer, a go) is not predicted. Where
testers are let in, everything behind the barrier is done once more, and all is compared: that is predicted by itself.

A prediction is kept beside what came of it: of each down time by its attempt, and of each rehearsal by what the one
before would have said of it. So it has an error, which is shown with it.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from slacktide.core.duration import format_instant
from slacktide.postgres import sql

if TYPE_CHECKING:
    import psycopg
    from psycopg.rows import TupleRow

    from slacktide.transfer.move import Move

    _Connection = psycopg.Connection[TupleRow]

_REHEARSALS = sql.load(__package__, "rehearsal.sql")
_STATEMENTS = sql.load(__package__, "prediction.sql")

LARGEST_AGE = timedelta(days=7)
GROWING = "final_synchronization"
_ONCE = ("closing", "quiet", "hand_over")  # the steps that testers do not have done again
_SOON_SECONDS = 5.0  # between stopping the processes and Start, while they still run


class Prediction(msgspec.Struct, kw_only=True):
    """What is expected, in seconds of work; `elapsed_seconds` is from Start to open, if nobody is waited for.

    `round_seconds` come on top where testers are let in: the steps behind the barrier once more, everything compared.
    """

    rehearsal: int
    rehearsed_at: datetime
    steps: dict[str, float]
    work_seconds: float
    elapsed_seconds: float
    objects: int
    source_open_seconds: float
    target_clear_seconds: float
    round_seconds: float = 0.0
    error: str = ""


class Measured(msgspec.Struct):
    """What a rehearsal measured: the steps' work, how long a worker took to take them up, objects, giving it up.

    `whole_seconds` is what it took to compare everything, beside the steps.
    """

    steps: dict[str, float]
    take_up_seconds: float
    objects: int
    object_seconds: float
    source_open_seconds: float
    target_clear_seconds: float = 0.0
    whole_seconds: float = 0.0

    @property
    def work_seconds(self) -> float:
        """All the work."""
        return sum(self.steps.values())

    def predict(self, rehearsal: Rehearsed, *, objects: int) -> Prediction:
        """Predict a down time that has so many objects to bring."""
        steps = self.steps | {GROWING: self._synchronize(objects)}
        work = sum(steps.values())
        return Prediction(
            rehearsal=rehearsal.rehearsal,
            rehearsed_at=rehearsal.begun_at,
            steps={name: round(seconds, 3) for name, seconds in steps.items()},
            work_seconds=round(work, 3),
            elapsed_seconds=round(work + self.take_up_seconds, 3),
            objects=objects,
            source_open_seconds=round(self.source_open_seconds, 3),
            target_clear_seconds=round(self.target_clear_seconds, 3),
            round_seconds=round(self._once_more(), 3),
        )

    def _synchronize(self, objects: int) -> float:
        return max(0.0, self.steps.get(GROWING, 0.0) + (objects - self.objects) * self.object_seconds)

    def _once_more(self) -> float:
        again = self.steps | {GROWING: self._synchronize(0)}
        return self.whole_seconds + sum(seconds for name, seconds in again.items() if name not in _ONCE)


class Rehearsed(msgspec.Struct, frozen=True):
    """One rehearsal as it is kept."""

    rehearsal: int
    who: str
    shadow: str
    plan_checksum: str
    begun_at: datetime
    ended_at: datetime | None
    state: str
    error: str | None
    measured: Measured | None
    predicted: Prediction | None


class Truth(msgspec.Struct, frozen=True):
    """A prediction and what came of it; `tested` tells that testers were let in."""

    what: str
    at: datetime
    predicted: Prediction
    work_seconds: float
    elapsed_seconds: float
    steps: dict[str, float]
    tested: bool = False

    @property
    def expected_seconds(self) -> float:
        """The work that was predicted of it, with testers where there were some."""
        return self.predicted.work_seconds + (self.predicted.round_seconds if self.tested else 0.0)

    @property
    def error(self) -> str:
        """Say how far the truth was from the prediction: in parts of the prediction, and in seconds."""
        off = self.work_seconds - self.expected_seconds
        return f"{100 * off / max(self.expected_seconds, 0.001):+.0f} % ({off:+.2f} s) at {self.what}"


class Verdict(msgspec.Struct, frozen=True):
    """Whether a precondition holds, why or why not, and how to mend it."""

    ok: bool
    reason: str = ""
    mend: str = ""


def rehearsals(control: _Connection, *, move: Move) -> list[Rehearsed]:
    """List a move's rehearsals, the last one first."""
    rows = control.execute(_REHEARSALS["rehearsals"], {"move_id": move.move_id}).fetchall()
    names = Rehearsed.__struct_fields__
    return [msgspec.convert(dict(zip(names, row, strict=True)), Rehearsed) for row in rows]


def _prediction(found: Any) -> Prediction | None:
    return None if found is None else msgspec.convert(found, Prediction)


def last(control: _Connection, *, move: Move) -> Rehearsed | None:
    """Give the last rehearsal that came to its end."""
    return next((each for each in rehearsals(control, move=move) if each.measured), None)


def truths(control: _Connection, *, move: Move) -> list[Truth]:
    """List what was predicted and came to be, of rehearsals and of down times, the last one first."""
    found = []
    rows = control.execute(_STATEMENTS["down_times"], {"move_id": move.move_id})
    for what, at, predicted, elapsed, steps, tested in rows:
        expected = msgspec.convert(predicted, Prediction)
        found.append(Truth(what, at, expected, sum(steps.values()), elapsed.total_seconds(), steps, tested))
    for each in rehearsals(control, move=move):
        if each.measured and each.predicted:
            took = each.measured.work_seconds
            found.append(
                Truth(f"rehearsal {each.rehearsal}", each.begun_at, each.predicted, took,
                      took + each.measured.take_up_seconds, each.measured.steps)
            )  # fmt: skip
    return sorted(found, key=lambda truth: truth.at, reverse=True)


def objects_ahead(control: _Connection, *, move: Move) -> int:
    """Estimate how many objects the final synchronization would have to bring."""
    row = control.execute(_STATEMENTS["trade"], {"move_id": move.move_id}).fetchone()
    if row is None:
        return 0
    journalled, rate, stopped_seconds = row
    return int(journalled + rate * (_SOON_SECONDS if stopped_seconds is None else stopped_seconds))


def predict(control: _Connection, *, move: Move) -> Prediction | None:
    """Predict the down time of a move, were it started now; None without a rehearsal."""
    rehearsal = last(control, move=move)
    if rehearsal is None or rehearsal.measured is None:
        return None
    found = rehearsal.measured.predict(rehearsal, objects=objects_ahead(control, move=move))
    errors = [truth.error for truth in truths(control, move=move)]
    found.error = ", ".join(errors[:3]) or "not known yet: rehearse once more"
    return found


def bind(control: _Connection, *, move: Move, attempt: int) -> None:
    """Keep what is predicted of a down time that starts."""
    found = predict(control, move=move)
    if found is not None:
        facts = {"attempt": attempt, "rehearsal": found.rehearsal, "predicted": msgspec.json.encode(found).decode()}
        control.execute(_STATEMENTS["bind"], {"move_id": move.move_id, **facts})


def bound(control: _Connection, *, move: Move, attempt: int) -> Prediction | None:
    """Give what was predicted of a down time when it was started."""
    row = control.execute(_STATEMENTS["bound"], {"move_id": move.move_id, "attempt": attempt}).fetchone()
    return _prediction(row[0]) if row else None


def judge(
    control: _Connection, *, move: Move, now: datetime, end: datetime | None, open_by: datetime | None
) -> Verdict:
    """Judge whether the predicted duration fits the window that ends then, and the hour to be open by."""
    again = f"slacktide move rehearse {move.name}, or waive it by name: --waive prediction=NAME"
    rehearsal, found = last(control, move=move), predict(control, move=move)
    if rehearsal is None or found is None:
        return Verdict(ok=False, reason="it was not rehearsed", mend=again)
    at = format_instant(rehearsal.begun_at.replace(microsecond=0))
    if now - rehearsal.begun_at > LARGEST_AGE:
        return Verdict(
            ok=False, reason=f"the last rehearsal is of {at}, more than {LARGEST_AGE.days} days ago", mend=again
        )
    if rehearsal.plan_checksum != move.plan.checksum:
        return Verdict(ok=False, reason=f"the rehearsal of {at} was of another plan", mend=again)
    said = f"predicted {found.elapsed_seconds:.1f} s by the rehearsal of {at}; error so far: {found.error}"
    limits = {"the downtime ends": end, "it has to be open": open_by}
    for what, limit in limits.items():
        if limit is not None and now + timedelta(seconds=found.elapsed_seconds) > limit:
            left = max(0.0, (limit - now).total_seconds())
            return Verdict(ok=False, reason=f"{said}; {what} in {left:.0f} s", mend=_longer(move, what))
    return Verdict(ok=True, reason=said)


def _longer(move: Move, what: str) -> str:
    longer = f"slacktide downtime list --organization {move.organization}, then slacktide downtime extend ID --by PT1H"
    return f"{'name a later --open-by' if 'open' in what else longer}, or waive it by name: --waive prediction=NAME"
