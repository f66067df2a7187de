"""A user's own account: another password.

Whoever gives the present one may set another; what browsers were remembered for links counts no more after that. The
session goes on. Guesses count like failed log-ins.
"""

from __future__ import annotations

from http import HTTPStatus

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from slacktide.control.log_in import LockedOut, WrongPassword, check_password
from slacktide.control.user import Change, EmptyPassword, change_user
from slacktide.core.errors import InputError
from slacktide.server.pages.entry import address_of
from slacktide.server.pages.gate import page, reads
from slacktide.server.pages.house import connected
from slacktide.server.pages.visitor import visitor_of


class NotTheSame(InputError):
    """The new password was not typed the same twice: nothing was changed."""


@page(reads, posts=True)
def account(request: HttpRequest) -> HttpResponse:
    """Show the account, or change its password."""
    if request.method != "POST":
        return render(request, "account.html", {})
    try:
        _change(request)
    except (LockedOut, WrongPassword, NotTheSame, EmptyPassword) as error:
        return render(request, "account.html", {"error": error}, status=HTTPStatus.BAD_REQUEST)
    return render(request, "account.html", {"done": True})


def _change(request: HttpRequest) -> None:
    user, wanted = visitor_of(request).user, request.POST.get("new", "")
    if wanted != request.POST.get("again", ""):
        raise NotTheSame
    with connected(request) as connection:
        check_password(connection, user=user, password=request.POST.get("password", ""), address=address_of(request))
        change_user(connection, name=user, change=Change(password=wanted), who=user, reason="by the user")
