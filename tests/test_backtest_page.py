"""What `churn backtest` says: the sentence of the model card, the grade, then tables that fit a terminal."""

import re
from dataclasses import replace
from datetime import date

import pytest
from known_risk import FEATURES, known_risk

from models.backtest import Backtest, backtest
from models.leavers import Leavers
from models.model_card import Setting, opening
from pipeline.backtest_page import backtest_page

SETTING = Setting(company="Acme", day=date(2026, 11, 2), money="MRR", currency="EUR", leaving="left")


@pytest.fixture(scope="module")
def tested() -> Backtest:
    frame = known_risk(700, 14, steps=2).frame
    return backtest(frame, FEATURES, need_days=86, horizon_days=56, capacity=30, threads=1)


@pytest.fixture(scope="module")
def page(tested: Backtest) -> str:
    return backtest_page(tested, SETTING)


def test_it_opens_with_the_sentence_of_the_model_card_and_the_grade(tested: Backtest, page: str) -> None:
    assert tested.grade is not None
    flat = re.sub(r"\s+", " ", page)
    assert flat.startswith(opening(tested, SETTING))
    assert f"Grade: {tested.grade.word}. " in flat
    against = f"{tested.grade.model_precision:.3f} against {tested.grade.baseline_precision:.3f}"
    assert against in flat
    assert str(tested.grade.skill) in flat


def test_it_fits_a_terminal(page: str) -> None:
    assert max(map(len, page.splitlines())) <= 120


def test_every_list_stands_in_every_table_that_it_has_figures_for(page: str) -> None:
    assert len(re.findall(r"^by renewal date ", page, re.MULTILINE)) == 3
    assert len(re.findall(r"^by logistic regression ", page, re.MULTILINE)) == 5


def test_lead_times_say_of_how_many(tested: Backtest, page: str) -> None:
    lead = tested.lead_times["days to renewal"][0]
    assert f"30 days, of {lead.departures}" in page
    assert re.search(rf"^by renewal date +{lead.found}, {100 * lead.share.value:.1f} %", page, re.MULTILINE)


def test_segments_show_their_churns(tested: Backtest, page: str) -> None:
    for name, group in tested.segments["plan"].items():
        assert re.search(rf"^plan {name} +{group.departures} ", page, re.MULTILINE)


def test_reasons_of_leaving_stand_apart_where_they_are_on_record(tested: Backtest, page: str) -> None:
    assert "by the reason for which" not in page
    lead = tested.lead_times["model"]
    leavers = {"involuntary": Leavers(1234, tested.model.figures["recall"], lead)}
    told = backtest_page(replace(tested, leavers=leavers), SETTING)
    recall = f"{100 * tested.model.figures['recall'].value:.1f} %"
    pattern = rf"^involuntary +1,234 +{recall} .*{lead[0].found} of {lead[0].departures}"
    assert re.search(pattern, told, re.MULTILINE)
    assert max(map(len, told.splitlines())) <= 120


def test_what_the_profit_assumes_is_told_where_there_is_money(tested: Backtest, page: str) -> None:
    assert "a call keeps 30 %" in re.sub(r"\s+", " ", page)
    assert "EUR" in page


def test_few_churns_stand_where_the_grade_would(tested: Backtest) -> None:
    assert tested.grade is not None
    few = replace(tested, model=replace(tested.model, departures=37), grade=replace(tested.grade, departures=37))
    assert "Grade: not enough churns (n = 37)." in backtest_page(few, SETTING)


def test_without_subscriptions_no_list_is_called_by_mrr(tested: Backtest) -> None:
    assert "MRR" not in backtest_page(tested, replace(SETTING, money="orders"))
