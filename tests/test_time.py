"""Who was a customer, who left and what was known of it: the engine answers as the plain second implementation does.

`oracle_time` reads the rules one account at a time, from the design and not from the code. Hypothesis makes the small
companies on which the two are compared; the tables of cases below say what the boundaries are.
"""

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from engine_companies import Row, loaded
from hypothesis import HealthCheck, given, settings
from oracle_time import Rules, churn_days, known, label, state, terms
from small_companies import LATER, SmallCompany, accounts_of, companies, parameters

from features.cohort import states
from features.labels import churns, labels, spells_today
from features.revenue import running_terms
from features.versions import History

FEW = settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
MANY = settings(max_examples=500, deadline=None, suppress_health_check=list(HealthCheck))


# --- the laws -------------------------------------------------------------------------------------------------------


def agrees_on_known_rows(engine: Any, company: SmallCompany, rules: Rules) -> None:
    rules = replace(rules, recorded_from=company.recorded_from)
    with loaded(engine, company, rules) as history:
        for as_of in company.as_ofs:
            for name, rows in company.tables.items():
                expected = known(rows, name, rules, as_of)
                found = history.known(name, history.rules.moment(as_of)).to_pyarrow().to_pylist()
                assert in_any_order(expected) == in_any_order([only(row, rows[0]) for row in found])


def agrees_on_states(engine: Any, company: SmallCompany, rules: Rules) -> None:
    with loaded(engine, company, rules) as history:
        for as_of in company.as_ofs:
            expected = {}
            for account_id in accounts_of(company):
                standing = state(company, rules, account_id, as_of)
                if standing is not None:
                    expected[account_id] = (standing, last_day(company, rules, account_id, as_of, standing))
            found = states(history, history.rules.moment(as_of)).to_pyarrow().to_pylist()
            assert expected == {row["account_id"]: (row["state"], row["last_day"]) for row in found}


def agrees_on_labels(engine: Any, company: SmallCompany, rules: Rules) -> None:
    with loaded(engine, company, rules) as history:
        for as_of in company.as_ofs:
            expected = {name: label(company, rules, name, as_of, company.today) for name in accounts_of(company)}
            if not history.rules.is_mature(as_of, company.today):
                assert {found.left_out for found in expected.values()} <= {"not_active", "leaving", "immature"}
                with pytest.raises(ValueError, match="are not known on"):
                    labels(history, as_of, company.today)
                continue
            answers = {
                name: (found.value, found.churn_on, found.left_out)
                for name, found in expected.items()
                if found.left_out != "not_active"
            }
            assert answers == labelled(history, as_of, company.today)
            # So that too few churns are refused before a single label is made.
            churned = churns(history, company.today).to_pyarrow().to_pylist()
            labelled_churns = {(name, day) for name, (left, day, _) in answers.items() if left}
            assert labelled_churns <= {(row["account_id"], row["churn_on"]) for row in churned}


def agrees_on_churns(engine: Any, company: SmallCompany, rules: Rules) -> None:
    with loaded(engine, company, rules) as history:
        for today in (company.today, *company.as_ofs):
            found = churns(history, today).to_pyarrow().to_pylist()
            expected = [(name, day) for name in accounts_of(company) for day in churn_days(company, rules, name, today)]
            assert sorted(expected) == sorted((row["account_id"], row["churn_on"]) for row in found)


def in_any_order(rows: list[Row]) -> list[str]:
    return sorted(repr(sorted(row.items())) for row in rows)


def only(row: Row, columns: Row) -> Row:
    return {name: row[name] for name in columns}


def labelled(history: History, as_of: date, today: date) -> dict[str, tuple[bool | None, date | None, str | None]]:
    """Labels by account; spells handed in must change nothing, so every second date gets them."""
    spells = None
    if history.rules.definition == "subscription" and as_of.day % 2:
        spells = spells_today(history, today)
    found = labels(history, as_of, today, spells).to_pyarrow().to_pylist()
    return {row["account_id"]: (row["label"], row["churn_on"], row["left_out"]) for row in found}


def last_day(company: SmallCompany, rules: Rules, account_id: str, as_of: date, standing: str) -> date | None:
    """The first day without the account: once it has come; before that, when every running term has announced it."""
    if rules.definition == "inactivity":
        return max(churn_days(company, rules, account_id, as_of)) if standing == "gone" else None
    seen = terms(company, rules, account_id, as_of)
    running = [term.last_day for term in seen if term.ended_on is None]
    if not running:
        return max(term.ended_on for term in seen if term.ended_on is not None)
    return None if None in running else max(day for day in running if day is not None)


@FEW
@given(companies(), parameters())
def test_known_rows(engine: Any, company: SmallCompany, rules: Rules) -> None:
    """On a morning the tables hold the rows that had arrived, in the version of then, without facts still ahead."""
    agrees_on_known_rows(engine, company, rules)


@FEW
@given(companies(), parameters())
def test_states(engine: Any, company: SmallCompany, rules: Rules) -> None:
    """Every account is active, leaving, lapsed or gone by what was known on the morning, with its last day."""
    agrees_on_states(engine, company, rules)


@FEW
@given(companies(), parameters())
def test_labels(engine: Any, company: SmallCompany, rules: Rules) -> None:
    """Labels, churn days and reasons for having none; a snapshot whose labels are not known yet is refused."""
    agrees_on_labels(engine, company, rules)


@FEW
@given(companies(), parameters())
def test_churns(engine: Any, company: SmallCompany, rules: Rules) -> None:
    """Every departure known on a date, each once; none while a return within the grace could still undo it."""
    agrees_on_churns(engine, company, rules)


@pytest.mark.slow
@pytest.mark.parametrize("law", [agrees_on_known_rows, agrees_on_states, agrees_on_labels, agrees_on_churns])
def test_the_laws_on_many_companies(engine: Any, law: Any) -> None:
    """The laws above on five hundred companies each."""

    @MANY
    @given(companies() | companies(timely=True), parameters())
    def holds(company: SmallCompany, rules: Rules) -> None:
        law(engine, company, rules)

    holds()


# --- the boundaries, as a table of cases ----------------------------------------------------------------------------

AS_OF = date(2026, 3, 1)
GRACE = Rules(grace_days=30, horizon_days=60)


@dataclass(frozen=True)
class Case:
    """One account with its terms, and what is to be said of it on 1 March 2026."""

    promise: str
    terms: tuple[Row, ...]
    state: str | None
    label: tuple[bool | None, date | None, str | None] | None = None
    rules: Rules = GRACE


def term(started_on: date, ended_on: date | None = None, **more: Any) -> Row:
    row = {"started_on": started_on, "ended_on": ended_on, "mrr": 100.0, "notice_on": None, "recorded_at": None}
    return row | more


def feb(day: int) -> date:
    return date(2026, 2, day)


def mar(day: int) -> date:
    return date(2026, 3, day)


JAN_1 = date(2026, 1, 1)
STAYED = (False, None, None)

CASES = [
    Case("a running term makes a customer", (term(JAN_1),), "active", STAYED),
    Case("a term that starts on the date itself has not begun", (term(mar(1)),), None),
    Case("a term that began the day before counts", (term(feb(28)),), "active", STAYED),
    Case(
        "an end on the date itself is not known that morning, and is a churn on the window's first day",
        (term(JAN_1, mar(1)),),
        "active",
        (True, mar(1), None),
    ),
    Case("an end the day before is known", (term(JAN_1, feb(28)),), "lapsed"),
    Case("the last day on which a return is possible", (term(JAN_1, date(2026, 1, 30)),), "lapsed"),
    Case("the day after it", (term(JAN_1, date(2026, 1, 29)),), "gone"),
    Case(
        "the last day of the window",
        (term(JAN_1, AS_OF + timedelta(days=59)),),
        "active",
        (True, AS_OF + timedelta(days=59), None),
    ),
    Case("the first day after the window", (term(JAN_1, AS_OF + timedelta(days=60)),), "active", STAYED),
    Case(
        "a return on the last day of the grace is a lapse",
        (term(JAN_1, mar(10)), term(mar(10) + timedelta(days=30))),
        "active",
        STAYED,
    ),
    Case(
        "a return one day later is a churn and a new customer",
        (term(JAN_1, mar(10)), term(mar(10) + timedelta(days=31))),
        "active",
        (True, mar(10), None),
    ),
    Case("a second product keeps the customer", (term(JAN_1, mar(10)), term(feb(1))), "active", STAYED),
    Case("the end of a trial is no churn", (term(JAN_1, mar(10), mrr=0.0),), None),
    Case(
        "unless free terms count",
        (term(JAN_1, mar(10), mrr=0.0),),
        "active",
        (True, mar(10), None),
        replace(GRACE, count_free=True),
    ),
    Case("a term that covers no day is none", (term(JAN_1, JAN_1),), None),
    Case(
        "notice on the date itself is not known that morning",
        (term(JAN_1, mar(31), notice_on=mar(1)),),
        "active",
        (True, mar(31), None),
    ),
    Case(
        "notice the day before makes a leaving account, which gets no label",
        (term(JAN_1, mar(31), notice_on=feb(28)),),
        "leaving",
        (None, None, "leaving"),
    ),
    Case(
        "with event = notice the day of notice is the day of churn",
        (term(JAN_1, mar(31), notice_on=mar(5)),),
        "active",
        (True, mar(5), None),
        replace(GRACE, event="notice"),
    ),
    Case(
        "an end that was entered late leaves the account out: it was gone, and nobody could know",
        (
            term(JAN_1, recorded_at=datetime(2026, 1, 2)),  # noqa: DTZ001
            term(JAN_1, feb(20), recorded_at=datetime(2026, 3, 9)),  # noqa: DTZ001
        ),
        "active",
        (None, None, "already_gone"),
    ),
    Case(
        "an end that was entered ahead is an announcement",
        (
            term(JAN_1, recorded_at=datetime(2026, 1, 2)),  # noqa: DTZ001
            term(JAN_1, mar(20), recorded_at=datetime(2026, 3, 1, 5, 59)),  # noqa: DTZ001
        ),
        "leaving",
        (None, None, "leaving"),
    ),
    Case(
        "unless it reached the warehouse at the cut or later",
        (
            term(JAN_1, recorded_at=datetime(2026, 1, 2)),  # noqa: DTZ001
            term(JAN_1, mar(20), recorded_at=datetime(2026, 3, 1, 6)),  # noqa: DTZ001
        ),
        "active",
        (True, mar(20), None),
    ),
    Case(
        "a paid term that a version turned free ended on the day that version arrived",
        (
            term(JAN_1, recorded_at=datetime(2026, 1, 2)),  # noqa: DTZ001
            term(JAN_1, mrr=0.0, recorded_at=datetime(2026, 2, 28, 1, 30)),  # noqa: DTZ001
        ),
        "lapsed",
    ),
    Case(
        "before that day it was paid, and its departure lies ahead",
        (
            term(JAN_1, recorded_at=datetime(2026, 1, 2)),  # noqa: DTZ001
            term(JAN_1, mrr=0.0, recorded_at=datetime(2026, 3, 20, 1, 30)),  # noqa: DTZ001
            term(JAN_1, mrr=0.0, recorded_at=datetime(2026, 3, 25, 1, 30)),  # noqa: DTZ001
        ),
        "active",
        (True, mar(20), None),
    ),
    Case(
        "where free terms count it goes on",
        (
            term(JAN_1, recorded_at=datetime(2026, 1, 2)),  # noqa: DTZ001
            term(JAN_1, mrr=0.0, recorded_at=datetime(2026, 3, 20, 1, 30)),  # noqa: DTZ001
        ),
        "active",
        STAYED,
        replace(GRACE, count_free=True),
    ),
    Case(
        "a version that puts the start off takes the term away",
        (
            term(JAN_1, recorded_at=datetime(2026, 1, 2)),  # noqa: DTZ001
            term(mar(9), recorded_at=datetime(2026, 2, 2)),  # noqa: DTZ001
        ),
        None,
    ),
    Case(
        "a churn inside the lead comes too early to act on",
        (term(JAN_1, mar(7)),),
        "active",
        (None, None, "churns_in_lead"),
        replace(GRACE, lead_days=7),
    ),
    Case(
        "a churn on the lead's last day is the window's first",
        (term(JAN_1, mar(8)),),
        "active",
        (True, mar(8), None),
        replace(GRACE, lead_days=7),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=[case.promise for case in CASES])
def test_boundaries(engine: Any, case: Case) -> None:
    """Each boundary of the rules, seen on 1 March 2026; several recorded rows of a case are versions of one term."""
    versioned = all(row["recorded_at"] is not None for row in case.terms)
    numbered = [
        {"subscription_id": "S" if versioned else f"S{place}", "account_id": "A1", **row}
        for place, row in enumerate(case.terms)
    ]
    accounts = [{"account_id": "A1", "created_at": datetime(2026, 1, 1)}]  # noqa: DTZ001
    company = SmallCompany(
        {"accounts": accounts, "subscriptions": numbered},
        frozenset({"subscriptions"} if versioned else ()),
        None,
        LATER,
        [AS_OF],
    )
    with loaded(engine, company, case.rules) as history:
        standing = states(history, history.rules.moment(AS_OF)).to_pyarrow().to_pylist()
        assert [case.state] == ([row["state"] for row in standing] or [None])
        expected = {} if case.label is None else {"A1": case.label}
        assert expected == labelled(history, AS_OF, LATER)


def test_labels_of_a_young_snapshot_are_unknown_and_not_negative(engine: Any) -> None:
    """Lead, horizon and grace must have passed, for the gone as for the rest; the message says when they will have."""
    rows = [{"subscription_id": "S1", "account_id": "A1", **term(JAN_1, mar(2))}]
    accounts = [{"account_id": "A1", "created_at": datetime(2026, 1, 1)}]  # noqa: DTZ001
    known_on = AS_OF + timedelta(days=60 + 30)
    company = SmallCompany({"accounts": accounts, "subscriptions": rows}, frozenset(), None, known_on, [AS_OF])
    with loaded(engine, company, GRACE) as history:
        with pytest.raises(ValueError, match=f"they will be on {known_on}"):
            labels(history, AS_OF, known_on - timedelta(days=1))
        assert {"A1": (True, mar(2), None)} == labelled(history, AS_OF, known_on)


def test_one_product_announced_to_end_is_no_last_day_of_the_account(engine: Any) -> None:
    """An account has a last day when all its running terms have one; then it is the latest of them."""
    recorded_at = datetime(2026, 2, 1)  # noqa: DTZ001
    ends = {"A1": [mar(10), None], "A2": [mar(10), mar(20)]}
    rows = [
        {"subscription_id": f"{account_id}{place}", "account_id": account_id}
        | term(JAN_1, end, recorded_at=recorded_at)
        for account_id, days in ends.items()
        for place, end in enumerate(days)
    ]
    accounts = [{"account_id": account_id, "created_at": datetime(2026, 1, 1)} for account_id in ends]  # noqa: DTZ001
    company = SmallCompany(
        {"accounts": accounts, "subscriptions": rows}, frozenset({"subscriptions"}), None, LATER, [AS_OF]
    )
    with loaded(engine, company, GRACE) as history:
        found = states(history, history.rules.moment(AS_OF)).to_pyarrow().to_pylist()
    expected = {"A1": ("active", None), "A2": ("leaving", mar(20))}
    assert expected == {row["account_id"]: (row["state"], row["last_day"]) for row in found}


def test_the_newest_version_counts_in_tables_that_began_to_keep_them(engine: Any) -> None:
    """A model trained before knows of no versions; the account is one customer all the same, at the newest price.

    Only an end that lies ahead is no announcement to it: in the tables that it learned from it was hindsight.
    """
    rows = [
        {"subscription_id": "S1", "account_id": "A1"} | term(JAN_1, end, mrr=mrr, recorded_at=recorded_at)
        for end, mrr, recorded_at in [
            (None, 100.0, datetime(2026, 1, 2)),  # noqa: DTZ001
            (mar(20), 250.0, datetime(2026, 2, 2)),  # noqa: DTZ001
        ]
    ]
    accounts = [
        {"account_id": "A1", "created_at": datetime(2026, 1, 1), "segment": segment, "recorded_at": recorded_at}  # noqa: DTZ001
        for segment, recorded_at in [("small", datetime(2026, 1, 2)), ("large", datetime(2026, 2, 2))]  # noqa: DTZ001
    ]
    company = SmallCompany({"accounts": accounts, "subscriptions": rows}, frozenset(), None, LATER, [AS_OF])
    with loaded(engine, company, GRACE) as history:
        moment = history.rules.moment(AS_OF)
        assert ["large"] == history.known("accounts", moment).to_pyarrow()["segment"].to_pylist()
        (standing,) = states(history, moment).to_pyarrow().to_pylist()
        assert ("active", None) == (standing["state"], standing["last_day"])
        assert [250.0] == running_terms(history, moment).to_pyarrow()["mrr"].to_pylist()
        assert not history.may_teach("accounts.segment")


def test_an_event_delivered_again_counts_once(engine: Any) -> None:
    """As it first arrived, whatever came later under its name; on a morning before that it is not there."""
    event = {"account_id": "A1", "occurred_at": datetime(2026, 2, 1), "event": "export"}  # noqa: DTZ001
    told = [
        ("E1", 3.0, datetime(2026, 2, 20)),  # noqa: DTZ001
        ("E1", 1.0, datetime(2026, 2, 10)),  # noqa: DTZ001
        ("E2", 5.0, datetime(2026, 2, 10)),  # noqa: DTZ001
        (None, 7.0, datetime(2026, 2, 10)),  # noqa: DTZ001
        (None, 7.0, datetime(2026, 2, 10)),  # noqa: DTZ001
    ]
    usage = [event | {"event_id": name, "quantity": amount, "recorded_at": at} for name, amount, at in told]
    accounts = [{"account_id": "A1", "created_at": datetime(2026, 1, 1)}]  # noqa: DTZ001
    company = SmallCompany({"accounts": accounts, "usage": usage}, frozenset(), None, LATER, [AS_OF])
    with loaded(engine, company, GRACE) as history:
        found = {
            as_of: sorted(history.known("usage", history.rules.moment(as_of)).to_pyarrow()["quantity"].to_pylist())
            for as_of in (feb(9), feb(10), AS_OF)
        }
    assert {feb(9): [], feb(10): [1.0, 5.0, 7.0, 7.0], AS_OF: [1.0, 5.0, 7.0, 7.0]} == found
