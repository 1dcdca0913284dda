"""Features of support a second time, one account at a time."""

from collections.abc import Callable
from datetime import datetime, time
from statistics import fmean
from typing import Any

from engine_companies import Row
from oracle_known import Known, Values, in_thousandths, log_ratio, mean, per_28

from features.sentiment import ASPECTS

__all__ = ["support"]


def support(seen: Known, account_id: str, values: Values) -> Values:
    ever = [seen.age(row["opened_at"]) for row in seen.rows("tickets")]
    rows = [row for row in seen.rows("tickets", account_id) if seen.age(row["opened_at"]) < 364]
    ages = {id(row): seen.age(row["opened_at"]) for row in rows}
    covered = max(ever, default=-1) + 1

    def opened(start: int, end: int) -> list[Row]:
        return [row for row in rows if start <= ages[id(row)] < end]

    def seen_for(days: int, amount: Any) -> Any:
        """Missing where the table begins inside the window, and later than the account."""
        return None if covered < min(days, values["tenure_days"]) else amount

    recent, quarter, earlier = opened(0, 28), opened(0, 84), opened(84, 364)
    is_open = [row for row in rows if row["resolved_at"] is None]
    observed = max(min(values["tenure_days"], covered), *[age + 1 for age in ages.values()], 0)
    usual = per_28(len(opened(28, 112)), observed)
    tickets_28 = seen_for(28, len(recent))
    response, resolution = waits(seen, "first_response_at", 3600), waits(seen, "resolved_at", 86_400)
    oldest = max((ages[id(row)] + 1 for row in is_open), default=None)
    usual_days = average(map(resolution, earlier))
    return {
        "tickets_28": tickets_28,
        "tickets_84": seen_for(84, len(quarter)),
        "tickets_usual": usual,
        "tickets_trend": log_ratio(tickets_28, usual),
        "repeat_tickets_84": seen_for(84, repeats(ages.values())),
        "open_tickets": seen_for(1, len(is_open)),
        "oldest_open_days": seen_for(1, oldest or 0),
        "reopened_84": seen_for(84, sum((row["reopened_count"] or 0) > 0 for row in quarter)),
        "response_hours_84": average(map(response, quarter)),
        "response_hours_usual": average(map(response, earlier)),
        "response_hours_trend": log_ratio(average(map(response, quarter)), average(map(response, earlier))),
        "longest_response_hours_84": max(map(response, quarter), default=None),
        "resolution_days_84": average(map(resolution, quarter)),
        "resolution_days_usual": usual_days,
        "resolution_days_trend": log_ratio(average(map(resolution, quarter)), usual_days),
        **mood(seen, opened, seen_for),
        **topics(seen, opened, seen_for),
        **ratings(opened),
    }


def average(values: Any) -> float | None:
    there = list(values)
    return fmean(there) if there else None


def waits(seen: Known, name: str, unit: float) -> Callable[[Row], float]:
    """How long a ticket waited, in whole seconds; until now where it still waits."""
    midnight = datetime.combine(seen.as_of, time.min)

    def waited(row: Row) -> float:
        until = (row[name] or midnight).replace(microsecond=0)
        return max((until - row["opened_at"].replace(microsecond=0)).total_seconds(), 0) / unit

    return waited


def repeats(ages: Any) -> int:
    """Tickets with an earlier one on the same day or in the seven days before it; days go from the oldest."""
    found = 0
    before: list[int] = []
    for age in sorted(ages, reverse=True):
        found += age < 84 and any(earlier - age <= 7 for earlier in before)
        before.append(age)
    return found


def said(seen: Known, ticket: Row) -> list[tuple[str | None, float | None, int | None]]:
    """The texts of a ticket's customer with mood and aspects, each text once."""
    sent = [row for row in seen.rows("ticket_messages") if row["ticket_id"] == ticket["ticket_id"]]
    texts = [ticket, *[row for row in sent if row["author"] == "customer"]]
    return list(
        {row.get("text"): (row.get("text"), row.get("sentiment"), row.get("aspects")) for row in texts}.values()
    )


def mood(seen: Known, opened: Callable[[int, int], list[Row]], seen_for: Callable[[int, Any], Any]) -> Values:
    def moods(ticket: Row) -> list[float]:
        return [in_thousandths(sentiment) for _, sentiment, _ in said(seen, ticket) if sentiment is not None]

    def read(start: int, end: int) -> list[list[float]]:
        return [found for row in opened(start, end) if (found := moods(row))]

    def average_mood(start: int, end: int) -> float | None:
        return mean(map(fmean, read(start, end)))

    def unhappy(end: int) -> list[int]:
        return [seen.age(row["opened_at"]) for row in opened(0, end) if min(moods(row), default=0) < -0.3]

    def judged(end: int, amount: Any) -> Any:
        """Missing where there are tickets but the tone of none was judged."""
        return None if opened(0, end) and not read(0, end) else amount

    enough = min(len(read(0, 42)), len(read(42, 210))) >= 2
    last = min(unhappy(364), default=None)
    return {
        "sentiment_84": average_mood(0, 84),
        "sentiment_worst_28": min(map(min, read(0, 28)), default=None),
        "sentiment_trend": (average_mood(0, 42) or 0) - (average_mood(42, 210) or 0) if enough else None,
        "negative_tickets_84": judged(84, seen_for(84, len(unhappy(84)))),
        "negative_tickets_decayed": judged(
            364, seen_for(84, sum(in_thousandths(0.5 ** (age / 28)) for age in unhappy(364)))
        ),
        "days_since_negative_ticket": None if last is None else last + 1,
        "toneless_tickets_364": len(opened(0, 364)) - len(read(0, 364)) or None,
    }


def topics(seen: Known, opened: Callable[[int, int], list[Row]], seen_for: Callable[[int, Any], Any]) -> Values:
    """In how many tickets of the last 84 days each aspect comes up."""
    quarter = [[bits for _, _, bits in said(seen, row) if bits is not None] for row in opened(0, 84)]
    is_unread = bool(quarter) and not any(quarter)

    def speaking_of(place: int) -> int:
        return sum(any(bits >> place & 1 for bits in ticket) for ticket in quarter)

    return {
        f"{aspect}_tickets_84": None if is_unread else seen_for(84, speaking_of(place))
        for place, aspect in enumerate(ASPECTS)
    }


def ratings(opened: Callable[[int, int], list[Row]]) -> Values:
    def rated(start: int, end: int) -> list[Row]:
        return [row for row in opened(start, end) if row["csat"] is not None]

    now = mean(row["csat"] for row in rated(0, 84))
    usual = mean(row["csat"] for row in rated(84, 364))
    return {
        "csat_84": now,
        "csat_usual": usual,
        "csat_change": None if now is None or usual is None else now - usual,
    }
