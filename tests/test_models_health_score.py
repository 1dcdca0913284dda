"""The health score: rules that a manager could have written, and what the same rules are worth when fitted."""

import numpy as np
import pandas as pd
import pytest
from known_risk import known_risk

from features.build import listed
from models.health_score import RULES, Rule, fitted_health_risk, health_score, rule_matrix, rules_of
from models.metrics import area_under_curve

CATALOGUE = {feature.name: feature for feature in listed(["pricing", "cancellation"])}


def test_ten_rules_at_most_each_on_a_number_that_models_may_learn_from() -> None:
    assert len(RULES) <= 10
    assert len({rule.feature for rule in RULES}) == len(RULES)
    for rule in RULES:
        feature = CATALOGUE[rule.feature]
        assert feature.learned, rule.feature
        assert feature.kind == "number", rule.feature


def test_no_rule_points_against_what_the_catalogue_expects() -> None:
    for rule in RULES:
        raises = 1 if rule.full > rule.begins else -1
        assert CATALOGUE[rule.feature].direction in (0, raises), rule.feature
        assert rule.weight > 0, rule.feature


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.feature)
def test_a_rule_counts_nothing_where_it_begins_half_between_and_no_more_than_all(rule: Rule) -> None:
    frame = pd.DataFrame({rule.feature: [rule.begins, (rule.begins + rule.full) / 2, rule.full]})
    assert rule_matrix(frame)[:, 0].tolist() == pytest.approx([0.0, 0.5, 1.0])
    beyond = rule.full + 9 * (rule.full - rule.begins)
    before = rule.begins - 9 * (rule.full - rule.begins)
    assert rule_matrix(pd.DataFrame({rule.feature: [before, beyond]}))[:, 0].tolist() == [0.0, 1.0]
    assert health_score(frame).tolist() == pytest.approx([0.0, rule.weight / 2, rule.weight])


def test_what_is_not_known_counts_nothing_but_no_use_on_record_is_silence() -> None:
    frame = pd.DataFrame({rule.feature: [np.nan] for rule in RULES})
    counted = dict(zip((rule.feature for rule in rules_of(frame)), rule_matrix(frame)[0], strict=True))
    assert counted.pop("days_since_use") == 1.0
    assert set(counted.values()) == {0.0}


def test_rules_whose_feature_the_company_lacks_are_left_out() -> None:
    frame = pd.DataFrame({"days_to_renewal": [200.0, 14.0], "account_id": ["a", "b"]})
    assert [rule.feature for rule in rules_of(frame)] == ["days_to_renewal"]
    assert rule_matrix(frame).shape == (2, 1)
    nothing = frame[["account_id"]]
    assert rule_matrix(nothing).shape == (2, 0)
    assert health_score(nothing).tolist() == [0.0, 0.0]


def test_columns_that_allow_missing_values_are_read() -> None:
    frame = pd.DataFrame({"days_to_renewal": pd.array([None, 14.0], dtype="Float64")})
    assert rule_matrix(frame)[:, 0].tolist() == [0.0, 1.0]


def test_fitted_weights_learn_from_the_known_rows_alone_and_give_probabilities() -> None:
    frame = known_risk(900, 8).frame.assign(days_since_use=lambda rows: 40 - 28 * rows["use_change"])
    known, test = frame[frame["as_of"] < "2025-06-01"], frame[frame["as_of"] >= "2025-06-01"]
    risk = fitted_health_risk(known, test)
    assert area_under_curve(test["label"].to_numpy(bool), risk) > 0.6
    assert risk.mean() == pytest.approx(known["label"].mean(), rel=0.15)
    assert risk.tolist() == fitted_health_risk(known, test.assign(label=False)).tolist()


def test_fitted_without_any_rule_is_the_rate_of_the_known_rows() -> None:
    known = pd.DataFrame({"account_id": ["a", "b", "c", "d"], "label": [True, False, False, False]})
    assert fitted_health_risk(known, known.head(2)).tolist() == [0.25, 0.25]
