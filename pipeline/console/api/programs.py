"""Programs: who asks the API, by their token, and what they may see and do. A cookie is worth nothing here.

Every route names what it needs by depending on a `Token`; a test walks all routes and fails for one that does not.
"""

from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, Final

from fastapi import Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from pipeline.addresses import recipient
from pipeline.console.api.problems import Wrong
from pipeline.console.site import Site, site_of
from pipeline.people import api_tokens
from pipeline.people.api_tokens import ApiToken, Scope
from pipeline.people.audit import log_deed
from pipeline.people.connection import reading, writing
from pipeline.people.tokens import digest
from pipeline.people.users import User

__all__ = ["Program", "Token"]

_SCHEME: Final = HTTPBearer(
    auto_error=False, scheme_name="token", description="A token of `churn token add`, which acts as one user."
)


@dataclass(frozen=True)
class Program:
    """A program with the rights of the user as whom it acts."""

    site: Site
    token: ApiToken
    user: User

    @property
    def sees_all(self) -> bool:
        """Whether all books are theirs to see."""
        return self.site.shows_all(self.user.role)

    def sees(self, owner: str | None) -> bool:
        """Whether the customers of that owner are; those that nobody owns are everybody's."""
        return self.sees_all or owner is None or recipient(owner) == self.user.email

    def log(self, deed: str, *, account_id: str | None = None, as_of: date | None = None, **details: Any) -> None:
        """Write down what it saw."""
        with writing(self.site.people) as connection:
            log_deed(
                connection,
                self.user.user_id,
                deed,
                self.site.clock(),
                source="api",
                account_id=account_id,
                as_of=as_of,
                token=self.token.name,
                **details,
            )


class Token:
    """A dependency of a route: lets programs pass whose token has the scope, and gives who asks."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope

    def __call__(
        self, request: Request, given: Annotated[HTTPAuthorizationCredentials | None, Security(_SCHEME)]
    ) -> Program:
        """Who asks. Raises `Wrong` for who shows no token, one that opens nothing, or one that may only read."""
        if given is None:
            raise Wrong("no-token", headers={"www-authenticate": "Bearer"})
        program = recognised(request, given.credentials)
        if self.scope == "write" and program.token.scope != "write":
            raise Wrong("read-only", f"The token {program.token.name} has the scope read.")
        return program


def recognised(request: Request, token: str) -> Program:
    """Whose token it is. Raises `Wrong`; wrong tokens are counted, and from some number on not looked up."""
    site, now = site_of(request), site_of(request).clock()
    host = request.client.host if request.client else ""
    # The same wrong token, of a program that nobody told, waits by itself before it makes its neighbours wait.
    guess = digest(token, site.secret, "guess")
    wait = site.token_limits.wait(host, guess, now)
    if wait is not None:
        seconds = max(1, int(wait.total_seconds()))
        raise Wrong("wait", f"Wait {seconds:,} seconds.", headers={"retry-after": str(seconds)})
    with reading(site.people) as connection:
        found = api_tokens.holder(connection, token, site.secret)
    if found is None:
        site.token_limits.failed(host, guess, now)
        with writing(site.people) as connection:
            log_deed(connection, None, "token refused", now, source="api", host=host)
        raise Wrong("wrong-token", headers={"www-authenticate": 'Bearer error="invalid_token"'})
    if api_tokens.is_use_due(found[0], now):
        with writing(site.people) as connection:
            api_tokens.used(connection, found[0], now)
    return Program(site, *found)
