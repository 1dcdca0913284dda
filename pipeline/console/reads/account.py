"""One account: how it stands, why, how it came to that, what happened to it and what people did."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date
from typing import Any, Final

from sqlalchemy import Connection

from pipeline.amounts import Language
from pipeline.people.actions import Action, Note, Outcome, actions_of, notes_of, outcomes_of
from pipeline.people.forgotten import PSEUDONYM
from pipeline.plays import Play, Suggestion, suggested_for
from pipeline.printable import one_line
from pipeline.standing import Change, Renewal, change_of, has_number, renewal_of
from pipeline.store.evidence import AccountEvidence, Peers, evidence_of
from pipeline.store.nights import AccountNight, LastScore, Night, account, catalogue, last_score, night
from pipeline.store.trend import Trend, trend
from pipeline.waterfall import Step, waterfall
from pipeline.wording import Sentence, all_sentences, top_sentences

__all__ = [
    "Deeds",
    "Happening",
    "Shown",
    "account_of",
    "deeds_of",
    "happenings",
    "suggestion_for",
]

GONE: Final = "gone"
"""The state of who is no customer any more, beside those that nights know."""

_NEGATIVE: Final = -0.3
_POSITIVE: Final = 0.3
"""From there on a ticket sounds fed up, or content, as the features have it."""


@dataclass(frozen=True)
class Shown:
    """One account as its page shows it.

    `night` is the one that is looked at; `account` is as that night has it or, where that gives no risk any more, as
    the last one did that gave one: then `scored_on` is older, and `last` tells of it. `state`, `owner`, `mrr` and
    `last_day` are those of the night, where it knows the account; else the state is *gone*.
    """

    night: Night
    account: AccountNight
    state: str
    owner: str | None
    mrr: float | None
    last_day: date | None
    scored_on: date
    last: LastScore | None
    words: Mapping[str, Any]
    has_number: bool
    change: Change | None
    renewal: Renewal | None
    raising: tuple[Sentence, ...]
    staying: tuple[Sentence, ...]
    steps: tuple[Step, ...]
    trend: Trend
    evidence: AccountEvidence | None
    peers: Peers | None

    @property
    def called(self) -> str:
        """Its name, or its id where it has none."""
        return one_line(self.account.name or self.account.account_id)

    @property
    def is_scored(self) -> bool:
        """Whether there is a score to explain: of this night, or a last one."""
        return self.account.risk is not None


@dataclass(frozen=True)
class Deeds:
    """What people did about an account and wrote, each the newest first."""

    actions: Sequence[Action] = ()
    outcomes: Sequence[Outcome] = ()
    notes: Sequence[Note] = ()


@dataclass(frozen=True)
class Happening:
    """Something that happened on a day: what kind of thing, and the values of its text."""

    day: date
    kind: str
    values: Mapping[str, Any] = field(default_factory=dict)


def account_of(connection: Connection, of: Night, account_id: str, language: Language) -> Shown | None:
    """An account in a night, or its last score where the night gives none; None for one that is not there.

    Who was forgotten is not there either, under no name.
    """
    if account_id.startswith(PSEUDONYM):
        return None
    tonight = account(connection, of, account_id)
    last = None if tonight is not None and tonight.risk is not None else last_score(connection, account_id)
    found = last.account if last is not None else tonight
    if found is None:
        return None
    scored_on = of.as_of if last is None else last.as_of
    words = catalogue(connection, of) if last is None else last.words
    scored_in = of if last is None else night(connection, last.as_of)
    said = all_sentences(found.reasons, words["features"], found.facts, scored_on, language)
    is_risk = has_number(found, scored_in or of)  # of a night that is kept no longer nobody says who ordered it
    evidence = None if scored_in is None else evidence_of(connection, scored_in, account_id)
    return Shown(
        night=of,
        account=found,
        state=tonight.state if tonight is not None else GONE,
        owner=(tonight or found).owner,
        mrr=(tonight or found).mrr,
        last_day=(tonight or found).last_day,
        scored_on=scored_on,
        last=last,
        words=words,
        has_number=is_risk,
        change=change_of(found, of) if last is None and is_risk else None,
        renewal=renewal_of(found, of.as_of) if tonight is not None and last is None else None,
        raising=tuple(each for each in said if each.contribution > 0),
        staying=tuple(each for each in said if each.contribution < 0),
        steps=waterfall(found, said),
        trend=trend(connection, account_id, scored_on) if is_risk else Trend((), ()),
        evidence=evidence,
        peers=None if evidence is None else _peers(found, evidence.peers),
    )


def _peers(found: AccountNight, groups: Sequence[Peers]) -> Peers | None:
    """The customers of its segment, where that is known and large enough, else all; None where none are told."""
    segment = found.segment or found.facts.get("segment")
    return next((group for group in groups if group.segment == segment), groups[0] if groups else None)


def deeds_of(people: Connection, account_id: str) -> Deeds:
    """What people did about it and wrote."""
    return Deeds(actions_of(people, account_id), outcomes_of(people, account_id), notes_of(people, account_id))


def suggestion_for(shown: Shown, plays: tuple[Play, ...]) -> Suggestion:
    """The plays for its reasons, the first as on the list; none for who gave notice, has left, or has a low risk."""
    if shown.last is not None or not shown.is_scored or shown.account.band not in {"medium", "high"}:
        return Suggestion(None, ())
    account = shown.account
    said = top_sentences(account.reasons, shown.words["features"], account.facts, shown.scored_on)
    takes_call = shown.state != "payment"
    return suggested_for(plays, ((each.family, each.contribution) for each in said), account.families, call=takes_call)


def happenings(shown: Shown, deeds: Deeds) -> list[Happening]:
    """All that happened to an account and was done about it in the year that is shown, the newest first."""
    every = [*_seen(shown.evidence), *_done(deeds), *(Happening(day, "model") for day in shown.trend.new_models)]
    return sorted(every, key=lambda each: (each.day, each.kind), reverse=True)


def _seen(evidence: AccountEvidence | None) -> Iterator[Happening]:
    if evidence is None:
        return
    for ticket in evidence.tickets:
        days = None if ticket.resolved_at is None else (ticket.resolved_at - ticket.opened_at).days
        told = {"mood": mood(ticket.mood), "excerpt": one_line(ticket.excerpt or ""), "days": days}
        yield Happening(ticket.opened_at.date(), "ticket", told)
    for visit in evidence.visits:
        yield Happening(visit.day, "visits", {"group": visit.group, "visits": visit.visits, "people": visit.people})
    for change in evidence.changes:
        yield Happening(change.day, "terms", {"change": change})
    for day in evidence.renewals:
        yield Happening(day, "renewal")


def _done(deeds: Deeds) -> Iterator[Happening]:
    for action in deeds.actions:
        yield Happening(action.at.astimezone(UTC).date(), action.kind, {"action": action})
    for outcome in deeds.outcomes:
        yield Happening(outcome.at.astimezone(UTC).date(), "outcome", {"outcome": outcome})


def mood(sentiment: float | None) -> str:
    """How a ticket sounds, by the sentiment of its words.

    >>> [mood(sentiment) for sentiment in (-0.5, 0.0, 0.6, None)]
    ['upset', 'calm', 'pleased', 'unjudged']
    """
    if sentiment is None:
        return "unjudged"
    return "upset" if sentiment < _NEGATIVE else "pleased" if sentiment > _POSITIVE else "calm"
