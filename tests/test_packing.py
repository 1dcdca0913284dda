"""Reasons as the store keeps them: what is read is what was told, in few bytes, for a whole night at once."""

import struct
import time
from dataclasses import replace
from statistics import mean

import numpy as np
import pytest
from known_risk import FACT, FEATURES, trained

from features.catalogue import Wording
from models.churn_model import ChurnModel
from models.reasons import Reasons
from pipeline.packing import packed, sums
from pipeline.store.details import HEAD, rest_alone, unpacked

SAID = Wording("Use is {use_change:percent} of {use_before:n}.", "用量是 {use_before:n} 的 {use_change:percent}。")


def speaking() -> ChurnModel:
    """A model with a fact that is no feature."""
    first = replace(FEATURES[0], words={"raises": SAID, "lowers": SAID})
    return replace(trained()[1], features=(first, *FEATURES[1:]), facts=(FACT,))


def reasons(rows: int = 300) -> Reasons:
    """Of accounts whose values are missing here and there, and whose words are not all ASCII."""
    model = speaking()
    frame = trained()[0].frame.head(rows).assign(use_before=np.arange(rows) + 0.25)
    frame["use_before"] = frame["use_before"].where(np.arange(rows) % 3 > 0)
    frame["plan"] = frame["plan"].astype(object).where(np.arange(rows) % 5 > 0, None)
    frame.loc[frame.index[1], "plan"] = "企业版 – größer"
    return Reasons.of(model, frame, model.explain(frame, threads=1))


def read(details: list[bytes], model: ChurnModel) -> list[tuple[object, object]]:
    features = {each.name: each.as_record() for each in sorted(model.catalogue, key=lambda feature: feature.name)}
    return [unpacked(each, features) for each in details]


def test_what_is_read_is_what_was_told() -> None:
    found, model = reasons(), speaking()
    seven = [
        {name: value if isinstance(value, str) else float(f"{np.float32(value):.7g}") for name, value in facts.items()}
        for facts in found.facts()
    ]
    told = [
        tuple(each | {"value": facts.get(each["feature"])} for each in listed)
        for listed, facts in zip(found.listed(), seven, strict=True)
    ]
    assert list(zip(told, seven, strict=True)) == read(packed(found), model)
    assert any(each["value"] == "企业版 – größer" for each in told[1])
    assert any(each["value"] is None for listed in told for each in listed[:-1])


@pytest.mark.parametrize("value", [0.0, -0.7, 19.2, 49.99, 1234567.0, 12345.67, 16_777_216.0, 1e12, 1 / 3])
def test_numbers_are_read_to_seven_digits(value: float) -> None:
    """So that 49.99 is not told as 49.9900017."""
    details = HEAD.pack(0, 1, 0, 0.0) + struct.pack("<Hf", 0, value)
    (_, facts) = unpacked(details, {"mrr": {"family": "contract"}})
    assert facts["mrr"] == pytest.approx(value, rel=1e-6)
    if len(str(value).replace(".", "").strip("-0")) <= 7:
        assert facts["mrr"] == value


def test_sums_are_those_of_the_reasons() -> None:
    found = reasons()
    expected = [sum(reason["contribution"] for reason in listed) for listed in found.listed()]
    np.testing.assert_allclose(sums(packed(found)), expected, rtol=0, atol=1e-12)
    assert sums([HEAD.pack(0, 0, 0, -1.5)]).tolist() == [-1.5]


def test_reasons_that_are_gone_still_add_up() -> None:
    (rest,) = rest_alone(0.75)
    assert ("other", "rest", 0.75) == (rest["family"], rest["feature"], rest["contribution"])


def test_a_night_is_packed_at_once_and_small() -> None:
    """No list or dictionary is made for an account: a hundred thousand in seconds, 6 bytes for each reason and fact."""
    found = reasons(2_000)
    began = time.process_time()
    details = packed(found)
    assert time.process_time() - began < 0.2
    each = mean(map(len, details))
    listed, facts = mean(map(len, found.listed())) - 1, mean(map(len, found.facts()))
    assert each == pytest.approx(12 + 6 * listed + 6 * facts, rel=0.15)
