"""Who looked at the pages that people look at before they leave: prices, cancellation, refunds.

The settings group paths by glob patterns; every group gives the same features under its own name. What counts most is
who looks for the first time: where somebody reads the price list every month, one visit more says nothing.
"""

import functools
import operator
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Final

import ibis
import ibis.expr.types as ir

from features.catalogue import Feature, read_catalogue
from features.measures import age_days, exact_sum, in_window
from features.outages import Recorded
from features.timeline import Moment
from features.versions import History

__all__ = ["HALF_LIFE_DAYS", "LOOKBACK_DAYS", "WINDOWS", "compute", "in_groups", "listed"]

LOOKBACK_DAYS: Final = 364
HALF_LIFE_DAYS: Final = 14

WINDOWS: Final = (28, 84)

_RECENT: Final = 28

_STAYING: Final = frozenset({"documentation"})
_UNDIRECTED: Final = frozenset({"documentation", "billing"})
"""Groups that those who stay visit too."""

_LEAVING: Final = "leaving_page"
_PATTERN: Final = "GROUP"


def listed(groups: Iterable[str]) -> list[Feature]:
    """The features of each group of pages, then those of all groups together that are no documentation.

    The latter only where there are two such groups: of one they would say the same again.
    """
    groups = list(groups)
    found = []
    for group in groups:
        for pattern in read_catalogue("pages"):
            if _PATTERN in pattern.name:
                feature = pattern.for_group(group)
                found.append(replace(feature, direction=0) if group in _UNDIRECTED else feature)
    together = [group for group in groups if group not in _STAYING]
    if len(together) > 1:
        found += [pattern.for_group(*together) for pattern in read_catalogue("pages") if _PATTERN not in pattern.name]
    return found


def compute(
    history: History, spine: ir.Table, moment: Moment, recorded: Recorded, groups: Mapping[str, tuple[str, ...]]
) -> ir.Table:
    """Features of page visits for the accounts of the spine, one row each.

    `groups` maps a group's name to its glob patterns: `{"pricing": ("/pricing*", "/plans*")}`. A window that begins
    before the source did is missing, and so is one of which more than a quarter was lost.
    """
    together = [group for group in groups if group not in _STAYING]
    named = {group: [group] for group in groups} | ({_LEAVING: together} if together else {})
    visited = _by_group(_by_person(history, moment, groups), list(groups), named)
    found = visited.group_by("account_id").agg(
        **{
            f"{group}{name}": visited[name].max(where=visited["group"] == group)
            for group in named
            for name in visited.columns
            if name.startswith("_")
        }
    )
    joined = spine.select("account_id").left_join(found, "account_id").drop("account_id_right")
    columns: dict[str, ir.Value] = {}
    for group in groups:
        columns |= _features(joined, group, recorded)
    if together:
        columns[f"{_LEAVING}_visits_28"] = _visits(joined, _LEAVING, recorded, _RECENT)
    return joined.select("account_id", **columns)


def _by_person(history: History, moment: Moment, groups: Mapping[str, tuple[str, ...]]) -> ir.Table:
    """One pass over the visits of the lookback: a row for each account, person and set of groups.

    A visit may belong to several groups; `groups` holds a bit for each, in their order.
    """
    rows = history.known("page_visits", moment)
    rows = rows.filter(rows["visited_at"] >= moment.midnight - timedelta(days=LOOKBACK_DAYS))
    rows = rows.select(
        "account_id",
        user_id=rows["user_id"] if "user_id" in rows.columns else ibis.null("string"),
        age=age_days(rows["visited_at"], moment.as_of),
        groups=in_groups(rows["path"], groups),
    )
    rows = rows.filter(rows["groups"] > 0)
    age = rows["age"]
    fading = ibis.literal(0.5) ** (age / HALF_LIFE_DAYS)
    return rows.group_by("account_id", "user_id", "groups").agg(
        **{f"_{days}": in_window(age, 0, days).sum() for days in WINDOWS},
        _decayed=exact_sum(fading, ibis.literal(True)),
        _newest=age.min(),
        _first=age.max(where=age < _RECENT),
    )


def _by_group(people: ir.Table, order: list[str], named: Mapping[str, list[str]]) -> ir.Table:
    """One row for each account and name that it visited; a name stands for one of the groups or for several."""
    masks = {name: sum(2 ** order.index(group) for group in groups) for name, groups in named.items()}
    names = [(people["groups"] & mask > 0).ifelse(name, ibis.null("string")) for name, mask in masks.items()]
    rows = people.mutate(group=ibis.array(names).unnest())
    rows = rows.filter(rows["group"].notnull())
    return rows.group_by("account_id", "group").agg(
        **{f"_{days}": rows[f"_{days}"].sum() for days in WINDOWS},
        _decayed=exact_sum(rows["_decayed"], ibis.literal(True)),
        _newest=rows["_newest"].min(),
        _first=rows["_first"].max(),
        _people=rows["user_id"].nunique(where=rows["_newest"] < _RECENT),
    )


def _features(joined: ir.Table, group: str, recorded: Recorded) -> dict[str, ir.Value]:
    visits = joined[f"{group}_{_RECENT}"].fill_null(0)
    # Where visits name nobody, somebody still came.
    people = ibis.greatest(joined[f"{group}_people"].fill_null(0), (visits > 0).cast("int64"))
    is_known = recorded.covers(0, _RECENT)
    missing = ibis.null("int64")
    return {
        **{f"{group}_visits_{days}": _visits(joined, group, recorded, days) for days in WINDOWS},
        f"{group}_visits_decayed": _decayed(joined[f"{group}_decayed"].fill_null(0.0), recorded),
        f"{group}_visitors_28": people if is_known else missing,
        f"days_since_{group}": recorded.since(joined[f"{group}_newest"]),
        f"days_since_first_{group}": joined[f"{group}_first"] + 1,
    }


def _visits(joined: ir.Table, group: str, recorded: Recorded, days: int) -> ir.FloatingValue:
    if not recorded.covers(0, days):
        return ibis.null("float64")
    return recorded.counted(joined[f"{group}_{days}"].fill_null(0), 0, days)


def _decayed(amount: ir.FloatingValue, recorded: Recorded) -> ir.FloatingValue:
    """A decayed sum as it would be had no day been lost; a lost day weighs what a visit on it would have weighed."""
    whole, lost = (sum(0.5 ** (age / HALF_LIFE_DAYS) for age in ages) for ages in (range(LOOKBACK_DAYS), recorded.lost))
    if recorded.first < 83 or lost > whole / 4:
        return ibis.null("float64")
    return amount * (whole / (whole - lost)) if lost else amount


def in_groups(path: ir.StringValue, groups: Mapping[str, Sequence[str]]) -> ir.IntegerValue:
    """The groups that a path belongs to, as a bit for each in their order."""
    bits = [_fits(path, patterns).cast("int64") * 2**place for place, patterns in enumerate(groups.values())]
    return sum(bits[1:], bits[0])


def _fits(path: ir.StringValue, patterns: Sequence[str]) -> ir.BooleanValue:
    """Whether a path is one of the glob patterns; only `*` is special, since `?` and `[` are legal in paths.

    Most patterns end in their only `*`; to compare beginnings is many times faster than a regular expression.
    """
    exact = [pattern for pattern in patterns if "*" not in pattern]
    begins = [pattern for pattern in patterns if pattern.find("*") == len(pattern) - 1]
    others = [pattern for pattern in patterns if pattern not in {*exact, *begins}]
    tests = [path.isin(exact)] if exact else []
    tests += [path.startswith(pattern[:-1]) for pattern in begins]
    if others:
        regex = "|".join(".*".join(re.escape(part) for part in pattern.split("*")) for pattern in others)
        tests.append(path.re_search(f"^({regex})$"))
    return functools.reduce(operator.or_, tests)
