from __future__ import annotations

import itertools
from datetime import timedelta

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from slacktide.downtime import compile_schedule, decide, in_effect
from slacktide.downtime.compiling import recompile_schedule
from slacktide.downtime.decision import FREE, MAXIMUM_AGE
from slacktide.downtime.parameter import DISABLE_USER_ACCESS, ORGANIZATION_DOWNTIME, SITE_DOWNTIME
from slacktide.downtime.setting import lookup
from slacktide.downtime.wire import encode_schedule
from tests.downtime.conftest import HOTEL, MORNING, OTHER

INSTANT = timedelta(microseconds=1)
hours = st.integers(0, 12)


@st.composite
def downtimes(draw, example):
    """Draw downtimes of the site and the hotel, and values of disable_user_access that do not overlap."""
    made = []
    for number in range(draw(st.integers(0, 7))):
        start = draw(hours)
        end = draw(st.none() | st.integers(start, 13))
        value = draw(st.sampled_from(["Y", "Y", "N"]))
        facts = {
            "id": str(number),
            "value": value,
            "latched": (value == "Y" and end is None) or draw(st.booleans()),
        }
        users = draw(st.sampled_from([None, "in", "out"]))
        kind = draw(st.sampled_from([example.site, example.own]))
        made.append(kind(start, end, users, **facts))
    for organization in (None, "HOTEL"):
        border = 0
        while draw(st.booleans()):
            start = draw(st.integers(border, border + 6))
            border = start + draw(st.integers(1, 6))
            value = draw(st.sampled_from(["Y", "N"]))
            made.append(example.setting(DISABLE_USER_ACCESS, value, start, border, organization=organization))
    return made


def naive(made, now, parameter, organization):
    """Read the rules as they are written: which are in effect, and whether one of them bars normal users."""
    active = [s for s in made if s.parameter == parameter and in_effect(s, now)]
    disabled = lookup(parameter=DISABLE_USER_ACCESS, settings=made, now=now, organization=organization)
    users_out = any(s.users == "out" or (s.users is None and disabled == "Y") for s in active)
    return {s.id for s in active}, users_out


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_compiled_schedule_reads_as_the_rules(example, data):
    """At random instants, at every boundary and a microsecond either side the schedule says what the rules say."""
    made = data.draw(downtimes(example))
    schedule = example.schedule(*made)
    boundaries = {instant for s in made for instant in (s.start, s.end) if instant is not None}
    random = data.draw(st.lists(st.floats(-1, 30).map(example.at), max_size=5))
    for now in [*random, *(b + step for b in boundaries for step in (-INSTANT, timedelta(), INSTANT))]:
        site, own = schedule.site.at(now), schedule.side("HOTEL").phases.at(now)
        assert ({s.id for s in site.downtimes}, site.users_out) == naive(made, now, SITE_DOWNTIME, None)
        assert ({s.id for s in own.downtimes}, own.users_out) == naive(made, now, ORGANIZATION_DOWNTIME, "HOTEL")
        assert (schedule.any_downtime.at(now) is not None) == (site.in_effect or own.in_effect)
        for phase in (site, own):
            assert (phase.period is not None) == phase.in_effect
            assert phase.period is None or phase.period.contains(now)


@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_nothing_changes_before_the_next_boundary(example, data):
    """Between an instant and the next boundary the phase stays the same."""
    made = data.draw(downtimes(example))
    schedule = example.schedule(*made)
    now = data.draw(st.floats(-1, 30).map(example.at))
    boundary = schedule.next_boundary(now, organization="HOTEL")
    for later in (now + timedelta(days=9),) if boundary is None else (boundary - INSTANT, now + (boundary - now) / 2):
        assert schedule.site.at(later) == schedule.site.at(now)
        assert schedule.side("HOTEL").phases.at(later) == schedule.side("HOTEL").phases.at(now)


def test_site_value_alone_decides_for_the_site(example):
    """An organization's disable_user_access is read for its own downtime only."""
    site_in = example.setting(DISABLE_USER_ACCESS, "N", 0, None, id="7")
    own_out = example.setting(DISABLE_USER_ACCESS, "Y", 0, None, id="8", organization="HOTEL")
    schedule = example.schedule(example.site(0, 8, None), example.own(0, 8, None), site_in, own_out)
    assert not schedule.site.at(example.at(1)).users_out
    assert schedule.side("HOTEL").phases.at(example.at(1)).users_out


@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_what_is_remembered_answers_as_what_is_not(example, data):
    """A schedule that was asked before answers as a fresh one does, at whatever instant, and in any order of them."""
    made = data.draw(downtimes(example))
    asked = example.schedule(*made)
    boundaries = [instant for s in made for instant in (s.start, s.end) if instant is not None]
    nows = [b + step for b in boundaries for step in (-INSTANT, timedelta(), INSTANT)]
    for now in data.draw(
        st.permutations([*nows, *map(example.at, data.draw(st.lists(st.floats(-1, 30), max_size=5)))])
    ):
        fresh = example.schedule(*made)
        for action, organization in itertools.product(FREE, ("HOTEL", None)):
            facts = {"action": action, "now": now, "organization": organization}
            found = decide(schedule=asked, **facts)
            assert found == decide(schedule=fresh, **facts)
            down = asked.site.at(now).in_effect or (organization and asked.side("HOTEL").phases.at(now).in_effect)
            assert found.allowed or down
            boundary = asked.next_boundary(now, organization=organization)
            assert found.valid_until == min(boundary or now + MAXIMUM_AGE, now + MAXIMUM_AGE)
            assert found.recheck == asked.recheck.at(now)


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_what_is_kept_reads_as_what_is_compiled(example, data):
    """A schedule that keeps what is the same reads as a fresh one, whatever has changed since the one before."""
    first, second = data.draw(downtimes(example)), data.draw(downtimes(example))
    second = [msgspec.structs.replace(each) for each in data.draw(st.sampled_from([first, first[1:], second]))]
    before = example.schedule(*first)
    kept, fresh = example.schedule(*second, before=before), example.schedule(*second)
    assert (kept.organizations["OTHER"] is before.organizations["OTHER"]) == (site_values(first) == site_values(second))
    for found, wanted in ((kept.any_downtime, fresh.any_downtime), (kept.site, fresh.site)):
        assert (found.boundaries, found.values) == (wanted.boundaries, wanted.values)
    own, wanted = (each.organizations["HOTEL"].home.phases for each in (kept, fresh))
    assert (own.boundaries, own.values) == (wanted.boundaries, wanted.values)


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_one_organization_alone_reads_as_all(example, data):
    """A schedule of which only an organization was compiled anew reads as a fresh one, whatever of it has changed."""
    first, second = data.draw(downtimes(example)), data.draw(downtimes(example))
    of_site = [each for each in first if each.organization is None]
    of_other = [example.own(3, 5, id="other", organization="OTHER")]
    of_hotel = [each for each in second if each.organization == "HOTEL"]
    sides = data.draw(st.sampled_from([[], [example.side("source", "closed", 2)]]))
    hotel = data.draw(st.sampled_from([[], [HOTEL], [msgspec.structs.replace(HOTEL, zone="UTC")]]))
    before = example.schedule(*first, *of_other)
    assert before.any_downtime.boundaries  # it was asked before, and must not be remembered behind the change
    changed = {"settings": [*of_site, *of_hotel], "organizations": hotel, "sides": sides, "around": MORNING}
    after = recompile_schedule(before, codes=["HOTEL"], **changed)
    everything = {"settings": [*of_site, *of_hotel, *of_other], "organizations": [*hotel, OTHER]}
    fresh = compile_schedule(**changed | everything)
    assert encode_schedule(after, since=example.at(0)) == encode_schedule(fresh, since=example.at(0))
    assert after.organizations["OTHER"] is before.organizations["OTHER"]


def site_values(made):
    return [each for each in made if each.parameter == DISABLE_USER_ACCESS and each.organization is None]
