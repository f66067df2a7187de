"""Log-in by a real OpenID provider."""

from __future__ import annotations

import http.client
import warnings
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from slacktide.server.asgi import Site
from slacktide.server.pages.house import Provider
from slacktide.server.run import serving
from tests.server.pages.conftest import SECRET, Browser

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import oidc_provider_mock

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the provider's own


@pytest.fixture
def provider():
    """Give the address of a provider that knows some users."""
    claims = [
        oidc_provider_mock.User(sub=name, claims={"preferred_username": name}) for name in ("grace", "ada", "eve")
    ]
    with oidc_provider_mock.run_server_in_thread(user_claims=claims) as server:
        yield f"http://127.0.0.1:{server.server_port}"


@pytest.fixture
def site(control, database, provider):
    """Give the address of a site whose users may log in by the provider."""
    known = Provider(issuer=provider, client="slacktide", secret="kept", title="the hotel's log-in")
    with serving(Site(database, secret=SECRET, provider=known), host="127.0.0.1", port=0) as url:
        yield url


def consent(address, name):
    """Be at the provider as a user, and give the path that it leads back to."""
    parts = urlsplit(address)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=10)
    kind = {"content-type": "application/x-www-form-urlencoded"}
    connection.request("POST", f"{parts.path}?{parts.query}", urlencode({"sub": name}), kind)
    answer = connection.getresponse()
    answer.read()
    back = urlsplit(answer.headers["location"])
    connection.close()
    return f"{back.path}?{back.query}"


def test_log_in(browser, tasks):
    """A user whom the provider names comes in, to where it was going."""
    grace = browser()
    assert "the hotel&#x27;s log-in" in grace.get("/login").text
    led = grace.get(f"/login/sso?next=/task/{tasks[0]}")
    assert parse_qs(urlsplit(led.location).query)["code_challenge_method"] == ["S256"]
    assert grace.get(consent(led.location, "grace")).location == f"/task/{tasks[0]}"
    assert grace.get("/worklist").status == 200


def test_answer_after_the_start(browser, plan):
    """An answer that comes after a downtime's start is judged then; an administrator's comes in."""
    grace, ada = browser(), browser()
    backs = [consent(each.get("/login/sso").location, name) for each, name in ((grace, "grace"), (ada, "ada"))]
    plan()
    assert grace.get(backs[0]).status == 503
    assert ada.get(backs[1]).status == 302


def test_unknown_person(browser):
    """Somebody whom the provider knows and we do not gets in nowhere."""
    eve = browser()
    assert eve.get(consent(eve.get("/login/sso").location, "eve")).status == 403
    assert eve.get("/worklist").status == 302


def test_made_up(browser):
    """An answer that this browser did not ask for is refused, and says no secret."""
    other = browser()
    back = consent(browser().get("/login/sso").location, "grace")
    refused = other.get(back)
    assert refused.status == 502
    assert "kept" not in refused.text
    assert other.get("/worklist").status == 302
    assert other.get("/login/sso/return?code=x&state=y").status == 502


def test_provider_away(control, database, people):
    """A provider that does not answer is said so; the password still gets in."""
    known = Provider(issuer="http://127.0.0.1:9", client="c", secret="s")
    with serving(Site(database, secret=SECRET, provider=known), host="127.0.0.1", port=0) as url:
        visitor = Browser(url)
        assert visitor.get("/login/sso").status == 502
        assert visitor.log_in("grace").status == 302
