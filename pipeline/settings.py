"""The settings: small, typed, frozen. Paths are relative to the file that they were read from."""

import re
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final

from pydantic import Field, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from features.contract import required_tables
from features.timeline import ChurnRules
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
    Sentiment,
    SqlSource,
    Store,
    Tracking,
)

__all__ = ["ENV_PREFIX", "Settings", "SqlSource"]

ENV_PREFIX: Final = "CHURN__"
"""How the variables begin that override a key: `CHURN__SECTION__KEY`."""


class Settings(BaseSettings):
    """All settings. `folder` is where the file lies; every relative path hangs there.

    `refresh` is asked for on the command line: of a warehouse all rows are read, not only the new ones.
    """

    model_config = SettingsConfigDict(extra="forbid", frozen=True, env_prefix=ENV_PREFIX, env_nested_delimiter="__")

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
