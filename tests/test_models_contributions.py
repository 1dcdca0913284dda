"""Exact contributions by tables of paths, held against LightGBM's own and against the definition of a Shapley value."""

from itertools import permutations

import lightgbm
import numpy as np
import pytest

from models.contributions import PathTables

ROWS = 3_000
WORDS = 3
"""The column of words; the others are numbers, of which one is often missing and one is a small whole number."""


def rows(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    matrix = rng.normal(size=(ROWS, 5))
    matrix[:, 1] = rng.integers(-2, 3, ROWS)
    matrix[:, WORDS] = rng.integers(0, 9, ROWS)
    pull = matrix[:, 0] * (matrix[:, 1] > 0) + (matrix[:, WORDS] > 5) - matrix[:, 2] ** 2
    matrix[rng.random(ROWS) < 0.3, 2] = np.nan
    matrix[rng.random(ROWS) < 0.1, WORDS] = np.nan
    return matrix, (pull + rng.normal(size=ROWS) > 0).astype(np.float64)


def booster(seed: int, rounds: int = 30, **parameters: object) -> lightgbm.Booster:
    matrix, label = rows(seed)
    given = {"objective": "binary", "num_threads": 1, "verbosity": -1, "max_depth": 5, "num_leaves": 15, **parameters}
    return lightgbm.train(given, lightgbm.Dataset(matrix, label, categorical_feature=[WORDS]), rounds)


@pytest.mark.parametrize("seed", range(5))
def test_contributions_are_those_of_lightgbm(seed: int) -> None:
    """With missing values, words, words never seen and paths that ask for a feature more than once."""
    trees, matrix = booster(seed), rows(seed + 100)[0]
    matrix[:20, WORDS] = 77.0
    matrix[20:40, 0] = np.nan  # which had none in training
    tables = PathTables.of(trees)
    expected = trees.predict(matrix, pred_contrib=True)
    np.testing.assert_allclose(tables.contributions(matrix), expected[:, :-1], atol=1e-12)
    assert tables.bias == pytest.approx(expected[0, -1], abs=1e-12)


def test_trees_that_know_nothing_of_missing_values_take_them_for_zero() -> None:
    trees, matrix = booster(1, use_missing=False), rows(2)[0]
    expected = trees.predict(matrix, pred_contrib=True)[:, :-1]
    np.testing.assert_allclose(PathTables.of(trees).contributions(matrix), expected, atol=1e-12)


def test_trees_that_take_zero_for_missing_are_refused() -> None:
    with pytest.raises(ValueError, match="take zero for missing"):
        PathTables.of(booster(1, zero_as_missing=True))


def test_a_leaf_is_shared_out_as_the_definition_says() -> None:
    """One tree of depth 2, by the mean over all orders in which its two features become known."""
    trees, matrix = booster(3, rounds=1, max_depth=2, num_leaves=3), rows(4)[0][:5]
    tree = trees.dump_model()["tree_info"][0]["tree_structure"]
    features = sorted({node["split_feature"] for node in nodes(tree) if "split_feature" in node})
    found = PathTables.of(trees).contributions(matrix)
    for row, contributions in zip(matrix, found, strict=True):
        gains = dict.fromkeys(range(matrix.shape[1]), 0.0)
        orders = list(permutations(features))
        for order in orders:
            for place, feature in enumerate(order):
                gain = value(tree, row, set(order[: place + 1])) - value(tree, row, set(order[:place]))
                gains[feature] += gain / len(orders)
        assert list(gains.values()) == pytest.approx(contributions.tolist(), abs=1e-12)


def nodes(node: dict[str, object]) -> list[dict[str, object]]:
    return [node, *(each for side in ("left_child", "right_child") if side in node for each in nodes(node[side]))]


def value(node: dict[str, object], row: np.ndarray, known: set[int]) -> float:
    """What the tree is expected to say when only these features of the row are known."""
    if "leaf_value" in node:
        return float(node["leaf_value"])
    left, right = node["left_child"], node["right_child"]
    if node["split_feature"] not in known:
        count = [child.get("internal_count", child.get("leaf_count")) for child in (left, right)]
        return (count[0] * value(left, row, known) + count[1] * value(right, row, known)) / sum(count)
    number = row[node["split_feature"]]
    if node["decision_type"] == "==":
        goes_left = not np.isnan(number) and str(int(number)) in str(node["threshold"]).split("||")
    else:
        goes_left = bool(node["default_left"]) if np.isnan(number) else number <= node["threshold"]
    return value(left if goes_left else right, row, known)


def test_rows_threads_and_parts_change_no_number() -> None:
    tables, matrix = PathTables.of(booster(5)), np.vstack([rows(6)[0]] * 4)
    whole = tables.contributions(matrix, threads=1)
    assert np.array_equal(whole, tables.contributions(matrix, threads=3))
    assert np.array_equal(whole[7:9], tables.contributions(matrix[7:9]))
    assert tables.contributions(matrix[:0]).shape == (0, 5)


def test_trees_that_never_split_contribute_nothing() -> None:
    trees, matrix = booster(7, rounds=3, min_data_in_leaf=ROWS), rows(8)[0][:4]
    tables = PathTables.of(trees)
    assert not tables.contributions(matrix).any()
    assert tables.bias == pytest.approx(trees.predict(matrix, raw_score=True)[0])


def test_paths_too_long_for_tables_are_refused() -> None:
    rng = np.random.default_rng(9)
    matrix = rng.normal(size=(ROWS, 12))
    given = {"objective": "regression", "num_leaves": 300, "min_data_in_leaf": 2, "verbosity": -1, "num_threads": 1}
    deep = lightgbm.train(given, lightgbm.Dataset(matrix, matrix.sum(axis=1)), 3)
    with pytest.raises(ValueError, match="and tables are made for 8 at most"):
        PathTables.of(deep)
