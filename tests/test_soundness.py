"""What stops a night that is odd beside the last one, and what only earns it a warning."""

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from known_risk import trained
from sample_nights import CATALOGUE, NIGHT, NOW, booked, publish, run
from sqlalchemy import Engine

from models.churn_model import ChurnModel
from pipeline.errors import RefusedError
from pipeline.sections import Checks
from pipeline.soundness import refuse_unsound
from pipeline.store.making import prepare

TOMORROW = NIGHT + timedelta(days=1)
MANY = 400


def champion(*, last_as_of: date = NIGHT - timedelta(days=120)) -> ChurnModel:
    about = {**trained()[1].about, "last_as_of": str(last_as_of), "need_days": 90}
    return replace(trained()[1], about=about)


@pytest.fixture
def nights(store: Engine) -> Engine:
    """A store with one good night by the champion."""
    publish(store, run("good", model_digest=champion().digest), booked(MANY), CATALOGUE, finished_at=NOW)
    return store


def warned(
    store: Engine, book: pd.DataFrame, model: ChurnModel | None = None, day: date = TOMORROW, **checks: Any
) -> tuple[str, ...]:
    return refuse_unsound(book, model or champion(), day, store, Checks(**checks)).warnings


def test_a_night_like_the_last_one_is_sound(nights: Engine) -> None:
    assert () == warned(nights, booked(MANY, seed=1))


@pytest.mark.parametrize(("customers", "told"), [(310, "22% fewer"), (488, "22% more")])
def test_too_many_or_too_few_customers_stop_a_night(nights: Engine, customers: int, told: str) -> None:
    """Half a table of accounts looks like a small company; each of them twice like a large one."""
    with pytest.raises(RefusedError) as refused:
        warned(nights, booked(customers, seed=1))
    message = str(refused.value)
    assert f"The night of {TOMORROW} is not published. Readers keep the night of {NIGHT}." in message
    assert f"{customers} customers are scored, {told} than the 400 in the night of {NIGHT}." in message
    assert "CHURN__CHECKS__ACCOUNTS=warn" in message
    (warning,) = warned(nights, booked(customers, seed=1), accounts="warn")
    assert told in warning
    assert () == warned(nights, booked(customers, seed=1), accounts="off")
    assert () == warned(nights, booked(customers, seed=1), accounts_change=0.3)


def test_other_risks_by_the_same_model_are_told(nights: Engine) -> None:
    """A column that changed its meaning moves everybody; another model may do so rightly."""
    moved = booked(MANY, seed=1)
    moved["risk"] = 1 / (1 + np.exp(-(moved["log_odds"] + 1.5)))
    (warning,) = warned(nights, moved)
    assert f"The risks lie otherwise than in the night of {NIGHT} by the same model: " in warning
    assert "population stability index" in warning
    with pytest.raises(RefusedError, match="churn monitor tells which features moved"):
        warned(nights, moved, risk="stop")
    assert () == warned(nights, moved, risk_shift=5.0)
    other = replace(champion(), medians={})
    assert other.digest != champion().digest
    assert () == warned(nights, moved, other)


def test_how_the_risks_lie_beside_the_last_good_night_is_kept(nights: Engine) -> None:
    """With the verdict of the drift itself; beside another model's, or before any night, nothing is said."""

    def shift(book: pd.DataFrame, model: ChurnModel | None = None, day: date = TOMORROW) -> dict[str, Any] | None:
        return refuse_unsound(book, model or champion(), day, nights, Checks()).shift

    same, moved = booked(MANY, seed=1), booked(MANY, seed=1)
    moved["risk"] = 1 / (1 + np.exp(-(moved["log_odds"] + 1.5)))
    for book, has_moved in ((same, False), (moved, True)):
        found = shift(book)
        assert found is not None
        assert (str(NIGHT), has_moved) == (found["since"], found["has_moved"])
        assert has_moved == (found["index"] > found["by_chance"])
        assert found["mean"] == pytest.approx(book["risk"].mean())
    assert shift(same, replace(champion(), medians={})) is None
    assert shift(same, day=NIGHT) is None


def test_what_is_alike_is_rarely_called_odd(nights: Engine) -> None:
    """Of fifty nights of as many other customers none is."""
    assert [()] * 50 == [warned(nights, booked(MANY, seed=seed), risk="stop") for seed in range(2, 52)]


def test_a_few_customers_come_and_go(store: Engine) -> None:
    publish(store, run("good"), booked(40), CATALOGUE, finished_at=NOW)
    assert () == warned(store, booked(20, seed=1))


def test_what_lies_weeks_back_warns_and_what_comes_later_says_nothing(nights: Engine) -> None:
    (warning,) = warned(nights, booked(200, seed=1), day=NIGHT + timedelta(days=15))
    assert "200 customers are scored, 50% fewer than the 400" in warning, "a warning, and no stop"
    assert () == warned(nights, booked(200, seed=1), day=NIGHT), "nor does the night itself, when it is run again"
    assert () == warned(nights, booked(200, seed=1), day=NIGHT - timedelta(days=1))


def test_a_first_night_has_nothing_beside_it(store: Engine) -> None:
    prepare(store)
    assert () == warned(store, booked(MANY))


def test_an_old_champion_is_told(store: Engine) -> None:
    """Its age counts from the last day whose outcome it knows."""
    prepare(store)
    old = champion(last_as_of=TOMORROW - timedelta(days=90 + 121))
    (warning,) = warned(store, booked(MANY), old)
    assert "knows what happened until 121 days before 2026-11-03; [checks] model_age_days is 120" in warning
    assert "churn train" in warning
    with pytest.raises(RefusedError, match=r"model_age = 'warn'"):
        warned(store, booked(MANY), old, model_age="stop")
    assert () == warned(store, booked(MANY), champion(last_as_of=TOMORROW - timedelta(days=90 + 120)))


def test_only_watched_tables_can_be_stale() -> None:
    with pytest.raises(ValueError, match="'feedback' is none of the tables that are watched: usage, "):
        Checks(stale=("feedback",))
