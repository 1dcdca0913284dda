"""docs/reasons.md: every sentence that the catalogue can say, in both languages, with values that might stand in it.

`make reasons` writes the page. Read it after every change of a catalogue: a sentence that reads badly here reads badly
to a customer success manager.
"""

from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Final

from features.build import listed
from features.catalogue import CASES, Case, Feature
from pipeline.wording import sentence

__all__ = ["PAGE", "page"]

PAGE = Path(__file__).resolve().parent.parent / "docs" / "reasons.md"
NIGHT = date(2026, 11, 2)

Value = float | str | None

TWO_ACCOUNTS: Final[Mapping[str, tuple[Value, Value]]] = {
    "active_days_28": (6.0, 20.0),
    "active_days_7": (2.0, 5.0),
    "active_days_84": (31.0, 58.0),
    "active_days_usual": (19.0, 17.0),
    "active_days_before_84": (52.0, 49.0),
    "days_since_use": (9.0, 2.0),
    "usual_gap_days": (2.0, 4.0),
    "longest_silence_84": (16.0, 4.0),
    "usage_7": (12.0, 340.0),
    "usage_28": (160.0, 1240.0),
    "usage_84": (1310.0, 3420.0),
    "usage_usual": (610.0, 1080.0),
    "active_users_28": (14.0, 41.0),
    "active_users_past": (31.0, 33.0),
    "seat_share": (0.28, 0.85),
    "main_user_share": (0.52, 0.34),
    "main_user_days_away": (24.0, 17.0),
    "main_user_cover": (0.2, 0.8),
    "event_kinds_28": (4.0, 9.0),
    "event_kinds_before": (9.0, 11.0),
    "event_kinds_lost": (5.0, 2.0),
    "broken_habits": (3.0, 2.0),
    "broken_habit": ("timesheet exported", "timesheet exported"),
    "days_since_broken_habit": (21.0, 16.0),
    "did_shift_published_times_28": (4.0, 31.0),
    "did_shift_published_times_usual": (26.0, 24.0),
    "days_to_first_use": (12.0, 3.0),
    "active_days_first_28": (4.0, 17.0),
    "users_first_28": (3.0, 22.0),
    "tickets_28": (4.0, 2.0),
    "tickets_84": (7.0, 5.0),
    "tickets_usual": (1.0, 3.0),
    "open_tickets": (3.0, 2.0),
    "oldest_open_days": (11.0, 2.0),
    "response_hours_84": (31.0, 2.0),
    "response_hours_usual": (3.0, 4.0),
    "longest_response_hours_84": (74.0, 5.0),
    "resolution_days_84": (9.0, 2.0),
    "resolution_days_usual": (2.0, 3.0),
    "negative_tickets_84": (4.0, 2.0),
    "days_since_negative_ticket": (6.0, 71.0),
    "toneless_tickets_364": (14.0, 1.0),
    "csat_84": (2.1, 4.6),
    "csat_usual": (4.2, 3.9),
    "repeat_tickets_84": (3.0, 2.0),
    "reopened_84": (2.0, 2.0),
    "tenure_days": (410.0, 1500.0),
    "days_since_go_live": (365.0, 1440.0),
    "days_to_renewal": (73.0, 290.0),
    "mrr": (940.0, 1240.0),
    "mrr_before_84": (1100.0, 980.0),
    "price_rise_84": (0.18, 0.04),
    "price_rise_364": (0.18, 0.04),
    "days_since_price_rise": (32.0, 80.0),
    "seats": (50.0, 48.0),
    "seats_before_84": (62.0, 40.0),
    "products": (3.0, 4.0),
    "products_under_notice": (2.0, 2.0),
    "plan_change_84": (-1.0, 1.0),
    "returns": (2.0, 2.0),
    "renewals_survived": (2.0, 5.0),
    "renewal_inferred": (0.0, 0.0),
    "renewal_by_hand": (0.0, 1.0),
    "renews_in_horizon": (1.0, 1.0),
    "plan": ("Pro", "Pro"),
    "billing_period": ("monthly", "annual"),
    "segment": ("small business", "enterprise"),
    "industry": ("retail", "health care"),
    "country": ("Spain", "Norway"),
    "accounts_tier": ("silver", "gold"),
    "nps_last": (4.0, 9.0),
    "nps_before": (8.0, 7.0),
    "days_since_nps_before": (204.0, 198.0),
    "survey_csat_last": (2.0, 5.0),
    "survey_csat_before": (4.0, 3.0),
    "days_since_survey_csat_before": (190.0, 185.0),
    "days_since_answer": (140.0, 30.0),
    "usual_answer_gap_days": (60.0, 90.0),
    "invoices_unpaid": (3.0, 2.0),
    "oldest_unpaid_days": (47.0, 33.0),
    "invoices_overdue": (2.0, 2.0),
    "oldest_overdue_days": (17.0, 3.0),
    "invoices_due_364": (12.0, 12.0),
    "invoices_late_364": (5.0, 2.0),
    "late_share_364": (5 / 12, 2 / 12),
    "days_late_364": (14.0, 3.0),
    "payment_failures_84": (3.0, 2.0),
    "payment_failures_364": (5.0, 2.0),
    "days_since_payment_failure": (8.0, 60.0),
    "pricing_visits_28": (5.0, 2.0),
    "pricing_visits_84": (8.0, 3.0),
    "pricing_visitors_28": (2.0, 2.0),
    "leaving_page_visits_28": (7.0, 3.0),
    "days_since_pricing": (3.0, 6.0),
    "days_since_first_pricing": (5.0, 20.0),
    "peer_churn_segment": (0.19, 0.03),
    "peer_churn_industry": (0.19, 0.03),
    "peer_churn_plan": (0.19, 0.03),
    "peer_trend_segment": (-0.12, 0.08),
    "peer_trend_industry": (-0.12, 0.08),
    "peer_trend_plan": (-0.12, 0.08),
    "usage_place": (0.12, 0.84),
    "detractor": (1.0, 1.0),
}
"""What is known of one account that does badly and of one that does well: sentences speak of several features."""

OF_UNIT: Final[Mapping[str, tuple[Value, Value]]] = {
    "days": (40.0, 25.0),
    "money": (1880.0, 240.0),
    "months": (3.0, 12.0),
}
"""The same for features that are not named."""


def page() -> str:
    """The page as Markdown."""
    lines = [
        "# What a reason says",
        "",
        "Every sentence of every feature, with made-up values, as `make reasons` writes it from the catalogue. It is",
        "chosen by case: whether the feature raises or lowers the risk of this account, whether its value is missing,",
        "nothing or one, whether a share is of more than the whole (over), and whether the account used it too rarely",
        "for anything to be usual (few). Features without a sentence of a case use the one for its direction.",
        "",
        "What is *normal* for an account, or *usual*, is what it did in the 84 days before the last 28, per 28 days.",
        "How long tickets usually take is the mean of the forty weeks before the last twelve. Where this is not known,",
        "because the account is too young or days were lost, the sentence goes without it.",
    ]
    features = listed(["pricing"], categories=["accounts.tier"], kinds=["shift_published"])
    for feature in features:
        if not feature.learned:
            continue
        about = [feature.meaning, feature.unit, feature.family.value, *([] if feature.quotable else ["for us alone"])]
        lines += ["", f"## {feature.name}", "", " · ".join(about), ""]
        for case, english, chinese in _sentences(feature, features):
            lines += [f"- *{case}*: {english}", f"  {chinese}"]
    return "\n".join(lines) + "\n"


def _sentences(feature: Feature, features: tuple[Feature, ...]) -> Iterator[tuple[Case, str, str]]:
    record = feature.as_record()
    for case in CASES:
        if case not in feature.words:
            continue
        account = 1 if case == "lowers" or (case == "one" and _known(feature, 1) == 1.0) else 0
        facts = {other.name: _known(other, account) for other in features}
        facts |= {"active_days_usual": 0.7, "usage_usual": 9.0} if case == "few" else {}
        facts |= {"active_users_28": 61.0} if case == "over" else {}
        values: Mapping[str, Value] = {"missing": None, "zero": 0.0, "one": 1.0, "over": 1.2}
        value = values.get(case, facts[feature.name])
        reason = {"value": value, "contribution": -0.4 if account else 0.4, "contradicts": False}
        said = [sentence(record, reason, facts, NIGHT, language) for language in ("en", "zh")]
        yield case, *(text or "(no sentence)" for text in said)


def _known(feature: Feature, account: int) -> Value:
    return TWO_ACCOUNTS.get(feature.name, OF_UNIT.get(feature.unit, (5.0, 2.0)))[account]


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
