"""`/metrics`, read by strict parsers of both forms."""

from __future__ import annotations

from datetime import date

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as strict
from prometheus_client.parser import text_string_to_metric_families as plain

from slacktide.control.lease import take_lease
from slacktide.control.organization import add_organization
from slacktide.control.session import start_session
from slacktide.control.task import add_task
from slacktide.control.user import Change, add_user
from slacktide.holding import sample, store
from slacktide.postgres.connection import connect
from slacktide.server.asgi import Site
from slacktide.server.exposition import OPEN, PLAIN, Family, Sample, content_type, exposition
from slacktide.server.run import serving
from slacktide.worker import presence
from tests.gates.conftest import SECRET, WHO, fetch
from tests.server.test_asgi import bearer, decision

GATE = 'shop "1" \\'
NASTY = 'a "b"\\\n{c="d"} é'


def measured(site, secret, *, accept="application/openmetrics-text"):
    """Give what `/metrics` says: a value by the name of its series and its labels."""
    answer = fetch(site, "/metrics", Accept=accept, **bearer(secret))
    assert (answer.status, answer.headers["Content-Type"]) == (200, content_type(accept))
    parse = strict if content_type(accept) == OPEN else plain
    samples = [sample for family in parse(answer.body.decode()) for sample in family.samples]
    found = {
        (sample.name.removeprefix("slacktide_"), *sorted(sample.labels.items())): sample.value for sample in samples
    }
    assert len(found) == len(samples)
    return found


def of(found, name, **labels):
    """Give the values of a family that have these labels, by their other labels."""
    wanted = set(labels.items())
    return {tuple(value for _, value in sorted({*rest} - wanted)): number for (each, *rest), number in found.items()
            if each == name and wanted <= {*rest}}  # fmt: skip


def test_everything(site, control, database, token, plan, soon):
    """States, people, held work, gates, workers and decisions are counted, and both forms say the same."""
    secret = token("decide", "schedule", name="watch")
    soon(lambda: decision(site, secret).status == 200)
    for name, admin in (("ada", False), ("root", True)):
        add_user(control, name=name, change=Change(admin=admin), **WHO)
    session = start_session(control, user="ada")
    start_session(control, user="root")
    take_lease(control, session=session, task=add_task(control, organization="HOTEL", **WHO).id)
    plan("HOTEL", start="now+PT1H", end="start+PT1H")
    plan("OTHER")
    for organization in ("HOTEL", "OTHER", "OTHER"):
        number = str(len(store.list_items(control)))
        arrival = sample.invoice(organization=organization, number=number, due_on=date.max, discount_until=date.min)
        store.arrive(control, arrival)
    headers = {"X_Slacktide_Gate": GATE, "X_Slacktide_Gate_Offset": "-0.25"}
    fetch(site, "/api/schedule", **headers, **bearer(secret))
    soon(lambda: decision(site, secret, organization="OTHER").json["decision"] == "deny")
    fetch(site, "/gate/traefik", X_Slacktide_Secret=SECRET, X_Slacktide_Organization="HOTEL")
    with connect(database, name="worker") as worker:
        presence.live(worker)
        soon(lambda: of(measured(site, secret), "gate_age_seconds"))
        found = measured(site, secret)
    assert of(found, "scope_state", organization="HOTEL")["organization", "scheduled"] == 1
    assert of(found, "scope_state", organization="OTHER", state="quiet") == {("organization",): 1}
    assert sum(of(found, "scope_state").values()) == 3
    assert len(of(found, "scope_next_start_timestamp_seconds")) == 1
    assert of(found, "holders", organization="HOTEL")["leases", "organization"] == 1
    assert of(found, "leases") == {("live", "HOTEL")[::-1]: 1}
    assert of(found, "sessions") == {("administrator",): 1, ("user",): 1}
    held = of(found, "held_items", state="waiting")
    assert held == {("turn", "HOTEL"): 1, ("organization_downtime", "OTHER"): 2}
    risks = of(found, "held_dates_at_risk")
    assert risks == {("due", "HOTEL"): 0, ("discount", "HOTEL"): 1, ("due", "OTHER"): 2, ("discount", "OTHER"): 2}
    assert all(0 <= age < 60 for age in of(found, "held_oldest_age_seconds").values())
    assert of(found, "gate_offset_seconds") == {(GATE, "watch"): -0.25}
    assert of(found, "workers") == {(): 1}
    assert of(found, "control_database_up") == {(): 1}
    assert 0 <= of(found, "schedule_age_seconds")[()] < 60
    assert of(found, "decisions_total", decision="deny")["open_task", "organization_downtime"] >= 1
    assert of(found, "decisions_total", decision="allow")["open_task", ""] >= 2
    assert {key[0] for key in measured(site, secret, accept="text/plain")} == {key[0] for key in found}
    assert not [key for key in found if {"ada", "root", secret} & {value for _, value in key[1:]}]


def test_who_may_read(site, control, token, soon):
    """It takes a token with the scope `schedule`, from this machine too; one for some organizations sees only those."""
    whole, some, wrong = token("schedule"), token("schedule", organizations=["OTHER"]), token("decide")
    soon(lambda: fetch(site, "/metrics", **bearer(whole)).status == 200)
    assert fetch(site, "/metrics").status == 401
    assert fetch(site, "/metrics", **bearer(wrong)).status == 401
    fetch(site, "/api/schedule", X_Slacktide_Gate="shop", **bearer(whole))
    soon(lambda: of(measured(site, whole), "gate_age_seconds"))
    found = measured(site, some)
    assert {dict(key[1:]).get("organization", "") for key in found} == {"", "OTHER"}
    assert of(found, "gate_age_seconds") == {}


def test_without_the_control_database(server, control, database, token, soon):
    """While the control database is silent that is said, with what the server itself counts, and nothing old."""
    secret = token("schedule")
    name = database.partition("?")[0].rpartition("/")[2]
    with serving(Site(database), host="127.0.0.1", port=0) as url:
        soon(lambda: of(measured(url, secret), "control_database_up") == {(): 1})
        with connect(server.address(), name="owner") as owner:
            owner.execute(f"alter database {name} with allow_connections false")
            try:
                soon(lambda: of(measured(url, secret), "control_database_up") == {(): 0})
                found = measured(url, secret)
            finally:
                owner.execute(f"alter database {name} with allow_connections true")
    assert {key[0] for key in found} == {"build", "schedule_age_seconds", "control_database_up"}


@pytest.mark.parametrize("form", [PLAIN, OPEN])
def test_any_text(form):
    """Whatever a label or a help text holds comes through as it was."""
    family = Family("slacktide_x", f"A {NASTY}.", (Sample(1.5, {"name": NASTY}),), "counter")
    (read,) = (strict if form == OPEN else plain)(exposition([family, Family("empty", "", ())], form=form).decode())
    assert (read.documentation, read.samples[0].labels, read.samples[0].value) == (f"A {NASTY}.", {"name": NASTY}, 1.5)


def test_many_organizations(control, site, token, soon):
    """Hundreds of organizations are measured within a scraper's patience."""
    for number in range(300):
        add_organization(control, code=f"O{number}", **WHO)
    secret = token("schedule")
    assert soon(lambda: fetch(site, "/metrics", **bearer(secret)).status == 200, 5) < 5
    assert len(of(measured(site, secret), "scope_state", state="open")) == 303
