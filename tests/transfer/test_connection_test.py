from __future__ import annotations

import os
import re

import msgspec
import pytest

from slacktide.guard.install import make_schema
from slacktide.postgres.connection import connect
from slacktide.transfer.connection_test import decoding, facts_of, log_kept, log_of, run_tests, version_of
from tests.transfer.moved import moving


@pytest.fixture
def resort(server, tmp_path):
    """Give a move of RESORT."""
    move = moving(server, tmp_path)
    yield move
    move.close()


def results(resort):
    return {test.name: test for test in run_tests(resort.control, move=resort.move)}


def test_sample_passes(resort):
    """Between two databases that are as they must be, every test passes, with a reason."""
    found = results(resort)
    assert [test for test in found.values() if not test.ok] == []
    assert all(test.reason for test in found.values())
    assert {"source rights", "logical decoding", "replication slots", "clock offset", "text encodings"} <= found.keys()


def test_unreachable_side_is_the_only_failure(resort, monkeypatch):
    """A side that does not answer is named with the way to mend it, and nothing more is asked of either."""
    monkeypatch.setenv("NOWHERE", "postgresql://nobody@127.0.0.1:1/none?connect_timeout=1")
    resort.control.execute("update slacktide.move set target = 'env:NOWHERE'")
    found = results(resort)
    assert found["source reachable"].ok
    assert not found["target reachable"].ok
    assert found["target reachable"].mend
    assert "logical decoding" not in found


def test_role_without_rights_is_refused(server, resort):
    """A role that owns nothing, may not stream and is under row level security fails each of these, by name."""
    role = f"weak_{os.getpid()}"
    with connect(resort.source_address, name="test") as connection:
        connection.execute(f"create role {role} login password 'weak'")
        connection.execute(
            f"grant usage on schema hotel to {role}; grant select on all tables in schema hotel to {role}"
        )
        connection.execute("alter table hotel.trace enable row level security")
        make_schema(connection)
    passfile = server.folder / "weak.passfile"
    passfile.write_text(f"*:*:*:{role}:weak\n")
    passfile.chmod(0o600)
    weak = resort.source_address.replace("//slacktide@", f"//{role}@").replace("passfile=", f"passfile={passfile}&x=")
    weak = weak.partition("&x=")[0]
    resort.control.execute("update slacktide.move set source = %s", [weak])
    found = results(resort)
    assert not found["source rights"].ok
    for word in ("make a schema", "act as slacktide_mover", "stream", "does not own hotel.app_user"):
        assert word in found["source rights"].reason
    assert "hotel.trace" in found["source row level security"].reason
    assert found["target rights"].ok


def test_identity_that_cannot_serve(resort):
    """A table whose changes would not lead to its object is named."""
    resort.source.execute("alter table hotel.trace add extra json; alter table hotel.trace drop constraint trace_pkey")
    resort.source.execute("alter table hotel.trace drop constraint trace_property_code_trace_id_key")
    found = results(resort)["replica identities"]
    assert not found.ok
    assert "hotel.trace" in found.reason


def test_large_objects_are_listed(resort):
    """Large objects are not moved, which is said."""
    resort.source.execute("select lo_create(0)")
    found = results(resort)["large objects"]
    assert found.ok
    assert "1 large objects" in found.reason
    assert found.mend


def test_subscription_into_the_plan(resort):
    """A subscription that writes into a table of the plan is found."""
    resort.target.execute(
        "create subscription s connection 'dbname=none' publication p with (connect = false, slot_name = none)"
    )
    try:
        resort.target.execute(
            "insert into pg_subscription_rel (srsubid, srrelid, srsubstate) "
            "select oid, 'hotel.trace'::regclass, 'i' from pg_subscription"
        )
        found = results(resort)["target subscriptions"]
        assert not found.ok
        assert "hotel.trace" in found.reason
    finally:
        resort.target.execute("drop subscription s")


def test_encoding_that_cannot_hold_the_text(server, resort):
    """A target whose encoding cannot hold the source's texts fails."""
    name = f"latin_{os.getpid()}"
    with connect(server.address(), name="test") as connection:
        connection.execute(
            f"create database {name} encoding 'LATIN1' locale 'C' locale_provider libc template template0"
        )
    resort.control.execute("update slacktide.move set target = %s", [server.address(name)])
    found = results(resort)["text encodings"]
    assert not found.ok
    assert found.reason == "source UTF8, target LATIN1"


def test_full_spool_disk(resort):
    """A spool folder that cannot be made is named."""
    resort.control.execute("update slacktide.move set spool = '/proc/spool'")
    found = results(resort)
    assert not found["source spool"].ok
    assert "/proc" in found["source spool"].reason + found["source spool"].mend


def test_each_fact_that_falls_short_has_its_mend(resort):
    """An old server, no logical decoding, no free slot or sender: each fails by name, and says what to set or do."""
    with connect(resort.source_address, name="test") as source:
        facts = facts_of(source)
        kept = log_kept(source, facts, resort.move)
    poor = msgspec.structs.replace(facts, version=130000, wal_level="replica", free_slots=0, free_senders=0)
    found = [version_of("source", poor), *decoding(poor)]
    assert [test.ok for test in found] == [False] * 4
    for test, mend in zip(found, ("upgrade", "wal_level", "max_replication_slots", "max_wal_senders"), strict=True):
        assert mend in test.mend
    assert all(test.ok for test in [version_of("source", facts), *decoding(facts)])
    assert kept.ok
    assert "max_slot_wal_keep_size" in kept.reason
    assert "SLACKTIDE_SOURCE_LOG_LIMIT" in kept.reason
    assert "free on the source's disk" in kept.mend


def test_lost_log_fails(resort):
    """A slot whose log the source has given up fails, with the command that reads everything again."""
    found = log_of([("slacktide_resort_1", 0, True)], facts_of(resort.source), resort.move)
    assert not found.ok
    assert "`slacktide move processes start resort`" in found.mend


def test_clocks_that_differ_are_told(resort):
    """Clocks are compared and told: nothing that moves is judged by them, so they stop nothing."""
    found = results(resort)["clock offset"]
    assert found.ok
    assert re.search(r"control, source, target are \d\.\d s apart", found.reason)
