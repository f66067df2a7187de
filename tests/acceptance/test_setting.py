"""The original's behaviour, sentence by sentence: the parameters, set by an administrator at the browser."""

from __future__ import annotations

import pytest

from slacktide.control.setting import list_settings
from tests.acceptance.person import until

PARAMETERS = [("site_scheduled_downtime", "site", ""), ("organization_scheduled_downtime", "organization", "HOTEL")]


def latest(control):
    return max(list_settings(control), key=lambda one: int(one.id)).id


def opens(somebody, task):
    """Tell whether somebody gets to see a task."""
    return somebody.go(f"/task/{task}") == 200


@pytest.mark.parametrize(("parameter", "level", "named"), PARAMETERS)
def test_without_an_end(person, tasks, control, parameter, level, named):
    """No end date, then value N: still on; end given: off then."""
    ada, grace = person("ada"), person("grace")
    assert opens(grace, tasks[0])
    shown = ada.set(parameter, "Y", level=level, level_value=named)
    assert "permanent until an end is given" in shown
    until(lambda: not opens(grace, tasks[0]))
    setting = latest(control)
    shown = ada.change(setting, value="N")
    assert "still in effect" in shown or "permanent" in shown
    ada.go("/parameters")
    assert ada.says("N, permanent")
    assert not opens(grace, tasks[0])
    assert grace.says("until further notice")
    ada.change(setting, end="now+PT15S")
    assert not opens(grace, tasks[0])
    until(lambda: opens(grace, tasks[0]))
    assert [one.value for one in list_settings(control) if one.id == setting] == ["N"]
    assert person().log_in("grace") == 200


def test_with_an_end(person, tasks, control):
    """One with an end, changed to N, is off at once."""
    ada, grace = person("ada"), person("grace")
    ada.set("site_scheduled_downtime", "Y", level="site", end="now+PT2H")
    until(lambda: not opens(grace, tasks[0]))
    ada.change(latest(control), value="N")
    until(lambda: opens(grace, tasks[0]))


def test_users_out_alone(person, tasks, control, erp, worker):
    """`disable_user_access` alone: nothing happens."""
    ada = person("ada")
    ada.set("disable_user_access", "Y", level="site")
    ada.set("disable_user_access", "Y", level="organization", level_value="HOTEL")
    grace = person("grace")
    assert grace.open(tasks[0]) == 200
    assert grace.press("Save and finish") == 200
    until(lambda: erp.imported() == [f"task-{tasks[0]}"])
    assert ada.go("/overview") == 200
    states = ada.page.locator("tbody tr td:nth-child(2)").all_inner_texts()
    assert states == ["open"] * 3
