"""The gate: a better challenger passes, and each kind of worse one is refused, for its reason."""

from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
import pytest
from known_risk import FEATURES, known_risk

from features.catalogue import Feature
from models.calibration import Calibration, probability
from models.churn_model import ChurnModel
from models.errors import NoTestDate
from models.gate import Comparison, Contender, Decision, compare, decide
from models.twin import GateWindow, gate_window, thinned, twin

DAYS = 28
RULES = {"need_days": DAYS, "horizon_days": DAYS, "threads": 1}


@cache
def _history() -> tuple[pd.DataFrame, GateWindow]:
    """A company in which each plan loses many, and the newest snapshots of it."""
    frame = known_risk(2500, 10, level=-3.0).frame
    return frame, gate_window(frame, DAYS)


def _learned(frame: pd.DataFrame | None = None, features: tuple[Feature, ...] = FEATURES, seed: int = 7) -> ChurnModel:
    from models.training import fit

    whole, window = _history()
    return fit(whole[window.known] if frame is None else frame, features, seed=seed, **RULES)[0]


Models = tuple[ChurnModel, ChurnModel | None]
"""A model, and its recipe with another seed."""


@cache
def _good() -> tuple[ChurnModel, ChurnModel]:
    return _learned(), _learned(seed=8)


@cache
def _blind() -> tuple[ChurnModel, ChurnModel]:
    """Knows nothing of the mood, which decides most."""
    features = tuple(feature for feature in FEATURES if feature.name != "use_change")
    return _learned(features=features), _learned(features=features, seed=8)


def _contender(models: Models) -> Contender:
    frame, window = _history()
    rows = frame[window.rows]
    model, reseeded = models
    newest = rows[rows["as_of"] == rows["as_of"].max()]
    explained = None if reseeded is None else (model.explain(newest, threads=1), reseeded.explain(newest, threads=1))
    return Contender(model.risk(rows, threads=1), explained)


def _judged(challenger: Models, champion: Models, **how: object) -> tuple[Comparison, Decision]:
    frame, window = _history()
    compared = compare(frame[window.rows], _contender(challenger), _contender(champion), by=["plan"], draws=300)
    return compared, decide(compared, **{"known_departures": 1000, "tolerance": 0.02, **how})  # type: ignore[arg-type]


_OLD = {"champion_age_days": 90, "max_age_days": 30}


def test_a_better_challenger_is_promoted_and_the_reverse_is_refused() -> None:
    compared, decision = _judged(_good(), _blind())
    assert decision.promotes, decision.reasons
    assert compared.differences["average_precision"].gain.low > 0.05
    back, refused = _judged(_blind(), _good(), **_OLD)
    assert not refused.promotes
    assert back.differences["auc"].gain.value == -compared.differences["auc"].gain.value
    assert "not shown to be better" in refused.reasons[0]
    assert any("log loss is worse" in reason for reason in refused.reasons)


def test_the_same_model_again_waits_until_the_champion_is_old() -> None:
    compared, young = _judged(_good(), _good(), champion_age_days=10, max_age_days=30)
    assert {difference.gain.value for difference in compared.differences.values()} == {0.0}
    assert not young.promotes
    assert young.reasons[0].startswith("it is not shown to be better")
    _, old = _judged(_good(), _good(), **_OLD)
    assert old.promotes
    assert "the champion is 90 days old" in old.reasons[0]


def test_one_that_learned_from_shuffled_labels_is_refused() -> None:
    frame, window = _history()
    known = frame[window.known].reset_index(drop=True)
    order = np.random.default_rng(3).permutation(len(known))
    noise = known.assign(label=known["label"].to_numpy()[order], churn_on=known["churn_on"].to_numpy()[order])
    _, decision = _judged((_learned(noise), _learned(noise, seed=8)), _good(), **_OLD)
    assert not decision.promotes
    assert "may not be more than 0.02 worse" in decision.reasons[0]


def test_one_a_month_stale_is_refused() -> None:
    _, decision = _judged(_good(), _good(), **_OLD, learned_until=("2025-07-21", "2025-08-18"))
    assert decision.reasons == ("it is staler: it learned from snapshots to 2025-07-21, the champion to 2025-08-18",)
    _, decision = _judged(_good(), _good(), **_OLD, learned_until=("2025-08-18", "2025-08-18"))
    assert decision.promotes


@pytest.mark.parametrize(("until", "promotes"), [("2025-08-19", True), ("2025-08-18", False), ("2025-05-26", False)])
def test_a_twin_that_is_as_good_goes_live_only_for_what_it_has_learned_since(until: str, *, promotes: bool) -> None:
    """The recipe of last month, tested on the newest dates, may be the very champion."""
    dates = ("2025-09-15", "2025-08-18")
    _, decision = _judged(_good(), _good(), **_OLD, learned_until=dates, goes_live_until=until)
    assert decision.promotes == promotes
    assert promotes or decision.reasons[0].startswith("it is as good, but what would go live knows nothing newer")


@pytest.mark.parametrize(("steeper", "higher"), [(2.0, 0.0), (0.4, 0.0), (1.0, 0.7)])
def test_a_miscalibrated_one_is_refused_though_its_order_is_the_same(steeper: float, higher: float) -> None:
    def bent(model: ChurnModel) -> ChurnModel:
        a, b = model.calibration.a, model.calibration.b
        return replace(model, calibration=Calibration(steeper * a, steeper * b + higher))

    model, other = _good()
    compared, decision = _judged((bent(model), bent(other)), _good(), **_OLD)
    assert compared.differences["average_precision"].gain.value == 0.0
    assert not decision.promotes
    assert any("log loss" in reason for reason in decision.reasons)
    assert any("calibration slope" in reason for reason in decision.reasons) == (steeper != 1.0)


def test_one_that_is_better_overall_and_worse_in_one_segment_is_refused() -> None:
    frame, window = _history()
    known = frame[window.known].reset_index(drop=True)
    there = known["plan"] == "pro"
    turned = known["use_change"].where(~there, 2.0 - known["use_change"])
    crooked = known.assign(use_change=turned)
    compared, decision = _judged((_learned(crooked), None), _blind())
    assert compared.differences["average_precision"].gain.low > 0.0
    assert compared.worse_segments == ("plan = pro",)
    assert not decision.promotes
    assert len(decision.reasons) == 1
    assert decision.reasons[0].startswith("it is worse where plan = pro: log loss")


def test_one_whose_reasons_change_with_the_seed_is_refused() -> None:
    """Its margins say the same; which family gets the credit is a matter of the seed."""
    model, other = _good()
    names = [feature.name for feature in FEATURES]
    swapped = tuple(
        replace(feature, family=FEATURES[(i + 2) % len(FEATURES)].family) for i, feature in enumerate(FEATURES)
    )
    assert names == [feature.name for feature in swapped]
    compared, decision = _judged((model, replace(other, features=swapped)), _good(), **_OLD)
    assert compared.differences["stability"].gain.high < 0.0
    assert [reason.split(":")[0] for reason in decision.reasons] == ["its reasons change more with the seed"]


def test_rules_have_no_seed_and_do_not_age() -> None:
    compared, decision = _judged(_good(), (_blind()[0], None))
    assert "stability" not in compared.differences
    assert decision.promotes


def test_too_few_departures_promote_nothing() -> None:
    _, decision = _judged(_good(), _blind(), known_departures=58)
    assert not decision.promotes
    assert "58 in all (it takes 100)" in decision.reasons[0]


def test_by_chance_a_segment_is_seldom_called_worse() -> None:
    """Both are the same model with as much noise of their own: Holm's adjustment keeps quiet about every plan."""
    frame, window = _history()
    rows = frame[window.rows]
    margin = _good()[0].log_odds(rows, threads=1)
    called = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        ours, theirs = (Contender(probability(margin + rng.normal(0.0, 0.3, len(rows)))) for _ in range(2))
        compared = compare(rows, ours, theirs, by=["plan"], draws=200)
        assert len(compared.segments) == 3
        called += bool(compared.worse_segments)
    assert called <= 3


def test_the_record_can_be_kept_as_json() -> None:
    import json

    compared, decision = _judged(_good(), _blind())
    again = json.loads(json.dumps({**compared.as_record(), **decision.as_record()}, allow_nan=False))
    assert again["differences"]["average_precision"]["gain"]["low"] > 0
    assert again["promotes"] is True


def test_the_window_holds_the_newest_dates_and_shares_no_label_with_what_was_known() -> None:
    frame, window = _history()
    assert not (window.rows & window.known).any()
    assert frame.loc[window.rows, "as_of"].min() == window.opens
    assert (frame.loc[window.known, "as_of"] + pd.Timedelta(days=DAYS)).max() <= window.opens
    assert frame.loc[window.rows, "as_of"].max() == frame["as_of"].max()
    departures = frame[window.rows & frame["label"]][["account_id", "churn_on"]].drop_duplicates()
    assert len(departures) >= 200
    with pytest.raises(NoTestDate, match="30 departures"):
        gate_window(known_risk(60, 4).frame, DAYS)


def test_a_twin_learns_from_what_was_known_and_an_older_model_is_its_own() -> None:
    frame, window = _history()
    full = _learned(frame)
    found = twin(full, frame, window, is_own=True, threads=1)
    assert found.about["last_as_of"] < str(window.opens.date())
    assert found.tree_digest != full.tree_digest
    assert found.about["fit"]["parameters"] == full.about["fit"]["parameters"]
    assert twin(found, frame, window, is_own=True, threads=1) is found
    assert twin(found, frame, window, is_own=False, threads=1).tree_digest == found.tree_digest
    other = twin(found, frame, window, is_own=True, reseeded=True, threads=1)
    assert other.tree_digest != found.tree_digest


def test_another_seed_learns_from_the_rows_that_the_first_learned_from() -> None:
    """Else what newer rows change would be held against the stability of an older champion."""
    frame, window = _history()
    last = np.sort(frame.loc[window.known, "as_of"].unique())[-3]
    older = _learned(frame[frame["as_of"] <= last].reset_index(drop=True))
    reseeded = twin(older, frame, window, is_own=True, reseeded=True, threads=1)
    assert reseeded.about["last_as_of"] == older.about["last_as_of"] == str(pd.Timestamp(last).date())
    assert reseeded.about["fit"]["rows"] == older.about["fit"]["rows"]


def test_a_thinned_model_knows_a_share_of_the_root_accounts() -> None:
    frame, _ = _history()
    model = _learned(frame)
    half = thinned(model, frame, 0.5, threads=1)
    assert abs(half.about["fit"]["accounts"] / model.about["fit"]["accounts"] - 0.5) < 0.02
    assert half.tree_digest == thinned(model, frame, 0.5, threads=1).tree_digest
