"""Tables of any size for the benchmarks: made by the engine from numbers and hashes, so that no draw has to be kept."""

from datetime import date, timedelta
from pathlib import Path

import duckdb

__all__ = ["AS_OF", "PAGES", "make_tables"]

AS_OF = date(2026, 11, 2)
PAGES = {"pricing": ("/pricing*",), "cancellation": ("/account/cancel*",)}
BLOCK_DAYS = 28

EVENTS = "['login', 'shift_published', 'timesheet_exported', 'report_viewed', 'leave_requested', 'mobile_checkin']"
PATHS = "['/pricing', '/account/cancel', '/docs/start', '/settings', '/reports']"


def make_tables(folder: Path, accounts: int, rows_each: int, days: int) -> None:
    """Write accounts, subscriptions, usage, tickets, page_visits, invoices and feedback as Parquet, once.

    `rows_each` usage rows an account are spread evenly over the `days` before `AS_OF`, in files by time of four weeks;
    an account has five users, and six kinds of events occur. Instants are UTC.
    """
    done = folder / "done"
    if done.exists():
        return
    (folder / "usage").mkdir(parents=True, exist_ok=True)
    with duckdb.connect() as engine:
        engine.execute("SET threads = 2")
        engine.execute("SET memory_limit = '3GB'")
        engine.execute(f"SET temp_directory = '{folder / 'spill'}'")
        engine.execute("SET preserve_insertion_order = false")
        for start in range(0, days, BLOCK_DAYS):
            length = min(BLOCK_DAYS, days - start)
            file = folder / "usage" / f"{days - start:04}.parquet"
            _write_usage(engine, file, accounts, rows_each * accounts // days, start, length)
        _write_others(engine, folder, accounts)
    done.touch()


def _write_usage(
    engine: duckdb.DuckDBPyConnection, file: Path, accounts: int, a_day: int, start: int, length: int
) -> None:
    first = AS_OF - timedelta(days=start + length)
    engine.execute(f"""
        COPY (
            SELECT 'A' || (h % {accounts}) AS account_id,
                   TIMESTAMP '{first}' + to_seconds(CAST(n * {length * 86_400.0 / (a_day * length)} AS BIGINT))
                       AS occurred_at,
                   {EVENTS}[1 + CAST((h >> 20) % 6 AS INTEGER)] AS event,
                   1.0 + (h >> 24) % 9 AS quantity,
                   'U' || (h % {accounts}) || '-' || ((h >> 30) % 5) AS user_id
            FROM (SELECT range AS n, hash(range * 7919 + {start}) AS h FROM range({a_day * length}))
        ) TO '{file}' (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 200_000)
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
