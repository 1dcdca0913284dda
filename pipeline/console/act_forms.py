"""The forms by which something is written down about an account: *I called*, *Later*, *Not a risk*.

Any page may show them by `templates/act_forms.html`, and `pages/actions.py` takes them. Each has an id, drawn when it
is shown, under which it is written: a form that is sent twice is written once (`pipeline/people/deeds.py`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, Final, Literal
from urllib.parse import urlencode, urlsplit

from pipeline.console.site import Site
from pipeline.people.deeds import FURTHEST_DAYS, NOT_A_RISK_DAYS, SAID_OTHERWISE, WHYS
from pipeline.people.schema import new_id
from pipeline.store.nights import Night

__all__ = ["DONE", "ActForms", "Kind", "act_forms", "named_families", "with_word"]

Kind = Literal["called", "later", "not_a_risk"]

DONE: Final = "done"
"""The parameter and the place in the page by which a word is said of what was done."""

_OURS: Final = frozenset({"profile", "pages"})
"""Families that no customer names as their reason: what we know of them, and what we saw them do."""

_WEEK: Final = 7


@dataclass(frozen=True)
class ActForms:
    """The three forms of one account.

    Attributes
    ----------
    account_id, title, as_of
        What is written about, what it is called there, and the night that is looked at.
    back
        The page to come back to.
    said
        What a customer may have named as their reason.
    today, first, last, next_week
        The day that rests are counted from; the days that may be chosen, and the one that is proposed.
    called_until, not_a_risk_until
        Until when the account rests after a call without a date, and where it is no risk.
    ids
        The id of each form.
    opened, typed, wrong
        Of a form that could not be written: which, what was typed, and the field to be changed.
    """

    account_id: str
    title: str
    as_of: date
    back: str
    said: tuple[str, ...]
    today: date
    first: date
    last: date
    next_week: date
    called_until: date
    not_a_risk_until: date
    ids: Mapping[Kind, str]
    whys: tuple[str, ...] = WHYS
    opened: Kind | None = None
    typed: Mapping[str, str] = field(default_factory=dict)
    wrong: str = ""

    def given(self, kind: Kind, name: str, otherwise: str = "") -> str:
        """What stands in a field: what was typed, where the form was sent."""
        return self.typed.get(name, "") if self.opened == kind else otherwise

    def is_wrong(self, kind: Kind, name: str) -> bool:
        """Whether it is this field that has to be changed."""
        return self.opened == kind and self.wrong == name


def act_forms(
    site: Site, night: Night, words: Mapping[str, Any], account_id: str, title: str, *, back: str
) -> ActForms:
    """The forms of an account, under new ids; `words` is the catalogue of the night."""
    today = site.today
    return ActForms(
        account_id=account_id,
        title=title,
        as_of=night.as_of,
        back=back,
        said=(*named_families(words), SAID_OTHERWISE),
        today=today,
        first=today + timedelta(days=1),
        last=today + timedelta(days=FURTHEST_DAYS),
        next_week=today + timedelta(days=_WEEK),
        called_until=today + timedelta(days=site.rest_days),
        not_a_risk_until=today + timedelta(days=NOT_A_RISK_DAYS),
        ids={"called": new_id(), "later": new_id(), "not_a_risk": new_id()},
    )


def named_families(words: Mapping[str, Any]) -> tuple[str, ...]:
    """The families of reasons that a customer may name, of those that a night's catalogue has."""
    return tuple(family for family in words["families"] if family not in _OURS)


def with_word(back: str, action_id: str) -> str:
    """The address of that page, where it says a word of what was done.

    >>> with_word("/?owner=ines%40example.com&done=1", "2")
    '/?owner=ines%40example.com&done=2#done'
    """
    parts = urlsplit(back)
    kept = [part for part in parts.query.split("&") if part and not part.startswith(f"{DONE}=")]
    return f"{parts.path}?{'&'.join([*kept, urlencode({DONE: action_id})])}#{DONE}"
