"""The commands that keep what people wrote, and bring it back."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.call import Call, takes_call

if TYPE_CHECKING:
    from pipeline.people.archive import Manifest

__all__ = ["backup", "restore"]


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


def _told(manifest: "Manifest") -> str:
    """The rows, and those of the tables that have some."""
    rows = {name.replace("_", " "): contents.rows for name, contents in manifest.tables.items() if contents.rows}
    listed = ", ".join(f"{name} {count:,}" for name, count in rows.items())
    return f"{sum(rows.values()):,} rows" + (f" ({listed})" if rows else "")


def _record(manifest: "Manifest") -> dict[str, Any]:
    rows = {name: contents.rows for name, contents in manifest.tables.items()}
    return {"made_at": manifest.made_at.isoformat(), "revision": manifest.revision, "rows": rows}
