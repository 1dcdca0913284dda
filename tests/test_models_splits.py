"""Splits: fitting, stopping and calibrating share no departure, and which row goes where does not depend on the
order."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from known_risk import known_risk

from models.departures import count_departures, departure_codes
from models.errors import TooFewDepartures
from models.splits import FOLDS, Split, fold_numbers, split_rows


def _company(accounts: int, snapshots: int, every: int, horizon: int, share: float, seed: int) -> pd.DataFrame:
    """Accounts with random last days, seen while they are there; roots hold one to several accounts."""
    rng = np.random.default_rng(seed)
    start = np.datetime64("2024-01-01")
    span = snapshots * every + horizon
    last = np.where(rng.random(accounts) < share, rng.integers(1, span, accounts), 10 * span)
    root = rng.integers(0, max(6, accounts // 2), accounts)
    rows = [
        (f"a{i}", f"r{root[i]}", start + every * step, last[i])
        for step in range(snapshots)
        for i in range(accounts)
        if last[i] > every * step
    ]
    frame = pd.DataFrame(rows, columns=["account_id", "root_id", "as_of", "day"])
    churn_on = start + frame["day"].to_numpy().astype("timedelta64[D]")
    label = churn_on < frame["as_of"].to_numpy() + np.timedelta64(horizon, "D")
    return frame.drop(columns="day").assign(
        as_of=frame["as_of"].astype("datetime64[s]"),
        label=label,
        churn_on=pd.Series(churn_on.astype("datetime64[s]")).where(label),
    )


companies = st.builds(
    _company,
    accounts=st.integers(40, 900),
    snapshots=st.integers(2, 24),
    every=st.sampled_from([7, 28, 30]),
    horizon=st.sampled_from([14, 31, 60]),
    share=st.floats(0.2, 0.9),
    seed=st.integers(0, 10_000),
)


def _split(frame: pd.DataFrame, horizon: int = 60, lead: int = 0) -> Split | None:
    try:
        return split_rows(frame, lead_days=lead, horizon_days=horizon)
    except TooFewDepartures:
        return None


@settings(max_examples=60, deadline=None)
@given(companies)
def test_no_departure_is_labelled_in_two_sets(frame: pd.DataFrame) -> None:
    split = _split(frame)
    codes = departure_codes(frame)
    for fold in split.folds if split else ():
        sets = [set(codes[rows & (codes >= 0)]) for rows in (fold.fit, fold.stop, fold.calibrate)]
        assert not sets[0] & sets[1]
        assert not sets[0] & sets[2]
        assert not sets[1] & sets[2]
        assert not (fold.fit & fold.stop | fold.fit & fold.calibrate | fold.stop & fold.calibrate).any()
        assert all(sets)


@settings(max_examples=40, deadline=None)
@given(companies)
def test_no_root_account_calibrates_where_it_also_fits_or_stops(frame: pd.DataFrame) -> None:
    split = _split(frame)
    if split is None or split.mode == "time":
        return
    for fold in split.folds:
        held_out = set(frame.loc[fold.calibrate, "root_id"])
        assert not held_out & set(frame.loc[fold.fit | fold.stop, "root_id"])
    assert (np.sum([fold.calibrate for fold in split.folds], axis=0) == 1).all()


@settings(max_examples=25, deadline=None)
@given(companies, st.integers(0, 1000))
def test_the_order_of_the_rows_changes_nothing(frame: pd.DataFrame, seed: int) -> None:
    order = np.random.default_rng(seed).permutation(len(frame))
    split, moved = _split(frame), _split(frame.iloc[order].reset_index(drop=True))
    assert (split is None) == (moved is None)
    if split is not None and moved is not None:
        assert split.mode == moved.mode
        for fold, other in zip(split.folds, moved.folds, strict=True):
            for name in ("fit", "stop", "calibrate"):
                assert (getattr(fold, name)[order] == getattr(other, name)).all()


def test_a_long_history_is_split_in_time_with_a_gap_as_long_as_the_label_looks() -> None:
    frame = known_risk(1500, 14, level=-3.6, steps=2).frame
    split = split_rows(frame, lead_days=10, horizon_days=56)
    assert split.mode == "time"
    (fold,) = split.folds
    for earlier, later in ((fold.fit, fold.stop), (fold.stop, fold.calibrate)):
        assert frame["as_of"][later].min() >= frame["as_of"][earlier].max() + pd.Timedelta(days=66)
    assert fold.calibrate[frame["as_of"] == frame["as_of"].max()].all()
    assert count_departures(frame[fold.calibrate]) >= 200


def test_a_short_history_is_split_by_accounts() -> None:
    split = split_rows(known_risk(300, 6).frame, lead_days=0, horizon_days=28)
    assert (split.mode, len(split.folds)) == ("accounts", FOLDS)


def test_folds_are_even_and_move_with_the_seed() -> None:
    frame = known_risk(400, 4).frame
    number = fold_numbers(frame, 7)
    left = frame["label"].to_numpy()
    roots = [frame["root_id"][(number == k) & left].nunique() for k in range(FOLDS)]
    assert max(roots) - min(roots) <= 1
    assert (number != fold_numbers(frame, 8)).any()


def test_too_few_root_accounts_with_a_departure_are_refused() -> None:
    frame = known_risk(300, 6).frame.assign(root_id="one parent")
    with pytest.raises(TooFewDepartures, match=r"Found 1 root accounts with a departure .* needs at least 5"):
        split_rows(frame, lead_days=0, horizon_days=28)
