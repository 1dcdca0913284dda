"""Segments: the same model and the same lists, looked at group by group."""

import numpy as np
import pandas as pd
import pytest
from known_risk import known_risk

from models.evaluate import evaluate, value_at_risk
from models.lists import Lists
from models.segments import by_segment, groups_of


def test_groups_are_those_that_the_frame_knows() -> None:
    frame = pd.DataFrame({"plan": ["a", "b", None], "tenure_days": [5.0, 400.0, np.nan], "country": ["SE"] * 3})
    groups = groups_of(frame)
    assert groups["plan"].tolist() == ["a", "b", "not known"]
    assert groups["tenure"].tolist() == ["under 90 days", "1 to 2 years", "not known"]
    assert list(groups) == ["plan", "tenure"]


def test_tenure_bands_begin_on_their_day() -> None:
    days = [0.0, 89.0, 90.0, 364.0, 365.0, 729.0, 730.0]
    told = groups_of(pd.DataFrame({"tenure_days": days}))["tenure"].tolist()
    assert told == [
        "under 90 days",
        "under 90 days",
        "90 days to 1 year",
        "90 days to 1 year",
        "1 to 2 years",
        "1 to 2 years",
        "2 years and more",
    ]


def test_a_column_that_says_the_same_of_everybody_is_no_segment() -> None:
    assert groups_of(pd.DataFrame({"plan": ["a", "a"], "segment": [None, None]})) == {}


def test_the_largest_groups_stand_alone_and_the_rest_together() -> None:
    plans = [f"plan {number}" for number in range(9) for _ in range(10 - number)]
    told = groups_of(pd.DataFrame({"plan": plans}))["plan"]
    assert set(told) == {*(f"plan {number}" for number in range(6)), "others"}
    assert (told == "others").sum() == 4 + 3 + 2


@pytest.fixture(scope="module")
def judged() -> tuple[pd.DataFrame, np.ndarray, Lists]:
    known = known_risk(900, 6)
    lists = Lists.of(known.frame, known.true_risk, value_at_risk(known.frame, known.true_risk), 30)
    return known.frame, known.true_risk, lists


def test_each_group_is_judged_on_its_rows_by_the_lists_of_the_whole_company(
    judged: tuple[pd.DataFrame, np.ndarray, Lists],
) -> None:
    frame, risk, lists = judged
    found = by_segment(frame, risk, lists, capacity=30)
    assert found.keys() == {"plan"}
    assert found["plan"].keys() == {"basic", "plus", "pro"}
    whole = evaluate(frame, risk, capacity=30)
    assert sum(group.rows for group in found["plan"].values()) == whole.rows
    assert sum(group.departures for group in found["plan"].values()) == whole.departures
    held = sum(group.figures["recall"].value * group.departures for group in found["plan"].values())
    assert held == pytest.approx(whole.figures["recall"].value * whole.departures)
    basic = (frame["plan"] == "basic").to_numpy()
    alone = evaluate(frame[basic], risk[basic], capacity=30)
    assert found["plan"]["basic"].figures["auc"].value == alone.figures["auc"].value
    assert found["plan"]["basic"].figures["recall"].value <= alone.figures["recall"].value


def test_a_group_with_few_churns_says_so(judged: tuple[pd.DataFrame, np.ndarray, Lists]) -> None:
    frame, risk, lists = judged
    pro = by_segment(frame, risk, lists, capacity=30)["plan"]["pro"]
    assert pro.departures < 100
    assert not pro.enough
