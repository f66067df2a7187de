"""Parameters and their settings, for administrators."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import msgspec

from slacktide.control.setting_change import (
    Answer,
    LevelUnsaid,
    Times,
    UnknownSetting,
    Whose,
    add_setting,
    change_setting,
    remove_setting,
    settings_answer,
)
from slacktide.downtime.parameter import PARAMETERS
from slacktide.downtime.schedule import UnknownOrganization
from slacktide.server.pages.api.operation import Call, Way, operation


class Of(msgspec.Struct, forbid_unknown_fields=True):
    """Only those of a parameter, of the site, of an organization, of a user."""

    parameter: str | None = None
    site: bool = False
    organization: str | None = None
    user: str | None = None


class NewSetting(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A setting of the site, an organization or a user: one of the three. Without a start it begins now."""

    parameter: str
    value: str
    site: bool = False
    organization: str | None = None
    user: str | None = None
    start: str | None = None
    end: str | None = None
    zone: str | None = None
    reason: str = ""


class Changed(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What is to be otherwise; what is left out stays as it is. An end of `none` takes the end away."""

    value: str | None = None
    site: bool = False
    organization: str | None = None
    user: str | None = None
    start: str | None = None
    end: str | None = None
    zone: str | None = None
    reason: str = ""


class Why(msgspec.Struct, forbid_unknown_fields=True):
    """Why, for the trail."""

    reason: str = ""


@operation("GET", "parameters", Way.ADMINISTERS)
def list_parameters(call: Call) -> Any:
    """List the parameters with title, levels, what is expected and default."""
    del call
    return [
        {
            "name": one.name,
            "title": one.title,
            "category": one.category,
            "levels": [level.value for level in one.levels],
            "expected": one.kind.expected,
            "default": one.default,
        }
        for one in PARAMETERS.values()
    ]


@operation("GET", "settings", Way.ADMINISTERS, query=Of)
def list_settings(call: Call, query: Of) -> Any:
    """List the settings, past ones too, in the order of their starts."""
    whose = Whose(query.site, query.organization, query.user)
    _check(call, whose.organization)
    found = settings_answer(call.connection, parameter=query.parameter, whose=whose)
    return [one for one in found if _seen(call, one)]


@operation("POST", "settings", Way.ADMINISTERS, body=NewSetting, status=HTTPStatus.CREATED)
def add_setting_(call: Call, body: NewSetting) -> Any:
    """Set a parameter for the site, an organization or a user."""
    whose, times = Whose(body.site, body.organization, body.user), Times(start=body.start, end=body.end, zone=body.zone)
    if whose.level is None:
        raise LevelUnsaid(parameter=body.parameter, allowed="site, organization or user")
    _check(call, body.organization)
    with call.connection.transaction():
        facts: dict[str, Any] = {"who": call.must(body.organization), "reason": body.reason}
        facts |= {"parameter": body.parameter, "value": body.value, "whose": whose, "times": times}
        return _said(add_setting(call.connection, **facts))


@operation("PATCH", "settings/{id}", Way.ADMINISTERS, body=Changed)
def change_setting_(call: Call, id: str, body: Changed) -> Any:  # noqa: A002 -- the word of the interface
    """Change value, start, end and level of a setting in one act."""
    whose, times = Whose(body.site, body.organization, body.user), Times(start=body.start, end=body.end, zone=body.zone)
    _check(call, body.organization)
    to = [body.organization] if whose.said else []
    facts: dict[str, Any] = {"value": body.value, "whose": whose, "times": times, "reason": body.reason}
    return _said(_done(call, id, to, change_setting, facts))


@operation("DELETE", "settings/{id}", Way.ADMINISTERS, query=Why)
def delete_setting(call: Call, id: str, query: Why) -> Any:  # noqa: A002 -- the word of the interface
    """Delete a setting that has not begun and was never open without an end."""
    answer: Answer = _done(call, id, [], remove_setting, {"reason": query.reason})
    return answer.setting


def _done(call: Call, key: str, to: list[str | None], change: Callable[..., Answer], facts: dict[str, Any]) -> Answer:
    """Change a setting, for whoever may for its scope, and for the one that it goes to."""
    with call.connection.transaction():
        found = next((one for one in settings_answer(call.connection) if one["id"] == key), None)
        if found is None or not _seen(call, found):
            raise UnknownSetting(id=key)
        who = call.must(found["organization"], *to)
        return change(call.connection, id=key, **facts, who=who)


def _check(call: Call, organization: str | None) -> None:
    if organization is not None and not call.caller.token.may_see(organization):
        raise UnknownOrganization(organization=organization)


def _seen(call: Call, setting: dict[str, Any]) -> bool:
    """Tell whether a setting is shown: the site's to all, a user's to a token for all organizations."""
    if setting["user"] is not None:
        return call.caller.administers(None)
    code: str | None = setting["organization"]
    return code is None or call.caller.token.may_see(code)


def _said(answer: Answer) -> dict[str, Any]:
    return answer.setting | {"warnings": [*answer.warnings]}
