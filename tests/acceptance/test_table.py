"""The decision table again: through the pages in a real browser, held work, and the interface tables of an ERP."""

from __future__ import annotations

from contextlib import contextmanager

import pytest

from slacktide.control import user
from slacktide.control.lease import leases_of
from slacktide.control.organization import set_side
from slacktide.control.schedule import schedule_of
from slacktide.control.setting import control_now
from slacktide.control.setting_change import Whose, add_setting
from slacktide.control.task import add_task
from slacktide.core.errors import SQLSTATE_CLOSED
from slacktide.downtime import decide
from slacktide.gates.refusal import status_of
from slacktide.holding import sample, store
from slacktide.holding.item import Arrival
from slacktide.holding.listing import held_show
from slacktide.holding.release import Releaser
from slacktide.holding.window import Copier
from slacktide.holding.wording import because
from slacktide.postgres.connection import connect
from slacktide.server.asgi import Site
from slacktide.server.run import serving
from tests.acceptance.person import until
from tests.server.pages.conftest import PASSWORD, SECRET, WHO
from tests.server.test_cells import known

pytestmark = pytest.mark.long

# Who is an administrator, has the task open, and is asked for a log-in by links.
PEOPLE = {
    "ada": {"admin": True, "lease": False, "asks": True},
    "alan": {"admin": True, "lease": True, "asks": False},
    "grace": {"admin": False, "lease": False, "asks": False},
    "gloria": {"admin": False, "lease": True, "asks": True},
}
SENDS = """async ([path, fields]) => {
  const token = document.querySelector("[name=csrfmiddlewaretoken]").value;
  const body = new URLSearchParams({...fields, csrfmiddlewaretoken: token});
  return (await fetch(path, {method: "POST", body})).status;
}"""


@pytest.fixture
def served(control, database):
    """Give the address of a real site, and its keeper."""
    started = Site(database, secret=SECRET)
    with serving(started, host="127.0.0.1", port=0) as url:
        yield url, started.keeper


@pytest.fixture
def site(served):
    """Give the address alone."""
    return served[0]


@pytest.fixture
def everybody(control, person, people, tasks):
    """Give the people of the table, each at a window with a live session."""
    both = {"HOTEL": "user", "OTHER": "user"}
    for name, change in (
        ("alan", user.Change(admin=True, password=PASSWORD)),
        ("gloria", user.Change(organizations=both, password=PASSWORD)),
    ):
        user.add_user(control, name=name, change=change, **WHO)
    for name, facts in PEOPLE.items():
        if not facts["asks"]:
            whose = Whose(user=name)
            add_setting(control, parameter="email_notification_security", value="low", whose=whose, **WHO)
    found = {name: person(name) for name in PEOPLE}
    for name, facts in PEOPLE.items():
        if facts["lease"]:
            assert sends(found[name], f"/task/{tasks[0]}/open") == 200
    return found


@pytest.fixture
def works(control, database, erp):
    """Give the held work of the ERP: a releaser and a copier that work when they are asked to."""
    with connect(database, name="release") as releasing, connect(database, name="copy") as copying:
        found = Works(control, erp, Releaser(releasing), Copier(copying))
        yield found
        found.end()


def sends(somebody, path, **fields):
    """Send a form from the page that somebody looks at; give the status of where it leads."""
    return somebody.page.evaluate(SENDS, [path, fields])


class Works:
    """The way from a finished task into the ERP."""

    def __init__(self, control, erp, releaser, copier):
        """Take what does it."""
        self._control, self._erp, self._releaser, self._copier, self._count = control, erp, releaser, copier, 0

    def end(self):
        self._releaser.close()
        self._copier.close()

    def prepare(self):
        """Have an invoice written in the interface, of which the import is to be asked for; give its key."""
        self._count += 1
        item = store.arrive(self._control, sample.invoice(organization="HOTEL", number=f"before-{self._count}"))
        self.release()
        return item.key

    def release(self):
        """Let everything go on as far as it goes now."""
        store.check_now(self._control)
        while "HOTEL" in store.due(self._control):
            assert self._releaser.release("HOTEL")
            sample.run_importer(self._erp.connection)

    def judge(self, keys, decision_of):
        """Hold what became of the items, and of a writer who asks nobody, against the decisions."""
        assert self._copier.copy()
        self.release()
        for key in keys:
            item = store.item_of_key(self._control, key=key)
            decision = decision_of("import" if item.step == "import" else "write_interface")
            shown = held_show(self._control, id=str(item.id))
            states = {"allow": ("done", "sent"), "hold": ("waiting",), "deny": ("refused",)}[decision.decision]
            assert item.state in states, (item, decision)
            if decision.decision == "hold":
                assert shown["because"] == because(decision)
        refusal = self._erp.refusal(
            "insert into payables.invoice_header (key, organization, number, amount) values ('x', 'HOTEL', 'x', 1)"
        )
        decision = decision_of("write_interface", writer="other")
        if decision.code != "reference_only":  # no move has told the ERP's own guard of that
            assert refusal == (None if decision.allowed else SQLSTATE_CLOSED)


@pytest.fixture
def state(served, control, plan, end):
    """Give a function that brings site and organization into a state while a block runs."""
    place = {"organization": "HOTEL", "side": "source"}

    @contextmanager
    def begin(site_users, own_users, left):
        if left:
            set_side(control, state="reference only", lives_at="https://new.example", **place, **WHO)
        keys = [plan(users=site_users)] if site_users else []
        keys += [plan("HOTEL", users=own_users)] if own_users else []
        until(lambda: known(served[1]) == (site_users, own_users, left))
        yield (site_users, own_users, left)
        for key in keys:
            end(key)
        if left:
            set_side(control, state="open", **place, **WHO)
        until(lambda: known(served[1]) == (None, None, False))

    return begin


@pytest.fixture
def cell(control, link, tasks):
    """Give a function that makes the cells of a state."""
    return lambda now: Cell(control, lambda name: link(tasks[0], name), tasks[0], now)


@pytest.mark.timeout(1500)
@pytest.mark.parametrize("left", [False, True])
@pytest.mark.parametrize("site_users", [None, "in", "out"])
def test_cells(everybody, person, cell, works, control, state, site_users, left):
    """Every cell that the site can carry does in a browser, and in the ERP, as the table decides."""
    for own_users in (None, "in", "out"):
        header = works.prepare()
        finished = {} if left else opened(control, everybody)
        with state(site_users, own_users, left) as now:
            here = cell(now)
            for name, somebody in everybody.items():
                here.judge(name, somebody, person)
            works.judge(handed_in(control, everybody, header, finished), here.decide)
        works.release()


def opened(control, everybody):
    """Let an administrator and a normal user open a task each; give the tasks by their names."""
    found = {}
    for name in ("alan", "gloria"):
        found[name] = add_task(control, organization="HOTEL", title=name, **WHO).id
        assert sends(everybody[name], f"/task/{found[name]}/open") == 200
    return found


def handed_in(control, everybody, header, finished):
    """Finish the tasks, and hand in the import; give the keys of what is handed in."""
    for name, task in finished.items():
        assert sends(everybody[name], f"/task/{task}/save", finish="") == 200
    if not finished:
        store.arrive(control, sample.invoice(organization="HOTEL", number=f"late-{header}"))
    payload, key = {"header_key": header}, f"{header}/import"
    store.arrive(control, Arrival(organization="HOTEL", step="import", work=sample.NAME, key=key, payload=payload))
    return [*(f"HOTEL/task-{task}" for task in finished.values()), key, *([] if finished else [f"HOTEL/late-{header}"])]


class Cell:
    """One state of site and organization, and what everybody meets in it."""

    def __init__(self, control, link, task, state):
        """Take the task of which all cells are, and the schedule of this state."""
        self._control, self._link, self._task, self._state = control, link, task, state
        self._schedule = schedule_of(control)

    def decide(self, action, *, organization="HOTEL", **facts):
        """Give the decision that the pages are held against."""
        now = control_now(self._control)
        return decide(action=action, schedule=self._schedule, now=now, organization=organization, **facts)

    def judge(self, name, somebody, person):
        """Hold everything that somebody does against the decisions."""
        admin, asks = PEOPLE[name]["admin"], PEOPLE[name]["asks"]
        leases = {lease.task for lease in leases_of(self._control, user=name)}
        own = {"user_is_admin": admin, "lease": self._task in leases}
        met = self._tasks(somebody, own) | self._pages(somebody, own)
        for session, window in (("live", somebody), ("none", person())):
            met[f"link, {session} session"] = self._linked(name, window, admin=admin, asks=asks)
        reading = self.decide("read", organization=None)
        met["read, no session"] = (window.go("/worklist"), status_of(reading))
        entered = self.decide("login", organization=None, user_is_admin=admin, lease=bool(leases))
        met["login"] = (window.log_in(name), status_of(entered))
        window.log_out() if entered.allowed else None
        assert {what: pair for what, pair in met.items() if pair[0] != pair[1]} == {}, (name, self._state)

    def _tasks(self, somebody, own):
        """Go on with the task, and open it; who has not had it open before closes it again."""
        going_on, opening = (self.decide(action, **own) for action in ("continue_task", "open_task"))
        path = f"/task/{self._task}"
        met = {
            "continue": (sends(somebody, f"{path}/save", note="x"), status_of(going_on)),
            "open": (sends(somebody, f"{path}/open"), status_of(opening)),
        }
        if opening.code != "reference_only":
            met["look"] = (somebody.go(path), status_of(opening))
        if not own["lease"] and opening.allowed:
            sends(somebody, f"{path}/close")
        return met

    def _pages(self, somebody, own):
        """Read, and change a setting, in a live session."""
        reading = self.decide("read", organization=None, session="live", user_is_admin=own["user_is_admin"])
        changing = self.decide("change_setting", organization=None, user_is_admin=own["user_is_admin"])
        page = "/parameters/email_link_downtime_scope/new"
        return {
            "change": (somebody.go(page), status_of(changing)),
            "read": (somebody.go("/worklist"), status_of(reading)),
        }

    def _linked(self, name, window, *, admin, asks):
        """Follow the link of a mail; give where that leads, and where it has to."""
        decision = self.decide("email_link", user_is_admin=admin, link_asks=asks, via="email")
        status = window.go(self._link(name))
        at = "/login" if decision.decision == "login" else "/task/link"
        wanted = 200 if decision.decision == "login" else status_of(decision)
        return (status, window.path.partition("?")[0]), (wanted, at)
