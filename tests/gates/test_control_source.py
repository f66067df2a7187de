"""The schedule beside the control database: what is told of a change, and what is read because of it."""

from __future__ import annotations

import pytest

from slacktide.control.downtime import end_downtime
from slacktide.control.organization import add_organization, remove_side, set_side
from slacktide.control.origin import confirm_schedule, doubt_schedule
from slacktide.control.schedule import reschedule, schedule_of
from slacktide.control.setting_change import Whose, add_setting
from slacktide.downtime.wire import encode_schedule
from slacktide.gates.control_source import ControlSource
from slacktide.gates.source import Report, ScheduleNotFetched
from tests.gates.conftest import WHO

UNTOLD = "alter table slacktide.setting disable trigger schedule_changed"
TOLD = "alter table slacktide.setting enable trigger schedule_changed"


@pytest.fixture
def look(database, hands):
    """Give a function that looks once and gives the schedule, None where there is no new one."""
    source = ControlSource(database, name="look")
    tags = [None]

    def fetch():
        found = source.fetch(known=tags[-1], report=Report(), monotonic=hands.monotonic)
        tags.append(found.tag)
        return found.schedule

    yield fetch
    source.close()


def test_every_change_reads_as_all_of_it(control, plan, look):
    """After each kind of change, of one organization, of several and of the site, it is as if everything were read."""
    keys = []
    changes = {
        "a downtime of one": lambda: keys.append(plan("HOTEL")),
        "of two at once": lambda: keys.append(plan("HOTEL", "OTHER", start="now+PT1H", end="now+PT5H")),
        "its end": lambda: end_downtime(control, id=keys[0], **WHO),
        "a side": lambda: set_side(control, organization="HOTEL", side="source", state="closed", **WHO),
        "no side": lambda: remove_side(control, organization="HOTEL", side="source", **WHO),
        "a new one": lambda: add_organization(control, code="NEW", **WHO),
        "the site": lambda: plan(end="now+PT9H"),
        "a name": lambda: control.execute("update slacktide.organization set name = 'New' where code = 'NEW'"),
        "one that goes": lambda: control.execute("delete from slacktide.organization where code = 'NEW'"),
        "another one's": lambda: control.execute(
            "update slacktide.setting set organization = 'OTHER' where organization = 'HOTEL' and id = %s", [keys[1]]
        ),
        "a doubt": lambda: doubt_schedule(control, why="a test", who="tester"),
        "none": lambda: confirm_schedule(control, **WHO),
    }
    assert look() is not None
    for what, change in changes.items():
        change()
        found = look()
        now = control.execute("select clock_timestamp()").fetchone()[0]
        hour = now.replace(minute=0, second=0, microsecond=0)
        wanted = schedule_of(control, around=hour)
        assert encode_schedule(found, since=now) == encode_schedule(wanted, since=now), what
        assert look() is None


def test_only_what_is_told_of_is_read(control, plan, look):
    """A change of one organization has that one read, and a change of the site has all of them read."""
    look()
    control.execute(UNTOLD)
    plan("OTHER")
    control.execute(TOLD)
    plan("HOTEL")
    found = look()
    assert (hotel(found, "HOTEL"), hotel(found, "OTHER")) == (1, 0)
    add_setting(control, parameter="disable_user_access", value="Y", whose=Whose(site=True), **WHO)
    assert hotel(look(), "OTHER") == 1


def test_a_lost_connection_reads_everything(control, plan, look):
    """What was told while there was no connection is not missed."""
    look()
    control.execute(UNTOLD)
    plan("OTHER")
    control.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'slacktide gate look'"
    )
    with pytest.raises(ScheduleNotFetched):
        look()
    assert hotel(look(), "OTHER") == 1


def test_many_at_once(control):
    """Where very many have changed, everything is read at once."""
    before = schedule_of(control)
    codes = [f"N{number}" for number in range(30)]
    for code in codes:
        add_organization(control, code=code, **WHO)
    now = control.execute("select clock_timestamp()").fetchone()[0]
    assert [*reschedule(control, before=before, told=codes, around=now).organizations] == [
        "HOTEL",
        *sorted(codes),
        "OTHER",
    ]


def hotel(schedule, code):
    """Count the downtimes of an organization that are known, whenever they are."""
    return len({each.id for phase in schedule.organizations[code].home.phases.values for each in phase.downtimes})
