"""The entrance: a session for who has shown who they are."""

from fastapi.responses import RedirectResponse, Response

from pipeline.console.site import Site
from pipeline.console.visitors import Visitor, give_cookie
from pipeline.people import sessions
from pipeline.people.audit import log_deed
from pipeline.people.connection import writing
from pipeline.people.users import User

__all__ = ["let_in"]


def let_in(site: Site, visitor: Visitor, user: User, wanted: str, by: str) -> Response:
    """A new session under a new token: one that somebody planted in this browser before is worth nothing."""
    now = site.clock()
    with writing(site.people) as connection:
        sessions.end(connection, visitor.token, site.secret)
        token = sessions.start(connection, user, site.secret, now)
        log_deed(connection, user.user_id, "signed in", now, by=by)
    answer = RedirectResponse(wanted, 303)
    give_cookie(answer, site, token)
    return answer
