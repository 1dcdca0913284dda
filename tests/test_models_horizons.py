"""Several horizons: each tied to the first one, so that none can contradict it, and true where the truth is known."""

import json
import re
from dataclasses import replace
from datetime import date
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from known_risk import FEATURES, KnownRisk, known_risk

from models.churn_model import ChurnModel
from models.errors import CorruptModel
from models.horizons import Factors, fit_factors
from models.model_card import Setting, model_card
from models.training import fit
from models.twin import twin, window_from

H, NEED = 56, 56
OWN = {"need_days": NEED, "horizon_days": H, "threads": 1}


def last_day(frame: pd.DataFrame) -> pd.Timestamp:
    """The day on which the labels of the newest snapshot became known."""
    return frame["as_of"].max() + pd.Timedelta(days=NEED)


@cache
def tied() -> tuple[KnownRisk, ChurnModel, Factors]:
    """A model of 56 days with factors for 28, 84 and 112."""
    known = known_risk(900, 14, steps=2)
    model, _ = fit(known.frame, FEATURES, **OWN)
    factors = fit_factors(known.frame, FEATURES, [112, 28, H, 84], known_on=last_day(known.frame), **OWN)
    return known, replace(model, factors=factors.models), factors


def test_every_horizon_that_history_bears_has_a_factor() -> None:
    _, model, factors = tied()
    assert factors.notes == {}
    assert list(model.factors) == [28, 84, 112]


def in_order(found: dict[int, np.ndarray]) -> bool:
    risks = np.array(list(found.values()))
    days = list(found)
    return days == sorted(days) and bool(
        (np.diff(risks, axis=0) >= 0).all() and (risks >= 0).all() and (risks <= 1).all()
    )


def test_a_longer_horizon_is_never_less_likely_for_any_account() -> None:
    known, model, _ = tied()
    found = model.horizons(known.frame, threads=1)
    assert list(found) == [28, 56, 84, 112]
    assert in_order(found)
    np.testing.assert_array_equal(model.risk(known.frame, threads=1), found[H])


@settings(max_examples=40)
@given(
    use=st.floats(allow_infinity=False) | st.none(),
    tickets=st.floats(-1e6, 1e300) | st.none(),
    plan=st.sampled_from(["basic", "no such plan", None]),
    risk=st.floats(0, 1),
)
def test_whatever_an_account_does(use: float | None, tickets: float | None, plan: str | None, risk: float) -> None:
    """Also at features nobody has seen, and at any risk, 0 and 1 among them."""
    known, model, _ = tied()
    row = known.frame.head(1).assign(use_change=use, open_tickets=tickets, plan=plan)
    row = row.astype({"use_change": float, "open_tickets": float})
    assert in_order(model.horizons(row, risk=np.array([risk]), threads=1))


def test_shorter_is_a_part_of_the_risk_and_longer_a_part_of_what_is_left() -> None:
    known, model, _ = tied()
    rows = known.frame.head(200)
    found, factors = model.horizons(rows, threads=1), model.factors
    np.testing.assert_allclose(found[28], found[56] * factors[28].risk(rows, threads=1))
    np.testing.assert_allclose(1 - found[84], (1 - found[56]) * (1 - factors[84].risk(rows, threads=1)))
    np.testing.assert_allclose(1 - found[112], (1 - found[84]) * (1 - factors[112].risk(rows, threads=1)))


def test_they_are_true() -> None:
    """Held against outcomes of another draw: the shares that left by then, on the whole and in the riskiest fifth."""
    _, model, _ = tied()
    other = known_risk(1500, 14, steps=2, seed=8).frame
    mature = other[other["as_of"] + pd.Timedelta(days=112) <= last_day(other)]
    ahead = (mature["churn_on"].fillna(mature["later_churn_on"]) - mature["as_of"]).dt.days
    for days, risk in model.horizons(mature, threads=1).items():
        left = (ahead < days).to_numpy()
        assert risk.mean() == pytest.approx(left.mean(), rel=0.2), days
        top = risk >= np.quantile(risk, 0.8)
        assert risk[top].mean() == pytest.approx(left[top].mean(), rel=0.25), days


def test_what_is_not_known_yet_teaches_nothing() -> None:
    """Rows too young for the longer label are as if they were not there, whatever their later churns say."""
    known, _, factors = tied()
    frame, today = known.frame, last_day(known.frame)
    young = frame["as_of"] + pd.Timedelta(days=84) > today
    assert young.any()
    turned = frame.assign(later_churn_on=frame["later_churn_on"].mask(young, frame["as_of"] + pd.Timedelta(days=60)))
    again = fit_factors(turned, FEATURES, [84], known_on=today, **OWN)
    assert again.models[84].tree_digest == factors.models[84].tree_digest


def test_too_few_on_a_side_give_no_factor_and_a_note() -> None:
    """The others are tied to one another without it, and nobody's training fails for it."""
    known, _, _ = tied()
    frame = known.frame
    found = fit_factors(frame, FEATURES, [1, 28, 84, 85, 2000], known_on=last_day(frame), **OWN)
    assert {28, 84} == set(found.models)
    assert {1: "within 1 days", 85: "84 to 85 days ahead", 2000: "84 to 2000 days ahead"} == {
        days: re.search(r"Found \d+ departures (.*) with known labels; a model needs at least 30", note)[1]  # type: ignore[index]
        for days, note in found.notes.items()
    }


def test_saved_and_loaded_with_its_factors(tmp_path: Path) -> None:
    known, model, _ = tied()
    model.save(tmp_path)
    names = {
        f"{stem}.{kind}"
        for stem in ("model", *(f"within_{days}_days" for days in (28, 84, 112)))
        for kind in ("json", "lgb")
    }
    assert {file.name for file in tmp_path.iterdir()} == names
    loaded = ChurnModel.load(tmp_path)
    assert loaded == model
    rows = known.frame.head(50)
    for days, risk in model.horizons(rows, threads=1).items():
        np.testing.assert_array_equal(risk, loaded.horizons(rows, threads=1)[days])
    assert replace(model, factors={}).digest != model.digest


def test_a_factor_of_another_model_is_refused(tmp_path: Path) -> None:
    _, model, factors = tied()
    model.save(tmp_path)
    factors.models[84].save(tmp_path, "within_28_days")
    with pytest.raises(CorruptModel, match=r"model\.json was changed"):
        ChurnModel.load(tmp_path)
    record = json.loads((tmp_path / "model.json").read_text())
    assert set(record["factors"]) == {"28", "84", "112"}


def test_the_gate_twin_keeps_them() -> None:
    """It may go live in the model's place, and would answer fewer questions."""
    known, model, _ = tied()
    window = window_from(known.frame, NEED, known.frame["as_of"].unique()[-3])
    assert list(twin(model, known.frame, window, threads=1).factors) == [28, 84, 112]


def test_the_model_card_says_what_each_was_learned_from_and_what_is_not_given() -> None:
    _, model, factors = tied()
    told = model_card(
        replace(model, about={**model.about, "horizons_left_out": {"365": "No risk is given within 365 days."}}),
        None,
        Setting("Acme", date(2026, 11, 2), "MRR", "EUR", "left"),
    )
    for days in (28, 84, 112):
        fit = factors.models[days].about["fit"]
        assert f"- Also within {days} days, the risk times or plus a factor that tells early from late: " in told
        assert f"it was learned from {fit['rows']:,} snapshots with {fit['departures']:,} departures" in told
        assert f"AUC of {fit['out_of_fold']['auc']:.3f} on those it had not seen" in told
    assert "\n- No risk is given within 365 days.\n" in told


def test_without_factors_there_is_one_horizon() -> None:
    known, model, _ = tied()
    assert list(replace(model, factors={}).horizons(known.frame.head(3), threads=1)) == [H]
