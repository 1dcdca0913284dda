"""No page breaks a rule of accessibility that axe-core knows: WCAG 2, A and AA, and good practice beside them."""

from collections.abc import Iterator
from contextlib import ExitStack
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from browsing import LOCALES, NEEDS_CHROMIUM, PHONE, SCREEN, chromium, served, visit
from console import site
from console_pages import PAGES, SITES
from digest_nights import INES
from playwright.sync_api import Browser, Page
from test_console_roles import routes as named_routes

from pipeline.console.site import Site
from pipeline.people.connection import connect as connect_people
from pipeline.store.connection import connect

__all__ = ["chromium"]

SIZES = {"1440": SCREEN, "390": PHONE}
NO_PAGES = {
    "/accounts.csv": "a file",
    "/healthz": "a probe",
    "/readyz": "a probe",
    "/metrics": "a probe",
    "/api/v1/openapi.json": "for programs",
}
"""Routes that show a browser no page, and why."""


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Site]]:
    with ExitStack() as stack:
        made = {}
        for name, publish in SITES.items():
            made[name] = stack.enter_context(served(tmp_path_factory.mktemp("site")))
            publish(made[name])
        yield made


def folds(page: Page) -> int:
    """How often folds have to be opened until each was: of those that share a name only one is open at a time."""
    return page.evaluate(
        """() => {
            const groups = {};
            for (const fold of document.querySelectorAll("details")) groups[fold.name] = (groups[fold.name] || 0) + 1;
            const named = Object.entries(groups).filter(([name]) => name).map(([_, count]) => count);
            return Object.keys(groups).length ? Math.max(1, ...named) : 0;
        }"""
    )


def unfold(page: Page, place: int) -> None:
    """Open all folds without a name, and of those that share one that at this place."""
    page.evaluate(
        """place => {
            const seen = {};
            for (const fold of document.querySelectorAll("details")) {
                seen[fold.name] = (seen[fold.name] ?? -1) + 1;
                if (!fold.name || seen[fold.name] === place) fold.open = true;
            }
            document.querySelectorAll("input.unfold").forEach(box => { box.checked = true; });
        }""",
        place,
    )


def broken(page: Page, within: str) -> list[str]:
    """The rules that are broken within an element, as it is shown now, each with where and why."""
    found: dict[str, Any] = page.evaluate("within => axe.run(within, { resultTypes: ['violations'] })", within)
    return [
        f"{rule['id']} at {' '.join(map(str, node['target']))}: {node['failureSummary']} {node['html'][:200]}"
        for rule in found["violations"]
        for node in rule["nodes"]
    ]


def looked_at(
    browser: Browser,
    sites: dict[str, Site],
    name: str,
    language: str,
    looks: list[tuple[str, str]],
    *,
    also_closed: bool = False,
) -> list[str]:
    """What a page breaks in these sizes and colour schemes with its folds open, and also with all of them closed."""
    of, shown = sites[PAGES[name].site], PAGES[name]
    found = []
    with visit(browser, of, shown.who, locale=LOCALES[language]) as visitor:
        page = visitor.context.new_page()
        statuses: list[int] = []
        page.on("response", lambda answer: statuses.append(answer.status) if "/static/" not in answer.url else None)
        page.goto(of.address + (shown.path if isinstance(shown.path, str) else shown.path(of)))
        if shown.first:
            shown.first(page)
        assert shown.status == statuses[-1], page.inner_text("body")
        assert {"en": "en", "zh": "zh-CN"}[language] == page.locator("html").get_attribute("lang")
        page.evaluate(AXE_SCRIPT)  # past the content security policy, which is kept: it is the browser's own doing
        number = folds(page)
        for place in range(0 if also_closed or not number else 1, number + 1):
            if place:
                unfold(page, place - 1)
            within = "html" if place <= 1 else "details[name][open]"  # the rest of the page stays as it was
            for size, scheme in looks:
                page.set_viewport_size(SIZES[size])  # type: ignore[arg-type]
                page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
                wide = page.evaluate("document.documentElement.scrollWidth")
                told = [f"it is {wide} pixels wide"] if wide > SIZES[size]["width"] else []
                found += [f"{size} {scheme}, folds {place}: {each}" for each in told + broken(page, within)]
    return found


@NEEDS_CHROMIUM
@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize(("language", "size", "scheme"), [("en", "1440", "light"), ("zh", "390", "dark")])
def test_no_page_breaks_a_rule(
    chromium: Browser, sites: dict[str, Site], name: str, language: str, size: str, scheme: str
) -> None:
    """In either language, size and colour scheme, its folds open; nor is it wider than its screen, or unwell."""
    assert [] == looked_at(chromium, sites, name, language, [(size, scheme)])


@pytest.mark.slow
@NEEDS_CHROMIUM
@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("language", LOCALES)
def test_no_page_breaks_a_rule_however_it_is_looked_at(
    chromium: Browser, sites: dict[str, Site], name: str, language: str
) -> None:
    """In every language, size and colour scheme together, with folds closed and open."""
    assert [] == looked_at(chromium, sites, name, language, list(product(SIZES, ("light", "dark"))), also_closed=True)


@NEEDS_CHROMIUM
def test_the_cards_of_a_phone_are_a_table_to_who_hears_them(chromium: Browser, sites: dict[str, Site]) -> None:
    """Rows, their headers and cells, as the browser tells them to a screen reader, and the same as on a screen."""
    of, found = sites["usual"], []
    for size in (SCREEN, PHONE):
        with visit(chromium, of, INES, viewport=size) as visitor:
            page = visitor.context.new_page()
            page.goto(f"{of.address}/accounts")
            assert "table" == page.locator(".book").get_attribute("role"), "not every browser keeps it for cards"
            tree = visitor.context.new_cdp_session(page).send("Accessibility.getFullAXTree")
            roles = [node["role"]["value"] for node in tree["nodes"] if not node["ignored"]]
            found.append({role: roles.count(role) for role in ("table", "row", "columnheader", "rowheader")})
    assert [{"table": 1, "row": 16, "columnheader": 7, "rowheader": 15}] * 2 == found


@NEEDS_CHROMIUM
def test_what_is_broken_is_found(chromium: Browser, sites: dict[str, Site]) -> None:
    """The rules are asked at all, and a page that asks elsewhere or writes an error does not pass."""
    of = sites["no night"]
    with pytest.raises(AssertionError, match="unwell"), visit(chromium, of, None) as visitor:  # noqa: PT012
        page = visitor.context.new_page()
        page.goto(f"{of.address}/sign-in")
        page.evaluate(AXE_SCRIPT)
        assert [] == broken(page, "html")
        page.evaluate("document.querySelector('label').remove()")
        page.evaluate("document.querySelector('h1').style.color = '#ccc'")
        assert {"label", "color-contrast"} <= {each.split()[0] for each in broken(page, "html")}
        page.evaluate("console.error('unwell')")
    with pytest.raises(AssertionError, match="asked elsewhere"), visit(chromium, of, None) as visitor:
        visitor.context.new_page().goto("data:text/html,<img src=http://127.0.0.2:9/x.png>")


def test_every_page_is_looked_at(tmp_path: Path) -> None:
    """A page without a line in `console_pages.py` would be held to no rule."""
    url = f"sqlite:///{tmp_path / 'churn.db'}"
    of = site(connect(url), connect_people(url))
    routes = {name.removeprefix("GET "): route for name, route in named_routes(of).items() if name.startswith("GET ")}
    paths = [shown.path if isinstance(shown.path, str) else "/link/token" for shown in PAGES.values()]
    seen = [path.partition("?")[0] for path in paths if path]
    unseen = [
        path
        for path, route in routes.items()
        if path not in seen and not any(route.path_regex.fullmatch(each) for each in seen)
    ]
    assert sorted(NO_PAGES) == sorted(unseen)
    of.store.dispose()
    of.people.dispose()
