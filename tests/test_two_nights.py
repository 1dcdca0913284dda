"""Two nights in a row without news: a day passes, no row arrives, and the reasons stay what they were."""

from datetime import timedelta
from pathlib import Path

import pandas as pd

from features.outages import coverage
from models.registry import load_champion
from models.stability import stability
from pipeline.agreement import see
from pipeline.inputs import stored_inputs
from pipeline.settings_file import read_settings
from pipeline.sources import open_sources
from pipeline.store.connection import connect, reading
from pipeline.store.nights import book, catalogue, published
from pipeline.tonight import tonight


def test_the_main_reason_of_the_riskiest_outlives_a_day_without_news(trained_demo: Path) -> None:
    """The tables end with the first of the two nights."""
    settings = read_settings(trained_demo)
    model, _ = load_champion(**settings.registry())
    opened = open_sources(settings)
    try:
        past, recipe = see(opened, settings, model)
        first = settings.today()
        nights = [
            tonight(past, past.rules.moment(day), recipe, coverage(past)).query("state == 'active'")
            for day in (first, first + timedelta(days=1))
        ]
    finally:
        opened.close()
    both = sorted(set(nights[0]["account_id"]) & set(nights[1]["account_id"]))
    explained = [model.explain(night.set_index("account_id").loc[both].reset_index(), threads=1) for night in nights]
    assert (explained[0].log_odds != explained[1].log_odds).any(), "the clock moves"
    found = stability(*explained)
    assert found.kept >= 0.95, found


def test_the_renewal_that_is_published_is_the_one_that_reasons_speak_of(trained_demo: Path) -> None:
    """Of every customer, also where no reason speaks of it; of who leaves there is none."""
    settings = read_settings(trained_demo)
    engine = connect(settings.located(settings.store.url))
    try:
        with reading(engine) as connection:
            of = published(connection, None)
            accounts = list(book(connection, of))
            saw = stored_inputs(connection, of)
    finally:
        engine.dispose()
    assert saw is not None
    ahead = saw.frame().loc[saw.frame()["state"] == "active", "days_to_renewal"].dropna().round()
    renewals = {str(name): of.as_of + timedelta(days=int(days)) for name, days in ahead.items()}
    assert renewals == {each.account_id: each.renews_on for each in accounts if each.renews_on is not None}
    assert renewals
    spoken = [each for each in accounts if "days_to_renewal" in each.facts]
    days = [float(each.facts["days_to_renewal"] or 0) for each in spoken]
    assert [of.as_of + timedelta(days=round(each)) for each in days] == [each.renews_on for each in spoken]
    assert all(each.renews_on is None or each.renews_on >= of.as_of for each in accounts)
    assert not any(each.renews_on for each in accounts if each.state in {"leaving", "lapsed"})


def test_segment_and_plan_are_published_as_the_tables_tell_them(trained_demo: Path) -> None:
    """The newest version that was known, of everybody; of running terms that which pays most. Both are listed."""
    settings = read_settings(trained_demo)
    engine = connect(settings.located(settings.store.url))
    try:
        with reading(engine) as connection:
            of = published(connection, None)
            accounts = {each.account_id: each for each in book(connection, of)}
    finally:
        engine.dispose()
    cut = pd.Timestamp(of.as_of) + timedelta(hours=settings.data.arrival_hours)
    data = trained_demo.parent / "data"
    newest = {}
    for name, key in (("accounts", "account_id"), ("subscriptions", "subscription_id")):
        table = pd.read_parquet(data / f"{name}.parquet")
        known = table[(table["recorded_at"] < cut) | table["recorded_at"].isna()]
        newest[name] = known.sort_values("recorded_at").drop_duplicates(key, keep="last")
    segments = newest["accounts"].set_index("account_id")["segment"]
    assert {name: segments[name] for name in accounts} == {name: each.segment for name, each in accounts.items()}
    terms = newest["subscriptions"]
    began = pd.to_datetime(terms["started_on"]) < pd.Timestamp(of.as_of)
    running = terms[began & terms["ended_on"].isna()].sort_values(["mrr", "started_on"], ascending=[False, True])
    plans = running.drop_duplicates("account_id").set_index("account_id")["plan"]
    active = [each for each in accounts.values() if each.state not in {"leaving", "lapsed"}]
    assert {each.account_id: plans[each.account_id] for each in active} == {
        each.account_id: each.plan for each in active
    }
    choices = {
        name: sorted({getattr(each, name) for each in accounts.values()} - {None}) for name in ("segment", "plan")
    }
    assert choices == of.headline["choices"]


def test_a_night_keeps_what_health_says_of_its_sources_and_its_model(trained_demo: Path) -> None:
    """The last day of each table that is watched, and what the training knew: read from the files and the registry."""
    settings = read_settings(trained_demo)
    model, _ = load_champion(**settings.registry())
    engine = connect(settings.located(settings.store.url))
    try:
        with reading(engine) as connection:
            of = published(connection, None)
            words = catalogue(connection, of)
    finally:
        engine.dispose()
    cut = pd.Timestamp(of.as_of) + timedelta(hours=settings.data.arrival_hours)
    last_days = {}
    for name, at in (("usage", "occurred_at"), ("page_visits", "visited_at"), ("tickets", "opened_at")):
        file = trained_demo.parent / "data" / (name if name == "usage" else f"{name}.parquet")
        rows = pd.read_parquet(file, columns=[at, "recorded_at"])
        known = rows[(rows[at] < pd.Timestamp(of.as_of)) & ~(rows["recorded_at"] >= cut)]
        last_days[name] = str(known[at].max().date())
    sources = of.headline["sources"]
    assert {"usage", "subscriptions", "page_visits", "tickets", "invoices"} == sources.keys()
    assert last_days == {name: sources[name]["until"] for name in last_days}
    assert not [name for name, source in sources.items() if source["is_late"] or source["out"]]
    assert of.headline["shift"] is None, "the first night of a model has none before it"
    card, tested = words["card"], model.about["backtest"]["model"]
    learned = model.about["fit"]
    assert [card[name] for name in ("snapshots", "accounts", "departures")] == [
        learned[name] for name in ("rows", "accounts", "departures")
    ]
    assert (card["trained_on"], card["features"]) == (model.about["trained_on"], len(model.features))
    assert card["backtest"]["figures"]["auc"] == tested["figures"]["auc"]
    assert card["backtest"]["curve"], "risks that were promised beside those that came"
