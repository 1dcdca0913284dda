"""The commands to start with: a company to look at, settings for your own, what its tables hold."""

import sys
from datetime import date
from pathlib import Path
from typing import Any

import click

from pipeline.call import Call, takes_call
from pipeline.commands.every_night import show_list
from pipeline.commands.options import as_of_option, refresh_option
from pipeline.errors import RefusedError, UsageError

__all__ = ["check", "demo", "init"]


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), default="demo")
@click.option(
    "--accounts",
    default=2000,
    show_default=True,
    type=click.IntRange(50, 1_000_000),
    help="Customers on the last night.",
)
@click.option("--seed", default=7, show_default=True, help="The same seed makes the same company.")
@takes_call
def demo(call: Call, folder: Path, accounts: int, seed: int) -> None:
    """Make up a company, train on it, score its last night and show the list.

    Writes FOLDER (default: demo) with the company's tables, its churn.toml, a store and an MLflow database.
    """
    from pipeline.nightly import run_night
    from pipeline.showroom import furnish
    from pipeline.training import train

    with call.log() as log:
        config = furnish(folder, accounts, seed, log)
        call = Call(config, call.as_json, call.now)
        train(call.settings, call.day(None), log)
        done = run_night(call.settings, call.day(None), call.now, None, log)
    show_list(call, done)


@click.command()
@click.argument("place", metavar="DIR|URL")
@click.option("--out", type=click.Path(path_type=Path), help="Write to this file. [default: DIR/churn.toml]")
@click.option("--dry-run", is_flag=True, help="Print the proposal and write nothing.")
@click.option("--force", is_flag=True, help="Write over a file that is there.")
@takes_call
def init(call: Call, place: str, out: Path | None, dry_run: bool, force: bool) -> None:
    """Look at a folder of tables or at a warehouse, propose a churn.toml for it, and check it.

    DIR holds CSV, TSV or Parquet files. URL is postgresql://user:password@host:5432/database, of a role that may
    select; the settings get it without the password, which the commands find in CHURN__DATA__CONNECTION.
    """
    from pipeline.proposal.proposal import propose, propose_warehouse
    from pipeline.settings_file import read_settings

    is_url = "://" in place
    proposal = propose_warehouse(place) if is_url else propose(Path(place))
    path, told = proposal.path(out), proposal.told()
    record: dict[str, Any] = {"config": path, "missing": proposal.missing, "questions": proposal.questions}
    if dry_run:
        text = proposal.toml(out)
        call.answer(f"{told}\n\nNothing was written. {path} would be:\n\n{text}", record | {"toml": text})
    else:
        proposal.write(out, force)
        told = f"{told}\n\nWrote {path}."
        if proposal.missing:
            lacks = f"It cannot be used yet: {', '.join(proposal.missing)} not found."
            call.answer(f"{told} {lacks} Answer what stands under OPEN there, then: churn check -c {path}", record)
        else:
            from pipeline.inspection import inspect

            today = Call(path, call.as_json, call.now).day(None)
            as_of = proposal.as_of(today)
            settings = read_settings(path)
            with call.log() as log:
                found = inspect(settings.connected(place) if is_url else settings, as_of, log)
            again = f"churn check -c {path}" + (f" --as-of {as_of}" if as_of != today else "")
            text = f"{told} Look through it, and after each change: {again}\n\n{found.told()}"
            call.answer(text, record | {"check": found.as_record()})
            if found.is_fatal:
                sys.exit(RefusedError.exit_status)
    if proposal.missing:
        sys.exit(UsageError.exit_status)


@click.command()
@as_of_option
@refresh_option
@takes_call
def check(call: Call, as_of: date | None, refresh: bool) -> None:
    """Hold the tables against the contract, and say how fresh they are and how many departures they hold."""
    from pipeline.inspection import inspect

    with call.log() as log:
        found = inspect(call.settings_to_read(refresh), call.day(as_of), log)
    call.answer(found.told(), found.as_record())
    if found.is_fatal:
        sys.exit(RefusedError.exit_status)
