"""Laws of the whole engine, from the files to the features: what may differ without meaning anything, and companies at
the edge of what a company can be. Everything goes through the door that a night goes through."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, timedelta, timezone
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from engine_companies import KINDS, PAGE_GROUPS, Row, as_arrow, churn_rules, loaded
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from oracle_time import Rules
from single_cases import AS_OF, ago, on, term
from small_companies import SmallCompany, accounts_of, companies, parameters

from features.build import Recipe, build, catalogue, listed
from features.catalogue import Family
from features.contract import CONTRACT, RECORDED_AT
from features.timeline import ChurnRules
from features.versions import History
from pipeline.checks import check_contract
from pipeline.settings import Settings
from pipeline.sources import Opened, open_sources
from pipeline.ticket_words import add_sentiment

FEW = settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck))
MANY = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))

Draw = Callable[[st.SearchStrategy[Any]], Any]


@contextmanager
def opened_from(
    folder: Path, tables: dict[str, pa.Table], definition: str = "subscription", *, checked: bool = False
) -> Iterator[Opened]:
    """The tables from Parquet files, with the sentiment of their words."""
    for name, table in tables.items():
        pq.write_table(table, folder / f"{name}.parquet")
    company = Settings(
        folder=folder,
        data={name: f"{name}.parquet" for name in tables},
        churn={"definition": definition},
        engine={"threads": 1},
    )
    opened = open_sources(company)
    try:
        if checked:
            assert [] == [told.told() for told in check_contract(opened, company) if told.severity == "fatal"]
        add_sentiment(opened, company)
        yield opened
    finally:
        opened.close()


def all_features(history: History, as_of: date) -> tuple[Recipe, list[Row]]:
    recipe = Recipe(catalogue(history, PAGE_GROUPS, kinds=KINDS), PAGE_GROUPS, KINDS)
    return recipe, build(history, history.rules.moment(as_of), recipe).to_pyarrow().to_pylist()


# --- what may differ without meaning anything -----------------------------------------------------------------------

NEWCOMER = "newcomer"
ZONES = (None, "Asia/Shanghai", "America/St_Johns", timezone(timedelta(hours=5, minutes=45)))
"""How instants are written: without a zone, as Parquet has zones, as text with an offset."""


@dataclass(frozen=True)
class Disguise:
    """A company, and its tables as they might as well have been written."""

    company: SmallCompany
    rules: Rules
    as_of: date
    tables: dict[str, list[Row]]
    zones: dict[str, Any]


@st.composite
def disguises(draw: Draw) -> Disguise:
    """Rows in another order, some delivered again, instants in other zones, blanks around ids, and an account more."""
    company = draw(companies())
    rules = replace(draw(parameters()), ended_on="first_day_without")
    like = draw(st.sampled_from(accounts_of(company)))
    tables, zones = {}, {}
    theirs = {row["ticket_id"] for row in company.tables.get("tickets", []) if row["account_id"] == like}
    for name, rows in company.tables.items():
        alike = [
            row for row in rows if (row["account_id"] == like if "account_id" in row else row["ticket_id"] in theirs)
        ]
        more = [newcomer(row, name) for row in alike]
        again = [delivered_again(draw, row, name) for row in draw(st.lists(st.sampled_from(rows), max_size=3))]
        mixed = draw(st.permutations([*rows, *more, *(row for row in again if row is not None)]))
        blanks = draw(st.lists(st.sampled_from(["", " ", "\t", " \n"]), min_size=1, max_size=5))
        tables[name] = [blanked(row, place, blanks) for place, row in enumerate(mixed)]
        zones[name] = draw(st.sampled_from(ZONES))
    return Disguise(company, rules, draw(st.sampled_from(company.as_ofs)), tables, zones)


def blanked(row: Row, place: int, blanks: list[str]) -> Row:
    """The row with blanks before and after its account's id: a row in one place with others than in the next."""
    if "account_id" not in row:
        return row
    before, after = blanks[place % len(blanks)], blanks[(place + 1) % len(blanks)]
    return row | {"account_id": f"{before}{row['account_id']}{after}"}


def newcomer(row: Row, table: str) -> Row:
    """The row as one of another account, which came when this one did, and pays and does something else.

    It must not be the first that its source hears of: a source that began earlier knows more of everybody.
    """
    names = {"user_id", "event_id", "ticket_id", CONTRACT[table].key}
    new = {name: f"{value} of the other" if name in names and value else value for name, value in row.items()}
    amounts = {"mrr": 77.0, "seats": 3.0, "quantity": 7.0, "amount": 55.0, "score": 1.0, "csat": 2.0}
    new |= {name: amount for name, amount in amounts.items() if row.get(name)}
    return new | ({"account_id": NEWCOMER} if "account_id" in row else {})


def delivered_again(draw: Draw, row: Row, table: str) -> Row | None:
    """The same row, where a key says that it is the same; an event of use also later, and then with any content.

    Not of accounts: one that stands twice is refused at the door.
    """
    if table == "accounts":
        return None
    if row.get("event_id") and row.get(RECORDED_AT):
        later = row[RECORDED_AT] + timedelta(days=draw(st.sampled_from([1, 0, 40])))
        return row | {RECORDED_AT: later, "quantity": row["quantity"] if later == row[RECORDED_AT] else 99.0}
    return row if row.get(CONTRACT[table].key or "event_id") else None


def written(name: str, rows: list[Row], zone: Any) -> pa.Table:
    """The table with its instants in that zone."""
    table = as_arrow(name, rows)
    for place, column in enumerate(table.schema):
        if not pa.types.is_timestamp(column.type) or zone is None:
            continue
        if isinstance(zone, timezone):
            moments = (moment and moment.replace(tzinfo=UTC) for moment in table[column.name].to_pylist())
            told = pa.array([moment and moment.astimezone(zone).isoformat() for moment in moments], pa.string())
        else:
            told = table[column.name].cast(pa.timestamp("us", zone))  # an instant without a zone is UTC
        table = table.set_column(place, column.name, told)
    return table


def means_nothing(engine: Any, folder: Path, drawn: Disguise) -> None:
    """Every column of every account is as before, but for what compares it with its peers."""
    with loaded(engine, drawn.company, drawn.rules) as plain:
        recipe, expected = all_features(plain, drawn.as_of)
    tables = {name: written(name, rows, drawn.zones[name]) for name, rows in drawn.tables.items()}
    with opened_from(folder, tables, drawn.rules.definition) as opened:
        rules = churn_rules(drawn.rules, drawn.company)
        _, found = all_features(History(opened.tables, rules, drawn.company.versioned), drawn.as_of)
    beside_peers = {feature.name for feature in recipe.features if feature.family is Family.MARKET}

    def own(rows: list[Row]) -> list[Row]:
        others = (row for row in rows if row["account_id"] != NEWCOMER)
        return [{name: value for name, value in row.items() if name not in beside_peers} for row in others]

    assert own(expected) == own(found)


@FEW
@given(drawn=disguises())
def test_what_means_nothing_changes_nothing(engine: Any, tmp_path: Path, drawn: Disguise) -> None:
    """The order of rows, a row delivered again, the zone of the same instants, blanks around ids, another account."""
    means_nothing(engine, tmp_path, drawn)


@pytest.mark.slow
def test_what_means_nothing_changes_nothing_in_many_companies(engine: Any, tmp_path: Path) -> None:
    """The same law on a hundred companies."""

    @MANY
    @given(disguises())
    def holds(drawn: Disguise) -> None:
        means_nothing(engine, tmp_path, drawn)

    holds()


# --- companies at the edge ------------------------------------------------------------------------------------------

FIRST_DAY, LAST_DAY = date(1, 1, 1), date(9999, 12, 31)
UNSAID = dict.fromkeys(("ended_on", "renews_on", "term_months", "billing_period"))
Rows = dict[str, list[Row]]


def customer(days: int = 300, **more: Any) -> Rows:
    """An account of so many days with one running term."""
    return {"accounts": [{"created_at": on(ago(days))}], "subscriptions": [UNSAID | term(ago(days)) | more]}


def used(*days: int, quantity: float | None = 1.0, user: str | None = "U", event: str = "export") -> list[Row]:
    row: Row = {"event": event, "quantity": quantity, "user_id": user}
    return [row | {"occurred_at": on(ago(day))} for day in days]


def asked_for_help(text: str, **more: Any) -> list[Row]:
    return [{"opened_at": on(ago(5)), "text": text, "first_response_at": None, "resolved_at": None} | more]


UNPAID: Row = {"amount": 1e300, "due_on": LAST_DAY, "paid_on": None, "failed_at": None}
ALL_OF_TIME: Rows = {
    **customer(started_on=FIRST_DAY, ended_on=LAST_DAY, renews_on=LAST_DAY),
    "accounts": [{"created_at": on(FIRST_DAY)}],
    "usage": [row | {"occurred_at": on(day)} for row in used(1) for day in (FIRST_DAY, LAST_DAY)],
    "tickets": asked_for_help("How?", opened_at=on(FIRST_DAY), resolved_at=on(LAST_DAY)),
    "page_visits": [{"visited_at": on(day), "path": "/pricing", "user_id": "U"} for day in (FIRST_DAY, LAST_DAY)],
    "feedback": [{"submitted_at": on(day), "kind": "nps", "score": 0.0} for day in (FIRST_DAY, LAST_DAY)],
    "invoices": [UNPAID | {"issued_on": FIRST_DAY, "paid_on": LAST_DAY, "failed_at": on(FIRST_DAY)}],
}
ALL_ALONG: Rows = {
    "usage": used(290),
    "tickets": asked_for_help("How?", opened_at=on(ago(290))),
    "page_visits": [{"visited_at": on(ago(290)), "path": "/docs", "user_id": "U"}],
    "invoices": [UNPAID | {"issued_on": ago(290)}],
}
"""Without it the sources would have begun with the odd rows, and nobody could say what there was before."""
BEFORE_SIGN_UP = customer(10) | {"usage": used(2, 20, 50), "tickets": asked_for_help("How?", opened_at=on(ago(50)))}
ENDS = {"tenure_days": (AS_OF - FIRST_DAY).days, "days_to_renewal": None, "usage_84": 0}
FURIOUS, SPEECHLESS = {"sentiment_worst_28": pytest.approx(-1, abs=1e-3)}, {"sentiment_worst_28": None, "tickets_28": 1}

CROWD: list[tuple[str, Rows, Row]] = [
    ("there all along", ALL_ALONG, {"days_since_use": None, "oldest_unpaid_days": 290, "amount_overdue": 0}),
    ("quantity zero", {"usage": used(2, 3, quantity=0.0)}, {"usage_28": 0, "active_days_28": 2}),
    ("quantity negative", {"usage": used(2, 3, quantity=-5.0)}, {"usage_28": -10, "active_days_28": 2}),
    ("quantity null", {"usage": used(2, 3, quantity=None)}, {"usage_28": 2}),
    ("quantity NaN", {"usage": used(2, 3, quantity=math.nan)}, {"usage_28": 2}),
    ("infinite", {"usage": used(2, quantity=math.inf) + used(3, quantity=-math.inf)}, {"usage_28": 2}),
    ("huge", {"usage": used(2, 3, 40, 50, quantity=1e12)}, {"usage_28": 2e12, "main_user_share": 1}),
    ("huge and less", {"usage": used(2, quantity=-1e12)}, {"usage_28": -1e12}),
    ("absurd", {"usage": used(2, 3, quantity=1e300) + used(4, quantity=-1.1e12)}, {"usage_28": 3}),
    ("by nobody", {"usage": used(2, 40, user=None)}, {"usage_28": 1, "active_users_28": 0, "main_user_share": None}),
    ("silent", {}, {"active_days_28": 0, "usage_28": 0, "days_since_use": None, "tickets_28": 0}),
    ("no seats", customer(seats=0.0) | {"usage": used(2)}, {"seats": 0, "seat_share": None}),
    ("most seats", customer(seats=1e300) | {"usage": used(2)}, {"seats": 1e300, "seat_share": 1e-300}),
    ("dearest", customer(mrr=1e300), {"mrr": 1e12}),
    ("priceless", customer(mrr=None), {"mrr": None}),
    ("the longest term", customer(term_months=1e300), {"renewals_survived": 0, "mrr": 100}),
    ("before sign-up", BEFORE_SIGN_UP, {"tenure_days": 10, "active_days_28": 2, "usage_84": 3, "tickets_84": 1}),
    ("all of time", ALL_OF_TIME, ENDS | {"invoices_unpaid": 0, "nps_last": None, "pricing_visits_84": 0}),
    ("a furious megabyte", {"tickets": asked_for_help("This is useless. " * 65_000)}, FURIOUS),
    ("another", {"tickets": asked_for_help("垃圾" * 500_000)}, FURIOUS),
    ("a megabyte of marks", {"tickets": asked_for_help("\u0301" * 1_000_000)}, SPEECHLESS),
    ("no word", {"tickets": asked_for_help("")}, SPEECHLESS),
]

NAMES = ("客户 🙂", "مرحبا \u202eعالم", "é", "e\u0301", "\u0301", "\u200b", "a'b\"c;--{}%\\")
"""Names of accounts, their users, events and plans. One letter é and a letter with a mark are two customers."""
NAMED = [
    (
        name,
        customer(plan=name) | {"usage": used(2, 40, quantity=place, user=name, event=name)},
        {"plan": name, "usage_28": place, "active_users_28": 1, "event_kinds_28": 1, "main_user_days_away": 2},
    )
    for place, name in enumerate(NAMES, start=1)
]
FLOOD = """
    SELECT 'flood' AS account_id, (n % 7) || '🙂' AS event, 1e12::DOUBLE AS quantity, (n % 1000)::TEXT AS user_id,
        TIMESTAMP '2026-03-12' + to_microseconds(n) AS occurred_at
    FROM range(1_000_000) numbers(n)
"""
MANY_ROWS: Row = {"active_days_28": 1, "active_users_28": 1_000, "event_kinds_28": 7, "usage_28": 9e12}
"""What a broken tracker sends adds up to 9·10¹² at most; its days are days."""


def test_a_crowd_of_odd_accounts(tmp_path: Path) -> None:
    """Absurd amounts, names in any script, megabytes of words, the ends of time, a million rows on one day.

    All in one company, for none may disturb another.
    """
    cases = [*CROWD, *NAMED, ("flood", customer(), MANY_ROWS)]
    together: Rows = {}
    for name, rows, _ in cases:
        for table, more in (customer() | rows).items():
            keys = {key: name for key in ("account_id", CONTRACT[table].key) if key is not None}
            together.setdefault(table, []).extend(row | keys for row in more)
    tables = {table: as_arrow(table, rows) for table, rows in together.items()}
    flood = duckdb.sql(FLOOD).to_arrow_table().select(tables["usage"].column_names)
    tables["usage"] = pa.concat_tables([tables["usage"], flood.cast(tables["usage"].schema)])
    found = of_customers(tmp_path, tables)
    assert {name for name, _, _ in cases} == set(found)
    seen = {name: {column: found[name][column] for column in expected} for name, _, expected in cases}
    assert seen == {name: {column: near(value) for column, value in each.items()} for name, _, each in cases}


def near(value: Any) -> Any:
    return pytest.approx(value, rel=1e-9) if isinstance(value, int | float) else value


def of_customers(folder: Path, tables: dict[str, pa.Table]) -> dict[str, Row]:
    """All features on 15 March 2026 by account: one row each, and no number that is none."""
    with opened_from(folder, tables, checked=True) as opened:
        _, rows = all_features(History(opened.tables, ChurnRules()), AS_OF)
    found = {row["account_id"]: row for row in rows}
    assert len(rows) == len(found)
    numbers = ((name, key, value) for name, row in found.items() for key, value in row.items())
    assert [] == [odd for odd in numbers if isinstance(odd[2], float) and not math.isfinite(odd[2])]
    return found


EMPTY = ("usage", "users", "tickets", "page_visits", "feedback", "invoices")


@pytest.mark.parametrize("tables", [(), EMPTY], ids=["absent", "empty"])
def test_one_account_of_which_nothing_was_recorded(tables: tuple[str, ...], tmp_path: Path) -> None:
    """Without a table its features are not there; from an empty one nothing is known, which is not the same as none."""
    own = {"account_id": "A1"}
    written = {name: as_arrow(name, [row | own for row in rows]) for name, rows in customer().items()}
    for name in tables:
        columns = dict.fromkeys(column.name for column in CONTRACT[name].columns)
        written[name] = as_arrow(name, [columns]).slice(0, 0)
    found = of_customers(tmp_path, written)["A1"]
    taught = [feature for feature in listed(PAGE_GROUPS, kinds=KINDS) if feature.learned]
    of_these = {f.name for f in taught if {column.partition(".")[0] for column in f.needs} & set(EMPTY)}
    assert bool(of_these & found.keys()) is bool(tables)
    assert {None} >= {found[name] for name in of_these & found.keys()}
    assert (300, 100, 0) == tuple(found[name] for name in ("tenure_days", "mrr", "mrr_change_84"))
