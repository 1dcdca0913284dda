"""The sections of `churn.toml`, each frozen and refusing keys that it does not know."""

import difflib
from collections.abc import Iterable
from datetime import date, datetime, time
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from features.contract import CONTRACT, RECORDED_AT

__all__ = [
    "WATCHED",
    "Action",
    "Book",
    "Checks",
    "Churn",
    "Company",
    "Data",
    "Engine",
    "Gate",
    "Run",
    "Section",
    "Source",
    "SqlSource",
    "Store",
    "Tracking",
    "closest",
    "nearest",
]


WATCHED: Final = ("usage", "subscriptions", "page_visits", "tickets", "invoices")
"""The tables whose newest row tells whether they are still filled."""


_MOST_NAMED: Final = 16


def closest(name: str, known: Iterable[str]) -> str | None:
    """The known name that was probably meant."""
    return next(iter(difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)), None)


def nearest(name: str, known: Iterable[str]) -> str:
    """What to add to a complaint about an unknown name: the one that was probably meant, else those there are.

    >>> nearest("grace_day", ["grace_days", "lead_days"])
    '; did you mean grace_days?'
    """
    names = list(known)
    if meant := closest(name, names):
        return f"; did you mean {meant}?"
    beyond = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return f"; known are {', '.join(names[:_MOST_NAMED])}{beyond}" if names else ""


class Section(BaseModel):
    """What all sections are: unknown keys are an error, and nothing changes after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Company(Section):
    """Who the figures are about."""

    name: str = "Company"
    currency: str = "USD"


class SqlSource(Section):
    """A table made by a query: joins, renames and casts without touching the company's files."""

    sql: str = Field(min_length=1)


Source = str | SqlSource


class Data(Section):
    """Where the tables of the contract lie, and how the company keeps them."""

    connection: str | None = None
    accounts: Source | None = None
    subscriptions: Source | None = None
    usage: Source | None = None
    users: Source | None = None
    tickets: Source | None = None
    ticket_messages: Source | None = None
    page_visits: Source | None = None
    feedback: Source | None = None
    invoices: Source | None = None
    interactions: Source | None = None
    columns: dict[str, dict[str, str]] = Field(default_factory=dict)
    constant: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subscription_history: bool = True
    recorded_from: datetime | None = None
    arrival_hours: int = Field(default=6, ge=0, le=23)
    ended_on: Literal["first_day_without", "last_day"] = "first_day_without"
    cache: str = ".churn-cache"
    reread_days: int = Field(default=7, ge=0, le=3650)

    @field_validator("connection")
    @classmethod
    def _is_a_warehouse(cls, connection: str | None) -> str | None:
        if connection is not None and not connection.startswith(("postgresql://", "postgres://")):
            raise ValueError(  # without the value, which may hold a password
                "connection is the address of no warehouse that is read: it begins with postgresql://"
            )
        return connection

    @field_validator("recorded_from", mode="before")
    @classmethod
    def _a_day_means_all_of_it(cls, value: object) -> object:
        """The load of 15 January ran on that day: midnight at its start would leave the load out."""
        if isinstance(value, date) and not isinstance(value, datetime):
            return datetime.combine(value, time.max)
        return value

    @field_validator("columns")
    @classmethod
    def _columns_of_the_contract(cls, columns: dict[str, dict[str, str]]) -> dict[str, dict[str, str]]:
        for table, names in columns.items():
            if table not in CONTRACT:
                raise ValueError(f"no table is called {table!r}{nearest(table, CONTRACT)}")
            known = [column.name for column in CONTRACT[table].columns] + [RECORDED_AT]
            for name in names:
                if name not in known and table != "accounts":
                    raise ValueError(f"{table} has no column {name!r}{nearest(name, known)} (ours = theirs)")
        return columns

    @model_validator(mode="after")
    def _constant_names_columns(self) -> "Data":
        for name in self.constant:
            table, _, column = name.partition(".")
            if table not in CONTRACT or not column:
                raise ValueError(f"constant: {name!r} is no table.column, such as 'accounts.industry'")
            known = [each.name for each in CONTRACT[table].columns] + list(self.columns.get(table, ()))
            if column not in known and name not in self.categories:
                raise ValueError(f"constant: {table} has no column {column!r}{nearest(column, known)}")
        return self

    @field_validator("categories")
    @classmethod
    def _categories_are_further_columns(cls, categories: tuple[str, ...]) -> tuple[str, ...]:
        for name in categories:
            table, _, column = name.partition(".")
            if table != "accounts" or not column.isidentifier():
                raise ValueError(f"categories: {name!r} is no further column of accounts, such as 'accounts.tier'")
            if CONTRACT["accounts"].column(column) is not None:
                raise ValueError(
                    f"categories: {name!r} is a column of the contract, which says itself whether it teaches a model; "
                    "leave it out here"
                )
        return tuple(dict.fromkeys(categories))

    @property
    def sources(self) -> dict[str, Source]:
        """The tables that are given, in the contract's order."""
        return {name: source for name in CONTRACT if (source := getattr(self, name)) is not None}


class Churn(Section):
    """When an account counts as lost."""

    definition: Literal["subscription", "inactivity"] = "subscription"
    event: Literal["ended", "notice"] = "ended"
    horizon_days: int = Field(default=60, ge=1, le=730)
    horizons: tuple[Annotated[int, Field(ge=1, le=730)], ...] = (30, 60, 90)
    grace_days: int = Field(default=30, ge=0, le=365)
    lead_days: int = Field(default=0, ge=0, le=365)
    settle_days: int = Field(default=0, ge=0, le=365)
    snapshot_every_days: int = Field(default=28, ge=1, le=365)
    inactive_days: int = Field(default=60, ge=1, le=730)
    activity_events: tuple[str, ...] | None = None
    count_free: bool = False
    assumed_monthly_rate: float = Field(default=0.03, gt=0, lt=1)


class Sentiment(Section):
    """Who judges how the words of tickets sound, where the company has no judgement of its own."""

    learn: bool = True
    model: str = ""


class Book(Section):
    """How scores become a customer success manager's list."""

    calls_per_week: int = Field(default=10, ge=1)
    rest_days: int = Field(default=14, ge=0)
    new_days: int = Field(default=28, ge=0)
    medium: float = Field(default=2.0, gt=1)
    high: float = Field(default=4.0, gt=1)
    value_events: tuple[str, ...] = ()

    def capacity(self, owners: int) -> int:
        """How many accounts the whole team can call for each list."""
        return self.calls_per_week * max(1, owners)

    @model_validator(mode="after")
    def _high_above_medium(self) -> "Book":
        if self.high <= self.medium:
            raise ValueError(
                f"high = {self.high} must be above medium = {self.medium}: both are multiples of the base odds"
            )
        return self


class Gate(Section):
    """When a newly trained model takes the champion's place."""

    tolerance: float = Field(default=0.02, ge=0, lt=1)
    max_model_age_days: int = Field(default=30, ge=0)


Action = Literal["stop", "warn", "off"]


class Checks(Section):
    """What stops a night before it is published, and what only earns it a warning."""

    stale: tuple[str, ...] = ("usage",)
    outage: Action = "warn"
    accounts: Action = "stop"
    accounts_change: float = Field(default=0.2, gt=0)
    risk: Action = "warn"
    risk_shift: float = Field(default=0.25, gt=0)
    model_age: Action = "warn"
    model_age_days: int = Field(default=120, ge=1)

    @field_validator("stale")
    @classmethod
    def _are_watched(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if name not in WATCHED:
                raise ValueError(f"{name!r} is none of the tables that are watched: {', '.join(WATCHED)}")
        return names


class Store(Section):
    """Where published nights live."""

    url: str = Field(default="sqlite:///churn.db", min_length=1)
    excerpts: bool = False


_TRACKED: Final = ("sqlite", "postgresql", "mysql", "mssql", "http://", "https://", "databricks")


class Tracking(Section):
    """Where MLflow keeps runs and models."""

    uri: str = Field(default="sqlite:///mlflow.db", min_length=1)

    @field_validator("uri")
    @classmethod
    def _is_one_that_mlflow_reads(cls, uri: str) -> str:
        if not uri.startswith(_TRACKED):
            raise ValueError(f"{uri!r} is nothing that MLflow reads: it begins with {', '.join(_TRACKED)}")
        return uri

    model: str = Field(default="churn-risk", min_length=1)


class Engine(Section):
    """What computes features."""

    name: Literal["duckdb"] = "duckdb"
    threads: int = Field(default=0, ge=0)
    memory_limit: str = "4GB"


class Run(Section):
    """How a run is run: how long at most, and with which day as today, for demonstrations and reproductions."""

    hours_at_most: float = Field(default=12.0, ge=0, le=1000)
    as_of: date | None = None
    demo: bool = False
