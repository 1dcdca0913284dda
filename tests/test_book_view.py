"""The view `book`: what tools read that know the store and nothing of the product."""

import math
from datetime import date, timedelta
from typing import Any

import pytest
from sample_nights import BANDS, CATALOGUE, NIGHT, NOW, make_book, publish, run, scored
from sqlalchemy import Engine, text

from pipeline.exported import COLUMNS, exported
from pipeline.store.connection import reading
from pipeline.store.nights import book, catalogue, published

NOT_IN_SQL = {"reasons", "families"}
"""They lie packed in the store, and are worded when they are read."""

BESIDE = ("largest_family", "segment", "plan", "renews_on")


def put(store: Engine, run_id: str, as_of: date = NIGHT, accounts: int = 20, **headline: Any) -> None:
    """A night with accounts of all states, some of them without this or that."""
    frame = scored(accounts)
    frame.loc[3, "state"] = "leaving"
    frame.loc[4, "state"] = "lapsed"
    frame.loc[5, "since"] = as_of
    frame.loc[6, ["mrr", "owner"]] = [math.nan, None]
    frame["segment"] = ["small" if number % 2 else None for number in range(accounts)]
    frame["plan"] = "Team"
    frame["renews_on"] = [as_of + timedelta(days=number) if number % 3 else None for number in range(accounts)]
    made = make_book(frame, bands=BANDS, new_days=28, as_of=as_of)
    publish(store, run(run_id, as_of=as_of, **headline), made, CATALOGUE, finished_at=NOW)


def in_view(store: Engine) -> list[dict[str, Any]]:
    """Its rows, as a tool reads them that knows no types."""
    with reading(store) as connection:
        rows = connection.execute(text("SELECT * FROM book ORDER BY account_id")).mappings()
        return [{**row, **{name: row[name] and str(row[name]) for name in ("as_of", "renews_on")}} for row in rows]


@pytest.mark.parametrize("starter", [None, {"departures": 3, "needed": 50}], ids=["a model", "rules"])
def test_it_holds_what_an_export_holds(store: Engine, starter: dict[str, int] | None) -> None:
    """The newest night alone, row for row and column for column, to the last bit; no risks where rules order it."""
    put(store, "before", NIGHT - timedelta(days=1), 12)
    put(store, "replaced", NIGHT, 15)
    put(store, "r", NIGHT, starter=starter)
    with reading(store) as connection:
        of = published(connection, None)
        features = catalogue(connection, of)["features"]
        accounts = [each for each in book(connection, of) if each.state != "lapsed"]
    wanted = [
        {
            **{name: value for name, value in exported(each, of, features, "en").items() if name not in NOT_IN_SQL},
            **{name: getattr(each, name) for name in BESIDE},
        }
        for each in sorted(accounts, key=lambda each: each.account_id)
    ]
    for row in wanted:
        row |= {name: row[name] and str(row[name]) for name in ("as_of", "renews_on")}
    found = in_view(store)
    assert 19 == len(found)
    assert [*(name for name in COLUMNS if name not in NOT_IN_SQL), *BESIDE] == list(found[0])
    assert wanted == found
    assert {row["risk"] is None for row in found} == ({True} if starter else {True, False})


def test_it_is_empty_before_the_first_night(store: Engine) -> None:
    put(store, "r")
    with store.begin() as connection:
        connection.execute(text("DELETE FROM published"))
    assert [] == in_view(store)
