"""Tables of any size for the benchmarks: made by the engine from numbers and hashes, so that no draw has to be kept."""

import inspect
import shutil
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from hashlib import sha256
from pathlib import Path

import duckdb

__all__ = ["AS_OF", "MEMORY", "THREADS", "make_tables"]

AS_OF = date(2026, 11, 2)
THREADS = 2
MEMORY = "3.5GB"
BLOCK_DAYS = 28
PATHS = "['/pricing', '/account/cancel', '/docs/start', '/settings', '/reports']"
SETTINGS = f"""[company]
name = "Made up"

[data]
accounts = "accounts.parquet"
subscriptions = "subscriptions.parquet"
usage = "usage/*.parquet"
tickets = "tickets.parquet"
page_visits = "page_visits.parquet"
feedback = "feedback.parquet"
invoices = "invoices.parquet"
constant = ["accounts.segment", "accounts.industry", "accounts.country"]

[pages]
pricing = ["/pricing*"]
cancellation = ["/account/cancel*"]

[engine]
threads = {THREADS}
memory_limit = "{MEMORY}"

[run]
as_of = {AS_OF}
"""


def make_tables(folder: Path, accounts: int, rows_each: int, days: int) -> None:
    """Write accounts, subscriptions, usage, tickets, page_visits, invoices and feedback as Parquet, and `churn.toml`.

    `rows_each` usage rows an account are spread evenly over the `days` before `AS_OF`, in files of four weeks, in order
    of time; an account has five users, and six kinds of events occur. Instants are UTC. Tables that are there already
    are kept, unless they were made by other queries than those below.
    """
    done = folder / "done"
    queries = inspect.getsource(_write_usage) + inspect.getsource(_write_others) + PATHS
    wanted = f"{accounts} {rows_each} {days} {AS_OF} {BLOCK_DAYS} {sha256(queries.encode()).hexdigest()}\n"
    if not done.exists() or done.read_text(encoding="utf-8") != wanted:
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "usage").mkdir(parents=True)
        _write_tables(folder, accounts, rows_each / days, days)
        done.write_text(wanted, encoding="utf-8")
    (folder / "churn.toml").write_text(SETTINGS, encoding="utf-8")


def _write_tables(folder: Path, accounts: int, rows_a_day: float, days: int) -> None:
    with duckdb.connect() as engine, ThreadPoolExecutor(THREADS) as pool:
        engine.execute(f"SET threads = {THREADS}")
        engine.execute(f"SET memory_limit = '{MEMORY}'")
        engine.execute("SET temp_directory = ?", [str(folder / "spill")])
        # A row follows from its number, and numbers are dealt by one thread: so a file for each thread at a time.
        blocks = [
            pool.submit(_write_usage, engine.cursor(), folder / "usage", accounts, rows_a_day, start, days)
            for start in range(0, days, BLOCK_DAYS)
        ]
        for block in blocks:
            block.result()
        _write_others(engine, folder, accounts)


def _write_usage(
    engine: duckdb.DuckDBPyConnection, folder: Path, accounts: int, rows_a_day: float, start: int, days: int
) -> None:
    length = min(BLOCK_DAYS, days - start)
    first = AS_OF - timedelta(days=start + length)
    rows = round(accounts * rows_a_day * length)
    # Whole microseconds: adding an interval to every row takes longer than all the rest.
    apart = length * 86_400_000_000 // rows
    engine.execute(f"""
        COPY (
            SELECT 'A' || account AS account_id,
                   make_timestamp(epoch_us(TIMESTAMP '{first}') + n * {apart}) AS occurred_at,
                   CASE (h >> 20) % 6 WHEN 0 THEN 'login' WHEN 1 THEN 'shift_published'
                       WHEN 2 THEN 'timesheet_exported' WHEN 3 THEN 'report_viewed' WHEN 4 THEN 'leave_requested'
                       ELSE 'mobile_checkin' END AS event,
                   (1 + (h >> 24) % 9)::DOUBLE AS quantity,
                   'U' || account || '-' || (h >> 30) % 5 AS user_id
            FROM (SELECT range AS n, hash(range * 7919 + {start}) AS h, h % {accounts} AS account FROM range({rows}))
        ) TO '{folder / f"{first}.parquet"}' (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 200_000)
    """)


def _write_others(engine: duckdb.DuckDBPyConnection, folder: Path, accounts: int) -> None:
    today = f"DATE '{AS_OF}'"
    queries = {
        "accounts": f"""
            SELECT 'A' || range AS account_id, ({today} - 800)::TIMESTAMP AS created_at,
                   ['small', 'middle', 'large'][1 + range % 3] AS segment,
                   ['clinics', 'shops', 'warehouses', 'hotels'][1 + range % 4] AS industry,
                   'C' || range % 30 AS country, {today} - CAST(700 - range % 300 AS INTEGER) AS went_live_on
            FROM range({accounts})""",
        "subscriptions": f"""
            SELECT 'S' || range AS subscription_id, 'A' || range AS account_id,
                   {today} - CAST(60 + hash(range) % 700 AS INTEGER) AS started_on,
                   CASE WHEN range % 20 = 0 THEN {today} - CAST(hash(range) % 50 AS INTEGER) END AS ended_on,
                   50.0 + range % 900 AS mrr, ['basic', 'standard', 'pro'][1 + range % 3] AS plan,
                   5.0 + range % 40 AS seats, ['monthly', 'annual'][1 + range % 2] AS billing_period,
                   CASE WHEN range % 2 = 0 THEN 1.0 ELSE 12.0 END AS term_months, NULL::DATE AS renews_on,
                   NULL::DATE AS notice_on
            FROM range({accounts})""",
        "tickets": f"""
            SELECT 'T' || range AS ticket_id, 'A' || hash(range) % {accounts} AS account_id,
                   {today}::TIMESTAMP - to_minutes(CAST(10 + hash(range + 1) % 500_000 AS BIGINT)) AS opened_at,
                   opened_at + to_hours(CAST(1 + range % 30 AS BIGINT)) AS first_response_at,
                   CASE WHEN range % 9 > 0 THEN opened_at + to_hours(CAST(5 + range % 200 AS BIGINT)) END
                       AS resolved_at,
                   CAST(range % 3 = 0 AS BIGINT) AS reopened_count, (range % 200) / 100.0 - 1 AS sentiment,
                   1.0 + range % 5 AS csat, resolved_at + INTERVAL 1 DAY AS csat_at
            FROM range({accounts})""",
        "page_visits": f"""
            SELECT 'A' || hash(range) % {accounts} AS account_id,
                   {today}::TIMESTAMP - to_minutes(CAST(10 + hash(range + 1) % 500_000 AS BIGINT)) AS visited_at,
                   {PATHS}[1 + range % 5] AS path,
                   'U' || hash(range) % {accounts} || '-' || range % 5 AS user_id
            FROM range({accounts * 3})""",
        "invoices": f"""
            SELECT 'I' || range AS invoice_id, 'A' || range % {accounts} AS account_id,
                   {today} - CAST(5 + 30 * (range // {accounts}) AS INTEGER) AS issued_on,
                   50.0 + range % 900 AS amount,
                   issued_on + 14 AS due_on,
                   CASE WHEN range % 11 > 0 THEN issued_on + CAST(range % 30 AS INTEGER) END AS paid_on,
                   CASE WHEN range % 11 = 0 THEN issued_on::TIMESTAMP END AS failed_at, NULL::TIMESTAMP AS voided_at
            FROM range({accounts * 6})""",
        "feedback": f"""
            SELECT 'A' || hash(range) % {accounts} AS account_id,
                   {today}::TIMESTAMP - to_minutes(CAST(10 + hash(range + 1) % 900_000 AS BIGINT)) AS submitted_at,
                   ['nps', 'csat'][1 + range % 2] AS kind, 1.0 + range % 5 AS score
            FROM range({accounts // 2})""",
    }
    for name, query in queries.items():
        engine.execute(f"COPY ({query}) TO '{folder / f'{name}.parquet'}' (FORMAT parquet, COMPRESSION zstd)")
