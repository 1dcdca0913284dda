"""The commands of every month: learn, judge, decide what the nights shall read."""

from contextlib import suppress
from datetime import date
from pathlib import Path

import click

from pipeline.call import Call, takes_call
from pipeline.commands.options import as_of_option, refresh_option

__all__ = ["backtest", "promote", "rollback", "train"]


@click.command()
@as_of_option
@click.option("--no-promote", is_flag=True, help="Leave it to a person whether the night shall use it.")
@click.option(
    "--tune",
    type=click.IntRange(2),
    metavar="N",
    help="Try N sets of LightGBM's parameters first, the default among them.",
)
@refresh_option
@takes_call
def train(call: Call, as_of: date | None, no_promote: bool, tune: int | None, refresh: bool) -> None:
    """Learn a model from past snapshots, test it through time, log it to MLflow, and put it to the gate.

    The gate compares it with the champion on the newest snapshots, both fitted without them. Where it is better there,
    or as good and the champion old, and in nothing worse, it becomes the champion, which the night reads. Where too few
    customers have left to learn from, the champion is a model of ten rules.

    --tune chooses among the sets that do as well as the best the one that is quickest to explain, on dates before those
    of test and gate. What was tried is kept in [data] cache: stopped, it goes on from there.
    """
    from pipeline.training import train as run

    with call.log() as log:
        trained = run(call.settings_to_read(refresh), call.day(as_of), log, promotes=not no_promote, trials=tune or 0)
    call.answer(trained.told(), trained.as_record())


@click.command()
@as_of_option
@refresh_option
@takes_call
def backtest(call: Call, as_of: date | None, refresh: bool) -> None:
    """Test on past dates what the model would have been worth, how early, and for whom, beside simple lists."""
    from models.errors import ModelRefusal, TrackingFailed
    from models.registry import load_champion
    from models.starter import is_starter
    from pipeline.backtest_page import backtest_page
    from pipeline.collected import collect
    from pipeline.fitted import measure
    from pipeline.papers import setting_of

    with call.log() as log:
        settings = call.settings_to_read(refresh)
        tested = measure(collect(settings, call.day(as_of), log), settings, log)
    page = backtest_page(tested, setting_of(settings, settings.today(call.day(as_of))))
    with suppress(ModelRefusal, TrackingFailed):
        if is_starter(load_champion(**settings.registry())[0]):
            page += "\n\nThis tests what a training would learn today. The nights are ordered by rules, which are "
            page += "tested when they are registered: see the model card in MLflow."
    call.answer(page, tested.as_record())


@click.command()
@click.argument("version", type=click.IntRange(1), required=False)
@as_of_option
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


@click.command()
@click.option("--why", metavar="TEXT", help="The reason, kept with the version.")
@takes_call
def rollback(call: Call, why: str | None) -> None:
    """Make the former champion the champion again, for the nights to come."""
    from pipeline.promotion import go_back

    with call.log() as log:
        done = go_back(call.settings, why, log)
    call.answer(done.told(), done.as_record())


@click.command()
@click.option(
    "--html",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write it with pictures, too: one page that any browser opens and that asks nothing of any host.",
)
@as_of_option
@refresh_option
@takes_call
def monitor(call: Call, html: Path | None, as_of: date | None, refresh: bool) -> None:
    """Say whether the nights can be trusted: drift, the skill to expect, and that of nights whose labels are known.

    Beside them, what people marked as no risk in the last year, and how many of these customers left all the same; each
    of them with its risk of then is in --json, under not_a_risk.
    """
    from pipeline.export import refuse_place
    from pipeline.monitor_page import monitor_page
    from pipeline.monitoring import monitor as run
    from pipeline.whole_file import whole_file

    if html is not None:
        refuse_place(html, call.settings, call.config, such_as="monitor.html")
    with call.log() as log:
        found = run(call.settings_to_read(refresh), call.day(as_of), log)
    told, record = found.told(), found.as_record()
    if html is not None:
        with whole_file(html) as file:
            file.write(monitor_page(found).encode())
        told, record = f"{told}\n\nWrote {html}.", {**record, "html": str(html)}
    call.answer(told, record)
