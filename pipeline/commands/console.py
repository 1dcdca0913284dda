"""The console, and who may sign in to it."""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import click

from pipeline.addresses import LOOPBACK
from pipeline.call import Call, takes_call
from pipeline.errors import StoreMissing, UsageError

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from pipeline.console.site import Site
    from pipeline.people.api_tokens import ApiToken
    from pipeline.people.users import User
    from pipeline.settings import Settings

__all__ = ["console", "token", "user"]

_SECRET = "CHURN__CONSOLE__SECRET"


@click.command()
@click.option("--host", help="Where to listen. [default: [console] host, 127.0.0.1]")
@click.option("--port", type=click.IntRange(0, 65535), help="On which port. [default: [console] port, 8710]")
@takes_call
def console(call: Call, host: str | None, port: int | None) -> None:
    """Show the published nights to customer success managers, in their browsers.

    Listens on this machine alone unless told otherwise, until Ctrl-C. Before anybody has signed in it makes an admin
    and prints a link that lets them in once; they let others in on the page People. To be reached from other machines
    it needs a secret, CHURN__CONSOLE__SECRET, and should stand behind a proxy that speaks TLS, whose address is
    [console] public_url.
    """
    from pipeline.console.first_links import first_links
    from pipeline.console.server import opened, serve
    from pipeline.store.making import prepare

    settings = call.settings
    where = host or settings.console.host
    _refuse_without_secret(settings, where)
    with opened(where, settings.console.port if port is None else port) as listening:
        site = _site(settings, where, listening.getsockname()[1])
        try:
            prepare(site.people)  # where there is none; one of an older churn is left for the commands
            found = first_links(site, is_demo=settings.run.demo)
            made = {role: {"email": user.email, "link": link} for role, (user, link) in found.items()}
            told = [f"  {role:<8} {each['email']}\n           {each['link']}" for role, each in made.items()]
            once = ["", "Links that let somebody in once, for three days:", *told] if told else []
            call.answer(
                "\n".join([f"The console is at {site.address}", *once]), {"address": site.address, "links": made}
            )
            _warn_of_plain_text(site, where)
            serve(site, listening)
        finally:
            site.store.dispose()
            site.people.dispose()


@click.group()
def user() -> None:
    """Let people sign in to the console.

    They get a link that works once and choose a password by it. Who owns customers can be let in from the console too.
    """


@user.command()
@click.argument("email")
@click.option("--role", type=click.Choice(["csm", "manager", "admin"]), required=True, help="What they may see and do.")
@click.option("--name", help="What they are called.")
@takes_call
def add(call: Call, email: str, role: str, name: str | None) -> None:
    """Add somebody, and print a link that lets them in once.

    A csm opens on the customers whose owner they are, by e-mail address; a manager sees all books and lets csms in; an
    admin lets anybody in.
    """
    from pipeline.people.users import ROLES
    from pipeline.people.users import add as add_user

    known = next(each for each in ROLES if each == role)
    _let_in(call, "user added", lambda connection: add_user(connection, email, known, call.now, name))


@user.command()
@click.argument("email")
@takes_call
def link(call: Call, email: str) -> None:
    """Print a new link for somebody who lost theirs, or their password.

    The links that were made for them before work no longer.
    """
    _let_in(call, "link made", lambda connection: _known(connection, email))


def _let_in(call: Call, deed: str, who: "Callable[[Connection], User]") -> None:
    """Write down whom a command let in, and print their link."""
    from pipeline.people import links
    from pipeline.people.audit import log_command

    with _writing_people(call) as (connection, site):
        found = who(connection)
        token = links.make(connection, found, site.secret, call.now)
        log_command(connection, deed, call.now, {"user": found.email, "role": found.role})
    address = f"{site.address}/link/{token}"
    told = f"{found.email} ({found.role}) can sign in once by this link, for three days:\n{address}"
    call.answer(told, {"email": found.email, "role": found.role, "link": address})


@click.group()
def token() -> None:
    """Let other programs use the API.

    Each gets a token of its own, which is shown once and can be revoked by its name. docs/api.md tells what they can
    ask and write.
    """


@token.command(name="add")
@click.argument("name")
@click.option("--as", "email", required=True, metavar="EMAIL", help="The user whose rights it has.")
@click.option(
    "--scope", type=click.Choice(["read", "write"]), default="read", show_default=True, help="What it may do."
)
@takes_call
def add_token(call: Call, name: str, email: str, scope: str) -> None:
    """Make a token for a program, and print it.

    NAME is what the audit log calls the program, such as crm-sync. It sees what the user may see in the console, and
    with --scope write it writes actions down as them; give it a user of its own to tell both apart. When the user is
    deactivated its tokens are revoked.
    """
    from pipeline.people.api_tokens import SCOPES
    from pipeline.people.api_tokens import add as make
    from pipeline.people.audit import log_command

    known = next(each for each in SCOPES if each == scope)
    with _writing_people(call) as (connection, site):
        who = _known(connection, email)
        made = make(connection, name, who, known, site.secret, call.now)
        log_command(connection, "token added", call.now, {"token": name, "user": who.email, "scope": known})
    call.answer(
        f"{name} may {scope} as {who.email} ({who.role}) by this token, which is not shown again:\n{made}\n"
        f"How to use it: {site.address}/api/v1/docs",
        {"name": name, "user": who.email, "scope": scope, "token": made},
    )


@token.command(name="list")
@takes_call
def list_tokens(call: Call) -> None:
    """Show which programs have a token, and when each used it last."""
    from pipeline.people.api_tokens import every_token
    from pipeline.people.connection import connect, reading

    settings, found = call.settings, []
    engine = connect(settings.located(settings.store.url))
    try:
        with suppress(StoreMissing), reading(engine) as connection:
            found = every_token(connection)
    finally:
        engine.dispose()
    told = [_told(each) for each in found]
    nobody = "No program has a token. To make one: churn token add NAME --as EMAIL"
    call.answer("\n".join(told) or nobody, {"tokens": [each.as_record() for each in found]})


@token.command(name="revoke")
@click.argument("name")
@takes_call
def revoke_token(call: Call, name: str) -> None:
    """Let a program in no more, at once."""
    from pipeline.people.api_tokens import revoke
    from pipeline.people.audit import log_command

    with _writing_people(call) as (connection, _):
        was = revoke(connection, name, call.now)
        log_command(connection, "token revoked", call.now, {"token": name, "user": was.email})
    call.answer(f"{name} is let in no more.", {"name": name, "revoked_at": call.now.isoformat()})


def _told(of: "ApiToken") -> str:
    last = f"last used {of.used_at:%Y-%m-%d %H:%M} UTC" if of.used_at else "never used"
    gone = f", revoked {of.revoked_at:%Y-%m-%d}" if of.revoked_at else ""
    return f"{of.name}: {of.scope} as {of.email}, made {of.created_at:%Y-%m-%d}, {last}{gone}"


def _known(connection: "Connection", email: str) -> "User":
    """The user of that address, who may sign in."""
    from pipeline.people.users import find

    found = find(connection, email)
    if found is None or found.deactivated_at is not None:
        raise UsageError(f"{email} may not sign in. Add them: churn user add {email} --role csm")
    return found


@contextmanager
def _writing_people(call: Call) -> "Iterator[tuple[Connection, Site]]":
    """The people store, made where there is none, in a transaction that writes; and the site that it belongs to."""
    from pipeline.people.connection import prepare, writing

    settings = call.settings
    _refuse_without_secret(settings, settings.console.host)
    site = _site(settings, settings.console.host, settings.console.port)
    try:
        prepare(site.people)
        with writing(site.people) as connection:
            yield connection, site
    finally:
        site.store.dispose()
        site.people.dispose()


def _site(settings: "Settings", host: str, port: int) -> "Site":
    from pipeline.console.site import Site
    from pipeline.people.connection import connect as connect_people
    from pipeline.plays import SHIPPED, read_plays
    from pipeline.store.connection import connect

    url, ours = settings.located(settings.store.url), settings.console
    return Site(
        store=connect(url),
        people=connect_people(url),
        address=ours.public_url or _address(host, port),
        secret=ours.secret.get_secret_value(),
        csm_sees=ours.csm_sees,
        calls_per_week=settings.book.calls_per_week,
        rest_days=settings.book.rest_days,
        arrival_hours=settings.data.arrival_hours,
        account_url=ours.account_url,
        plays=read_plays(settings.folder / ours.plays if ours.plays else SHIPPED),
        as_of=settings.run.as_of,
    )


def _address(host: str, port: int) -> str:
    """How a browser reaches it; an address that stands for all of this machine's is none to go to."""
    named = socket.gethostname() if host in {"", "0.0.0.0", "::"} else host
    return f"http://[{named}]:{port}" if ":" in named else f"http://{named}:{port}"


def _is_public(settings: "Settings", host: str) -> bool:
    return host not in LOOPBACK or bool(settings.console.public_url)


def _refuse_without_secret(settings: "Settings", host: str) -> None:
    """Without one, who can write to the store could make a session."""
    if _is_public(settings, host) and not settings.console.secret.get_secret_value():
        reached = settings.console.public_url or host
        raise UsageError(
            f"The console is to be reached from other machines ({reached}) and has no secret. Set {_SECRET} in the "
            "environment, alike for all commands, to what this prints: openssl rand -hex 32"
        )


def _warn_of_plain_text(site: "Site", host: str) -> None:
    if host not in LOOPBACK and not site.is_https:
        click.echo(
            "Passwords and customers' names cross the network in the clear: put a proxy before it that speaks TLS, and "
            "name its address in [console] public_url.",
            err=True,
        )
