"""Drift and expected skill: chance is not called drift, drift is, and expectations come true where the risks do."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from known_risk import FEATURES, known_risk, trained

from features.catalogue import Family
from models.drift import RISK, drifts, reference_of
from models.expected_skill import expected_skill
from models.metrics import area_under_curve


def _accounts(accounts: int, seed: int) -> pd.DataFrame:
    return known_risk(accounts, 1, seed=seed).frame


def _found(then: pd.DataFrame, now: pd.DataFrame) -> dict[str, bool]:
    model = trained()[1]
    reference = json.loads(json.dumps(reference_of(then, model.features, model.risk(then, threads=1))))
    return {each.name: each.has_drifted for each in drifts(reference, now, model.risk(now, threads=1))}


@pytest.mark.parametrize(("then", "now"), [(400, 400), (5000, 300), (200, 3000), (60, 60)])
def test_other_accounts_of_the_same_kind_are_no_drift(then: int, now: int) -> None:
    for seed in range(5):
        assert not any(_found(_accounts(then, seed), _accounts(now, 50 + seed)).values())


def test_what_moved_is_named_and_nothing_else() -> None:
    now = _accounts(2000, 2)
    moved = now.assign(open_tickets=now["open_tickets"] + 2, noise=np.where(now.index % 2, np.nan, now["noise"]))
    found = _found(_accounts(2000, 1), moved)
    assert {name for name, drifted in found.items() if drifted} == {"open_tickets", "noise", RISK}


def test_a_new_word_and_a_lost_column_are_told() -> None:
    then, now = _accounts(2000, 1), _accounts(2000, 2)
    model = trained()[1]
    reference = reference_of(then, model.features, model.risk(then, threads=1))
    changed = now.assign(plan=now["plan"].replace("pro", "galaxy")).drop(columns="use_usual")
    by_name = {each.name: each for each in drifts(reference, changed, model.risk(now, threads=1))}
    assert by_name["plan"].has_drifted
    assert [word for word, _ in by_name["plan"].new] == ["galaxy"]
    assert by_name["use_usual"].has_drifted
    assert (by_name["use_usual"].missing_then, by_name["use_usual"].missing_now) == (0.0, 1.0)


def test_what_a_segment_shares_is_left_out() -> None:
    then = _accounts(300, 1).assign(peer_churn_segment=0.1)
    shared = replace(FEATURES[0], name="peer_churn_segment", family=Family.MARKET)
    reference = reference_of(then, [*FEATURES, shared], np.zeros(300))
    assert {RISK, *(feature.name for feature in FEATURES)} == set(reference)


def test_those_that_moved_most_come_first() -> None:
    then, now = _accounts(2000, 1), _accounts(2000, 2)
    model = trained()[1]
    reference = reference_of(then, model.features, model.risk(then, threads=1))
    listed = drifts(reference, now.assign(open_tickets=9.0), model.risk(now, threads=1))
    assert listed[0].name == "open_tickets"


def test_a_reference_holds_no_account() -> None:
    then = _accounts(300, 1)
    feature = replace(FEATURES[0], name="account_id", kind="number")
    text = json.dumps(reference_of(then, trained()[1].features, np.zeros(300)))
    assert feature.name not in text
    assert not any(account in text for account in then["account_id"])


def test_expectations_come_true_where_the_risks_are_true() -> None:
    known = known_risk(4000, 1, seed=3)
    risk, label = known.true_risk, known.frame["label"].to_numpy(bool)
    listed = np.argsort(np.argsort(-risk)) < 200
    found = expected_skill(risk, listed)
    assert found["auc"].low <= area_under_curve(label, risk) <= found["auc"].high
    assert found["precision"].low <= label[listed].mean() <= found["precision"].high
    assert found["departures"].low <= label.sum() <= found["departures"].high
    assert found["departures"].value == pytest.approx(risk.sum())


def test_nobody_on_a_list_has_no_precision() -> None:
    found = expected_skill(np.array([0.1, 0.2]), np.zeros(2, bool))
    assert np.isnan(found["precision"].value)
