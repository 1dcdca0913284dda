"""Navigation: which pages there are to go to, and for whom."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

__all__ = ["Door", "account_path", "doors"]


@dataclass(frozen=True)
class Door:
    """A page in the navigation; `name` is that of its texts."""

    name: str
    path: str
    is_here: bool


_PAGES: Final[Mapping[str, tuple[str, frozenset[str]]]] = {
    "today": ("/", frozenset({"csm", "manager", "admin"})),
    "accounts": ("/accounts", frozenset({"csm", "manager", "admin"})),
    "team": ("/team", frozenset({"manager", "admin"})),
    "health": ("/health", frozenset({"manager", "admin"})),
    "people": ("/people", frozenset({"manager", "admin"})),
}
"""In the order in which they are shown: the address of each, and the roles that see it."""


def doors(role: str, path: str) -> list[Door]:
    """What the navigation shows to a role on the page of that address."""
    return [Door(name, to, to == path) for name, (to, roles) in _PAGES.items() if role in roles]


def account_path(account_id: str) -> str:
    """The address of an account's page, whatever its id is made of.

    >>> account_path("A/1 ?")
    '/accounts/A%2F1%20%3F'
    """
    return f"/accounts/{quote(account_id, safe='')}"
