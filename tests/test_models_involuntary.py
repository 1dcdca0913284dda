"""How they would leave: learned from reasons on record, told of accounts, and never a part of the risk."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from known_risk import FEATURES, known_risk
from threadpoolctl import threadpool_limits

from features.catalogue import Family, Feature
from models.churn_model import ChurnModel
from models.involuntary import LEAST_OF_EACH, fit_involuntary
from models.training import fit

FAILURES = Feature("failures", Family.BILLING, "times", "payments that failed", direction=1)
SINCE = Feature("since_failure", Family.BILLING, "days", "days since one failed; missing where none did")
WITH_BILLS = (*FEATURES, FAILURES, SINCE)


def bills(accounts: int = 800, *, share: float = 0.5, seed: int = 3) -> tuple[pd.DataFrame, np.ndarray]:
    """The frame of `known_risk` with bills and reasons, and the true P(involuntary | leaves) of each row.

    `share` of the reasons are on record.
    """
    frame, rng = known_risk(accounts, 10).frame, np.random.default_rng(seed)
    failures = rng.poisson(0.6, len(frame)).astype(float)
    true = 1 / (1 + np.exp(-(-3.0 + 4.0 * np.log1p(failures))))
    reason = np.where(rng.random(len(frame)) < true, "involuntary", "voluntary").astype(object)
    reason[rng.random(len(frame)) > share] = None
    reason[~frame["label"].to_numpy()] = None
    since = np.where(failures > 0, rng.integers(1, 80, len(frame)), np.nan)
    return frame.assign(failures=failures, since_failure=since, end_reason=reason), true


def test_it_finds_who_would_be_cut_off() -> None:
    """Held against the law that drew the reasons: close to it on the whole, and on the right side of one half."""
    frame, true = bills(share=1.0)
    found = fit_involuntary(frame, WITH_BILLS)
    assert found is not None
    told = found.probability(frame)
    assert ((told > 0) & (told < 1)).all()
    assert np.abs(told - true).mean() < 0.08
    far = np.abs(true - 0.5) > 0.15
    assert ((told > 0.5) == (true > 0.5))[far].all()


def test_it_counts_departures_and_not_rows() -> None:
    """A departure that is in the frame twice teaches no more than once."""
    frame, _ = bills()
    twice = pd.concat([frame, frame[frame["label"]]], ignore_index=True)
    once, again = fit_involuntary(frame, WITH_BILLS), fit_involuntary(twice, WITH_BILLS)
    assert once is not None
    assert again is not None
    assert (once.departures, once.involuntary) == (again.departures, again.involuntary)
    np.testing.assert_allclose(once.probability(frame), again.probability(frame), atol=1e-6)


def test_threads_change_nothing() -> None:
    """What it learned is a part of the model's digest."""
    frame, _ = bills(4_000, share=1.0)
    found = []
    for threads in (1, 2, 3):
        with threadpool_limits(threads, "blas"):
            found.append(fit_involuntary(frame, WITH_BILLS))
    assert found[0] is not None
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("kind", ["involuntary", "voluntary"])
def test_with_fewer_than_thirty_of_a_kind_there_is_none(kind: str) -> None:
    frame, _ = bills(share=1.0)
    places = frame.index[frame["end_reason"].eq(kind)]
    few = frame.copy()
    few.loc[places[LEAST_OF_EACH - 1 :], "end_reason"] = None
    assert fit_involuntary(few, WITH_BILLS) is None
    few.loc[places[: LEAST_OF_EACH + 5], "end_reason"] = kind
    assert fit_involuntary(few, WITH_BILLS) is not None


def test_without_reasons_or_bills_there_is_none() -> None:
    frame, _ = bills()
    assert fit_involuntary(frame.drop(columns="end_reason"), WITH_BILLS) is None
    assert fit_involuntary(frame.assign(end_reason=None), WITH_BILLS) is None
    assert fit_involuntary(frame, FEATURES) is None


def test_the_reason_moves_no_risk_and_is_no_feature(tmp_path: Path) -> None:
    """The same trees with and without reasons; and a saved model says the same of everybody."""
    frame, _ = bills(share=1.0)
    learned = {"need_days": 28, "horizon_days": 28, "threads": 1}
    with_reasons, _ = fit(frame, WITH_BILLS, **learned)
    without, _ = fit(frame.drop(columns="end_reason"), WITH_BILLS, **learned)
    assert with_reasons.tree_digest == without.tree_digest
    assert without.involuntary is None
    assert with_reasons.involuntary is not None
    assert with_reasons.digest != without.digest
    assert "end_reason" not in [feature.name for feature in with_reasons.features]
    with_reasons.save(tmp_path)
    loaded = ChurnModel.load(tmp_path)
    assert loaded == with_reasons
    assert replace(loaded, involuntary=None).digest == replace(with_reasons, involuntary=None).digest
