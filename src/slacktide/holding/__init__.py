"""Held work: writes to an ERP that wait for a downtime to end, and go on by themselves, in order and once.

Two ways in. A write that is handed in (`store.arrive`) is kept in the control database and released by the workers;
or a job of one's own runs in a passage (`held`) and is made to wait by its own queue.

What could go wrong is told as numbered events where it is answered: arrivals in `store`, the schedule in `look`, the
write and the downtime's start in `passage`, kills and order in `release`, whose failure it is in `failure`, jobs in
`job` and `retry`, commands in `gates.command`. `docs/explanation/holding.md` has them in one place, each with its test.

Modules: `state` (the state machine), `item`, `failure`, `wording`, `answer` (pure); `store` (the tables), `look`,
`passage`, `attempt`, `release`; `place` and `work` (where it goes, and by which program); `job`, `retry`,
`listing`; `sample`.
"""

from slacktide.holding.job import held

__all__ = ["held"]
