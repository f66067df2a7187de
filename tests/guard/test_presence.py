"""The guard is proved to be there, text and triggers, and who could still pass is named."""

from __future__ import annotations

import pytest

from slacktide.guard.install import install, remove
from slacktide.guard.presence import GuardMissing, could_still_pass, differences, own_functions, verify_presence

HARM = {
    "disabled": "alter table hotel.folio disable trigger slacktide_guard_update",
    "not always": "alter table hotel.folio enable trigger slacktide_guard_update",
    "dropped": "drop trigger slacktide_guard_delete on hotel.posting",
    "a leaf's disabled": "alter table hotel.event_leaf disable trigger slacktide_guard_row",
    "truncate dropped": "drop trigger slacktide_guard_truncate on hotel.event_low",
    "a condition": "create or replace trigger slacktide_guard_insert after insert on hotel.folio referencing new "
    "table as new_rows for each statement when (false) execute function slacktide.{function}()",
    "function replaced": "create or replace function slacktide.{function}() returns trigger language plpgsql "
    "security definer set search_path = pg_catalog, pg_temp set row_security = off as 'begin return null; end'",
    "judge replaced": "create or replace function slacktide.guard_judge(organizations text[], interface boolean, "
    "relation text, crossing boolean default false) returns boolean language plpgsql security definer "
    "set search_path = pg_catalog, pg_temp as 'begin return false; end'",
    "judge as invoker": "alter function slacktide.guard_judge security invoker",
    "decision as definer": "alter function slacktide.guard_decide security definer",
    "decision replaced": "create or replace function slacktide.guard_decide(organizations text[], interface boolean, "
    "relation text, crossing boolean default false) returns boolean language plpgsql as 'begin return false; end'",
    "look is stable": "alter function slacktide.guard_look stable",
    "judge doubled": "create function slacktide.guard_judge(text) returns boolean language sql as 'select false'",
    "for everybody": "grant execute on function slacktide.{function}() to public",
    "decision for everybody": "grant execute on function slacktide.guard_decide to public",
    "a new partition": "create table hotel.event_next partition of hotel.event "
    "for values from (200000000) to (300000000)",
}


def test_what_was_installed_is_proved(guarded, tables):
    """After install everything is as it must be, and installing again changes nothing."""
    verify_presence(guarded, tables=tables)
    before = guarded.execute("select oid from pg_trigger order by 1").fetchall()
    install(guarded, tables=tables)
    assert guarded.execute("select oid from pg_trigger order by 1").fetchall() == before


@pytest.mark.parametrize("harm", HARM)
def test_every_harm_is_found_and_mended(guarded, tables, harm):
    """Whatever is changed about the guard is found, with the table's name, and install mends it."""
    function = guarded.execute("select proname from pg_proc where proname like 'guard_on_hotel_folio%'").fetchone()[0]
    guarded.execute(HARM[harm].format(function=function))
    with pytest.raises(GuardMissing) as caught:
        verify_presence(guarded, tables=tables)
    assert "hotel." in str(caught.value) or "slacktide" in str(caught.value)
    if harm != "judge doubled":
        install(guarded, tables=tables)
        verify_presence(guarded, tables=tables)


def test_removing_takes_all_of_a_table(guarded, tables):
    """After `remove` no trigger and no trigger function is left; the states are."""
    remove(guarded, tables=tables)
    left = "select count(*) from pg_trigger where tgname like 'slacktide%'"
    assert guarded.execute(left).fetchone() == (0,)
    assert guarded.execute("select count(*) from pg_proc where proname like 'guard_on%'").fetchone() == (0,)
    assert differences(guarded, table=tables[0])
    remove(guarded, tables=tables)


def test_every_function_of_the_script_is_watched(guarded):
    """No function of guard.sql is left out of the proof."""
    of_ours = "pronamespace = 'slacktide'::regnamespace and proname not like 'guard\\_on\\_%'"
    rows = guarded.execute(f"select proname from pg_proc where {of_ours}")
    assert {name for (name,) in rows} == set(own_functions())


def test_roles_that_could_still_pass(guarded):
    """Superusers, owners and members of the mover's role are named, with the reason; a clerk is not."""
    guarded.execute("create role slacktide_chief; alter table hotel.folio owner to slacktide_chief")
    try:
        found = {passer.role: passer.because for passer in could_still_pass(guarded)}
    finally:
        guarded.execute("alter table hotel.folio owner to current_user; drop role slacktide_chief")
    assert found["slacktide"] == ("superuser",)
    assert found["slacktide_chief"] == ("owner of guarded tables",)
    assert "slacktide_mover" in found
    assert "slacktide_clerk" not in found
