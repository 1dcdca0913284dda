"""The console in a real browser: a morning from the link to the sign-out, no error and no request to elsewhere."""

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

import pytest
from browsing import LOCALES, NEEDS_CHROMIUM, PHONE, SCREEN, Visit, chromium, served, visit
from console import PASSWORD, Clock, deeds, link_for
from digest_nights import BEFORE, HIGH, INES, LOW, MONDAY, TOM, account, publish_night
from playwright.sync_api import Browser, Locator, Page, expect

from pipeline.console.site import Site
from pipeline.people.actions import actions_of, actions_since, notes_of
from pipeline.people.connection import reading

__all__ = ["chromium"]

pytestmark = NEEDS_CHROMIUM

WORDS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "en": {
            "two": "2 of your 5 customers need a call this week",
            "none": "None of your 5 customers needs a call this week",
            "rests": "北京晨光 rests until 7 December.",
            "next": "The next in line is Customer A-2.",
            "all": "Your 5 accounts",
            "found": "4 accounts found",
            "high": "High risk",
            "other": "中文",
            "out": "退出登录",
            "sign in": "登录",
        },
        "zh": {
            "two": "您的 5 家客户中,本周有 2 家需要联系",
            "none": "您的 5 家客户,本周都不需要联系",
            "rests": "北京晨光 休息到 12 月 7 日。",
            "next": "接下来轮到 Customer A-2。",
            "all": "您的 5 家客户",
            "found": "找到 4 家客户",
            "high": "高风险",
            "other": "English",
            "out": "Sign out",
            "sign in": "Sign in",
        },
    }
)


@pytest.fixture
def ours(tmp_path: Path) -> Iterator[Site]:
    """Ines calls two a week and has four to call, one of them in Chinese; one of hers is well, one is Tom's."""
    with served(tmp_path, calls_per_week=2, clock=Clock()) as made:
        names = ["北京晨光", "Café Zürich & <b>Söhne</b>", "Customer A-2", "Customer A-3"]
        mine = [account(f"A-{place}", HIGH, name=name, mrr=900.0 - place) for place, name in enumerate(names)]
        others = [account("T-1", HIGH, owner=TOM)]
        for night in (BEFORE, MONDAY):
            publish_night(made.store, night, *mine, *others)
        yield made


def entered(of: Site, visitor: Visit) -> Page:
    """Ines comes by a link and chooses a password."""
    page = visitor.context.new_page()
    page.goto(of.address + link_for(of, INES))
    page.locator("#password").fill(PASSWORD)
    page.locator("#again").fill(PASSWORD)
    page.locator(".fields button").click()
    expect(page.get_by_role("navigation")).to_be_visible()
    return page


def listed(page: Page) -> list[str]:
    """The names of the week's list, from above."""
    return page.locator("ol.calls > li.call h2 a").all_inner_texts()


def form(within: Page | Locator, deed: str) -> Locator:
    """The form of a deed, unfolded in its place."""
    found = within.locator(f'form[action="/actions/{deed}"]').first
    found.locator("xpath=..").locator("> summary").click()
    expect(found).to_be_visible()
    return found


def entry(page: Page, name: str) -> Locator:
    return page.locator("li.call").filter(has=page.get_by_role("heading", name=name))


def heading(page: Page) -> Locator:
    return page.get_by_role("heading", level=1)


@pytest.mark.parametrize(
    ("language", "script", "size"),
    [
        ("en", True, SCREEN),
        ("zh", False, PHONE),
        pytest.param("en", False, PHONE, marks=pytest.mark.slow),
        pytest.param("zh", True, SCREEN, marks=pytest.mark.slow),
    ],
    ids=["en with scripts", "zh without", "en without", "zh with scripts"],
)
def test_a_morning(ours: Site, chromium: Browser, language: str, script: bool, size: dict[str, int]) -> None:
    """The list is worked down, the table narrowed, an account opened; then the other language, and out. With scripts
    and without it is the same.
    """
    words = WORDS[language]
    options = {"java_script_enabled": script, "locale": LOCALES[language], "viewport": size}
    with visit(chromium, ours, None, **options) as visitor:
        page = entered(ours, visitor)
        works_down_the_list(ours, page, words)
        finds_and_opens_an_account(ours, page, words)
        page.locator('nav a[href="/"]').click()
        expect(heading(page)).to_have_text(words["none"])

        page.get_by_role("button", name=words["other"]).click()
        page.get_by_role("button", name=words["out"]).click()
        expect(heading(page)).to_have_text(words["sign in"])
        for _ in range(3):
            page.go_back()
            expect(page.locator("#password")).to_be_visible()
            assert "Customer A-3" not in page.content()
    with reading(ours.people) as connection:
        assert 4 == len(actions_since(connection, MONDAY))


def works_down_the_list(of: Site, page: Page, words: Mapping[str, str]) -> None:
    """A call, a later one and what is no risk; each place goes to the next, and going back sends nothing again."""
    expect(heading(page)).to_have_text(words["two"])
    assert ["北京晨光", "Café Zürich & <b>Söhne</b>"] == listed(page)

    called = form(entry(page, "北京晨光"), "called")
    called.locator('input[value="yes"]').check()
    called.locator("select").select_option("support")
    called.locator('input[name="next_step"]').fill("Send the offer")
    called.locator('input[name="next_step"]').press("Enter")
    expect(page.get_by_role("status")).to_contain_text(words["rests"])
    expect(page.get_by_role("status")).to_contain_text(words["next"])
    assert page.url.endswith("#done")
    expect(heading(page)).to_have_text(words["two"])
    assert ["Café Zürich & <b>Söhne</b>", "Customer A-2"] == listed(page)

    page.go_back()
    expect(heading(page)).to_have_text(words["two"])
    page.go_forward()
    page.reload()
    with reading(of.people) as connection:
        (done,) = actions_of(connection, "A-0")
    assert (True, "support", "Send the offer", INES) == (done.reached, done.said, done.next_step, done.by)

    form(entry(page, "Café Zürich"), "later").locator("button").click()
    expect(page.get_by_role("status")).to_contain_text("Café Zürich & <b>Söhne</b>")
    assert ["Customer A-2", "Customer A-3"] == listed(page)
    known = form(entry(page, "Customer A-2"), "not-a-risk")
    known.locator('input[value="known"]').check()
    known.locator("button").click()
    expect(page.get_by_role("status")).to_contain_text("Customer A-2")
    assert ["Customer A-3"] == listed(page)


def finds_and_opens_an_account(of: Site, page: Page, words: Mapping[str, str]) -> None:
    """The table is narrowed, one of its accounts opened; there a call and a note are written down."""
    page.locator('nav a[href="/accounts"]').click()
    expect(heading(page)).to_have_text(words["all"])
    if page.locator("label[for=unfold]").is_visible():  # on a phone
        page.locator("label[for=unfold]").click()
    page.locator("#band").select_option(label=words["high"])
    page.locator("form.query button").click()
    expect(heading(page)).to_contain_text(words["found"])
    assert "band=high" in page.url
    assert 4 == page.locator("table.book tbody tr").count()

    page.get_by_role("link", name="Customer A-3").click()
    expect(heading(page)).to_have_text("Customer A-3")
    reached_nobody = form(page, "called")
    reached_nobody.locator('input[value="no"]').check()
    reached_nobody.locator("button").click()
    expect(page.get_by_role("status")).to_contain_text("Customer A-3")
    page.locator("#note").fill("他们五月回来。\nBack in May.")
    page.locator('form[action="/notes"] button').click()
    expect(page.locator(".note .body")).to_have_text("他们五月回来。\nBack in May.")
    with reading(of.people) as connection:
        assert [False] == [each.reached for each in actions_of(connection, "A-3")]
        assert ["他们五月回来。\nBack in May."] == [each.body for each in notes_of(connection, "A-3")]


def test_a_form_that_is_sent_twice_is_written_once(ours: Site, chromium: Browser) -> None:
    """By two clicks in a row; and again from the page that "back" shows as it was, with another answer."""
    with visit(chromium, ours, INES) as visitor:
        page = visitor.context.new_page()
        page.goto(ours.address)
        later = form(entry(page, "北京晨光"), "later")
        later.locator("button").dblclick()
        expect(page.get_by_role("status")).to_contain_text("北京晨光 rests until 30 November.")
        page.go_back()
        page.wait_for_load_state()
    with reading(ours.people) as connection:
        assert 1 == len(actions_of(connection, "A-0"))
    assert 1 == len([deed for deed, _ in deeds(ours) if deed == "later"])


def test_one_who_signed_out_in_another_tab_writes_nothing(ours: Site, chromium: Browser) -> None:
    """A form that was left open leads to the sign-in, says so, and nothing is written."""
    with visit(chromium, ours, INES) as visitor:
        page, other = visitor.context.new_page(), visitor.context.new_page()
        page.goto(ours.address)
        other.goto(ours.address)
        other.get_by_role("button", name="Sign out").click()
        form(entry(page, "北京晨光"), "later").locator("button").click()
        expect(page.get_by_text("北京晨光")).to_have_count(0)
        expect(heading(page)).to_have_text(re.compile("Sign in|This form is out of date"))
    with reading(ours.people) as connection:
        assert [] == actions_of(connection, "A-0")


def test_the_keyboard_is_enough(ours: Site, chromium: Browser) -> None:
    """From the sign-in to the sign-out without a pointer, and it always shows where one is."""
    words = WORDS["en"]
    with visit(chromium, ours, None) as visitor:
        page = entered(ours, visitor)
        page.get_by_role("button", name="Sign out").click()
        expect(page.locator("#email")).to_be_focused()
        page.keyboard.type(INES)
        page.keyboard.press("Tab")
        page.keyboard.type(PASSWORD)
        page.keyboard.press("Enter")
        expect(heading(page)).to_have_text(words["two"])

        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
        page.keyboard.press("Enter")
        tab_to(page, lambda at: at.evaluate("e => e.tagName") == "SUMMARY" and at.inner_text() == "I called")
        page.keyboard.press("Enter")
        tab_to(page, lambda at: at.get_attribute("name") == "reached")
        page.keyboard.press("Space")
        tab_to(page, lambda at: at.inner_text() == "Save")
        page.keyboard.press("Enter")
        expect(page.get_by_role("status")).to_contain_text("北京晨光 rests until 7 December.")
        with reading(ours.people) as connection:
            assert [True] == [each.reached for each in actions_of(connection, "A-0")]

        page.goto(ours.address)
        tab_to(page, lambda at: at.inner_text() == "Accounts")
        page.keyboard.press("Enter")
        expect(heading(page)).to_have_text(words["all"])
        tab_to(page, lambda at: at.get_attribute("id") == "q")
        page.keyboard.type("zürich")
        page.keyboard.press("Enter")
        expect(page.locator("table.book tbody tr")).to_have_count(1)
        tab_to(page, lambda at: at.inner_text() == "Café Zürich & <b>Söhne</b>")
        page.keyboard.press("Enter")
        expect(heading(page)).to_have_text("Café Zürich & <b>Söhne</b>")
        tab_to(page, lambda at: at.inner_text() == "Sign out")
        page.keyboard.press("Enter")
        expect(heading(page)).to_have_text("Sign in")


def tab_to(page: Page, wanted: Callable[[Locator], bool]) -> None:
    """Press Tab until it is there; each stop on the way is visible and marked."""
    for _ in range(60):
        page.keyboard.press("Tab")
        at = page.locator(":focus")
        if not at.count():
            continue  # the browser's own frame, before it begins anew
        assert "none" != at.evaluate("e => getComputedStyle(e).outlineStyle"), at.evaluate("e => e.outerHTML")
        box = at.bounding_box()
        assert box is not None
        assert box["x"] >= 0, at.evaluate("e => e.outerHTML")
        if wanted(at):
            return
    raise AssertionError("Tab leads to everything but that.")


@pytest.mark.parametrize("size", [SCREEN, PHONE], ids=["1440", "390"])
def test_long_lists_of_long_names_stay_on_the_page(tmp_path: Path, chromium: Browser, size: dict[str, int]) -> None:
    """A name without a space, an id of sixty characters, millions of MRR: no page is wider than its screen."""
    with served(tmp_path) as of, visit(chromium, of, INES, viewport=size) as visitor:
        name, account_id = "Donaudampfschifffahrtsgesellschaft" * 5, "0f7c1a9e" * 8
        long = account(account_id, HIGH, name=name, mrr=123456789.0, segment=name[:60], plan=name[:60])
        publish_night(of.store, MONDAY, long, account("A-2", LOW, name="名" * 120))
        page = visitor.context.new_page()
        for path in ("/", "/accounts", f"/accounts/{account_id}", "/accounts/A-2", f"/accounts?q={account_id}"):
            page.goto(of.address + path)
            assert size["width"] >= page.evaluate("document.documentElement.scrollWidth"), path
