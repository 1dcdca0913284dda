"""One call of the command line: which settings it means, in which form it answers, and how it fails."""

import functools
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from pipeline.ending import Told, interruptible
from pipeline.errors import ExpectedError, RefusedError, UsageError
from pipeline.glossary import GLOSSARY

if TYPE_CHECKING:
    from pipeline.run_log import RunLog
    from pipeline.settings import Settings

__all__ = ["Call", "CommandGroup", "CommandWithWords", "config_option", "json_option", "takes_call"]

config_option = click.option(
    "-c", "--config", type=click.Path(path_type=Path), default=None, help="The settings. [default: churn.toml]"
)
json_option = click.option("--json", "as_json", is_flag=True, help="Answer with one JSON object on standard output.")


class Call:
    """What every command shares: which settings, in which form to answer, and the time it began, read once."""

    def __init__(self, config: Path, as_json: bool, now: datetime) -> None:
        self.config = config
        self.as_json = as_json
        self.now = now

    @property
    def settings(self) -> "Settings":
        """The settings, read anew."""
        from pipeline.settings_file import read_settings

        return read_settings(self.config)

    def settings_to_read(self, refresh: bool) -> "Settings":
        """The same, for a command that reads the tables and has `--refresh`."""
        return self.settings.model_copy(update={"refresh": refresh})

    @property
    def shown(self) -> str:
        """The option that leads to the same settings again, for the commands we propose."""
        return "" if self.config == Path("churn.toml") else f" -c {self.config}"

    def day(self, as_of: date | None) -> date:
        """The date to look from: the one asked for, else `[run] as_of`, else today in UTC.

        Raises `UsageError` for a date to come.
        """
        settings = self.settings
        today = max(self.now.date(), settings.run.as_of or date.min)  # a company with a today of its own lives there
        if as_of is not None and as_of > today:
            raise UsageError(f"--as-of {as_of} lies in the future: today is {today} in UTC. Name a day up to today.")
        return settings.today(as_of, self.now)

    @contextmanager
    def log(self) -> "Iterator[RunLog]":
        """The log of this run."""
        from pipeline.run_log import open_log

        with open_log() as log:
            yield log

    def answer(self, text: str, record: Mapping[str, Any]) -> None:
        """Print the answer: text for people, or one JSON object."""
        _say(json.dumps(record, ensure_ascii=False, default=str) if self.as_json else text)


def takes_call(command: Callable[..., None]) -> Callable[..., None]:
    """`-c` and `--json`, understood before and after the command's name."""

    @click.pass_context
    @functools.wraps(command)
    def wrapped(ctx: click.Context, /, config: Path | None, as_json: bool, **arguments: Any) -> None:
        above: Mapping[str, Any] = ctx.obj
        config = config or above["config"] or Path("churn.toml")
        call = Call(config, as_json or above["as_json"], datetime.now(UTC))
        with _told(call.as_json), interruptible():
            command(call, **arguments)

    return config_option(json_option(wrapped))


@contextmanager
def _told(as_json: bool) -> Iterator[None]:
    """Tell an expected failure in one message, and end with its exit status."""
    try:
        yield
    except ExpectedError as error:
        _fail(str(error), error.exit_status, as_json)
    except MemoryError:
        _fail("Out of memory. Lower [engine] memory_limit or threads, or give the machine more.", 1, as_json)
    except Told as told:
        _fail(str(told), 1, as_json)
    except Exception as error:
        # DuckDB makes another error of it, and what is given back on the way out may fail.
        for behind in (error.__cause__, error.__context__):
            if isinstance(behind, Told):
                _fail(str(behind), 1, as_json)
        message, status = _known(error)
        if message is None:
            raise
        _fail(message, status, as_json)


def _known(error: Exception) -> tuple[str | None, int]:
    """Failures of the libraries that a person can do something about."""
    kind = f"{type(error).__module__}.{type(error).__name__}"
    if kind == "models.errors.TrackingFailed":
        return str(error), 1
    # Nothing there yet, as with a store that holds no night; and a name in the settings that leads nowhere.
    if kind in {"models.errors.NoChampion", "models.errors.UnusableScorer"}:
        return str(error), UsageError.exit_status
    if kind.startswith("models.errors."):
        return str(error), RefusedError.exit_status
    if "OutOfMemoryException" in kind or "duckdb.IOException" in kind:
        first = str(error).splitlines()[0]
        return f"The engine gave up: {first}\nRaise [engine] memory_limit, or free memory and disk, and run again.", 1
    if isinstance(error, OSError):
        return f"{error.strerror or error}: {error.filename or ''}".removesuffix(": "), 1
    return None, 1


def _say(text: str) -> None:
    """Print it; where nobody reads any more, as behind `| head -1`, end with the status of a closed pipe."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the interpreter flushes once more at its end
        sys.exit(128 + signal.SIGPIPE)


def _fail(message: str, status: int, as_json: bool) -> NoReturn:
    if as_json:
        _say(json.dumps({"error": message, "exit_status": status}, ensure_ascii=False))
    print(message, file=sys.stderr)
    sys.exit(status)


class CommandWithWords(click.Command):
    """A command whose help ends with what the words of its answer mean."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the words."""
        with formatter.section("What the words mean"):
            formatter.write_dl(list(GLOSSARY.items()))


class CommandGroup(click.Group):
    """Commands listed by when they are needed, in the order in which one meets them."""

    def __init__(self, *args: Any, sections: Mapping[str, tuple[str, ...]], **more: Any) -> None:
        super().__init__(*args, **more)
        self.sections = sections

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write one section per group."""
        for title, names in self.sections.items():
            commands = [(name, self.commands[name]) for name in names]
            with formatter.section(title):
                formatter.write_dl([(name, command.get_short_help_str(120)) for name, command in commands])

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """As click does it, but a wrong usage is told in JSON as well where JSON was asked for."""
        given = sys.argv[1:] if args is None else list(args)
        if not standalone_mode or "--json" not in given:
            return super().main(given, prog_name, complete_var, standalone_mode, **extra)
        try:
            sys.exit(super().main(given, prog_name, complete_var, False, **extra))
        except click.ClickException as error:
            _fail(error.format_message(), error.exit_code, as_json=True)
        except click.Abort:
            _fail("Interrupted.", 1, as_json=True)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names, in the order of the groups."""
        return [name for names in self.sections.values() for name in names]
