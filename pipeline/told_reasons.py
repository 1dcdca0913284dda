"""The reasons of an account as other programs get them: numbers that add up, with words where there are any."""

import math
from collections.abc import Mapping
from datetime import date
from typing import Any

from pipeline.amounts import Language
from pipeline.store.nights import AccountNight
from pipeline.wording import all_sentences

__all__ = ["told_reasons"]


def told_reasons(
    account: AccountNight, as_of: date, features: Mapping[str, Any], language: Language
) -> list[dict[str, Any]]:
    """The reasons with words, each fact said once, closed by the rest. Without a score there are none.

    Each has `family`, `feature`, `value`, `contribution` (log-odds) and `words`, the rest no value and no words. With
    the base they add up to the log-odds; what contradicts the catalogue is in the rest.
    """
    if not account.reasons:
        return []
    told = all_sentences(account.reasons, features, account.facts, as_of, language)
    words = {each.feature: each.text for each in told}
    named: list[dict[str, Any]] = []
    rest: list[float] = []
    for reason in account.reasons:
        if reason["feature"] not in features or reason["contradicts"]:
            rest.append(reason["contribution"])
            continue
        about = {key: reason[key] for key in ("family", "feature", "value", "contribution")}
        named.append({**about, "words": words.get(reason["feature"])})
    return [*named, {"family": "other", "feature": "rest", "contribution": math.fsum(rest)}]
