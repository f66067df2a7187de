"""Refusals as pages of the site: with its frame, the message, until when, and what still can be done."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string

from slacktide.core.errors import SlacktideError
from slacktide.downtime.decision import Decision
from slacktide.gates.refusal import common_headers, status_of, title_of


def closed_page(request: HttpRequest, decision: Decision, *, typed: str | None = None) -> HttpResponse:
    """Give the page of a refusal; `typed` is what could not be saved, to be shown again."""
    body = closed_text(request, decision, typed=typed)
    return HttpResponse(body, status=status_of(decision), headers=dict(common_headers(decision)))


def closed_text(request: HttpRequest, decision: Decision, *, typed: str | None = None) -> str:
    """Give the page's text, as the gate asks for it."""
    facts = {"title": title_of(decision), "decision": decision, "typed": typed}
    facts["lines"] = (decision.message or "").split("\n")
    return render_to_string("closed.html", facts, request=request)


def refused(
    request: HttpRequest, error: SlacktideError, *, status: int, typed: str | None = None, kept: bool = True
) -> HttpResponse:
    """Give the page of something that cannot be done as it was asked; `kept`: what was typed is a draft now."""
    return render(request, "refused.html", {"error": error, "typed": typed, "kept": kept}, status=status)
