"""Tickets are given the sentiment of their words, each text once in its life."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from command_line import churn
from tiny_transformer import write_transformer

from features.aspects import as_bits
from features.sentiment import SCORER, Judgement, judge, score
from pipeline import ticket_words
from pipeline.inspection import inspect
from pipeline.run_log import open_log
from pipeline.settings_file import read_settings
from pipeline.sources import Opened, open_sources

FURIOUS = "Still no answer, this is ridiculous."
PLEASED = "Works perfectly now, thank you so much!"
SORRY = "We are terribly sorry for this awful outage."
GERMAN = "Der Dienstplan ist schon wieder weg und niemand antwortet uns."


def company(
    folder: Path, texts: Sequence[str | None], more: str = "", messages: Sequence[tuple[str, str]] | None = None
) -> Path:
    """Tickets with these texts; `messages` of the first are (author, text)."""
    (folder / "accounts.csv").write_text("account_id,created_at\nA-1,2025-01-01\n", encoding="utf-8")
    (folder / "subscriptions.csv").write_text("account_id,started_on,ended_on\nA-1,2025-01-01,\n", encoding="utf-8")
    header = f"ticket_id,account_id,opened_at,text{',sentiment' if more else ''}"
    lines = [f'T-{place},A-1,2025-03-01,"{text or ""}"{more}' for place, text in enumerate(texts)]
    (folder / "tickets.csv").write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    tables = ["accounts", "subscriptions", "tickets"]
    if messages is not None:
        tables.append("ticket_messages")
        lines = [f'M-{place},T-0,2025-03-02,{author},"{text}"' for place, (author, text) in enumerate(messages)]
        header = "message_id,ticket_id,sent_at,author,text"
        (folder / "ticket_messages.csv").write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    settings = folder / "churn.toml"
    named = "".join(f'{table} = "{table}.csv"\n' for table in tables)
    settings.write_text(f'[company]\nname = "Made up"\n[data]\n{named}', encoding="utf-8")
    return settings


@contextmanager
def opened(settings: Path) -> Iterator[tuple[str | None, Opened]]:
    known = read_settings(settings)
    sources = open_sources(known)
    try:
        yield ticket_words.add_sentiment(sources, known), sources
    finally:
        sources.close()


def sentiments(settings: Path) -> list[float | None]:
    with opened(settings) as (_, sources):
        rows = sources.tables["tickets"].order_by("ticket_id").to_pyarrow().to_pylist()
        return [row["sentiment"] for row in rows]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The texts that the scorer is asked about, from here on."""
    seen: list[str] = []

    def listening(text: str) -> Judgement:
        seen.append(text)
        return judge(text)

    monkeypatch.setattr(ticket_words, "judge", listening)
    return seen


def cache(folder: Path) -> Path:
    return folder / ".churn-cache" / f"sentiment-{SCORER}.parquet"


def test_every_ticket_gets_the_sentiment_of_its_text(tmp_path: Path) -> None:
    """Missing, not nought, where there is no text or none that can be judged."""
    texts = [FURIOUS, PLEASED, None, GERMAN, FURIOUS]
    assert score(texts) == sentiments(company(tmp_path, texts))
    assert [True, False, True, True, True] == [value is None or value < 0 for value in score(texts)]


def test_of_messages_those_of_customers_are_judged(tmp_path: Path, asked: list[str]) -> None:
    """No text is judged twice because it stands in two tables, and every message stays in its table."""
    messages = [("customer", FURIOUS), ("staff", SORRY), ("customer", GERMAN), ("customer", PLEASED)]
    with opened(company(tmp_path, [FURIOUS], messages=messages)) as (scorer, sources):
        assert f"{SCORER} of tickets and ticket_messages" == scorer
        rows = sources.tables["ticket_messages"].order_by("message_id").to_pyarrow().to_pylist()
    assert [*score([FURIOUS]), None, None, *score([PLEASED])] == [row["sentiment"] for row in rows]
    assert [as_bits(judge(FURIOUS).aspects), None, None, 0] == [row["aspects"] for row in rows]
    assert sorted([FURIOUS, GERMAN, PLEASED]) == sorted(asked)


def test_tickets_without_text_sound_like_their_messages(tmp_path: Path) -> None:
    """The ticket system keeps the words in messages alone: tickets get the columns that features of tone need."""
    settings = company(tmp_path, [None], messages=[("customer", FURIOUS)])
    tickets = tmp_path / "tickets.csv"
    tickets.write_text("ticket_id,account_id,opened_at\nT-0,A-1,2025-03-01\n", encoding="utf-8")
    with opened(settings) as (_, sources):
        columns = sources.tables["tickets"].to_pyarrow().to_pylist()[0]
    assert {"text": None, "sentiment": None, "aspects": None}.items() <= columns.items()


def test_a_night_judges_only_what_is_new(tmp_path: Path, asked: list[str]) -> None:
    settings = company(tmp_path, [FURIOUS, FURIOUS, GERMAN])
    first = sentiments(settings)
    assert sorted([FURIOUS, GERMAN]) == sorted(asked)
    asked.clear()
    assert first == sentiments(settings)
    assert [] == asked
    company(tmp_path, [PLEASED, FURIOUS, GERMAN])
    assert score([PLEASED, FURIOUS, GERMAN]) == sentiments(settings)
    assert [PLEASED] == asked


def test_judgements_of_tickets_that_are_gone_are_forgotten(tmp_path: Path) -> None:
    sentiments(company(tmp_path, [FURIOUS, GERMAN]))
    sentiments(company(tmp_path, [PLEASED, GERMAN]))
    assert 2 == pq.read_table(cache(tmp_path)).num_rows


def test_the_cache_holds_no_text(tmp_path: Path) -> None:
    sentiments(company(tmp_path, [FURIOUS]))
    held = cache(tmp_path).read_bytes()
    assert [] == [word for word in FURIOUS.split() if word.encode() in held]


@pytest.mark.parametrize("found", [None, {"x": [1]}, {"sentiment": ["sad"], "digest": ["d"]}, {"sentiment": [0.5]}])
def test_a_cache_that_is_none_is_made_again(found: dict[str, list[object]] | None, tmp_path: Path) -> None:
    settings = company(tmp_path, [FURIOUS])
    first = sentiments(settings)
    if found is None:
        cache(tmp_path).write_bytes(b"half a file")
    else:
        pq.write_table(pa.table(found), cache(tmp_path))
    assert first == sentiments(settings)
    assert cache(tmp_path).read_bytes()[:4] == b"PAR1"


def test_a_cache_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    settings = company(tmp_path, [FURIOUS])
    (tmp_path / ".churn-cache").write_text("no folder", encoding="utf-8")
    assert score([FURIOUS]) == sentiments(settings)


def test_a_cache_that_cannot_be_written_is_told_once(tmp_path: Path) -> None:
    """With its path and what to do, whichever scorers keep their judgements there."""
    write_transformer(tmp_path / "tiny")
    settings = company(tmp_path, [FURIOUS])
    with settings.open("a", encoding="utf-8") as more:
        more.write('[sentiment]\nmodel = "tiny"\n')
    (tmp_path / ".churn-cache").write_text("no folder", encoding="utf-8")
    answer = churn("check", "-c", settings, "--json")
    assert 0 == answer.exit_status, answer.stderr
    (told,) = (line for line in map(json.loads, answer.stderr.splitlines()) if line["level"] == "warning")
    assert str(tmp_path / ".churn-cache") in told["message"]
    assert "[data] cache" in told["message"]
    (tmp_path / ".churn-cache").unlink()
    assert "warning" not in churn("check", "-c", settings, "--json").stderr


def test_the_cache_lies_where_the_settings_say(tmp_path: Path) -> None:
    settings = company(tmp_path, [FURIOUS])
    with settings.open("a", encoding="utf-8") as more:
        more.write('cache = "elsewhere/cache"\n')
    sentiments(settings)
    assert (tmp_path / "elsewhere" / "cache" / cache(tmp_path).name).exists()
    assert not cache(tmp_path).exists()


def test_what_the_company_scored_itself_wins(tmp_path: Path) -> None:
    with opened(company(tmp_path, [FURIOUS], ",0.5")) as (scorer, sources):
        assert scorer == f"own scores, {SCORER} of tickets"
        (row,) = sources.tables["tickets"].to_pyarrow().to_pylist()
    assert (0.5, as_bits(judge(FURIOUS).aspects)) == (row["sentiment"], row["aspects"])


def warned(settings: Path, as_of: str = "2025-04-01") -> list[tuple[str, int | None, int | None]]:
    """What a check says of the texts: the rule, how many, of how many."""
    with settings.open("a", encoding="utf-8") as more:
        more.write(f"[run]\nas_of = {as_of}\n")
    with open_log(quiet=True) as log:
        found = inspect(read_settings(settings), None, log).violations
    return [(each.rule, each.failing, each.rows) for each in found if each.place.endswith(".text")]


UNREAD, MUTE = "is in a language that is not read", "holds no words"


@pytest.mark.parametrize(("german", "told"), [(0, []), (1, []), (2, [(UNREAD, 2, 20)])])
def test_the_check_says_how_many_texts_it_cannot_read(
    german: int, told: list[tuple[str, int, int]], tmp_path: Path
) -> None:
    texts = [GERMAN] * german + [PLEASED] * (20 - german) + [None]
    assert told == warned(company(tmp_path, texts))


@pytest.mark.parametrize(
    ("texts", "told"),
    [
        ([None, None], [(MUTE, 2, 2)]),
        (["12:30", "👍", "> as you wrote", None, PLEASED], [(MUTE, 4, 5)]),
        ([None, None, PLEASED, PLEASED], []),
        ([GERMAN, "...", "...", "..."], [(UNREAD, 1, 4), (MUTE, 3, 4)]),
    ],
    ids=["an empty column", "hardly any words", "half of them", "both"],
)
def test_the_check_says_where_there_are_no_words(
    texts: list[str | None], told: list[tuple[str, int, int]], tmp_path: Path
) -> None:
    """Apart from those in other languages, for another remedy belongs to them."""
    assert told == warned(company(tmp_path, texts))


def test_tickets_without_words_are_no_loss_where_messages_have_them(tmp_path: Path) -> None:
    settings = company(tmp_path, [None, None], messages=[("customer", FURIOUS), ("staff", "")])
    assert [] == warned(settings)


def test_messages_without_words_are_one(tmp_path: Path) -> None:
    settings = company(tmp_path, [FURIOUS], messages=[("customer", ""), ("staff", SORRY)])
    assert [(MUTE, 1, 1)] == warned(settings)
