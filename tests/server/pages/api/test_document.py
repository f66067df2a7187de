"""The OpenAPI document and the page."""

from __future__ import annotations

import json

from openapi_spec_validator import OpenAPIV31SpecValidator

from slacktide.server.pages.api.operation import OPERATIONS
from tests.gates.conftest import fetch


def test_valid(site):
    """The document is valid OpenAPI 3.1, served to everybody, also in every downtime."""
    answer = fetch(site, "/api/openapi.json")
    assert answer.headers["content-type"] == "application/json"
    assert [*OpenAPIV31SpecValidator(json.loads(answer.body)).iter_errors()] == []


def test_page(site, plan):
    """The page lists every operation, with scripts of nobody."""
    plan()
    answer = fetch(site, "/api/docs", accept="text/html")
    text = answer.body.decode()
    assert answer.status == 200
    assert [one.path for one in OPERATIONS if f"{one.method} {one.path}</code>" not in text] == []
    assert "<script" not in text
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
