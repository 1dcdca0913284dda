"""The model card: one sentence for a manager, then figures that are those of the backtest and nothing rounder."""

import re
from datetime import date

import pytest
from known_risk import FEATURES, known_risk, trained

from models.backtest import Backtest, backtest
from models.model_card import Setting, model_card, opening

NEED = 58
SETTING = Setting(
    company="Acme",
    day=date(2026, 11, 2),
    money="MRR",
    currency="EUR",
    leaving="left",
    tables={"accounts": "2,000 rows"},
    left_out={"churned inside the lead": 7},
)


@pytest.fixture(scope="module")
def tested() -> Backtest:
    """With a horizon of 56 days, so that the departures of a date are there to be listed a month before."""
    frame = known_risk(700, 14, steps=2).frame
    return backtest(frame, FEATURES, need_days=NEED + 28, horizon_days=56, capacity=30, threads=1)


@pytest.fixture(scope="module")
def card(tested: Backtest) -> str:
    return model_card(trained()[1], tested, SETTING)


def test_it_opens_with_one_sentence_for_a_manager(card: str, tested: Backtest) -> None:
    """Whatever stands in it is counted in the backtest: who left, what they paid, who was listed a month before."""
    first = card.split("\n\n")[1]
    assert first == opening(tested, SETTING)
    lead = tested.lead_times["model"][0]
    simple = [tested.lead_times[name][0].found for name in ("MRR", "days to renewal", "health score")]
    assert f"Of {lead.departures} customers who left between" in first
    assert f"({lead.mrr:,.0f} EUR of MRR)" in first
    assert f"and had been looked at 30 days before or earlier, {lead.found} were on the list by then" in first
    assert re.search(
        rf"a list of equal length by (MRR|renewal date|health score) would have had {max(simple)}\.", first
    )


def test_the_sentence_names_the_best_simple_list_and_not_the_weakest(tested: Backtest) -> None:
    found = {name: tested.lead_times[name][0].found for name in ("MRR", "days to renewal", "health score")}
    told = {"MRR": "by MRR", "days to renewal": "by renewal date", "health score": "by health score"}
    best = [told[name] for name, count in found.items() if count == max(found.values())]
    assert any(name in opening(tested, SETTING) for name in best)


def test_its_figures_are_those_of_the_backtest(card: str, tested: Backtest) -> None:
    for name in ("auc", "average_precision", "lift", "recall", "brier_skill", "calibration_slope"):
        assert str(tested.model.figures[name]) in card, name
    for found in tested.baselines.values():
        assert str(found.figures["average_precision"]) in card
    assert tested.grade is not None
    assert tested.grade.word in card
    assert tested.model.note in card
    for lead in tested.lead_times["model"]:
        assert f"{lead.found} of {lead.departures}" in card
    for name, group in tested.segments["plan"].items():
        assert re.search(rf"\| {name} \| {group.departures} \|", card)


def test_every_row_of_a_table_has_as_many_cells_as_its_heading(card: str) -> None:
    tables = [block.splitlines() for block in card.split("\n\n") if block.startswith("|")]
    assert len(tables) >= 5
    for rows in tables:
        assert len({row.count("|") for row in rows}) == 1, rows
        assert re.fullmatch(r"\|( -+:? \|)+", rows[1])


def test_it_says_data_window_limits_and_date(card: str) -> None:
    for heading in ("## Data", "## How it was tested", "## By segment", "## Limits"):
        assert heading in card
    assert "2026-11-02" in card
    assert "accounts: 2,000 rows" in card
    assert "churned inside the lead: 7" in card
    assert "no test of its own" in card
    assert "30 %" in card  # what the profit rests on
    assert "nan" not in card.lower()


def test_few_churns_are_told_where_a_grade_would_stand() -> None:
    few = backtest(known_risk(260, 14).frame, FEATURES, need_days=NEED, horizon_days=28, capacity=5, threads=1)
    assert few.model.departures < 100
    card = model_card(trained()[1], few, SETTING)
    assert f"not enough churns (n = {few.model.departures})" in card
    assert "to judge by" in card.split("\n\n")[1]


def test_without_a_backtest_the_card_claims_nothing() -> None:
    card = model_card(trained()[1], None, SETTING)
    assert "has not been tested" in card.split("\n\n")[1]
    assert "AUC" not in card
    assert "## Data" in card


def test_names_with_a_bar_do_not_break_a_table(tested: Backtest) -> None:
    odd = dict(tested.segments)
    odd["plan"] = {"a|b": next(iter(odd["plan"].values()))}
    from dataclasses import replace

    card = model_card(trained()[1], replace(tested, segments=odd), SETTING)
    assert "a\\|b" in card
