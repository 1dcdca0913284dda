"""What was done about accounts, as it was written down: by account, the newest or all; or all since a night."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from sqlalchemy import Column, ColumnElement, Connection, Select, func, select

from pipeline.people.schema import ACTIONS, NOTES, OUTCOMES, USERS

__all__ = [
    "Action",
    "Note",
    "Outcome",
    "action_of",
    "actions_after",
    "actions_of",
    "actions_since",
    "newest_actions",
    "notes_of",
    "outcomes_after",
    "outcomes_of",
    "written_since",
]


@dataclass(frozen=True)
class Action:
    """One action. `by` is the address of who did it, `by_name` their name; `as_of` is the night that they looked at.

    `kind` is called, later or not_a_risk; `reached` and `said` (a family of reasons) are those of a call, `why` says
    what is not a risk. The account rests before `rests_until`.
    """

    action_id: str
    account_id: str
    at: datetime
    as_of: date
    kind: str
    reached: bool | None
    said: str | None
    why: str | None
    next_step: str | None
    next_on: date | None
    rests_until: date | None
    user_id: str
    by: str
    by_name: str | None


@dataclass(frozen=True)
class Outcome:
    """What came of it, as `by` wrote: stays, reduces, leaves or undecided."""

    outcome_id: str
    account_id: str
    at: datetime
    as_of: date
    action_id: str | None
    outcome: str
    by: str
    by_name: str | None


@dataclass(frozen=True)
class Note:
    """What was written about an account; None where it was forgotten."""

    note_id: str
    account_id: str
    at: datetime
    as_of: date
    action_id: str | None
    body: str | None
    by: str
    by_name: str | None


_WHO: Final = (USERS.c.email, USERS.c.name)
_ACTION: Final = [ACTIONS.c[name] for name in Action.__dataclass_fields__ if name not in {"by", "by_name"}]


def newest_actions(
    connection: Connection, account_ids: Collection[str], *, seen_by: date | None = None
) -> dict[str, Action]:
    """The newest action of each of these accounts, by id; with `seen_by`, of those on that night or before it.

    Of two at the same instant it is the one with the greater id.
    """
    place = func.row_number().over(
        partition_by=ACTIONS.c.account_id, order_by=(ACTIONS.c.at.desc(), ACTIONS.c.action_id.desc())
    )
    asked = [ACTIONS.c.account_id.in_(account_ids), *([] if seen_by is None else [ACTIONS.c.as_of <= seen_by])]
    ranked = select(ACTIONS.c.action_id, place.label("place")).where(*asked).subquery()
    newest = select(ranked.c.action_id).where(ranked.c.place == 1)
    rows = connection.execute(_actions(ACTIONS.c.action_id.in_(newest)))
    return {action.account_id: action for action in (Action(*row) for row in rows)}


def actions_of(connection: Connection, account_id: str) -> list[Action]:
    """All actions about an account, the newest first."""
    return _told(connection, _actions(ACTIONS.c.account_id == account_id))


def action_of(connection: Connection, action_id: str) -> Action | None:
    """The action of that id."""
    row = connection.execute(_actions(ACTIONS.c.action_id == action_id)).first()
    return None if row is None else Action(*row)


def written_since(connection: Connection, instant: datetime) -> int:
    """How many actions were written since then: another number when something was done."""
    return connection.execute(select(func.count()).where(ACTIONS.c.at >= instant)).scalar_one()


def actions_since(connection: Connection, first: date, *, kinds: Sequence[str] = ()) -> list[Action]:
    """The actions on the night of `first` and later ones, the newest first; of these kinds, or of all."""
    wanted = [ACTIONS.c.as_of >= first, *([ACTIONS.c.kind.in_(kinds)] if kinds else [])]
    return _told(connection, _actions(*wanted))


def actions_after(connection: Connection, last: tuple[datetime, str], most: int) -> list[Action]:
    """The actions after that instant and id, the oldest first, at most so many."""
    rows = connection.execute(_after(_actions(), ACTIONS.c.at, ACTIONS.c.action_id, last, most))
    return [Action(*row) for row in rows]


def outcomes_of(connection: Connection, account_id: str) -> list[Outcome]:
    """What people wrote that came of it, the newest first."""
    wanted = _outcomes(OUTCOMES.c.account_id == account_id)
    rows = connection.execute(wanted.order_by(OUTCOMES.c.at.desc(), OUTCOMES.c.outcome_id.desc()))
    return [Outcome(*row) for row in rows]


def outcomes_after(connection: Connection, last: tuple[datetime, str], most: int) -> list[Outcome]:
    """The outcomes after that instant and id, the oldest first, at most so many."""
    rows = connection.execute(_after(_outcomes(), OUTCOMES.c.at, OUTCOMES.c.outcome_id, last, most))
    return [Outcome(*row) for row in rows]


def notes_of(connection: Connection, account_id: str) -> list[Note]:
    """The notes about an account, the newest first."""
    columns = [NOTES.c[name] for name in Note.__dataclass_fields__ if name not in {"by", "by_name"}]
    wanted: Select[Any] = select(*columns, *_WHO).join_from(NOTES, USERS).where(NOTES.c.account_id == account_id)
    return [Note(*row) for row in connection.execute(wanted.order_by(NOTES.c.at.desc(), NOTES.c.note_id.desc()))]


def _actions(*wanted: ColumnElement[bool]) -> Select[Any]:
    return select(*_ACTION, *_WHO).join_from(ACTIONS, USERS).where(*wanted)


def _outcomes(*wanted: ColumnElement[bool]) -> Select[Any]:
    columns = [OUTCOMES.c[name] for name in Outcome.__dataclass_fields__ if name not in {"by", "by_name"}]
    return select(*columns, *_WHO).join_from(OUTCOMES, USERS).where(*wanted)


def _after(found: Select[Any], at: Column[Any], key: Column[Any], last: tuple[datetime, str], most: int) -> Select[Any]:
    """One page of these rows: those after the last of the page before."""
    instant, last_key = last
    later = (at > instant) | ((at == instant) & (key > last_key))
    return found.where(at >= instant, later).order_by(at, key).limit(most)  # the first is for the index on time


def _told(connection: Connection, wanted: Select[Any]) -> list[Action]:
    newest_first = wanted.order_by(ACTIONS.c.at.desc(), ACTIONS.c.action_id.desc())
    return [Action(*row) for row in connection.execute(newest_first)]
