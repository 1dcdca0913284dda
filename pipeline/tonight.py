"""Tonight: everybody there is to speak of, with all that is known of them."""

import ibis
import pandas as pd

from features.build import Recipe, build
from features.cohort import states
from features.outages import Coverage
from features.timeline import Moment
from features.versions import History
from pipeline.printable import LONGEST, UNPRINTABLE

__all__ = ["tonight"]


def tonight(past: History, moment: Moment, recipe: Recipe, covered: Coverage | None = None) -> pd.DataFrame:
    """Everyone who is a customer or lapsed lately, with name, owner and features. Sorted by `account_id`."""
    everyone = states(past, moment).filter(ibis._["state"] != "gone")
    accounts = past.known("accounts", moment)
    about = {name: accounts[name] if name in accounts.columns else ibis.null("string") for name in ("name", "owner")}
    everyone = everyone.left_join(accounts.select("account_id", **about), "account_id").drop("account_id_right")
    features = build(past, moment, recipe, covered).drop("state", "since", "last_day")
    rows = everyone.left_join(features, "account_id").drop("account_id_right")
    frame: pd.DataFrame = rows.order_by("account_id").to_pandas()
    shown = {name: _printable(frame[name]) for name in about}
    return frame.assign(root_id=frame["root_id"].fillna(frame["account_id"]), **shown)


def _printable(text: pd.Series) -> pd.Series:
    """Text that may be shown, as `one_line` has it; None where nothing is left."""
    one_line = text.astype("string").str.replace(UNPRINTABLE, " ", regex=True).str.strip().str.slice(0, LONGEST)
    return one_line.astype(object).where(one_line.notna() & (one_line != ""), None)
