"""What readers ask of the published nights.

They see a night through the table `published`, which names one run for each. The rest of a run is written before it is
named there and removed after another took its place, so a night is seen whole or not at all. A reader that asks several
questions asks them within one `reading` (`pipeline/store/connection.py`), whose answers all belong to one moment.

Bulk writes live in `pipeline/publication.py`; nothing here needs pandas or Arrow.
"""

import json
import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from struct import unpack
from typing import Any, Final, cast

from sqlalchemy import ColumnElement, Connection, Select, case, func, select

from pipeline.errors import StoreMissing
from pipeline.store.details import rest_alone, unpacked
from pipeline.store.schema import CATALOGUES, DETAILS, FROZEN, PUBLISHED, RUNS, SCORES, WITH_DETAILS

__all__ = [
    "AccountNight",
    "Entry",
    "LastScore",
    "Night",
    "account",
    "among",
    "book",
    "catalogue",
    "last_score",
    "most_at_stake",
    "night",
    "published",
]


@dataclass(frozen=True)
class Night:
    """The header of a night. `accounts` counts its rows, those leaving and lapsed included."""

    run_id: str
    as_of: date
    model_version: str
    catalogue: str
    started_at: datetime
    finished_at: datetime
    accounts: int
    settings_digest: str
    headline: Mapping[str, Any]
    warnings: tuple[str, ...]
    in_sample: bool


@dataclass(frozen=True)
class AccountNight:
    """One account in one night. Money in the company's currency a month, reasons and families in log-odds.

    Accounts that are leaving or lapsed have no risk, band, rank or reasons; new ones have a risk and no band. Of older
    nights the reasons are gone, but for the rest that closes them: what they add up to. `horizons` are risks by days;
    `involuntary` is P(involuntary | leaves), None where the model does not tell it; `renews_on` is the next renewal,
    None where none lies ahead or an older churn published the night; so are `segment` and `plan` where not known.
    """

    account_id: str
    root_id: str
    name: str | None
    entry_name: str | None
    owner: str | None
    state: str
    last_day: date | None
    band: str | None
    rank: int | None
    risk: float | None
    horizons: Mapping[int, float]
    mrr: float | None
    value_at_risk: float | None
    base_log_odds: float | None
    log_odds: float | None
    change_time: float | None
    change_data: float | None
    change_model: float | None
    largest_family: str | None
    involuntary: float | None
    families: Mapping[str, float]
    renews_on: date | None
    segment: str | None
    plan: str | None
    reasons: tuple[Mapping[str, Any], ...]
    facts: Mapping[str, float | str | None]


@dataclass(frozen=True)
class Entry:
    """One line of a list, one call: the scored accounts of one root and owner.

    `worst` is the one to speak of. `mrr` and `value_at_risk` are sums over all `accounts`, None where none is known.
    """

    worst: AccountNight
    accounts: int
    mrr: float | None
    value_at_risk: float | None


@dataclass(frozen=True)
class LastScore:
    """The last score of an account that the night of `gone_on` no longer scored: given in the night of `as_of`.

    `words` are those of the catalogue that it was scored with, as `catalogue` has them.
    """

    account: AccountNight
    as_of: date
    gone_on: date
    model_version: str
    words: Mapping[str, Any]


def night(connection: Connection, as_of: date | None = None) -> Night | None:
    """The night of `as_of`, by default the newest; None where it was never published."""
    wanted = select(RUNS).join(PUBLISHED, PUBLISHED.c.run_id == RUNS.c.run_id).order_by(PUBLISHED.c.as_of.desc())
    if as_of is not None:
        wanted = wanted.where(PUBLISHED.c.as_of == as_of)
    row = connection.execute(wanted.limit(1)).mappings().first()
    if row is None:
        return None
    plain = {"headline": json.loads(row["headline"]), "warnings": tuple(json.loads(row["warnings"]))}
    return Night(**{name: value for name, value in row.items() if name != "status"} | plain)


def published(connection: Connection, as_of: date | None, config: str = "") -> Night:
    """The same, for those who cannot go on without it. Raises `StoreMissing`; `config` is the option of its remedy."""
    found = night(connection, as_of)
    if found is None:
        which = "No night is published yet" if as_of is None else f"The night of {as_of} is not published"
        raise StoreMissing(f"{which}. Score it first: churn score{config}")
    return found


def catalogue(connection: Connection, of: Night) -> dict[str, Any]:
    """What was stored with the model of that night; not to be changed.

    `features` (name to record, in order), `families` and `horizons` (days) in the order of the stored numbers, `bands`,
    and `horizon_days`, the horizon of the risk.
    """
    return _parsed(
        connection.execute(select(CATALOGUES.c.record).where(CATALOGUES.c.digest == of.catalogue)).scalar_one()
    )


@lru_cache(maxsize=4)
def _parsed(record: str) -> dict[str, Any]:
    """It is the same for all nights of a model, and long."""
    return cast("dict[str, Any]", json.loads(record))


def book(connection: Connection, of: Night) -> Iterator[AccountNight]:
    """Every account of the night in book order: owner (those without last), rank, the worst of an entry first."""
    yield from _accounts(connection, of, _scores(of).order_by(SCORES.c.owner.is_(None), SCORES.c.owner, *_ORDER))


def most_at_stake(
    connection: Connection,
    of: Night,
    limit: int,
    owners: Collection[str | None] | None = None,
    to_rank: int | None = None,
) -> list[Entry]:
    """The entries with a candidate, by summed value at risk (unknown last), greatest risk, account_id.

    They are of all books, or of those of `owners` (None is who has no owner), and in each up to a rank.
    """
    mrr, value = func.sum(SCORES.c.mrr), func.sum(SCORES.c.value_at_risk)
    is_candidate = case((SCORES.c.state == "candidate", 1), else_=0)
    entries = (
        select(SCORES.c.owner, SCORES.c.rank, func.count(), mrr, value)
        .where(SCORES.c.run_id == of.run_id, SCORES.c.rank.is_not(None), *_among(owners))
        .group_by(SCORES.c.owner, SCORES.c.rank)  # the accounts of an entry, and no others, share a rank in their book
        .having(func.max(is_candidate) == 1)
        .order_by(value.is_(None), value.desc(), func.max(SCORES.c.risk).desc(), func.min(SCORES.c.account_id))
    )
    if to_rank is not None:
        entries = entries.where(SCORES.c.rank <= to_rank)
    return [
        Entry(_worst(connection, of, owner, rank), *sums)
        for owner, rank, *sums in connection.execute(entries.limit(limit)).all()
    ]


def _among(owners: Collection[str | None] | None) -> Iterator[ColumnElement[bool]]:
    if owners is not None:
        named = SCORES.c.owner.in_([owner for owner in owners if owner is not None])
        yield named | SCORES.c.owner.is_(None) if None in owners else named


def _worst(connection: Connection, of: Night, owner: str | None, rank: int) -> AccountNight:
    ours = _scores(of).where(SCORES.c.owner.is_not_distinct_from(owner), SCORES.c.rank == rank)
    return next(_accounts(connection, of, ours.order_by(*_ORDER).limit(1)))


def account(connection: Connection, of: Night, account_id: str) -> AccountNight | None:
    """One account in that night; None where it was not in it."""
    return next(_accounts(connection, of, _scores(of).where(SCORES.c.account_id == account_id)), None)


def among(connection: Connection, of: Night, ids: Select[tuple[str]] | Collection[str]) -> Iterator[AccountNight]:
    """The accounts of that night with these ids, or those that a query gives, by id."""
    yield from _accounts(connection, of, _scores(of).where(SCORES.c.account_id.in_(ids)).order_by(SCORES.c.account_id))


def last_score(connection: Connection, account_id: str) -> LastScore | None:
    """The last score of an account that has none any more, with its reasons; None for one that never lost it."""
    hidden = select(RUNS.c.run_id).where(RUNS.c.run_id == FROZEN.c.run_id, RUNS.c.status.in_(("staged", "superseded")))
    wanted = (
        select(FROZEN, CATALOGUES.c.record)
        .join(CATALOGUES, CATALOGUES.c.digest == FROZEN.c.catalogue)
        .where(FROZEN.c.account_id == account_id, ~hidden.exists())
        .order_by(FROZEN.c.gone_on.desc())
    )
    row = connection.execute(wanted.limit(1)).mappings().first()
    if row is None:
        return None
    fields = dict(row)
    about = {name: fields.pop(name) for name in ("as_of", "gone_on", "model_version")}
    shown = _parsed(fields.pop("record"))
    del fields["run_id"], fields["catalogue"]
    return LastScore(_account(fields, shown), words=shown, **about)


_ORDER: Final = (
    SCORES.c.rank.is_(None),
    SCORES.c.rank,
    SCORES.c.state != "candidate",
    SCORES.c.risk.is_(None),
    SCORES.c.risk.desc(),
    SCORES.c.account_id,
)


def _scores(of: Night) -> Select[Any]:
    columns = (column for column in SCORES.c if column.name != "run_id")
    return select(*columns, DETAILS.c.packed).select_from(WITH_DETAILS).where(SCORES.c.run_id == of.run_id)


def _accounts(connection: Connection, of: Night, wanted: Select[Any]) -> Iterator[AccountNight]:
    shown = catalogue(connection, of)
    with connection.execute(wanted, execution_options={"yield_per": 5_000}) as rows:
        for row in rows:
            yield _account(dict(row._mapping), shown)


def _account(fields: dict[str, Any], shown: Mapping[str, Any]) -> AccountNight:
    fields["families"] = _by(shown["families"], fields["families"])
    fields["horizons"] = _by(shown["horizons"], fields["horizons"])
    if (packed := fields.pop("packed")) is not None:
        fields["reasons"], fields["facts"] = unpacked(packed, shown["features"])
    else:  # no score, or one of an older night
        left = math.fsum(fields["families"].values())
        fields["reasons"], fields["facts"] = rest_alone(left) if fields["families"] else (), {}
    return AccountNight(**fields)


def _by(names: list[Any], numbers: bytes) -> dict[Any, float]:
    """The doubles by their names; nothing where nothing is stored."""
    return dict(zip(names, unpack(f"<{len(names)}d", numbers), strict=True)) if numbers else {}
