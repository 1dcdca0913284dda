"""The command line. Heavy imports happen inside the command that needs them, so that `--help` answers at once."""

import sys
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from pipeline.call import Call, CommandGroup, CommandWithWords, config_option, json_option, takes_call
from pipeline.errors import RefusedError, UsageError

if TYPE_CHECKING:
    from pipeline.nightly import NightDone
    from pipeline.run_log import RunLog
    from pipeline.training import Trained

__all__ = ["main"]

_SECTIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "Start": ("demo", "init", "check"),
    "Every night": ("score", "export", "explain"),
    "Every month": ("train", "backtest", "promote", "rollback"),
    "When something looks wrong": ("replay", "doctor"),
}


def _day(_: click.Context, parameter: click.Parameter, value: str | None) -> date | None:
    if value is None:
        return None
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise click.BadParameter(f"{value!r} is no date; write it as 2026-11-02", param=parameter) from None


_as_of = click.option("--as-of", callback=_day, metavar="DATE", help="Behave as if today were this date.")
_language = click.option(
    "--language", type=click.Choice(["en", "zh"]), default="en", show_default=True, help="Of the reasons' words."
)


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

    Exit status: 0 done; 1 failed, a retry may help; 2 wrong usage or settings, or another command has to be run first;
    3 refused, a retry will not help.
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
        call = Call(config, call.as_json, call.now)
        _train(call, None, log)
        done = _score(call, None, None, log)
    _show_list(call, done)


@main.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="Write to this file. [default: FOLDER/churn.toml]")
@click.option("--dry-run", is_flag=True, help="Print the proposal and write nothing.")
@click.option("--force", is_flag=True, help="Write over a file that is there.")
@takes_call
def init(call: Call, folder: Path, out: Path | None, dry_run: bool, force: bool) -> None:
    """Look at a folder of tables, propose a churn.toml for it, and check it."""
    from pipeline.proposal.proposal import propose
    from pipeline.settings import read_settings

    proposal = propose(folder)
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
            with call.log() as log:
                found = inspect(read_settings(path), as_of, log)
            again = f"churn check -c {path}" + (f" --as-of {as_of}" if as_of != today else "")
            text = f"{told} Look through it, and after each change: {again}\n\n{found.told()}"
            call.answer(text, record | {"check": found.as_record()})
            if found.is_fatal:
                sys.exit(RefusedError.exit_status)
    if proposal.missing:
        sys.exit(UsageError.exit_status)


@main.command()
@_as_of
@takes_call
def check(call: Call, as_of: date | None) -> None:
    """Hold the tables against the contract, and say how fresh they are and how many departures they hold."""
    from pipeline.inspection import inspect

    with call.log() as log:
        found = inspect(call.settings, call.day(as_of), log)
    call.answer(found.told(), found.as_record())
    if found.is_fatal:
        sys.exit(RefusedError.exit_status)


@main.command()
@_as_of
@click.option("--no-promote", is_flag=True, help="Leave it to a person whether the night shall use it.")
@takes_call
def train(call: Call, as_of: date | None, no_promote: bool) -> None:
    """Learn a model from past snapshots, test it through time, log it to MLflow, and put it to the gate.

    The gate compares it with the champion on the newest snapshots, both fitted without them. Where it is better there,
    or as good and the champion old, and in nothing worse, it becomes the champion, which the night reads. Where too few
    customers have left to learn from, the champion is a model of ten rules.
    """
    with call.log() as log:
        trained = _train(call, as_of, log, promotes=not no_promote)
    call.answer(trained.told(), trained.as_record())


@main.command()
@_as_of
@takes_call
def backtest(call: Call, as_of: date | None) -> None:
    """Test on past dates what the model would have been worth, how early, and for whom, beside simple lists."""
    from pipeline.backtest_page import backtest_page
    from pipeline.collected import collect
    from pipeline.fitted import measure
    from pipeline.papers import setting_of

    with call.log() as log:
        settings = call.settings
        tested = measure(collect(settings, call.day(as_of), log), settings, log)
    call.answer(backtest_page(tested, setting_of(settings, settings.today(call.day(as_of)))), tested.as_record())


@main.command()
@click.argument("version", type=click.IntRange(1), required=False)
@_as_of
@click.option("--force", is_flag=True, help="Past the gate; it takes --why.")
@click.option("--why", metavar="TEXT", help="The reason, kept with the version.")
@takes_call
def promote(call: Call, version: int | None, as_of: date | None, force: bool, why: str | None) -> None:
    """Put a registered VERSION (default: the newest) to the gate, and make it the champion if the gate lets it.

    Shows the customers whose band would change most, with the reasons of both models. What was decided is kept in
    MLflow.
    """
    from pipeline.promotion import promote_version

    with call.log() as log:
        done = promote_version(call.settings, version, as_of, log, force=force, why=why)
    call.answer(done.told(), done.as_record())


@main.command()
@click.option("--why", metavar="TEXT", help="The reason, kept with the version.")
@takes_call
def rollback(call: Call, why: str | None) -> None:
    """Make the former champion the champion again, for the nights to come."""
    from pipeline.promotion import go_back

    done = go_back(call.settings, why)
    call.answer(done.told(), done.as_record())


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


@main.command(cls=CommandWithWords)
@click.argument("account_id", metavar="ACCOUNT")
@_language
@_as_of
@takes_call
def explain(call: Call, account_id: str, language: Any, as_of: date | None) -> None:
    """Show one account's risk and the reasons that add up to it."""
    from pipeline.morning import account_page, account_record
    from pipeline.store import connect, published, reading

    settings = call.settings
    engine = connect(settings.located(settings.store.url))
    try:
        with reading(engine) as connection:
            shown = published(connection, as_of, call.shown)
        page = account_page(engine, account_id, shown, language)
        if page is None:
            ids = f"churn export{call.shown} --out FILE"
            raise UsageError(f"{account_id!r} is not in the night of {shown.as_of}. Ids are listed by: {ids}")
        seen = shown.headline.get("hindsight")  # absent from nights that an older churn published
        call.answer(f"{page}\n\n{seen}" if seen else page, account_record(engine, account_id, shown))
    finally:
        engine.dispose()


@main.command()
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The file to write.")
@click.option(
    "--format", "format_", type=click.Choice(["csv", "parquet", "jsonl"]), help="[default: by the file's ending]"
)
@_language
@_as_of
@takes_call
def export(call: Call, out: Path, format_: Any, language: Any, as_of: date | None) -> None:
    """Write the published night to a file, for a CRM or a spreadsheet.

    One row for each account that is a customer, those leaving included (they have no risk), lapsed ones not. `rank`
    counts within one owner's book: each owner has a rank 1, and accounts of one parent share a rank. Rows go owner by
    owner in this order, while the list on the screen is of all books: sort by `value_at_risk` to have it. There are no
    names: look them up by `account_id` in your table of accounts.
    """
    from pipeline.export import export_night, refuse_destination
    from pipeline.store import connect

    settings = call.settings
    refuse_destination(out, settings, format_, call.config)
    engine = connect(settings.located(settings.store.url))
    try:
        rows = export_night(engine, out, format=format_, language=language, as_of=as_of)
    finally:
        engine.dispose()
    call.answer(_wrote(rows, out), {"out": out, "rows": rows})


@main.command()
@click.option("--as-of", callback=_day, metavar="DATE", help="The night to build again. [default: the newest]")
@takes_call
def replay(call: Call, as_of: date | None) -> None:
    """Build a published night again from today's tables and say what differs: leaks and late rows."""
    from pipeline.replay import replay as run
    from pipeline.replay_page import replay_page

    with call.log() as log:
        found = run(call.settings, as_of, call.day(None), log)
    call.answer(replay_page(found), found.as_record())


@main.command()
@click.option("--max-age", metavar="HOURS", help="Fail when the last night, or its publication, is older, such as 26h.")
@takes_call
def doctor(call: Call, max_age: str | None) -> None:
    """Say what is installed, configured, reachable and stale."""
    from pipeline.health import examine

    found = examine(call.config, max_age, call.now)
    call.answer(found.told(), found.as_record())
    sys.exit(found.exit_status)


def _train(call: Call, as_of: date | None, log: "RunLog", *, promotes: bool = True) -> "Trained":
    from pipeline.training import train as run

    return run(call.settings, call.day(as_of), log, promotes=promotes)


def _score(call: Call, as_of: date | None, out: Path | None, log: "RunLog") -> "NightDone":
    from pipeline.nightly import run_night

    return run_night(call.settings, call.day(as_of), call.now, out, log)


def _wrote(rows: int, out: Path) -> str:
    return f"Wrote {rows:,} accounts to {out}."


def _show_list(call: Call, done: "NightDone") -> None:
    from pipeline.morning import list_page, list_record
    from pipeline.store import connect

    settings = call.settings
    engine = connect(settings.located(settings.store.url))
    try:
        text = list_page(engine, call.shown, done.as_of, now=call.now)
        if done.exported is not None:
            text += f"\n{_wrote(done.rows_exported, done.exported)}"
        call.answer(text, {**done.as_record(), "list": list_record(engine, done.as_of)})
    finally:
        engine.dispose()
