"""Mails, by a real mail server: once each, to whom it concerns at that moment, and whoever fails keeps nobody back."""

from __future__ import annotations

from datetime import timedelta

import psycopg
import pytest

from slacktide.core.configuration import MailServer
from slacktide.notice import failure, store
from slacktide.notice.sender import MailWay, Sender
from slacktide.notice.state import Event
from slacktide.postgres.connection import connect
from tests.notice.conftest import Mailbox, send_all, until


@pytest.fixture
def told(site):
    """Give a site with two users of SOUTH, to whom a downtime is announced."""
    site.user("ada", "SOUTH")
    site.user("bob", "SOUTH")
    site.key = site.down(start="now+PT30M", message="Bring coffee.", contact="the desk")
    site.plan()
    return site


def test_a_mail(told, mailbox, postman):
    """A mail says for which scope, from when to when with the zone, what that means, and whom to ask."""
    assert send_all(postman) == 2
    (mail,) = mailbox.to("ada@example.com")
    assert mail["Subject"].startswith("The organization South will be down from ")
    assert mail["From"] == "Slacktide <tide@example.com>"
    assert mail["Auto-Submitted"] == "auto-generated"
    for part in (
        "(UTC)",
        "Users cannot work in it meanwhile",
        "Bring coffee.",
        "Ask the desk.",
        "https://tide.example.com",
    ):
        assert part in mail["text"]
    assert "a test" not in mail["text"]  # the reason is for the audit trail
    key = told.connection.execute("select key::text from slacktide.notice_delivery where recipient = 'ada'").fetchone()
    assert mail["Message-ID"] == f"<{key[0]}@example.com>"
    assert told.states() == {("ahead", "ada"): "sent", ("ahead", "bob"): "sent"}


def test_users_in(site, mailbox, postman):
    """A downtime with its users in is announced too, and says that they may work and that the ERP's steps wait."""
    site.user("ada", "SOUTH")
    site.down(start="now+PT30M", users="in")
    site.plan()
    send_all(postman)
    (mail,) = mailbox.to("ada@example.com")
    assert "in a downtime with its users in" in mail["Subject"]
    assert "Users may work on meanwhile; what goes into the ERP waits" in mail["text"]


def test_changed_between_planning_and_sending(told, mailbox, postman):
    """One that is extended after it was planned is not sent as it was: it is planned anew first."""
    told.extend(told.key)
    assert send_all(postman) == 0
    told.plan()
    assert send_all(postman) == 2
    (mail,) = mailbox.to("ada@example.com")
    assert "is extended and lasts until" in mail["Subject"]
    store.tidy(told.connection)
    assert told.states()["ahead", "ada"] == "superseded"


def test_cancelled_between_planning_and_sending(told, mailbox, postman):
    """One that is cancelled after it was planned is not announced any more."""
    told.cancel(told.key)
    told.plan()
    send_all(postman)
    assert [mail["Subject"].rpartition(" ")[2] for mail in mailbox.to("ada@example.com")] == ["cancelled"]


def test_another_change_holds_nothing_up(told, postman):
    """A setting of something else that changes lets what was planned be sent."""
    told.down("NORTH", start="now+P40D")
    assert send_all(postman) == 2


@pytest.mark.parametrize("change", [{"disabled": True}, {"organizations": {"SOUTH": None}}, {"email": ""}])
def test_not_concerned_any_more(told, mailbox, postman, change):
    """Who is disabled, loses the role or has no address any more before the sending gets nothing; the others do."""
    told.change_user("ada", **change)
    send_all(postman)
    assert [to for to, _ in mailbox.mails] == ["bob@example.com"]
    assert told.states() == {("ahead", "ada"): "withdrawn", ("ahead", "bob"): "sent"}


def test_an_address_that_changes(told, mailbox, postman):
    """The mail goes to the address that the user has when it is sent."""
    told.change_user("ada", email="new@example.com")
    send_all(postman)
    assert {to for to, _ in mailbox.mails} == {"new@example.com", "bob@example.com"}


@pytest.mark.parametrize("address", ["nobody", "a@b\nBcc: c@d", "ada@example.com, eve@example.com"])
def test_an_address_that_is_none(told, mailbox, postman, address):
    """What cannot be an address is given up at once, is no way into the mail's head, and keeps nobody back."""
    told.change_user("ada", email=address)
    send_all(postman)
    assert [to for to, _ in mailbox.mails] == ["bob@example.com"]
    assert told.delivery("ada")["state"] == "given up"


def test_a_recipient_that_is_refused(told, mailbox, postman):
    """Who is refused for good is given up at once, with what the server said; the others get theirs."""
    mailbox.refuse["ada@example.com"] = "550 5.1.1 no such user here"
    send_all(postman)
    assert [to for to, _ in mailbox.mails] == ["bob@example.com"]
    assert told.delivery("ada") | {"repeats": 0} == {
        "state": "given up", "attempts": 1, "repeats": 0, "because": "550 5.1.1 no such user here"
    }  # fmt: skip


@pytest.mark.parametrize("way", ["later", "hang up"])
def test_a_recipient_that_poisons(told, mailbox, postman, way):
    """Who is refused for now, or has the server hang up, is tried later and at last given up; others get theirs."""
    if way == "later":
        mailbox.refuse["ada@example.com"] = "450 the mailbox is full"
    else:
        mailbox.hang.add("ada@example.com")
    for _ in range(failure.ATTEMPTS + 2):
        send_all(postman)
        told.hurry()
    assert mailbox.to("bob@example.com")
    assert (told.delivery("ada")["state"], told.delivery("ada")["attempts"]) == ("given up", failure.ATTEMPTS)
    assert store.channels(told.connection)[0][1] == 0  # the server is not to blame


def test_the_mail_server_is_down(told, mailbox, postman, postoffice):
    """While the server cannot be reached the channel waits, visibly, longer each time; that uses up no attempt."""
    mailbox.controller.stop()
    waits = []
    for _ in range(3):
        send_all(postman)
        _, failures, because, next_try = store.channels(told.connection)[0]
        waits.append(next_try)
        told.hurry()
    assert failures == 3
    assert "Connection refused" in because
    assert waits == sorted(waits)
    assert told.delivery("ada")["attempts"] == told.delivery("bob")["attempts"] == 0
    again = Mailbox()
    postoffice(again, port=mailbox.server.port)
    send_all(postman)
    assert again.count == 2
    assert store.channels(told.connection)[0][1:3] == (0, "")


def test_given_up_after_a_day(told, mailbox, postman):
    """What could not be sent within a day is given up, with why."""
    mailbox.controller.stop()
    send_all(postman)
    told.connection.execute("update slacktide.notice set planned_at = planned_at - interval '25 hours'")
    store.tidy(told.connection)
    found = told.delivery("ada")
    assert found["state"] == "given up"
    assert found["because"].startswith("it could not be sent within a day: smtp://127.0.0.1:")


def test_no_password_in_the_clear(told, mailbox):
    """To a server that offers no encryption no password is sent, and none is in what is said of that."""
    server = MailServer("127.0.0.1", mailbox.server.port, False, "tide@example.com", user="ada", password="hush")  # noqa: FBT003 -- not encrypted
    with connect(told.address, name="send") as connection:
        send_all(Sender(connection, way=MailWay(server)))
    because = store.channels(told.connection)[0][2]
    assert "no encryption" in because
    assert "hush" not in because
    assert mailbox.count == 0


def test_a_name_with_a_line_break(told, mailbox, postman):
    """An organization's name is no way into the mail's head, and its notices go."""
    told.connection.execute("update slacktide.organization set name = E'South\\nBcc: eve@example.com'")
    told.extend(told.key)
    told.plan()
    send_all(postman)
    (mail,) = mailbox.to("ada@example.com")
    assert "Bcc" not in mail
    assert mail["Subject"].startswith("The organization South Bcc: eve@example.com: the downtime")


def test_loses_the_control_database(told, mailbox, postman):
    """Who loses the control database between sending and note notes nothing; another one sends it again, the same."""
    with connect(told.address, name="send") as connection:
        way = MailWay(mailbox.server, address="https://tide.example.com")
        sent = way.send

        def lost(*arguments):
            answer = sent(*arguments)
            told.connection.execute("select pg_terminate_backend(%s)", [connection.info.backend_pid])
            return answer

        way.send = lost
        with pytest.raises(psycopg.OperationalError):
            Sender(connection, way=way).send_next()
        way.rest()
    until(lambda: recovered(told))
    assert send_all(postman) == 2
    assert mailbox.count == 3
    assert len({text for _, text in mailbox.mails}) == 2


def recovered(site):
    """Tidy; tell whether nothing is being sent: a lock goes a moment after its connection."""
    store.tidy(site.connection)
    return "sending" not in site.states().values()


def test_a_recovered_delivery(told, mailbox, postman):
    """What a sender that is gone had claimed is sent by another one under the same ID, and it is noted."""
    with connect(told.address, name="send") as connection:
        gone = Sender(connection, way=MailWay(mailbox.server))
        assert store.claim(connection, channel="mail", sender=gone._number)  # noqa: SLF001 -- as it does itself
        store.tidy(told.connection)
        assert sorted(told.states().values()) == ["sending", "waiting"]
    until(lambda: recovered(told))
    assert send_all(postman) == 2
    rows = told.connection.execute("select repeats from slacktide.notice_delivery where channel = 'mail' order by 1")
    assert [repeats for (repeats,) in rows] == [0, 1]


def test_one_that_kills_whoever_tries_it(told):
    """A delivery whose senders all die is given up after as many attempts as any other."""
    for _ in range(failure.ATTEMPTS):
        with connect(told.address, name="send") as connection:
            number = store.new_sender(connection)
            while claimed := store.claim(connection, channel="mail", sender=number):
                assert claimed
        until(lambda: recovered(told))
    assert set(told.states().values()) == {"given up"}


def test_an_older_one_is_being_sent(told, mailbox, postman):
    """While an older notice is being sent to a user the newer one waits, so that it does not come first."""
    with connect(told.address, name="send") as connection:
        other = Sender(connection, way=MailWay(mailbox.server))
        claimed = store.claim(connection, channel="mail", sender=other._number)  # noqa: SLF001 -- as it does itself
        told.extend(told.key)
        told.plan()
        assert send_all(postman) == 1
        assert not mailbox.to(f"{claimed.recipient}@example.com")
        other._note(claimed, None)  # noqa: SLF001 -- as it does itself
    assert send_all(postman) == 1
    assert mailbox.to(f"{claimed.recipient}@example.com")


def test_superseded_after_a_failure(told, mailbox, postman):
    """A notice that fails while a newer one is planned is not sent afterwards: the newer one is."""
    with connect(told.address, name="send") as connection:
        number = store.new_sender(connection)
        claimed = store.claim(connection, channel="mail", sender=number)
        told.extend(told.key)
        told.plan()
        store.happen(connection, claimed, Event.RETRY, sender=number)
    send_all(postman)
    (mail,) = mailbox.to(f"{claimed.recipient}@example.com")
    assert "is extended" in mail["Subject"]


def test_pauses_grow_and_end():
    """The pauses of a delivery grow to an hour at the most, and all its attempts take an hour or so."""
    pauses = [failure.pause(attempt) for attempt in range(1, failure.ATTEMPTS)]
    assert pauses == sorted(pauses)
    assert timedelta(minutes=50) < sum(pauses, timedelta()) < timedelta(hours=2)
    assert failure.channel_pause(50) == timedelta(minutes=5)
