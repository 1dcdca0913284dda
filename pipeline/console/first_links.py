"""The first links: how somebody gets into a console that has no users yet."""

from collections.abc import Mapping
from typing import Final

from sqlalchemy import Connection

from pipeline.addresses import is_mail_address
from pipeline.console.site import Site
from pipeline.errors import StoreMissing
from pipeline.people import links
from pipeline.people.audit import log_command
from pipeline.people.connection import reading, writing
from pipeline.people.users import Role, User, add, every_user, find
from pipeline.store.nights import night

__all__ = ["ADMIN", "first_links"]

ADMIN: Final = "admin@localhost"
"""The address of the admin who is made where there is none: it signs in, and gets no mail."""

_DEMO_MANAGER: Final = "manager@example.com"


def first_links(site: Site, *, is_demo: bool) -> Mapping[str, tuple[User, str]]:
    """By role, a user who has never signed in and the address of a new link for them.

    Where there is no admin, one is made. A demo has a manager, too, and the customer success manager with most to call.
    """
    people = {"csm": _busiest(site), "manager": _DEMO_MANAGER} if is_demo else {}
    with writing(site.people) as connection:
        admins = [user for user in every_user(connection) if user.role == "admin" and user.deactivated_at is None]
        found: dict[str, User] = {}
        for role in ("csm", "manager"):
            if email := people.get(role):
                found[role] = _user(connection, site, email, role)
        found["admin"] = admins[0] if admins else _user(connection, site, ADMIN, "admin")
        return {
            role: (user, f"{site.address}/link/{_made(connection, site, user)}")
            for role, user in found.items()
            if user.deactivated_at is None and not user.has_password
            if role != "admin" or not any(admin.has_password for admin in admins)
        }


def _user(connection: Connection, site: Site, email: str, role: Role) -> User:
    found = find(connection, email)
    if found is not None:
        return found
    now = site.clock()
    made = add(connection, email, role, now)
    log_command(connection, "user added", now, {"user": made.email, "role": role})
    return made


def _made(connection: Connection, site: Site, user: User) -> str:
    now = site.clock()
    log_command(connection, "link made", now, {"user": user.email})
    return links.make(connection, user, site.secret, now)


def _busiest(site: Site) -> str | None:
    """The owner with the longest list of the newest night."""
    try:
        with reading(site.store) as published, reading(site.people) as people:
            newest = night(published)
            if newest is None:
                return None
            lists = site.books.lists(published, people, newest, calls_per_week=site.calls_per_week, today=site.today)
    except StoreMissing:
        return None
    return next((person for person in lists.calls_by_person() if is_mail_address(person)), None)
