"""Django's settings: no database, no accounts of its own, signed cookies, and nothing that is not needed."""

from __future__ import annotations

import logging
from typing import Any
from urllib.parse import urlsplit

from django.http import HttpRequest

SESSION_COOKIE = "slacktide-session"
LARGEST_BODY_BYTES = 1024 * 1024
_REFUSED = 503
_YEAR_SECONDS = 31_536_000


class Failures(logging.Filter):
    """Lets the log have failures of ours, not refusals; addresses of links and calendars would be secrets in a log."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether a record is of a failure, and name the route in it, not the address."""
        request = getattr(record, "request", None)
        if request is not None and isinstance(record.args, tuple):
            record.args = (*record.args[:-1], _route(request))
        status = getattr(record, "status_code", 500)
        return status >= 500 and status != _REFUSED  # noqa: PLR2004 -- HTTP's own boundary


def standard_error() -> logging.Handler:
    """Give what writes to standard error as it is at that moment."""
    return logging.lastResort or logging.StreamHandler()


def _route(request: HttpRequest) -> str:
    from django.urls import Resolver404, resolve  # noqa: PLC0415 -- reads the settings that are made here

    try:
        return resolve(request.path_info).route
    except Resolver404:
        return "no route"


_HERE = "slacktide.server.pages"
_FIXED: dict[str, Any] = {
    "ROOT_URLCONF": f"{_HERE}.urls",
    "INSTALLED_APPS": [],
    "DATABASES": {},
    "APPEND_SLASH": False,
    "USE_TZ": True,
    "TIME_ZONE": "UTC",
    "MIDDLEWARE": [
        "django.middleware.security.SecurityMiddleware",
        f"{_HERE}.security.HeadersMiddleware",
        "django.contrib.sessions.middleware.SessionMiddleware",
        f"{_HERE}.visitor.VisitorMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "slacktide.gates.django.Gate",
    ],
    "DOWNTIME_GATE": {
        "keeper": f"{_HERE}.house.keeper_of",
        "asks": f"{_HERE}.gate.asks",
        "log_in_at": "/login",
        "page": f"{_HERE}.closed.closed_text",
    },
    "SESSION_ENGINE": "django.contrib.sessions.backends.signed_cookies",
    "SESSION_SERIALIZER": "django.contrib.sessions.serializers.JSONSerializer",
    "SESSION_COOKIE_HTTPONLY": True,
    "SESSION_COOKIE_SAMESITE": "Lax",
    "SESSION_EXPIRE_AT_BROWSER_CLOSE": True,
    "CSRF_COOKIE_HTTPONLY": True,
    "CSRF_FAILURE_VIEW": f"{_HERE}.security.not_from_here",
    "SECURE_CONTENT_TYPE_NOSNIFF": True,
    "SECURE_REFERRER_POLICY": "same-origin",
    "DATA_UPLOAD_MAX_MEMORY_SIZE": LARGEST_BODY_BYTES,
    "TEMPLATES": [
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "OPTIONS": {
                "context_processors": ["django.template.context_processors.csrf", f"{_HERE}.shown.around"],
                "builtins": [f"{_HERE}.shown"],
                "loaders": [(f"{_HERE}.shown.Templates", [])],
            },
        }
    ],
    "LOGGING": {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {"failures": {"()": f"{_HERE}.configuration.Failures"}},
        "handlers": {"stderr": {"()": f"{_HERE}.configuration.standard_error"}},
        "loggers": {
            "django.request": {"filters": ["failures"], "handlers": ["stderr"]},
            "django.security": {"level": "ERROR"},
        },
    },
}


def settings_of(*, secret: str, base_url: str | None, hosts: list[str]) -> dict[str, Any]:
    """Give the settings of a site with this secret, reached under this address (None: any) and these hosts."""
    secure = base_url is not None and base_url.startswith("https://")
    prefix = "__Host-" if secure else ""
    return _FIXED | {
        "SECRET_KEY": secret,
        "ALLOWED_HOSTS": ["*"] if base_url is None else [urlsplit(base_url).hostname or "", *hosts],
        "CSRF_TRUSTED_ORIGINS": [base_url] if base_url is not None else [],
        "SESSION_COOKIE_NAME": prefix + SESSION_COOKIE,
        "SESSION_COOKIE_SECURE": secure,
        "CSRF_COOKIE_NAME": prefix + "slacktide-csrf",
        "CSRF_COOKIE_SECURE": secure,
        "SECURE_HSTS_SECONDS": _YEAR_SECONDS if secure else 0,
        "SECURE_CROSS_ORIGIN_OPENER_POLICY": "same-origin" if secure else None,
    }
