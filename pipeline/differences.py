"""Which columns differ between two pictures of the same accounts, and whether the difference tells who has left."""

import math
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

__all__ = ["Difference", "differences"]

Flags = NDArray[np.bool_]

_RELATIVE: Final = 1e-9
_FEWEST: Final = 3
_SIGMAS: Final = 3.0  # over a hundred columns are looked at: with two, some would always stand out by chance


@dataclass(frozen=True)
class Difference:
    """A column in which accounts differ.

    `left` of the `accounts` that differ are customers no longer, and `others_left` of the `others`. `marks` says whom
    the difference sets apart, where it does: those who have left since, or those who stayed. `filled` counts the
    accounts that had no value before, `emptied` those that have none any more.
    """

    column: str
    accounts: int
    left: int
    others: int
    others_left: int
    filled: int
    emptied: int
    example: tuple[str, Any, Any]
    marks: Literal["left", "stayed"] | None

    def as_record(self) -> dict[str, Any]:
        """The difference as plain data."""
        account, then, now = self.example
        return {**vars(self), "example": {"account_id": account, "then": then, "now": now}}


def differences(then: pd.DataFrame, now: pd.DataFrame, left: Collection[str], today: date) -> Iterator[Difference]:
    """The columns of `then` that are not the same in `now`, numbers to 1e-9 of their size.

    Both have the same index of accounts. `left` are the accounts that are customers no longer `today`.
    """
    gone = then.index.isin(list(left))
    for column in then.columns:
        before, after = then[column], now[column]
        differs = _differs(before, after)
        if differs.any():
            others = _others(column, before, today) & ~differs
            yield _difference(column, before, after, differs, others, gone)


def _differs(before: pd.Series, after: pd.Series) -> Flags:
    missing, missing_now = before.isna().to_numpy(), after.isna().to_numpy()
    if pd.api.types.is_float_dtype(before.dtype) and pd.api.types.is_float_dtype(after.dtype):
        same = np.isclose(before.to_numpy(), after.to_numpy(), rtol=_RELATIVE, atol=0.0)
    else:
        same = before.to_numpy(object) == after.to_numpy(object)
    equal = np.where(missing | missing_now, missing & missing_now, same)
    return np.asarray(~equal.astype(bool))


def _others(column: str, before: pd.Series, today: date) -> Flags:
    """Whom those that differ are compared with.

    Only a renewal that has come due since can have been moved on: an account that renews next spring has not stayed
    on any more than one that left.
    """
    if column != "subscriptions.renews_on":
        return np.ones(len(before), dtype=bool)
    return np.asarray((before < str(today)).fillna(False), dtype=bool)


def _difference(
    column: str, before: pd.Series, after: pd.Series, differs: Flags, others: Flags, gone: Flags
) -> Difference:
    first = int(np.argmax(differs))
    counts = (int(differs.sum()), int((differs & gone).sum()), int(others.sum()), int((others & gone).sum()))
    return Difference(
        column,
        *counts,
        filled=int((before.isna() & differs).sum()),
        emptied=int((after.isna() & differs).sum()),
        example=(str(before.index[first]), _plain(before.iloc[first]), _plain(after.iloc[first])),
        marks=_marks(*counts),
    )


def _marks(accounts: int, left: int, others: int, others_left: int) -> Literal["left", "stayed"] | None:
    """Whom the difference sets apart, where the shares that left differ by more than chance would have it."""
    if not others:
        return None
    share = (left + others_left) / (accounts + others)
    sigma = math.sqrt(share * (1.0 - share) * (1.0 / accounts + 1.0 / others))
    apart = left / accounts - others_left / others
    if left >= _FEWEST and left > accounts / 2 and apart > _SIGMAS * sigma:
        return "left"
    if others_left >= _FEWEST and apart < -_SIGMAS * sigma:
        return "stayed"
    return None


def _plain(value: Any) -> Any:
    if pd.isna(value):
        return None
    return value.item() if isinstance(value, np.generic) else value
