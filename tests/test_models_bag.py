"""A bag is one model whose margins and contributions are the means of its members'."""

import lightgbm
import numpy as np
import pytest

from models.bag import bagged
from models.contributions import PathTables

ROWS, COLUMNS, WORDS = 3_000, 6, 5


def _members(count: int, *, rounds: int = 20) -> tuple[list[lightgbm.Booster], np.ndarray]:
    rng = np.random.default_rng(5)
    matrix = rng.normal(size=(ROWS, COLUMNS))
    matrix[:, WORDS] = rng.integers(0, 8, ROWS)
    matrix[rng.random(matrix.shape) < 0.1] = np.nan
    label = rng.random(ROWS) < 1 / (1 + np.exp(2 - np.nan_to_num(matrix[:, 0]) - (matrix[:, WORDS] == 3)))
    parameters = {
        "objective": "binary",
        "num_leaves": 15,
        "feature_fraction": 0.5,
        "bagging_fraction": 0.8,
        "bagging_freq": 1,
        "verbosity": -1,
        "num_threads": 1,
    }
    data = [lightgbm.Dataset(matrix, label, categorical_feature=[WORDS]) for _ in range(count)]
    return [lightgbm.train({**parameters, "seed": k}, each, rounds) for k, each in enumerate(data)], matrix


def test_margins_and_contributions_are_the_means() -> None:
    members, matrix = _members(3)
    whole = bagged(members)
    assert whole.num_trees() == 60
    margins = [member.predict(matrix, raw_score=True) for member in members]
    assert np.abs(margins[0] - margins[1]).max() > 0.1, "seeds change something"
    np.testing.assert_allclose(whole.predict(matrix, raw_score=True), np.mean(margins, axis=0), atol=1e-12)
    contributions = np.mean([member.predict(matrix, pred_contrib=True) for member in members], axis=0)
    tables = PathTables.of(whole)
    np.testing.assert_allclose(tables.contributions(matrix, 1), contributions[:, :-1], atol=1e-9)
    assert tables.bias == pytest.approx(contributions[0, -1], abs=1e-9)


def test_it_survives_being_saved() -> None:
    members, matrix = _members(2)
    whole = bagged(members)
    again = lightgbm.Booster(model_str=whole.model_to_string())
    np.testing.assert_array_equal(again.predict(matrix), whole.predict(matrix))


def test_one_alone_stays_as_it_is() -> None:
    (member,), _ = _members(1)
    assert bagged([member]) is member


def test_trees_without_a_split_count_as_well() -> None:
    """Where nothing can be learned a tree is a single leaf."""
    data = lightgbm.Dataset(np.zeros((50, 1)), np.arange(50) % 2)
    members = [lightgbm.train({"objective": "binary", "verbosity": -1, "seed": k}, data, 2) for k in (1, 2)]
    expected = members[0].predict(np.zeros((1, 1)), raw_score=True)
    np.testing.assert_allclose(bagged(members).predict(np.zeros((1, 1)), raw_score=True), expected, atol=1e-12)
