"""The same windows of use by other means: ours, SQL by hand, Polars, pandas.

For every account with use in the last 224 days: the quantity of the last 7, 28 and 84 days and of the 84 days before
the last 28, the days of use in each of these, and the age of the newest use. Each gives a table of `account_id` and the
columns of `NAMES`, held by Python.
"""

from collections.abc import Callable, Iterator
from datetime import datetime, time, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from made_up_tables import AS_OF, MEMORY, THREADS

__all__ = ["MEANS", "check_equal"]

LOOKBACK_DAYS = 224
WINDOWS = {"7": (0, 7), "28": (0, 28), "84": (0, 84), "before": (28, 112)}
NAMES = [f"{what}_{window}" for what in ("q", "days") for window in WINDOWS] + ["newest"]
UNTIL = datetime.combine(AS_OF, time.min)
SINCE = UNTIL - timedelta(days=LOOKBACK_DAYS)
WORD_DAYS = 56

HEAD = f"""
    WITH aged AS (
        SELECT {{account}} AS account_id, {{quantity}} AS quantity, DATE '{AS_OF}' - occurred_at::DATE - 1 AS age
        FROM read_parquet('{{files}}')
        WHERE occurred_at >= TIMESTAMP '{SINCE}' AND occurred_at < TIMESTAMP '{UNTIL}'
    ), accounts AS (
        SELECT account_id, min(age) AS newest,
               coalesce(sum(quantity) FILTER (age < 7), 0) AS q_7,
               coalesce(sum(quantity) FILTER (age < 28), 0) AS q_28,
               coalesce(sum(quantity) FILTER (age < 84), 0) AS q_84,
               coalesce(sum(quantity) FILTER (age BETWEEN 28 AND 111), 0) AS q_before,
               {{days}}
        FROM aged GROUP BY account_id
    )"""
AS_BITS = """bit_or(CASE WHEN age < 56 THEN 1::BIGINT << age ELSE 0 END) AS recent,
               bit_or(CASE WHEN age BETWEEN 56 AND 111 THEN 1::BIGINT << (age - 56) ELSE 0 END) AS older"""
OF_BITS = f"""
    SELECT account_id, q_7{{unit}} AS q_7, q_28{{unit}} AS q_28, q_84{{unit}} AS q_84, q_before{{unit}} AS q_before,
           bit_count(recent & {2**7 - 1}) AS days_7, bit_count(recent & {2**28 - 1}) AS days_28,
           bit_count(recent) + bit_count(older & {2**28 - 1}) AS days_84,
           bit_count(recent >> 28) + bit_count(older) AS days_before, newest
    FROM accounts"""
DISTINCT = """count(DISTINCT age) FILTER (age < 7) AS days_7, count(DISTINCT age) FILTER (age < 28) AS days_28,
               count(DISTINCT age) FILTER (age < 84) AS days_84,
               count(DISTINCT age) FILTER (age BETWEEN 28 AND 111) AS days_before"""
WITHOUT_BLANKS = """CASE WHEN account_id < '!' OR right(account_id, 1) < '!' THEN nullif(trim(account_id), '')
                    ELSE account_id END"""
IN_THOUSANDTHS = "floor(CASE WHEN abs(quantity) <= 1e12 THEN quantity ELSE 1 END * 1000 + 0.5)"
LOOSE = {"account": "account_id", "quantity": "quantity"}
QUERIES = {
    "sql": HEAD.format(**LOOSE, days=AS_BITS, files="{files}") + OF_BITS.format(unit=""),
    "careful sql": HEAD.format(account=WITHOUT_BLANKS, quantity=IN_THOUSANDTHS, days=AS_BITS, files="{files}")
    + OF_BITS.format(unit=" / 1000"),
    "plain sql": HEAD.format(**LOOSE, days=DISTINCT, files="{files}")
    + f" SELECT account_id, {', '.join(NAMES)} FROM accounts",
}
"""`sql` is the quickest we know how to write. `careful sql` promises what ours does: ids without blanks around them,
quantities that are numbers, sums that are the same at any number of threads. `plain sql` counts days as most do."""


def by_sql(name: str, folder: Path) -> Iterator[Any]:
    """One pass of DuckDB over the rows, as an engineer writes it by hand."""
    import duckdb

    engine = duckdb.connect(config={"threads": THREADS, "memory_limit": MEMORY})
    engine.execute("SET temp_directory = ?", [str(folder / ".spill")])
    engine.execute("SET preserve_insertion_order = false")
    yield
    yield engine.execute(QUERIES[name].format(files=folder / "usage" / "*.parquet")).to_arrow_table()


def by_polars(folder: Path, careful: bool) -> Iterator[Any]:
    """Lazy, by the streaming engine; days of use as bits. `careful` promises what ours does."""
    import polars as pl

    yield
    rows = pl.scan_parquet(folder / "usage" / "*.parquet")
    if careful:
        quantity = pl.when(pl.col("quantity").abs() <= 1e12).then("quantity").otherwise(1.0)
        rows = rows.with_columns(pl.col("account_id").str.strip_chars(), quantity=(quantity * 1000 + 0.5).floor())
    rows = rows.filter((pl.col("occurred_at") >= SINCE) & (pl.col("occurred_at") < UNTIL))
    age = pl.col("age")
    rows = rows.with_columns(age=(pl.lit(AS_OF) - pl.col("occurred_at").dt.date()).dt.total_days() - 1)
    # A column that is nought outside its window is added up faster than one that is filtered for each group.
    rows = rows.with_columns(
        **{
            f"q_{name}": pl.when(age.is_between(start, end, closed="left")).then("quantity").otherwise(0.0)
            for name, (start, end) in WINDOWS.items()
        },
        **{
            word: pl.when(age.is_between(start, start + WORD_DAYS, closed="left"))
            .then(pl.lit(2, pl.Int64).pow((age - start).clip(0, WORD_DAYS)))
            .otherwise(0)
            for word, start in {"recent": 0, "older": WORD_DAYS}.items()
        },
    )
    sums = [pl.col(f"q_{name}").sum() for name in WINDOWS]
    words = [pl.col("recent").bitwise_or(), pl.col("older").bitwise_or()]
    accounts = rows.group_by("account_id").agg(*sums, *words, newest=age.min())
    recent, older = pl.col("recent"), pl.col("older")
    days = {
        "days_7": (recent & (2**7 - 1)).bitwise_count_ones(),
        "days_28": (recent & (2**28 - 1)).bitwise_count_ones(),
        "days_84": recent.bitwise_count_ones() + (older & (2**28 - 1)).bitwise_count_ones(),
        "days_before": (recent & ~pl.lit(2**28 - 1)).bitwise_count_ones() + older.bitwise_count_ones(),
    }
    accounts = accounts.with_columns(pl.col(f"q_{name}") / (1000 if careful else 1) for name in WINDOWS)
    yield accounts.with_columns(**days).select("account_id", *NAMES).collect(engine="streaming").to_arrow()


def by_pandas(folder: Path) -> Iterator[Any]:
    """The needed columns read by PyArrow, ids as numbers before anything is grouped."""
    import pandas as pd
    import pyarrow as pa

    pa.set_cpu_count(THREADS)
    yield
    columns = ["account_id", "occurred_at", "quantity"]
    within = [("occurred_at", ">=", SINCE), ("occurred_at", "<", UNTIL)]
    rows = pd.read_parquet(folder / "usage", engine="pyarrow", columns=columns, filters=within)
    rows["account"], ids = pd.factorize(rows["account_id"])
    rows["age"] = (pd.Timestamp(AS_OF) - rows["occurred_at"].dt.normalize()).dt.days - 1
    rows = rows.drop(columns=["account_id", "occurred_at"])
    days = rows[["account", "age"]].drop_duplicates()
    for name, (start, end) in WINDOWS.items():
        rows[f"q_{name}"] = rows["quantity"].where(rows["age"].between(start, end, inclusive="left"), 0.0)
        days[f"days_{name}"] = days["age"].between(start, end, inclusive="left")
    found = rows.groupby("account")[[f"q_{name}" for name in WINDOWS]].sum()
    found = found.join(days.groupby("account")[[f"days_{name}" for name in WINDOWS]].sum())
    found["newest"] = days.groupby("account")["age"].min()
    yield found.assign(account_id=ids[found.index])


def by_us(folder: Path) -> Iterator[Any]:
    """The product's own sums by account; the engine leaves out those that nobody reads."""
    from features.tallies import LOOKBACK_DAYS, _by_account, _recent

    past, moment = _company(folder)
    yield
    yield _read_off(_by_account(_recent(past, moment, LOOKBACK_DAYS))).to_pyarrow()


def by_our_night(folder: Path) -> Iterator[Any]:
    """The tallies as every night makes them: decayed sums and all days, and further passes by person and by kind."""
    from features.events import largest
    from features.outages import Recorded
    from features.tallies import by_kind, by_person, of_kinds, tally

    past, moment = _company(folder)
    spine = past.known("accounts", moment)
    spine = spine.select("account_id", tenure_days=LOOKBACK_DAYS, observed_days=LOOKBACK_DAYS, seats=1.0).cache()
    kinds = largest(past, moment)
    yield
    tallied = tally(past, spine, moment, Recorded(first=LOOKBACK_DAYS - 1))
    with by_person(past, moment), by_kind(past, moment), of_kinds(past, moment, kinds):
        used = tallied.accounts.filter(tallied.accounts["newest"].notnull())
    yield _read_off(used).to_pyarrow()


def _company(folder: Path) -> tuple[Any, Any]:
    from pipeline.settings_file import read_settings
    from pipeline.sources import history, open_sources

    settings = read_settings(folder / "churn.toml")
    past = history(open_sources(settings), settings)
    return past, past.rules.moment(AS_OF)


def _read_off(rows: Any) -> Any:
    from features.measures import marked_days

    w0, w1 = rows["w0"].fill_null(0), rows["w1"].fill_null(0)
    days = {
        "days_7": marked_days(w0 & (2**7 - 1)),
        "days_28": marked_days(w0 & (2**28 - 1)),
        "days_84": marked_days(w0) + marked_days(w1 & (2**28 - 1)),
        "days_before": marked_days(w0 >> 28) + marked_days(w1),
    }
    return rows.mutate(**days).select("account_id", *NAMES)


MEANS: dict[str, Callable[[Path], Iterator[Any]]] = {
    "ours": by_us,
    "our night": by_our_night,
    **{name: partial(by_sql, name) for name in QUERIES},
    "polars": partial(by_polars, careful=False),
    "careful polars": partial(by_polars, careful=True),
    "pandas": by_pandas,
}
"""Each yields once when it is prepared, and then its table."""


def check_equal(folder: Path) -> Iterator[str]:
    """Hold every means against ours, to the last thousandth.

    Raises
    ------
    AssertionError
        Naming the means, the columns and the first account that differ.
    """
    import pandas as pd

    tables = {}
    for name, means in MEANS.items():
        *_, table = means(folder)
        frame = table if isinstance(table, pd.DataFrame) else table.to_pandas()
        tables[name] = (
            (frame.set_index("account_id")[NAMES].sort_index().astype("float64") * 1_000).round().astype("int64")
        )
    ours = tables.pop("ours")
    yield "prepared"
    for name, theirs in tables.items():
        assert list(theirs.index) == list(ours.index), f"{name} has {len(theirs)} accounts, we have {len(ours)}"
        unequal = theirs != ours
        columns = [column for column in NAMES if unequal[column].any()]
        assert not columns, f"{name} differs in {columns}, first for account {ours.index[unequal.any(axis=1)][0]}"
    yield f"{len(ours):,} accounts equal"
