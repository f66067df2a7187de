"""Log-in by OpenID Connect: the provider says who it is, the schedule whether it may come in.

1. A downtime begins while the visitor is at the provider: it is judged when it comes back, like any log-in.
2. An answer is made up, or is another browser's: state, nonce and PKCE are checked by the library, out of the session.
3. The provider knows somebody whom we do not: nobody is made a user by that.
4. The provider cannot be reached: said so; who has a password can use it.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import requests
from authlib.integrations.base_client import OAuthError
from authlib.integrations.django_client import OAuth
from django.http import Http404, HttpRequest, HttpResponse

from slacktide.control.log_in import UnknownPerson, enter
from slacktide.core.errors import OutsideError
from slacktide.server.pages.closed import refused
from slacktide.server.pages.entry import let_in, next_of
from slacktide.server.pages.gate import exempt
from slacktide.server.pages.house import Provider, connected, house_of
from slacktide.server.pages.visitor import visitor_of

_NAME = "provider"
_SECONDS = 10


class SignOnFailed(OutsideError):
    """The log-in by {title} failed: {reason}. Try again, or log in with a password."""


@exempt
def start(request: HttpRequest) -> HttpResponse:
    """Lead to the provider, and remember where the visitor was going."""
    provider = _provider(request)
    request.session["next"] = next_of(request)
    back = f"{house_of(request).base_url or request.build_absolute_uri('/').rstrip('/')}/login/sso/return"
    try:
        response: HttpResponse = _client(provider).authorize_redirect(request, back)
    except (OAuthError, requests.RequestException) as error:
        return _failed(request, provider, error)
    return response


@exempt
def come_back(request: HttpRequest) -> HttpResponse:
    """Take the provider's answer, and log in whom it names."""
    provider = _provider(request)
    try:
        answer: dict[str, Any] = _client(provider).authorize_access_token(request)
    except (OAuthError, requests.RequestException) as error:
        return _failed(request, provider, error)
    user = str((answer.get("userinfo") or {}).get(provider.claim, ""))
    with connected(request) as connection:
        try:
            entered = enter(connection, user=user, again=visitor_of(request).session)
        except UnknownPerson as error:
            return refused(request, error, status=HTTPStatus.FORBIDDEN)
        return let_in(request, connection, entered, user=user)


def _provider(request: HttpRequest) -> Provider:
    provider = house_of(request).provider
    if provider is None:
        raise Http404
    return provider


def _client(provider: Provider) -> Any:
    registry = OAuth()
    return registry.register(
        _NAME,
        client_id=provider.client,
        client_secret=provider.secret,
        server_metadata_url=f"{provider.issuer.rstrip('/')}/.well-known/openid-configuration",
        client_kwargs={"scope": "openid profile email", "code_challenge_method": "S256", "timeout": _SECONDS},
    )


def _failed(request: HttpRequest, provider: Provider, error: Exception) -> HttpResponse:
    reason = getattr(error, "error", None) or type(error).__name__  # the answer itself may hold a secret
    return refused(request, SignOnFailed(title=provider.title, reason=reason), status=HTTPStatus.BAD_GATEWAY)
