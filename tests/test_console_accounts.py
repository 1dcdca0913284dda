"""The table of all accounts: what it finds, in which order, for whom, and the same as a file."""

import csv
import io
import random
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, timedelta
from html import unescape
from itertools import product
from pathlib import Path
from typing import Any, get_args
from urllib.parse import parse_qs, urlsplit

import pandas as pd
import pytest
from console import INES, MARA, MONDAY, TOM, browser, deeds, let_in, nights, site, words
from digest_nights import BANDS, HEADLINE, HIGH, LOW, MEDIUM, account, leaving, publish_night, scored_at
from httpx2 import Response
from sample_nights import CATALOGUE, make_book, publish, run
from sqlalchemy import Engine, event, update

from pipeline.console import selections
from pipeline.console.account_query import AccountQuery, read_query
from pipeline.console.pictures.spark import spark
from pipeline.console.reads.account_files import csv_of
from pipeline.console.selections import Selections
from pipeline.console.site import Site
from pipeline.errors import StoreError
from pipeline.export import COLUMNS, export_night
from pipeline.people.connection import connect as connect_people
from pipeline.people.forgotten import PSEUDONYM
from pipeline.people.schema import AUDIT_LOG
from pipeline.store import selection
from pipeline.store.connection import connect, reading, writing
from pipeline.store.nights import AccountNight, Night, book, published
from pipeline.store.schema import SCORES
from pipeline.store.selection import MISSING, Conditions, Order, Sort, select_ids

OWNERS = (INES, "Ines@Example.com", TOM, None)
NAMES = (
    "Acme 50 %",
    "acme_2",
    "ACME",
    "Café Zürich",
    "CAFÉ",
    "北京晨光科技有限公司",
    "zebra",
    "'; DROP TABLE scores; --",
    None,
)
TEXTS = ("acme", "%", "_", "É", "café", "晨光", "A-00", "'", "--", "nobody is called so")


def random_book(seed: int, accounts: int = 150) -> pd.DataFrame:
    """Accounts of all states, many of them alike, some without name, owner, MRR, segment, plan, renewal or reason."""
    rng = random.Random(seed)
    rows = []
    for number in range(accounts):
        log_odds = rng.choice([LOW, MEDIUM, HIGH])
        row = account(
            f"A-{number:05}",
            log_odds,
            usage=rng.choice([0.0, log_odds + 3.0, -0.5]),
            owner=rng.choice(OWNERS),
            name=rng.choice(NAMES),
            mrr=rng.choice([float("nan"), 100.0, 100.0, 250.5, 9000.0]),
            state=rng.choices(["active", "leaving", "lapsed"], [8, 1, 1])[0],
            since=rng.choice([date(2025, 1, 1), MONDAY - timedelta(days=3)]),
            renews_on=rng.choice([None, MONDAY, MONDAY + timedelta(days=rng.randrange(400))]),
            segment=rng.choice(["small", "large", None]),
            plan=rng.choice(["Team", "team", None]),
        )
        rows.append(row)
    return make_book(pd.DataFrame(rows), bands=BANDS, new_days=28, as_of=MONDAY)


def publish_random(store: Engine, seed: int = 1, accounts: int = 150, **headline: Any) -> None:
    told = run("r", as_of=MONDAY, **(HEADLINE | headline))
    publish(store, told, random_book(seed, accounts), CATALOGUE, finished_at=scored_at(MONDAY))


def _site(folder: Path) -> Site:
    url = f"sqlite:///{folder / 'churn.db'}"
    return site(connect(url), connect_people(url))


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site with two nights of six accounts, to be read alone."""
    made = _site(tmp_path_factory.mktemp("few"))
    nights(made.store)
    yield made
    made.store.dispose()
    made.people.dispose()


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site with a night of 151 accounts of all kinds, to be read alone."""
    made = _site(tmp_path_factory.mktemp("many"))
    publish_random(made.store, choices={"segment": ["large", "small"], "plan": ["Team", "team"]})
    yield made
    made.store.dispose()
    made.people.dispose()


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Site]:
    """A site without nights."""
    made = _site(tmp_path)
    yield made
    made.store.dispose()
    made.people.dispose()


def random_question(rng: random.Random) -> tuple[Conditions, Order]:
    def perhaps(*values: Any) -> Any:
        return rng.choice(values) if rng.random() < 0.3 else None

    conditions = Conditions(
        owners=perhaps((INES,), (INES, "Ines@Example.com"), (None,), (TOM, None), ()),
        text=perhaps(*TEXTS),
        state=perhaps("candidate", "watch", "new", "leaving", "lapsed"),
        band=perhaps("high", "medium", "low"),
        segment=perhaps("small", "large", MISSING, "nowhere"),
        plan=perhaps("Team", "team", MISSING),
        family=perhaps("usage", "support", MISSING),
        renews=perhaps((MONDAY, MONDAY + timedelta(days=60)), MISSING),
        hidden=PSEUDONYM,
    )
    return conditions, Order(rng.choice(get_args(Sort)), rng.random() < 0.5)


def in_python(accounts: list[AccountNight], asked: Conditions, order: Order) -> list[str]:
    """The same question, answered without a database."""

    def small(text: str) -> str:
        return re.sub("[A-Z]+", lambda found: found[0].lower(), text)

    def is_like(value: str | None, wanted: str | None) -> bool:
        return wanted is None or value == (None if wanted == MISSING else wanted)

    def meets(each: AccountNight) -> bool:
        text = asked.text
        spelt = [] if text is None else [small(way) for way in (text, text.lower(), text.upper(), text.title())]
        renews = each.renews_on
        return (
            (asked.owners is None or each.owner in asked.owners)
            and (text is None or any(way in small(each.name or "") or way in small(each.account_id) for way in spelt))
            and is_like(each.state, asked.state)
            and is_like(each.band, asked.band)
            and is_like(each.segment, asked.segment)
            and is_like(each.plan, asked.plan)
            and is_like(each.largest_family, asked.family)
            and (
                asked.renews is None
                or (
                    renews is None
                    if asked.renews == MISSING
                    else renews is not None and asked.renews[0] <= renews <= asked.renews[1]
                )
            )
            and not each.account_id.startswith(asked.hidden)
        )

    keys: dict[str, Callable[[AccountNight], Any]] = {
        "value": lambda each: each.value_at_risk,
        "risk": lambda each: each.risk,
        "mrr": lambda each: each.mrr,
        "renews": lambda each: each.renews_on,
        "name": lambda each: small(each.name or each.account_id),
    }
    key = keys[order.by]
    found = [each for each in accounts if meets(each)]
    known = [each for each in found if key(each) is not None]
    without = [each for each in found if key(each) is None]
    known.sort(key=lambda each: (key(each), each.account_id), reverse=order.is_falling)
    without.sort(key=lambda each: each.account_id, reverse=order.is_falling)
    return [each.account_id for each in known + without]


def test_the_database_answers_as_plain_python_does(store: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is asked, by whichever index or none it is answered, of all and of the first so many."""
    monkeypatch.setattr(selection, "_FEW", 30)
    publish_random(store)
    with writing(store) as connection:
        gone = SCORES.c.account_id == "A-00007"
        connection.execute(update(SCORES).where(gone).values(account_id=f"{PSEUDONYM}7", name=None, rank=None))
    rng = random.Random(7)
    with reading(store) as connection:
        of = published(connection, None)
        accounts = list(book(connection, of))
        sizes = []
        for _ in range(250):
            conditions, order = random_question(rng)
            expected = in_python(accounts, conditions, order)
            assert expected == select_ids(connection, of, conditions, order), (conditions, order)
            for limit in (1, 12):
                assert expected[:limit] == select_ids(connection, of, conditions, order, limit), (conditions, order)
            sizes.append(len(expected))
        assert min(sizes) == 0
        assert max(sizes) == 149
        assert len(set(sizes)) > 20


def plans(engine: Engine, of: Night, conditions: Conditions, order: Order) -> str:
    """How SQLite goes about a question of the first thousand."""
    told: list[str] = []
    with reading(engine) as connection:

        def look(_: Any, cursor: Any, statement: str, values: Any, *__: Any) -> None:
            asking = connection.connection.cursor()
            told.extend(row[-1] for row in asking.execute(f"EXPLAIN QUERY PLAN {statement}", values).fetchall())

        event.listen(connection, "before_cursor_execute", look)
        select_ids(connection, of, conditions, order, 1_000)
    return "\n".join(told)


@pytest.mark.parametrize("order", [Order(), Order("name", is_falling=False), Order("mrr")], ids=str)
@pytest.mark.parametrize(
    "conditions",
    [
        Conditions(owners=(INES,)),
        Conditions(owners=(INES, "Ines@Example.com", None), text="acme", hidden=PSEUDONYM),
        Conditions(owners=(None,), band="high"),
        Conditions(owners=(INES,), state="leaving", segment="small", hidden=PSEUDONYM),
    ],
    ids=str,
)
def test_sqlite_reads_a_book_and_not_the_night(many: Site, conditions: Conditions, order: Order) -> None:
    """Without statistics it prefers the key of a night, and would go through a million rows."""
    with reading(many.store) as connection:
        of = published(connection, None)
    told = plans(many.store, of, conditions, order)
    assert "COVERING INDEX" in told
    assert not re.search(r"PRIMARY KEY \(run_id=\?\)|INDEX \w+ \(run_id=\?\)|SCAN scores", told), told


# ---------------------------------------------------------------------------------------------------------------------
# The page


def ids(answer: Response) -> list[str]:
    """The accounts on a page, in order."""
    assert answer.status_code == 200, answer.text
    return re.findall(r'<th scope="row"[^>]*>\s*<a href="/accounts/([^"]+)"', answer.text)


def links(answer: Response) -> list[tuple[str, dict[str, list[str]]]]:
    """Where the links of the table lead: path and parameters."""
    found = [urlsplit(unescape(each)) for each in re.findall(r'href="(/accounts[^"]*)"', answer.text)]
    return [(each.path, parse_qs(each.query)) for each in found]


def test_a_manager_of_customers_opens_it_on_their_own(few: Site) -> None:
    """However the book writes their address, and with the most at stake first."""
    answer = let_in(few, INES).get("/accounts")
    assert ["A-old", "A-new", "A-quiet", "A-fine"] == ids(answer)
    page = words(answer)
    assert page.startswith("Monday 23 November Your 4 accounts")
    assert "Café Zürich & <b>Söhne</b> A-old Medium risk 1 in 8" in page
    assert "12,346" in page
    assert "<b>Söhne" not in answer.text


def test_a_head_opens_it_on_all(few: Site) -> None:
    mara = let_in(few, MARA)
    answer = mara.get("/accounts")
    assert {"A-old", "A-new", "A-fine", "A-quiet", "A-tom", "A-free"} == set(ids(answer))
    assert "6 accounts" in words(answer)
    assert ["A-free"] == ids(mara.get("/accounts", params={"owner": "-"}))


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"q": "晨光"}, ["A-new"]),
        ({"q": "ZÜRICH"}, ["A-old"]),
        ({"q": "a-TOM"}, ["A-tom"]),
        ({"owner": "TOM@example.com"}, ["A-tom"]),
        ({"band": "high"}, ["A-new", "A-tom"]),
        ({"band": "high", "sort": "name"}, ["A-tom", "A-new"]),
        ({"band": "high", "sort": "-name"}, ["A-new", "A-tom"]),
        ({"state": "watch", "owner": INES, "sort": "name"}, ["A-fine", "A-quiet"]),
        ({"family": "usage", "q": "A-new"}, ["A-new"]),
        ({"renews": "30"}, []),
        ({"segment": "nowhere"}, []),
    ],
    ids=str,
)
def test_what_the_address_asks_is_what_the_page_shows(few: Site, asked: dict[str, str], found: list[str]) -> None:
    mara = let_in(few, MARA)
    assert found == sorted(ids(mara.get("/accounts", params=asked)), key=found.index)
    if "sort" in asked:
        assert found == ids(mara.get("/accounts", params=asked))


def test_every_link_keeps_the_rest_of_the_question(many: Site) -> None:
    """Another order, another page, one filter less, the file: each changes its own part."""
    mara = let_in(many, MARA)
    asked = {"segment": "small", "sort": "-mrr"}
    first = mara.get("/accounts", params=asked)
    assert 50 == len(ids(first))
    found = links(first)
    assert ("/accounts", {"segment": ["small"], "sort": ["-mrr"], "page": ["2"]}) in found
    assert ("/accounts", {"segment": ["small"], "sort": ["name"]}) in found
    assert ("/accounts", {"segment": ["small"], "sort": ["mrr"]}) in found, "the same column once more turns it round"
    assert ("/accounts", {"segment": ["small"]}) in found, "the usual order has no name"
    assert ("/accounts", {"sort": ["-mrr"]}) in found, "without the filter"
    assert ("/accounts.csv", {"segment": ["small"], "sort": ["-mrr"]}) in found
    assert '<option value="small" selected>small</option>' in first.text
    assert '<option value="-mrr" selected>Lowest MRR</option>' in first.text
    second = mara.get("/accounts", params=asked | {"page": "2"})
    assert set() == set(ids(first)) & set(ids(second))
    assert ids(second) == ids(mara.get("/accounts", params=asked | {"page": "99"})), "behind the last stands the last"
    assert "Page 2 of 2" in words(second)
    assert 'aria-sort="ascending"' in first.text


def test_who_has_no_score_is_shown_without_one(empty: Site) -> None:
    """Under notice, lapsed or new: the state, the last day, no odds and no line."""
    gone = [leaving("A-leaves"), account("A-lapsed", state="lapsed"), account("A-young", HIGH, since=MONDAY)]
    publish_night(empty.store, MONDAY, *gone, account("A-pays", HIGH, usage=0.1))
    page = words(let_in(empty, INES).get("/accounts", params={"sort": "name"}))
    assert "Customer A-lapsed A-lapsed Lapsed 1,000" in page
    assert "Customer A-leaves A-leaves Gave notice until 31 December 1,000" in page
    assert "Customer A-young A-young New customer 1,000 Use of the product" in page
    assert "Customer A-pays A-pays High risk 1 in 4 1,000 269 Support" in page


def test_a_line_shows_how_the_risk_went(empty: Site) -> None:
    """One night a week, drawn from the nights that are published; who was not there before has none."""
    for weeks, log_odds in ((2, LOW), (1, MEDIUM), (0, HIGH)):
        more = [account("A-first", HIGH)] if weeks == 0 else []
        publish_night(empty.store, MONDAY - timedelta(weeks=weeks), account("A-1", log_odds), *more)
    answer = let_in(empty, INES).get("/accounts", params={"q": "A-1"})
    assert "<title>was 1 in 56, now 1 in 4</title>" in answer.text
    assert answer.text.count("<path") == 1
    [x] = re.findall(r'<path d="M([\d.]+) ', answer.text)
    assert 70 < float(x) < 96, "two of twelve weeks ago"
    assert "<svg" not in let_in(empty, INES).get("/accounts", params={"q": "A-first"}).text


def test_where_rules_order_the_book_there_are_no_figures_of_risk(empty: Site) -> None:
    rules = {"departures": 10, "needed": 50}
    publish_night(empty.store, MONDAY - timedelta(weeks=1), account("A-1", HIGH), starter=rules)
    publish_night(empty.store, MONDAY, account("A-1", HIGH), starter=rules)
    answer = let_in(empty, INES).get("/accounts", params={"q": "A-1"})
    assert "High risk 1,000 Use of the product" in words(answer)
    assert "<svg" not in answer.text


@pytest.mark.parametrize("language", ["en", "zh"])
def test_nothing_found_leads_on(few: Site, language: str) -> None:
    ines = let_in(few, INES, **{"accept-language": language})
    answer = ines.get("/accounts", params={"q": "nobody is called so", "band": "low"})
    assert {"en": "No account is like that.", "zh": "没有符合条件的客户。"}[language] in words(answer)
    assert ("/accounts", {}) in links(answer)
    assert ("/accounts", {"q": ["nobody is called so"], "band": ["low"], "owner": ["*"]}) in links(answer)
    assert "/accounts.csv" not in answer.text


def test_in_chinese_nothing_english_is_left(many: Site) -> None:
    page = words(let_in(many, MARA, **{"accept-language": "zh-CN"}).get("/accounts"))
    rest = re.sub(
        r"A-\d+|small|large|team|MRR|CSV|acme|café|zürich|zebra|drop table scores|\S+@example\.com",
        "",
        page,
        flags=re.I,
    )
    assert not re.search("[A-Za-z]{2,}", rest), rest


def test_of_a_large_night_the_first_are_turned_through(many: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody counts the rest, and the page says so; the file has them all."""
    monkeypatch.setattr(selections, "LARGE", 100)
    monkeypatch.setattr(selections, "MOST", 60)
    mara = let_in(replace(many, selections=Selections()), MARA)
    page = words(mara.get("/accounts", params={"page": "2"}))
    assert "More than 60 accounts" in page
    assert "Page 2 of 2" in page
    assert "The first 60 are shown here." in page
    assert 10 == len(ids(mara.get("/accounts", params={"page": "2"})))
    assert 150 == len(rows_of(mara.get("/accounts.csv")))


# ---------------------------------------------------------------------------------------------------------------------
# Who may see what, and what strangers write into an address

EVERY_WAY: tuple[dict[str, str], ...] = (
    {},
    {"owner": "*"},
    {"owner": "-"},
    {"owner": "*", "q": "A-"},
    {"owner": "*", "sort": "-name"},
    {"owner": "*", "band": "high"},
    {"owner": "*", "page": "2"},
    {"q": "A-tom"},
    {"owner": "*", "q": "tom"},
    {"owner": INES},
)


@pytest.mark.parametrize("path", ["/accounts", "/accounts.csv"])
def test_where_csms_see_their_own_no_way_leads_to_anothers(few: Site, path: str) -> None:
    """Not by search, filter, order, page or file; and the others are not named."""
    ours = replace(few, csm_sees="own")
    ines, seen = let_in(ours, INES), set()
    for asked in EVERY_WAY:
        answer = ines.get(path, params=asked)
        assert answer.status_code == 200
        assert "Customer A-tom" not in answer.text
        assert TOM not in answer.text
        seen |= set(ids(answer)) if path == "/accounts" else {row["account_id"] for row in rows_of(answer)}
    assert {"A-old", "A-new", "A-fine", "A-quiet", "A-free"} == seen
    for asked in (TOM, "TOM@example.com", "nobody@example.com"):
        assert 403 == ines.get(path, params={"owner": asked}).status_code
    assert 200 == let_in(ours, MARA).get(path, params={"owner": TOM}).status_code


def test_what_was_looked_at_is_written_down(few: Site) -> None:
    ines = let_in(few, INES)
    ines.get("/accounts", params={"q": "secret name"})
    ines.get("/accounts.csv")
    assert [("accounts seen", INES), ("accounts exported", INES)] == deeds(few)[-2:]
    with reading(few.people) as connection:
        told = " ".join(str(row) for row in connection.execute(AUDIT_LOG.select()))
    assert "secret name" not in told
    assert '"rows": 4' in told


AWKWARD = (
    "' OR 1=1 --",
    '"; DROP TABLE scores; --',
    "%",
    "_",
    "\\",
    "\x00",
    "{n}",
    "%s",
    "<script>",
    "🦓" * 300,
    "-1",
    "0",
    "A" * 5000,
)


def test_no_parameter_breaks_out_of_its_place(store: Engine, people: Engine) -> None:
    """What is nonsense finds nobody or is named as such; nothing is run, and nothing comes back unescaped."""
    nights(store)
    mara = let_in(site(store, people), MARA)
    for path, name, value in product(("/accounts", "/accounts.csv"), AccountQuery.__dataclass_fields__, AWKWARD):
        answer = mara.get(path, params={name: value})
        assert answer.status_code in {200, 400}, (name, value, answer.text)
        assert "<script>" not in answer.text
        if answer.status_code == 400:
            assert "The address asks for something unknown" in answer.text
            assert f"{name} = " in unescape(answer.text)
        elif path == "/accounts" and name in {"q", "owner", "segment", "plan"} and value != "\x00":
            assert [] == ids(answer), (name, value)
    assert 6 == len(ids(mara.get("/accounts")))


@pytest.mark.parametrize(
    "asked", ["band=purple", "state=all", "sort=colour", "sort=--mrr", "renews=31", "page=x", "page=0", "family=x"]
)
def test_what_is_not_known_is_named(few: Site, asked: str) -> None:
    answer = let_in(few, MARA).get(f"/accounts?{asked}")
    assert 400 == answer.status_code
    name, _, value = asked.partition("=")
    assert f"{name} = '{value}'; known: " in unescape(answer.text)


def test_before_the_first_night_it_says_what_to_run(empty: Site) -> None:
    for path in ("/accounts", "/accounts.csv"):
        answer = let_in(empty, MARA).get(path)
        assert 503 == answer.status_code
        assert "churn score" in answer.text


# ---------------------------------------------------------------------------------------------------------------------
# The file


def rows_of(answer: Response) -> list[dict[str, str]]:
    assert answer.status_code == 200, answer.text
    return list(csv.DictReader(io.StringIO(answer.content.decode(), newline=""), strict=True))


def test_the_file_is_what_the_page_shows(many: Site) -> None:
    """All pages of it, in the same order; its name tells how many, and it is kept by nobody."""
    mara = let_in(many, MARA)
    asked = {"segment": "small", "sort": "risk"}
    answer = mara.get("/accounts.csv", params=asked)
    rows = rows_of(answer)
    pages = [ids(mara.get("/accounts", params=asked | {"page": str(number)})) for number in (1, 2)]
    assert [each for page in pages for each in page] == [row["account_id"] for row in rows]
    name = f"accounts-2026-11-23-{len(rows)}.csv"
    assert f'attachment; filename="{name}"' == answer.headers["content-disposition"]
    assert "no-store" == answer.headers["cache-control"]
    assert "text/csv; charset=utf-8" == answer.headers["content-type"]


def test_the_file_says_what_the_export_says(store: Engine, people: Engine, tmp_path: Path) -> None:
    """Column for column and byte for byte, but for accounts in a gap, which an export leaves out."""
    publish_random(store)
    export_night(store, tmp_path / "book.csv")
    answer = let_in(site(store, people), MARA).get("/accounts.csv", headers={"accept-language": "en"})
    head, *lines = answer.content.split(b"\r\n")
    exported = (tmp_path / "book.csv").read_bytes().split(b"\r\n")
    assert ",".join(COLUMNS).encode() == head
    assert sorted(exported[1:]) == sorted(line for line in lines if b",lapsed," not in line)


def test_no_cell_of_the_file_is_run_by_a_spreadsheet(empty: Site) -> None:
    publish_night(empty.store, MONDAY, account("=1+1", HIGH, owner="@SUM(A1)"))
    rows = rows_of(let_in(empty, MARA).get("/accounts.csv"))
    assert ("'=1+1", "'@SUM(A1)") in {(row["account_id"], row["owner"]) for row in rows}


def test_a_night_that_is_replaced_meanwhile_ends_no_half_file(store: Engine) -> None:
    """A file that stops in the middle must not look whole: the connection breaks off."""
    publish_random(store)
    with reading(store) as connection:
        of = published(connection, None)
    lines = csv_of(store, of, ["A-00001"] * 1_200, "en")
    next(lines)
    publish(store, run("again", as_of=MONDAY, **HEADLINE), random_book(2), CATALOGUE, finished_at=scored_at(MONDAY))
    with pytest.raises(StoreError, match="published anew"):
        list(lines)


def test_signed_out_there_is_neither(few: Site) -> None:
    stranger = browser(few)
    for path in ("/accounts?q=a", "/accounts.csv?q=a"):
        assert (303, f"/sign-in?next={path.replace('?', '%3F').replace('=', '%3D')}") == (
            stranger.get(path).status_code,
            stranger.get(path).headers["location"],
        )


# ---------------------------------------------------------------------------------------------------------------------
# Its parts


def test_an_answer_is_remembered_until_there_are_too_many(store: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same question is asked of the store once; what was not asked again for longest goes first."""
    monkeypatch.setattr(selections, "_IDS_KEPT", 345)
    publish_random(store)
    kept = Selections()
    with reading(store) as connection:
        of = published(connection, None)
        first = kept.of(connection, of, Conditions(), Order())
        second = kept.of(connection, of, Conditions(), Order("risk"))
        asked: list[str] = []
        event.listen(connection, "before_cursor_execute", lambda *given: asked.append(given[2]))
        assert first is kept.of(connection, of, Conditions(), Order())
        assert [] == asked
        kept.of(connection, of, Conditions(), Order("mrr"))
        assert first is kept.of(connection, of, Conditions(), Order())
        assert second is not kept.of(connection, of, Conditions(), Order("risk"))


def test_addresses_are_read_back_as_they_were_written() -> None:
    query = AccountQuery(q="50 % & more", owner="a+b@example.com", segment="Größe/Süd", sort="-mrr", page=3)
    given = {name: values[0] for name, values in parse_qs(urlsplit(query.link(page=3)).query).items()}
    assert query == read_query(given)
    assert query.link(q="", owner="", segment="", sort="") == "/accounts"


def test_a_line_has_gaps_and_an_end() -> None:
    """Where nothing is known there is no line, and a risk of 0 or 1 stays within the picture."""
    drawn = str(spark([0.0, 0.1, None, 0.3, 1.0], 'was <1 "in" 4'))
    [path] = re.findall(r' d="([^"]+)"', drawn)
    assert path.count("M") == 2
    heights = [float(number) for number in re.findall(r"[\d.]+ ([\d.]+)", path)]
    assert heights == sorted(heights, reverse=True)
    assert all(3 <= height <= 21 for height in heights)
    assert "&lt;1 &#34;in&#34; 4" in drawn
    assert str(spark([None, 0.2], "")) == str(spark([], "")) == ""
