"""Training: the same trees at any thread count and in any order, on rows that are kept apart, and better than
chance."""

import numpy as np
import pandas as pd
import pytest
from known_risk import FACT, FEATURES, KnownRisk, known_risk, trained

from models.boosting import FEW_DEPARTURES
from models.calibration import Calibration
from models.churn_model import ChurnModel
from models.errors import ColumnsDiffer, ModelRefusal, TooFewDepartures
from models.fit_report import FitReport
from models.metrics import area_under_curve, log_loss
from models.splits import Fold
from models.training import calibration_from_all_rows, fit


def _fit(known: KnownRisk, frame: pd.DataFrame | None = None, **options: int) -> tuple[ChurnModel, FitReport]:
    frame = known.frame if frame is None else frame
    return fit(
        frame, FEATURES, need_days=known.horizon_days, horizon_days=known.horizon_days, **{"threads": 1, **options}
    )


@pytest.fixture(scope="module")
def fresh() -> KnownRisk:
    """Other accounts of the same company."""
    return known_risk(3000, 4, seed=77)


@pytest.mark.parametrize(("accounts", "snapshots", "mode"), [(250, 5, "accounts"), (1500, 10, "time")])
def test_thread_count_and_row_order_change_nothing(accounts: int, snapshots: int, mode: str) -> None:
    known = known_risk(accounts, snapshots)
    model, report = _fit(known)
    assert report.mode == mode
    for other in (_fit(known, threads=2)[0], _fit(known, known.frame.sample(frac=1.0, random_state=3))[0]):
        assert model.tree_digest == other.tree_digest
        assert model.digest == other.digest
        np.testing.assert_array_equal(model.risk(known.frame, threads=1), other.risk(known.frame, threads=2))


def test_another_seed_gives_other_trees() -> None:
    known, model, _ = trained()
    assert _fit(known, seed=8)[0].tree_digest != model.tree_digest


def test_a_fact_teaches_nothing() -> None:
    """Not even where it gives the answer away; it is kept for the sentences."""
    known, model, _ = trained()
    frame = known.frame.assign(use_before=known.frame["label"].astype(float))
    days = known.horizon_days
    other, _ = fit(frame, (FACT, *FEATURES), need_days=days, horizon_days=days, threads=1)
    assert (other.features, other.facts) == (FEATURES, (FACT,))
    assert other.tree_digest == model.tree_digest


def test_it_comes_near_the_truth(fresh: KnownRisk) -> None:
    _, model, _ = trained()
    label = fresh.frame["label"].to_numpy()
    risk = model.risk(fresh.frame, threads=1)
    best = area_under_curve(label, fresh.true_risk)
    assert (area_under_curve(label, risk) - 0.5) / (best - 0.5) > 0.85
    assert log_loss(label, risk) < log_loss(label, fresh.true_risk) + 0.02


def test_its_risks_are_true_where_they_are_high_and_where_they_are_low(fresh: KnownRisk) -> None:
    _, model, _ = trained()
    risk = model.risk(fresh.frame, threads=1)
    for part in np.array_split(np.argsort(risk), 5):
        assert risk[part].mean() == pytest.approx(fresh.true_risk[part].mean(), rel=0.3, abs=0.01)


def test_shuffled_labels_teach_nothing(fresh: KnownRisk) -> None:
    known = known_risk(600, 8)
    order = np.random.default_rng(1).permutation(len(known.frame))
    moved = known.frame[["label", "churn_on"]].iloc[order].to_numpy()
    noise = known.frame.assign(label=moved[:, 0].astype(bool), churn_on=pd.to_datetime(pd.Series(moved[:, 1])))
    model, _ = _fit(known, noise)
    risk = model.risk(fresh.frame, threads=1)
    assert area_under_curve(fresh.frame["label"].to_numpy(), risk) == pytest.approx(0.5, abs=0.1)
    assert np.quantile(risk, 0.95) < 2.5 * noise["label"].mean()


def test_more_use_lowers_the_risk_and_more_tickets_raise_it() -> None:
    known, model, _ = trained()
    some = known.frame.head(500)
    assert (
        model.risk(some.assign(use_change=1.6), threads=1) < model.risk(some.assign(use_change=0.4), threads=1)
    ).all()
    more, fewer = (model.risk(some.assign(open_tickets=n), threads=1).mean() for n in (3.0, 0.0))
    assert more > 1.3 * fewer


def test_where_few_left_risks_follow_the_directions_that_the_catalogue_expects() -> None:
    """Also from one value to the next, where chance would have it otherwise; plenty of churns may contradict it."""
    known = known_risk(250, 5)
    model, report = _fit(known)
    assert report.departures < FEW_DEPARTURES
    some = known.frame.head(200)
    for name, direction, values in (("use_change", -1, np.linspace(0.0, 2.5, 40)), ("open_tickets", 1, range(6))):
        log_odds = np.array([model.log_odds(some.assign(**{name: float(value)}), threads=1) for value in values])
        steps = direction * np.diff(log_odds, axis=0)
        assert steps.max() > 0.1
        assert steps.min() >= -1e-12


def test_with_a_long_history_the_level_is_that_of_the_last_year_and_not_of_its_newest_months() -> None:
    """Two snapshots share the shocks of their months: here nearly nobody left in the last of them."""
    known = known_risk(2500, 14)
    dates = np.sort(known.frame["as_of"].unique())
    spared = known.frame["as_of"].isin(dates[-3:]) & (known.frame["account_id"].str[-1] < "7")
    frame = known.frame.assign(
        label=known.frame["label"] & ~spared, churn_on=known.frame["churn_on"].where(~spared, pd.NaT)
    )
    model, report = _fit(known, frame)
    assert report.mode == "time"
    last_year = frame[frame["as_of"] > dates[-1] - pd.Timedelta(days=365)]
    assert model.risk(last_year, threads=1).mean() == pytest.approx(last_year["label"].mean(), rel=0.01)


def test_the_report_says_what_was_used_for_what() -> None:
    known, model, report = trained()
    assert report.rows == len(known.frame)
    assert report.rounds == int(np.median([fold.rounds for fold in report.folds]))
    assert report.calibration == model.calibration
    assert f"{report.rounds} trees" in model.about["note"]
    assert f"log-odds = {report.calibration.a:.3f} × sum {report.calibration.b:+.3f}" in model.about["note"]
    assert model.booster.num_trees() == report.rounds * report.parameters["bag"]
    assert model.bands.base_rate == pytest.approx(known.frame["label"].mean())


def test_out_of_fold_figures_do_not_flatter(fresh: KnownRisk) -> None:
    """What the folds showed on rows they had not seen is what the model shows on accounts that nobody has seen."""
    _, model, report = trained()
    seen = area_under_curve(fresh.frame["label"].to_numpy(), model.risk(fresh.frame, threads=1))
    assert report.out_of_fold["auc"] == pytest.approx(seen, abs=0.05)


def test_too_few_departures_are_counted_and_refused() -> None:
    known = known_risk(100, 3, level=-5.0)
    with pytest.raises(TooFewDepartures) as error:
        _fit(known)
    assert error.value.found < error.value.needed == 30
    assert str(error.value).startswith(f"Found {error.value.found} departures (distinct account and day)")


def test_where_nobody_stayed_there_is_nothing_to_learn() -> None:
    known = known_risk(300, 6)
    with pytest.raises(ModelRefusal, match="nobody to tell them from"):
        _fit(known, known.frame[known.frame["label"]])


def test_a_feature_without_its_column_is_refused() -> None:
    known = known_risk(300, 6)
    with pytest.raises(ColumnsDiffer, match="- plan"):
        _fit(known, known.frame.drop(columns="plan"))


def test_a_feature_that_is_never_known_does_no_harm() -> None:
    known = known_risk(300, 8)
    model, _ = _fit(known, known.frame.assign(noise=np.nan, plan=None))
    assert "noise" not in model.medians
    assert model.categories["plan"] == ()
    assert np.isfinite(model.risk(known.frame, threads=1)).all()


def test_progress_is_told_from_first_to_last() -> None:
    told: list[tuple[str, int, int]] = []
    known = known_risk(300, 6)
    fit(
        known.frame,
        FEATURES,
        need_days=28,
        horizon_days=28,
        threads=1,
        progress=lambda step, done, steps: told.append((step, done, steps)),
    )
    assert [done for _, done, _ in told] == list(range(7))
    assert told[-1] == ("trained", 6, 6)


def test_the_refit_does_not_shift_its_level_twice() -> None:
    """Trees without a split give their start back: fold and refit must then give the same risk, whatever their rows."""
    label = np.repeat([True, False, True, False], [10, 90, 20, 80])  # one in ten at first, one in five later
    early = np.arange(len(label)) < 100
    fold = Fold(fit=early, stop=~early, calibrate=~early)
    pooled = Calibration(0.9, 0.7)
    start_of_fold, start_of_all = (np.array([np.log(rate / (1 - rate))]) for rate in (0.10, 0.15))
    shifted = calibration_from_all_rows(pooled, label, [fold])
    assert pooled.log_odds(start_of_fold) == pytest.approx(shifted.log_odds(start_of_all))
    assert shifted.a == pooled.a
    assert shifted.b < pooled.b


def test_another_models_parameters_are_taken_whole() -> None:
    """Where few left, directions come with the size: a recipe that was made for many must not get them by the way."""
    many = known_risk(2500, 10, level=-3.0)
    recipe = _fit(many)[1].parameters
    few = known_risk(250, 5)
    refit = fit(few.frame, FEATURES, need_days=28, horizon_days=28, parameters=recipe, seed=recipe["seed"], threads=1)[
        1
    ]
    assert refit.departures < FEW_DEPARTURES
    assert refit.parameters == recipe
    assert _fit(few)[1].parameters["monotone_constraints"] is not None
