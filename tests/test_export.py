"""The export: one whole night, in columns that other systems may rely on, with numbers that keep their law."""

import csv
import json
import math
import os
import struct
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from sample_nights import BANDS, CATALOGUE, NIGHT, NOW, booked, make_book, publish, reason, run, scored
from sqlalchemy import Engine, update

from pipeline.errors import StoreError, StoreMissing, UsageError
from pipeline.export import COLUMNS, FORMATS, Format, export_night, refuse_destination
from pipeline.settings import Settings
from pipeline.store.connection import connect, writing
from pipeline.store.schema import DETAILS


@pytest.fixture
def store(store: Engine) -> Engine:
    """A night of twenty: one under notice, one lapsed, one new, one without MRR and owner."""
    frame = scored(20)
    frame.loc[3, "state"] = "leaving"
    frame.loc[4, "state"] = "lapsed"
    frame.loc[5, "since"] = NIGHT
    frame.loc[6, ["mrr", "owner"]] = [math.nan, None]
    made = make_book(frame, bands=BANDS, new_days=28, as_of=NIGHT)
    publish(store, run("r1", model_version="7"), made, CATALOGUE, finished_at=NOW)
    return store


def read(path: Path, format: Format) -> list[dict[str, Any]]:
    """The file as another program reads it, numbers and JSON as values."""
    if format == "jsonl":
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    if format == "parquet":
        rows = pq.read_table(path).to_pylist()
    else:
        with path.open(encoding="utf-8", newline="") as file:
            rows = [{name: text or None for name, text in row.items()} for row in csv.DictReader(file, strict=True)]
    for row in rows:
        row["as_of"] = str(row["as_of"])
        for name in ("reasons", "families"):
            row[name] = json.loads(row[name])
        for name in ("risk", "mrr", "value_at_risk", "base_log_odds", "log_odds"):
            row[name] = None if row[name] is None else float(row[name])
        row["rank"] = None if row["rank"] is None else int(row["rank"])
    return rows


def exported(store: Engine, path: Path, **options: Any) -> list[dict[str, Any]]:
    written = export_night(store, path, **options)
    rows = read(path, "jsonl")
    assert len(rows) == written
    return rows


@pytest.mark.parametrize("format", FORMATS)
def test_columns_and_their_law(store: Engine, tmp_path: Path, format: Format) -> None:
    """One row per active account, the columns in their order, and log-odds, reasons and risk agree to 1e-9."""
    path = tmp_path / f"book.{format}"
    assert export_night(store, path) == 19
    rows = read(path, format)
    assert {f"A-{number:05}" for number in range(20)} - {"A-00004"} == {row["account_id"] for row in rows}
    for row in rows:
        assert COLUMNS == tuple(row)
        assert (row["as_of"], row["model_version"]) == ("2026-11-02", "7")
        if row["state"] == "leaving":
            continue
        total = row["base_log_odds"] + sum(row["families"].values())
        explained = row["base_log_odds"] + sum(each["contribution"] for each in row["reasons"])
        assert row["log_odds"] == pytest.approx(total, abs=1e-9, rel=0)
        assert row["log_odds"] == pytest.approx(explained, abs=1e-9, rel=0)
        assert row["risk"] == pytest.approx(1 / (1 + math.exp(-row["log_odds"])), abs=1e-9, rel=0)


def test_formats_say_the_same(store: Engine, tmp_path: Path) -> None:
    """Every value of every row, floats to the last bit, in the same order."""
    found = []
    for format in FORMATS:
        export_night(store, tmp_path / "book", format=format)
        found.append(read(tmp_path / "book", format))
    assert found[0] == found[1] == found[2]


def test_accounts_without_score_or_band_or_money(store: Engine, tmp_path: Path) -> None:
    """Leaving: a row without numbers. New: a risk without a band. Without MRR: no value at risk."""
    rows = {row["account_id"]: row for row in exported(store, tmp_path / "book.jsonl")}
    leaving, new, moneyless = rows["A-00003"], rows["A-00005"], rows["A-00006"]
    blank = ("risk", "band", "value_at_risk", "rank", "base_log_odds", "log_odds")
    assert [None] * 6 == [leaving[name] for name in blank]
    assert ("leaving", [], {}) == (leaving["state"], leaving["reasons"], leaving["families"])
    assert ("new", None) == (new["state"], new["band"])
    assert new["risk"] is not None
    assert (None, None, None) == (moneyless["mrr"], moneyless["value_at_risk"], moneyless["owner"])


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", ["Active on 6 of the last 28 days; 19 is normal for them.", "Four tickets in the last 28 days."]),
        ("zh", ["近 28 天只有 6 天在用,平时是 19 天。", "近 28 天提了 4 张工单。"]),
    ],
)
def test_reasons_carry_their_words(tmp_path: Path, store: Engine, language: str, words: list[str]) -> None:
    """Both languages come from the stored catalogue; the rest closes the list and has no words."""
    made = booked(1)
    use, tickets, rest = made.at[0, "reasons"]
    use["contribution"], tickets["contribution"] = 0.5, 0.25
    rest["contribution"] = sum(made.at[0, "families"].values()) - 0.75
    publish(store, run("r2"), made, CATALOGUE, finished_at=NOW)
    [row] = exported(store, tmp_path / "book.jsonl", language=language)
    assert [
        {
            "family": "usage",
            "feature": "active_days_trend",
            "value": -0.7,
            "contribution": 0.5,
            "words": words[0],
        },
        {"family": "support", "feature": "tickets_28", "value": 4.0, "contribution": 0.25, "words": words[1]},
        {"family": "other", "feature": "rest", "contribution": rest["contribution"]},
    ] == row["reasons"]


def test_no_two_reasons_say_the_same(store: Engine, tmp_path: Path) -> None:
    """As `churn explain` tells them: the fullest sentence speaks for its kin, which keep their contributions."""
    made = booked(1)
    use, _, rest = made.at[0, "reasons"]
    made.at[0, "reasons"] = [
        use | {"contribution": 0.5},
        reason("usage", "active_days_28", 6.0, 0.3),
        reason("usage", "active_days_7", 2.0, -0.2),
        rest | {"contribution": sum(made.at[0, "families"].values()) - 0.6},
    ]
    publish(store, run("r2"), made, CATALOGUE, finished_at=NOW)
    [row] = exported(store, tmp_path / "book.jsonl")
    words = {each["feature"]: each.get("words") for each in row["reasons"]}
    assert words == {
        "active_days_trend": "Active on 6 of the last 28 days; 19 is normal for them.",
        "active_days_28": None,
        "active_days_7": "Active on 2 of the last 7 days; 19 of 28 is normal for them.",
        "rest": None,
    }
    explained = row["base_log_odds"] + sum(each["contribution"] for each in row["reasons"])
    assert explained == pytest.approx(row["log_odds"], abs=1e-9, rel=0)


def test_contradicting_reasons_go_unworded_into_the_rest(store: Engine, tmp_path: Path) -> None:
    """They stay in the sum, and nobody reads that many open tickets speak for staying."""
    made = booked(1)
    _, tickets, rest = made.at[0, "reasons"]
    made.at[0, "reasons"] = [
        reason("support", "open_tickets", 9.0, made.at[0, "reasons"][0]["contribution"], contradicts=True),
        tickets,
        rest,
    ]
    publish(store, run("r2"), made, CATALOGUE, finished_at=NOW)
    [row] = exported(store, tmp_path / "book.jsonl")
    assert ["tickets_28", "rest"] == [each["feature"] for each in row["reasons"]]
    assert row["base_log_odds"] + sum(each["contribution"] for each in row["reasons"]) == pytest.approx(row["log_odds"])


def test_a_past_night_can_be_exported(store: Engine, tmp_path: Path) -> None:
    """By its date; one that was never published is refused, and no file appears."""
    before = NIGHT - timedelta(days=1)
    publish(store, run("r0", as_of=before), booked(2, as_of=before), CATALOGUE, finished_at=NOW)
    assert {"2026-11-01"} == {row["as_of"] for row in exported(store, tmp_path / "past.jsonl", as_of=before)}
    assert {"2026-11-02"} == {row["as_of"] for row in exported(store, tmp_path / "now.jsonl")}
    with pytest.raises(StoreMissing, match="night of 2020-01-01 is not published"):
        export_night(store, tmp_path / "never.csv", as_of=date(2020, 1, 1))
    assert not (tmp_path / "never.csv").exists()


@pytest.mark.parametrize(
    ("cell", "owner"),
    [
        ('\'=HYPERLINK("http://x")', '=HYPERLINK("http://x")'),
        ("'@mei", "@mei"),
        ("'+mei", "+mei"),
        ("'-cmd|' /C calc'!A0", "-cmd|' /C calc'!A0"),
        ("'\tmei", "\tmei"),
        ("'\r\nmei", "\r\nmei"),
        ("-42", "-42"),
        ("+4915112345", "+4915112345"),
        ('Mei "M", 李', 'Mei "M", 李'),
        ("two\r\nlines", "two\r\nlines"),
    ],
)
def test_csv_runs_no_formula(store: Engine, tmp_path: Path, cell: str, owner: str) -> None:
    """A spreadsheet must not run what somebody typed into an owner's field; the other formats are exact."""
    frame = scored(1)
    frame.loc[0, "owner"] = owner
    made = make_book(frame, bands=BANDS, new_days=28, as_of=NIGHT)
    publish(store, run("r2"), made, CATALOGUE, finished_at=NOW)
    export_night(store, tmp_path / "book.csv")
    assert cell == read(tmp_path / "book.csv", "csv")[0]["owner"]
    assert owner == exported(store, tmp_path / "book.jsonl")[0]["owner"]


def test_csv_is_as_the_standard_has_it(store: Engine, tmp_path: Path) -> None:
    """RFC 4180: CRLF between records, quotes doubled, one header; UTF-8 without a mark."""
    export_night(store, tmp_path / "book.csv")
    raw = (tmp_path / "book.csv").read_bytes()
    assert raw.startswith((",".join(COLUMNS) + "\r\n").encode())
    assert raw.count(b"\r\n") == raw.count(b"\n") == 20


def test_a_failure_leaves_the_former_file(store: Engine, tmp_path: Path) -> None:
    """A store that breaks in the middle: the file of yesterday stands, and nothing half written lies beside it."""
    path = tmp_path / "out" / "book.csv"
    path.parent.mkdir()
    export_night(store, path)
    before = path.read_bytes()
    with writing(store) as connection:
        connection.execute(update(DETAILS).where(DETAILS.c.account_id == "A-00019").values(packed=b"no details"))
    with pytest.raises(struct.error):
        export_night(store, path)
    assert before == path.read_bytes()
    assert [path] == list(path.parent.iterdir())


def test_what_cannot_be_written_is_said(store: Engine, tmp_path: Path) -> None:
    """An unknown ending, a folder that is not there."""
    with pytest.raises(UsageError, match=r"'book\.xlsx' does not say what format"):
        export_night(store, tmp_path / "book.xlsx")
    with pytest.raises(UsageError, match=r"book\.csv cannot be written: No such file or directory"):
        export_night(store, tmp_path / "nowhere" / "book.csv")


def company(folder: Path, **sources: Any) -> Settings:
    given = {"accounts": "accounts.csv", "usage": "usage.parquet"} | sources
    return Settings(folder=folder, data=given, churn={"definition": "inactivity"})


def test_a_place_where_nothing_can_be_written_is_told_with_its_remedy(tmp_path: Path) -> None:
    """A folder, one that is not there, a name that no file system takes: told before hours of work, each as it is."""
    settings = company(tmp_path)
    with pytest.raises(
        UsageError, match=rf"^{tmp_path} is a folder\. Name a file in it, such as {tmp_path}/night\.csv"
    ):
        refuse_destination(tmp_path, settings)
    with pytest.raises(UsageError, match=rf"there is no folder {tmp_path}/no\. Name a folder that exists"):
        refuse_destination(tmp_path / "no" / "night.csv", settings)
    with pytest.raises(UsageError, match=r"cannot be written: File name too long\. Name another file or folder\.$"):
        refuse_destination(tmp_path / f"{'x' * 300}.csv", settings)
    refuse_destination(tmp_path / "night.csv", settings)
    assert [] == list(tmp_path.iterdir()), "to try leaves nothing"


def test_a_folder_without_the_right_to_write_is_told(tmp_path: Path) -> None:
    """Root may write everywhere, so it becomes nobody for a moment."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o555)
    settings, me = company(tmp_path), os.geteuid()
    os.seteuid(me or 65534)
    try:
        with pytest.raises(
            UsageError, match=rf"Permission denied\. Name a folder that you may write in, or .* {closed}\."
        ):
            refuse_destination(closed / "night.csv", settings)
    finally:
        os.seteuid(me)


@pytest.mark.parametrize(
    "source",
    [
        "accounts.csv",
        "*.csv",
        {"sql": "SELECT * FROM 'accounts.csv' WHERE kind <> 'spam'"},
        {"sql": "SELECT * FROM read_csv(['./accounts.csv'], all_varchar = true)"},
        {"sql": 'SELECT * FROM "accounts.csv"'},
        {"sql": "SELECT * FROM 'acc*.csv'"},
        {"sql": "SELECT * FROM 'FOLDER/accounts.csv'"},
    ],
    ids=str,
)
def test_no_source_is_written_over(source: Any, tmp_path: Path) -> None:
    """A slip of the hand must not cost the company its table of accounts, nor a file that a query reads."""
    (tmp_path / "accounts.csv").write_text("account_id\n", encoding="utf-8")
    if isinstance(source, dict):
        source = {"sql": source["sql"].replace("FOLDER", str(tmp_path))}
    settings = company(tmp_path, accounts=source)
    with pytest.raises(UsageError, match=r"accounts\.csv is a source: \[data\] accounts = .* Name another file"):
        refuse_destination(tmp_path / ".." / tmp_path.name / "accounts.csv", settings)
    refuse_destination(tmp_path / "night.jsonl", settings)


@pytest.mark.parametrize(
    ("source", "free"),
    [
        ("data/*.parquet", "data/old/night.parquet"),
        ("data/**/*.parquet", "night.parquet"),
        ({"sql": "FROM 'data/*.parquet'"}, "data/old/night.parquet"),
    ],
    ids=str,
)
def test_no_file_is_put_among_those_of_a_source(source: Any, free: str, tmp_path: Path) -> None:
    """The next night would read the last one's book as use."""
    (tmp_path / "data" / "old").mkdir(parents=True)
    settings = company(tmp_path, usage=source)
    with pytest.raises(UsageError, match=r"night\.parquet is a source: \[data\] usage = "):
        refuse_destination(tmp_path / "data" / "night.parquet", settings)
    refuse_destination(tmp_path / free, settings)


@pytest.mark.parametrize("name", ["churn.toml", "churn.db", "churn-people.db", "mlflow.db"])
def test_neither_settings_nor_store_nor_models_are_written_over(name: str, tmp_path: Path) -> None:
    """With --format any name is taken, and after a slip of the hand there was no churn.toml."""
    (tmp_path / name).write_text("precious", encoding="utf-8")
    config = tmp_path / "churn.toml"
    with pytest.raises(UsageError, match=rf"{name} is in use here: it holds .*\. Name another file"):
        refuse_destination(tmp_path / name, company(tmp_path), "csv", config)


@pytest.mark.parametrize("url", ["sqlite:///{}?timeout=5", "sqlite+pysqlite:///{}"])
@pytest.mark.parametrize("ending", ["", "-wal", "-shm", "-journal"])
def test_no_sqlite_file_is_written_over_however_its_url_is_spelt(url: str, ending: str, tmp_path: Path) -> None:
    precious = url.format(tmp_path / "kept.db")
    for section, what in (({"store": {"url": precious}}, "the store"), ({"tracking": {"uri": precious}}, "the models")):
        settings = Settings.model_validate(company(tmp_path).model_dump() | {"folder": tmp_path} | section)
        with pytest.raises(UsageError, match=rf"kept\.db{ending} is in use here: it holds {what}"):
            refuse_destination(tmp_path / f"kept.db{ending}", settings, "csv")


def test_nothing_is_written_into_the_cache(tmp_path: Path) -> None:
    (tmp_path / ".churn-cache").mkdir()
    with pytest.raises(UsageError, match=r"night\.parquet is in the cache: \[data\] cache = '\.churn-cache'\. Name"):
        refuse_destination(tmp_path / ".churn-cache" / "night.parquet", company(tmp_path))


def test_without_a_store_there_is_nothing_to_export(tmp_path: Path) -> None:
    engine = connect(f"sqlite:///{tmp_path / 'churn.db'}")
    with pytest.raises((StoreError, StoreMissing), match="churn score"):
        export_night(engine, tmp_path / "book.csv")
    engine.dispose()
