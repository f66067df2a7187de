from __future__ import annotations

import itertools
from datetime import timedelta

import pytest

from slacktide.downtime import Holders, decide, state_of
from slacktide.downtime.recurrence import Recurrence
from slacktide.downtime.saving import AlreadyOver, NotBegun, NothingToVerify, verified_setting
from tests.downtime.conftest import at, own, schedule, site

TESTERS = {"none": (), "ada": ("ada",), "both": ("ada", "grace")}


@pytest.mark.parametrize("action", ["login", "open_task", "import", "write_interface"])
def test_who_enters(action):
    """Testers enter if each downtime that bars users knows them; all others stay out, and nothing is imported."""
    cells = itertools.product([None, *TESTERS], [None, *TESTERS], ["in", "out"], ["ada", "grace", "eve", None])
    for of_site, of_own, users, user in cells:
        downtimes = [site(0, 8, users, testers=TESTERS[of_site])] if of_site else []
        downtimes += [own(0, 8, users, testers=TESTERS[of_own])] if of_own else []
        found = decide(action=action, schedule=schedule(*downtimes), now=at(4), organization="HOTEL", user=user)
        asked = [setting for setting in downtimes if action != "login" or setting.organization is None]
        if action in ("login", "open_task"):
            barred = any(user not in setting.testers for setting in asked if setting.testers or setting.users == "out")
            assert found.allowed != barred, (of_site, of_own, users, user)
        else:
            assert found.allowed == (not downtimes)


def test_state():
    """A scope is verifying while every downtime in effect is, and closing or quiet while another one is not."""
    one, other = own(0, 8, testers=("ada",)), own(2, 4, id="3")
    plan = schedule(one, other)
    words = [
        state_of(schedule=plan, now=at(hours), organization="HOTEL", holders=Holders()).state for hours in (1, 3, 9)
    ]
    assert words == ["verifying", "quiet", "open"]


def test_saving():
    """Only what is in effect can be verified: not what is to come, is over, is off or recurs."""
    assert verified_setting(own(0, 8), testers=["ada", "ada"], now=at(1)).testers == ("ada",)
    series = own(0, None, recurrence=Recurrence(rule="FREQ=DAILY", length=timedelta(hours=4)))
    for setting, refusal in (
        (own(2, 8), NotBegun),
        (own(0, 0.5), AlreadyOver),
        (own(0, 8, value="N"), NothingToVerify),
        (series, NothingToVerify),
    ):
        with pytest.raises(refusal):
            verified_setting(setting, testers=["ada"], now=at(1))
