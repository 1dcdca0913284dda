"""Reasons: largest first, adding up to the log-odds, with what their sentences need."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
from known_risk import FACT, FEATURES, trained

from features.catalogue import Family, Feature, Wording
from models.churn_model import FAMILIES, Explanation
from models.reasons import MOST_REASONS, Reasons, contradicting


def _reasons(rows: int = 400) -> Reasons:
    known, model, _ = trained()
    frame = known.frame.head(rows)
    return Reasons.of(model, frame, model.explain(frame, threads=1))


def test_reasons_add_up_to_the_log_odds() -> None:
    found = _reasons()
    base = found.explanation.base_log_odds
    for reasons, expected in zip(found.listed(), found.explanation.log_odds, strict=True):
        assert abs(base + sum(reason["contribution"] for reason in reasons) - expected) < 1e-9


def test_the_largest_comes_first_and_the_rest_closes() -> None:
    for reasons in _reasons().listed():
        sizes = [abs(reason["contribution"]) for reason in reasons[:-1]]
        assert sizes == sorted(sizes, reverse=True)
        assert (reasons[-1]["family"], reasons[-1]["feature"]) == ("other", "rest")


def test_many_features_are_cut_to_twelve_and_still_add_up() -> None:
    rng = np.random.default_rng(4)
    features = tuple(Feature(f"f{i}", Family.USAGE, "days", "a feature") for i in range(40))
    contributions = rng.normal(size=(30, 40))
    families = np.zeros((30, len(FAMILIES)))
    families[:, 0] = contributions.sum(axis=1)
    explained = Explanation(-3.0, contributions, families)
    values = {feature.name: np.zeros(30) for feature in features}
    found = Reasons(features, explained, values, np.zeros((30, 40), dtype=bool))
    for reasons, expected in zip(found.listed(), explained.log_odds, strict=True):
        assert len(reasons) == MOST_REASONS + 1
        assert abs(-3.0 + sum(reason["contribution"] for reason in reasons) - expected) < 1e-9


def test_values_are_plain_and_missing_ones_are_null() -> None:
    known, model, _ = trained()
    frame = known.frame.head(3).assign(
        use_change=[0.5, np.nan, 1.0], plan=pd.Series(["plus", None, "pro"], dtype=object)
    )
    found = Reasons.of(model, frame, model.explain(frame, threads=1)).listed()
    text = json.loads(json.dumps(found, allow_nan=False))
    by_name = [{reason["feature"]: reason["value"] for reason in reasons} for reasons in text]
    assert [0.5, None, 1.0] == [row["use_change"] for row in by_name]
    assert ["plus", None, "pro"] == [row.get("plan") for row in by_name]


def test_facts_hold_what_the_sentences_speak_of() -> None:
    """The sentence on `use_change` also names `use_usual`."""
    found = _reasons(20)
    for reasons, facts in zip(found.listed(), found.facts(), strict=True):
        named = {reason["feature"] for reason in reasons[:-1]}
        assert {reason["feature"] for reason in reasons[:-1] if reason["value"] is not None} == named & facts.keys()
        if "use_change" in named:
            assert "use_usual" in facts


def test_a_fact_is_no_reason_and_stands_beside_the_reasons_that_speak_of_it() -> None:
    """Where `use_change` is among the reasons its sentence needs `use_before`, which teaches nothing."""
    known, bare, _ = trained()
    said = Wording("Use is {use_change:percent} of {use_before:n}.", "用量是 {use_before:n} 的 {use_change:percent}。")
    speaking = replace(FEATURES[0], words={"raises": said, "lowers": said})
    model = replace(bare, features=(speaking, *FEATURES[1:]), facts=(FACT,))
    frame = known.frame.head(20).assign(use_before=[7.0, np.nan, *range(18)])
    found = Reasons.of(model, frame, model.explain(frame, threads=1))
    rows = list(zip(found.listed(), found.facts(), frame["use_before"], strict=True))
    told = [{reason["feature"] for reason in reasons} for reasons, _, _ in rows]
    assert any("use_change" in names for names in told)
    assert not any("use_before" in names for names in told)
    for names, (_, facts, value) in zip(told, rows, strict=True):
        assert facts.get("use_before") == (None if np.isnan(value) or "use_change" not in names else value)


def test_a_contribution_contradicts_where_its_sign_is_against_the_catalogue() -> None:
    """Table of cases around the median 1.0 of `open_tickets` (direction +1) and of `use_change` (direction −1)."""
    model = replace(trained()[1], medians={feature.name: 1.0 for feature in FEATURES})
    cases = [  # feature, value, contribution, contradicts
        ("open_tickets", 3.0, +0.4, False),
        ("open_tickets", 3.0, -0.4, True),
        ("open_tickets", 0.0, +0.4, True),
        ("open_tickets", 0.0, -0.4, False),
        ("open_tickets", 1.0, -0.4, False),
        ("open_tickets", np.nan, -0.4, False),
        ("use_change", 0.5, +0.4, False),
        ("use_change", 0.5, -0.4, True),
        ("days_to_renewal", 90.0, +0.4, False),
        ("plan", 2.0, -0.4, False),
    ]
    names = [feature.name for feature in FEATURES]
    for name, value, contribution, expected in cases:
        matrix, contributions = np.full((1, len(names)), np.nan), np.zeros((1, len(names)))
        matrix[0, names.index(name)], contributions[0, names.index(name)] = value, contribution
        assert expected == contradicting(model, matrix, contributions)[0, names.index(name)], (
            name,
            value,
            contribution,
        )


def test_contradicting_reasons_are_marked_and_their_share_is_small_here() -> None:
    found = _reasons()
    marked = sum(reason["contradicts"] for reasons in found.listed() for reason in reasons)
    assert marked == found.contradicts[found.explanation.contributions != 0].sum()
    assert 0.0 <= found.contradicting_size < 0.1 * found.size


def test_the_largest_family_is_the_one_that_raises_most() -> None:
    """Where nothing raises the risk there is none, and equals fall to the alphabet."""
    cases: list[tuple[dict[str, float], str | None]] = [
        ({"usage": -2.0, "support": 0.1}, "support"),
        ({"usage": 0.5, "billing": 0.5}, "billing"),
        ({"usage": -2.0, "support": 0.0}, None),
    ]
    families = np.array([[of.get(name, 0.0) for name in FAMILIES] for of, _ in cases])
    explained = Explanation(-3.0, np.zeros((len(cases), 0)), families)
    found = Reasons((), explained, {}, np.zeros((len(cases), 0), dtype=bool))
    assert [expected for _, expected in cases] == found.largest_families()


def test_contributions_are_told_in_millionths_and_the_rest_takes_what_is_left() -> None:
    found = _reasons()
    assert all(
        reason["contribution"] == round(reason["contribution"], 6)
        for reasons in found.listed()
        for reason in reasons[:-1]
    )
    np.testing.assert_allclose(
        found.told.sum(axis=1) + found.rest + found.explanation.base_log_odds, found.explanation.log_odds, atol=1e-12
    )
