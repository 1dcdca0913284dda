"""Options that several commands have."""

from datetime import date

import click

__all__ = ["as_of_option", "language_option", "read_day", "refresh_option"]


def read_day(_: click.Context, parameter: click.Parameter, value: str | None) -> date | None:
    """The day that an option names."""
    if value is None:
        return None
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise click.BadParameter(f"{value!r} is no date; write it as 2026-11-02", param=parameter) from None


as_of_option = click.option("--as-of", callback=read_day, metavar="DATE", help="Behave as if today were this date.")
language_option = click.option(
    "--language", type=click.Choice(["en", "zh"]), default="en", show_default=True, help="Of the reasons' words."
)
refresh_option = click.option(
    "--refresh",
    is_flag=True,
    help="Read all rows of a warehouse again, not only the new ones of usage and page visits.",
)
