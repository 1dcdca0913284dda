"""The commands of every night: score, tell the managers, hand on, look at one account."""

import sys
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.call import Call, CommandWithWords, takes_call
from pipeline.commands.options import as_of_option, language_option, read_day, refresh_option
from pipeline.errors import RefusedError, UsageError

if TYPE_CHECKING:
    from pipeline.nightly import NightDone
    from pipeline.store.nights import LastScore

__all__ = ["backfill", "digest", "explain", "export", "score", "show_list"]


@click.command()
@as_of_option
@click.option(
    "--out", type=click.Path(path_type=Path), help="Also write the night to this file (.csv, .parquet, .jsonl)."
)
@refresh_option
@takes_call
def score(call: Call, as_of: date | None, out: Path | None, refresh: bool) -> None:
    """Run the night: score every customer and publish the list."""
    from pipeline.nightly import run_night

    with call.log() as log:
        done = run_night(call.settings_to_read(refresh), call.day(as_of), call.now, out, log)
    show_list(call, done)


@click.command()
@click.option("--from", "first", callback=read_day, metavar="DATE", required=True, help="The first night.")
@click.option("--to", "last", callback=read_day, metavar="DATE", required=True, help="The last night.")
@click.option(
    "--model",
    type=click.Choice(["then", "today"]),
    default="then",
    show_default=True,
    help="Whose risks: the champion's of each day, or today's, which has seen what happened since.",
)
@takes_call
def backfill(call: Call, first: date, last: date, model: str) -> None:
    """Publish past nights, each on what was known then; nights that are there already stay.

    Each is scored by the version that was champion on its day. Where none is remembered, one is trained as of the first
    of its month, and registered without being promoted. Stopped, it goes on where it was when it is run again.

    With --model today nothing is trained, and the nights are marked: trends and realised skill leave them out.
    """
    from pipeline.backfill import backfill as run

    done = run(call.settings, first, call.day(last), call.log, by_today=model == "today")
    call.answer(done.told(), done.as_record())
    if done.refused:
        sys.exit(RefusedError.exit_status)


@click.command()
@click.option("--as-of", callback=read_day, metavar="DATE", help="The night to tell of. [default: today's]")
@click.option("--dry-run", is_flag=True, help="Print what would be sent; send and write nothing.")
@takes_call
def digest(call: Call, as_of: date | None, dry_run: bool) -> None:
    """Send each manager what changed in their book: one message, and none where there is nothing to say.

    On the first night of a week, as a rule on Mondays, it names at most five accounts that are new on the list, worse,
    recovered or leaving; on other days only those that gave notice or entered the high band. An account is named once
    in 14 days, a notice always. Each message of a night is sent once, also when this is run again.

    Mail goes by [mail] host and sender, chat by the variable CHURN__DIGEST__CHAT, an address of Apprise. Ends with 1
    when some did not get through and a retry may help, with 2 or 3 when none does; the others got theirs.
    """
    from pipeline.digest.round import run_digest

    with call.log() as log:
        done = run_digest(call.settings, as_of, call.day(None), log, dry_run=dry_run)
    call.answer(done.told(), done.as_record())
    sys.exit(done.exit_status)


@click.command()
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The file to write.")
@click.option(
    "--format", "format_", type=click.Choice(["csv", "parquet", "jsonl"]), help="[default: by the file's ending]"
)
@language_option
@as_of_option
@takes_call
def export(call: Call, out: Path, format_: Any, language: Any, as_of: date | None) -> None:
    """Write the published night to a file, for a CRM or a spreadsheet.

    One row for each account that is a customer, those leaving included (they have no risk), lapsed ones not. `rank`
    counts within one owner's book: each owner has a rank 1, and accounts of one parent share a rank. Rows go owner by
    owner in this order, while the list on the screen is of all books: sort by `value_at_risk` to have it. There are no
    names: look them up by `account_id` in your table of accounts.
    """
    from pipeline.export import export_night, refuse_destination
    from pipeline.headline import by_rules
    from pipeline.store.connection import connect, reading
    from pipeline.store.nights import published

    settings = call.settings
    refuse_destination(out, settings, format_, call.config)
    engine = connect(settings.located(settings.store.url))
    try:
        with reading(engine) as connection:
            shown = published(connection, as_of, call.shown)
        rows = export_night(engine, out, format=format_, language=language, as_of=shown.as_of)
    finally:
        engine.dispose()
    rules = by_rules(shown.headline)
    told = f"{_wrote(rows, out)} {rules} There are no risks in it." if rules else _wrote(rows, out)
    call.answer(told, {"out": out, "rows": rows, "ordered_by": "rules" if rules else "a model"})


@click.command(cls=CommandWithWords)
@click.argument("account_id", metavar="ACCOUNT")
@language_option
@as_of_option
@takes_call
def explain(call: Call, account_id: str, language: Any, as_of: date | None) -> None:
    """Show one account's risk and the reasons that add up to it."""
    from pipeline.morning import account_page, account_record
    from pipeline.store.connection import connect, reading
    from pipeline.store.nights import last_score, published

    settings = call.settings
    engine = connect(settings.located(settings.store.url))
    try:
        with reading(engine) as connection:
            shown = published(connection, as_of, call.shown)
        page = account_page(engine, account_id, shown, language)
        if page is None:
            with reading(engine) as connection:
                last = last_score(connection, account_id)
            raise UsageError(_unknown(account_id, shown.as_of, last, call.shown))
        seen = shown.headline.get("hindsight")  # absent from nights that an older churn published
        call.answer(f"{page}\n\n{seen}" if seen else page, account_record(engine, account_id, shown, language))
    finally:
        engine.dispose()


def _unknown(account_id: str, as_of: date, last: "LastScore | None", config: str) -> str:
    told = f"{account_id!r} is not in the night of {as_of}."
    if last is None or last.gone_on > as_of:
        return f"{told} Ids are listed by: churn export{config} --out FILE"
    return (
        f"{told} It was scored for the last time in the night of {last.as_of}; while that is kept, it is shown by: "
        f"churn explain{config} {account_id} --as-of {last.as_of}"
    )


def show_list(call: Call, done: "NightDone") -> None:
    """Answer with the list of a night that was run."""
    from pipeline.morning import list_page, list_record
    from pipeline.store.connection import connect, retried

    settings = call.settings
    engine = connect(settings.located(settings.store.url))
    try:
        text = retried(
            lambda: list_page(engine, call.shown, done.as_of, now=call.now, arrival_hours=settings.data.arrival_hours)
        )
        if done.exported is not None:
            text += f"\n{_wrote(done.rows_exported, done.exported)}"
        call.answer(text, {**done.as_record(), "list": retried(lambda: list_record(engine, done.as_of))})
    finally:
        engine.dispose()


def _wrote(rows: int, out: Path) -> str:
    return f"Wrote {rows:,} accounts to {out}."
