"""The parameters and their settings, for administrators: what holds now, and changes with a preview of their effect."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from slacktide.control import downtime
from slacktide.control.setting_change import (
    Times,
    UnknownSetting,
    Whose,
    add_setting,
    change_setting,
    remove_setting,
    settings_answer,
)
from slacktide.core.errors import SlacktideError
from slacktide.downtime.parameter import PARAMETERS
from slacktide.server.pages.gate import administers, page
from slacktide.server.pages.house import Connection, connected
from slacktide.server.pages.preview import confirmed, fields, given, text, tried
from slacktide.server.pages.visitor import administrator


@page(administers)
def parameters(request: HttpRequest) -> HttpResponse:
    """List the parameters with their settings."""
    with connected(request) as connection:
        found = settings_answer(connection)
    listed = [(one, [each for each in found if each["parameter"] == one.name]) for one in PARAMETERS.values()]
    return render(request, "parameters.html", {"parameters": listed})


@page(administers, posts=True)
def new_setting(request: HttpRequest, parameter: str) -> HttpResponse:
    """Add a setting of a parameter."""
    if parameter not in PARAMETERS:
        raise Http404
    return _edit(request, {"parameter": PARAMETERS[parameter]}, key=None)


@page(administers, posts=True)
def one_setting(request: HttpRequest, id: str) -> HttpResponse:  # noqa: A002 -- the word of the address
    """Change a setting, or delete it."""
    with connected(request) as connection:
        found = next((one for one in settings_answer(connection) if one["id"] == id), None)
    if found is None:
        raise Http404
    return _edit(request, {"parameter": PARAMETERS[found["parameter"]], "setting": found}, key=id)


def _edit(request: HttpRequest, facts: dict[str, Any], *, key: str | None) -> HttpResponse:
    status = HTTPStatus.OK
    if request.method == "POST":
        try:
            with connected(request) as connection:
                answer = _change(connection, request, facts["parameter"].name, key)
        except UnknownSetting as error:
            raise Http404 from error
        except SlacktideError as error:
            facts, status = facts | {"error": error}, HTTPStatus.BAD_REQUEST
        else:
            if confirmed(request):
                return redirect("/parameters")
            facts |= answer | {"fields": fields(request.POST)}
    return render(request, "setting.html", facts | {"form": request.POST}, status=status)


def _change(connection: Connection, request: HttpRequest, parameter: str, key: str | None) -> dict[str, Any]:
    """Do what was asked for, and give what would come of it: the setting, warnings and, of a downtime, its effect."""
    post = request.POST
    times = Times(**given(post, "start", "end", "zone"))
    level = post.get("level", "")
    named = text(post, "level_value")
    whose = Whose(
        site=level == "site",
        organization=named if level == "organization" else None,
        user=named if level == "user" else None,
    )

    def change(within: Connection) -> dict[str, Any]:
        who: dict[str, Any] = {"who": administrator(within, request), "reason": post.get("reason", "")}
        if "delete" in post and key is not None:
            answer = remove_setting(within, id=key, **who)
        elif key is None:
            answer = add_setting(
                within, parameter=parameter, value=post.get("value", ""), whose=whose, times=times, **who
            )
        else:
            answer = change_setting(within, id=key, value=text(post, "value"), times=times, **who)
        return {"preview": answer.setting, "warnings": answer.warnings, "effect": _effect(within, answer.setting)}

    return tried(connection, change, keep=confirmed(request))


def _effect(connection: Connection, setting: dict[str, Any]) -> dict[str, Any] | None:
    try:
        return downtime.show_downtime(connection, id=setting["id"])
    except downtime.UnknownDowntime:
        return None
