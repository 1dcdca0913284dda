"""The command line. Heavy imports happen inside the command that needs them, so that `--help` answers at once."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import click

from pipeline.call import CommandGroup, config_option, json_option
from pipeline.commands import console, every_month, every_night, keeping, plays, start, when_wrong

__all__ = ["main"]

_SECTIONS: Final[Mapping[str, tuple[click.Command, ...]]] = {
    "Start": (start.demo, start.init, start.check),
    "Every night": (
        every_night.score,
        every_night.digest,
        every_night.export,
        every_night.explain,
        plays.plays,
        every_night.backfill,
    ),
    "The console": (console.console, console.user, console.token),
    "Every month": (
        every_month.train,
        every_month.backtest,
        every_month.promote,
        every_month.rollback,
        every_month.monitor,
    ),
    "When something looks wrong": (when_wrong.replay, when_wrong.doctor),
    "What people did and wrote": (keeping.backup, keeping.restore, keeping.forget),
}


@click.group(
    cls=CommandGroup,
    sections={title: tuple(command.name or "" for command in group) for title, group in _SECTIONS.items()},
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


for _group in _SECTIONS.values():
    for _command in _group:
        main.add_command(_command)
