"""The initial pass of RESORT beside `psql | psql` binary COPY of the same rows with the same keys, in one run.

`python -m bench.initial_pass` prints both, and the ratio. Goal: at most 3.
"""

from __future__ import annotations

import subprocess
import sys
import time
from typing import Any

import psycopg

from bench.setting import Setting
from slacktide.demo.stage import Stage
from slacktide.hotel import schema
from slacktide.hotel.property_plan import PLAN_FILE
from slacktide.plan.load import load_plan
from slacktide.plan.model import Plan
from slacktide.plan.order import closing_columns
from slacktide.postgres import binaries


def copy_seconds(setting: Setting) -> float:
    """Copy the rows that the move wrote, table by table in the order of references, into a database beside."""
    plan = load_plan(path=PLAN_FILE)
    beside = setting.servers[1]
    beside.create_database("beside")
    schema.create(address=beside.address("beside"))
    with setting.connect(setting.source) as source, setting.connect(setting.target) as target:
        source.execute("create table moved (name text, key bigint)")
        with (
            target.cursor().copy("copy (select name, source_key from slacktide.key_map) to stdout") as out,
            source.cursor().copy("copy moved from stdin") as into,
        ):
            for piece in out:
                into.write(piece)
        source.execute("create index on moved (name, key); analyze moved")
        with setting.connect(beside.address("beside")) as fresh:
            _configuration(plan, target, fresh)
            _defer(plan, fresh)
    psql = binaries.folder() / "psql"
    begun = time.monotonic()
    for entity in plan.moving:
        for table in entity.tables:
            key = table.root or table.key[0]
            columns = ", ".join(column.name for column in table.columns)
            read = (f"copy (select {columns} from {table.qualified} where {key} in "
                    f"(select key from moved where name = '{entity.name}')) to stdout (format binary)")  # fmt: skip
            write = f"copy {table.qualified} ({columns}) from stdin (format binary)"
            first = subprocess.Popen([psql, "-qAt", setting.source, "-c", read], stdout=subprocess.PIPE)
            second = subprocess.run(
                [psql, "-q", beside.address("beside"), "-c", write], stdin=first.stdout, check=False
            )
            if first.wait() or second.returncode:
                sys.exit(f"the copy of {table.qualified} failed")
    return time.monotonic() - begun


def _configuration(plan: Plan, target: psycopg.Connection[Any], fresh: psycopg.Connection[Any]) -> None:
    for name in ["hotel.property", *(entity.root.qualified for entity in plan.configuration)]:
        fresh.execute(f"truncate {name} cascade")
        with (
            target.cursor().copy(f"copy {name} to stdout") as out,
            fresh.cursor().copy(f"copy {name} from stdin") as into,
        ):
            for piece in out:
                into.write(piece)


def _defer(plan: Plan, fresh: psycopg.Connection[Any]) -> None:
    """Leave out the foreign keys that close cycles: a plain copy cannot close them."""
    for name, columns in closing_columns(plan.moving).items():
        table = plan.table[name]
        for column in columns:
            for (constraint,) in fresh.execute(
                "select conname from pg_constraint where contype = 'f' and conrelid = %s::regclass and conkey @> array["
                "(select attnum from pg_attribute where attrelid = %s::regclass and attname = %s)]",
                [table.qualified, table.qualified, column],
            ).fetchall():
                fresh.execute(f"alter table {table.qualified} drop constraint {constraint}")


def main() -> None:
    """Run it and print a table."""
    with Stage(lambda line: print(line, flush=True)) as stage:
        setting = Setting(stage)
        ours = setting.pass_seconds()
        stage.run("move", "processes", "stop", "m")
        theirs = copy_seconds(setting)
        with setting.connect(setting.target) as target:
            rows = target.execute("select count(*) from slacktide.key_map").fetchone()[0]
        print(f"initial pass {ours:.2f} s, binary COPY {theirs:.2f} s, ratio {ours / theirs:.2f}; {rows:,} keys")


if __name__ == "__main__":
    main()
