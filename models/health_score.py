"""The health score: at most ten rules with weights that were fixed before anybody looked at a company's departures.

It is what a customer success team writes into a spreadsheet: how far each warning has gone, times a weight, summed up.
Trees have to beat it to be worth their trouble. Thresholds and weights come from what the trade says of customers that
leave (they use the product less, their main user is gone, nobody sits on the seats, tickets go unanswered, they look at
the pages on leaving, the bill is open, the price rose, a renewal is near), and none was changed after a backtest.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

__all__ = ["RULES", "Rule", "fitted_health_risk", "health_score", "rule_matrix", "rules_of"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Rule:
    """One warning: nothing at `begins`, whole at `full` and beyond, in proportion between.

    `full` lies below `begins` where less is worse. `weight` is in log-odds: 0.7 doubles the odds. `missing` is how much
    of the rule counts where the feature's value is not known.
    """

    feature: str
    begins: float
    full: float
    weight: float
    missing: float = 0.0

    def share(self, value: Floats) -> Floats:
        """(rows,) how far the warning has gone, 0 to 1.

        >>> Rule("days_to_renewal", begins=90, full=14, weight=0.8).share(np.array([200.0, 52.0, 3.0, np.nan])).tolist()
        [0.0, 0.5, 1.0, 0.0]
        """
        gone = np.clip((value - self.begins) / (self.full - self.begins), 0.0, 1.0)
        return np.where(np.isnan(gone), self.missing, gone)


RULES: Final = (
    Rule("active_days_trend", begins=0.0, full=-1.1, weight=1.2),  # a log ratio: −1.1 is a third of their usual
    Rule("days_since_use", begins=14, full=42, weight=0.8, missing=1.0),  # no use on record is the longest silence
    Rule("seat_share", begins=0.4, full=0.1, weight=0.6),
    Rule("main_user_days_away", begins=14, full=42, weight=0.6),
    Rule("leaving_page_visits_28", begins=0, full=2, weight=0.9),
    Rule("negative_tickets_decayed", begins=0, full=1000, weight=0.6),  # 1000 is one unhappy ticket of today
    Rule("oldest_open_days", begins=7, full=28, weight=0.4),
    Rule("oldest_overdue_days", begins=5, full=30, weight=0.7),
    Rule("price_rise_364", begins=0.03, full=0.2, weight=0.5),
    Rule("days_to_renewal", begins=90, full=14, weight=0.8),
)
"""The table. Each feature is one of the catalogue, and its rule points the way in which the risk is expected to go."""


def rules_of(frame: pd.DataFrame) -> tuple[Rule, ...]:
    """The rules whose feature the frame has, in the order of the table."""
    return tuple(rule for rule in RULES if rule.feature in frame)


def rule_matrix(frame: pd.DataFrame) -> Floats:
    """(rows, rules of the frame) how far each warning has gone, 0 to 1; a column for each of `rules_of(frame)`."""
    columns = [rule.share(frame[rule.feature].to_numpy(np.float64, na_value=np.nan)) for rule in rules_of(frame)]
    return np.column_stack(columns) if columns else np.zeros((len(frame), 0))


def health_score(frame: pd.DataFrame) -> Floats:
    """(rows,) log-odds of leaving by the fixed weights, without an intercept: 0 where no warning has begun."""
    score: Floats = rule_matrix(frame) @ np.array([rule.weight for rule in rules_of(frame)])
    return score


def fitted_health_risk(known: pd.DataFrame, test: pd.DataFrame) -> Floats:
    """(rows of `test`,) risk by the same rules with weights fitted to the labels of `known`, by logistic regression.

    Both frames need the same features, and `known` both labels.
    """
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    label = known["label"].to_numpy(bool)
    if not rules_of(known):
        return np.full(len(test), label.mean())
    with threadpool_limits(1, "blas"):  # which adds long products in another order on more threads
        model = LogisticRegression().fit(rule_matrix(known), label)
        risk: Floats = model.predict_proba(rule_matrix(test))[:, 1]
    return risk
