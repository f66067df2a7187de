from __future__ import annotations

import pytest

from slacktide.control import organization
from slacktide.control.audit import list_audit
from slacktide.core.instant import UnknownZone
from slacktide.downtime.schedule import UnknownOrganization


def test_add_and_change(control, who):
    """An organization is added once, changed by name or zone, and both are in the audit trail."""
    assert [found.code for found in organization.list_organizations(control)] == ["HOTEL", "OTHER"]
    with pytest.raises(organization.OrganizationExists, match="slacktide organization change HOTEL"):
        organization.add_organization(control, code="HOTEL", **who)
    changed = organization.change_organization(control, code="HOTEL", name="Grand Hotel", **who)
    assert (changed.name, changed.zone) == ("Grand Hotel", "Europe/Berlin")
    last = list_audit(control)[-1]
    assert (last["what"], last["object"], last["who"]) == ("organization change", "organization HOTEL", "tester")
    assert (last["before"]["name"], last["after"]["name"]) == ("Hotel", "Grand Hotel")


def test_refused(control, who):
    """An unknown organization, an unknown zone and a code with a blank are refused."""
    with pytest.raises(UnknownOrganization, match="slacktide organization add NOWHERE"):
        organization.change_organization(control, code="NOWHERE", **who)
    with pytest.raises(UnknownZone):
        organization.add_organization(control, code="NEW", zone="Europe/Nowhere", **who)
    with pytest.raises(organization.BadOrganizationCode):
        organization.add_organization(control, code="A B", **who)
    assert not organization.ensure_organization(control, code="HOTEL", **who)
    assert organization.ensure_organization(control, code="NEW", **who)


def test_sides(control, who):
    """A side has a state since an instant; its address is kept without a password; left, it says where to go."""
    address = "postgresql://user:secret@host/base"
    organization.set_side(control, organization="HOTEL", side="source", state="open", database=address, **who)
    (first,) = organization.list_sides(control, organization="HOTEL")
    assert "secret" not in str(first.database)
    organization.set_side(control, organization="HOTEL", side="source", state="open", **who)
    assert organization.list_sides(control, organization="HOTEL") == [first]
    with pytest.raises(organization.PlaceMissing):
        organization.set_side(control, organization="HOTEL", side="source", state="reference only", **who)
    organization.set_side(
        control, organization="HOTEL", side="source", state="reference only", lives_at="https://new", **who
    )
    (left,) = organization.organization_answer(control, code="HOTEL")["sides"]
    assert (left["state"], left["lives_at"], left["database"]) == ("reference only", "https://new", first.database)
    organization.remove_side(control, organization="HOTEL", side="source", **who)
    assert organization.list_sides(control) == []
    assert [row["what"] for row in list_audit(control)][-4:] == ["side change"] * 4
