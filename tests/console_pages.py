"""Every page of the console that a browser shows, in every state in which it looks different. A new page needs a line
here: a test walks all routes and fails for one that has none.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from browsed_nights import DONE, LONG_ID, NORA, by_rules, no_store, nothing, usual
from console import ADA, MARA, link_for
from digest_nights import INES
from playwright.sync_api import Page, expect

from pipeline.console.site import Site

__all__ = ["PAGES", "SITES", "Shown"]

SITES: Mapping[str, Callable[[Site], None]] = MappingProxyType(
    {"usual": usual, "by rules": by_rules, "no night": nothing, "no store": no_store}
)
"""The sites that pages belong to, and what is published in each."""


@dataclass(frozen=True)
class Shown:
    """A page: its address, who looks at it, on which site, what they do there first, and the status of what is shown.

    Nothing that is done may change what another page shows.
    """

    path: str | Callable[[Site], str]
    who: str | None = INES
    site: str = "usual"
    first: Callable[[Page], None] | None = None
    status: int = 200


def _sent(page: Page, action: str) -> None:
    """Send the first form with that action, whatever the browser thinks of what is filled in."""
    page.evaluate("document.querySelectorAll('form').forEach(form => { form.noValidate = true })")
    form = page.locator(f'form[action="{action}"]').first
    for fold in form.locator("xpath=ancestor::details[not(@open)]").all():
        fold.locator("> summary").click()
    with page.expect_navigation():
        form.locator("button").last.click()


def _wrong_day(page: Page) -> None:
    page.locator('form[action="/actions/later"] input[name="until"]').first.evaluate(
        "field => field.value = '2099-01-01'"
    )
    _sent(page, "/actions/later")


def _wrong_password(page: Page) -> None:
    page.locator("#email").fill("nobody@example.com")
    page.locator("#password").fill("wrong")
    _sent(page, "/sign-in")


def _passwords_that_differ(page: Page) -> None:
    page.locator("#password").fill("four old green boats")
    page.locator("#again").fill("five old green boats")
    with page.expect_navigation():
        page.locator(".fields button").click()
    expect(page.locator("#wrong")).to_be_visible()


def _out_of_date(page: Page) -> None:
    page.locator('input[name="form_token"]').evaluate_all("fields => fields.forEach(field => field.value = '0')")
    _sent(page, "/language")


def _empty_note(page: Page) -> None:
    page.locator("#note").fill(" ")
    _sent(page, "/notes")


PAGES: Mapping[str, Shown] = MappingProxyType(
    {
        "sign in": Shown("/sign-in", None),
        "sign in, refused": Shown("/sign-in", None, first=_wrong_password, status=401),
        "a link": Shown(lambda of: link_for(of, NORA), None),
        "a link, passwords that differ": Shown(
            lambda of: link_for(of, NORA), None, first=_passwords_that_differ, status=422
        ),
        "a link that is over": Shown("/link/none", None, status=404),
        "today": Shown("/"),
        "today, after an action": Shown(f"/?done={DONE}"),
        "today, a call without an answer": Shown("/", first=lambda page: _sent(page, "/actions/called"), status=422),
        "today, a day too far ahead": Shown("/", first=_wrong_day, status=422),
        "today, without customers": Shown("/", NORA),
        "today, all books": Shown("/", MARA),
        "today, by rules": Shown("/", site="by rules"),
        "today, no night": Shown("/", site="no night"),
        "today, no store": Shown("/", site="no store", status=503),
        "accounts": Shown("/accounts"),
        "accounts, many pages": Shown("/accounts?owner=*&sort=-name", MARA),
        "accounts, filtered": Shown("/accounts?owner=*&band=high&q=a", MARA),
        "accounts, nobody found": Shown("/accounts?q=nobody"),
        "accounts, none of one's own": Shown("/accounts", NORA),
        "accounts, an unknown question": Shown("/accounts?band=odd", status=400),
        "accounts, by rules": Shown("/accounts", site="by rules"),
        "accounts, no night": Shown("/accounts", site="no night"),
        "an account": Shown("/accounts/A-new"),
        "an account, much done": Shown("/accounts/A-done"),
        "an account, after an action": Shown(f"/accounts/A-done?done={DONE}"),
        "an account, an empty note": Shown("/accounts/A-new", first=_empty_note, status=422),
        "an account, no outcome": Shown("/accounts/A-new", first=lambda page: _sent(page, "/outcomes"), status=422),
        "an account, long names": Shown(f"/accounts/{LONG_ID}"),
        "an account, new customer": Shown("/accounts/A-young"),
        "an account, payment": Shown("/accounts/A-late"),
        "an account, gave notice": Shown("/accounts/A-going"),
        "an account, has left": Shown("/accounts/A-gone"),
        "an account, by rules": Shown("/accounts/A-new", site="by rules"),
        "team": Shown("/team", MARA),
        "team, by rules": Shown("/team", MARA, site="by rules"),
        "team, no night": Shown("/team", MARA, site="no night"),
        "health": Shown("/health", MARA),
        "health, by rules": Shown("/health", MARA, site="by rules"),
        "health, no night": Shown("/health", MARA, site="no night"),
        "people": Shown("/people", MARA),
        "people, a new link": Shown("/people", ADA, first=lambda page: _sent(page, "/people/link")),
        "the API": Shown("/api/v1/docs"),
        "not for this role": Shown("/people", status=403),
        "nowhere": Shown("/nowhere", status=404),
        "nowhere, signed out": Shown("/nowhere", None, status=404),
        "a form out of date": Shown("/", first=_out_of_date, status=403),
    }
)
