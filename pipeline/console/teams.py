"""What is known of all books of a night together, remembered: a published night does not change.

To add up a million accounts, or to hold two such nights against each other, takes far longer than a page may. So it is
done for who asks first, and kept under the id of the run that published the night. Ids and figures are kept and no
names: whoever is forgotten meanwhile is not told from memory.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy import Connection

from pipeline.console.memory import Memory
from pipeline.last_week import Began, began
from pipeline.lost import NotYet, Said, said_before
from pipeline.people.forgotten import PSEUDONYM
from pipeline.store.nights import Night
from pipeline.store.totals import BY, By, Total, totals
from pipeline.unlisted import Unlisted, unlisted

__all__ = ["Teams"]


@dataclass(frozen=True)
class Teams:
    """The answers for the nights that were asked for lately."""

    _totals: Memory[Mapping[By, list[Total]]] = field(default_factory=Memory)
    _said: Memory[Said | NotYet] = field(default_factory=Memory)
    _unlisted: Memory[Unlisted | None] = field(default_factory=Memory)
    _began: Memory[Mapping[str | None, tuple[Began, ...]]] = field(default_factory=Memory)

    def totals(self, published: Connection, of: Night) -> Mapping[By, list[Total]]:
        """The totals of a night by owner, segment, plan and family of reasons."""
        return self._totals.get(of.run_id, lambda: {by: totals(published, of, by, PSEUDONYM) for by in BY})

    def said(self, published: Connection, of: Night) -> Said | NotYet:
        """What an earlier night said would be lost by that one, and what was."""
        return self._said.get(of.run_id, lambda: said_before(published, of))

    def unlisted(
        self, published: Connection, people: Connection, of: Night, *, days: int, calls_per_week: int
    ) -> Unlisted | None:
        """Who left in so many days up to a night without ever having been listed."""
        rules = {"days": days, "calls_per_week": calls_per_week}
        key = (of.run_id, days, calls_per_week)
        return self._unlisted.get(key, lambda: unlisted(published, people, of, **rules))

    def began(
        self, published: Connection, people: Connection, of: Night, calls_per_week: int
    ) -> Mapping[str | None, tuple[Began, ...]]:
        """The lists of a night as it began, by person."""
        return self._began.get((of.run_id, calls_per_week), lambda: began(published, people, of, calls_per_week))
