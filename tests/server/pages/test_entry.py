"""Logging in and out."""

from __future__ import annotations

import pytest

from slacktide.control.session import list_sessions
from slacktide.control.user import Change, change_user
from tests.server.pages.conftest import PASSWORD, WHO


def test_in_and_out(browser, control):
    """A log-in begins a session, and leads to the worklist; a log-out ends it."""
    grace = browser()
    assert grace.get("/worklist").location == "/login?next=%2Fworklist"
    entered = grace.log_in("grace")
    assert (entered.status, entered.location) == (302, "/worklist")
    assert grace.get("/worklist").status == 200
    assert [one.user for one in list_sessions(control)] == ["grace"]
    assert grace.post("/logout").status == 302
    assert list_sessions(control) == []
    assert grace.get("/worklist").status == 302


def test_site_downtime(browser, plan, end):
    """In a downtime of the site the log-in is refused with the message; administrators get in; after it all do."""
    key = plan(message="Upgrade of the ERP", contact="Ada")
    refused = browser().log_in("grace")
    assert refused.status == 503
    assert refused.says("The system is not available for administrative reasons")
    assert refused.says("Upgrade of the ERP")
    assert refused.says("Ask Ada")
    assert refused.headers["retry-after"] == "300"
    assert refused.headers["cache-control"] == "no-store"
    assert browser().get("/login").status == 200
    assert browser().log_in("ada").status == 302
    end(key)
    assert browser().log_in("grace").status == 302


@pytest.mark.parametrize("wish", [{"users": "in"}, {"end": "now+PT1H", "start": "now+PT10M"}])
def test_let_in(browser, plan, wish):
    """With users in, and before the start, everybody gets in."""
    plan(**wish)
    assert browser().log_in("grace").status == 302


def test_organization_downtime(browser, plan):
    """A downtime of an organization never bars the log-in."""
    plan("HOTEL")
    assert browser().log_in("grace").status == 302


def test_a_session_goes_on(browser, plan, soon):
    """Whoever was logged in at the start may see the worklist until it logs out, and then comes in no more."""
    grace = browser("grace")
    plan()
    soon(lambda: browser().get("/worklist").status == 503)
    assert grace.get("/worklist").status == 200
    grace.post("/logout")
    assert grace.get("/worklist").status == 503
    assert grace.log_in("grace").status == 503


def test_wrong_password(browser):
    """A wrong password, an unknown user and a disabled one read the same."""
    answers = [browser().log_in("grace", "wrong"), browser().log_in("nobody", PASSWORD)]
    assert {one.status for one in answers} == {403}
    assert all(one.says("The name or the password is not right") for one in answers)


def test_lock_out(browser, site):
    """After five failures of a name from an address the right password is not tried either; another name is."""
    tried = browser()
    for _ in range(5):
        assert tried.log_in("grace", "wrong").status == 403
    locked = tried.log_in("grace")
    assert (locked.status, locked.says("too many failed log-ins")) == (429, True)
    assert browser().log_in("oscar").status == 302


def test_disabled(browser, control):
    """A user who is disabled is out at once, and does not come in again."""
    grace = browser("grace")
    change_user(control, name="grace", change=Change(disabled=True), **WHO)
    assert grace.get("/worklist").status == 302
    assert grace.log_in("grace").status == 403


def test_role_taken_away(browser, control, plan):
    """An administrator whose role is taken away in mid-session is a normal user from the next request on."""
    ada = browser("ada")
    assert ada.get("/parameters").status == 200
    change_user(control, name="ada", change=Change(admin=False), **WHO)
    assert ada.get("/parameters").status == 403


@pytest.mark.parametrize(
    "elsewhere",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example",
        "javascript:alert(1)",
        "https:evil.example",
        "///x",
    ],
)
def test_open_redirect(browser, elsewhere):
    """The log-in leads to addresses of the site, and of no other."""
    assert browser().log_in("grace", next=elsewhere).location == "/worklist"


def test_cookies_and_headers(browser):
    """The session's cookie is out of reach of scripts; a page allows none but our own files, and is not stored."""
    page = browser().get("/login")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "unsafe" not in page.headers["content-security-policy"]
    assert "<script>" not in page.text
    assert "style=" not in page.text
    assert page.headers["cache-control"] == "no-store"
    entered = browser().log_in("grace")
    session = next(line for line in entered.headers.get_all("set-cookie") if line.startswith("slacktide-session="))
    assert "HttpOnly" in session
    assert "SameSite=Lax" in session


def test_forged(browser, control):
    """A form without the token of one of our pages does nothing; a cookie that was changed is nobody's."""
    grace = browser("grace")
    assert grace.post("/logout", csrf=False).status == 403
    assert len(list_sessions(control)) == 1
    name = "slacktide-session"
    grace.cookies[name] = grace.cookies[name][:-2] + ("aa" if not grace.cookies[name].endswith("aa") else "bb")
    assert grace.get("/worklist").status == 302


def test_another_password(browser):
    """Who knows the present password sets another; guesses count like failed log-ins."""
    grace = browser("grace")
    assert grace.post("/account", password=PASSWORD, new="a", again="b").status == 400
    assert grace.post("/account", password=PASSWORD, new="", again="").status == 400
    assert grace.post("/account", password=PASSWORD, new="new horse", again="new horse").status == 200
    assert browser().log_in("grace").status == 403
    assert browser().log_in("grace", "new horse").status == 302
    for _ in range(5):
        grace.post("/account", password="guess", new="x", again="x")
    assert grace.post("/account", password="new horse", new="x", again="x").says("too many failed log-ins")
