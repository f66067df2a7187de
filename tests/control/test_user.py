from __future__ import annotations

import threading

import pytest

from slacktide.control import setting_change
from slacktide.control.audit import list_audit
from slacktide.control.setting_change import Whose
from slacktide.control.user import (
    BadUserName,
    Change,
    EmptyPassword,
    Role,
    UnknownUser,
    UserExists,
    add_user,
    change_user,
    list_users,
    password_matches,
    role_of,
)
from slacktide.downtime.schedule import UnknownOrganization
from slacktide.postgres.connection import connect

WORDS = "correct horse"
BOTH = {"HOTEL": "user", "OTHER": "administrator"}


def test_add_change_disable(control, who):
    """A user is added once, changed, disabled and enabled; each change is in the trail."""
    user = add_user(control, name="ada", change=Change(email="a@b.example", organizations=BOTH), **who)
    assert (user.admin, user.disabled, user.organizations) == (False, False, BOTH)
    with pytest.raises(UserExists, match="slacktide user change ada"):
        add_user(control, name="ada", **who)
    changed = change_user(control, name="ada", change=Change(admin=True, organizations={"HOTEL": None}), **who)
    assert (changed.admin, changed.email, changed.organizations) == (True, "a@b.example", {"OTHER": "administrator"})
    assert change_user(control, name="ada", change=Change(disabled=True), **who).disabled
    enabled = change_user(control, name="ada", change=Change(disabled=False), **who)
    assert list_users(control) == [enabled]
    what = [row["what"] for row in list_audit(control)][-4:]
    assert what == ["user add", "user change", "user disable", "user change"]


def test_role_is_of_the_current_data(control, database, who):
    """The role is what the data say now, to another session too; a disabled user has none, an unknown one is None."""
    add_user(control, name="ada", change=Change(organizations=BOTH), **who)
    with connect(database, name="gate") as gate:
        both, own = frozenset(BOTH), frozenset({"OTHER"})
        assert role_of(gate, "ada") == Role(admin=False, organizations=both, administers=own)
        change_user(control, name="ada", change=Change(admin=True), **who)
        assert role_of(gate, "ada") == Role(admin=True, organizations=both, administers=own)
        change_user(control, name="ada", change=Change(disabled=True), **who)
        assert role_of(gate, "ada") == Role(disabled=True)
        assert role_of(gate, "grace") is None


@pytest.mark.parametrize("name", ["", " ada", "a\nb", "x" * 129])
def test_bad_name(control, who, name):
    """A name that cannot be told from another one is refused."""
    with pytest.raises(BadUserName):
        add_user(control, name=name, **who)


def test_refused(control, who):
    """An unknown user, an unknown organization and an empty password are refused, and nothing is saved."""
    with pytest.raises(UnknownUser, match="slacktide user add grace"):
        change_user(control, name="grace", change=Change(admin=True), **who)
    with pytest.raises(UnknownOrganization):
        add_user(control, name="ada", change=Change(organizations={"NOWHERE": "user"}), **who)
    with pytest.raises(EmptyPassword):
        add_user(control, name="ada", change=Change(password=""), **who)
    assert list_users(control) == []


def test_password_is_never_kept_or_shown(control, who):
    """Only a hash is kept, salted; neither the user's document nor the trail has it, and a disabled one has none."""
    for name in ("ada", "grace"):
        user = add_user(control, name=name, change=Change(password=WORDS), **who)
    assert user.has_password
    hashes = [hash_ for (hash_,) in control.execute("select password_hash from slacktide.app_user").fetchall()]
    assert all(hash_.startswith("$argon2id$") for hash_ in hashes)
    assert hashes[0] != hashes[1]
    shown = f"{list_users(control)} {list_audit(control)}"
    assert not [secret for secret in (*hashes, WORDS) if secret in shown]
    assert password_matches(control, name="ada", password=WORDS)
    for name, password in (("ada", "wrong"), ("nobody", WORDS)):
        assert not password_matches(control, name=name, password=password)
    change_user(control, name="ada", change=Change(disabled=True), **who)
    assert not password_matches(control, name="ada", password=WORDS)


def test_rights_expire_what_was_remembered(control, who):
    """A change of role or password ends what browsers remember of the user; one of the address does not."""

    def remembered():
        return control.execute("select credentials_at from slacktide.app_user").fetchone()

    add_user(control, name="ada", **who)
    before = remembered()
    change_user(control, name="ada", change=Change(email="a@b.example"), **who)
    assert remembered() == before
    for change in (Change(admin=True), Change(password=WORDS), Change(organizations={"HOTEL": "user"})):
        change_user(control, name="ada", change=change, **who)
        assert remembered() > before
        before = remembered()


def test_two_change_one_user(control, database, who):
    """Two that change one user at once both take effect, and the trail leads from one to the other."""
    add_user(control, name="ada", **who)

    def one(code):
        with connect(database, name="test") as connection:
            change_user(connection, name="ada", change=Change(organizations={code: "user"}), **who)

    threads = [threading.Thread(target=one, args=(code,)) for code in ("HOTEL", "OTHER")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    first, second = list_audit(control)[-2:]
    assert set(second["after"]["organizations"]) == {"HOTEL", "OTHER"}
    assert second["before"] == first["after"]


def test_setting_of_an_unknown_user(control, who):
    """A setting of a user needs the user to be there."""
    facts = {"parameter": "email_notification_security", "value": "low", "whose": Whose(user="ada")}
    with pytest.raises(UnknownUser):
        setting_change.add_setting(control, **facts, **who)
    add_user(control, name="ada", **who)
    assert setting_change.add_setting(control, **facts, **who).setting["user"] == "ada"


def test_another_password_is_in_the_trail(control, who):
    """That the password is another one stands in the trail, and nothing more of it."""
    add_user(control, name="ada", change=Change(password=WORDS), **who)
    change_user(control, name="ada", change=Change(password="another horse"), **who)
    change = list_audit(control)[-1]
    assert change["after"] == change["before"] | {"password": "changed"}
