"""A whole night on RESORT of the published bookings while it trades, by the commands that an operator types.

    python -m bench.night [--output FOLDER]

Two rehearsals, partners, the contingency pack; a mandatory code without a mapping and an object that the target refuses
are met and mended while it trades; then the closing, a tester in the verifying phase, two gos, open; what can wait,
forms, End of Day at the target, the report, clean. It prints what was predicted beside what it took, and ends with 1
where anything differs, is missing, or was left behind. The pack and the report go to FOLDER, to be looked at.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import psycopg

from bench.setting import BALANCE, BOOKINGS
from slacktide.demo.stage import Stage
from slacktide.hotel.property_plan import PLAN_FILE

NAME, PROPERTY = "resort", "RESORT"
PARTNERS = ("door locks", "telephone system", "payment terminals", "channel manager", "accounting")
UNMAPPED = """
insert into hotel.market_code values ('RESORT', 'ZZ', 'new today');
update hotel.reservation set market_code = 'ZZ'
where reservation_id = (select min(reservation_id) from hotel.reservation where property_code = 'RESORT')
"""
REFUSING = "alter table hotel.telephone_entry add constraint no_blank check (name <> 'REFUSED') not valid"
REFUSED = (
    "insert into hotel.telephone_entry (property_code, category, name, number) values ('RESORT', 'a', 'REFUSED', '1')"
)
TESTED = (
    "insert into hotel.telephone_entry (property_code, category, name, number) values ('RESORT', 'a', 'TEST', '2')",
    """
    update hotel.trace set body = 'TEST' where property_code = 'RESORT'
        and trace_id = (select min(trace_id) from hotel.trace where property_code = 'RESORT')
    """,
)
LEFT = (
    "select (select count(*) from hotel.telephone_entry where name = 'TEST') "
    "+ (select count(*) from hotel.trace where body = 'TEST')"
)
_REASON = ("--reason", "the move to the new system")


class Night:
    """The night, step by step."""

    def __init__(self, stage: Stage) -> None:
        """Start three servers, load the hotel, and begin the move by a plan that asks for two gos."""
        self.stage = stage
        self.wrong: list[str] = []
        stage.server("control")
        servers = [stage.server("source"), stage.server("target")]
        for server in servers:
            server.create_database("hotel")
        self.source, self.target = (server.address("hotel") for server in servers)
        for address in (self.source, self.target):
            stage.run("hotel", "create", address)
        given = ["--bookings", str(BOOKINGS.resolve())] if BOOKINGS.exists() else []
        stage.run("hotel", "load", self.source, *given)
        stage.run("hotel", "cashiers", "close", self.source, "--property", PROPERTY)
        plan = stage.folder / "plan.yaml"
        text = PLAN_FILE.read_text(encoding="utf-8")
        plan.write_text(text.replace("roles: [operations]", "roles: [operations, finance]"), encoding="utf-8")
        for _ in range(2):
            stage.start("worker")
        stage.run("move", "create", NAME, "--plan", str(plan), "--property", PROPERTY, "--source", self.source,
                  "--target", self.target)  # fmt: skip
        stage.run("user", "add", "ada", "--organization", PROPERTY)
        for task in (["connections"], ["configure"], ["convert"], ["prepare", "--apply"]):
            stage.run("move", task[0], NAME, *task[1:])
        self.promises = stage.folder / "promises.jsonl"

    def do(self, address: str, statement: str, *, role: str | None = None) -> Any:
        """Run statements in a database, as somebody."""
        with psycopg.connect(address, autocommit=True) as connection:
            if role is not None:
                connection.execute(psycopg.sql.SQL("set role {}").format(psycopg.sql.Identifier(role)))
            found = connection.execute(statement.encode())
            row = found.fetchone() if found.description else None
            return row[0] if row else None

    def expect(self, what: str, holds: object) -> None:
        """Note what does not hold."""
        self.stage.say(f"  {'yes' if holds else 'NO '}  {what}")
        self.wrong += [] if holds else [what]

    def hold(self, what: str, said: float, took: float) -> None:
        """Hold what was predicted against what it took."""
        near = abs(took - said) <= max(1.0, 0.1 * took)
        self.expect(f"{what}: predicted {said:.2f} s, took {took:.2f} s: within 10 % or 1 s", near)

    def until_steady(self, *, errors: int = 0) -> dict[str, Any]:
        """Wait until it is steady and verified ahead, or shows so many errors."""
        while True:
            seen: dict[str, Any] = self.stage.run("move", "status", NAME, show=False)
            found = self.stage.run("move", "error", "list", NAME, show=False)["errors"]
            if errors and len(found) >= errors:
                return seen
            verified = self.stage.run("move", "verify", NAME, show=False, accept=(0, 1)).get("verified")
            if not errors and not found and seen["steady"] and verified:
                return seen
            time.sleep(1)

    def mend(self) -> None:
        """Meet a code without a mapping and a refused object while it trades, and mend both."""
        self.do(self.target, REFUSING)
        self.do(self.source, UNMAPPED)
        self.do(self.source, REFUSED)
        self.until_steady(errors=2)
        listed = self.stage.run("move", "error", "list", NAME)["errors"]
        self.expect("both errors say what can be done", all(error["ways"] for error in listed))
        mappings = self.stage.folder / "mappings.csv"
        code = self.do(self.target, "select min(code) from hotel.market_code where property_code = 'RESORT'")
        mappings.write_text(f"list,source_code,target_code\nmarket,ZZ,{code}\n", encoding="utf-8")
        self.stage.run("move", "convert", NAME, "--mappings", str(mappings))
        self.do(self.target, "alter table hotel.telephone_entry drop constraint no_blank")
        self.stage.run("move", "reprocess", NAME)

    def rehearse(self) -> None:
        """Rehearse twice while it trades, and fill the partners' checklist."""
        for _ in range(2):
            time.sleep(20)
            self.stage.run("move", "rehearse", NAME, *_REASON)
        for partner in PARTNERS:
            self.stage.run("move", "partners", NAME, "--set", partner, "--owner", "Ben", "--stop", "service stop",
                           "--repoint", "the new host", "--test", "one call")  # fmt: skip
        self.until_steady()

    def go_down(self) -> Any:
        """Close, let a tester in and out, give both gos; give the result."""
        self.stage.run("downtime", "schedule", "--organization", PROPERTY, "--for", "PT1H", "--users", "out", *_REASON)
        self.stage.run("move", "processes", "stop", NAME)
        self.stage.run("move", "contingency", NAME, "-o", str(self.stage.folder / "pack"))
        today = self.do(self.source, "select business_date::text from hotel.property where code = 'RESORT'")
        start = ("move", "downtime", "start", NAME, "--business-date", today, "--open-by", "now+PT1H", *_REASON)
        first = self.stage.run(*start, accept=(75,))[-1]
        self.expect("it is ready, and waits for two gos", first["result"] == "ready")
        self.stage.run("move", "verifying", NAME, "--tester", "ada", "--reason", "a look before we open")
        for statement in TESTED:
            self.do(self.target, statement, role="slacktide_tester")
        self.stage.run("move", "go", NAME, "--role", "operations", "--name", "Ada Night")
        self.stage.run("move", "go", NAME, "--role", "finance", "--name", "Finn Ledger")
        while self.stage.run("move", "status", NAME, show=False)["down_time"]["state"] not in (
            "open",
            "failed",
            "ready",
        ):
            time.sleep(0.2)
        return first

    def after(self) -> None:
        """Bring what could wait, settle forms, end the day at the target, write the report, clean."""
        run = self.stage.run
        self.expect("it is open", run("move", "status", NAME)["down_time"]["state"] == "open")
        self.expect("nothing of the tester is left", self.do(self.target, LEFT) == 0)
        run("move", "miscellaneous", NAME)
        missing = run("move", "form", NAME, "list")["missing"]
        run("move", "form", NAME, "void", f"{min(missing)}-{max(missing)}", "--reason", "unused")
        run("hotel", "cashiers", "close", self.target, "--property", PROPERTY)
        self.expect(
            "clean waits for the End of Day", "not over" in str(run("move", "clean", NAME, "--apply", accept=(1,)))
        )
        run("hotel", "end-of-day", self.target, "--property", PROPERTY)
        self.do(self.target, BALANCE)  # what was sold in packages and not used on the day
        promised = run("hotel", "promises", "check", self.target, str(self.promises), accept=(0, 1))
        self.expect("every promise is kept", not any(promised.get(n) for n in ("missing", "older", "still_there")))
        for kind in ("pdf", "html", "json"):
            run("move", "report", NAME, "-o", str(self.stage.folder / f"report.{kind}"))
        proven = run("move", "report", "--verify", str(self.stage.folder / "report.json"))
        self.expect("the report is what was signed", proven["proven"])
        run("move", "clean", NAME, "--apply", "--reason", "balanced")


def main() -> int:
    """Play the night; give 1 where anything is not as it must be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, help="the folder that the pack and the report are copied to")
    output = parser.parse_args().output
    with Stage(lambda line: print(line, flush=True)) as stage:
        night = Night(stage)
        trader = stage.start("hotel", "trade", night.source, "--property", PROPERTY, "--rate", "30", "--promises",
                             str(night.promises))  # fmt: skip
        stage.run("move", "processes", "start", NAME)
        night.until_steady()
        night.mend()
        night.rehearse()
        first = night.go_down()
        stage.end(trader)
        truth = stage.run("move", "rehearse", NAME, "--list")["truths"][0]
        bound, took = truth["predicted"], truth["took"]
        before = sum(seconds for name, seconds in bound["steps"].items() if name != "hand_over")
        night.hold("until it was ready", before, first["work_seconds"])
        night.hold("with the testers' round", truth["expected_seconds"], took["work_seconds"])
        for name, seconds in took["steps"].items():
            print(f"  {name:<24} {bound['steps'].get(name, 0):7.3f} s predicted  {seconds:7.3f} s in all")
        night.after()
        if output is not None:
            shutil.copytree(stage.folder / "pack", output / "pack", dirs_exist_ok=True)
            for report in stage.folder.glob("report.*"):
                shutil.copy(report, output)
        return 1 if night.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
