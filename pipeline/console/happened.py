"""What happened to an account, in words: a line for each thing, and the sign that the timeline gives it."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from pipeline.amounts import Language, percent, plain_day
from pipeline.console.reads.account import Happening
from pipeline.console.texts import Text, every_text
from pipeline.people.actions import Action
from pipeline.printable import one_line
from pipeline.reason_families import FAMILIES
from pipeline.store.evidence import TermsChange

__all__ = ["Line", "group_name", "in_words"]

LANES: Final[Mapping[str, str]] = {
    "ticket": "tickets",
    "visits": "visits",
    "terms": "terms",
    "renewal": "terms",
    "called": "deeds",
    "later": "deeds",
    "not_a_risk": "deeds",
    "outcome": "deeds",
}
"""The lane of the timeline in which a kind of thing is shown; what is absent stands in the list alone."""

_BETWEEN: Final[Mapping[Language, str]] = {"en": " · ", "zh": " · "}


@dataclass(frozen=True)
class Line:
    """One thing that happened. `sign` is the class of its sign; what is `internal` may not be said to the customer."""

    day: date
    kind: str
    words: str
    by: str = ""
    lane: str | None = None
    sign: str = ""
    internal: bool = False


def in_words(happened: Iterable[Happening], t: Text, as_of: date, language: Language) -> list[Line]:
    """Each thing in words, in the same order."""
    write = _Writer(t, as_of, language)
    return [write.line(each) for each in happened]


def group_name(group: str, t: Text) -> str:
    """What a group of pages is called: those that the settings propose have names, others their own."""
    return (
        t(f"account.group_{group}") if f"account.group_{group}" in every_text() else one_line(group.replace("_", " "))
    )


@dataclass(frozen=True)
class _Writer:
    t: Text
    as_of: date
    language: Language

    def line(self, each: Happening) -> Line:
        words: list[str] = []
        sign, by = each.kind, ""
        match each.kind:
            case "ticket":
                words, sign = self._ticket(each.values), str(each.values["mood"])
            case "visits":
                words = [self._visits(each.values)]
            case "terms":
                change: TermsChange = each.values["change"]
                words, sign = list(self._terms(change)), _direction(change)
            case "renewal":
                words = [self.t("account.renewed")]
            case "model":
                words = [self.t("account.another_model")]
            case "outcome":
                outcome = each.values["outcome"]
                words, by = [self.t(f"account.{outcome.outcome}")], outcome.by_name or outcome.by
            case _:
                action: Action = each.values["action"]
                words, by = list(self._action(action)), action.by_name or action.by
        together = _BETWEEN[self.language].join(words)
        return Line(each.day, each.kind, together, by, LANES.get(each.kind), sign, each.kind == "visits")

    def _ticket(self, told: Mapping[str, Any]) -> list[str]:
        days = told["days"]
        solved = self.t("account.ticket_open") if days is None else self.t("account.ticket_same_day")
        if days:
            solved = self.t("account.ticket_solved", n=days)
        quoted = [f"“{told['excerpt']}”"] if told["excerpt"] else []
        return [self.t(f"account.mood_{told['mood']}"), solved, *quoted]

    def _visits(self, told: Mapping[str, Any]) -> str:
        return self.t(
            "account.visited",
            people=self.t("account.people_n", n=told["people"]),
            group=group_name(told["group"], self.t),
            visits=self.t("account.visits_n", n=told["visits"]),
        )

    def _terms(self, change: TermsChange) -> Iterator[str]:
        if not change.terms_before:
            yield self.t("account.began")
        if not change.terms:
            yield self.t("account.ended")
        before, after = change.mrr_before, change.mrr
        if before is not None and after is not None and before != after and change.terms_before and change.terms:
            rose = after > before
            told = self.t(
                "account.price_rose" if rose else "account.price_fell", before=f"{before:,.0f}", after=f"{after:,.0f}"
            )
            moved = percent(abs(after / before - 1), self.language) if before > 0 else ""
            signed = f"{'+' if rose else '−'}{moved}"
            yield self.t("account.price_share", told=told, share=signed) if moved else told
        if _differ(change.seats_before, change.seats):
            yield self.t("account.seats", before=f"{change.seats_before:,.0f}", after=f"{change.seats:,.0f}")
        if _differ(change.plan_before, change.plan):
            before_plan, after_plan = one_line(change.plan_before or ""), one_line(change.plan or "")
            yield self.t("account.plan", before=before_plan, after=after_plan)
        if change.terms_before and change.terms and not _is_told(change):
            yield self.t("account.terms_changed")

    def _action(self, action: Action) -> Iterator[str]:
        if action.reached is not None:
            yield self.t("account.reached" if action.reached else "account.not_reached")
        if action.said is not None:
            called = FAMILIES[action.said][self.language] if action.said in FAMILIES else self.t("account.said_other")
            yield self.t("account.said", said=called)
        if action.why is not None:
            yield self.t(f"account.why_{action.why}")
        if action.next_step:
            yield self.t("account.next_step", step=action.next_step)
        if action.next_on is not None and action.kind == "called":
            yield self.t("account.next_on", day=plain_day(action.next_on, self.as_of, self.language))
        elif action.rests_until is not None:
            yield self.t("account.rests_until", day=plain_day(action.rests_until, self.as_of, self.language))


def _differ(before: object, after: object) -> bool:
    return before is not None and after is not None and before != after


def _is_told(change: TermsChange) -> bool:
    pairs = ((change.mrr_before, change.mrr), (change.seats_before, change.seats), (change.plan_before, change.plan))
    return any(_differ(*pair) for pair in pairs)


def _direction(change: TermsChange) -> str:
    """Whether the price rose, which is what a term's change is looked at for first."""
    if change.mrr is None or change.mrr_before is None or change.mrr == change.mrr_before:
        return "terms"
    return "rose" if change.mrr > change.mrr_before else "fell"
