"""Features of page visits a second time, one account at a time."""

from collections.abc import Mapping
from fnmatch import fnmatchcase

from engine_companies import Row
from oracle_known import Known, Values, in_thousandths

__all__ = ["Groups", "pages"]

Groups = Mapping[str, tuple[str, ...]]


def pages(seen: Known, account_id: str, groups: Groups) -> Values:
    recorded = max((seen.age(row["visited_at"]) + 1 for row in seen.rows("page_visits")), default=0)
    rows = [row for row in seen.rows("page_visits", account_id) if seen.age(row["visited_at"]) < 364]
    values = {}
    for group, patterns in groups.items():
        values |= of_group(group, [row for row in rows if fits(row, patterns)], seen, recorded)
    leaving = [pattern for group in groups.keys() - {"documentation"} for pattern in groups[group]]
    together = [row for row in rows if fits(row, leaving) and seen.age(row["visited_at"]) < 28]
    return values | {"leaving_page_visits_28": len(together) if recorded >= 28 else None}


def fits(row: Row, patterns: tuple[str, ...] | list[str]) -> bool:
    return any(fnmatchcase(row["path"], pattern) for pattern in patterns)


def of_group(group: str, rows: list[Row], seen: Known, recorded: int) -> Values:
    ages = [seen.age(row["visited_at"]) for row in rows]
    recent = [row for row in rows if seen.age(row["visited_at"]) < 28]
    people = len({row["user_id"] for row in recent} - {None}) or min(len(recent), 1)
    fading = sum(in_thousandths(0.5 ** (age / 14)) for age in ages)
    return {
        f"{group}_visits_28": sum(age < 28 for age in ages) if recorded >= 28 else None,
        f"{group}_visits_84": sum(age < 84 for age in ages) if recorded >= 84 else None,
        f"{group}_visits_decayed": fading if recorded >= 84 else None,
        f"{group}_visitors_28": people if recorded >= 28 else None,
        f"days_since_{group}": min(ages) + 1 if ages else None,
        f"days_since_first_{group}": max(age for age in ages if age < 28) + 1 if recent else None,
    }
