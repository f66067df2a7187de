from __future__ import annotations

import json

import psycopg
import pytest

from slacktide.control import token
from slacktide.control.audit import list_audit
from slacktide.downtime.schedule import UnknownOrganization


def test_only_a_hash_is_kept(control, who):
    """A token is shown once; nothing in the database gives it back, and the audit trail does not have it."""
    kept, secret = token.add_token(control, name="web", scopes=["schedule"], **who)
    assert (kept.name, kept.scopes, len(secret) > 40) == ("web", ("schedule",), True)
    assert token.live_tokens(control)[token.hash_of(secret)].name == "web"
    rows = control.execute("select token::text from slacktide.token").fetchall()
    trail = json.dumps(list_audit(control), default=str)
    assert secret not in str(rows) + trail
    assert token.hash_of(secret).hex() not in trail


def test_revoke(control, who):
    """A revoked token is live no more, keeps its row, and its name is free again; both acts are in the trail."""
    for _ in range(2):
        token.add_token(control, name="web", scopes=["api"], **who)
        token.revoke_token(control, name="web", **who)
    assert token.live_tokens(control) == {}
    assert [(kept.name, kept.revoked_at is not None) for kept in token.list_tokens(control)] == [("web", True)] * 2
    assert [row["what"] for row in list_audit(control)[-2:]] == ["token add", "token revoke"]
    with pytest.raises(token.UnknownToken, match="slacktide token list"):
        token.revoke_token(control, name="web", **who)


def test_refused(control, who):
    """A name twice, an unknown scope or none, a bad name and an unknown organization are refused."""
    token.add_token(control, name="web", scopes=["api"], **who)
    for refusal, facts in (
        (token.TokenExists, {"name": "web", "scopes": ["api"]}),
        (token.UnknownScope, {"name": "b", "scopes": ["everything"]}),
        (token.UnknownScope, {"name": "b", "scopes": []}),
        (token.BadTokenName, {"name": "b c", "scopes": ["api"]}),
        (UnknownOrganization, {"name": "b", "scopes": ["api"], "organizations": ["NOWHERE"]}),
    ):
        with pytest.raises(refusal):
            token.add_token(control, **facts, **who)
    assert len(token.list_tokens(control)) == 1


def test_the_database_refuses_too(control):
    """A scope that is none, or a hash that is none, is refused by the database itself."""
    for values in (
        "('x', '\\x00', '{api}', 'me')",
        "('x', sha256('a'), '{}', 'me')",
        "('x', sha256('a'), '{all}', 'me')",
    ):
        with pytest.raises(psycopg.errors.CheckViolation):
            control.execute(f"insert into slacktide.token (name, hash, scopes, created_by) values {values}")
