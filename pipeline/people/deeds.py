"""What people do about an account, written down once: *called*, *later*, *not a risk*, what came of it, a note.

Whoever shows a form draws its id (`new_id`), and the row is written under it: a form that is sent twice, or again after
a lost connection, is written once and answers the same. Rows are only added, so two who write about one account at once
are both kept. The row, its note and its line in the audit log are one transaction.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final, Literal

from sqlalchemy import Connection, Engine, Table, insert, select
from sqlalchemy.dialects import postgresql, sqlite

from pipeline.errors import UsageError
from pipeline.people.actions import Action, actions_of
from pipeline.people.audit import log_deed
from pipeline.people.connection import writing
from pipeline.people.schema import ACTIONS, NOTES, OUTCOMES
from pipeline.printable import UNPRINTABLE, one_line

__all__ = [
    "FURTHEST_DAYS",
    "NOT_A_RISK_DAYS",
    "OUTCOMES_TOLD",
    "SAID_OTHERWISE",
    "WHYS",
    "Called",
    "Deed",
    "Form",
    "Later",
    "NotARisk",
    "UnfitForm",
    "record",
    "record_note",
    "record_outcome",
]

FURTHEST_DAYS: Final = 60
"""How far ahead an account may be put off: longer, and nobody would look at it again within the horizon."""

NOT_A_RISK_DAYS: Final = 30
WHYS: Final = ("seasonal", "known", "test_account", "data_wrong", "other")
OUTCOMES_TOLD: Final = ("stays", "reduces", "leaves", "undecided")
SAID_OTHERWISE: Final = "other"
"""What a customer named that is none of the families of reasons."""

_LONGEST_STEP: Final = 200
_LONGEST_NOTE: Final = 4_000
_ID: Final = re.compile(r"[0-9a-f]{32}")


class UnfitForm(UsageError):
    """A form that cannot be written down as it is; `field` names what has to be changed."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True)
class Form:
    """One form: its id, who sent it, about which account, looking at which night, when, on which day of the company.

    `today` is the day that rests are counted from; `at` is the instant, with its zone. `token` is the name of that by
    which a program sent it.
    """

    form_id: str
    user_id: str
    account_id: str
    as_of: date
    at: datetime
    today: date
    source: Literal["console", "api"] = "console"
    token: str | None = None


@dataclass(frozen=True)
class Called:
    """A call. `said` is the family of reasons that the customer named; the account rests until `next_on`, if given."""

    reached: bool
    said: str | None = None
    next_step: str = ""
    next_on: date | None = None


@dataclass(frozen=True)
class Later:
    """Not now: the account rests until that day."""

    until: date


@dataclass(frozen=True)
class NotARisk:
    """The risk is none, as far as they know; one of `WHYS`."""

    why: str


Deed = Called | Later | NotARisk


def record(
    people: Engine, form: Form, deed: Deed, *, rest_days: int, families: Collection[str], note: str = ""
) -> Action:
    """Write an action down, with a note if one was written; gives it as it stands in the store.

    Parameters
    ----------
    rest_days
        How long an account rests after a call, where no day was agreed on: `[book] rest_days`.
    families
        The families of reasons that a customer may have named: those of the night's catalogue.

    Raises
    ------
    UnfitForm
        When something in the form cannot be, or its id was used for something else.
    StoreError, StoreMissing, StoreOutdated
        When the people store cannot be written to.
    """
    _refuse_unfit(form)
    values = _values(deed, form.today, rest_days, families)
    body = _text(note, "note", _LONGEST_NOTE)
    told = {"kind": values["kind"], "rests_until": str(values["rests_until"])}
    with writing(people) as connection:
        row = _about(form) | {"action_id": form.form_id} | values
        if _added(connection, ACTIONS, row, ("kind", "reached", "said", "why", "next_step", "next_on")):
            if body:
                written = {"note_id": form.form_id, "action_id": form.form_id, "body": body}
                connection.execute(insert(NOTES).values(**_about(form), **written))
            _log(connection, form, str(values["kind"]), told)
        return next(each for each in actions_of(connection, form.account_id) if each.action_id == form.form_id)


def record_outcome(people: Engine, form: Form, outcome: str, action_id: str | None = None) -> None:
    """Write down what came of it, one of `OUTCOMES_TOLD`, of an action or of all. Raises as `record` does."""
    _refuse_unfit(form)
    if outcome not in OUTCOMES_TOLD:
        raise _unknown("outcome", outcome, OUTCOMES_TOLD)
    with writing(people) as connection:
        _refuse_other_accounts_action(connection, form, action_id)
        row = _about(form) | {"outcome_id": form.form_id, "action_id": action_id, "outcome": outcome}
        if _added(connection, OUTCOMES, row, ("outcome", "action_id")):
            _log(connection, form, "outcome", {"outcome": outcome})


def record_note(people: Engine, form: Form, body: str) -> None:
    """Write a note about an account. Raises as `record` does."""
    _refuse_unfit(form)
    text = _text(body, "note", _LONGEST_NOTE)
    if not text:
        raise UnfitForm("note", "The note is empty. Write something, or leave it.")
    with writing(people) as connection:
        if _added(connection, NOTES, _about(form) | {"note_id": form.form_id, "body": text}, ("body",)):
            _log(connection, form, "note", {"length": len(text)})


def _values(deed: Deed, today: date, rest_days: int, families: Collection[str]) -> dict[str, Any]:
    """The columns that the deed fills, and until when the account rests."""
    match deed:
        case Called():
            known = (*families, SAID_OTHERWISE)
            if deed.said is not None and deed.said not in known:
                raise _unknown("said", deed.said, known)
            if deed.next_on is not None:
                _refuse_day("next_on", deed.next_on, today)
            step = one_line(_text(deed.next_step, "next_step", _LONGEST_STEP))
            about = {"reached": deed.reached, "said": deed.said, "next_step": step or None, "next_on": deed.next_on}
            return {"kind": "called", **about, "rests_until": deed.next_on or today + timedelta(days=rest_days)}
        case Later():
            _refuse_day("until", deed.until, today)
            return {"kind": "later", "next_on": deed.until, "rests_until": deed.until}
        case NotARisk():
            if deed.why not in WHYS:
                raise _unknown("why", deed.why, WHYS)
            until = today + timedelta(days=NOT_A_RISK_DAYS)
            return {"kind": "not_a_risk", "why": deed.why, "rests_until": until}


def _refuse_unfit(form: Form) -> None:
    if not _ID.fullmatch(form.form_id):
        raise UnfitForm(
            "form_id",
            f"The form's id {form.form_id[:40]!r} is none of ours. Open the page again and send it from there.",
        )
    if not form.account_id:
        raise UnfitForm("account_id", "No account is named. Open the page of the account and send the form from there.")


def _refuse_day(field: str, day: date, today: date) -> None:
    last = today + timedelta(days=FURTHEST_DAYS)
    if not today < day <= last:
        when = "is not ahead" if day <= today else f"is more than {FURTHEST_DAYS} days ahead"
        raise UnfitForm(
            field, f"The day {day} {when}: today is {today}. Choose one from {today + timedelta(days=1)} to {last}."
        )


def _unknown(field: str, value: str, known: Collection[str]) -> UnfitForm:
    return UnfitForm(
        field, f"{field} = {value[:40]!r} is none of the answers there are. Choose one of: {', '.join(known)}."
    )


def _text(text: str, field: str, longest: int) -> str:
    """The text without what no database keeps or no page shows, its lines as they are."""
    printable = text.encode(errors="replace").decode()
    kept = "\n".join(UNPRINTABLE.sub(" ", line).rstrip() for line in printable.splitlines()).strip()
    if len(kept) > longest:
        raise UnfitForm(field, f"{field} has {len(kept):,} characters. Shorten it to {longest:,}.")
    return kept


def _about(form: Form) -> dict[str, Any]:
    return {"account_id": form.account_id, "at": form.at, "user_id": form.user_id, "as_of": form.as_of}


def _added(connection: Connection, table: Table, row: Mapping[str, Any], told: Collection[str]) -> bool:
    """Whether the row was added; False where it stands there already, as `told` in the form.

    Two who send it at the same instant wait for one another: one adds it, the other finds it.
    """
    key = next(iter(table.primary_key))
    dialect: Any = postgresql if connection.dialect.name == "postgresql" else sqlite
    added = dialect.insert(table).values(**row).on_conflict_do_nothing(index_elements=[key]).returning(key)
    if connection.execute(added).first() is not None:  # not its rowcount, which not every driver tells
        return True
    stands = connection.execute(select(table).where(key == row[key.name])).mappings().one()
    differs = [name for name in ("account_id", "user_id", *told) if stands[name] != row.get(name)]
    if differs:
        raise UnfitForm(
            "form_id",
            "This form was sent before, with other answers, and what is written stays. To add to it, open the page "
            "again and send a new form.",
        )
    return False


def _refuse_other_accounts_action(connection: Connection, form: Form, action_id: str | None) -> None:
    if action_id is None:
        return
    mine = select(ACTIONS.c.account_id).where(ACTIONS.c.action_id == action_id)
    if connection.execute(mine).scalar() != form.account_id:
        raise UnfitForm(
            "action_id", f"No action {action_id[:40]!r} was written about this account. Open its page again."
        )


def _log(connection: Connection, form: Form, deed: str, details: Mapping[str, Any]) -> None:
    log_deed(
        connection,
        form.user_id,
        deed,
        form.at,
        source=form.source,
        account_id=form.account_id,
        as_of=form.as_of,
        **(details if form.token is None else {**details, "token": form.token}),
    )
