"""Features of an account's first weeks a second time, one account at a time."""

from oracle_known import Values, share
from oracle_usage import Used

__all__ = ["onboarding"]

NAMES = (
    "days_to_first_use",
    "active_days_first_28",
    "users_first_28",
    "seat_share_first_28",
)


def onboarding(used: Used, values: Values) -> Values:
    found: Values = dict.fromkeys(NAMES)
    start = values["since"]
    if values["went_live_on"] is not None:
        start = max(start, values["went_live_on"])
    life = (used.seen.as_of - start).days
    if life > min(224, used.covered):
        return found
    # The first day of the account has the age life - 1.
    first = range(life - 28, life)
    on_or_after = [age for age in used.ages if age < life]
    waited = life - 1 - max(on_or_after) if on_or_after else life
    waited = 0 if len(on_or_after) < len(used.ages) else waited
    if not used.too_many_lost(range(life - waited, life)):
        found["days_to_first_use"] = waited
    if life >= 28 and not used.too_many_lost(first):
        people = {row["user_id"] for row in used.rows if used.age(row) >= life - 28} - {None}
        found["active_days_first_28"] = used.days(first) * 28 / (28 - len(used.lost & {*first}))
        found["users_first_28"] = len(people)
        found["seat_share_first_28"] = share(len(people), values["seats"])
    return found
