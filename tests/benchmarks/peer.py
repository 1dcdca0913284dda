"""The peer: what a competent analyst makes by hand in an afternoon. SQL over the raw tables, then default LightGBM.

Sums over 28 and 90 days, against the 90 days before; the state of contract, tickets and invoices; no more care for time
than a condition on dates and the newest version that had been recorded.
"""

from collections.abc import Sequence
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
from numpy.typing import NDArray

__all__ = ["CATEGORIES", "peer_frame", "peer_risk"]

Floats = NDArray[np.float64]

CATEGORIES = ("plan", "billing_period", "segment", "industry", "country")

KNOWN = """
CREATE OR REPLACE TEMP VIEW {name}_known AS
SELECT * FROM read_parquet('{folder}/data/{files}')
WHERE recorded_at < TIMESTAMP '{day} 06:00:00' AND {when} < DATE '{day}'
QUALIFY row_number() OVER (PARTITION BY {key} ORDER BY recorded_at DESC) = 1
"""
"""The newest version of each row that had been loaded."""

CHANGING = {  # table: its key and its date
    "accounts": ("account_id", "created_at"),
    "subscriptions": ("subscription_id", "started_on"),
    "users": ("user_id", "created_at"),
    "tickets": ("ticket_id", "opened_at"),
    "invoices": ("invoice_id", "issued_on"),
}

PROFILE = """
SELECT account_id, segment, industry, country, date_diff('day', created_at, DATE '{day}') AS account_age_days,
       date_diff('day', went_live_on, DATE '{day}') AS live_days, parent_id IS NOT NULL AS has_parent
FROM accounts_known
"""

CONTRACT = """
WITH running AS (SELECT * FROM subscriptions_known WHERE ended_on IS NULL OR ended_on >= DATE '{day}'),
     started AS (SELECT account_id, min(started_on) AS first_on, count(*) AS terms FROM subscriptions_known GROUP BY 1),
     before AS (SELECT account_id, sum(mrr) AS mrr, sum(seats) AS seats FROM subscriptions_known
                WHERE started_on < DATE '{day}' - 90 AND (ended_on IS NULL OR ended_on >= DATE '{day}' - 90) GROUP BY 1)
SELECT account_id, sum(running.mrr) AS mrr, sum(running.seats) AS seats, arg_max(plan, running.mrr) AS plan,
       arg_max(billing_period, running.mrr) AS billing_period, max(term_months) AS term_months,
       bool_and(auto_renews) AS auto_renews, min(date_diff('day', DATE '{day}', renews_on)) AS days_to_renewal,
       date_diff('day', any_value(first_on), DATE '{day}') AS tenure_days, any_value(terms) AS terms,
       sum(running.mrr) / any_value(before.mrr) - 1 AS mrr_change_90,
       sum(running.seats) - any_value(before.seats) AS seats_change_90,
       sum(running.mrr) / nullif(sum(running.seats), 0) AS price_per_seat
FROM running LEFT JOIN started USING (account_id) LEFT JOIN before USING (account_id) GROUP BY account_id
"""

USAGE = """
SELECT account_id, {windows},
       count(DISTINCT event) FILTER (WHERE occurred_at >= DATE '{day}' - 28) AS events_28,
       date_diff('day', max(occurred_at), DATE '{day}') AS days_since_use
FROM read_parquet('{folder}/data/usage/*.parquet')
WHERE occurred_at < DATE '{day}' AND occurred_at >= DATE '{day}' - 180 GROUP BY account_id
"""
WINDOW = """
sum(quantity) FILTER (WHERE {within}) AS usage_{name},
count(DISTINCT occurred_at::DATE) FILTER (WHERE {within}) AS active_days_{name},
count(DISTINCT user_id) FILTER (WHERE {within}) AS active_users_{name}
"""
WITHIN = {
    "28": "occurred_at >= DATE '{day}' - 28",
    "90": "occurred_at >= DATE '{day}' - 90",
    "90_before": "occurred_at < DATE '{day}' - 90",
}

USERS = """
SELECT account_id, count(*) FILTER (WHERE deactivated_at IS NULL OR deactivated_at >= DATE '{day}') AS users,
       count(*) FILTER (WHERE deactivated_at >= DATE '{day}' - 90 AND deactivated_at < DATE '{day}') AS users_lost_90
FROM users_known GROUP BY 1
"""

TICKETS = """
SELECT account_id, count(*) FILTER (WHERE opened_at >= DATE '{day}' - 28) AS tickets_28,
       count(*) FILTER (WHERE opened_at >= DATE '{day}' - 90) AS tickets_90,
       count(*) FILTER (WHERE resolved_at IS NULL) AS tickets_open,
       avg(date_diff('hour', opened_at, first_response_at)) FILTER (WHERE opened_at >= DATE '{day}' - 90) AS hours_90,
       avg(csat) FILTER (WHERE opened_at >= DATE '{day}' - 90) AS csat_90,
       sum(reopened_count) FILTER (WHERE opened_at >= DATE '{day}' - 90) AS reopened_90,
       count(*) FILTER (WHERE opened_at >= DATE '{day}' - 90 AND priority = 'high') AS urgent_90
FROM tickets_known GROUP BY 1
"""

VISITS = """
SELECT account_id, count(*) FILTER (WHERE visited_at >= DATE '{day}' - 28) AS visits_28, count(*) AS visits_90,
       count(*) FILTER (WHERE visited_at >= DATE '{day}' - 28 AND path LIKE '%cancel%') AS cancel_visits_28,
       count(*) FILTER (WHERE path LIKE '%cancel%') AS cancel_visits_90,
       count(*) FILTER (WHERE visited_at >= DATE '{day}' - 28 AND path LIKE '/pricing%') AS pricing_visits_28,
       count(*) FILTER (WHERE path LIKE '/pricing%') AS pricing_visits_90,
       count(*) FILTER (WHERE path LIKE '/billing%') AS billing_visits_90
FROM read_parquet('{folder}/data/page_visits.parquet')
WHERE visited_at < DATE '{day}' AND visited_at >= DATE '{day}' - 90 GROUP BY 1
"""

FEEDBACK = """
SELECT account_id, arg_max(score, submitted_at) FILTER (WHERE kind = 'nps') AS last_nps,
       arg_max(score, submitted_at) FILTER (WHERE kind = 'csat') AS last_csat,
       date_diff('day', max(submitted_at), DATE '{day}') AS days_since_feedback
FROM read_parquet('{folder}/data/feedback.parquet') WHERE submitted_at < DATE '{day}' GROUP BY 1
"""

INVOICES = """
SELECT account_id, count(*) FILTER (WHERE paid_on IS NULL AND due_on < DATE '{day}') AS invoices_overdue,
       count(*) FILTER (WHERE issued_on >= DATE '{day}' - 90 AND failed_at IS NOT NULL) AS payments_failed_90,
       avg(date_diff('day', due_on, paid_on)) AS days_late, sum(amount) FILTER (WHERE issued_on >= DATE '{day}' - 90)
       AS invoiced_90
FROM invoices_known WHERE voided_at IS NULL GROUP BY 1
"""


def peer_frame(folder: Path, keys: pd.DataFrame) -> pd.DataFrame:
    """A row of features for each (account_id, as_of) of `keys`, in their order."""
    with duckdb.connect() as engine:
        engine.execute("SET threads = 1")
        frames = []
        for as_of, rows in keys.groupby("as_of", sort=True):
            columns = _features(engine, folder, str(pd.Timestamp(as_of).date()))
            frames.append(rows.merge(columns, on="account_id", how="left", validate="1:1"))
    return keys.merge(pd.concat(frames), on=["account_id", "as_of"], how="left", validate="1:1")


def _features(engine: duckdb.DuckDBPyConnection, folder: Path, day: str) -> pd.DataFrame:
    for name, (key, when) in CHANGING.items():
        files = f"{name}.parquet"
        engine.execute(KNOWN.format(name=name, folder=folder, files=files, day=day, key=key, when=when))
    windows = ", ".join(WINDOW.format(name=name, within=within.format(day=day)) for name, within in WITHIN.items())
    whole = engine.sql(PROFILE.format(day=day)).df()
    for query in (CONTRACT, USAGE, USERS, TICKETS, VISITS, FEEDBACK, INVOICES):
        part = engine.sql(query.format(day=day, folder=folder, windows=windows)).df()
        whole = whole.merge(part, on="account_id", how="left", validate="1:1")
    for name in ("usage", "active_days", "active_users"):
        whole[f"{name}_change"] = whole[f"{name}_28"] / (whole[f"{name}_90"] / 90 * 28)
        whole[f"{name}_change_90"] = whole[f"{name}_90"] / whole[f"{name}_90_before"]
    whole["usage_per_seat_28"] = whole["usage_28"] / whole["seats"]
    counted = ("usage_", "active_", "tickets_", "visits_", "cancel_", "pricing_")
    nought = [name for name in whole if name.startswith(counted) and "change" not in name]
    whole[nought] = whole[nought].fillna(0)
    return whole.replace([np.inf, -np.inf], np.nan)


def peer_risk(known: pd.DataFrame, test: pd.DataFrame, label: NDArray[np.bool_], names: Sequence[str]) -> Floats:
    """(rows of `test`,) the risk that LightGBM with its defaults gives, fitted on `known` and its labels."""
    from lightgbm import LGBMClassifier

    words = {name: pd.CategoricalDtype(sorted(known[name].dropna().unique())) for name in CATEGORIES}
    columns = {name: words.get(name, np.float64) for name in names}
    model = LGBMClassifier(n_jobs=1, verbosity=-1)
    model.fit(known[list(names)].astype(columns), label)
    risk: Floats = model.predict_proba(test[list(names)].astype(columns))[:, 1]
    return risk
