"""Features of the people who use it a second time, one account at a time."""

from collections import defaultdict

from engine_companies import Row
from oracle_known import Values, log_ratio, quantity, share
from oracle_usage import Used

__all__ = ["people"]


def people(used: Used, account_id: str, values: Values) -> Values:
    seen = used.seen
    by_user: defaultdict[str, list[Row]] = defaultdict(list)
    for row in used.rows:
        if row["user_id"] is not None:
            by_user[row["user_id"]].append(row)

    def users(window: range) -> int:
        return sum(any(used.age(row) in window for row in rows) for rows in by_user.values())

    users_28 = used.distinct(users(range(28)), 28)
    had_past = used.observed >= 112 and not used.too_many_lost(range(84, 112))
    users_past = users(range(84, 112)) if had_past else None
    q_28 = used.counted(quantity(used.rows, seen, 0, 28), 28)
    return {
        "active_users_28": users_28,
        "active_users_past": users_past,
        "active_users_trend": log_ratio(users_28, users_past),
        "seat_share": share(users_28, values["seats"]),
        "usage_per_seat_28": share(q_28, values["seats"]),
        **main_user(used, by_user, account_id),
    }


def main_user(used: Used, by_user: dict[str, list[Row]], account_id: str) -> Values:
    """Who did most in the 84 days before the last 28; of equals the one seen last, then the first by name."""
    seen = used.seen
    work = {user: quantity(rows, seen, 28, 84) for user, rows in by_user.items()}
    newest = {user: min(used.age(row) for row in rows) for user, rows in by_user.items()}
    found: Values = dict.fromkeys(
        ("main_user_share", "main_user_days_away", "main_user_cover", "days_since_main_user_left")
    )
    able = [user for user in by_user if work[user] > 0]
    if not able:
        return found
    main = min(able, key=lambda user: (-work[user], newest[user], user))
    part = share(work[main], quantity(used.rows, seen, 28, 84))
    found["main_user_share"] = part and min(part, 1.0)
    away = found["main_user_days_away"] = used.since(newest[main])
    if away is not None and away >= 14:
        others = [quantity(rows, seen, 0, 28) for user, rows in by_user.items() if user != main]
        kept = 28 - len(used.lost & {*range(28)})
        best = max([0.0, *others]) * 28 / kept if kept >= 21 else None
        cover = share(best, used.per_28(work[main]))
        found["main_user_cover"] = cover if cover is None else min(cover, 1.0)
    left = [
        row["deactivated_at"]
        for row in seen.rows("users", account_id)
        if row["user_id"] == main and row["deactivated_at"] is not None and row["deactivated_at"] >= row["created_at"]
    ]
    found["days_since_main_user_left"] = seen.age(max(left)) + 1 if left else None
    return found
