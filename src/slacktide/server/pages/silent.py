"""The answer while the control database does not answer: 503, as a page or as a problem document, never a bare 500.

1. Who it is, what is down, what a page shows: all of it is asked of the database, so that the page is made without it.
2. A form was sent: whether it was done nobody can say, and what was typed is given back.
3. The page's own style is asked for: files of ours need no visitor (`public.file`).
4. Something else failed: that is a failure of ours, and answered and logged as one.
"""

from __future__ import annotations

import sys
from http import HTTPStatus
from typing import Any

import msgspec
import psycopg
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.views.defaults import server_error

from slacktide.core.errors import OutsideError
from slacktide.server.pages.api.problem import document_of
from slacktide.server.pages.visitor import Visitor

_WAIT_SECONDS = 5


class DatabaseSilent(OutsideError):
    """The control database does not answer at the moment, so that nothing can be shown or done: try again in a few seconds. Of what you have just sent it is not known whether it was done: look before you send it again."""  # noqa: E501 -- the message is one sentence


def failed(request: HttpRequest) -> HttpResponse:
    """Answer what raised an error: Django's own handler of 500, which it calls while the error is being handled."""
    if not isinstance(sys.exc_info()[1], psycopg.OperationalError):
        return HttpResponse(server_error(request).content, status=HTTPStatus.INTERNAL_SERVER_ERROR)
    facts: dict[str, Any] = {"status": HTTPStatus.SERVICE_UNAVAILABLE, "headers": {"Retry-After": str(_WAIT_SECONDS)}}
    error = DatabaseSilent()
    if "text/html" not in request.headers.get("accept", ""):
        body = msgspec.json.encode(document_of(error))
        return HttpResponse(body, content_type="application/problem+json", **facts)
    shown: dict[str, Any] = {"error": error, "typed": request.POST.get("note"), "visitor": Visitor(), "banners": []}
    return HttpResponse(render_to_string("refused.html", shown), **facts)
