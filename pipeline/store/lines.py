"""What readers ask of a book's lines: who stands on it in which order, without the reasons that make a page long.

Every question is answered through the index on run, owner and rank, or by key, so that a manager's page costs the same
in a store of a thousand accounts and of a million.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from typing import Any, Final

from sqlalchemy import Connection, Select, func, select, union_all

from pipeline.addresses import recipient
from pipeline.store.nights import Night
from pipeline.store.schema import PUBLISHED, RUNS, SCORES

__all__ = [
    "CANDIDATE",
    "LEAVING",
    "Line",
    "OwnersOf",
    "apart",
    "customers",
    "entries",
    "leaving",
    "lines_of",
    "model_key",
    "owned_by",
    "owners",
    "stood",
]

CANDIDATE: Final = "candidate"
LEAVING: Final = "leaving"
_RANKED_APART: Final = ("payment", "new")

OwnersOf = Callable[[Connection, Night], Collection[str]]
"""Who owns accounts in a night, as `owners` tells it; a reader of many pages remembers it."""

_NIGHTS_AT_ONCE: Final = 100


@dataclass(frozen=True)
class Line:
    """One account in one night, as far as a list needs it. `model` tells the models of two nights apart."""

    as_of: date
    model: str
    account_id: str
    root_id: str
    name: str | None
    entry_name: str | None
    owner: str | None
    state: str
    last_day: date | None
    band: str | None
    rank: int | None
    risk: float | None
    mrr: float | None
    value_at_risk: float | None
    log_odds: float | None
    change_model: float | None
    renews_on: date | None

    @property
    def is_candidate(self) -> bool:
        """Whether it may stand on a week's list."""
        return self.state == CANDIDATE


_OF_ACCOUNT: Final = [SCORES.c[name] for name in Line.__dataclass_fields__ if name not in {"as_of", "model"}]
_IN_ENTRY: Final = (SCORES.c.rank, SCORES.c.state != CANDIDATE, SCORES.c.risk.desc(), SCORES.c.account_id)


def model_key(of: Night) -> str:
    """What tells the model of that night from others, as lines name it."""
    return _model_key(of.model_version, of.catalogue)


def _model_key(version: str, catalogue: str) -> str:
    """A registry that was set up anew counts its versions from 1 again; its catalogue has other bands."""
    return f"{version} {catalogue}"


def owners(connection: Connection, of: Night) -> list[str]:
    """All who own accounts in that night, as the tables write them, in order.

    It goes from one owner to the next through the index, however many accounts each has.
    """
    mine = SCORES.c.run_id == of.run_id
    one = select(func.min(SCORES.c.owner).label("owner")).where(mine).cte("one", recursive=True)
    after = select(func.min(SCORES.c.owner)).where(mine, SCORES.c.owner > one.c.owner).scalar_subquery()
    every = one.union_all(select(after).where(one.c.owner.is_not(None)))
    return list(connection.execute(select(every.c.owner).where(every.c.owner.is_not(None))).scalars())


def owned_by(connection: Connection, of: Night, person: str | None, owners_of: OwnersOf = owners) -> list[str | None]:
    """The owners, as that night writes them, who are this person; None is who owns what has no owner."""
    if person is None:
        return [None]
    who = recipient(person)
    return [owner for owner in owners_of(connection, of) if recipient(owner) == who]


def customers(connection: Connection, of: Night, owned: Collection[str | None] | None = None) -> dict[str | None, int]:
    """How many customers each owner has in that night, or each of `owned`: without those leaving or lapsed."""
    ranked = select(SCORES.c.owner, func.count()).where(SCORES.c.run_id == of.run_id, SCORES.c.rank > 0)
    if owned is None:
        rows = connection.execute(ranked.group_by(SCORES.c.owner)).all()
        return {owner: count for owner, count in rows}  # noqa: C416 - a row is no pair to mypy
    counted = {owner: ranked.with_only_columns(func.count()).where(_is_owner(owner)) for owner in owned}
    return {owner: connection.execute(wanted).scalar_one() for owner, wanted in counted.items()}


def apart(connection: Connection, of: Night, owned: Collection[str | None] | None = None) -> Iterator[Line]:
    """Who takes no call whatever their risk: under notice, to be reminded of payment, new.

    They are of the books of `owned`, found by the index, or of all, which goes through the whole night.
    """
    if owned is None:
        wanted = _lines(of).where(SCORES.c.state.in_((LEAVING, *_RANKED_APART)))
        yield from map(_of_night(of), connection.execute(wanted))
        return
    for owner in owned:
        mine = _lines(of).where(_is_owner(owner), SCORES.c.rank > 0, SCORES.c.state.in_(_RANKED_APART))
        yield from map(_of_night(of), connection.execute(mine))
        yield from leaving(connection, of, owner)


def entries(connection: Connection, of: Night, owner: str | None, *, ranks_at_once: int) -> Iterator[tuple[Line, ...]]:
    """The entries of one owner's book that hold a candidate, by rank; of each its accounts, the worst first.

    They are read so many ranks at once, and no further than they are asked for.
    """
    first, last = 0, None
    while True:
        here = SCORES.c.rank.between(first + 1, first + ranks_at_once)
        rows = connection.execute(_lines(of).where(_is_owner(owner), here).order_by(*_IN_ENTRY)).all()
        for _, group in groupby(map(_of_night(of), rows), key=lambda line: line.rank):
            entry = tuple(group)
            if entry[0].is_candidate:
                yield entry
                continue
            last = _last_candidates(connection, of, owner) if last is None else last
            if (entry[0].rank or 0) > last:
                return
        first += ranks_at_once
        if not rows:  # the book is over, or whoever stood here was forgotten
            after = select(func.min(SCORES.c.rank)).where(SCORES.c.run_id == of.run_id, _is_owner(owner))
            found = connection.execute(after.where(SCORES.c.rank > first)).scalar()
            if found is None:
                return
            first = found - 1


def _last_candidates(connection: Connection, of: Night, owner: str | None) -> int:
    """The last rank with a candidate; those before it have one, too, unless theirs was forgotten."""
    ranks = select(func.max(SCORES.c.rank)).where(SCORES.c.run_id == of.run_id, _is_owner(owner), SCORES.c.rank > 0)
    return connection.execute(ranks.where(SCORES.c.state == CANDIDATE)).scalar() or 0


def leaving(connection: Connection, of: Night, owner: str | None) -> list[Line]:
    """The accounts of one owner that are under notice in that night, by id."""
    unranked: Any = SCORES.c.rank.is_(None)
    if connection.dialect.name == "sqlite":  # which else goes through the whole night by its key
        unranked = func.unlikely(unranked)
    rows = connection.execute(_lines(of).where(_is_owner(owner), unranked, SCORES.c.state == LEAVING))
    return sorted(map(_of_night(of), rows), key=lambda line: line.account_id)


def lines_of(connection: Connection, of: Night, ids: Collection[str]) -> dict[str, Line]:
    """These accounts in that night, by id; those that are not in it are absent."""
    rows = connection.execute(_lines(of).where(SCORES.c.account_id.in_(ids)))
    return {line.account_id: line for line in map(_of_night(of), rows)}


def stood(connection: Connection, asked: Iterable[tuple[date, str]]) -> dict[tuple[date, str], Line]:
    """How accounts stood in the published nights of these days; absent where the night or the account is."""
    by_day: dict[date, set[str]] = {}
    for day, account_id in asked:
        by_day.setdefault(day, set()).add(account_id)
    nights = (
        select(PUBLISHED.c.as_of, PUBLISHED.c.run_id, RUNS.c.model_version, RUNS.c.catalogue)
        .join_from(PUBLISHED, RUNS)
        .where(PUBLISHED.c.as_of.in_(by_day))
    )
    known = {night.run_id: night for night in connection.execute(nights)}
    # One question a night, asked together: pairs of night and account would be looked for in every row.
    of_nights: list[Select[Any]] = [
        select(SCORES.c.run_id, *_OF_ACCOUNT).where(
            SCORES.c.run_id == run_id, SCORES.c.account_id.in_(sorted(by_day[night.as_of]))
        )
        for run_id, night in known.items()
    ]
    found = {}
    for first in range(0, len(of_nights), _NIGHTS_AT_ONCE):
        together: Any = union_all(*of_nights[first : first + _NIGHTS_AT_ONCE])
        for row in connection.execute(together):
            night = known[row[0]]
            line = Line(night.as_of, _model_key(night.model_version, night.catalogue), *row[1:])
            found[line.as_of, line.account_id] = line
    return found


def _lines(of: Night) -> Select[Any]:
    return select(*_OF_ACCOUNT).where(SCORES.c.run_id == of.run_id)


def _is_owner(owner: str | None) -> Any:
    """So written, both databases find it in the index."""
    return SCORES.c.owner.is_(None) if owner is None else SCORES.c.owner == owner


def _of_night(of: Night) -> Callable[[Any], Line]:
    def line(row: Any) -> Line:
        return Line(of.as_of, model_key(of), *row)

    return line
