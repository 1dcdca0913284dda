"""The model: contributions that add up to the shown risk, and files that are refused when they are not what was
saved."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from known_risk import FACT, FEATURES, known_risk, trained

from models.churn_model import FAMILIES, ChurnModel
from models.errors import ColumnsDiffer, CorruptModel


def test_risk_is_the_sum_of_its_reasons() -> None:
    """Base + families, base + contributions and the log-odds are one number; the booster's own margin is another way to
    it."""
    known, model, _ = trained()
    explained = model.explain(known.frame, threads=1)
    assert np.abs(explained.base_log_odds + explained.families.sum(axis=1) - explained.log_odds).max() < 1e-9
    assert np.abs(explained.base_log_odds + explained.contributions.sum(axis=1) - explained.log_odds).max() < 1e-9
    assert np.abs(1 / (1 + np.exp(-explained.log_odds)) - explained.risk).max() < 1e-9
    assert np.abs(model.log_odds(known.frame, threads=1) - explained.log_odds).max() < 1e-4


def test_families_hold_their_features_contributions_in_a_fixed_order() -> None:
    known, model, _ = trained()
    explained = model.explain(known.frame.head(50), threads=1)
    usage = [i for i, feature in enumerate(FEATURES) if feature.family == "usage"]
    expected = explained.contributions[:, usage].sum(axis=1)
    np.testing.assert_allclose(expected, explained.families[:, FAMILIES.index("usage")], atol=1e-12)


def test_an_account_has_the_same_reasons_beside_however_many_others() -> None:
    """To the last bit: a night in parts is the same night."""
    known, model, _ = trained()
    explained = model.explain(known.frame, threads=1)
    for most in (1, 2, 3, 7):
        parts = [model.explain(known.frame[first : first + most], threads=1) for first in range(0, 99, most)]
        families = np.concatenate([part.families for part in parts])
        np.testing.assert_array_equal(explained.families[: len(families)], families)


def test_an_empty_frame_has_the_same_base_and_no_rows() -> None:
    known, model, _ = trained()
    assert model.explain(known.frame.head(0)).risk.shape == (0,)
    expected = model.explain(known.frame.head(3), threads=1).base_log_odds
    assert model.explain(known.frame.head(0)).base_log_odds == pytest.approx(expected, abs=1e-12)


def test_a_word_never_seen_is_a_missing_word() -> None:
    known, model, _ = trained()
    row = known.frame.head(2).assign(plan=pd.Series(["enterprise", None], dtype=object))
    assert np.isnan(model.matrix(row)[:, 4]).all()
    assert model.risk(row.assign(**dict(known.frame.iloc[0][["use_change", "use_usual", "open_tickets"]]))).size == 2


def test_the_order_of_the_columns_does_not_matter() -> None:
    known, model, _ = trained()
    turned = known.frame[known.frame.columns[::-1]]
    np.testing.assert_array_equal(model.risk(known.frame, threads=1), model.risk(turned, threads=1))


def test_missing_columns_are_shown_as_a_diff() -> None:
    known, model, _ = trained()
    with pytest.raises(ColumnsDiffer) as error:
        model.risk(known.frame.rename(columns={"open_tickets": "tickets_open"}))
    assert "  - open_tickets\n  + tickets_open\n" in str(error.value)


def test_saved_and_loaded_it_is_the_same_model(tmp_path: Path) -> None:
    known, model, _ = trained()
    model.save(tmp_path)
    loaded = ChurnModel.load(tmp_path)
    assert loaded == model
    assert loaded.digest == model.digest
    np.testing.assert_array_equal(model.risk(known.frame, threads=1), loaded.risk(known.frame, threads=1))
    assert sorted(file.name for file in tmp_path.iterdir()) == ["model.json", "model.lgb"]


def test_facts_are_saved_beside_the_features(tmp_path: Path) -> None:
    """A night must compute them, or half of the sentences could not be said; the risk does not look at them."""
    known, bare, _ = trained()
    model = replace(bare, facts=(FACT,))
    assert model.catalogue == (*FEATURES, FACT)
    model.save(tmp_path)
    loaded = ChurnModel.load(tmp_path)
    assert (loaded.features, loaded.facts, loaded.catalogue) == (FEATURES, (FACT,), model.catalogue)
    assert loaded == model
    np.testing.assert_array_equal(bare.risk(known.frame, threads=1), loaded.risk(known.frame, threads=1))


def _cut_trees(folder: Path) -> None:
    text = (folder / "model.lgb").read_text()
    (folder / "model.lgb").write_text(text[: len(text) // 2])


def _change_a_leaf(folder: Path) -> None:
    text = (folder / "model.lgb").read_text()
    (folder / "model.lgb").write_text(text.replace("leaf_value=", "leaf_value=1", 1))


def _change_calibration(folder: Path) -> None:
    record = json.loads((folder / "model.json").read_text())
    record["calibration"]["b"] += 1
    (folder / "model.json").write_text(json.dumps(record))


def _drop_features(folder: Path) -> None:
    record = json.loads((folder / "model.json").read_text())
    del record["features"]
    (folder / "model.json").write_text(json.dumps(record))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_cut_trees, "ends within its trees"),
        (_change_a_leaf, "model.lgb was changed after it was saved"),
        (_change_calibration, "model.json was changed after it was saved"),
        (_drop_features, "does not describe a model: KeyError: 'features'"),
        (lambda folder: (folder / "model.json").write_text("{"), "does not describe a model"),
        (lambda folder: (folder / "model.json").write_text('{"format": 99}'), "has format 99, this version reads 4"),
        (lambda folder: (folder / "model.lgb").unlink(), "No such file"),
    ],
)
def test_a_damaged_model_is_refused(damage, message: str, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    trained()[1].save(tmp_path)
    damage(tmp_path)
    with pytest.raises(CorruptModel, match=message):
        ChurnModel.load(tmp_path)


def test_trees_that_lightgbm_cannot_read_are_refused() -> None:
    with pytest.raises(CorruptModel, match="LightGBM cannot read"):
        _ = replace(trained()[1], booster_text="tree\nend of trees\n").booster


def test_trees_of_another_model_are_refused() -> None:
    model = trained()[1]
    with pytest.raises(CorruptModel, match="files belong to two models"):
        _ = replace(model, features=FEATURES[:-1]).booster


def test_an_account_with_nothing_known_still_has_a_risk() -> None:
    _, model, _ = trained()
    blank = known_risk(20, 1).frame.assign(**{f.name: np.nan for f in FEATURES if f.kind == "number"}, plan=None)
    risk = model.risk(blank, threads=1)
    assert ((risk > 0) & (risk < 1)).all()
