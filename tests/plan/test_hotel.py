"""The hotel's plan and its schema fit each other."""

from __future__ import annotations

from importlib import resources

import psycopg
import pytest
from lxml import etree

from slacktide.plan.check import check_plan
from slacktide.plan.load import load_plan_text
from slacktide.plan.schema import xsd
from slacktide.postgres.connection import connect

HOTEL = resources.files("slacktide.hotel")


@pytest.fixture(scope="module")
def plan():
    return load_plan_text(text=HOTEL.joinpath("plan.yaml").read_text(encoding="utf-8"), file="plan.yaml")


def test_fits(plan, database):
    """The hotel's plan has no error against two databases of its own schema."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(HOTEL.joinpath("schema.sql").read_text(encoding="utf-8"))
    with connect(database, name="test") as both:
        findings = check_plan(plan=plan, source=both, target=both)
    assert [str(error) for error in findings.errors] == []


def test_xsd(plan):
    """The hotel's batches have an XSD that can be loaded."""
    schema = etree.XMLSchema(etree.fromstring(xsd(plan).encode()))
    head = f'<batch plan="{plan.name}" version="{plan.version}" move="m" property="R" incarnation="1" number="1" '
    assert schema.validate(etree.fromstring(head + 'as-of="2026-11-23T18:00:00Z" snapshot="1:1:"/>'))
