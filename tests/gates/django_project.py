"""Somebody else's Django project, with accounts, sessions and a cache, served as WSGI or ASGI in a process of its own.

`python -m tests.gates.django_project wsgi|asgi CONTROL-ADDRESS FOLDER` says its address and ends with its input.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import sys
import threading
import time

import django
from django.conf import settings
from django.core.management import call_command
from django.http import Http404, HttpResponse, JsonResponse, StreamingHttpResponse
from django.urls import path
from django.views.decorators.cache import never_cache

EXEMPT = {"login", "health", "ran"}
RAN = []
PIECES = 400


class ReadsPost:
    """A middleware before the gate that reads of the body what a header says."""

    def __init__(self, get_response):
        """Take the rest."""
        self.get_response = get_response

    def __call__(self, request):
        wanted = request.headers.get("x-reads")
        if wanted == "post":
            assert request.POST is not None
        elif wanted == "some":
            assert request.read(3)
        return self.get_response(request)


class Rewrites:
    """A middleware behind the gate that believes a header about the address."""

    def __init__(self, get_response):
        """Take the rest."""
        self.get_response = get_response

    def __call__(self, request):
        request.path_info = request.headers.get("x-original-url", request.path_info)
        return self.get_response(request)


def keeper(request):
    """Give the process's keeper."""
    del request
    return settings.KEEPER


def asks(request):
    """Say what a request is about, by its route."""
    from django.contrib.auth import get_user_model  # noqa: PLC0415 -- needs the settings

    from slacktide.downtime.table import Action  # noqa: PLC0415 -- as a project would, when it is loaded
    from slacktide.gates.ask import Ask  # noqa: PLC0415 -- see above

    match = request.resolver_match
    if match.url_name in EXEMPT:
        return None
    if match.url_name == "broken":
        message = "the project's own mistake"
        raise RuntimeError(message)
    if match.url_name == "gone":
        raise Http404
    # By the data as they are now: a lazy `request.user` would remember.
    user = get_user_model().objects.filter(pk=request.user.pk).first()
    return Ask(
        action=Action.EMAIL_LINK if match.url_name == "link" else Action.OPEN_TASK,
        organization=match.kwargs.get("code", "HOTEL"),
        admin=user is not None and user.is_staff,
        link_asks=False,
        stream=match.url_name.endswith("stream"),
    )


def page(request, decision):
    """Give the text of a refusal."""
    return f"<h1>The shop is closed</h1><p>{request.resolver_match.url_name}</p><p>{decision.code}</p>"


def log_in(request):
    from django.contrib.auth import authenticate, login  # noqa: PLC0415 -- needs the settings

    user = authenticate(request, username=request.POST["user"], password="secret")
    login(request, user)
    return HttpResponse("in")


@never_cache
def change_role(request):
    from django.contrib.auth import get_user_model  # noqa: PLC0415 -- needs the settings

    get_user_model().objects.filter(username="ada").update(is_staff="staff" in request.GET)
    return HttpResponse("changed")


def task(request, code):
    RAN.append(request.path)
    return JsonResponse({"code": code, "bytes": len(request.body)})


async def async_task(request, code):
    RAN.append(request.path)
    await asyncio.sleep(0)
    return JsonResponse({"code": code, "bytes": len(request.body)})


def upload(request):
    RAN.append(request.path)
    file = request.FILES["file"]
    return JsonResponse({"sum": hashlib.sha256(file.read()).hexdigest(), "title": request.POST["title"]})


def cached(request):
    RAN.append(request.path)
    return HttpResponse(f"made {len(RAN)}")


def stream(request):
    del request

    def pieces():
        for number in range(PIECES):
            yield b"%d\n" % number
            time.sleep(0.05)

    return StreamingHttpResponse(pieces())


async def async_stream(request):
    async def pieces():
        try:
            for number in range(PIECES):
                yield b"%d\n" % number
                await asyncio.sleep(60 if "silent" in request.GET else 0.05)
        finally:
            RAN.append("ended")

    return StreamingHttpResponse(pieces())


@never_cache
def ran(request):
    del request
    return JsonResponse(RAN, safe=False)


def health(request):
    del request
    return HttpResponse("well")


urlpatterns = [
    path("login", log_in, name="login"),
    path("role", change_role, name="health"),
    path("health", health, name="health"),
    path("ran", ran, name="ran"),
    path("task/<str:code>", task, name="task"),
    path("atask/<str:code>", async_task, name="atask"),
    path("link/<str:code>", task, name="link"),
    path("upload", upload, name="upload"),
    path("cached", cached, name="cached"),
    path("stream", stream, name="stream"),
    path("astream", async_stream, name="astream"),
    path("broken", health, name="broken"),
    path("gone", health, name="gone"),
]


def configure(address, folder):
    """Configure the project, and make its accounts."""
    from slacktide.gates.control_source import ControlSource  # noqa: PLC0415 -- in its process only
    from slacktide.gates.keeper import Keeper  # noqa: PLC0415 -- see above

    here = __name__
    settings.configure(
        KEEPER=Keeper(ControlSource(address, name="shop")),
        SECRET_KEY="the shop's own, which nobody needs to know",
        ALLOWED_HOSTS=["*"],
        ROOT_URLCONF=here,
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": f"{folder}/shop.sqlite"}},
        INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "django.contrib.sessions"],
        PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
        CACHE_MIDDLEWARE_SECONDS=600,
        LOGGING_CONFIG=None,
        MIDDLEWARE=[
            "django.middleware.cache.UpdateCacheMiddleware",
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
            "django.middleware.csrf.CsrfViewMiddleware",
            f"{here}.ReadsPost",
            "slacktide.gates.django.Gate",
            f"{here}.Rewrites",
            "django.middleware.cache.FetchFromCacheMiddleware",
        ],
        DOWNTIME_GATE={
            "keeper": f"{here}.keeper",
            "asks": f"{here}.asks",
            "page": f"{here}.page",
            "log_in_at": "/login",
        },
    )
    django.setup()
    call_command("migrate", verbosity=0)
    from django.contrib.auth import get_user_model  # noqa: PLC0415 -- needs the settings

    for name, staff in (("ada", True), ("grace", False)):
        get_user_model().objects.create_user(name, password="secret", is_staff=staff)


def main():
    """Serve it until the input ends."""
    kind, address, folder = sys.argv[1:]
    configure(address, folder)
    from tests.gates.conftest import serving_any  # noqa: PLC0415 -- only here
    from tests.gates.test_wsgi import serving  # noqa: PLC0415 -- see above

    if kind == "wsgi":
        from django.core.wsgi import get_wsgi_application  # noqa: PLC0415 -- needs the settings

        served = serving(get_wsgi_application())
    else:
        from django.core.asgi import get_asgi_application  # noqa: PLC0415 -- needs the settings

        served = serving_any(get_asgi_application())
    with served as url:
        sys.stdout.write(json.dumps(url) + "\n")
        sys.stdout.flush()
        sys.stdin.read()
    assert threading.current_thread() is threading.main_thread()
    settings.KEEPER.close()


if __name__ == "__main__":
    sys.modules["tests.gates.django_project"] = sys.modules["__main__"]
    __name__ = "tests.gates.django_project"
    main()
