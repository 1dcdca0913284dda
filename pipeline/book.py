"""The book: what the night's risks mean for each customer success manager's day.

A band depends on risk alone, so that it means the same for every manager and month. Money enters where accounts are put
in order: value at risk is risk × MRR, a forecast whose sums can be checked later.
"""

from datetime import date
from typing import Final

import numpy as np
import pandas as pd

from models.bands import Bands

__all__ = ["make_book"]

SCORED: Final = ("risk", "log_odds", "base_log_odds")
_BILLING: Final = "billing"
_MORE_LIKELY_THAN_NOT: Final = 0.5


def make_book(scores: pd.DataFrame, *, bands: Bands, new_days: int, as_of: date) -> pd.DataFrame:
    """Put one night's accounts in order, one book for each owner.

    Parameters
    ----------
    scores
        One row per account: `account_id`, `root_id`, `name`, `owner`, `state` (active, leaving or lapsed), `since`
        (first day of the present spell), `mrr` (null where unknown), `risk`, `log_odds`, `base_log_odds`,
        `largest_family` (which raises the risk most, null where none does), and `involuntary` (P(involuntary | leaves))
        where a model tells it. Any further columns are kept. The scores of accounts that are not active are blanked:
        their risk needs no model.
    bands
        Where medium and high begin, as fixed with the model.
    new_days
        Younger accounts are *new*: their risk is kept, but they get no band.
    as_of
        The night.

    Returns
    -------
    DataFrame
        The rows in book order (owner, those without last; rank; within an entry the worst first), with:

        - `state`: *new*; *leaving* and *lapsed* as given; *payment*, where the band is medium or high and billing is
          the largest family or `involuntary` is above one half (dunning, takes no call); *candidate* (medium or high);
          else *watch*;
        - `band`: low, medium, high; null for new, leaving and lapsed accounts;
        - `involuntary`: null for accounts that are not active, and for all without a model of it;
        - `value_at_risk`: MRR expected to be lost within the horizon; null without an MRR;
        - `rank`: 1, 2, … within the owner's book, null for leaving and lapsed accounts. Accounts with one root and
          owner are one entry and share its rank. Entries with a candidate come first; they and the others are ordered
          by their summed value at risk (unknown last), then the greatest risk, then the least account_id. Accounts
          without an owner form one book;
        - `entry_name`: the name of the root where it is among the rows, else that of the entry's worst account.

    Raises
    ------
    ValueError
        When an active account has no risk.
    """
    book = scores.reset_index(drop=True)
    active = book["state"].eq("active")
    for column in SCORED:
        book[column] = book[column].astype("float64").where(active)
    book["mrr"] = book["mrr"].astype("float64")
    told = book["involuntary"] if "involuntary" in book else pd.Series(np.nan, index=book.index)
    book["involuntary"] = told.astype("float64").where(active)
    _refuse_unscored(book, active)

    young = (pd.Timestamp(as_of) - pd.to_datetime(book["since"])).dt.days < new_days
    book["band"] = pd.Series(bands.of(book["risk"].to_numpy(np.float64)), dtype=object).where(active & ~young, None)
    book["value_at_risk"] = book["risk"] * book["mrr"]
    book["largest_family"] = book["largest_family"].astype(object).where(active, None)

    raised = book["band"].isin(["medium", "high"])
    payment = raised & (book["largest_family"].eq(_BILLING) | book["involuntary"].gt(_MORE_LIKELY_THAN_NOT))
    book["state"] = np.select(
        [~active, young, payment, raised], [book["state"], "new", "payment", "candidate"], default="watch"
    )
    return _in_order(book)


def _refuse_unscored(book: pd.DataFrame, active: "pd.Series[bool]") -> None:
    missing = book.loc[active & book["risk"].isna(), "account_id"]
    if len(missing):
        raise ValueError(
            f"{len(missing)} of {int(active.sum())} active accounts have no risk, for example {missing.iloc[0]!r}: "
            "score every active account before making the book."
        )


def _in_order(book: pd.DataFrame) -> pd.DataFrame:
    """The rows in book order, with `rank` and `entry_name`."""
    book = book.assign(
        _ownerless=book["owner"].isna(), _owner=book["owner"].fillna(""), _step=book["state"].ne("candidate")
    )
    owner = ["_ownerless", "_owner"]
    ranked = book[book["risk"].notna()].sort_values(["risk", "account_id"], ascending=[False, True])
    entries = ranked.groupby([*owner, "root_id"], sort=False).agg(
        _entry_step=("_step", "min"),
        _entry_risk=("risk", "max"),
        _entry_id=("account_id", "min"),
        _worst=("name", "first"),
    )
    # A plain groupby sum adds in row order, which is fixed above; an entry without any MRR stays without a value.
    entries["_entry_value"] = ranked.groupby([*owner, "root_id"], sort=False)["value_at_risk"].sum(min_count=1)
    entries = entries.reset_index().sort_values(
        [*owner, "_entry_step", "_entry_value", "_entry_risk", "_entry_id"],
        ascending=[True, True, True, False, False, True],
        na_position="last",
    )
    entries["rank"] = entries.groupby(owner, sort=False).cumcount() + 1

    names = book.drop_duplicates("account_id").set_index("account_id")["name"]
    roots = entries["root_id"].map(names)
    entries["entry_name"] = roots.where(roots.notna(), entries["_worst"])

    book = book.merge(
        entries[[*owner, "root_id", "rank", "entry_name"]], on=[*owner, "root_id"], how="left", validate="many_to_one"
    )
    unranked = book["risk"].isna()
    book["rank"] = book["rank"].astype("Int64").mask(unranked)
    book["entry_name"] = book["entry_name"].mask(unranked, book["name"])
    book = book.sort_values(
        [*owner, "rank", "_step", "risk", "account_id"],
        ascending=[True, True, True, True, False, True],
        na_position="last",
    )
    return book.drop(columns=["_ownerless", "_owner", "_step"]).reset_index(drop=True)
