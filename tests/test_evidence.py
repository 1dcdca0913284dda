"""What is shown of an account beside its score: each kind against a naive second implementation, and as stored."""

import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import oracle_evidence as oracle
import pandas as pd
import pytest
from engine_companies import PAGE_GROUPS, Row, loaded
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from oracle_known import Known
from oracle_time import Rules
from sample_nights import CATALOGUE, NOW, booked, publish, run
from single_cases import AS_OF, ago, on, term
from small_companies import LATER, SmallCompany, accounts_of, companies, parameters
from sqlalchemy import Engine

from features.cohort import states, terms
from features.evidence import EXCERPT_CHARACTERS, changes, renewed, tickets, use_by_week, visit_days
from features.outages import coverage
from features.versions import History
from pipeline.demo.company import LAST_NIGHT, write_company
from pipeline.evidence import MOST_HAPPENED, evidence
from pipeline.packed_evidence import Evidence
from pipeline.settings_file import read_settings
from pipeline.sources import history, open_sources
from pipeline.store.connection import reading
from pipeline.store.evidence import evidence_of
from pipeline.store.nights import night
from pipeline.store.packed_weeks import block_of, unpacked, week_of

FEW = settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
MANY = settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))

Draw = Callable[[st.SearchStrategy[Any]], Any]


@st.composite
def questions(draw: Draw) -> tuple[SmallCompany, Rules, date]:
    """A company with fractions and several people, its rules, and the Monday from which on it is looked at."""
    drawn, rules = draw(companies()), draw(parameters())
    quantities, people = [None, 1.0, 0.0, -2.0, 0.4, 2.5], [None, "U1", "U2", "U3"]
    usage = [
        row | {"quantity": draw(st.sampled_from(quantities)), "user_id": draw(st.sampled_from(people))}
        for row in drawn.tables["usage"]
    ]
    company = replace(drawn, tables=drawn.tables | {"usage": usage})
    as_of = draw(st.sampled_from(company.as_ofs))
    monday = as_of - timedelta(days=as_of.weekday() + 7 * draw(st.sampled_from([60, 4, 1])))
    return replace(company, as_ofs=[as_of]), rules, monday


def agrees(engine: Any, asked: tuple[SmallCompany, Rules, date]) -> None:
    company, rules, first = asked
    (as_of,) = company.as_ofs
    seen = Known(company, rules, as_of)
    with loaded(engine, company, rules) as history:
        found = gathered(history, as_of, first)
    for account_id in accounts_of(company):
        expected = {
            "use": oracle.use_by_week(seen, account_id, first, 70),
            "visits": oracle.visit_days(seen, account_id, first, PAGE_GROUPS),
            "tickets": oracle.tickets(seen, account_id, first) if "tickets" in company.tables else {},
            "changes": oracle.changes(seen, account_id, first),
            "renewals": oracle.renewals(seen, account_id, first),
        }
        for name, wanted in expected.items():
            assert wanted == found[name].get(account_id, type(wanted)()), f"{name} of {account_id} on {as_of}"


def gathered(history: History, as_of: date, first: date) -> dict[str, dict[str, Any]]:
    """By kind and account, in the shape of the oracle's answers."""
    moment = history.rules.moment(as_of)
    found: dict[str, Any] = {name: defaultdict(dict) for name in ("use", "visits", "tickets", "changes")}
    found["renewals"] = defaultdict(set)
    for row in rows_of(use_by_week(history, moment, first, 70)):
        seen = row["usage"], row["active_days"], row.get("active_users", 0)
        found["use"][row["account_id"]][row["week"]] = seen
    if "page_visits" in history.tables:
        for row in rows_of(visit_days(history, moment, first, PAGE_GROUPS)):
            found["visits"][row["account_id"]][row["day"], row["group"]] = row["visits"], row["people"]
    if "tickets" in history.tables:
        for row in rows_of(tickets(history, moment, first)):
            told = row["opened_at"], row["resolved_at"], row["mood"], row["worst"]
            found["tickets"][row["account_id"]][row["ticket_id"]] = told
    known_terms = terms(history, moment)
    for row in rows_of(changes(history, known_terms, moment, first)):
        names = ("terms", "mrr", "seats", "plan")
        before, now = (tuple(row[f"{name}{end}"] for name in names) for end in ("_before", ""))
        found["changes"][row["account_id"]][row["day"]] = before, now
    for row in rows_of(renewed(known_terms, moment, first)):
        found["renewals"][row["account_id"]].add(row["day"])
    return found


def rows_of(table: Any) -> list[Row]:
    rows: list[Row] = table.to_pyarrow().to_pylist()
    return rows


@FEW
@given(questions())
def test_each_kind_of_evidence(engine: Any, asked: tuple[SmallCompany, Rules, date]) -> None:
    """Late rows, versions, facts still ahead, use before and after the window: as known at the moment, no more."""
    agrees(engine, asked)


@pytest.mark.slow
def test_evidence_of_many_companies(engine: Any) -> None:
    """The same on three hundred companies."""

    @MANY
    @given(questions())
    def holds(asked: tuple[SmallCompany, Rules, date]) -> None:
        agrees(engine, asked)

    holds()


# ---------------------------------------------------------------------------------------------------------------------
# Single facts


def told(engine: Any, tables: dict[str, list[Row]], as_of: date = AS_OF, *, excerpts: bool = True) -> Evidence:
    """The evidence of a small company on a date, from the accounts that its terms name."""
    ids = sorted({row["account_id"] for row in tables["subscriptions"]})
    accounts = [{"account_id": account_id, "created_at": on(ago(900))} for account_id in ids]
    company = SmallCompany({"accounts": accounts, **tables}, frozenset(), None, LATER, [as_of])
    with loaded(engine, company, Rules()) as history:
        moment = history.rules.moment(as_of)
        return evidence(history, moment, ids, PAGE_GROUPS, coverage(history), excerpts=excerpts)


def use(day: date, **more: Any) -> Row:
    row = {"account_id": "A1", "occurred_at": on(day), "event": "export", "quantity": 1.0, "user_id": "U1"}
    return row | more


def test_a_late_row_changes_its_week_from_its_arrival_on(engine: Any) -> None:
    """Not a night earlier, and no other week; the hours of arrival belong to the night."""
    late = use(ago(20), recorded_at=on(ago(1), 7))
    rows = [use(ago(20), recorded_at=on(ago(19), 2)), use(ago(40), recorded_at=on(ago(39), 2)), late]
    tables = {"subscriptions": [term(ago(300))], "usage": rows}
    before, after = (dict(next(told(engine, tables, day).parts()).contents) for day in (ago(1), AS_OF))
    changed = {key for key in before | after if before.get(key) != after.get(key)}
    assert {("A1", "weeks", block_of(ago(20)))} == changed
    where = week_of(ago(20)) % 13
    assert [1, 2] == [unpacked(each[changed.copy().pop()], 3)[0][where] for each in (before, after)]


def test_on_its_first_night_an_account_has_one_week(engine: Any) -> None:
    """Beside one that has been there for long."""
    terms = [term(ago(300)), term(ago(1), account_id="A2", subscription_id="S2")]
    rows = [use(ago(200)), use(ago(1), account_id="A2"), use(ago(1), account_id="A2", user_id="U2")]
    (part,) = told(engine, {"subscriptions": terms, "usage": rows}).parts()
    own = {key[1:]: content for key, content in part.contents.items() if key[0] == "A2"}
    assert {("weeks", block_of(ago(1))), ("events", block_of(ago(1)))} == own.keys()
    usage, days, users = unpacked(own["weeks", block_of(ago(1))], 3)
    assert [(2, 1, 2)] == [row for row in zip(usage, days, users, strict=True) if any(row)]


def test_the_same_facts_are_the_same_bytes(engine: Any) -> None:
    """Whatever the order of rows and the day of the week: a night later nothing differs but what happened."""
    rows = [use(ago(days), user_id=f"U{days % 3}", quantity=days / 7) for days in range(2, 300, 3)]
    tickets = [
        {"ticket_id": f"T{n}", "account_id": "A1", "opened_at": on(ago(20)), "text": "Why?", "resolved_at": None}
        for n in range(15)
    ]
    tables = {"subscriptions": [term(ago(300))], "usage": rows, "tickets": tickets}
    turned = {name: list(reversed(rows_)) for name, rows_ in tables.items()}
    first, *others = (
        next(told(engine, each, day).parts()).contents
        for each, day in ((tables, AS_OF), (turned, AS_OF), (tables, AS_OF + timedelta(days=1)))
    )
    assert [first, first] == others


@pytest.mark.parametrize(
    ("text", "excerpt"),
    [
        ("Hello,\n\nexports   fail.\n", "Hello, exports fail."),
        ("Still broken.\n> We are sorry\n>> sorry\nReally.", "Still broken. Really."),
        ("It fails.\n-- \nTom Miller\nHead of planning", "It fails."),
        ("Call +49 (0)30 1234-5678 or 0171 2345678 today", "Call or today"),
        ("Card 4111 1111 1111 1111, due 2026-11-02", "Card , due 2026-11-02"),
        ("Write to ann.o-neil+x@mail.example.com, see https://x.example.com/a?b=c now", "Write to , see now"),
        ("On Mon, 2 Nov 2026 Ann wrote:\nplease", "please"),
        ("\x00\x1b[31mred\x07", "[31mred"),
        ("太贵了，我们想退订。", "太贵了，我们想退订。"),
        ("x" * 5000, "x" * EXCERPT_CHARACTERS),
        (" \n ", None),
        (None, None),
    ],
)
def test_an_excerpt_is_the_beginning_of_what_was_said(engine: Any, text: str | None, excerpt: str | None) -> None:
    """Without quotes, signatures, addresses, links and long numbers, in one line that a terminal may print."""
    row = {"ticket_id": "T1", "account_id": "A1", "opened_at": on(ago(5)), "text": text, "resolved_at": None}
    (part,) = told(engine, {"subscriptions": [term(ago(300))], "tickets": [row]}).parts()
    happened = json.loads(part.contents["A1", "events", block_of(ago(5))])
    assert [excerpt] == [each["excerpt"] for each in happened]


def test_no_word_is_kept_unless_asked_for(engine: Any) -> None:
    """Neither of the ticket nor of a message."""
    row = {"ticket_id": "T1", "account_id": "A1", "opened_at": on(ago(5)), "text": "refund", "resolved_at": None}
    found = told(engine, {"subscriptions": [term(ago(300))], "tickets": [row]}, excerpts=False)
    contents = b"".join(content for part in found.parts() for content in part.contents.values())
    assert b"T1" in contents
    assert b"refund" not in contents


def test_without_a_text_the_first_message_speaks(engine: Any) -> None:
    """The customer's, in the order in which they were sent."""
    ticket = {"ticket_id": "T1", "account_id": "A1", "opened_at": on(ago(5)), "resolved_at": None}
    said = [("M1", 3, "staff", "Sorry!"), ("M2", 4, "customer", "Again"), ("M3", 5, "customer", "It is slow")]
    messages = [
        {"message_id": name, "ticket_id": "T1", "sent_at": on(ago(days)), "author": author, "text": text}
        for name, days, author, text in said
    ]
    tables = {"subscriptions": [term(ago(300))], "tickets": [ticket], "ticket_messages": messages}
    (part,) = told(engine, tables).parts()
    (happened,) = json.loads(part.contents["A1", "events", block_of(ago(5))])
    assert "It is slow" == happened["excerpt"]


# ---------------------------------------------------------------------------------------------------------------------
# From the tables to the reader


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small demo company's tables, without a model."""
    folder = tmp_path_factory.mktemp("demo")
    write_company(folder, 60)
    text = (Path(__file__).parent.parent / "pipeline/demo/churn.toml").read_text(encoding="utf-8")
    (folder / "churn.toml").write_text(text, encoding="utf-8")
    return folder


@pytest.mark.parametrize("days_ago", [0, 100])
def test_a_reader_gets_what_the_tables_say(store: Engine, demo: Path, days_ago: int) -> None:
    """Weeks, visits and tickets of all accounts, added up by pandas from the rows that had arrived."""
    as_of, config = LAST_NIGHT - timedelta(days=days_ago), read_settings(demo / "churn.toml")
    opened = open_sources(config)
    try:
        past = history(opened, config)
        there = states(past, past.rules.moment(as_of))
        ids = sorted(there.filter(there["state"] != "gone")["account_id"].execute())
        moment, covered = past.rules.moment(as_of), coverage(past)
        found = evidence(past, moment, ids, config.pages, covered, excerpts=True, part_accounts=25)
    finally:
        opened.close()
    publish(store, run("r1", as_of=as_of), booked(3), CATALOGUE, finished_at=NOW, evidence=found)
    tables = {name: known_rows(demo, name, as_of) for name in ("usage", "page_visits", "tickets")}
    with reading(store) as connection:
        header = night(connection)
        assert header is not None
        for account_id in ids:
            shown = evidence_of(connection, header, account_id)
            assert shown is not None
            rows = {name: table[table["account_id"] == account_id] for name, table in tables.items()}
            assert by_pandas(rows, config.pages) == {
                "weeks": [week for week in zip(shown.weeks, *shown.series.values(), strict=True) if any(week[1:])],
                "tickets": [(each.ticket_id, each.opened_at, each.resolved_at) for each in shown.tickets],
            }


def known_rows(folder: Path, name: str, as_of: date) -> pd.DataFrame:
    """The newest version of each row that had arrived by the night and happened before it; later facts are empty."""
    files = sorted((folder / "data").glob(f"{name}.parquet")) + sorted((folder / "data" / name).glob("*.parquet"))
    rows = pd.concat(map(pd.read_parquet, files)).sort_values("recorded_at", kind="stable")
    midnight, bulk = pd.Timestamp(as_of), pd.Timestamp("2024-10-31 23:00")
    rows = rows[(rows["recorded_at"] < midnight + pd.Timedelta(hours=6)) | (rows["recorded_at"] <= bulk)]
    if name == "tickets":
        rows = rows.drop_duplicates("ticket_id", keep="last")
        rows["resolved_at"] = rows["resolved_at"].where(rows["resolved_at"] < midnight)
    (event_time,) = rows.columns.intersection(["occurred_at", "visited_at", "opened_at"])
    rows = rows[rows[event_time] < midnight]
    day = rows[event_time].dt.normalize()
    monday = (day - pd.to_timedelta(day.dt.day_of_week, unit="D")).dt.date
    yesterday = as_of - timedelta(days=1)
    first = yesterday - timedelta(days=yesterday.weekday(), weeks=52)
    return rows.assign(day=day, week=monday)[monday >= first]


def by_pandas(rows: dict[str, pd.DataFrame], groups: Mapping[str, Sequence[str]]) -> dict[str, list[Any]]:
    """What there is to show of one account; of a quarter with very many tickets the newest."""
    usage, visits, tickets = (rows[name] for name in ("usage", "page_visits", "tickets"))
    used = usage.groupby("week").agg(amount=("quantity", "sum"), days=("day", "nunique"), users=("user_id", "nunique"))
    for group, patterns in groups.items():
        fits = visits["path"].map(lambda path, patterns=patterns: any(fnmatchcase(path, each) for each in patterns))
        used = used.join(visits[fits.astype(bool)].groupby("week").size().rename(group), how="outer")
    weeks = [(week, *(round(float(value), 3) for value in row)) for week, *row in used.fillna(0).itertuples()]
    tickets = tickets.sort_values(["opened_at", "ticket_id"])
    block = tickets["opened_at"].dt.date.map(block_of)
    tickets = tickets.groupby(block).tail(MOST_HAPPENED) if len(tickets) else tickets
    times = [tickets[name].dt.floor("s").dt.tz_localize("UTC") for name in ("opened_at", "resolved_at")]
    told = [
        (ticket_id, opened.to_pydatetime(), None if pd.isna(resolved) else resolved.to_pydatetime())
        for ticket_id, opened, resolved in zip(tickets["ticket_id"], *times, strict=True)
    ]
    return {"weeks": weeks, "tickets": told}
