"""Health, and the banner on every page: nights that are old, missing or refused, sources that were out, the model."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest
from console import ADA, MARA, Clock, browser, let_in, nights, site, words
from digest_nights import BEFORE, HIGH, INES, LOW, MEDIUM, MONDAY, account, publish_night
from sample_nights import CATALOGUE
from sqlalchemy import Engine, event, insert, update
from starlette.testclient import TestClient

from pipeline.console.site import Site
from pipeline.people.connection import connect as connect_people
from pipeline.store.connection import connect, writing
from pipeline.store.lease import leased
from pipeline.store.making import prepare
from pipeline.store.schema import CATALOGUES, CHAMPIONS, LEDGER, MODELS, RUNS

CARD: dict[str, Any] = {
    "trained_on": "2026-11-20",
    "first_as_of": "2024-12-01",
    "last_as_of": "2026-08-20",
    "snapshots": 41234,
    "accounts": 2304,
    "departures": 512,
    "features": 61,
    "backtest": {
        "first_as_of": "2026-03-02",
        "last_as_of": "2026-08-20",
        "departures": 211,
        "enough": True,
        "figures": {
            "auc": {"value": 0.8123, "low": 0.79, "high": 0.83},
            "average_precision": {"value": 0.31, "low": 0.27, "high": 0.35},
            "recall": {"value": 0.42, "low": 0.36, "high": 0.48},
            "mrr_recall": {"value": None, "low": None, "high": None},
            "calibration_slope": {"value": 0.97, "low": 0.88, "high": 1.06},
        },
        "curve": [{"risk": 0.12, "rows": 4123, "share": {"value": 0.11, "low": 0.09, "high": 0.14}}],
    },
}
BANDS: dict[str, Any] = {"bands": {"high": 3, "medium": 9, "low": 88}, "expected_departures": 5.4}


def run_at(store: Engine, day: date, outcome: str | None, message: str | None = None, **more: Any) -> None:
    """A line of the ledger: a run of five past six that took 41 seconds."""
    begun = datetime.combine(day, time(6, 5), UTC)
    row = {
        "run_id": f"{outcome}-{day}",
        "command": "score",
        "as_of": day,
        "started_at": begun,
        "ended_at": None if outcome is None else begun + timedelta(seconds=41),
        "outcome": outcome,
        "message": message,
        "host": "here",
        "settings_digest": "0" * 64,
    }
    prepare(store)
    with writing(store) as connection:
        connection.execute(insert(LEDGER).values(**(row | more)))


def night(store: Engine, as_of: date = MONDAY, **headline: Any) -> None:
    publish_night(store, as_of, account("A-1", HIGH, data=1.0), account("A-2", MEDIUM), **(BANDS | headline))


@pytest.fixture
def quick(tmp_path: Path) -> Iterator[Site]:
    """A site on SQLite, for what is only worded; what asks the store otherwise is asked in both databases."""
    url = f"sqlite:///{tmp_path / 'churn.db'}"
    made = site(connect(url), connect_people(url), clock=Clock())
    yield made
    made.store.dispose()
    made.people.dispose()


def asked(of: Site, email: str = MARA, path: str = "/health", **headers: str) -> str:
    answer = let_in(of, email, **headers).get(path)
    assert 200 == answer.status_code, answer.text
    return words(answer)


CHINESE = {"accept-language": "zh-CN"}


# ---------------------------------------------------------------------------------------------------------------------
# The banner


def test_without_anything_to_say_there_is_no_banner(quick: Site) -> None:
    nights(quick.store)
    mara = let_in(quick, MARA)
    for path in ("/", "/accounts", "/accounts/A-old", "/people", "/health"):
        assert 'class="banner"' not in mara.get(path).text, path


@pytest.mark.parametrize("path", ["/", "/accounts", "/accounts/A-1", "/people", "/health"])
def test_what_ails_a_night_stands_on_every_page_together(store: Engine, people: Engine, path: str) -> None:
    """Age, a source and rules: one line each, told to screen readers, once."""
    starter = {"departures": 40, "needed": 100}
    night(store, starter=starter, outages={"usage": ["2026-11-18", "2026-11-20"]}, usage_until="2026-11-22")
    clock = Clock()
    clock.later(hours=24)
    answer = let_in(site(store, people, clock=clock), ADA).get(path)
    banner = answer.text.partition('<div class="banner" role="status"')[2].partition("</div>")[0]
    assert 3 == banner.count("<p>")
    assert 1 == answer.text.count('role="status"')
    page = words(answer)
    assert page.startswith("These figures are a day old, of 23 November. Today's were not published.")
    assert "Usage data of 18 November to 20 November is missing, for everybody. Reasons from it may be missing;" in page
    assert "The order comes from rules, so there are no odds: 40 of the 100 departures" in page


def test_the_banner_is_chinese_where_the_page_is(quick: Site) -> None:
    night(quick.store, outages={"usage": ["2026-11-20", "2026-11-20"]})
    assert asked(quick, INES, "/", **CHINESE).startswith("缺少 11 月 20 日的使用记录(所有客户都缺)。")


def test_a_source_that_ended_is_named(quick: Site) -> None:
    told = {"until": "2026-11-03", "is_late": True, "out": None, "touched": 0.4}
    night(quick.store, sources={"invoices": told, "tickets": told | {"is_late": False}})
    page = asked(quick, INES, "/")
    assert page.startswith("Invoice data ends on 3 November: what happened after that is in no reason.")
    assert "ticket data ends" not in page


@pytest.mark.parametrize(("minutes", "is_old"), [(23 * 60 + 30, False), (23 * 60 + 31, True)])
def test_a_night_is_old_26_hours_after_it_could_start(
    store: Engine, people: Engine, minutes: int, is_old: bool
) -> None:
    """As `churn doctor --max-age 26h` and the API's `is_old` have it: at 08:00 of the next day, not later."""
    night(store)
    with writing(store) as connection:
        connection.execute(update(RUNS).values(finished_at=datetime(2026, 11, 23, 6, 10, tzinfo=UTC)))
    clock = Clock()
    clock.later(minutes=minutes)
    ours = site(store, people, clock=clock)
    assert is_old == ("a day old" in asked(ours, INES, "/"))
    later = site_with(ours, arrival_hours=7)
    assert "a day old" not in asked(later, INES, "/"), "where more has to arrive, it could start later"


def site_with(of: Site, **more: Any) -> Site:
    return Site(**({name: getattr(of, name) for name in ("store", "people", "address", "clock")} | more))


def test_the_night_of_a_demo_is_never_old(store: Engine, people: Engine) -> None:
    """Its tables end where they end, and no other night will come."""
    night(store, demo=True)
    clock = Clock()
    clock.later(days=40)
    assert "old" not in asked(site(store, people, clock=clock), INES, "/")


def test_the_banner_leads_to_health_whoever_may_open_it(quick: Site) -> None:
    night(quick.store, outages={"usage": ["2026-11-20", "2026-11-20"]})
    ours = quick

    def link_in(email: str, path: str = "/") -> bool:
        return 'href="/health"' in let_in(ours, email).get(path).text.partition("<main")[2]

    assert [True, True, False] == [link_in(MARA), link_in(ADA), link_in(INES)]
    assert not link_in(MARA, "/health"), "nobody needs a way to where they are"
    assert 403 == let_in(ours, INES).get("/health").status_code


def test_who_has_not_signed_in_sees_no_banner(quick: Site) -> None:
    night(quick.store, outages={"usage": ["2026-11-20", "2026-11-20"]})
    assert "banner" not in browser(quick).get("/sign-in").text


# ---------------------------------------------------------------------------------------------------------------------
# The last nights


def test_all_is_well(store: Engine, people: Engine) -> None:
    night(store, BEFORE)
    for days in range(6, -1, -1):
        night(store, MONDAY - timedelta(days=days))
    run_at(store, MONDAY, "published", run_id=f"r{MONDAY}", rows_out=3)
    page = asked(site(store, people))
    assert page.startswith(
        "All is well Night of 23 November, published 03:12 UTC · 3 accounts in 41 s · model version 1"
    )
    assert "without a night" not in page
    shown = page.partition("Last nights")[2].partition("Sources")[0]
    assert 8 == shown.count("published 03:12 UTC published")


def test_nights_that_are_missing_are_gaps(store: Engine, people: Engine) -> None:
    """Between two nights, and since the last one; not before the first."""
    night(store, BEFORE)
    night(store, BEFORE + timedelta(days=2))
    clock = Clock()
    ours = site(store, people, clock=clock)
    page = asked(ours)
    assert "One thing to look at" in page
    assert "19 November to 23 November 5 days without a night" in page
    assert "17 November A day without a night" in page
    assert 2 == page.count("without a night")


def test_fourteen_nights_are_shown(quick: Site) -> None:
    for days in range(16, -1, -1):
        night(quick.store, MONDAY - timedelta(days=days))
    page = asked(quick)
    shown = page.partition("Last nights")[2].partition("Sources")[0]
    assert 14 == shown.count("model version 1")
    assert "10 November" in shown
    assert " 9 November" not in shown


@pytest.mark.parametrize(
    ("outcome", "told"),
    [
        ("refused", "refused. The tables or the figures did not pass the checks."),
        ("failed", "failed. Something that it needs did not answer."),
        ("ended", "stopped. Somebody stopped it, or it took too long."),
        (None, "killed. It ended without a word"),
    ],
)
def test_a_run_that_published_nothing_says_why(store: Engine, people: Engine, outcome: str | None, told: str) -> None:
    night(store, MONDAY - timedelta(days=1))
    run_at(store, MONDAY, outcome, outcome and "The tables end too early; nothing was written.")
    page = asked(site(store, people))
    assert "2 things to look at" in page, "it is half past eight, and last night's should be there"
    assert "The last run published nothing." in page
    assert f"Run of 23 November 06:05 UTC: {told}" in page
    assert (outcome is not None) == ("The tables end too early; nothing was written." in page)


def test_a_fortnight_of_refused_nights_still_has_its_page(store: Engine, people: Engine) -> None:
    """None of the last fourteen was published; the one that is shown was published before them."""
    night(store, MONDAY - timedelta(days=20))
    for days in range(15):
        run_at(store, MONDAY - timedelta(days=days), "refused", f"Too few, {days}.")
    page = asked(site(store, people))
    assert "things to look at" in page
    assert "Too few, 0." in page
    assert "3 November" in page


def test_a_run_that_was_mended_since_is_told_and_does_not_ail(store: Engine, people: Engine) -> None:
    night(store)
    run_at(store, MONDAY, "refused", "Too few.", started_at=datetime(2026, 11, 23, 2, 0, tzinfo=UTC))
    page = asked(site(store, people))
    assert page.startswith("All is well")
    assert "Run of 23 November 02:00 UTC: refused" in page


def test_a_run_that_holds_the_lease_is_running(store: Engine, people: Engine) -> None:
    night(store, MONDAY - timedelta(days=1))
    run_at(store, MONDAY, None)
    with leased(store):
        page = asked(site(store, people))
    assert "Run of 23 November 06:05 UTC: is running" in page
    assert "The last run published nothing." not in page


def test_what_a_run_said_is_escaped(store: Engine, people: Engine) -> None:
    night(store)
    bad = "<script>alert(1)</script>\n<img src=x onerror=alert(2)>"
    run_at(store, MONDAY + timedelta(days=1), "failed", bad)
    answer = let_in(site(store, people), MARA).get("/health")
    assert "<script>alert" not in answer.text
    assert "<img" not in answer.text
    assert bad.replace("\n", " ") in words(answer)


def test_before_the_first_night_it_says_what_to_run(store: Engine, people: Engine) -> None:
    """With what the runs said so far."""
    prepare(store)
    ours = site(store, people)
    assert "No night is published yet Whoever runs this has to score one first: churn score" == asked(ours)
    run_at(store, MONDAY, "refused", "accounts.account_id: 3 rows have none.")
    page = asked(ours)
    assert "churn score" in page
    assert "accounts.account_id: 3 rows have none." in page


def test_without_a_store_it_says_so(store: Engine, people: Engine) -> None:
    answer = let_in(site(store, people), MARA).get("/health")
    assert 503 == answer.status_code
    assert "churn score" in answer.text


# ---------------------------------------------------------------------------------------------------------------------
# Sources, model, drift


def test_each_source_says_how_it_stood(store: Engine, people: Engine) -> None:
    night(
        store,
        outages={"usage": ["2026-11-18", "2026-11-20"]},
        sources={
            "usage": {"until": "2026-11-22", "is_late": False, "out": ["2026-11-18", "2026-11-20"], "touched": 0.83},
            "tickets": {"until": "2026-11-01", "is_late": True, "out": None, "touched": 0.25},
            "invoices": {"until": "2026-11-21", "is_late": False, "out": None, "touched": None},
            "page_visits": {"until": None, "is_late": False, "out": None, "touched": None},
        },
    )
    page = asked(site(store, people))
    assert "Usage 22 November missing 18 November to 20 November; this concerns 83 % of the customers" in page
    assert "Tickets 1 November nothing since 2 November; this concerns 25 % of the customers" in page
    assert "Invoices 21 November up to date" in page
    assert "Page visits not known no rows" in page
    assert page.startswith("Usage data of")
    assert "2 things to look at" in page


def test_a_night_of_an_older_churn_tells_what_it_knows(quick: Site) -> None:
    publish_night(quick.store, MONDAY, account("A-1", LOW), outages={"tickets": ["2026-11-18", "2026-11-18"]})
    page = asked(quick)
    assert "Tickets not known missing 18 November" in page
    assert "What was measured of this model was not kept with the night." in page
    assert "There is no earlier night by the same model" in page


def with_card(store: Engine, card: dict[str, Any] | None) -> None:
    """Let the night's catalogue have a card."""
    with writing(store) as connection:
        connection.execute(update(CATALOGUES).values(record=json.dumps(CATALOGUE | {"card": card})))


def test_the_model_card_says_what_was_measured(quick: Site) -> None:
    night(quick.store)
    with_card(quick.store, CARD)
    page = asked(quick)
    for told in (
        "Version 1",
        "Trained 20 November",
        "41,234 snapshots of 2,304 customers, 1 December 2024 to 20 August, 512 departures among them",
        "medium from 9.5 %, high from 17 %; usually 5 % leave",
        "on dates that it had not seen, 2 March to 20 August, 211 departures",
        "Order (AUC) 0.81 (0.79 to 0.83)",
        "Departures that were on the list 42 % (36 % to 48 %)",
        "Calibration slope (1: as said) 0.97 (0.88 to 1.06)",
        "12 % 11 % (9 % to 14 %) 4,123",
    ):
        assert told in page
    assert "Lost MRR" not in page, "what cannot be formed is not shown"
    assert "too few to judge by" not in page


def test_few_departures_are_told_beside_the_figures(quick: Site) -> None:
    night(quick.store)
    with_card(quick.store, CARD | {"backtest": CARD["backtest"] | {"departures": 31, "enough": False}})
    assert "31 departures. These are too few to judge by." in asked(quick)


def test_a_model_without_a_backtest_says_so(quick: Site) -> None:
    night(quick.store)
    with_card(quick.store, CARD | {"backtest": None})
    page = asked(quick)
    assert "Tested not yet: the history is too short" in page
    assert "AUC" not in page


def test_rules_claim_nothing(quick: Site) -> None:
    night(quick.store, starter={"departures": 40, "needed": 100}, expected_departures=None)
    with_card(quick.store, CARD | dict.fromkeys(("snapshots", "accounts", "departures", "backtest")))
    page = asked(quick)
    assert "Rules with weights fixed beforehand order the accounts." in page
    assert "AUC" not in page
    assert "medium from" not in page


def test_a_newer_champion_is_named(store: Engine, people: Engine) -> None:
    night(store)
    with writing(store) as connection:
        connection.execute(insert(MODELS).values(digest="m2", content=b""))
        since = datetime(2026, 11, 23, 7, 0, tzinfo=UTC)
        connection.execute(insert(CHAMPIONS).values(number=1, name="churn-risk", version=2, digest="m2", since=since))
    assert "Version 2 became champion on 23 November. The next night goes by it." in asked(site(store, people))


SHIFT = {"since": "2026-11-22", "mean": 0.051, "mean_then": 0.05, "index": 0.01, "by_chance": 0.05, "has_moved": False}


@pytest.mark.parametrize(
    ("has_moved", "begins", "told"),
    [
        (False, "All is well", "The risks lie as they did on 22 November"),
        (True, "One thing", "The risks have moved since 22 November"),
    ],
)
def test_the_risks_beside_the_last_good_nights(quick: Site, has_moved: bool, begins: str, told: str) -> None:
    night(quick.store, MONDAY - timedelta(days=1))
    night(quick.store, shift=SHIFT | {"has_moved": has_moved})
    page = asked(quick)
    assert page.startswith(begins)
    assert f"{told}, by the same model: 5.1 % in the mean, 5 % then." in page
    assert "23 November 3 9 88 5" in page, "the bands of the night, and how many are expected to leave"


def test_in_chinese_nothing_english_is_left(quick: Site) -> None:
    night(quick.store, MONDAY - timedelta(days=3))
    told = {"until": "2026-11-01", "is_late": True, "out": None, "touched": 0.25}
    night(quick.store, shift=SHIFT, sources={"tickets": told, "usage": told | {"is_late": False}})
    with_card(quick.store, CARD)
    run_at(quick.store, MONDAY - timedelta(days=1), "refused", "")
    page = asked(quick, **CHINESE)
    assert page.startswith(
        "工单只到 11 月 1 日,之后的情况未计入原因。 有 1 项需要留意 11 月 23 日的结果,发布于 03:12 UTC"
    )
    for told_zh in (
        "11 月 21 日 连续 1 天没有结果",
        "被拒绝",
        "工单 11 月 1 日 11 月 2 日起没有数据,涉及 25% 的客户",
        "排序能力(AUC) 0.81(0.79 至 0.83)",
    ):
        assert told_zh in page
    english = set(re.findall(r"[A-Za-z]{3,}", page)) - {"UTC", "AUC", "MRR", "churn", "score", "monitor"}
    assert set() == english


# ---------------------------------------------------------------------------------------------------------------------


def test_the_page_asks_a_handful_of_questions(tmp_path: Path) -> None:
    """However many nights there are, and in one transaction."""
    url = f"sqlite:///{tmp_path / 'churn.db'}"
    ours = site(connect(url), connect_people(url))
    for days in range(16, -1, -1):
        night(ours.store, MONDAY - timedelta(days=days))
        run_at(ours.store, MONDAY - timedelta(days=days), "refused", "No.")
    asked_for: list[str] = []
    begun: list[None] = []
    event.listen(ours.store, "before_cursor_execute", lambda *given: asked_for.append(given[2]))
    event.listen(ours.store, "begin", lambda _: begun.append(None))
    mara: TestClient = let_in(ours, MARA)
    assert 200 == mara.get("/health").status_code
    selects = [each for each in asked_for if each.lstrip().upper().startswith("SELECT")]
    assert len(selects) <= 9, selects
    assert 1 == len(begun)
    assert not [each for each in selects if " scores" in each.lower()], "no account is read for it"
    ours.store.dispose()
    ours.people.dispose()
