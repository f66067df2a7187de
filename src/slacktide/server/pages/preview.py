"""Changes in two steps: what they would do is shown, and done when it is confirmed.

The preview is the change itself, rolled back: so it is refused for the same reasons, and says the same. Between the two
somebody else may change something; what is confirmed is judged anew, and the answer shows what came of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from django.http import HttpRequest
from django.http.request import QueryDict

from slacktide.server.pages.house import Connection

_Result = TypeVar("_Result")
_OURS = ("csrfmiddlewaretoken", "confirm")


def confirmed(request: HttpRequest) -> bool:
    """Tell whether the preview was seen and confirmed."""
    return "confirm" in request.POST


def tried(connection: Connection, change: Callable[[Connection], _Result], *, keep: bool) -> _Result:
    """Do a change, and keep it or take it back."""
    with connection.transaction(force_rollback=not keep):
        return change(connection)


def fields(post: QueryDict) -> list[tuple[str, str]]:
    """Give what was filled in, to be sent again with the confirmation."""
    return [(name, value) for name, values in post.lists() if name not in _OURS for value in values]


def text(post: QueryDict, name: str) -> str | None:
    """Give a field, or None where it was left empty."""
    return post.get(name, "").strip() or None


def given(post: QueryDict, *names: str) -> dict[str, Any]:
    """Give the fields that were filled in."""
    return {name: value for name in names if (value := text(post, name)) is not None}
