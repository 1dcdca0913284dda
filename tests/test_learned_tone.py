"""Tickets judged by what their company's own ratings taught: from the tables to a night, and back from the registry."""

import hashlib
import io
import re
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from test_sentiment_model import BAD, GOOD, rated
from tiny_transformer import write_transformer

from features.contract import Severity
from features.sentiment import score
from models.registry import load_champion
from models.sentiment_model import SentimentModel, TooFewRatings, learn
from models.succession import promote
from models.transformer import Transformer
from pipeline.agreement import see
from pipeline.errors import RefusedError
from pipeline.inspection import inspect
from pipeline.learned_tone import learn_tone, rated_texts, use_tone
from pipeline.nightly import run_night
from pipeline.past import Past, snapshot_frames
from pipeline.run_log import open_log
from pipeline.settings import Settings
from pipeline.settings_file import read_settings
from pipeline.sources import Opened, history, open_sources
from pipeline.ticket_words import add_sentiment
from pipeline.training import train

TODAY = date(2028, 1, 1)


def company(folder: Path, tickets: pd.DataFrame, sections: str = "") -> Settings:
    """A company with these tickets, and nothing else to learn from."""
    accounts = pd.DataFrame({"account_id": sorted(set(tickets["account_id"])), "created_at": "2025-01-01"})
    accounts.to_csv(folder / "accounts.csv", index=False)
    accounts.rename(columns={"created_at": "started_on"}).assign(ended_on="").to_csv(
        folder / "subscriptions.csv", index=False
    )
    tickets.to_csv(folder / "tickets.csv", index=False)
    names = ("accounts", "subscriptions", "tickets")
    named = "".join(f'{name} = "{name}.csv"\n' for name in names)
    (folder / "churn.toml").write_text(f"[data]\n{named}{sections}", encoding="utf-8")
    return read_settings(folder / "churn.toml")


def tickets(**more: object) -> pd.DataFrame:
    return rated().drop(columns=["group", "polarity", "said_at"]).assign(**more)


@contextmanager
def opened(settings: Settings) -> Iterator[tuple[Opened, str | None]]:
    sources = open_sources(settings)
    try:
        yield sources, add_sentiment(sources, settings)
    finally:
        sources.close()


def moods(sources: Opened) -> pd.DataFrame:
    frame: pd.DataFrame = sources.tables["tickets"].to_pandas()
    return frame.set_index("ticket_id").sort_index()


def test_ratings_teach_how_tickets_sound(tmp_path: Path) -> None:
    """Where learning is better the judgement of every ticket is the learned one's, each by the model that never saw
    its account; the second time out of the cache."""
    settings = company(tmp_path, tickets())
    with opened(settings) as (sources, scorer):
        past = history(sources, settings)
        moment = past.rules.moment(TODAY)
        before = moods(sources)
        tone, compared = learn_tone(sources, past, moment, scorer)
        assert compared is not None
        assert tone is not None
        use_tone(sources, settings, tone)
        after = moods(sources)
        texts = rated_texts(past, moment)
    assert len(texts) == len(before)
    assert before.drop(columns="sentiment").equals(
        after.drop(columns="sentiment")[list(before.columns.drop("sentiment"))]
    )
    groups = [hashlib.sha256(account_id.encode()).hexdigest()[0] for account_id in after["account_id"]]
    expected = tone.polarity(after["text"].tolist(), before["sentiment"].to_numpy(float), groups)
    assert after["sentiment"].tolist() == expected.tolist()
    assert after.loc[after["text"].str.startswith(BAD), "sentiment"].max() < -0.3
    assert after.loc[after["text"].str.startswith(GOOD), "sentiment"].min() > 0.3
    assert (tmp_path / ".churn-cache" / f"sentiment-{tone.version}.parquet").is_file()
    with opened(settings) as (sources, _):
        use_tone(sources, settings, tone)
        assert after.equals(moods(sources))


def test_a_ticket_that_changed_its_account_stays_one_ticket(tmp_path: Path) -> None:
    """Two accounts were merged later. Each version is heard as its account's, and a message as that of the first."""
    folder = tmp_path
    table = tickets(recorded_at=lambda rows: rows["opened_at"])
    moved = table.loc[:9].assign(account_id="A99", recorded_at=datetime(2027, 12, 1))  # noqa: DTZ001 - naive UTC
    messages = pd.DataFrame({"message_id": ["M1"], "ticket_id": ["T0"], "author": ["customer"], "text": [BAD]})
    messages.assign(sent_at="2026-02-01").to_csv(folder / "messages.csv", index=False)
    company(folder, pd.concat([table, moved]))
    with (folder / "churn.toml").open("a", encoding="utf-8") as more:
        more.write('ticket_messages = "messages.csv"\n')
    settings = read_settings(folder / "churn.toml")
    tone = learn(rated(), "base")
    assert tone is not None
    with opened(settings) as (sources, _):
        use_tone(sources, settings, tone)
        after, (message,) = moods(sources), sources.tables["ticket_messages"].to_pyarrow().to_pylist()
    assert len(table) + len(moved) == len(after)
    twice = after.loc["T0"].sort_values("recorded_at")
    assert ["A0", "A99"] == twice["account_id"].tolist()
    first, then = (hashlib.sha256(account_id.encode()).hexdigest()[0] for account_id in twice["account_id"])
    text = twice["text"].iloc[0]
    base = score([text])[0] or 0.0
    assert tone.polarity([text, text], np.array([base, base]), [first, then]).tolist() == twice["sentiment"].tolist()
    assert tone.polarity([BAD], np.array([score([BAD])[0] or 0.0]), [first]).tolist() == [message["sentiment"]]


@pytest.mark.parametrize("learns", [True, False])
def test_the_past_is_heard_as_the_settings_say(learns: bool, tmp_path: Path) -> None:
    """One past for all snapshots of a training, alike in the processes that share the dates out."""
    settings = company(tmp_path, tickets(), f"[sentiment]\nlearn = {str(learns).lower()}\n[engine]\nthreads = 1\n")
    sources = open_sources(settings)
    try:
        past = Past.of(sources, settings, TODAY)
        assert learns == (past.tone is not None)
        assert past.compared is not None
        dates = [date(2027, 1, 1) + timedelta(days=14 * place) for place in range(12)]
        alone = [past.snapshot(day) for day in dates[:2]]
        with open_log() as log:
            shared = snapshot_frames(past, settings, dates if learns else dates[:2], log)
    finally:
        sources.close()
    for one, other in zip(alone, shared, strict=False):
        pd.testing.assert_frame_equal(one, other)
    assert learns == (pd.concat(alone)["sentiment_worst_28"].min() < -0.3)


def test_what_cannot_be_judged_stays_unjudged(tmp_path: Path) -> None:
    table = tickets()
    table.loc[:9, "text"] = "Der Dienstplan ist schon wieder weg und niemand antwortet uns."
    settings = company(tmp_path, table)
    with opened(settings) as (sources, scorer):
        past = history(sources, settings)
        tone, _ = learn_tone(sources, past, past.rules.moment(TODAY), scorer)
        assert tone is not None
        use_tone(sources, settings, tone)
        assert 10 == moods(sources)["sentiment"].isna().sum()


@pytest.mark.parametrize(
    ("table", "sections", "why"),
    [
        (tickets(sentiment=0.1), "", "tickets.sentiment is your own judgement of them"),
        (tickets().drop(columns="csat_at"), "", "they have no time. Give tickets.csat_at"),
        (tickets(csat_at=""), "", "they have no time. Give tickets.csat_at"),
        (tickets().drop(columns=["csat", "csat_at"]), "", None),
        (tickets(csat=""), "", None),
        (tickets(), "[sentiment]\nlearn = false\n", "[sentiment] learn = false"),
        (tickets().iloc[:400], "", "of 400 rated tickets the words of 400 could be judged, and 1,000 are needed"),
    ],
    ids=["own judgement", "no column of times", "no times", "no column", "no ratings", "switched off", "too few"],
)
def test_nothing_is_learned(table: pd.DataFrame, sections: str, why: str | None, tmp_path: Path) -> None:
    """And it says why, unless nobody rates: there is nothing to say then."""
    settings = company(tmp_path, table, sections)
    with opened(settings) as (sources, scorer):
        past = history(sources, settings)
        moment = past.rules.moment(TODAY)
        tone, found = learn_tone(sources, past, moment, scorer, learns=settings.sentiment.learn)
    assert tone is None
    assert (why is None) == (found is None)
    assert (why or "None") in str(found)


def test_the_count_tells_languages_that_are_not_judged_from_tickets_without_words(tmp_path: Path) -> None:
    table = tickets().iloc[:400]
    table.loc[:99, "text"] = "Der Dienstplan ist schon wieder weg und niemand antwortet uns."
    table.loc[100:149, "text"] = ""
    settings = company(tmp_path, table)
    with opened(settings) as (sources, scorer):
        past = history(sources, settings)
        _, found = learn_tone(sources, past, past.rules.moment(TODAY), scorer)
    assert isinstance(found, TooFewRatings)
    assert (400, 250, 100) == (found.rated, found.judged, found.unread)


@pytest.mark.parametrize(
    ("table", "told"),
    [
        (tickets().drop(columns="csat_at"), (1200, 1200)),
        (tickets(csat_at=""), (1200, 1200)),
        (tickets(csat_at=lambda rows: rows["csat_at"].where(rows.index % 10 != 0)), (120, 1200)),
        (tickets(csat_at=lambda rows: rows["csat_at"].where(rows.index != 0)), None),
        (tickets(), None),
        (tickets(csat=""), None),
        (tickets().drop(columns=["csat", "csat_at"]), None),
    ],
)
def test_the_check_tells_ratings_without_a_time(
    table: pd.DataFrame, told: tuple[int, int] | None, tmp_path: Path
) -> None:
    """They teach nothing, and a company that brings them should know."""
    with open_log(quiet=True) as log:
        found = inspect(company(tmp_path, table), TODAY, log).violations
    (*warned,) = ((each.failing, each.rows) for each in found if each.place == "tickets.csat_at")
    assert ([] if told is None else [told]) == warned


def test_a_rating_of_the_day_itself_is_not_known(tmp_path: Path) -> None:
    settings = company(tmp_path, tickets())
    with opened(settings) as (sources, _):
        past = history(sources, settings)
        newest = max(rated()["csat_at"])
        known = rated_texts(past, past.rules.moment(newest.date()))
    assert known["csat_at"].max() < pd.Timestamp(newest.date())
    assert len(known) == (rated()["csat_at"] < pd.Timestamp(newest.date())).sum()


def test_a_text_counts_from_the_day_on_which_it_was_first_said(tmp_path: Path) -> None:
    """Of the ticket that is its opening; the message that repeats it is no second text."""
    messages = pd.DataFrame({"message_id": ["M1", "M2"], "ticket_id": "T0", "author": "customer", "text": [BAD, GOOD]})
    messages.assign(sent_at=["2026-01-01 09:00", "2026-01-05"]).to_csv(tmp_path / "messages.csv", index=False)
    table = tickets()
    table.loc[0, "text"] = BAD
    company(tmp_path, table)
    with (tmp_path / "churn.toml").open("a", encoding="utf-8") as more:
        more.write('ticket_messages = "messages.csv"\n')
    settings = read_settings(tmp_path / "churn.toml")
    with opened(settings) as (sources, _):
        past = history(sources, settings)
        texts = rated_texts(past, past.rules.moment(TODAY))
    said = texts[texts["ticket_id"] == "T0"].set_index("text")["said_at"]
    assert {BAD: table.loc[0, "opened_at"], GOOD: pd.Timestamp("2026-01-05")} == said.to_dict()


def test_a_named_model_judges_in_any_language(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the place of ours; what texts speak of is still found by ours, and learning starts from the named one."""
    write_transformer(tmp_path / "tiny")
    table = tickets()
    table.loc[:0, "text"] = "Das ist schrecklich"
    settings = company(tmp_path, table, '[sentiment]\nmodel = "tiny"\n')
    with opened(settings) as (sources, scorer):
        assert scorer is not None
        assert scorer.startswith("onnx-")
        assert scorer.endswith("lexicon-3 of tickets")
        found = moods(sources)
    assert found.loc["T0", "sentiment"] < -0.5
    assert pd.isna(found.loc["T0", "aspects"])
    assert {0.0} == set(found["sentiment"].drop("T0"))
    monkeypatch.setattr(Transformer, "_session", property(lambda _: pytest.fail("all is judged: it takes no memory")))
    with opened(settings) as (sources, _):
        assert found.equals(moods(sources))


def test_a_night_judges_by_the_scorer_of_its_model(trained_demo: Path) -> None:
    """The learned scorer travels with the champion; other base, other features: refused."""
    settings = read_settings(trained_demo)
    champion, _ = load_champion(uri=settings.located(settings.tracking.uri), name=settings.tracking.model)
    tone = learn(rated(), champion.about["scorer"])
    assert tone is not None
    assert champion.tone is None, "too few tickets of so small a company are rated"
    model = replace(champion, tone=tone)
    sources = open_sources(settings)
    try:
        see(sources, settings, model)
        words = sources.tables["ticket_messages"].filter(sources.tables["ticket_messages"]["sentiment"].notnull())
        found = words.limit(20).to_pandas()
        tickets = sources.tables["tickets"].select("ticket_id", "account_id").distinct().to_pandas()
    finally:
        sources.close()
    accounts = tickets.set_index("ticket_id")["account_id"]
    groups = [hashlib.sha256(accounts[ticket].encode()).hexdigest()[0] for ticket in found["ticket_id"]]
    base = pd.Series(score(found["text"])).to_numpy(float)
    assert tone.polarity(found["text"].tolist(), base, groups).tolist() == found["sentiment"].tolist()
    assert {"customer"} == set(found["author"])


def test_a_training_hands_its_scorer_to_the_nights(
    trained_demo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the ratings through MLflow to a night; where few ratings suffice, for a small company has few.

    They are made to follow the first letter, of which our own scorer knows nothing.
    """
    monkeypatch.setattr("models.sentiment_model.LEAST_RATED", 200)
    monkeypatch.setattr("models.sentiment_model.LEAST_OF_EACH", 20)
    folder = shutil.copytree(trained_demo.parent, tmp_path / "company")
    table = pd.read_parquet(folder / "data" / "tickets.parquet")
    told = table["text"].str[0].between("A", "H").map({True: 1.0, False: 5.0})
    table.assign(csat=told.where(table["csat"].notna())).to_parquet(folder / "data" / "tickets.parquet")
    settings = read_settings(folder / trained_demo.name)
    sparse = settings.churn.model_copy(update={"snapshot_every_days": 112})
    settings = settings.model_copy(update={"churn": sparse})
    with open_log() as log:
        trained = train(settings, None, log)
        assert trained.fitted.model.tone is not None
        assert str(trained.collected.compared) in trained.told()
        where = {"uri": settings.located(settings.tracking.uri), "name": settings.tracking.model}
        promote(trained.registered.version, **where, why="so few leave that the gate lets nothing pass")
        champion, version = load_champion(uri=settings.located(settings.tracking.uri), name=settings.tracking.model)
        assert trained.registered.version == version
        assert champion.tone is not None
        assert trained.fitted.model.tone.version == champion.tone.version
        night = run_night(settings, settings.today(None), datetime.now(UTC), None, log)
    assert str(version) == night.model_version


def test_another_base_is_another_model(trained_demo: Path, tmp_path: Path) -> None:
    write_transformer(tmp_path / "tiny")
    settings = read_settings(trained_demo)
    named = settings.sentiment.model_copy(update={"model": str(tmp_path / "tiny")})
    settings = settings.model_copy(update={"sentiment": named})
    champion, _ = load_champion(uri=settings.located(settings.tracking.uri), name=settings.tracking.model)
    sources = open_sources(settings)
    try:
        with pytest.raises(RefusedError) as refused:
            see(sources, settings, champion)
    finally:
        sources.close()
    told = str(refused.value)
    assert re.search(r"judged by the model that \[sentiment\] model names \(onnx-\w+, lexicon-3\), in tickets", told)
    assert "the model learned from words judged by our word lists (lexicon-3), in tickets" in told
    with open_log(quiet=True) as log:
        (foretold,) = (each for each in inspect(settings, None, log).violations if each.place == "champion")
    assert told in foretold.told()
    assert Severity.WARN is foretold.severity


@pytest.mark.parametrize(
    ("section", "update", "told"),
    [
        ("churn", {"horizon_days": 61}, "[churn] horizon_days = 61, but the model was trained for 60"),
        ("tracking", {"model": "nobody-has-trained-it"}, None),
        ("tracking", {"uri": "sqlite:///nowhere.db"}, None),
        ("sentiment", {}, None),
    ],
)
def test_the_check_foretells_that_a_night_will_be_refused(
    section: str, update: dict[str, object], told: str | None, trained_demo: Path
) -> None:
    """As far as settings and the scorer decide it; where nothing was trained there is nothing to foretell."""
    settings = read_settings(trained_demo)
    changed = getattr(settings, section).model_copy(update=update)
    with open_log(quiet=True) as log:
        found = inspect(settings.model_copy(update={section: changed}), None, log).violations
    champions = [each for each in found if each.place == "champion"]
    assert (told is None) == (not champions)
    assert all(told in each.told() for each in champions if told is not None)
    assert not (trained_demo.parent / "nowhere.db").exists()


def test_a_saved_champion_brings_its_scorer(trained_demo: Path, tmp_path: Path) -> None:
    settings = read_settings(trained_demo)
    champion, _ = load_champion(uri=settings.located(settings.tracking.uri), name=settings.tracking.model)
    tone = learn(rated(), "lexicon-3")
    model = replace(champion, tone=tone)
    model.save(tmp_path)
    loaded = type(model).load(tmp_path)
    assert isinstance(loaded.tone, SentimentModel)
    assert tone is not None
    assert (tone.version, model.digest) == (loaded.tone.version, loaded.digest)
    assert champion.digest != model.digest


def test_no_text_of_a_ticket_leaves_its_table(trained_demo: Path) -> None:
    """Not into MLflow, nor the store, the cache, or what a night keeps of its inputs; Parquet is looked into."""
    folder = trained_demo.parent
    tables = [pd.read_parquet(folder / "data" / f"{name}.parquet")["text"] for name in ("tickets", "ticket_messages")]
    texts = pd.concat(tables).dropna().unique()
    phrases = [text[:30].encode() for text in texts if len(text) >= 30]
    assert len(phrases) > 200
    files = [file for file in folder.rglob("*") if file.is_file() and folder / "data" not in file.parents]
    held = {str(file.relative_to(folder)): file.read_bytes() for file in files}
    assert {"churn.db", "mlflow.db"} <= held.keys()
    with sqlite3.connect(folder / "churn.db") as store:
        inputs = [content for (content,) in store.execute("SELECT content FROM inputs")]
    assert inputs
    held |= {f"inputs {place}": as_text(content) for place, content in enumerate(inputs)}
    held |= {f"{name} as a table": as_text(held[name]) for name in list(held) if name.endswith(".parquet")}
    assert [] == [name for name, content in held.items() if any(phrase in content for phrase in phrases)]


def as_text(parquet: bytes) -> bytes:
    return str(pq.read_table(io.BytesIO(parquet)).to_pylist()).encode()
