"""What an address asks of the table of accounts, and the addresses of what else may be asked."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Final, get_args
from urllib.parse import urlencode

from pipeline.printable import one_line
from pipeline.reason_families import FAMILIES
from pipeline.store.selection import MISSING, Order, Sort

__all__ = ["BANDS", "EVERYBODY", "RENEWALS", "STATES", "AccountQuery", "UnknownValue", "read_query"]

STATES: Final = ("candidate", "payment", "watch", "new", "leaving", "lapsed")
BANDS: Final = ("high", "medium", "low")
RENEWALS: Final = ("30", "60", "90", "180", MISSING)
"""Within so many days, or none ahead."""

EVERYBODY: Final = "*"
"""In the place of an owner."""

_RISING: Final[tuple[Sort, ...]] = ("renews", "name")
"""What is read from the least on, unless its name has a minus before it; of all else the greatest come first."""

_SORTS: Final = tuple(f"{sign}{by}" for by in get_args(Sort) for sign in ("", "-"))
_KNOWN: Final[Mapping[str, tuple[str, ...]]] = {
    "state": STATES,
    "band": BANDS,
    "renews": RENEWALS,
    "family": (*FAMILIES, MISSING),
    "sort": _SORTS,
}
_MOST_PAGES: Final = 1_000_000


class UnknownValue(ValueError):
    """The address asks for something that there is not; the text says what, and what there is."""


@dataclass(frozen=True)
class AccountQuery:
    """A search, filters, an order and a page; what is empty asks nothing. `sort` is empty for the usual order."""

    q: str = ""
    owner: str = ""
    state: str = ""
    band: str = ""
    segment: str = ""
    plan: str = ""
    renews: str = ""
    family: str = ""
    sort: str = ""
    page: int = 1

    @property
    def filters(self) -> dict[str, str]:
        """The search and the filters that ask something."""
        asked = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in asked.items() if value and name not in {"sort", "page"}}

    def order(self, usual: Sort) -> Order:
        """The order asked for; `usual` where none is."""
        by, is_turned = self._by(usual)
        return Order(by, (by not in _RISING) is not is_turned)

    def _by(self, usual: Sort) -> tuple[Sort, bool]:
        name = self.sort.removeprefix("-") or usual
        return next(by for by in get_args(Sort) if by == name), self.sort.startswith("-")

    def link(self, path: str = "/accounts", **changes: Any) -> str:
        """The address of the same with these changes; the first page, unless one is among them."""
        other = replace(self, **{"page": 1, **changes})
        asked = {field.name: getattr(other, field.name) for field in fields(other)}
        said = {name: value for name, value in asked.items() if value and (name, value) != ("page", 1)}
        return path + (f"?{urlencode(said)}" if said else "")

    def sorted_by(self, by: str, usual: str) -> str:
        """The address of the same in another order; in the same one turned round, where it is in that already."""
        here, is_turned = self.sort.removeprefix("-") or usual, self.sort.startswith("-")
        return self.link(sort=f"-{by}" if by == here and not is_turned else "" if by == usual else by)


def read_query(given: Mapping[str, str]) -> AccountQuery:
    """What the parameters of an address ask. Names that mean nothing here are passed over; raises `UnknownValue`."""
    asked = {field.name: one_line(given.get(field.name, "")) for field in fields(AccountQuery)}
    for name, known in _KNOWN.items():
        if asked[name] and asked[name] not in known:
            raise UnknownValue(f"{name} = {asked[name]!r}; known: {', '.join(known)}")
    page = asked.pop("page") or "1"
    if not (page.isascii() and page.isdigit() and 1 <= int(page[:9]) <= _MOST_PAGES):
        raise UnknownValue(f"page = {page!r}; known: 1, 2, 3 …")
    return AccountQuery(**asked, page=int(page[:9]))
