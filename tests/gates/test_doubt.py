"""A control database that may have been restored closes every gate."""

from __future__ import annotations

from slacktide.control.origin import confirm_schedule, doubt_schedule
from slacktide.downtime.table import Action
from slacktide.gates.ask import Ask
from slacktide.gates.control_source import ControlSource
from slacktide.gates.keeper import Keeper
from tests.gates.conftest import SECRET as PROXY
from tests.gates.conftest import WHO, fetch

OPEN = Ask(action=Action.OPEN_TASK, organization="HOTEL")


def codes(keepers):
    return {refused.code if (refused := keeper.refusal(OPEN)) else None for keeper in keepers}


def test_every_gate(control, database, site, gate_of, soon):
    """Gates over HTTP and beside the database close with `schedule_unknown`, and open by the confirmation, at once."""
    proxied = {"X_Slacktide_Secret": PROXY, "X_Slacktide_User": "grace", "X_Slacktide_Organization": "HOTEL"}
    with Keeper(ControlSource(database)) as beside:
        keepers = (gate_of(), beside)
        soon(lambda: codes(keepers) == {None} and fetch(site, "/readyz").json["site"] == "open")
        doubt_schedule(control, why="put back from the tape", who="ada")
        assert soon(lambda: codes(keepers) == {"schedule_unknown"}) < 2
        for keeper in keepers:
            assert keeper.decide(Ask(action=Action.IMPORT, organization="OTHER")).decision == "hold"
            assert (
                keeper.decide(Ask(action=Action.EMAIL_LINK, organization="OTHER", link_asks=False)).decision == "login"
            )
            assert keeper.refusal(Ask(action=Action.LOGIN, admin=True)) is None
        refused = fetch(site, "/gate/traefik", **proxied)
        assert (refused.status, refused.json["code"], refused.headers["Retry-After"]) == (
            503,
            "schedule_unknown",
            "300",
        )
        assert fetch(site, "/readyz").status == 200
        confirm_schedule(control, **WHO)
        assert soon(lambda: codes(keepers) == {None}) < 2
