"""What the table of all accounts is filtered by, and the view `book` for whoever reads the store by SQL.

Beside each score stand the segment and the plan. `docs/book.md` describes the view.
"""

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0005"
down_revision: Final = "0004"

_RULES: Final = {
    "sqlite": "json_extract(runs.headline, '$.starter') IS NOT NULL",
    "postgresql": "(runs.headline::json ->> 'starter') IS NOT NULL",
}
"""Whether rules ordered the night: then its risks are no probabilities, and nobody is told them."""

_BOOK: Final = """
CREATE VIEW book AS
SELECT
    scores.account_id,
    published.as_of,
    CASE WHEN {rules} THEN NULL ELSE scores.risk END AS risk,
    scores.band,
    scores.state,
    scores.mrr,
    CASE WHEN {rules} THEN NULL ELSE scores.value_at_risk END AS value_at_risk,
    scores.rank,
    scores.owner,
    runs.model_version,
    scores.base_log_odds,
    scores.log_odds,
    scores.largest_family,
    scores.segment,
    scores.plan,
    scores.renews_on
FROM published
JOIN runs ON runs.run_id = published.run_id
JOIN scores ON scores.run_id = published.run_id
WHERE published.as_of = (SELECT max(as_of) FROM published) AND scores.state <> 'lapsed'
"""


def upgrade() -> None:
    """Add them; of older nights segment and plan are not known."""
    for table in ("scores", "frozen"):
        op.add_column(table, sa.Column("segment", sa.Text))
        op.add_column(table, sa.Column("plan", sa.Text))
    op.execute(_BOOK.format(rules=_RULES[op.get_bind().dialect.name]))
