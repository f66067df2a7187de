"""Ways in that somebody tries by HTTP while a downtime is in effect. The whole list is docs/explanation/ways-in.md."""

from __future__ import annotations

import socket
import threading
from urllib.parse import urlencode, urlsplit

import pytest

from slacktide.control.lease import leases_of
from slacktide.control.session import list_sessions
from slacktide.control.setting_change import Whose, add_setting
from slacktide.control.task import task_of
from slacktide.control.user import Change, change_user
from slacktide.holding.place import Place, set_place
from slacktide.holding.store import list_items
from tests.server.pages.conftest import WHO, Browser
from tests.server.pages.test_link import follow

SESSION = "slacktide-session"
TITLE = "Pay the linen"


@pytest.fixture
def shut(browser, tasks, plan, soon):
    """Give a logged-in user, a task of an organization that has just closed, and the function that says it is shut."""
    grace, task = browser("grace"), tasks[0]
    plan("HOTEL")
    soon(lambda: grace.get(f"/task/{task}").status == 503)

    def shut_out(page):
        return page.status not in (200, 201, 204, 206, 304) and TITLE not in page.text

    return grace, task, shut_out


# -- addresses ---------------------------------------------------------------------------------------------------------


WORDS_THAT_LOOK_EXEMPT = [
    "/task/{}/login",
    "/login/../task/{}",
    "//task/{}",
    "/files/../task/{}",
    "/task/{}?next=/login",
    "/task/{};/login",
    "/task/{}?/files/site.css",
    "/TASK/{}",
    "/logout/task/{}",
    "/task/./{}",
    "/task/{}/../../login/../task/{}",
]


def test_words_that_look_exempt(shut):
    """An address in which something exempt is named leads to the task's own refusal, or to nothing."""
    grace, task, shut_out = shut
    for address in WORDS_THAT_LOOK_EXEMPT:
        assert shut_out(grace.get(address.replace("{}", task)))


ENCODED_ADDRESSES = [
    "/%74ask/{}",
    "/task%2F{}",
    "/task/%3{}",
    "/task/{}%00",
    "/task/%2e/{}",
    "/task//{}",
    "/%2e%2e/task/{}",
    "/task/{}%20",
    "/task/{}/",
    "/task/%EF%BC%91",
    "/task/0{}",
    "/t%61sk%2f{}?x=1",
]


def test_encoded_addresses(shut):
    """An address that is written otherwise is judged as what it leads to, or leads to nothing."""
    grace, task, shut_out = shut
    for address in ENCODED_ADDRESSES:
        assert shut_out(grace.get(address.replace("{}", task)))


OTHER_FORMATS = [
    "/task/{}.json",
    "/task/{}?format=json",
    "/task/{}.csv",
    "/task/{}/print",
    "/task/{}/attachment",
    "/api/task/{}",
    "/task/{}?raw",
    "/worklist.json",
]


def test_other_formats(shut):
    """No format of a page tells more than the page."""
    grace, task, shut_out = shut
    for address in OTHER_FORMATS:
        for accept in ("text/html", "application/json", "text/csv", "*/*"):
            assert shut_out(grace.get(address.replace("{}", task), accept=accept))


# -- requests ----------------------------------------------------------------------------------------------------------


OTHER_VERBS = ["HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "TRACE", "get", "POSTT"]


def test_other_verbs(shut, control):
    """No verb opens, changes or shows a task of a closed organization."""
    grace, task, shut_out = shut
    for verb in OTHER_VERBS:
        for path in (f"/task/{task}", f"/task/{task}/open", f"/task/{task}/save"):
            assert shut_out(grace.get(path, method=verb))
    assert leases_of(control, user="grace") == []


METHOD_OVERRIDE = ["x-http-method-override", "x-http-method", "x-method-override"]


def test_method_override(shut, control):
    """A header or field that names another method is not heeded."""
    grace, task, shut_out = shut
    for header in METHOD_OVERRIDE:
        for verb in ("POST", "GET", "PUT"):
            assert shut_out(grace.get(f"/task/{task}/open", **{header: verb}))
            assert grace.post(f"/task/{task}/open", _method=verb, method=verb).status == 503
    assert leases_of(control, user="grace") == []


ORIGINAL_ADDRESS = [
    "x-original-url",
    "x-rewrite-url",
    "x-forwarded-uri",
    "x-forwarded-prefix",
    "x-script-name",
    "x-original-uri",
    "x-accel-redirect",
]


def test_original_address(shut):
    """A header that says which address was meant is not heeded, by the exempt pages neither."""
    grace, task, shut_out = shut
    for header in ORIGINAL_ADDRESS:
        assert shut_out(grace.get(f"/task/{task}", **{header: "/login"}))
        assert TITLE not in grace.get("/login", **{header: f"/task/{task}"}).text


FORGED_HEADERS = [
    "x-forwarded-user",
    "x-remote-user",
    "remote-user",
    "x-slacktide-user",
    "x-user",
    "x-forwarded-for",
    "x-real-ip",
    "forwarded",
    "x-slacktide-admin",
]


def test_forged_headers(shut):
    """A client that says who or where it is by a header is nobody else by that."""
    grace, task, shut_out = shut
    for header in FORGED_HEADERS:
        for value in ("ada", "127.0.0.1", "for=127.0.0.1;by=ada"):
            assert shut_out(grace.get(f"/task/{task}", **{header: value}))
            assert grace.get("/parameters", **{header: value}).status == 403


def test_forwarded_address_and_the_lock(browser):
    """Who is locked out stays so, whatever address it says it comes from."""
    tried = browser()
    for number in range(5):
        form = urlencode({"user": "grace", "password": "wrong", "csrfmiddlewaretoken": tried.token()})
        headers = {"content-type": "application/x-www-form-urlencoded", "x-forwarded-for": f"10.0.0.{number}"}
        assert tried.ask("POST", "/login", form, headers).status == 403
    assert tried.log_in("grace").status == 429


@pytest.mark.parametrize("header", [{"if-none-match": "*"}, {"if-modified-since": "Wed, 01 Jan 2031 00:00:00 GMT"},
                                    {"cache-control": "only-if-cached"}, {"range": "bytes=0-"}])  # fmt: skip
def test_kept_pages(browser, tasks, plan, end, soon, header):
    """No page and no refusal is kept: neither is given out of a memory, before, in and after a downtime."""
    grace, path = browser("grace"), f"/task/{tasks[0]}"
    assert grace.get(path).headers["cache-control"] == "no-store"
    key = plan("HOTEL")
    soon(lambda: grace.get(path).status == 503)
    refused = grace.get(path, **header)
    assert (refused.status, refused.headers["cache-control"], TITLE in refused.text) == (503, "no-store", False)
    assert TITLE not in grace.get("/worklist", **header).text
    end(key)
    soon(lambda: grace.get(path, **header).status == 200)


def test_upgrade(shut):
    """A request for a socket is refused like any other."""
    grace, task, shut_out = shut
    headers = {"connection": "Upgrade", "upgrade": "websocket", "sec-websocket-version": "13",
               "sec-websocket-key": "x3JJHMbDL1EzLkh9GBhXDw=="}  # fmt: skip
    answer = grace.get(f"/task/{task}", **headers)
    assert shut_out(answer)
    assert answer.status != 101


def test_sent_slowly_across_the_start(browser, site, tasks, plan, soon, control):
    """A form whose last byte comes after the start is refused, and what was typed is kept."""
    grace, task = browser("grace"), tasks[0]
    body = urlencode({"note": "slowly", "version": "1", "csrfmiddlewaretoken": grace.token()}).encode()
    parts, cookies = urlsplit(site), "; ".join(f"{name}={value}" for name, value in grace.cookies.items())
    lines = [f"POST /task/{task}/save HTTP/1.1", "Host: x", "Content-Type: application/x-www-form-urlencoded",
             f"Content-Length: {len(body)}", f"Cookie: {cookies}", "Accept: text/html", "", ""]  # fmt: skip
    with socket.create_connection((parts.hostname, parts.port), timeout=20) as client:
        client.sendall("\r\n".join(lines).encode() + body[:10])
        plan("HOTEL")
        soon(lambda: grace.get(f"/task/{task}").status == 503)
        client.sendall(body[10:])
        assert b" 503 " in client.recv(100)
    assert task_of(control, id=task).note == ""


def test_bulk_of_mixed_organizations(shut, tasks, control):
    """Of many tasks at once each is judged by itself: those of the closed organization are refused, the others done."""
    grace, closed, _ = shut
    for facts in ({"do": "reassign", "user": "grace"}, {"do": "finish"}):
        answer = grace.post("/worklist/act", task=[closed, tasks[2], "999999"], **facts)
        assert answer.status == 207
        assert answer.says(f"Task {tasks[2]}: done")
        assert not answer.says(f"Task {closed}: done")
    assert [task_of(control, id=each).state for each in (closed, tasks[2])] == ["open", "done"]
    assert task_of(control, id=closed).user is None


def test_double_submit(browser, tasks, control):
    """A form that is sent twice at once is done once, and what follows from it is there once."""
    set_place(control, Place("erp", "env:ERP", None), **WHO)
    grace, task = browser("grace"), tasks[0]
    grace.post(f"/task/{task}/open")
    answers = []

    def send():
        answers.append(grace.post(f"/task/{task}/save", note="once", version=1, finish="").status)

    threads = [threading.Thread(target=send) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sorted(answers) == [302, 409, 409, 409]
    assert [item.key for item in list_items(control)] == [f"HOTEL/task-{task}"]


# -- sessions and log-in -----------------------------------------------------------------------------------------------


def test_a_cookie_after_the_log_out(browser, site, plan):
    """A session's cookie that was kept aside is nobody's after the log-out."""
    grace = browser("grace")
    kept = dict(grace.cookies)
    grace.post("/logout")
    again = Browser(site)
    again.cookies = kept
    assert again.get("/worklist").location.startswith("/login")
    plan()
    assert again.log_in("grace").status == 503


def test_a_remembered_browser(browser, tasks, link, plan, soon, control):
    """A browser that is remembered for links has to log in while a downtime is in effect, and is judged by that."""
    add_setting(control, parameter="email_notification_security", value="medium", whose=Whose(site=True), **WHO)
    visitor = browser("grace")
    visitor.post("/logout")
    assert follow(visitor, link(tasks[0], "grace")).status == 200
    plan()
    soon(lambda: follow(visitor, link(tasks[0], "grace")).status == 302)
    assert visitor.post("/task/link/open").location.startswith("/login")
    assert visitor.log_in("grace").status == 503
    assert list_sessions(control) == []


def test_a_new_password(browser, plan, control):
    """A password that is set anew in a downtime lets nobody in; the new one counts when it is over."""
    plan()
    change_user(control, name="grace", change=Change(password="quite another"), **WHO)
    assert browser().log_in("grace", "quite another").status == 503
    assert browser().log_in("grace").status == 403
    assert list_sessions(control) == []


def test_an_administrators_link(browser, tasks, link, control):
    """An administrator's link at the level `low` opens its task, and makes nobody an administrator."""
    add_setting(control, parameter="email_notification_security", value="low", whose=Whose(site=True), **WHO)
    forwarded = browser()
    assert follow(forwarded, link(tasks[0], "ada")).status == 200
    assert forwarded.post("/task/link/open").location == f"/task/{tasks[0]}"
    assert forwarded.get(f"/task/{tasks[0]}").status == 200
    for path in ("/parameters", "/overview", "/downtimes", "/downtimes/new", "/holders", "/held", "/audit"):
        assert str(forwarded.get(path).location).startswith("/login"), path
    wish = {"scope": "site", "length": "until_ended", "reason": "mine", "confirm": "1"}
    assert forwarded.post("/downtimes/new", **wish).location.startswith("/login")
    assert forwarded.get(f"/task/{tasks[1]}").location.startswith("/login")


def test_an_organization_administrators_link(browser, tasks, link, plan, control):
    """The same for an organization's administrator and its downtimes."""
    add_setting(control, parameter="email_notification_security", value="low", whose=Whose(site=True), **WHO)
    forwarded = browser()
    follow(forwarded, link(tasks[0], "heidi"))
    forwarded.post("/task/link/open")
    key = plan("HOTEL", start="now+PT1H", end="now+PT2H")
    for path in ("/downtimes", f"/downtime/{key}"):
        assert str(forwarded.get(path).location).startswith("/login"), path
    assert forwarded.post(f"/downtime/{key}", do="cancel", reason="x", confirm="1").location.startswith("/login")


def test_an_administrator_gets_in(browser, plan, control):
    """An administrator logs in, with all files of the page, when nothing but the session can be written."""
    plan()
    tables = ("audit", "setting", "task", "lease", "draft", "log_in_failure")
    for name in tables:
        statement = f"create trigger full_disk before insert or update or delete on slacktide.{name}"
        control.execute(f"{statement} for each statement execute function slacktide.refuse()".encode())
    ada = browser()
    assert [ada.get(path).status for path in ("/login", "/files/site.css", "/files/task.js", "/livez")] == [200] * 4
    assert ada.log_in("ada").status == 302
    assert ada.get("/overview").status == 200
    assert browser().log_in("grace").status == 503


OPEN_REDIRECT_AFTER_PARSING = [
    "/\t/evil.example",
    "/\n/evil.example",
    "/%5cevil.example/..//evil.example",
    "//evil.example%2f@localhost",
    "http:///evil.example",
    "\t//evil.example",
    "/\\/evil.example",
    "////evil.example",
    "//\\evil.example",
]


def test_open_redirect_after_parsing(browser):
    """Where a browser would read another host out of an address, the log-in does not lead there."""
    for elsewhere in OPEN_REDIRECT_AFTER_PARSING:
        led = browser().log_in("grace", next=elsewhere).location
        read = led.replace("\t", "").replace("\n", "").replace("\\", "/")
        assert read.startswith("/")
        assert not read.startswith("//")


# -- links -------------------------------------------------------------------------------------------------------------


def test_a_scanner_that_clicks(browser, site, tasks, link, plan, soon, control):
    """A scanner that follows a link and clicks its button in a downtime gets to the log-in, and opens nothing."""
    add_setting(control, parameter="email_notification_security", value="low", whose=Whose(site=True), **WHO)
    plan("OTHER")
    scanner, path = Browser(site), link(tasks[0], "grace")
    soon(lambda: follow(scanner, path).status == 302)
    assert scanner.post("/task/link/open").location.startswith("/login")
    assert scanner.post("/task/link/open", csrf=False).status == 403
    assert scanner.post(path).status in (302, 405)
    assert Browser(site).post("/task/link/open").status == 404
    assert (list_sessions(control), leases_of(control, user="grace")) == ([], [])
