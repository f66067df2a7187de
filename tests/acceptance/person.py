"""People at a browser: each has cookies of its own, and sees what is on the screen."""

from __future__ import annotations

import re
import time
from urllib.parse import urlsplit

from tests.server.pages.conftest import PASSWORD

PATIENCE_SECONDS = 90.0


def until(holds, *, seconds=PATIENCE_SECONDS):
    """Wait until something holds, and give it."""
    begun = time.monotonic()
    while not (found := holds()):
        assert time.monotonic() - begun < seconds, "it did not become so"
        time.sleep(0.1)
    return found


class Person:
    """Somebody with a window of the browser; what it says about scripts, styles and other hosts is kept."""

    def __init__(self, browser, site, **facts):
        """Open the window."""
        self.context = browser.new_context(base_url=site, **facts)
        self.context.set_default_timeout(PATIENCE_SECONDS * 1000)
        self.context.set_default_navigation_timeout(PATIENCE_SECONDS * 1000)
        self.page = self.context.new_page()
        self._host, self.elsewhere, self.complaints = urlsplit(site).netloc, [], []
        self.page.on("request", lambda request: self._note(request.url))
        self.page.on("console", lambda said: self._hear(said.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def leave(self):
        self.context.close()

    # -- what one does -------------------------------------------------------------------------------------------------

    def go(self, path):
        """Type an address; give the status of the page to which that leads."""
        return self.page.goto(path).status

    def press(self, name, *, within="main"):
        """Press a button; give the status of the page to which that leads."""
        with self.page.expect_navigation() as led:
            self.page.locator(within).get_by_role("button", name=name, exact=True).first.click()
        return led.value.status

    def follow(self, name, *, within="main"):
        """Follow a link; give the status of the page to which that leads."""
        with self.page.expect_navigation() as led:
            self.page.locator(within).get_by_role("link", name=name, exact=True).first.click()
        return led.value.status

    def fill(self, **fields):
        """Fill in fields by their names; a list chooses."""
        for name, value in fields.items():
            field = self.page.locator(f"main [name={name}]")
            if isinstance(value, list) or field.evaluate("field => field.localName") == "select":
                field.select_option(value)
            else:
                field.fill(value)

    def log_in(self, name, *, go=True):
        """Log in, where one is or by the log-in page; give the status of what comes then."""
        if go:
            self.go("/login")
        self.fill(user=name, password=PASSWORD)
        return self.press("Log in")

    def log_out(self):
        return self.press("Log out", within="header")

    def open(self, task):
        """Go to a task and open it; give the status of what comes."""
        status = self.go(f"/task/{task}")
        return self.press("Open the task") if status == 200 and "Open the task" in self.text else status

    def set(self, parameter, value, *, status=200, **fields):
        """Add a setting of a parameter, by its page, with a look at what it would do."""
        assert self.go(f"/parameters/{parameter}/new") == 200
        return self._save(status, value=value, **fields)

    def change(self, setting, *, status=200, **fields):
        """Change a setting, by its page, with a look at what it would do."""
        assert self.go(f"/setting/{setting}") == 200
        return self._save(status, **fields)

    def _save(self, status, **fields):
        self.fill(**({"reason": "a test"} | fields))
        assert self.press("Show the effect") == status
        shown = self.text
        if status == 200:
            assert self.press("Confirm") == 200
        return shown

    # -- what one sees -------------------------------------------------------------------------------------------------

    @property
    def path(self):
        """Where one is."""
        parts = urlsplit(self.page.url)
        return parts.path + (f"?{parts.query}" if parts.query else "")

    @property
    def text(self):
        """What is on the screen, in one line."""
        return re.sub(r"\s+", " ", self.page.locator("body").inner_text())

    def says(self, *words):
        text = self.text
        return all(each in text for each in words)

    def _note(self, url):
        if urlsplit(url).netloc != self._host:
            self.elsewhere.append(url)

    def _hear(self, said):
        if "Content Security Policy" in said or "Content-Security-Policy" in said:
            self.complaints.append(said)
