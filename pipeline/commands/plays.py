"""`churn plays`: what to do about which reasons."""

from typing import Any

import click

from pipeline.call import Call, takes_call
from pipeline.commands.options import language_option

__all__ = ["plays"]


@click.command()
@language_option
@takes_call
def plays(call: Call, language: Any) -> None:
    """Show the plays that are suggested for an account's reasons, and which file they come from.

    Plays come with the product. To write your own, copy that file, change it and name it in the settings: [console]
    plays = "plays.toml", relative to them. A play has a name and steps in English and Chinese, the families of reasons
    that it answers, an effort (low, medium, high), and call = false where nobody is to be called. Of the plays for an
    account's weightiest family the first is suggested.
    """
    from pipeline.plays import SHIPPED, plays_page, read_plays

    settings = call.settings
    path = settings.folder / settings.console.plays if settings.console.plays else SHIPPED
    found = read_plays(path)
    record = {"file": path, "shipped": path == SHIPPED, "plays": [play.as_record() for play in found]}
    call.answer(plays_page(found, path, language), record)
