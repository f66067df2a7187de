"""Who holds a closing up is listed and can be ended, prepared transactions too."""

from __future__ import annotations

import pytest

from slacktide.guard import closing
from slacktide.guard.holders import UnknownTransaction, end_transaction, holders

WRITE = "update hotel.folio set note = 'x' where folio_id = 1"


def test_a_long_transaction_is_listed_and_ended(guarded, session):
    """The holder shows its user, last statement and age; ended by its name, quiet comes."""
    writer, other = session(autocommit=False), session(autocommit=False)
    writer.execute(WRITE)
    other.execute("update hotel.folio set note = 'x' where folio_id = 150")
    (holder,) = holders(guarded, organization="RESORT")
    assert (holder.user, holder.query, holder.prepared) == ("slacktide", WRITE, False)  # who logged in
    assert holder.state == "idle in transaction"
    assert 0 <= holder.age_seconds < 60
    closing.begin_closing(guarded, organization="RESORT")
    assert not closing.try_quiet(guarded, organization="RESORT", lock_timeout_ms=50)
    end_transaction(guarded, id=holder.id)
    assert any(closing.try_quiet(guarded, organization="RESORT") for _ in range(10))
    assert holders(guarded, organization="RESORT") == []
    other.commit()


def test_a_prepared_transaction_is_listed_and_ended(guarded, session):
    """A prepared transaction holds quiet up without a session, is listed by its name, and can be rolled back."""
    writer = session(user=None, autocommit=False)
    writer.execute(WRITE)
    writer.execute("prepare transaction 'slacktide''s test'")
    writer.close()
    closing.begin_closing(guarded, organization="RESORT")
    assert not closing.try_quiet(guarded, organization="RESORT", lock_timeout_ms=50)
    (holder,) = holders(guarded, organization="RESORT")
    assert (holder.id, holder.prepared, holder.state) == ("prepared:slacktide's test", True, "prepared")
    end_transaction(guarded, id=holder.id)
    assert closing.try_quiet(guarded, organization="RESORT")


def test_only_that_very_transaction_is_ended(guarded, session):
    """A name of a transaction that is over ends nobody."""
    writer = session(autocommit=False)
    writer.execute(WRITE)
    (holder,) = holders(guarded, organization="RESORT")
    writer.commit()
    writer.execute(WRITE)
    for gone in (holder.id, "prepared:nothing", "nonsense"):
        with pytest.raises(UnknownTransaction):
            end_transaction(guarded, id=gone)
    writer.commit()


def test_the_site_is_held_by_every_writer(guarded, session):
    """Every guarded writer holds up the site's closing, and TRUNCATE everybody's."""
    writer = session(autocommit=False)
    writer.execute(WRITE)
    assert len(holders(guarded, organization=closing.SITE)) == 1
    writer.execute("truncate hotel.posting")
    assert len(holders(guarded, organization="CITY")) == 1
    writer.rollback()


def test_a_lock_taken_by_hand_is_listed(guarded, session):
    """Whoever holds our lock by hand, exclusively, is listed as well."""
    hand = session(user=None, autocommit=False)
    hand.execute("select pg_advisory_xact_lock(slacktide.guard_lock_class(), slacktide.guard_lock_key('RESORT'))")
    assert len(holders(guarded, organization="RESORT")) == 1
    hand.rollback()
