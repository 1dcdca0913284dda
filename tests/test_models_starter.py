"""The starter model: rules that behave like any other model, at the level of the company."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.catalogue import Family, Feature, Wording
from models.churn_model import ChurnModel
from models.errors import NoRule
from models.health_score import RULES, health_score, rules_of
from models.reasons import Reasons
from models.starter import STEPS, expected_rate, is_starter, starter_model

CATALOGUE = (
    *(
        Feature(
            rule.feature,
            Family.USAGE if place % 2 else Family.SUPPORT,
            "n",
            rule.feature,
            direction=1 if rule.full > rule.begins else -1,
            words={"raises": Wording("They did {other:n}.", "{other:n}。")} if place == 0 else {},
        )
        for place, rule in enumerate(RULES)
    ),
    Feature("other", Family.USAGE, "n", "not ruled, but spoken of", learned=False),
    Feature("unrelated", Family.USAGE, "n", "neither"),
)


def _customers(accounts: int = 500, seed: int = 1) -> pd.DataFrame:
    """Each warning goes from well before its ramp to well beyond it; a tenth of the values are missing."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"account_id": [f"A-{i}" for i in range(accounts)], "as_of": pd.Timestamp("2026-11-02")})
    for rule in RULES:
        value = rule.begins + rng.uniform(-1.0, 2.0, accounts) * (rule.full - rule.begins)
        frame[rule.feature] = np.where(rng.random(accounts) < 0.1, np.nan, value)
    return frame.assign(other=1.0, unrelated=0.0)


def _starter(customers: pd.DataFrame, **how: float) -> ChurnModel:
    return starter_model(customers, CATALOGUE, **{"rate": 0.06, "horizon_days": 60, **how})  # type: ignore[arg-type]


def test_it_orders_by_the_health_score_at_the_level_asked_for() -> None:
    customers = _customers()
    model = _starter(customers)
    log_odds = model.log_odds(customers, threads=1)
    coarse = sum(rule.weight for rule in RULES) / STEPS / 2
    difference = log_odds - health_score(customers) - model.calibration.b
    assert np.abs(difference).max() <= coarse + 1e-9
    assert np.corrcoef(log_odds, health_score(customers))[0, 1] > 0.999
    assert model.risk(customers, threads=1).mean() == pytest.approx(0.06, abs=1e-6)
    assert model.bands.base_rate == 0.06


def test_its_reasons_add_up_and_never_contradict_what_is_expected() -> None:
    customers = _customers()
    model = _starter(customers)
    explained = model.explain(customers, threads=1)
    np.testing.assert_allclose(explained.log_odds, model.log_odds(customers, threads=1), atol=1e-4)
    np.testing.assert_allclose(explained.base_log_odds + explained.contributions.sum(axis=1), explained.log_odds)
    reasons = Reasons.of(model, customers, explained)
    # Within a tenth of its ramp a value may lie on the other side of the mean than its step does.
    assert reasons.contradicting_size < 0.01 * reasons.size
    place = [feature.name for feature in model.features].index("days_since_use")
    longest = customers["days_since_use"].isna().to_numpy()
    weight = next(rule.weight for rule in RULES if rule.feature == "days_since_use")
    assert np.allclose(np.ptp(explained.contributions[:, place]), weight)
    assert (explained.contributions[longest, place] == explained.contributions[:, place].max()).all()


def test_a_warning_that_nobody_shows_says_nothing() -> None:
    customers = _customers().assign(oldest_overdue_days=0.0, price_rise_364=np.nan)
    explained = _starter(customers).explain(customers, threads=1)
    names = [rule.feature for rule in RULES]
    for name in ("oldest_overdue_days", "price_rise_364"):
        assert np.abs(explained.contributions[:, names.index(name)]).max() < 0.002
    assert np.isfinite(explained.log_odds).all()


def test_it_is_saved_and_loaded_like_any_model(tmp_path: Path) -> None:
    customers = _customers()
    model = _starter(customers, departures=12)
    model.save(tmp_path)
    again = ChurnModel.load(tmp_path)
    assert (again, again.digest) == (model, model.digest)
    assert is_starter(again)
    assert again.about["starter"] == {"departures": 12, "needed": 100, "rules": 10}
    assert "12 of the 100 departures that a learned model needs" in again.about["note"]
    assert "500 departures have been seen, enough" in _starter(customers, departures=500).about["note"]
    assert [fact.name for fact in again.facts] == ["other"]
    np.testing.assert_array_equal(again.risk(customers, threads=1), model.risk(customers, threads=2))


def test_rules_that_the_tables_cannot_feed_are_left_out() -> None:
    few = _customers()[["account_id", "as_of", "days_to_renewal", "price_rise_364", "other"]]
    model = _starter(few)
    assert [feature.name for feature in model.features] == [rule.feature for rule in rules_of(few)]
    with pytest.raises(NoRule, match=r"None of the 10 rules applies.*churn check"):
        _starter(few[["account_id", "as_of", "other"]])


def test_a_monthly_rate_becomes_that_of_the_horizon() -> None:
    assert expected_rate(0.03, 30) == pytest.approx(0.0296, abs=1e-4)
    assert expected_rate(0.0, 60) == 0.0
