"""Who may sign in, and who owns customers and may not yet."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection

from pipeline.addresses import is_mail_address, recipient
from pipeline.people.users import User, every_user

__all__ = ["Owner", "People", "everybody"]


@dataclass(frozen=True)
class Owner:
    """Somebody who owns customers. `can_be_user`: the book names them by an e-mail address."""

    name: str
    customers: int
    can_be_user: bool


@dataclass(frozen=True)
class People:
    """The users, those who may not sign in any more last, and the owners who are no users, most customers first."""

    users: tuple[User, ...]
    without: tuple[Owner, ...]


def everybody(people: Connection, by_owner: Mapping[str | None, int]) -> People:
    """The users of the people store, and who owns customers in a night, by how many, and may not sign in."""
    users = every_user(people)
    known, customers = {user.email for user in users if user.deactivated_at is None}, Counter[str]()
    for owner, count in by_owner.items():
        if owner is not None and recipient(owner):
            customers[recipient(owner)] += count
    without = [
        Owner(name, count, is_mail_address(name))
        for name, count in sorted(customers.items(), key=lambda each: (-each[1], each[0]))
        if name not in known
    ]
    return People(tuple(users), tuple(without))
