"""Voluntary and involuntary departures apart: the lists of everybody, held against each kind."""

import re
from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd
import pytest
from known_risk import FEATURES, known_risk, trained

from models.backtest import Backtest, backtest
from models.evaluate import evaluate, value_at_risk
from models.leavers import by_end_reason
from models.lists import Lists
from models.model_card import Setting, model_card


def with_reasons(frame: pd.DataFrame) -> pd.DataFrame:
    """Every departure has one reason: that of its account's number."""
    kinds = np.array(["voluntary", "involuntary", None], dtype=object)
    reason = kinds[frame["account_id"].str[2:].astype(int).to_numpy() % 3]
    return frame.assign(end_reason=np.where(frame["label"], reason, None))


@pytest.fixture(scope="module")
def tested() -> Backtest:
    frame = with_reasons(known_risk(700, 14, steps=2).frame)
    return backtest(frame, FEATURES, need_days=86, horizon_days=56, capacity=30, threads=1)


def test_every_departure_stands_under_one_reason(tested: Backtest) -> None:
    """Departures found by the lists add up to those of the whole, and so do those that were tested early enough."""
    assert list(tested.leavers) == ["voluntary", "involuntary", "not known"]
    kinds = tested.leavers.values()
    assert sum(each.departures for each in kinds) == tested.model.departures
    found = sum(each.recall.value * each.departures for each in kinds)
    assert found == pytest.approx(tested.model.figures["recall"].value * tested.model.departures)
    for place, whole in enumerate(tested.lead_times["model"]):
        parts = [each.lead_times[place] for each in kinds]
        assert sum(part.departures for part in parts) == whole.departures
        assert sum(part.found for part in parts) == whole.found
    assert tested.as_record()["leavers"]["voluntary"]["departures"] == tested.leavers["voluntary"].departures


def test_the_model_card_tells_them_apart(tested: Backtest) -> None:
    setting = Setting("Acme", date(2026, 11, 2), "MRR", "EUR", "left")
    told = model_card(trained()[1], tested, setting)
    for reason, found in tested.leavers.items():
        lead = found.lead_times[0]
        share = f"{100 * found.recall.value:.1f} %"
        assert re.search(
            rf"^\| {reason} \| {found.departures} \| {share} .*\| {lead.found} of {lead.departures} ", told, re.M
        )
    without = model_card(trained()[1], replace(tested, leavers={}), setting)
    assert "By the reason on record" not in without


def test_a_list_of_the_involuntary_finds_no_other() -> None:
    frame = with_reasons(known_risk(300, 6).frame)
    score = (frame["end_reason"] == "involuntary").to_numpy(np.float64)
    capacity = int(score.reshape(-1).sum())
    listed = Lists(score > 0, score > 0)
    found = by_end_reason(frame, listed)
    assert capacity > 0
    assert (found["involuntary"].recall.value, found["voluntary"].recall.value) == (1.0, 0.0)


def test_without_reasons_on_record_there_is_nothing_to_tell_apart() -> None:
    frame = known_risk(300, 6).frame
    lists = Lists.of(frame, frame["noise"].to_numpy(), value_at_risk(frame, frame["noise"].to_numpy()), 20)
    assert by_end_reason(frame, lists) == {}
    assert by_end_reason(frame.assign(end_reason=None), lists) == {}


def test_the_whole_is_judged_as_before(tested: Backtest) -> None:
    """Those cut off stay departures: whoever left has left."""
    risk = tested.rows["risk"].to_numpy(np.float64)
    again = evaluate(tested.rows, risk, capacity=30)
    assert again.figures["recall"] == tested.model.figures["recall"]
