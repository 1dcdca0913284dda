"""Amounts as people say them: the odds that stand for a risk."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.amounts import plain_odds


def said(risk: float) -> tuple[int, int]:
    found = re.fullmatch(r"(\d+) in (\d+)", plain_odds(risk))
    assert found
    return int(found[1]), int(found[2])


@pytest.mark.parametrize(("odds", "risk"), [((1, 11), 0.089), ((1, 9), 0.115), ((1, 24), 0.041), ((1, 99), 0.0101)])
def test_no_odds_are_left_out(odds: tuple[int, int], risk: float) -> None:
    """8.9 % is 1 in 11; told "1 in 12" a reader would reckon with 8.3 %."""
    assert odds == said(risk)


@given(st.floats(0.01, 0.36))
def test_a_small_risk_is_told_by_the_nearest_one_in_so_many(risk: float) -> None:
    one, many = said(risk)
    assert one == 1
    assert abs(risk - 1 / many) <= min(abs(risk - 1 / (many - 1)), abs(risk - 1 / (many + 1))) + 1e-12


@given(st.floats(0.36, 0.95))
def test_a_great_risk_is_told_by_odds_that_anyone_can_picture(risk: float) -> None:
    few, many = said(risk)
    assert many <= 10
    assert few / many == pytest.approx(risk, abs=0.051)
