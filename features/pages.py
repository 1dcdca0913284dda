"""Who looked at the pages that people look at before they leave: prices, cancellation, refunds.

The settings group paths by glob patterns; every group gives the same features under its own name.
"""

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Final

import ibis.expr.types as ir

from features.measures import age_days, in_window
from features.timeline import Moment
from features.versions import History

__all__ = ["LOOKBACK_DAYS", "compute"]

LOOKBACK_DAYS: Final = 364


def compute(history: History, spine: ir.Table, moment: Moment, groups: Mapping[str, tuple[str, ...]]) -> ir.Table:
    """Features of page visits for the accounts of the spine, one row each.

    `groups` maps a group's name to its glob patterns: `{"pricing": ("/pricing*", "/plans*")}`.
    """
    rows = history.known("page_visits", moment)
    rows = rows.filter(rows["visited_at"] >= moment.midnight - timedelta(days=LOOKBACK_DAYS))
    rows = rows.mutate(age=age_days(rows["visited_at"], moment.as_of))
    columns: dict[str, ir.Value] = {}
    for group, patterns in groups.items():
        fits = rows["path"].re_search(_regex(patterns))
        columns[f"{group}_visits_28"] = (fits & in_window(rows["age"], 0, 28)).sum()
        columns[f"{group}_visits_84"] = (fits & in_window(rows["age"], 0, 84)).sum()
        columns[f"{group}_visits_before"] = (fits & (rows["age"] >= 28)).sum()
        columns[f"days_since_{group}"] = (rows["age"] + 1).min(where=fits)
        if "user_id" in rows.columns:
            columns[f"{group}_visitors_28"] = rows["user_id"].nunique(where=fits & in_window(rows["age"], 0, 28))
    found = rows.group_by("account_id").agg(**columns)
    joined = spine.select("account_id").left_join(found, "account_id").drop("account_id_right")
    counts = [name for name in columns if not name.startswith("days_since_")]
    return joined.mutate(**{name: joined[name].fill_null(0) for name in counts})


def _regex(patterns: tuple[str, ...]) -> str:
    """One anchored expression for glob patterns; only `*` is special, since `?` and `[` are legal in paths."""
    return "^(" + "|".join(".*".join(re.escape(part) for part in pattern.split("*")) for pattern in patterns) + ")$"
