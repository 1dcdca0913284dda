"""Tonight: everybody there is to speak of, with all that is known of them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd
from ibis.util import gen_name

from features.build import Recipe, build
from features.cohort import states, terms
from features.outages import Coverage
from features.timeline import Moment
from features.versions import History
from pipeline.inputs import edited
from pipeline.printable import LONGEST, UNPRINTABLE

__all__ = ["READ", "Tonight", "tonight", "tonight_in_parts"]

READ: Final = {"shown_segment": "segment", "shown_plan": "plan"}
"""Columns for readers, and what they are called among these: features of these names may be others."""

_ABOUT: Final = ("account_id", "root_id", "name", "owner", *READ, "state", "since", "last_day", "mrr")
_RENEWAL: Final = "days_to_renewal"
_PART_ACCOUNTS: Final = 50_000


class Tonight:
    """Everybody of a moment, held by the engine: who they are as one frame, with their features part by part.

    Attributes
    ----------
    known
        By `account_id`, ascending: `root_id`, `name`, `owner`, `segment`, `plan`, `state`, `since`, `last_day`, `mrr`,
        `renews_on`.
    """

    def __init__(self, rows: ir.Table, moment: Moment) -> None:
        self._rows = rows
        narrow = rows.select(*_ABOUT, *({_RENEWAL} & set(rows.columns))).order_by("account_id").to_pandas()
        known = _shown(narrow, moment).drop(columns=_RENEWAL, errors="ignore")
        self.known: pd.DataFrame = known.rename(columns=READ)

    def parts(self) -> Iterator[pd.DataFrame]:
        """Neighbouring accounts, in order: `root_id`, `state`, `since`, `last_day`, features, columns of `EDITED`."""
        ids = self.known["account_id"]
        if ids.empty:
            yield self._rows.to_pandas()
        for start in range(0, len(ids), _PART_ACCOUNTS):
            here = ids.iloc[start : start + _PART_ACCOUNTS]
            there = self._rows["account_id"].between(here.iloc[0], here.iloc[-1])
            part: pd.DataFrame = self._rows.filter(there).order_by("account_id").to_pandas()
            yield part.assign(root_id=part["root_id"].fillna(part["account_id"]))


@contextmanager
def tonight_in_parts(
    past: History, moment: Moment, recipe: Recipe, covered: Coverage | None = None
) -> Iterator[Tonight]:
    """Everyone who is a customer or lapsed lately, until the end of the block: a million are too many for one frame."""
    rows = _everybody(past, moment, recipe, covered)
    for columns in edited(past, moment):
        rows = rows.left_join(columns, "account_id").drop("account_id_right")
    engine, name = past.tables["accounts"].get_backend(), gen_name("tonight")
    kept = engine.create_table(name, rows.order_by("account_id"), temp=True)  # where neighbours are quickly found
    try:
        yield Tonight(kept, moment)
    finally:
        engine.drop_table(name)


def tonight(past: History, moment: Moment, recipe: Recipe, covered: Coverage | None = None) -> pd.DataFrame:
    """Everyone who is a customer or lapsed lately, with name, owner, `renews_on` and features. Sorted by `account_id`.

    `renews_on` is the day of a customer's next renewal, missing where none lies ahead, or no terms are given. The
    columns of `READ` are the segment as the accounts tell it today, and the plan of the running term that pays most.
    """
    return _shown(_everybody(past, moment, recipe, covered).order_by("account_id").to_pandas(), moment)


def _everybody(past: History, moment: Moment, recipe: Recipe, covered: Coverage | None) -> ir.Table:
    everyone = states(past, moment).filter(ibis._["state"] != "gone")
    accounts = past.known("accounts", moment)
    told = {"name": "name", "owner": "owner", "shown_segment": "segment"}
    about = {to: accounts[name] if name in accounts.columns else ibis.null("string") for to, name in told.items()}
    for shown in (accounts.select("account_id", **about), _plans(past, moment)):
        everyone = everyone.left_join(shown, "account_id").drop("account_id_right")
    features = build(past, moment, recipe, covered).drop("state", "since", "last_day")
    return everyone.left_join(features, "account_id").drop("account_id_right")


def _shown(frame: pd.DataFrame, moment: Moment) -> pd.DataFrame:
    shown = {name: _printable(frame[name]) for name in ("name", "owner", *READ)}
    ahead = pd.to_timedelta(frame.get(_RENEWAL, pd.Series(np.nan, index=frame.index)).round(), unit="D")
    renews_on = (pd.Timestamp(moment.as_of) + ahead).where(frame["state"] == "active")
    return frame.assign(root_id=frame["root_id"].fillna(frame["account_id"]), renews_on=renews_on, **shown)


def _plans(past: History, moment: Moment) -> ir.Table:
    """What each account is on: `account_id`, `shown_plan`. What is billed by use counts as paying nothing here."""
    if "subscriptions" not in past.tables:
        return past.known("accounts", moment).select("account_id", shown_plan=ibis.null("string"))
    running = terms(past, moment).filter(ibis._["ended_on"].isnull())
    plan = running["plan"] if "plan" in running.columns else ibis.null("string")
    rows = running.mutate(shown_plan=plan)
    # Beyond price and age the order means nothing, but it must not hang on the order of the rows.
    order = [ibis.desc(rows["mrr"].fill_null(0)), rows["started_on"], rows["shown_plan"]]
    place = ibis.row_number().over(group_by="account_id", order_by=order)
    return rows.mutate(_place=place).filter(ibis._["_place"] == 0).select("account_id", "shown_plan")


def _printable(text: pd.Series) -> pd.Series:
    """Text that may be shown, as `one_line` has it; None where nothing is left."""
    one_line = text.astype("string").str.replace(UNPRINTABLE, " ", regex=True).str.strip().str.slice(0, LONGEST)
    return one_line.astype(object).where(one_line.notna() & (one_line != ""), None)
