"""`churn.toml`: small, typed, frozen, read once at the edge.

Unknown keys are refused, in the file and in the environment alike: a misspelt `grace_day` that is silently ignored
changes every label. Paths are relative to the file.
"""

import os
import re
import tomllib
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, SettingsError

from features.contract import required_tables
from features.timeline import ChurnRules
from pipeline.errors import UsageError
from pipeline.message_sections import Console, Digest, Mail
from pipeline.sections import (
    Book,
    Checks,
    Churn,
    Company,
    Data,
    Engine,
    Gate,
    Run,
    Section,
    Sentiment,
    SqlSource,
    Store,
    Tracking,
    nearest,
)

__all__ = ["Settings", "SqlSource", "read_settings"]

_ENV_PREFIX: Final = "CHURN__"


class Settings(BaseSettings):
    """All settings. `folder` is where the file lies; every relative path hangs there.

    `refresh` is asked for on the command line: of a warehouse all rows are read, not only the new ones.
    """

    model_config = SettingsConfigDict(extra="forbid", frozen=True, env_prefix=_ENV_PREFIX, env_nested_delimiter="__")

    folder: Path = Field(default=Path(), exclude=True)
    refresh: bool = Field(default=False, exclude=True)
    company: Company = Company()
    data: Data = Data()
    churn: Churn = Churn()
    pages: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    sentiment: Sentiment = Sentiment()
    book: Book = Book()
    gate: Gate = Gate()
    checks: Checks = Checks()
    store: Store = Store()
    tracking: Tracking = Tracking()
    engine: Engine = Engine()
    run: Run = Run()
    console: Console = Console()
    digest: Digest = Digest()
    mail: Mail = Mail()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment wins over the file; nothing else is read."""
        return env_settings, init_settings

    @field_validator("pages")
    @classmethod
    def _groups_are_words(cls, pages: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        for group, patterns in pages.items():
            if not group.isidentifier():
                raise ValueError(f"the group {group!r} needs a name of letters, digits and underscores")
            if not patterns:
                raise ValueError(f"the group {group!r} has no patterns, such as '/pricing*'")
        return pages

    @model_validator(mode="after")
    def _required_tables_given(self) -> "Settings":
        missing = [name for name in required_tables(self.churn.definition) if getattr(self.data, name) is None]
        if missing:
            raise ValueError(
                f'[data] lacks {" and ".join(missing)}, which definition = "{self.churn.definition}" needs; '
                f'for example {missing[0]} = "data/{missing[0]}.parquet"'
            )
        if self.churn.event == "notice" and self.churn.definition == "inactivity":
            raise ValueError(
                '[churn] event = "notice" needs definition = "subscription": without terms nobody gives notice'
            )
        if self.churn.definition == "inactivity" and self.churn.horizons != Churn().horizons:
            raise ValueError(
                '[churn] horizons needs definition = "subscription": silence is judged at the end of one window, so '
                "what a shorter one finds may be taken back by a longer one. Take the key out"
            )
        self.rules()  # refuses a horizon shorter than the silence it predicts
        return self

    def rules(self) -> ChurnRules:
        """The churn rules that features and labels go by."""
        churn = self.churn
        return ChurnRules(
            definition=churn.definition,
            event=churn.event,
            horizon_days=churn.horizon_days,
            lead_days=churn.lead_days,
            grace_days=churn.grace_days,
            settle_days=churn.settle_days,
            arrival_hours=self.data.arrival_hours,
            inactive_days=churn.inactive_days,
            activity_events=churn.activity_events,
            value_events=self.book.value_events,
            count_free=churn.count_free,
            recorded_from=_utc(self.data.recorded_from),
        )

    def horizons(self) -> tuple[int, ...]:
        """The horizons shown beside `horizon_days`, ascending; with inactivity there are none."""
        churn = self.churn
        return tuple(sorted({*churn.horizons} - {churn.horizon_days})) if churn.definition == "subscription" else ()

    def question(self) -> dict[str, Any]:
        """What a model is trained to answer, and what its columns mean, as `section.key`: alike on every night."""
        asked = ["churn.definition", "churn.event", "churn.horizon_days", "churn.lead_days", "churn.count_free"]
        asked += ["data.ended_on", "data.recorded_from"]
        silence = ["churn.inactive_days", "churn.activity_events", "book.value_events"]
        asked += silence if self.churn.definition == "inactivity" else ["churn.grace_days"]
        plain = self.model_dump(mode="json")
        plain["data"]["recorded_from"] = str(_utc(self.data.recorded_from))
        plain["book"]["value_events"].sort()
        return {name: plain[section][key] for name in asked for section, key in [name.split(".")]}

    def without_secrets(self) -> dict[str, Any]:
        """Everything set, as plain data that may be stored and shown: passwords in URLs are starred."""
        plain = self.model_dump(mode="json")
        for section, key in (("data", "connection"), ("store", "url"), ("tracking", "uri")):
            if plain[section][key] is None:
                continue
            starred = re.sub(r"(?<=://)([^:/@]*):.*@", r"\1:***@", plain[section][key])
            starred = re.sub(r"(?<=://)[^:/@]+(?=@)", "***", starred) if starred.startswith("http") else starred
            plain[section][key] = re.sub(r"(?i)((?:password|token|secret)=)[^&]*", r"\1***", starred)
        return plain

    def connected(self, connection: str) -> "Settings":
        """The same with an address that has its password."""
        return self.model_copy(update={"data": self.data.model_copy(update={"connection": connection})})

    def located(self, url: str) -> str:
        """A SQLite URL with its relative path hung on the settings' folder; any other URL as it is."""
        prefix = "sqlite:///"
        if not url.startswith(prefix) or url.startswith(prefix + "/"):
            return url
        return f"{prefix}{(self.folder / url.removeprefix(prefix)).resolve()}"

    def registry(self) -> dict[str, str]:
        """Where the models are kept: `uri` and `name`, as `models.registry` and `models.succession` take them."""
        return {"uri": self.located(self.tracking.uri), "name": self.tracking.model}

    def today(self, as_of: date | None = None, now: datetime | None = None) -> date:
        """The date a run looks from: the one asked for, else `[run] as_of`, else today in UTC (by `now`, if given)."""
        return as_of or self.run.as_of or (now or datetime.now(UTC)).date()


def _utc(instant: datetime | None) -> datetime | None:
    """The same instant in UTC without a zone, as all tables have it."""
    return instant.astimezone(UTC).replace(tzinfo=None) if instant is not None and instant.tzinfo else instant


def read_settings(path: Path) -> Settings:
    """The settings of a file, overridden by `CHURN__SECTION__KEY` variables.

    Raises
    ------
    UsageError
        For a missing or unreadable file, an unknown key or variable, a value of the wrong type; it names all of them.
    """
    if not path.is_file():
        raise UsageError(
            f"No settings at {path}. `churn init` writes them from your tables, `churn demo` shows a company."
        )
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(
            f"{path} is not TOML: {error}. Text values need quotes; sections stand in [brackets]."
        ) from error
    for name in ("folder", "refresh"):
        if name in content:
            raise UsageError(f"{path}: unknown key {name}")
    _refuse_unknown_variables()
    _refuse_worded_booleans(path, content)
    _refuse_secrets(path, content)
    try:
        return Settings(**content, folder=path.parent.resolve())
    except ValidationError as error:
        problems = "\n".join(f"  {line}" for line in _explained(error))
        raise UsageError(f"{path} cannot be used:\n{problems}") from error
    except SettingsError as error:
        field = str(error).partition('"')[2].partition('"')[0]
        raise UsageError(
            f"A variable {_ENV_PREFIX}{field.upper()}… cannot be read: {error.__cause__}. Lists and tables are written "
            """as JSON there, such as CHURN__BOOK__VALUE_EVENTS='["order"]'."""
        ) from error


def _refuse_unknown_variables() -> None:
    """pydantic-settings ignores variables it cannot place, so a typo would silently do nothing.

    One underscore where two belong is such a typo; what else begins with CHURN_ may be another program's.
    """
    known = [f"{_ENV_PREFIX}{section}__{key}".upper() for section, key, _ in _known_keys()]
    plain = {_plainly(name) for name in known}
    sections = "|".join(Settings.model_fields).upper()
    ours = re.compile(rf"{_ENV_PREFIX}|CHURN_({sections})__")
    pages = f"{_ENV_PREFIX}PAGES"
    unknown = [
        name
        for name in sorted(os.environ)
        if ours.match(name.upper()) or _plainly(name) in plain
        if name.upper() not in known and name.upper() != pages and not name.upper().startswith(f"{pages}__")
    ]
    if unknown:
        told = "\n".join(f"  {name} names no setting{nearest(name.upper(), known)}" for name in unknown)
        raise UsageError(f"The environment cannot be used:\n{told}")


def _plainly(name: str) -> str:
    return name.upper().replace("__", "_")


def _refuse_worded_booleans(path: Path, content: dict[str, Any]) -> None:
    """In the environment all is text, so pydantic takes "no" for false; in the file it is a mistake, as "two" is."""
    worded = [
        f"  [{section}] {key} = {value!r}: write true or false, without quotes"
        for section, key, kind in _known_keys()
        if kind is bool and isinstance(content.get(section), dict)
        if not isinstance(value := content[section].get(key, True), bool)
    ]
    if worded:
        raise UsageError("\n".join([f"{path} cannot be used:", *worded]))


def _refuse_secrets(path: Path, content: dict[str, Any]) -> None:
    """A file is copied, shown and kept under version control; the environment is not."""
    written = [
        f"  [{section}] {key} is secret: give it in the environment, as {_ENV_PREFIX}{f'{section}__{key}'.upper()}"
        for section, key, kind in _known_keys()
        if kind is SecretStr and isinstance(content.get(section), dict) and key in content[section]
    ]
    connection = data.get("connection") if isinstance(data := content.get("data"), dict) else None
    if isinstance(connection, str) and re.search(r"://[^/@]*:.*@|(?i:[?&]\w*password=)", connection):
        remedy = f"Take it out, and give the whole address in the environment: {_ENV_PREFIX}DATA__CONNECTION."
        written.append(f"  [data] connection holds a password. {remedy}")
    if written:
        raise UsageError("\n".join([f"{path} cannot be used:", *written]))


def _known_keys() -> Iterator[tuple[str, str, Any]]:
    """Section, key and type of each setting."""
    for section, field in Settings.model_fields.items():
        annotation = field.annotation
        if isinstance(annotation, type) and issubclass(annotation, Section):
            for key, described in annotation.model_fields.items():
                yield section, key, described.annotation


def _explained(error: ValidationError) -> Iterator[str]:
    """Each problem as: where, what was seen, what is expected."""
    for problem in error.errors():
        yield _explained_one(problem)


def _explained_one(problem: ErrorDetails) -> str:
    where = [str(part) for part in problem["loc"] if part not in {"str", "SqlSource"}]
    place = f"[{where[0]}] {'.'.join(where[1:])}" if len(where) > 1 else (where[0] if where else "")
    variable = f"{_ENV_PREFIX}{'__'.join(where[:2])}".upper()
    if len(where) > 1 and variable in {name.upper() for name in os.environ}:
        place = variable
    if problem["type"] == "extra_forbidden":
        section = Settings.model_fields.get(where[0]) if len(where) > 1 else None
        known: Any = Settings.model_fields if section is None else getattr(section.annotation, "model_fields", ())
        return f"{place}: unknown key{nearest(where[-1], known)}"
    message = problem["msg"].removeprefix("Value error, ").replace("a valid tuple", "a list, such as [30, 60]")
    if not place or problem["type"] == "value_error":
        return f"{place}: {message}".removeprefix(": ")
    return f"{place} = {problem['input']!r}: {message}"
