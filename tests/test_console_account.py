"""The page of an account: what it shows against the store, and that it adds up."""

import re
from datetime import date, timedelta
from pathlib import Path
from xml.etree import ElementTree

import pytest
from account_page import numbers, one, opened, value, with_evidence
from console import act, let_in, nights, site, words
from digest_nights import BASE, HEADLINE, HIGH, INES, LOW, MEDIUM, MONDAY, account, scored_at
from hypothesis import given
from hypothesis import strategies as st
from pandas import DataFrame
from sample_nights import BANDS, CATALOGUE, make_book, publish, run
from sqlalchemy import Engine

from pipeline.people.connection import reading
from pipeline.people.deeds import Called
from pipeline.store.nights import account as stored
from pipeline.store.nights import night
from pipeline.waterfall import as_shown

CHINESE = {"accept-language": "zh-CN"}


@pytest.fixture
def store_url(tmp_path: Path) -> str:
    """What differs between the databases is asked of both in `test_console_account_forms.py`."""
    return f"sqlite:///{tmp_path / 'churn.db'}"


def test_it_says_how_the_account_stands(store: Engine, people: Engine) -> None:
    """Who it is, the risk in plain words beside what is usual, its band's border, the renewal and the loss."""
    of = account("A-1", HIGH, name="Harbour Group", renews_on=date(2027, 1, 20))
    of["horizons"] = {30: 0.1, 60: 0.269, 90: 0.34}
    one(store, of, base_rate=0.05)
    page = words(opened(store, people, "A-1"))
    assert page.startswith(f"High risk · looked after by {INES} · as of 23 November Harbour Group A-1 · MRR 1,000 USD")
    assert "renews 20 January 2027" in page
    assert "1 in 4 leave within 60 days Of 100 customers like this, about 27 leave within 60 days." in page
    assert "Among all customers it is usually 5. Medium risk begins at 9.5 %, high risk at 17 %." in page
    assert "Renews 20 January 2027: about 1 in 4 will not. That counts everybody who leaves within 60 days" in page
    assert "Expected loss: 269 USD of MRR (risk × 1,000;" in page
    assert "within 30 days 1 in 10 · within 90 days 1 in 3" in page


@pytest.mark.parametrize(
    ("ahead", "told"), [(29, "about 1 in 10 will not"), (89, "about 1 in 3 will not"), (90, "later than the forecast")]
)
def test_a_renewal_is_told_by_the_horizon_that_reaches_past_it(
    store: Engine, people: Engine, ahead: int, told: str
) -> None:
    """An end on the day itself lies within a horizon of one day more; beyond all of them nothing is promised."""
    of = account("A-1", HIGH, renews_on=MONDAY + timedelta(days=ahead))
    of["horizons"] = {30: 0.1, 60: 0.269, 90: 0.34}
    one(store, of)
    assert told in words(opened(store, people, "A-1"))


def test_in_chinese_nothing_english_is_left(store: Engine, people: Engine) -> None:
    """Interface, reasons, odds, dates and pictures."""
    nights(store)
    page = words(opened(store, people, "A-new", **CHINESE))
    assert "60 天内每 4 家有 1 家流失 100 家这样的客户里,60 天内大约有 27 家流失。9.5% 起为中风险" in page
    assert "近 28 天有 6 天在用,平时是 19 天。 主要原因" in page
    assert "没有这一项则每 100 家有 10 家,现在是 27 家" in page
    assert "11 月 16 日以来的变化 从每 100 家有 2 家变为每 100 家有 27 家。" in page
    assert not set(re.findall(r"[A-Za-z]{2,}", page)) - {"Ines", "Example", "com", "new", "USD", "CRM", "MRR"}


def test_reasons_stand_beside_what_they_weigh(store: Engine, people: Engine) -> None:
    """What raises the risk with its weight; what speaks for staying by itself."""
    of = account("A-1", HIGH, usage=3.0)
    one(store, of)
    page = words(opened(store, people, "A-1"))
    assert "Why Active on 6 of the last 28 days; 19 is normal for them. main reason" in page
    assert "What speaks for staying Four tickets in the last 28 days." in page


def test_what_moved_it_adds_up(store: Engine, people: Engine) -> None:
    """From last week's log-odds by time, data and model to today's, as shown and in the store."""
    one(store, account("A-1", HIGH, data=1.006, time=0.004, model=-0.206))
    answer = opened(store, people, "A-1")
    assert "From 14 in 100 to 27 in 100." in words(answer)
    before, *parts, now = numbers(answer.text, 'id="changed"')
    assert ["Time that passed", "What happened", "Another model"] == [part[0] for part in parts]
    assert value(now[2]) == pytest.approx(value(before[2]) + sum(value(part[1]) for part in parts), abs=1e-9)
    assert ["1.01", "−0.21"] == [part[1].replace("+", "") for part in parts[1:]]


def test_the_waterfall_adds_up_to_the_log_odds_that_are_shown(store: Engine, people: Engine) -> None:
    """Start and families to the account's log-odds, and the rows of each family to that family, as printed."""
    of = account("A-1", BASE + 0.333 + 0.333 + 0.333)
    of["families"] = {"usage": 0.333, "support": 0.333, "contract": 0.3337, "billing": -0.0007}
    of["reasons"][0]["contribution"], of["reasons"][1]["contribution"] = 0.301, 0.444
    of["reasons"][2]["contribution"] = 0.999 - 0.745
    one(store, of)
    answer = opened(store, people, "A-1")
    start, *families, end = numbers(answer.text, 'aria-label="The numbers"')
    with reading(store) as connection:
        newest = night(connection)
        assert newest is not None
        shown = stored(connection, newest, "A-1")
    assert shown is not None
    assert value(end[2]) == round(shown.log_odds or 0.0, 2)
    assert value(start[2]) == round(shown.base_log_odds or 0.0, 2)
    assert value(end[2]) == pytest.approx(value(start[2]) + sum(value(each[1]) for each in families), abs=1e-9)
    assert value(end[2]) == value(families[-1][2])
    for family in families:
        rows = numbers(answer.text, f'aria-label="{family[0]}"')
        assert value(family[1]) == pytest.approx(sum(value(row[-1]) for row in rows), abs=1e-9), family
    assert 4 == len(families)


@given(st.floats(-5, 5), st.lists(st.floats(-3, 3), max_size=8))
def test_rounded_steps_always_add_up(start: float, parts: list[float]) -> None:
    """Whatever is rounded: no step is off by more than the last digit, and the end is the rounded end."""
    told = list(as_shown(start, parts))
    assert round(start + sum(parts), 2) == pytest.approx(round(start, 2) + sum(told), abs=0.01 + 1e-9)
    assert all(abs(shown - part) <= 0.01 + 1e-9 for shown, part in zip(told, parts, strict=True))


def test_a_familys_figures_stand_beside_the_accounts_usual_and_its_peers(store: Engine, people: Engine) -> None:
    """Its own number, what is normal for it, and the middle one of all customers."""
    peers = [{"segment": None, "accounts": 412, "middle": {"active_days_28": 14.0, "tickets_28": 1.0}}]
    with_evidence(store, account("A-1", HIGH), peers=peers)
    answer = opened(store, people, "A-1")
    assert ["Active on 6 of the last 28 days; 19 is normal for them.", "6", "19", "14", "+1.20"] == numbers(
        answer.text, 'aria-label="Use of the product"'
    )[0]
    assert "Peers: the middle one of 412 customers of all kinds." in words(answer)


def test_the_course_goes_back_over_weeks_and_marks_other_models(store: Engine, people: Engine) -> None:
    """One night a week, the first night of another model, and how high it was at most."""
    for weeks in range(5, 0, -1):
        as_of = MONDAY - timedelta(weeks=weeks)
        frame = DataFrame([account("A-1", LOW if weeks != 3 else MEDIUM), account("A-quiet", LOW)])
        book = make_book(frame, bands=BANDS, new_days=28, as_of=as_of)
        made = run(f"r{as_of}", as_of=as_of, model_version="1" if weeks > 2 else "2", **HEADLINE)
        publish(store, made, book, CATALOGUE, finished_at=scored_at(as_of))
    frame = make_book(DataFrame([account("A-1", HIGH)]), bands=BANDS, new_days=28, as_of=MONDAY)
    publish(
        store, run("now", as_of=MONDAY, model_version="2", **HEADLINE), frame, CATALOGUE, finished_at=scored_at(MONDAY)
    )
    answer = opened(store, people, "A-1")
    page = words(answer)
    assert "From 1.8 % on 19 October to 27 % on 23 November; the highest was 27 % on 23 November." in page
    assert "At a broken line another model came: 9 November." in page
    assert 6 == len(numbers(answer.text, 'id="course"'))


def test_scored_for_the_first_time_it_has_no_course(store: Engine, people: Engine) -> None:
    first = account("A-1", HIGH)
    first |= dict.fromkeys(("change_time", "change_data", "change_model"), float("nan"))
    one(store, first)
    page = words(opened(store, people, "A-1"))
    assert "Scored for less than a week: there is no course yet." in page
    assert "What changed" not in page


def test_what_happened_is_told_the_newest_first(store: Engine, people: Engine) -> None:
    """Use by week, tickets and how they sound, visits marked as internal, prices and renewals, what was done."""
    ticket = {"kind": "ticket", "ticket_id": "T-1", "opened_at": "2026-11-09T09:30:00", "worst": -800}
    change = {"kind": "change", "day": "2026-10-01", "terms_before": 1, "terms": 1, "mrr_before": 1000.0, "mrr": 1180.0}
    happened = [
        ticket | {"resolved_at": "2026-11-12T10:00:00", "mood": -600, "excerpt": "How do we cancel?"},
        {"kind": "visits", "day": "2026-11-20", "group": "cancellation", "visits": 3, "people": 2},
        change | {"seats_before": 50.0, "seats": 50.0, "plan_before": "Team", "plan": "Business"},
        {"kind": "renewal", "day": "2026-10-02"},
    ]
    with_evidence(store, account("A-1", HIGH), happened={"A-1": happened})
    ours = site(store, people)
    act(ours, "A-1", Called(True, "contract", "Send a quote", date(2026, 12, 1)))
    answer = let_in(ours, INES).get("/accounts/A-1")
    page = words(answer)
    told = [
        f"23 November Call reached · they named: contract and price · next: Send a quote · on 1 December {INES}",
        "20 November Page visits 2 people there opened pages about cancelling, 3 times (internal, do not quote)",
        "9 November Ticket sounds unhappy · solved after 3 days · “How do we cancel?”",
        "2 October Renewal the commitment had run out",
        "1 October Terms MRR rose from 1,000 to 1,180 (+18 %) · plan: Business, before Team",
    ]
    places = [page.index(each) for each in told]
    assert places == sorted(places)
    assert ["16 November", "12", "2"] == numbers(answer.text, "Use by week: The numbers")[0]
    assert ["9 November", "345", "5"] == numbers(answer.text, "Use by week: The numbers")[1]
    assert 1 == answer.text.count('id="timeline-688-title"')


def test_pictures_are_drawings_with_names(store: Engine, people: Engine) -> None:
    """Each is sound XML with a title and a description, has no style or script of its own, and fits its width."""
    nights(store)
    answer = opened(store, people, "A-new")
    drawn = re.findall(r"<svg.*?</svg>", answer.text, re.DOTALL)
    assert 4 == len(drawn), "two pictures, each for screens and for phones"
    for each in drawn:
        svg = ElementTree.fromstring(each)
        named = {node.get("id"): node.text for node in svg.iter() if node.get("id")}
        assert all(named[name] for name in svg.attrib["aria-labelledby"].split())
        assert not {"style", "onload", "href"} & {name for node in svg.iter() for name in node.attrib}
        assert float(svg.attrib["width"]) in {688, 350}
    assert "style=" not in answer.text


def test_the_page_suggests_first_what_the_list_suggests(store: Engine, people: Engine) -> None:
    """Though by all that is known of it another family may weigh more than the reasons that the list has room for."""
    nights(store)
    client = let_in(site(store, people), INES)
    entries = re.findall(r'<h2><a href="(/accounts/[^"]+)".*?Suggested: ([^<]+?)\s*<', client.get("/").text, re.DOTALL)
    assert 3 == len(entries)
    for path, play in entries:
        assert f"Suggested: {play}" in words(client.get(path))
