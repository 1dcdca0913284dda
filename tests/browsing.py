"""A real browser at a real console: sites on ports of this machine, visitors, and all that went wrong with them."""

import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from console import Clock, site
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Request, sync_playwright

from pipeline.console.app import create_app
from pipeline.console.server import opened
from pipeline.console.site import Site
from pipeline.people import sessions
from pipeline.people.connection import connect as connect_people
from pipeline.people.connection import writing
from pipeline.people.users import find
from pipeline.store.connection import connect

__all__ = ["LOCALES", "NEEDS_CHROMIUM", "PHONE", "SCREEN", "Visit", "chromium", "running_chromium", "served", "visit"]

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
NEEDS_CHROMIUM = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here; Debian: apt-get install chromium")
SCREEN, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}
LOCALES = {"en": "en-GB", "zh": "zh-CN"}


@contextmanager
def running_chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """One browser for all tests of a file; each has a context of its own in it, as a person has a profile."""
    with running_chromium() as browser:
        yield browser


@contextmanager
def served(folder: Path, **more: Any) -> Iterator[Site]:
    """A site with an empty store in that folder, answering on a port of this machine."""
    url = f"sqlite:///{folder / 'churn.db'}"
    with opened("127.0.0.1", 0) as listening:
        address = f"http://127.0.0.1:{listening.getsockname()[1]}"
        made = site(connect(url), connect_people(url), address=address, **{"clock": Clock(), **more})
        server = uvicorn.Server(uvicorn.Config(create_app(made), log_level="critical"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            yield made
        finally:
            server.should_exit = True
            thread.join()
            made.store.dispose()
            made.people.dispose()


@dataclass
class Visit:
    """Somebody's browser, and what was seen to go wrong in it.

    `errors` are what pages wrote to the console of the browser and what failed to load, other than that a page which is
    an error has the status of one; `elsewhere` are requests that left the console.
    """

    context: BrowserContext
    address: str
    errors: list[str] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        pages: set[str] = set()

        def asked(request: Any) -> None:
            if not request.url.startswith(f"{self.address}/"):
                self.elsewhere.append(request.url)
            if request.is_navigation_request():
                pages.add(request.url)

        def said(message: ConsoleMessage) -> None:
            is_status = message.text.startswith("Failed to load resource") and message.location["url"] in pages
            if message.type in {"error", "warning"} and not is_status:
                self.errors.append(f"{message.type}: {message.text}")

        def failed(request: Request) -> None:
            if request.failure != "net::ERR_ABORTED":  # as an icon that is on its way when its page is left
                self.errors.append(f"{request.url}: {request.failure}")

        self.context.on("request", asked)
        self.context.on("console", said)
        self.context.on("weberror", lambda error: self.errors.append(str(error.error)))
        self.context.on("requestfailed", failed)


@contextmanager
def visit(browser: Browser, of: Site, who: str | None, **options: Any) -> Iterator[Visit]:
    """A browser in which somebody is signed in, or nobody; nothing in it may have gone wrong when it is left."""
    context = browser.new_context(**{"locale": LOCALES["en"], "viewport": SCREEN, **options})
    try:
        if who is not None:
            with writing(of.people) as connection:
                user = find(connection, who)
                assert user is not None
                token = sessions.start(connection, user, of.secret, of.clock())
            context.add_cookies([{"name": "churn", "value": token, "url": of.address, "httpOnly": True}])
        visitor = Visit(context, of.address)
        yield visitor
        wrong = [*visitor.errors, *(f"asked elsewhere: {url}" for url in visitor.elsewhere)]
        assert not wrong, wrong
    finally:
        context.close()
