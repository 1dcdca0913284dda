"""The lists of a week ago, and what was done about them since."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from pipeline.addresses import recipient
from pipeline.call_list import Book
from pipeline.people.actions import newest_actions
from pipeline.store.lines import owners
from pipeline.store.nights import Night

__all__ = ["Began", "Dealt", "began", "dealt_with"]


@dataclass(frozen=True)
class Began:
    """An entry of a list as its night began: the ids of its accounts, that to speak of first."""

    account_ids: tuple[str, ...]


@dataclass(frozen=True)
class Dealt:
    """What was done about the list of a person: entries that were called, put off or taken for no risk, and left alone.

    The last are told by the id of the account to speak of.
    """

    called: int
    otherwise: int
    open: tuple[str, ...]

    @property
    def listed(self) -> int:
        """How many entries the list had."""
        return self.called + self.otherwise + len(self.open)


def began(
    published: Connection, people: Connection, of: Night, calls_per_week: int
) -> dict[str | None, tuple[Began, ...]]:
    """The lists of a night as it began, by person; None is what nobody owns. Persons without one are absent."""
    known = owners(published, of)
    found: dict[str | None, tuple[Began, ...]] = {}
    for person in [*dict.fromkeys(map(recipient, known)), None]:
        book = Book.as_it_began(published, people, of, person, lambda *_: known)
        listed = book.formed(calls_per_week).listed
        if listed:
            found[person] = tuple(Began(tuple(line.account_id for line in each.lines)) for each in listed)
    return found


def dealt_with(people: Connection, of: Night, lists: Mapping[str | None, Sequence[Began]]) -> dict[str | None, Dealt]:
    """What was done about these lists from that night on; what was done last about an entry tells."""
    ids = {account_id for entries in lists.values() for each in entries for account_id in each.account_ids}
    newest = {name: each for name, each in newest_actions(people, ids).items() if each.as_of >= of.as_of}
    found: dict[str | None, Dealt] = {}
    for person, entries in lists.items():
        done = [[newest[name] for name in each.account_ids if name in newest] for each in entries]
        last = [max(every, key=lambda each: (each.at, each.action_id), default=None) for every in done]
        found[person] = Dealt(
            called=sum(each is not None and each.kind == "called" for each in last),
            otherwise=sum(each is not None and each.kind != "called" for each in last),
            open=tuple(entry.account_ids[0] for entry, each in zip(entries, last, strict=True) if each is None),
        )
    return found
