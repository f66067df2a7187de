"""What all pages are like: for everybody to use, without a mouse, without scripts, and with nothing from elsewhere."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe

from slacktide.control.draft import keep_draft
from slacktide.control.task import task_of
from tests.acceptance.person import until

FOCUSABLE = "a[href], button, input:not([type=hidden]), select, textarea, [tabindex='0']"
REACHED = """all => {
  const here = document.activeElement, at = [...document.querySelectorAll(all)].indexOf(here);
  return [at, here.type === "radio" ? here.name : "", getComputedStyle(here).outlineStyle !== "none"];
}"""
WANTED = (
    """all => [...document.querySelectorAll(all)].map((each, at) => [at, each.type === "radio" ? each.name : ""])"""
)
GRAVE = ("serious", "critical")
ADMINISTRATORS = (
    "/overview", "/downtimes", "/downtimes/new", "/parameters", "/parameters/site_scheduled_downtime/new",
    "/holders", "/held", "/audit", "/account", "/worklist",
)  # fmt: skip


def before(person, tasks, link, plan):
    """Go through the pages while all is open; each comes with its name and who looks at it."""
    nobody = person()
    nobody.go("/login")
    yield "log in", nobody
    nobody.fill(user="grace", password="wrong")
    assert nobody.press("Log in") == 403
    yield "wrong password", nobody
    assert nobody.go("/nowhere") == 404
    yield "not found", nobody
    grace, ada = person("grace"), person("ada")
    yield "worklist", grace
    assert grace.go(f"/task/{tasks[0]}") == 200
    yield "task to be opened", grace
    assert grace.press("Open the task") == 200
    yield "task", grace
    ada.set("email_notification_security", "low", level="site")
    assert grace.go(link(tasks[1], "grace")) == 200
    yield "link of a mail", grace
    plan("OTHER", start="2036-01-06T02:00", duration="PT2H", rrule="FREQ=WEEKLY;COUNT=12", until_ended=False)
    assert ada.go("/downtimes/new") == 200
    ada.fill(organization=["HOTEL"], start="now+P1D", end="start+PT2H", reason="new version", message="Back soon")
    assert ada.press("Show the effect") == 200
    yield "effect of a downtime", ada
    assert ada.press("Confirm") == 200
    yield "downtime to come", ada
    ada.fill(reason="x", end="1999-01-01")
    assert ada.press("Change the end") == 400
    yield "refused change", ada


def during(person, tasks, plan, control):
    """Go through the pages while an organization is down."""
    keep_draft(control, user="grace", task=tasks[1], note="three pages", because="The organization was down.")
    key, ada, grace = plan("HOTEL", end="now+PT2H", message="We move."), person("ada"), person("grace")
    until(lambda: grace.go(f"/task/{tasks[1]}") == 503)
    yield "closed task", grace
    grace.go("/worklist")
    yield "worklist with closed ones", grace
    assert ada.open(tasks[1]) == 200
    assert ada.press("Save and finish") == 200
    ada.go(f"/task/{tasks[1]}")
    yield "finished task", ada
    for path in (*ADMINISTRATORS, f"/downtime/{key}", f"/setting/{key}"):
        assert ada.go(path) == 200
        yield f"{path.strip('/').replace('/', ' ')} of ada", ada
    yield from of_the_site(person, plan)


def of_the_site(person, plan):
    """Go through the pages of who stays outside while the site is down."""
    plan(end="now+PT3H")
    nobody = person()
    until(lambda: nobody.go("/login") == 200 and nobody.says("cannot work in it"))
    yield "log in while the site is down", nobody
    assert nobody.log_in("oscar") == 503
    yield "log-in refused", nobody


@pytest.mark.timeout(900)
def test_each_page(person, tasks, link, plan, control, erp, worker, tmp_path):
    """On no page axe finds anything serious, and the keyboard reaches everything, visibly; their pictures are kept."""
    axe, found = Axe(), {}
    for shown in (before(person, tasks, link, plan), during(person, tasks, plan, control)):
        for name, somebody in shown:
            violations = axe.run(somebody.page).response["violations"]
            serious = [(one["id"], one["nodes"][0]["html"]) for one in violations if one["impact"] in GRAVE]
            somebody.page.screenshot(path=tmp_path / f"{len(found):02} {name}.png", full_page=True)
            found[name] = serious + unreached(somebody.page)
    assert {name: problems for name, problems in found.items() if problems} == {}
    assert len(found) > 20


def unreached(page):
    """Give what the Tab key does not lead to; of radio buttons it leads to one."""
    wanted = {tuple(each) if each[1] == "" else (-1, each[1]) for each in page.evaluate(WANTED, FOCUSABLE)}
    page.evaluate("document.activeElement.blur()")
    reached, unseen = set(), []
    for _ in range(len(wanted) + 2):
        page.keyboard.press("Tab")
        at, radio, seen = page.evaluate(REACHED, FOCUSABLE)
        reached.add((at, "") if radio == "" else (-1, radio))
        if not seen and at >= 0:
            unseen.append(("focus not to be seen", at))
    return [("not reached", at) for at in sorted(wanted - reached)] + unseen


def test_without_scripts(person, plan, tasks, control):
    """All pages work without scripts: one logs in, works, schedules a downtime and ends it."""
    grace, ada = person("grace", java_script_enabled=False), person("ada", java_script_enabled=False)
    assert grace.open(tasks[0]) == 200
    grace.fill(note="typed without scripts")
    assert grace.press("Save") == 200
    assert grace.press("Save and finish") == 200
    task = task_of(control, id=tasks[0])
    assert (task.state, task.note) == ("done", "typed without scripts")
    assert ada.go("/downtimes/new") == 200
    ada.page.locator("main").get_by_text("until it is ended").click()
    ada.fill(organization=["HOTEL"], reason="a test", users="out")
    assert ada.press("Show the effect") == 200
    assert ada.press("Confirm") == 200
    until(lambda: grace.go(f"/task/{tasks[1]}") == 503)
    ada.fill(reason="over")
    assert ada.press("End it") == 200
    assert ada.press("Confirm") == 200
    assert ada.says("over")
    until(lambda: grace.go(f"/task/{tasks[1]}") == 200)
    assert grace.log_out() == 200
