"""Every feature against its naive second implementation, and the catalogue against what is computed."""

import gc
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from engine_companies import KINDS, PAGE_GROUPS, Row, loaded
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from oracle_features import features
from oracle_time import Rules, state
from single_cases import AS_OF, ago, asked, on, term
from small_companies import LATER, SmallCompany, accounts_of, companies, parameters

from features import (
    aspects,
    billing,
    events,
    feedback,
    habits,
    market,
    onboarding,
    pages,
    people,
    support,
    tenure,
    usage,
)
from features.build import SPINE, Recipe, build, catalogue, spine
from features.catalogue import CASES, Feature, mentions, read_catalogue
from features.contract import CONTRACT
from features.outages import Recorded, coverage
from features.sentiment import ASPECTS
from features.tallies import by_kind, by_person, of_kinds, tally

FEW = settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck))
MANY = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
VALUE_EVENTS = ("export",)
BORDERS = (1, 7, 8, 28, 29, 42, 43, 56, 57, 84, 85, 112, 113, 210, 211, 224, 225, 364, 365, 728, 729)
"""Days after an event at which it enters or leaves a window, or crosses from one word of the day mask to the next."""

Draw = Callable[[st.SearchStrategy[Any]], Any]


# --- each feature twice ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Question:
    """A company and the date and rules by which its features are asked for."""

    company: SmallCompany
    rules: Rules
    as_of: date


@st.composite
def questions(draw: Draw) -> Question:
    """Companies with odd quantities and several people; a date at the border of a window."""
    rules = draw(parameters())
    drawn = draw(companies())
    tables = dict(drawn.tables)
    quantities, people = [None, 1.0, 0.0, 3.0, -2.0, 0.4, 1.2, 2.5], [None, "U1", "U2", "U3"]
    tables["usage"] = [
        row | {"quantity": draw(st.sampled_from(quantities)), "user_id": draw(st.sampled_from(people))}
        for row in tables["usage"]
    ]
    if rules.definition == "inactivity" and draw(st.booleans()):
        del tables["subscriptions"]
    company = replace(drawn, tables=tables, versioned=drawn.versioned & tables.keys())
    return Question(company, rules, draw(dates_with_customers(company, rules)))


def dates_with_customers(company: SmallCompany, rules: Rules) -> st.SearchStrategy[date]:
    """Dates a border after some event, and on which somebody was a customer; any such date where nobody ever was."""
    events = {
        moment.date() if isinstance(moment, datetime) else moment
        for name in company.tables.keys() - {"accounts"}
        for moment in (row[CONTRACT[name].event_time] for row in company.tables[name])
    }
    dates = sorted({event + timedelta(days=days) for event in events for days in BORDERS})
    peopled = [
        day
        for day in dates
        if any(state(company, rules, name, day) in ("active", "leaving") for name in accounts_of(company))
    ]
    return st.sampled_from(peopled or dates)


def agrees_on_features(engine: Any, asked: Question) -> None:
    """Every feature of every account, to 1e-9, and the accounts themselves."""
    expected = features(asked.company, asked.rules, asked.as_of, PAGE_GROUPS, VALUE_EVENTS, KINDS)
    with loaded(engine, asked.company, asked.rules) as bare:
        history = replace(bare, rules=replace(bare.rules, value_events=VALUE_EVENTS))
        recipe = Recipe(catalogue(history, PAGE_GROUPS, kinds=KINDS), PAGE_GROUPS, KINDS)
        found = build(history, history.rules.moment(asked.as_of), recipe).to_pyarrow().to_pylist()
    assert list(expected) == [row["account_id"] for row in found]
    for row in found:
        wanted = expected[row["account_id"]]
        for name in [*("root_id", "state", "since", "mrr"), *(feature.name for feature in recipe.features)]:
            assert wanted[name] == near(row[name]), f"{name} of {row['account_id']} on {asked.as_of}"


def near(value: Any) -> Any:
    return pytest.approx(value, rel=1e-9, abs=1e-9) if isinstance(value, float) else value


@FEW
@given(questions())
def test_features(engine: Any, asked: Question) -> None:
    """Each feature equals its naive second implementation."""
    agrees_on_features(engine, asked)


@pytest.mark.slow
def test_features_of_many_companies(engine: Any) -> None:
    """The same on a hundred companies."""

    @MANY
    @given(questions())
    def holds(asked: Question) -> None:
        agrees_on_features(engine, asked)

    holds()


# --- single features, as a table of cases ---------------------------------------------------------------------------


def test_windows_end_the_day_before(engine: Any) -> None:
    """The last instant of the day before counts, and so does the first of the window; midnight of the date does not."""
    last_instant = datetime(2026, 3, 14, 23, 59, 59, 999_000)  # noqa: DTZ001
    moments = [last_instant, on(ago(7), 0), on(ago(28), 0), on(ago(29), 23), on(ago(84), 0), on(AS_OF, 0)]
    usage = [{"account_id": "A1", "occurred_at": at, "event": "export", "quantity": 1.0} for at in moments]
    found = asked(engine, {"subscriptions": [term(ago(300))], "usage": usage})["A1"]
    names = ["active_days_7", "active_days_28", "active_days_84", "usage_7", "usage_28", "days_since_use"]
    assert [2.0, 3.0, 5.0, 2.0, 3.0, 1.0] == [found[name] for name in names]


def test_use_before_the_term_was_observed_too(engine: Any) -> None:
    """After a trial of every day the usual is 28 days in 28, however young the term: never more days than there are."""
    usage = [
        {"account_id": "A1", "occurred_at": on(ago(age)), "event": "export", "quantity": 1.0} for age in range(1, 113)
    ]
    found = asked(engine, {"subscriptions": [term(ago(60))], "usage": usage})["A1"]
    assert (28.0, 28.0, 28.0) == (found["active_days_28"], found["active_days_usual"], found["usage_usual"])


def test_of_two_who_did_almost_as_much_the_main_user_did_more(engine: Any) -> None:
    """Quantities need not be whole; only of equals the one seen last is the main user."""
    did = [("busy", 60, 1.4), ("late", 40, 1.2)]
    usage = [
        {"account_id": "A1", "occurred_at": on(ago(age)), "event": "export", "quantity": amount, "user_id": user}
        for user, age, amount in did
    ]
    found = asked(engine, {"subscriptions": [term(ago(300))], "usage": usage})["A1"]
    assert (60.0, pytest.approx(1.4 / 2.6)) == (found["main_user_days_away"], found["main_user_share"])


def test_terms_billed_by_use_share_what_was_invoiced(engine: Any) -> None:
    """600 in three months are 200 a month for the account, not for each of its two terms."""
    rows = [term(ago(300), mrr=None), term(ago(200), mrr=None, subscription_id="S2")]
    invoices = [{"invoice_id": "I1", "account_id": "A1", "issued_on": ago(40), "amount": 600.0, "voided_at": None}]
    assert asked(engine, {"subscriptions": rows, "invoices": invoices})["A1"]["mrr"] == 200.0


@pytest.mark.parametrize(("invoiced", "mrr"), [(900.0, 300.0), (60.0, 100.0), (None, 100.0)])
def test_invoices_contain_the_fixed_prices_too(engine: Any, invoiced: float | None, mrr: float) -> None:
    """Of 300 a month 100 are the fixed price and 200 are by use; invoices never take from a fixed price."""
    rows = [term(ago(300), subscription_id="S1"), *(term(ago(200), mrr=None, subscription_id=name) for name in "XY")]
    invoice = {"invoice_id": "I1", "account_id": "A1", "issued_on": ago(40), "amount": invoiced, "voided_at": None}
    invoices = [invoice] if invoiced else [invoice | {"account_id": "A2", "amount": 5.0}]
    assert asked(engine, {"subscriptions": rows, "invoices": invoices})["A1"]["mrr"] == mrr


def test_before_the_first_row_of_usage_nothing_is_usual(engine: Any) -> None:
    """A usage table that begins today says nothing of the past: its features are missing, not zero."""
    usage = [{"account_id": "A1", "occurred_at": on(AS_OF), "event": "export", "quantity": 1.0, "user_id": "U1"}]
    found = asked(engine, {"subscriptions": [term(ago(300))], "usage": usage})["A1"]
    assert [None, None, None] == [found[name] for name in ("active_days_usual", "usage_usual", "active_users_past")]


# --- the catalogue --------------------------------------------------------------------------------------------------

FAMILIES = (
    *("usage", "people", "habits", "events", "onboarding"),
    *("support", "aspects", "feedback", "pages", "tenure", "market", "billing"),
)
PATTERN = "GROUP"


def listed() -> list[Feature]:
    return [feature for family in FAMILIES for feature in read_catalogue(family)]


def every_column() -> dict[str, list[Row]]:
    """One account with a row in each table that features read, and a value in every column of it."""
    values = {"text": "A1", "date": ago(200), "instant": on(ago(20)), "number": 1.0, "whole": 1, "boolean": True}
    tables = ("accounts", "subscriptions", "usage", "users", "tickets", "feedback", "page_visits", "invoices")
    rows = {name: {column.name: values[column.type] for column in CONTRACT[name].columns} for name in tables}
    for name in ("accounts", "subscriptions", "tickets"):
        rows[name] |= {"recorded_at": on(ago(150))}
    rows["subscriptions"] |= {"ended_on": None, "notice_on": None, "end_reason": None, "billing_period": "monthly"}
    return {name: [row] for name, row in rows.items()}


def test_the_catalogue_lists_what_is_computed_and_nothing_else(engine: Any) -> None:
    """With every column of the contract there, every listed feature is a column of the result, once, in its order."""
    company = SmallCompany(every_column(), frozenset({"accounts", "subscriptions", "tickets"}), None, LATER, [AS_OF])
    patterns = [("pages", group) for group in PAGE_GROUPS] + [("events", kind) for kind in KINDS]
    patterns += [("aspects", aspect) for aspect in ASPECTS]
    expected = [
        f.for_group(name).name for family, name in patterns for f in read_catalogue(family) if PATTERN in f.name
    ]
    expected += [feature.name for feature in listed() if PATTERN not in feature.name]
    with loaded(engine, company, Rules()) as history:
        recipe = Recipe(catalogue(history, PAGE_GROUPS, kinds=KINDS), PAGE_GROUPS, KINDS)
        built = build(history, history.rules.moment(AS_OF), recipe)
    assert sorted(expected) == sorted(feature.name for feature in recipe.features)
    assert [*SPINE, *(f.name for f in recipe.features if f.name != "mrr")] == list(built.columns)


def test_the_engine_keeps_what_the_result_needs_and_lets_go_of_it_with_the_result(engine: Any) -> None:
    """A night of many accounts fits into memory because the tables on the way to its families are gone by its end."""
    company = SmallCompany(every_column(), frozenset(), None, LATER, [AS_OF])
    with loaded(engine, company, Rules()) as history:
        assert history._redelivered is not None  # looked up once for all moments, it stays
        before = set(engine.list_tables())
        recipe = Recipe(catalogue(history, PAGE_GROUPS, kinds=KINDS), PAGE_GROUPS, KINDS)
        built = build(history, history.rules.moment(AS_OF), recipe)
        kept = set(engine.list_tables()) - before
        modules = (billing, events, feedback, habits, market, onboarding, pages, people, support, tenure, usage)
        assert len(("spine", *modules)) == len(kept)
        del built
        gc.collect()
        assert before == set(engine.list_tables())


def test_every_computed_column_is_listed(engine: Any) -> None:
    """What a family computes and the catalogue does not know would be work for nothing, or a reason without words."""
    company = SmallCompany(every_column(), frozenset({"accounts", "subscriptions", "tickets"}), None, LATER, [AS_OF])
    with loaded(engine, company, Rules()) as history:
        moment = history.rules.moment(AS_OF)
        accounts = spine(history, moment, coverage(history))
        recorded = Recorded()
        tallied = tally(history, accounts, moment, recorded)
        persons, kinds = by_person(history, moment), by_kind(history, moment)
        use = usage.compute(tallied)
        computed = {
            "usage": use.columns,
            "people": people.compute(history, tallied, persons, moment).columns,
            "habits": habits.compute(tallied, kinds).columns,
            "events": events.compute(tallied, of_kinds(history, moment, [PATTERN]), [PATTERN]).columns,
            "onboarding": onboarding.compute(accounts, tallied, persons, moment).columns,
            "market": market.compute(history, accounts, moment, use).columns,
            "support": support.compute(history, accounts, moment, recorded).columns,
            "pages": pages.compute(history, accounts, moment, recorded, {PATTERN: ("/x*",)}).columns,
            "tenure": tenure.compute(history, accounts, moment).columns,
            "feedback": feedback.compute(history, accounts, moment).columns,
            "billing": billing.compute(history, accounts, moment, recorded).columns,
        }
    from_spine = set(accounts.columns)
    for family, columns in computed.items():
        more = aspects.listed() if family == "support" else []
        names = {feature.name for feature in [*read_catalogue(family), *more]}
        assert names - from_spine == set(columns) - {"account_id"}, family


@pytest.mark.parametrize("feature", listed(), ids=lambda feature: feature.name)
def test_every_feature_has_its_words(feature: Feature) -> None:
    """Sentences in both languages for either direction and for each special value that the feature can take.

    A fact has none of its own: it is there because some sentence speaks of it.
    """
    assert feature.meaning
    assert feature.unit
    if not feature.learned:
        assert feature.words == {}
        assert feature.direction == 0
        assert any(feature.name in mentions(wording) for other in listed() for wording in other.words.values())
        return
    needed = {"raises", "lowers"}
    needed |= {"missing"} if can_be_missing(feature) else set()
    if is_count(feature):
        needed |= {"zero"}
    if is_count(feature) and feature.unit != "quantity":
        needed |= {"one"}
    assert needed <= feature.words.keys() <= set(CASES)
    for wording in feature.words.values():
        assert wording.en.strip(), feature.name
        assert wording.zh.strip(), feature.name
    assert feature.direction in (-1, 0, 1)


def can_be_missing(feature: Feature) -> bool:
    """Its meaning says so, or it compares, averages or describes: where there is nothing to go by it is null."""
    by_nature = feature.unit in {"log ratio", "share", "word", "−1 to 1", "hours", "money a month"}
    always_there = {"usage_trend_7", "price_rise_84", "price_rise_364"}
    return "missing" in feature.meaning or (by_nature and feature.name not in always_there)


def is_count(feature: Feature) -> bool:
    """A number of things in a window: none and a single one need words of their own."""
    return feature.unit in {"tickets", "visits", "people", "times", "invoices"} and "weight" not in feature.meaning


def test_sentences_speak_of_listed_features_only() -> None:
    """A page pattern may speak of its own group; whatever else is named must be listed and need no other table."""
    by_name = {feature.name: feature for feature in listed()}
    for feature in listed():
        for case, wording in feature.words.items():
            unknown = mentions(wording) - by_name.keys()
            assert not unknown, f"{feature.name}, {case}: {sorted(unknown)}"


def test_what_people_looked_at_is_never_quoted() -> None:
    """Page visits are for us: no sentence of theirs may be said to the customer."""
    assert not any(feature.quotable for feature in read_catalogue("pages"))


def test_a_sentence_mentions_features_that_are_there_when_it_is(engine: Any) -> None:
    """Whatever columns a company lacks, each feature left in the catalogue finds all that its sentences name."""
    whole = every_column()
    optional = [(name, column.name) for name in whole for column in CONTRACT[name].columns if not column.required]
    for name, column in optional:
        rows = [{key: value for key, value in row.items() if key != column} for row in whole[name]]
        tables = whole | {name: rows}
        lacks_key = column == CONTRACT[name].key
        versioned = frozenset({"accounts", "subscriptions", "tickets"} - ({name} if lacks_key else set()))
        with loaded(engine, SmallCompany(tables, versioned, None, LATER, [AS_OF]), Rules()) as history:
            there = {feature.name: feature for feature in catalogue(history, PAGE_GROUPS, kinds=KINDS)}
        for feature in there.values():
            for case, wording in feature.words.items():
                lost = mentions(wording) - there.keys()
                assert not lost, f"without {name}.{column}, {feature.name}, {case} names {sorted(lost)}"
