"""The commands for when something looks wrong."""

import sys
from datetime import date

import click

from pipeline.call import Call, takes_call
from pipeline.commands.options import read_day, refresh_option

__all__ = ["doctor", "replay"]


@click.command()
@click.option("--as-of", callback=read_day, metavar="DATE", help="The night to build again. [default: the newest]")
@refresh_option
@takes_call
def replay(call: Call, as_of: date | None, refresh: bool) -> None:
    """Build a published night again from today's tables and say what differs: leaks and late rows."""
    from pipeline.replay import replay as run
    from pipeline.replay_page import replay_page

    with call.log() as log:
        found = run(call.settings_to_read(refresh), as_of, call.day(None), log)
    call.answer(replay_page(found), found.as_record())


@click.command()
@click.option("--max-age", metavar="HOURS", help="Fail when the last night, or its publication, is older, such as 26h.")
@takes_call
def doctor(call: Call, max_age: str | None) -> None:
    """Say what is installed, configured, reachable and stale."""
    from pipeline.health import examine
    from pipeline.run_log import open_log

    with open_log(quiet=not sys.stderr.isatty()) as log:  # as an alarm, it says nothing but its findings
        found = examine(call.config, max_age, call.now, log)
    call.answer(found.told(), found.as_record())
    sys.exit(found.exit_status)
