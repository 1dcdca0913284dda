"""The commands that keep what people wrote, bring it back, and forget an account."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.call import Call, takes_call
from pipeline.errors import UsageError

if TYPE_CHECKING:
    from pipeline.forgetting import Forgot, Held
    from pipeline.people.archive import Manifest

__all__ = ["backup", "forget", "restore"]


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@takes_call
def backup(call: Call, file: Path) -> None:
    """Write what people did and wrote to one file.

    Published nights can be scored again; users, actions, notes and the audit log cannot. The file holds all of them as
    they were at one moment, while others go on writing, and can be restored into SQLite or PostgreSQL. It is a zip of
    JSON Lines, for its owner alone: it has hashes of passwords in it. An older backup of that name is replaced.
    """
    from pipeline.people.backup import back_up
    from pipeline.people.connection import connect

    settings = call.settings
    engine = connect(settings.located(settings.store.url))
    try:
        manifest = back_up(engine, file, call.now)
    finally:
        engine.dispose()
    call.answer(f"Backed up {_told(manifest)} to {file}.", {"file": file, **_record(manifest)})


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--replace", is_flag=True, help="Put the backup in the place of what the store holds.")
@takes_call
def restore(call: Call, file: Path, replace: bool) -> None:
    """Bring a backup of what people did and wrote back.

    Its checksums are tried first, and it comes back whole or not at all. A store that holds rows is left alone, unless
    --replace is given. Accounts that were forgotten since the backup stay forgotten. A backup of an older churn is
    brought along.
    """
    from pipeline.people.connection import connect
    from pipeline.people.restore import restore as run

    settings = call.settings
    engine = connect(settings.located(settings.store.url))
    try:
        manifest = run(engine, file, call.now, replace=replace)
    finally:
        engine.dispose()
    made = f"{manifest.made_at:%Y-%m-%d %H:%M} UTC"
    call.answer(f"Restored {_told(manifest)} from the backup of {made}.", {"file": file, **_record(manifest)})


@click.command()
@click.argument("account_id", metavar="ACCOUNT")
@click.option("--yes", is_flag=True, help="Do not ask.")
@takes_call
def forget(call: Call, account_id: str, yes: bool) -> None:
    """Remove what could tell who an account was, everywhere, and keep what was counted.

    Its names, its reasons and facts, what nights saw of it, and what people wrote about it go; its risks, bands and
    sums stay under a pseudonym. Later nights leave it out, also where your tables still hold it, and say so: remove it
    there, too. Files that were exported, backups and the tables themselves are not touched; a backup that is restored
    is emptied of it. It cannot be undone.
    """
    from pipeline.forgetting import forget as run
    from pipeline.forgetting import held

    found = held(call.settings, account_id)
    if not yes:
        if call.as_json:
            raise UsageError("With --json nothing can be asked: give --yes to forget the account.")
        click.confirm(f"{_held(account_id, found)} Forget it? It cannot be undone.", abort=True, err=True)
    with call.log() as log:
        done = run(call.settings, account_id, call.now, log.note)
    record = {"account_id": account_id, "was_forgotten": found.was_forgotten, **vars(done)}
    call.answer(_forgot(account_id, done), record)


def _held(account_id: str, found: "Held") -> str:
    called = account_id if found.name is None else f"{found.name} ({account_id})"
    again = " It was forgotten before." if found.was_forgotten else ""
    return f"{called} is in {found.scores:,} rows of scores, and in {found.rows:,} that people wrote.{again}"


def _forgot(account_id: str, done: "Forgot") -> str:
    people = [f"{name.replace('_', ' ')} {count:,}" for name, count in done.people.items()]
    counts = [f"scores {done.scores:,}", f"reasons {done.details:,}", f"inputs {done.inputs:,}", *people]
    return f"Forgot {account_id}. Rows that were emptied or removed: {', '.join(counts)}."


def _told(manifest: "Manifest") -> str:
    """The rows, and those of the tables that have some."""
    rows = {name.replace("_", " "): contents.rows for name, contents in manifest.tables.items() if contents.rows}
    listed = ", ".join(f"{name} {count:,}" for name, count in rows.items())
    return f"{sum(rows.values()):,} rows" + (f" ({listed})" if rows else "")


def _record(manifest: "Manifest") -> dict[str, Any]:
    rows = {name: contents.rows for name, contents in manifest.tables.items()}
    return {"made_at": manifest.made_at.isoformat(), "revision": manifest.revision, "rows": rows}
