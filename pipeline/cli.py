"""The command line. Heavy imports happen inside the command that needs them, so that `--help` answers at once."""

import sys
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from pipeline.call import Call, CommandGroup, config_option, json_option, takes_call
from pipeline.errors import RefusedError, UsageError

if TYPE_CHECKING:
    from pipeline.nightly import NightDone
    from pipeline.run_log import RunLog
    from pipeline.training import Trained

__all__ = ["main"]

_SECTIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "Start": ("demo", "init", "check"),
    "Every night": ("score", "export", "explain"),
    "Every month": ("train", "backtest"),
    "When something looks wrong": ("doctor",),
}


def _day(_: click.Context, parameter: click.Parameter, value: str | None) -> date | None:
    if value is None:
        return None
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise click.BadParameter(f"{value!r} is no date; write it as 2026-11-02", param=parameter) from None


_as_of = click.option("--as-of", callback=_day, metavar="DATE", help="Behave as if today were this date.")


@click.group(
    cls=CommandGroup,
    sections=_SECTIONS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@config_option
@json_option
@click.version_option(package_name="churn-risk", prog_name="churn")
@click.pass_context
def main(ctx: click.Context, config: Path | None, as_json: bool) -> None:
    """Which customers are about to leave, why, and whom to call first.

    Exit status: 0 done; 1 failed, a retry may help; 2 wrong usage or settings; 3 refused, a retry will not help.
    """
    ctx.obj = {"config": config, "as_json": as_json}


@main.command()
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
    from pipeline.showroom import furnish

    with call.log() as log:
        config = furnish(folder, accounts, seed, log)
        call = Call(config, call.as_json)
        _train(call, None, log)
        done = _score(call, None, None, log)
    _show_list(call, done)


@main.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--force", is_flag=True, help="Write over a churn.toml that is there.")
@takes_call
def init(call: Call, folder: Path, force: bool) -> None:
    """Look at a folder of tables, propose a churn.toml for it, and check it."""
    from pipeline.inspection import inspect
    from pipeline.proposal.proposal import propose
    from pipeline.settings import read_settings

    proposal = propose(folder)
    config = proposal.write(force)
    found, record = "", {}
    if not proposal.missing:
        with call.log() as log:
            inspection = inspect(read_settings(config), None, log)
        found, record = f"{inspection.told()}\n\n", inspection.as_record()
    text = f"{proposal.told()}\n\nWrote {config}.\n\n{found}Next: look through {config}, then churn check -c {config}"
    call.answer(text, {"config": config, "missing": proposal.missing, "check": record})


@main.command()
@_as_of
@takes_call
def check(call: Call, as_of: date | None) -> None:
    """Hold the tables against the contract, and say how fresh they are and how many departures they hold."""
    from pipeline.inspection import inspect

    with call.log() as log:
        found = inspect(call.settings, as_of, log)
    call.answer(found.told(), found.as_record())
    if found.is_fatal:
        sys.exit(RefusedError.exit_status)


@main.command()
@_as_of
@takes_call
def train(call: Call, as_of: date | None) -> None:
    """Learn a model from past snapshots, test it through time, log it to MLflow and make it the champion."""
    with call.log() as log:
        trained = _train(call, as_of, log)
    call.answer(trained.told(), trained.as_record())


@main.command()
@_as_of
@takes_call
def backtest(call: Call, as_of: date | None) -> None:
    """Test on past dates what the model would have been worth, beside simple lists."""
    from pipeline.skill import skill_table
    from pipeline.training import collect, measure

    with call.log() as log:
        settings = call.settings
        tested = measure(collect(settings, as_of, log), settings, log)
    call.answer(skill_table(tested), tested.as_record())


@main.command()
@_as_of
@click.option(
    "--out", type=click.Path(path_type=Path), help="Also write the night to this file (.csv, .parquet, .jsonl)."
)
@takes_call
def score(call: Call, as_of: date | None, out: Path | None) -> None:
    """Run the night: score every customer and publish the list."""
    with call.log() as log:
        done = _score(call, as_of, out, log)
    _show_list(call, done)


@main.command()
@click.argument("account_id", metavar="ACCOUNT")
@_as_of
@takes_call
def explain(call: Call, account_id: str, as_of: date | None) -> None:
    """Show one account's risk and the reasons that add up to it."""
    from pipeline.morning import account_page, account_record
    from pipeline.store import connect, night, reading

    settings = call.settings
    engine = connect(settings.located(settings.store.url))
    try:
        with reading(engine) as connection:
            shown = night(connection, as_of)
        if shown is None:
            when = f"for {as_of}" if as_of else "yet"
            raise UsageError(f"No night is published {when}. Run: churn score{call.shown}")
        page = account_page(engine, account_id, shown)
        if page is None:
            raise UsageError(f"{account_id!r} is not in the night of {shown.as_of}. Ids are listed by: churn export")
        call.answer(page, account_record(engine, account_id, shown))
    finally:
        engine.dispose()


@main.command()
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The file to write.")
@click.option(
    "--format", "format_", type=click.Choice(["csv", "parquet", "jsonl"]), help="[default: by the file's ending]"
)
@click.option(
    "--language", type=click.Choice(["en", "zh"]), default="en", show_default=True, help="Of the reasons' words."
)
@_as_of
@takes_call
def export(call: Call, out: Path, format_: Any, language: Any, as_of: date | None) -> None:
    """Write the published night to a file, for a CRM or a spreadsheet."""
    from pipeline.export import export_night
    from pipeline.store import connect

    settings = call.settings
    engine = connect(settings.located(settings.store.url))
    try:
        rows = export_night(engine, out, format=format_, language=language, as_of=as_of)
    finally:
        engine.dispose()
    call.answer(f"Wrote {rows:,} accounts to {out}.", {"out": out, "rows": rows})


@main.command()
@click.option("--max-age", metavar="HOURS", help="Fail when the last published night is older, such as 26h.")
@takes_call
def doctor(call: Call, max_age: str | None) -> None:
    """Say what is installed, configured, reachable and stale."""
    from pipeline.health import examine

    found = examine(call.config, max_age)
    call.answer(found.told(), found.as_record())
    if not found.is_well:
        sys.exit(1)


def _train(call: Call, as_of: date | None, log: "RunLog") -> "Trained":
    from pipeline.training import train as run

    return run(call.settings, as_of, log)


def _score(call: Call, as_of: date | None, out: Path | None, log: "RunLog") -> "NightDone":
    from pipeline.nightly import run_night

    return run_night(call.settings, as_of, out, log)


def _show_list(call: Call, done: "NightDone") -> None:
    from pipeline.morning import list_page
    from pipeline.store import connect

    settings = call.settings
    engine = connect(settings.located(settings.store.url))
    try:
        call.answer(list_page(engine, call.shown, done.as_of), done.as_record())
    finally:
        engine.dispose()
