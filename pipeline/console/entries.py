"""Entries: the calls of a list and the rows below it, with all that is said of them in the reader's language."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from pipeline.amounts import Language
from pipeline.headline import by_rules
from pipeline.people.actions import Action
from pipeline.plays import Play, suggested, suggested_for
from pipeline.printable import one_line
from pipeline.resting import Return
from pipeline.store.lines import Line
from pipeline.store.nights import AccountNight, Night
from pipeline.week import Listed
from pipeline.wording import Sentence, all_sentences, top_sentences

__all__ = ["Item", "Row", "Writer", "title"]

_REASONS: Final = 2
_FACTS: Final = 3
"""What is said of a new customer, who has no risk to give reasons for."""


@dataclass(frozen=True)
class Item:
    """One call of a list.

    `risk` and `risk_before` (a week ago) are None where rules order the book, `mrr` where it is not known. `accounts`
    counts those of one parent, of which `account_id` has the greatest risk; `mrr` is of all, the reasons are its own.
    """

    account_id: str
    title: str
    name: str
    owner: str | None
    band: str
    is_new: bool
    risk: float | None
    risk_before: float | None
    compared_with: date | None
    mrr: float | None
    renews_on: date | None
    accounts: int
    reasons: tuple[str, ...]
    early: Return | None
    last_action: Action | None
    play: Play | None


@dataclass(frozen=True)
class Row:
    """One line below the list: an account that takes no call now, and why."""

    title: str
    line: Line
    told: tuple[str, ...] = ()
    why: str = ""
    action: Action | None = None
    play: Play | None = None
    owner: str | None = None


@dataclass(frozen=True)
class Writer:
    """Writes them, of one night, for one reader. `words` is the catalogue of the night."""

    night: Night
    words: Mapping[str, Any]
    language: Language
    plays: tuple[Play, ...]

    @property
    def has_numbers(self) -> bool:
        """Whether there are odds: what rules make of an account is an order, and as a number would look like more."""
        return by_rules(self.night.headline) is None

    def item(self, entry: Listed) -> Item:
        """One call."""
        worst = entry.account
        said = top_sentences(worst.reasons, self.words["features"], worst.facts, self.night.as_of, self.language)
        before, since = self._week_ago(worst)
        return Item(
            account_id=worst.account_id,
            title=title(entry.lines),
            name=one_line(worst.name or worst.account_id),
            owner=worst.owner,
            band=worst.band or "low",
            is_new=entry.is_new,
            risk=worst.risk if self.has_numbers else None,
            risk_before=before,
            compared_with=since,
            mrr=entry.mrr,
            renews_on=worst.renews_on,
            accounts=len(entry.lines),
            reasons=tuple(one_line(each.text) for each in said),
            early=entry.early,
            last_action=entry.last_action,
            play=self._play(said, worst),
        )

    def facts(self, account: AccountNight) -> tuple[str, ...]:
        """What is known of a new customer: what they do first, then what they are; nothing of what is not known."""
        features = self.words["features"]
        known = [each for each in account.reasons if each["value"] is not None]
        said = all_sentences(known, features, account.facts, self.night.as_of, self.language)
        use_first = sorted(said, key=lambda each: each.family != "usage")
        return tuple(one_line(each.text) for each in use_first[:_FACTS])

    def payment(self, account: AccountNight) -> tuple[str, ...]:
        """Why an account is to be reminded: what there is to say of its payments."""
        features = self.words["features"]
        billed = [each for each in account.reasons if each["family"] == "billing" and each["contribution"] > 0]
        said = all_sentences(billed, features, account.facts, self.night.as_of, self.language)[:_REASONS]
        return tuple(one_line(each.text) for each in said)

    def reminder(self, account: AccountNight) -> Play | None:
        """What to do about an account that takes no call."""
        return suggested(self.plays, account.families, call=False).first

    def _play(self, said: Sequence[Sentence], worst: AccountNight) -> Play | None:
        """What to do about the reasons that are said, so that the suggestion follows from what stands above it."""
        return suggested_for(self.plays, ((each.family, each.contribution) for each in said), worst.families).first

    def _week_ago(self, worst: AccountNight) -> tuple[float | None, date | None]:
        """The risk of a week ago, as far as tonight's model can tell, and the night that is compared with."""
        moved = (worst.change_time, worst.change_data, worst.change_model)
        since = self.night.headline.get("compared_with") if None not in moved else None
        if since is None or not self.has_numbers:
            return None, None
        log_odds = (worst.log_odds or 0.0) - math.fsum(part or 0.0 for part in moved)
        return 1 / (1 + math.exp(-log_odds)), date.fromisoformat(since)


def title(lines: Sequence[Line]) -> str:
    """What an entry is called: by the name of the parent where it has several accounts."""
    worst = lines[0]
    name = worst.entry_name if len(lines) > 1 else worst.name
    return one_line(name or worst.name or worst.account_id)
