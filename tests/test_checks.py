"""The check at the door: each rule of the contract fails where it is broken and only there; habits are recognised."""

import csv
import os
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import date, timedelta
from pathlib import Path

import pytest

from features.contract import CONTRACT, Rule, Severity, Table
from pipeline.checks import check_contract, refuse_fatal
from pipeline.errors import RefusedError
from pipeline.settings_file import read_settings
from pipeline.sources import open_sources
from pipeline.violation import Violation

Row = Mapping[str, str | None]
Check = Callable[..., list[Violation]]

GOOD = {
    "text": "x",
    "date": "2026-03-01",
    "instant": "2026-03-01 09:30:00",
    "number": "4",
    "whole": "4",
    "boolean": "true",
}
BAD = {
    "date": ("soon", "2026-02-30", "4"),
    "instant": ("soon", "2026-03-01 25:00:00", "1772357400"),
    "number": ("four", "1,234.50", "$4"),
    "whole": ("four", "4.5"),
    "boolean": ("perhaps",),
}
WORDS = {("ticket_messages", "author"): "staff", ("feedback", "kind"): "nps", ("tickets", "sentiment"): "0.5"}
EARLIER, LATER = "2026-02-01", "2026-04-01"


def named(table: Table, name: str) -> dict[str, str]:
    """What sets a row apart from the others of its table, where it has a name."""
    column = table.key or ("event_id" if table.column("event_id") else None)
    return {column: name} if column else {}


def good_row(table: Table, **other: str | None) -> dict[str, str | None]:
    """A row in which every column is given and every rule holds."""
    row: dict[str, str | None] = {
        column.name: WORDS.get((table.name, column.name), GOOD[column.type]) for column in table.columns
    }
    for rule in table.rules:
        if rule.kind == "not_before":
            row[rule.column] = LATER
    if table.key:
        row[table.key] = f"{table.name}-1"
    if "account_id" in row:
        row["account_id"] = "A-1"
    return row | other


@pytest.fixture
def check(tmp_path: Path) -> Check:
    """Check tables given as rows of text; accounts and subscriptions are good where they are not given."""

    def run(settings: str = "", data: str = "", **tables: Iterable[Row]) -> list[Violation]:
        needed = {name: [good_row(CONTRACT[name])] for name in ("accounts", "subscriptions")}
        lines = []
        for name, rows in (needed | {name: list(rows) for name, rows in tables.items()}).items():
            with (tmp_path / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
                writer = csv.DictWriter(file, list(rows[0]))
                writer.writeheader()
                writer.writerows(rows)
            lines.append(f'{name} = "{name}.csv"')
        text = "\n".join(["[data]", *lines, data, "[engine]", "threads = 1", settings])
        (tmp_path / "churn.toml").write_text(text, encoding="utf-8")
        read = read_settings(tmp_path / "churn.toml")
        opened = open_sources(read)
        try:
            return check_contract(opened, read)
        finally:
            opened.close()

    return run


def broken_value(rule: Rule) -> str:
    match rule.kind, rule.bound:
        case "finite", _:
            return "inf"
        case "at_least", float(least):
            return f"{least - 1:g}"
        case "between", (_, float(high)):
            return f"{high + 1:g}"
        case "not_before", _:
            return EARLIER
    return "neither"


RULES = [
    pytest.param(table, rule, id=f"{table.name}.{rule.column} {rule.kind}")
    for table in CONTRACT.values()
    for rule in table.rules
]


@pytest.mark.parametrize("table", CONTRACT.values(), ids=CONTRACT)
def test_a_table_that_keeps_every_rule_is_not_complained_of(table: Table, check: Check) -> None:
    assert [] == check(**{table.name: [good_row(table)]})


@pytest.mark.parametrize(("table", "rule"), RULES)
def test_each_rule_of_the_contract_can_be_broken(table: Table, rule: Rule, check: Check) -> None:
    """One row breaks one rule: place, count, key and remedy are those of the rule, and nothing else is told."""
    wrong = good_row(table, **{rule.column: broken_value(rule)}, **named(table, "wrong"))
    (violation,) = check(**{table.name: [good_row(table), wrong]})
    assert (f"{table.name}.{rule.column}", 1, 2) == (violation.place, violation.failing, violation.rows)
    assert (rule.severity, rule.remedy) == (violation.severity, violation.remedy)
    assert (f"{'wrong' if table.key else 'A-1'} ({broken_value(rule)})",) == violation.examples or rule.kind == "finite"


@pytest.mark.parametrize("table", CONTRACT.values(), ids=CONTRACT)
def test_values_of_another_type_stop_the_run(table: Table, check: Check) -> None:
    """Each typed column at once: a value that cannot be read would become null, and null means something else."""
    typed = [column for column in table.columns if column.type != "text"]
    wrong = [
        good_row(table, **{column.name: BAD[column.type][place % len(BAD[column.type])] for column in typed})
        | ({table.key: f"wrong-{place}"} if table.key else {})
        for place in range(3)
    ]
    kinds = ("is not a date", "is not a time", "is not a number", "is not a whole number", "is not true or false")
    found = {each.place: each for each in check(**{table.name: wrong}) if each.rule.startswith(kinds)}
    assert {f"{table.name}.{column.name}" for column in typed} == found.keys()
    assert {(3, Severity.FATAL)} == {(each.failing, each.severity) for each in found.values()}


@pytest.mark.parametrize("table", CONTRACT.values(), ids=CONTRACT)
def test_required_values_may_not_be_missing(table: Table, check: Check) -> None:
    """Null and blank text alike; only a running term has no end."""
    may_be_empty = {("subscriptions", "ended_on"), ("ticket_messages", "text")}  # it runs; an attachment came alone
    needed = [name for name in table.required if (table.name, name) not in may_be_empty]
    wrong = good_row(table, **dict.fromkeys(needed, " "))
    found = {
        each.place: each.failing
        for each in check(**{table.name: [good_row(table), wrong]})
        if each.rule == "is missing"
    }
    assert {f"{table.name}.{name}": 1 for name in needed} == found


@pytest.mark.parametrize("table", CONTRACT.values(), ids=CONTRACT)
def test_columns_that_need_not_be_there_are_not_missed(table: Table, check: Check) -> None:
    row = {name: value for name, value in good_row(table).items() if name in table.required}
    assert [] == check(**{table.name: [row]})


def test_the_error_lists_what_stops_and_leaves_out_what_does_not(check: Check) -> None:
    """Warnings are recorded with the night; in an error they would hide what must be mended."""
    early = good_row(CONTRACT["tickets"], ticket_id="early", resolved_at=EARLIER)
    negative = good_row(CONTRACT["subscriptions"], subscription_id="S-2", mrr="-1", seats="-1")
    found = check(tickets=[good_row(CONTRACT["tickets"]), early], subscriptions=[negative])
    assert [Severity.FATAL, Severity.FATAL, Severity.WARN] == [each.severity for each in found]
    with pytest.raises(RefusedError, match=r"break 2 rules of the contract; nothing was written\.") as refused:
        refuse_fatal(found)
    assert "tickets" not in str(refused.value)
    refuse_fatal(found[2:])


# --- rows against other rows


def test_rows_of_unknown_accounts_warn_and_stop_when_they_are_all(check: Check) -> None:
    """A few strays are normal; when all are, the ids have another form and every customer would look silent."""
    usage = CONTRACT["usage"]
    strays = [good_row(usage, account_id="01", **named(usage, name)) for name in ("E-1", "E-2")]
    (some,) = check(usage=[good_row(usage), strays[0]])
    (all_,) = check(usage=strays)
    assert [("usage.account_id", "is not in accounts")] * 2 == [(each.place, each.rule) for each in (some, all_)]
    assert [(1, Severity.WARN), (2, Severity.FATAL)] == [(each.failing, each.severity) for each in (some, all_)]


def test_messages_of_unknown_tickets_warn_and_stop_when_they_are_all(check: Check) -> None:
    """What customers wrote would be silently unheard."""
    messages, tickets = CONTRACT["ticket_messages"], [good_row(CONTRACT["tickets"])]
    theirs = {"ticket_id": "tickets-1", "text": None}  # an attachment came alone
    strays = [good_row(messages, message_id=name, ticket_id="T-01") for name in ("M-1", "M-2")]
    (some,) = check(tickets=tickets, ticket_messages=[good_row(messages, **theirs), strays[0]])
    (all_,) = check(tickets=tickets, ticket_messages=strays)
    assert {("ticket_messages.ticket_id", "is not in tickets")} == {(each.place, each.rule) for each in (some, all_)}
    assert [(1, Severity.WARN), (2, Severity.FATAL)] == [(each.failing, each.severity) for each in (some, all_)]


@pytest.mark.parametrize("name", ["usage", "tickets", "page_visits"])
def test_rows_before_their_account_began_warn_where_they_are_many(name: str, check: Check) -> None:
    """A trial leaves a few; a fifth and more says that a start is no start, or that the account is another."""
    table = CONTRACT[name]
    late, early = (
        [good_row(table, **{table.event_time: at}, **named(table, f"{at}-{place}")) for place in range(count)]
        for at, count in (("2026-03-01 00:00:00", 4), ("2026-02-28 23:59:59", 2))
    )
    terms = [good_row(CONTRACT["subscriptions"], started_on="2026-03-01", subscription_id="S-1", ended_on=None)]
    terms.append(terms[0] | {"subscription_id": "S-2", "started_on": "2026-03-20"})
    assert [] == check(subscriptions=terms, **{name: late + early[:1]})
    (violation,) = check(subscriptions=terms, **{name: late + early})
    assert (f"{name}.{table.event_time}", 2, 6, Severity.WARN) == (
        violation.place,
        violation.failing,
        violation.rows,
        violation.severity,
    )
    assert "lies before the account's first term" == violation.rule
    assert "migration" in violation.remedy
    assert "2026-02-28 23:59:59" in violation.examples[0]


def test_without_terms_an_account_begins_when_it_was_opened(check: Check) -> None:
    """By inactivity, terms or not."""
    usage = [good_row(CONTRACT["usage"], event_id=None), good_row(CONTRACT["usage"], occurred_at="2026-01-01")]
    settings = '[churn]\ndefinition = "inactivity"\n'
    (violation,) = check(settings, usage=usage)
    assert ("usage.occurred_at", 1, 2) == (violation.place, violation.failing, violation.rows)
    assert "lies before the account was opened" == violation.rule
    assert "created_at" in violation.remedy


def test_versions_of_a_row_share_its_key(check: Check) -> None:
    """With recorded_at a key may stand once for each time; without it, or twice at one time, it may not."""
    terms = CONTRACT["subscriptions"]
    first, second = (good_row(terms, recorded_at=at, mrr=mrr) for at, mrr in (("2026-03-01", "4"), ("2026-03-02", "5")))
    assert [] == check(subscriptions=[first, second])
    (same_time,) = check(subscriptions=[first, second | {"recorded_at": "2026-03-01"}])
    (no_time,) = check(subscriptions=[good_row(terms), good_row(terms, mrr="5")])
    assert ("subscriptions.subscription_id", 2) == (same_time.place, same_time.failing)
    assert "is not unique with recorded_at" == same_time.rule
    assert "recorded_at" in no_time.remedy


@pytest.mark.parametrize("again", ["2026-03-01 00:00:00", "2026-03-01T02:00:00+02:00", " 2026-03-01 "])
def test_versions_of_one_instant_are_a_tie_however_it_is_written(again: str, check: Check) -> None:
    """Which of them counted would be chance: the engine takes any first."""
    terms = CONTRACT["subscriptions"]
    rows = [good_row(terms, recorded_at=at, mrr=mrr) for at, mrr in (("2026-03-01", "4"), (again, "5"))]
    (violation,) = check(subscriptions=rows)
    assert ("subscriptions.subscription_id", 2, Severity.FATAL) == (
        violation.place,
        violation.failing,
        violation.severity,
    )
    assert "is not unique with recorded_at" == violation.rule


def test_events_delivered_again_are_counted_and_told(check: Check) -> None:
    """Two rows too many under two names; rows without a name are each their own event."""
    usage = CONTRACT["usage"]
    rows = [good_row(usage, event_id=name) for name in ("E-1", "E-2", "E-2", "E-3", "E-3", None, None)]
    (violation,) = check(usage=rows)
    assert ("usage.event_id", 2, 7, ("E-2", "E-3"), Severity.WARN) == (
        violation.place,
        violation.failing,
        violation.rows,
        violation.examples,
        violation.severity,
    )
    assert [] == check(usage=[rows[0], rows[1], rows[3], rows[5], rows[6]])


def test_a_row_delivered_twice_counts_once_and_is_told(check: Check) -> None:
    ticket = good_row(CONTRACT["tickets"])
    (violation,) = check(tickets=[ticket, ticket, ticket])
    assert ("tickets.ticket_id", 2, 3, Severity.WARN) == (
        violation.place,
        violation.failing,
        violation.rows,
        violation.severity,
    )


def test_one_currency(check: Check) -> None:
    terms = CONTRACT["subscriptions"]
    rows = [good_row(terms, subscription_id=f"S-{place}", currency="USD" if place else "EUR") for place in range(4)]
    (violation,) = check(subscriptions=rows)
    assert ("subscriptions.currency", 1, 4, ("USD", "EUR")) == (
        violation.place,
        violation.failing,
        violation.rows,
        violation.examples,
    )
    assert [] == check(subscriptions=rows[1:])


def test_an_empty_table_stops_the_run_where_it_is_needed(check: Check, tmp_path: Path) -> None:
    """Without terms there is nothing to predict; without tickets there is, and the night says that it saw none."""
    for name, severity in {"subscriptions": Severity.FATAL, "tickets": Severity.WARN}.items():
        row = dict.fromkeys(CONTRACT[name].required)
        header = tmp_path / f"{name}-header.csv"
        header.write_text(",".join(row) + "\n", encoding="utf-8")
        source = f"{name} = {{ sql = \"FROM read_csv('{header}', all_varchar = true)\" }}"
        text = {"accounts": '"accounts.csv"', "subscriptions": '"subscriptions.csv"'}
        check()  # writes the good tables
        lines = [f"{table} = {file}" for table, file in text.items() if table != name]
        (tmp_path / "churn.toml").write_text("\n".join(["[data]", *lines, source]), encoding="utf-8")
        read = read_settings(tmp_path / "churn.toml")
        opened = open_sources(read)
        (violation,) = check_contract(opened, read)
        opened.close()
        assert (name, "table is empty", severity) == (violation.place, violation.rule, violation.severity)


def test_notice_as_the_event_needs_the_day_of_notice(check: Check) -> None:
    """Without it no customer ever leaves, and a night would say so of everybody."""
    terms = [{name: value for name, value in good_row(CONTRACT["subscriptions"]).items() if name != "notice_on"}]
    (violation,) = check('[churn]\nevent = "notice"\n', subscriptions=terms)
    assert ("subscriptions.notice_on", Severity.FATAL) == (violation.place, violation.severity)
    assert 'is needed by [churn] event = "notice"' in violation.rule
    assert [] == check('[churn]\nevent = "notice"\n')
    assert [] == check(subscriptions=terms)


# --- habits


def terms(
    count: int, *, gap_days: int = 0, **columns: Callable[[date, date | None], str]
) -> list[dict[str, str | None]]:
    """Accounts of two terms each, the second starting `gap_days` after the end of the first and running."""
    rows: list[dict[str, str | None]] = []
    for number in range(count):
        start = date(2025, 1, 1) + timedelta(days=number)
        end = start + timedelta(days=90)
        for place, (begins, ends) in enumerate([(start, end), (end + timedelta(days=gap_days), None)]):
            row = {
                "subscription_id": f"S-{number}-{place}",
                "account_id": f"A-{number}",
                "started_on": str(begins),
                "ended_on": ends and str(ends),
                "mrr": "10",
            }
            rows.append(row | {name: make(begins, ends) for name, make in columns.items()})
    return rows


def accounts(count: int, **columns: Callable[[int], str]) -> list[dict[str, str | None]]:
    made = {"account_id": "A-{}".format, "created_at": lambda number: "2024-12-01"}
    return [{name: make(number) for name, make in (made | columns).items()} for number in range(count)]


def test_a_recorded_at_that_is_the_last_update_stops_the_run(check: Check) -> None:
    """As of any date before its end such a term does not exist, so only survivors would be learned from."""
    updated = terms(30, recorded_at=lambda begins, ends: f"{ends or begins} 03:00:00")
    (violation,) = check(accounts=accounts(30), subscriptions=updated)
    assert ("subscriptions.recorded_at", 30, 30, Severity.FATAL) == (
        violation.place,
        violation.failing,
        violation.rows,
        violation.severity,
    )
    inserted = terms(30, recorded_at=lambda begins, ends: f"{begins} 03:00:00")
    assert [] == check(accounts=accounts(30), subscriptions=inserted)
    assert [] == check(accounts=accounts(30), subscriptions=updated[:30]), "fifteen terms may be chance"


def test_ends_on_the_last_day_are_recognised_and_can_be_declared(check: Check) -> None:
    """A successor that starts one day after an end shows that the end is the last day of the term."""
    (violation,) = check(accounts=accounts(30), subscriptions=terms(30, gap_days=1))
    assert ("subscriptions.ended_on", 30, Severity.WARN) == (violation.place, violation.failing, violation.severity)
    assert '[data] ended_on = "last_day"' in violation.remedy
    declared = 'ended_on = "last_day"'
    assert [] == check(data=declared, accounts=accounts(30), subscriptions=terms(30, gap_days=1))
    assert [] == check(accounts=accounts(30), subscriptions=terms(30))


def test_values_that_only_departed_accounts_hold_are_named(check: Check) -> None:
    """A segment that is rewritten on leaving is the answer in disguise."""
    ended = [row for row in terms(60) if row["subscription_id"].endswith("-0") or int(row["account_id"][2:]) >= 30]
    former = accounts(60, segment=lambda number: "former" if number < 30 else "small")
    (violation,) = check(accounts=former, subscriptions=ended)
    assert ("accounts.segment", 30, ("former",), Severity.WARN) == (
        violation.place,
        violation.failing,
        violation.examples,
        violation.severity,
    )
    mixed = accounts(60, segment=lambda number: "large" if number % 2 else "small")
    assert [] == check(accounts=mixed, subscriptions=ended)


def two_versions(count: int, first: Mapping[str, str], second: Mapping[str, str]) -> list[dict[str, str | None]]:
    """Terms from 2025 on in two versions each, recorded at their start and in June."""
    rows: list[dict[str, str | None]] = []
    for number in range(count):
        row = {"subscription_id": f"S-{number:02}", "account_id": f"A-{number}", "started_on": "2025-01-01"}
        row |= {"ended_on": "", "mrr": "10"}
        rows += [row | {"recorded_at": "2025-01-02"} | first, row | {"recorded_at": "2025-06-01"} | second]
    return rows


def test_ends_entered_at_signing_make_everybody_leaving_and_are_told(check: Check) -> None:
    """An end that a version carries ahead is an announcement; where each first version has one, it is a contract's."""
    contractual = two_versions(30, {"ended_on": "2026-01-01"}, {"ended_on": "2027-01-01"})
    (violation,) = check(accounts=accounts(30), subscriptions=contractual)
    assert ("subscriptions.ended_on", 30, 30, Severity.WARN) == (
        violation.place,
        violation.failing,
        violation.rows,
        violation.severity,
    )
    assert "leaving" in violation.remedy
    assert "renews_on" in violation.remedy
    announced_later = two_versions(30, {}, {"ended_on": "2026-01-01"})
    assert [] == check(accounts=accounts(30), subscriptions=announced_later)
    trials = two_versions(30, {"ended_on": "2026-01-01", "mrr": "0"}, {"ended_on": "2027-01-01", "mrr": "0"})
    assert [] == check(accounts=accounts(30), subscriptions=trials)
    one_version_each = [row for row in contractual if row["recorded_at"] == "2025-01-02"]
    assert [] == check(accounts=accounts(30), subscriptions=one_version_each)


def test_paid_terms_turned_free_are_named(check: Check) -> None:
    """Each counts as a departure on the day its free version arrived; one with a price again is none."""
    rows = two_versions(3, {}, {"mrr": "0"})
    again = [row | {"recorded_at": "2025-07-01", "mrr": "12"} for row in rows[:1]]
    (violation,) = check(accounts=accounts(3), subscriptions=rows + again)
    assert ("subscriptions.mrr", 2, 3, ("S-01", "S-02"), Severity.WARN) == (
        violation.place,
        violation.failing,
        violation.rows,
        violation.examples,
        violation.severity,
    )
    assert "count_free" in violation.remedy
    assert [] == check("[churn]\ncount_free = true\n", accounts=accounts(3), subscriptions=rows)
    trials = two_versions(3, {"mrr": "0"}, {"mrr": "12"})
    assert [] == check(accounts=accounts(3), subscriptions=trials)
    assert [] == check(data="recorded_from = 2025-06-01", accounts=accounts(3), subscriptions=rows)


def yearly(count: int, *, years: int, ended: bool = False) -> list[dict[str, str | None]]:
    """Terms of twelve months begun in 2023, whose renewal is said to be so many years after their start."""
    rows: list[dict[str, str | None]] = []
    for number in range(count):
        start = date(2023, 1, 2) + timedelta(days=number)
        row = {"subscription_id": f"S-{number}{'e' * ended}", "account_id": f"A-{number}", "started_on": str(start)}
        row |= {"ended_on": str(start + timedelta(days=200)) if ended else None, "mrr": "10", "term_months": "12"}
        rows.append(row | {"renews_on": str(start.replace(year=start.year + years))})
    return rows


def test_renewal_dates_moved_on_in_place_are_told(check: Check) -> None:
    """They mark the survivors: who left in the first year has kept the first date."""
    newest = [row | {"subscription_id": "S-new", "started_on": "2025-03-01"} for row in yearly(1, years=4)]
    left = yearly(30, years=1, ended=True)
    (violation,) = check(accounts=accounts(40), subscriptions=yearly(40, years=3) + left + newest)
    assert ("subscriptions.renews_on", 40, 40, Severity.WARN) == (
        violation.place,
        violation.failing,
        violation.rows,
        violation.severity,
    )
    assert "only the first is believed" in violation.remedy
    assert "recorded_at" in violation.remedy
    by_billing = [
        row | {"term_months": None, "billing_period": "annual"} for row in yearly(40, years=3) + left + newest
    ]
    assert [violation] == check(accounts=accounts(40), subscriptions=by_billing)


@pytest.mark.parametrize(
    ("count", "years", "stated_at_once", "change"),
    [
        (40, 1, 1, {}),  # nothing was moved
        (40, 3, 3, {}),  # contracts that renew after three years, and said so from the start
        (19, 3, 1, {}),  # too few to tell
        (40, 3, 1, {"term_months": "1"}),  # who may leave every month renews nothing
        (40, 3, 1, {"term_months": None}),  # nobody knows when the first renewal was
    ],
)
def test_renewal_dates_that_stand_as_they_were_entered_are_not(
    count: int, years: int, stated_at_once: int, change: dict[str, str | None], check: Check
) -> None:
    newest = [row | {"subscription_id": "S-new", "started_on": "2025-03-01"} for row in yearly(1, years=4)]
    rows = yearly(count, years=years) + yearly(30, years=stated_at_once, ended=True) + newest
    assert [] == check(accounts=accounts(40), subscriptions=[row | change for row in rows])


def test_renewal_dates_moved_on_by_versions_are_not(check: Check) -> None:
    rows = [row | {"recorded_at": f"{row['started_on']} 03:00:00"} for row in yearly(40, years=1)]
    rows += [row | {"recorded_at": "2024-12-01 03:00:00"} for row in yearly(40, years=3)]
    newest = [row | {"subscription_id": "S-new", "started_on": "2025-03-01"} for row in rows[:1]]
    assert [] == check(accounts=accounts(40), subscriptions=rows + newest)


def test_what_killed_runs_spilled_is_removed_in_time(check: Check, tmp_path: Path) -> None:
    """Not while it may be in use."""
    for name, hours in (("old", 49), ("new", 47)):
        folder = tmp_path / f".spill-{name}"
        folder.mkdir()
        (folder / "rows").write_bytes(b"spilled")
        os.utime(folder, (time.time() - hours * 3600,) * 2)
    check()
    assert [".spill-new"] == [path.name for path in tmp_path.glob(".spill-*")]


def test_no_text_holds_what_a_store_cannot(check: Check, tmp_path: Path) -> None:
    """PostgreSQL knows no NUL: a single one in a name would cost the whole night. One in an id is told."""
    check()
    config = tmp_path / "churn.toml"
    for column, told in {"name": [], "account_id": ["accounts.account_id", "subscriptions.account_id"]}.items():
        nul = f"SELECT * REPLACE ({column} || chr(0) AS {column}) FROM 'accounts.csv'"
        config.write_text(f'[data]\naccounts = {{ sql = "{nul}" }}\nsubscriptions = "subscriptions.csv"\n')
        settings = read_settings(config)
        opened = open_sources(settings)
        assert told == [each.place for each in check_contract(opened, settings) if each.severity is Severity.FATAL]
        (found,) = opened.tables["accounts"].select("name").to_pyarrow().to_pylist()
        opened.close()
        assert {"name": good_row(CONTRACT["accounts"])["name"]} == found
