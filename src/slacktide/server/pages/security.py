"""Headers of every page, and the answer to a form that does not come from one of ours."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render

# Scripts and styles are files of ours, never in a page; a form goes to us alone; nobody shows us in a frame.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)


class HeadersMiddleware:
    """Adds them. No page is stored, by a browser or in between, unless its view says so."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        """Take what comes behind."""
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Add them to what comes back."""
        response = self._get_response(request)
        response.headers["Content-Security-Policy"] = POLICY
        response.headers.setdefault("Cache-Control", "no-store")
        response.headers["X-Frame-Options"] = "DENY"
        response.headers["Permissions-Policy"] = "camera=(), geolocation=(), microphone=()"
        return response


def not_from_here(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Answer a POST without the token of one of our pages; Django's reason names no secret, but says too much.

    What was typed is given back and not kept: somebody else's page must not write anybody's drafts.
    """
    del reason
    return render(request, "not_from_here.html", {"typed": request.POST.get("note")}, status=403)
