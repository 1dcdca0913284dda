"""Leavers: the same lists, held against those who decided to go and those who were cut off.

A list that finds unpaid invoices early looks as good as one that finds the dissatisfied, and only the second is worth a
call. So where reasons are on record, what was found is counted for each reason apart.
"""

from dataclasses import dataclass
from typing import Any, Final

import pandas as pd

from models.bootstrap import DRAWS, Draws, Figure
from models.departures import count_departures
from models.evaluate import recalls
from models.lead_time import LeadTime, lead_times
from models.lists import Lists

__all__ = ["NOT_KNOWN", "Leavers", "by_end_reason"]

ORDER: Final = ("voluntary", "involuntary", "other")
NOT_KNOWN: Final = "not known"


@dataclass(frozen=True)
class Leavers:
    """Those who left for one reason. `recall` is the share that was on a list by score on at least one test date."""

    departures: int
    recall: Figure
    lead_times: tuple[LeadTime, ...]

    def as_record(self) -> dict[str, Any]:
        """The same as values that JSON can hold."""
        leads = [lead.as_record() for lead in self.lead_times]
        return {"departures": self.departures, "recall": self.recall.as_record(), "lead_times": leads}


def by_end_reason(rows: pd.DataFrame, lists: Lists, *, draws: int = DRAWS, seed: int = 7) -> dict[str, Leavers]:
    """The leavers of each reason; empty where no reason is on record.

    `rows` are all test rows: account_id, root_id, as_of, label, churn_on, mrr and perhaps end_reason; `lists` those of
    the whole company, for a list does not know why somebody will leave. Every departure stands under one reason.
    """
    label = rows["label"].to_numpy(bool)
    if "end_reason" not in rows or rows.loc[label, "end_reason"].isna().all():
        return {}
    reason = rows["end_reason"].astype(object).where(rows["end_reason"].notna(), NOT_KNOWN)
    others = sorted(set(reason[label]) - {*ORDER, NOT_KNOWN})
    drawn = Draws.of(rows["root_id"], draws, seed)
    found = {}
    for name in (*ORDER, *others, NOT_KNOWN):
        these = rows.assign(label=label & reason.eq(name).to_numpy(bool))
        if departures := count_departures(these):
            found[name] = Leavers(
                departures=departures,
                recall=recalls(these, lists, drawn)["recall"],
                lead_times=lead_times(these, lists.by_score, draws=draws, seed=seed),
            )
    return found
