"""The environment and `slacktide.toml`: which one counts, what is refused, and that no refusal shows a secret."""

from __future__ import annotations

import pytest

from slacktide.core import configuration
from slacktide.core.configuration import MailServer, Webhook

FROM = {"SLACKTIDE_MAIL_FROM": "tide@example.com"}


@pytest.fixture
def written(tmp_path):
    """Give a function that writes a slacktide.toml and gives an environment that names it."""

    def call(text, **more):
        file = tmp_path / "slacktide.toml"
        file.write_text(text, encoding="utf-8")
        return {"SLACKTIDE_CONFIG": str(file), **more}

    return call


def test_nothing_is_configured():
    """Without anything said there is no mail, no webhook and no address of the site."""
    assert [read({}) for read in (configuration.mail_server, configuration.webhook, configuration.base_url)] == [
        None
    ] * 3


def test_a_variable_wins_over_the_file(written):
    """What the file says counts, in a table or by its whole name, unless a variable says otherwise."""
    text = 'base_url = "https://file"\nsource_log_limit = "1GB"\n[mail]\n'
    found = written(f'{text}url = "smtp://a:2525"\nfrom = "tide@example.com"\n')
    assert configuration.base_url(found) == "https://file"
    assert configuration.source_log_limit(found) == 1024**3
    assert configuration.mail_server(found) == MailServer("a", 2525, False, "tide@example.com")  # noqa: FBT003 -- not encrypted
    assert configuration.base_url(found | {"SLACKTIDE_BASE_URL": "https://variable"}) == "https://variable"


def test_a_key_that_is_not_known(written):
    """A misspelt key is refused with those that there are, and what is no TOML with the reason."""
    with pytest.raises(configuration.UnknownKey, match=r"'mail_form'.*mail_from"):
        configuration.base_url(written('[mail]\nform = "x"\n'))
    with pytest.raises(configuration.ConfigurationUnreadable, match="cannot be read"):
        configuration.base_url(written("= 1"))
    with pytest.raises(configuration.ConfigurationUnreadable, match="No such file"):
        configuration.base_url({"SLACKTIDE_CONFIG": "/nowhere/slacktide.toml"})


def test_a_password_comes_by_reference(tmp_path):
    """The mail server's password comes from where a reference leads, and is refused inline without showing it."""
    file = tmp_path / "mail"
    file.write_text("smtps://ada:se%40cret@mail.example.com\n", encoding="utf-8")
    found = configuration.mail_server({"SLACKTIDE_MAIL_URL": f"file:{file}", **FROM})
    assert found is not None
    assert (found.user, found.password, found.port, found.encrypted) == ("ada", "se@cret", 465, True)
    assert "cret" not in found.shown
    with pytest.raises(configuration.MailPasswordInline) as refused:
        configuration.mail_server({"SLACKTIDE_MAIL_URL": "smtp://ada:secret@mail", **FROM})
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    "url", ["mail.example.com", "http://ada:secret@mail", "smtp://", "smtp://ada:secret@mail:port"]
)
def test_no_mail_server(url):
    """What is no address of a mail server is refused without showing it."""
    with pytest.raises(configuration.BadMailServer) as refused:
        configuration.mail_server({"SLACKTIDE_MAIL_URL": "env:URL", "URL": url, **FROM})
    assert "secret" not in str(refused.value)
    assert refused.value.__cause__ is None


def test_a_sender_and_a_secret_are_needed():
    """A mail server without a sender is refused, and so is a webhook without a secret or with a name in its address."""
    with pytest.raises(configuration.MailSenderMissing):
        configuration.mail_server({"SLACKTIDE_MAIL_URL": "smtp://mail"})
    with pytest.raises(configuration.MailSenderMissing):
        configuration.mail_server({"SLACKTIDE_MAIL_URL": "smtp://mail", "SLACKTIDE_MAIL_FROM": "a@b\nBcc: c@d"})
    with pytest.raises(configuration.WebhookSecretMissing):
        configuration.webhook({"SLACKTIDE_WEBHOOK_URL": "https://hook"})
    with pytest.raises(configuration.BadWebhook):
        configuration.webhook({"SLACKTIDE_WEBHOOK_URL": "https://ada:secret@hook", "SLACKTIDE_WEBHOOK_SECRET": "s"})
    found = configuration.webhook(
        {"SLACKTIDE_WEBHOOK_URL": "https://hook/a?b=c", "SLACKTIDE_WEBHOOK_SECRET": "env:S", "S": "s"}
    )
    assert found == Webhook("https://hook/a?b=c", "s")
    assert found.shown == "https://hook"
