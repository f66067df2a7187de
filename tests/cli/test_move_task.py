from __future__ import annotations

import pytest

from slacktide.hotel.property_plan import PLAN_FILE
from slacktide.postgres.connection import connect
from slacktide.transfer.move import create_back, load_move
from tests.transfer.moved import empty_hotel, hotel


@pytest.fixture
def sides(server):
    """Give the addresses of a small hotel and of an empty one."""
    return hotel(server), empty_hotel(server)


@pytest.fixture
def create(slacktide, sides):
    """Give a function that makes the move `resort`."""

    def call(*more, source=sides[0], target=sides[1], plan="hotel", code="RESORT"):
        return slacktide("move", "create", "resort", "--plan", plan, "--property", code, "--source", source,
                         "--target", target, *more)  # fmt: skip

    return call


def execute(address, statement, *values):
    with connect(address, name="test") as connection:
        cursor = connection.execute(statement, values)
        return cursor.fetchall() if cursor.description else None


# -- create ------------------------------------------------------------------------------------------------------------


def test_create_and_list(slacktide, create):
    """A move is written down with its organization, and listed."""
    made = create("--json", "--reason", "the new system")
    assert made.status == 0, made.err
    assert made.json["property"] == made.json["target_property"] == "RESORT"
    assert (made.json["task"], made.json["state"]) == (1, "created")
    assert slacktide("move", "list", "--json").json == [made.json]
    assert slacktide("organization", "show", "RESORT", "--json").json["zone"] == "Europe/Lisbon"
    assert "move create" in [one["what"] for one in slacktide("audit", "--json").json]
    again = create()
    assert again.status == 2
    assert "already" in again.err


def test_unknown_property(slacktide, create):
    """A property that is not in the source is refused, and those that are there are named."""
    refused = create("--json", code="ALPINE")
    assert refused.status == 2
    assert refused.json["error"] == "NoSuchProperty"
    assert "CITY, RESORT" in refused.json["message"]
    assert slacktide("move", "list", "--json").json == []
    assert slacktide("organization", "list", "--json").json == []


def test_plan_with_a_wrong_column(slacktide, create, tmp_path):
    """A plan that names a column that is not there is refused with file, line and field, and nothing is written."""
    plan = tmp_path / "plan.yaml"
    plan.write_text(PLAN_FILE.read_text().replace("      due_on: date", "      due_at: date", 1))
    refused = create(plan=plan)
    line = plan.read_text().split("\n").index("      due_at: date") + 1
    assert refused.status == 1
    assert f"{plan}:{line}: entities.trace.columns.due_at: source: hotel.trace has no column due_at" in refused.err
    assert slacktide("move", "list", "--json").json == []


def test_password_in_an_address(slacktide, create, sides):
    """An address with a password in it is refused, and the password is not repeated."""
    refused = create(source=sides[0].replace("slacktide@", "slacktide:s3cret@"))
    assert refused.status == 2
    assert "--source env:NAME" in refused.err
    assert "s3cret" not in refused.err + refused.out


def test_one_database_as_both_sides(slacktide, create, sides, monkeypatch):
    """A database is not moved into itself, whatever its address is called."""
    monkeypatch.setenv("SAME", sides[0] + "&application_name=other")
    refused = create(target="env:SAME", plan="hotel")
    assert (refused.status, "are one database" in refused.err) == (1, True)
    assert slacktide("move", "list", "--json").json == []


def test_reference_to_the_environment(slacktide, create, sides, monkeypatch):
    """An address may be a reference; it is kept as it is."""
    monkeypatch.setenv("OLD_SYSTEM", sides[0])
    assert create("--json", source="env:OLD_SYSTEM").json["source"] == "env:OLD_SYSTEM"
    assert slacktide("move", "property", "resort").status == 0


def test_code_of_another_property_at_the_target(create):
    """The property cannot take the code of another one of the source."""
    refused = create("--target-property", "CITY")
    assert refused.status == 1
    assert "another property 'CITY'" in refused.err


# -- tasks 1 to 4, and prepare -----------------------------------------------------------------------------------------


def test_all_tasks_in_order(slacktide, create, sides):
    """From `create` to `prepare --apply` each command does its task; then the target is the mover's alone."""
    assert create().status == 0
    tests = slacktide("move", "connections", "resort", "--json")
    assert (tests.status, {test["ok"] for test in tests.json}) == (0, {True})
    seen = slacktide("move", "property", "resort", "--json").json
    assert seen["business_date"] == {"source": "2016-08-15", "target": None}
    assert seen["entities"]["reservation"] is True
    assert slacktide("move", "configure", "resort", "--json").status == 0
    converted = slacktide("move", "convert", "resort", "--json")
    assert (converted.status, converted.json["ready"], converted.json["unmapped"]) == (0, True, [])
    shown = slacktide("move", "prepare", "resort", "--json").json
    assert shown["applied"] is False
    assert any("hotel.reservation" in line for line in shown["source"])
    assert execute(sides[0], "select 1 from pg_publication") == []
    done = slacktide("move", "prepare", "resort", "--apply", "--json")
    assert done.status == 0, done.err
    assert done.json["checksum"] == shown["checksum"]
    assert execute(sides[0], "select pubname from pg_publication") == [("slacktide_resort",)]
    assert execute(sides[1], "select state from slacktide.guard_closing where organization = 'RESORT'") == [
        ("prepared",)
    ]
    states = {
        side["side"]: side["state"] for side in slacktide("organization", "show", "RESORT", "--json").json["sides"]
    }
    assert states == {"source": "open", "target": "closed"}
    assert slacktide("move", "list", "--json").json[0]["task"] == 5
    assert slacktide("move", "prepare", "resort", "--apply").status == 0


def test_target_that_holds_a_row(slacktide, create, sides):
    """A target that holds one row of the property is refused by every task, naming it, with nothing half done."""
    execute(sides[1], "insert into hotel.property (code, name, time_zone, currency_code, business_date) "
                      "values ('RESORT', 'x', 'UTC', 'EUR', '2016-08-15')")  # fmt: skip
    execute(sides[1], "insert into hotel.telephone_entry (property_code, category, name, number) "
                      "values ('RESORT', 'taxi', 'Ada', '1')")  # fmt: skip
    assert create().status == 0
    before = execute(sides[1], "select count(*) from hotel.room_type")
    for command in (["property"], ["configure"], ["prepare", "--apply"]):
        refused = slacktide("move", command[0], "resort", *command[1:])
        assert refused.status == 1, command
        assert "1 of hotel.telephone_entry (one has the key 1)" in refused.err
    assert execute(sides[1], "select count(*) from hotel.room_type") == before
    assert execute(sides[1], "select to_regnamespace('slacktide') is null") == [(True,)]
    assert execute(sides[0], "select to_regnamespace('slacktide') is null") == [(True,)]


def test_target_ahead(slacktide, create, sides):
    """A target whose business date is later than the source's is refused."""
    execute(sides[1], "insert into hotel.property (code, name, time_zone, currency_code, business_date) "
                      "values ('RESORT', 'x', 'UTC', 'EUR', '2016-08-16')")  # fmt: skip
    create()
    refused = slacktide("move", "property", "resort")
    assert refused.status == 1
    assert "2016-08-16 at the target and 2016-08-15 at the source" in refused.err


def test_prepare_before_configure(slacktide, create, sides):
    """`prepare --apply` names the command that has to come first, and does nothing."""
    create()
    refused = slacktide("move", "prepare", "resort", "--apply")
    assert refused.status == 1
    assert "slacktide move configure resort" in refused.err
    assert execute(sides[0], "select to_regnamespace('slacktide') is null") == [(True,)]


def test_connections_that_fail(slacktide, create, sides, monkeypatch):
    """A failing test ends the command with 1 and says how to mend it."""
    monkeypatch.setenv("NEW_SYSTEM", sides[1])
    create(target="env:NEW_SYSTEM")
    monkeypatch.setenv("NEW_SYSTEM", "postgresql://nobody@127.0.0.1:1/none?connect_timeout=1")
    found = slacktide("move", "connections", "resort", "--json")
    assert found.status == 1
    assert {test["name"]: test["ok"] for test in found.json}["target reachable"] is False


def test_switch_an_entity(slacktide, create):
    """An entity to which nothing refers can be switched off and on; one that is needed, or unknown, is refused."""
    create()
    off = slacktide("move", "property", "resort", "--entity", "trace=off", "--json")
    assert off.json["entities"]["trace"] is False
    assert slacktide("move", "property", "resort", "--json").json["entities"]["trace"] is False
    needed = slacktide("move", "property", "resort", "--entity", "reservation=off")
    assert needed.status == 1
    assert "folio.reservation_id" in needed.err
    unknown = slacktide("move", "property", "resort", "--entity", "traces=off")
    assert unknown.status == 2
    assert "trace" in unknown.err
    assert slacktide("move", "property", "resort", "--entity", "trace").status == 2
    on = slacktide("move", "property", "resort", "--entity", "trace=on", "--json")
    assert all(on.json["entities"].values())


def test_switched_off_entity_is_left_out_by_name(slacktide, create, sides):
    """A plan with an entity switched off still fits both databases; what it leaves out is not put into them."""
    create()
    assert slacktide("move", "property", "resort", "--entity", "trace=off").status == 0
    assert slacktide("move", "configure", "resort").status == 0
    done = slacktide("move", "prepare", "resort", "--apply")
    assert done.status == 0, done.err
    assert execute(sides[0], "select 1 from pg_publication_tables where tablename = 'trace'") == []
    late = slacktide("move", "property", "resort", "--entity", "trace=on")
    assert late.status == 1
    assert "slacktide move create" in late.err


def test_filter(slacktide, create):
    """A filter is set and taken back; one that the plan does not have, or a value of another type, is refused."""
    create()
    refused = slacktide("move", "property", "resort", "--filter", "stays=2016")
    assert refused.status == 2
    assert "no filter 'stays'" in refused.err
    refused = slacktide("move", "property", "resort", "--filter", "stay_history_from=yesteryear")
    assert refused.status == 2
    assert "'yesteryear'" in refused.err
    shown = slacktide("move", "property", "resort", "--filter", "stay_history_from=2015-01-01", "--json")
    assert shown.json["filters"] == {"stay_history_from": "2015-01-01"}
    assert slacktide("move", "property", "resort", "--json").json["filters"] == {"stay_history_from": "2015-01-01"}
    back = slacktide("move", "property", "resort", "--filter", "stay_history_from=", "--json")
    assert back.json["filters"] == {"stay_history_from": None}


def test_mappings_in_and_out(slacktide, create, tmp_path):
    """`convert --list` writes what `--mappings` reads, and a mapping to what the target lacks is refused by line."""
    create()
    assert slacktide("move", "configure", "resort").status == 0
    file = tmp_path / "codes.csv"
    file.write_text(slacktide("move", "convert", "resort", "--list").out)
    assert file.read_text().startswith("list,source_code,target_code\ncountry,")
    assert slacktide("move", "convert", "resort", "--mappings", file).status == 0
    with file.open("a") as more:
        more.write("market,Direct,Moon\n")
    refused = slacktide("move", "convert", "resort", "--mappings", file)
    assert refused.status == 1
    assert "codes.csv:" in refused.err
    file.write_text("list,source_code,target_code\nmarket,Direct,Moon\n")
    refused = slacktide("move", "convert", "resort", "--mappings", file)
    assert "codes.csv:2: the target has no code 'Moon' in the list market" in refused.err


def test_refused_conversion_leaves_no_mapping(slacktide, create, sides, tmp_path):
    """Of mappings and defaults of which one is refused, none is written, whichever it is."""
    create()
    assert slacktide("move", "configure", "resort").status == 0
    execute(sides[1], "delete from hotel.market_code where code = 'Corporate'")
    file = tmp_path / "codes.csv"
    file.write_text("list,source_code,target_code\nmarket,Direct,Groups\n")
    for more, status in (
        (["--default", "market=Direct", "--default", "country=Nix"], 1),
        (["--mappings", file, "--default", "Unfug"], 2),
        (["--mappings", file, "--default", "Unfug=x"], 2),
    ):
        assert slacktide("move", "convert", "resort", *more).status == status
    listed = slacktide("move", "convert", "resort", "--list").out.splitlines()
    assert "market,Direct,Direct" in listed
    assert "#market,Corporate," in listed


def test_unmapped_codes_are_all_that_is_shown(slacktide, create, sides, tmp_path):
    """Without --list only the codes without a mapping are shown, and the refusal; filled in, the list is accepted."""
    create()
    assert slacktide("move", "configure", "resort").status == 0
    assert slacktide("move", "convert", "resort").status == 0
    execute(sides[1], "delete from hotel.market_code where code = 'Corporate'")
    refused = slacktide("move", "convert", "resort")
    assert refused.status == 1
    assert refused.err.startswith("Mandatory codes in use have no mapping: market 'Corporate' (")
    assert [line.split()[:2] for line in refused.out.splitlines()[1:]] == [["list", "code"], ["market", "Corporate"]]
    listed = slacktide("move", "convert", "resort", "--list")
    assert (listed.status, "\nmarket,Corporate," in listed.out) == (0, False)
    assert "; the target has no 'Corporate'" in listed.out
    file = tmp_path / "codes.csv"
    file.write_text(listed.out.replace("#market,Corporate,", "market,Corporate,Direct"))
    assert slacktide("move", "convert", "resort", "--mappings", file).status == 0


def test_refused_property_switches_nothing(slacktide, create, sides):
    """A switch that is given along with a refusal is not done, and not in the audit trail."""
    create()
    execute(sides[1], "insert into hotel.property (code, name, time_zone, currency_code, business_date) "
                      "values ('RESORT', 'x', 'UTC', 'EUR', '2016-08-15')")  # fmt: skip
    row = "insert into hotel.telephone_entry (property_code, category, name, number) values ('RESORT', 'x', 'y', '1')"
    execute(sides[1], row)
    assert slacktide("move", "property", "resort", "--entity", "trace=off").status == 1
    assert "move property" not in {one["what"] for one in slacktide("audit", "--json").json}
    done = slacktide("move", "property", "resort", "--entity", "telephone_entry=off", "--json")
    assert (done.status, done.json["entities"]["trace"]) == (0, True)


def test_fallback_judges_all_arguments_first(slacktide, create):
    """A go of an unknown role, and an hour that is none, are refused before anything else is asked or begun."""
    create()
    for more in (["--go", "foo=x"], ["--open-by", "soon"], ["--waive", "steady=x"]):
        refused = slacktide("move", "downtime", "fallback", "resort", *more, "--reason", "x")
        assert refused.status == 2, refused.err


def test_waiving_needs_a_reason(slacktide, create):
    """Nobody waives a check at Start without a reason; without a waiver none is asked for."""
    create()
    start = ["move", "downtime", "start", "resort"]
    refused = slacktide(*start, "--waive", "partners=Ada Night")
    assert (refused.status, "--reason TEXT" in refused.err) == (2, True)
    assert slacktide(*start, "--waive", "partners=Ada Night", "--reason", "known").status == 1
    assert slacktide(*start).status == 1


def test_status_names_the_way_back(slacktide, create, database):
    """The status of a move names its way back, how that stands, and the command that goes on with it."""
    create()
    assert slacktide("move", "status", "resort", "--json").json["back"] is None
    with connect(database, name="test") as control:
        create_back(control, of=load_move(control, name="resort"), name="resort-back", spool="none")
    assert slacktide("move", "status", "resort", "--json").json["back"] == "resort-back"
    assert "`slacktide move downtime fallback resort --reason TEXT`" in slacktide("move", "status", "resort").out


def test_messages_of_a_state_or_entity_that_there_is_not(slacktide, create):
    """A state or entity that there is not is refused; of one that there is, it is said that none is listed."""
    create()
    for more, said in ((["--state", "faild"], "failed"), (["--entity", "foo"], "reservation")):
        refused = slacktide("move", "messages", "resort", *more)
        assert (refused.status, said in refused.err) == (2, True)
    for more, said in (
        (["--state", "failed"], "None in the state failed."),
        (["--state", "processed"], "Messages in the state processed are counted, not listed."),
        (["--entity", "trace"], "None failed, waiting or warned about of trace."),
    ):
        assert slacktide("move", "messages", "resort", *more).out.startswith(said)


def test_unknown_move(slacktide):
    """Every task of a move that is not there ends with 2."""
    for command in ("connections", "property", "configure", "convert", "prepare"):
        assert slacktide("move", command, "nowhere").status == 2
