"""Baselines: what a manager would sort by without a model. Skill is only what goes beyond these."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.catalogue import Feature

__all__ = [
    "FITTED_HEALTH",
    "HEALTH",
    "LAST_MONTH",
    "LOGISTIC",
    "NOT_LEARNED",
    "baseline_scores",
    "list_names",
    "logistic_risk",
    "month_before",
]

Floats = NDArray[np.float64]

LAST_MONTH: Final = "score of last month"
HEALTH: Final = "health score"
FITTED_HEALTH: Final = "fitted health score"
LOGISTIC: Final = "logistic model"

_LIST_NAMES: Final[Mapping[str, str]] = {
    "MRR": "by MRR",
    "days to renewal": "by renewal date",
    "last use": "by last use",
    LAST_MONTH: "by last month's score",
    HEALTH: "by health score",
    FITTED_HEALTH: "by fitted health score",
    LOGISTIC: "by logistic regression",
}
NOT_LEARNED: Final = ("MRR", "days to renewal", "last use", HEALTH)
"""Lists that a team can make by itself."""

COLUMNS: Final[Mapping[str, tuple[str, int, bool]]] = {
    "MRR": ("mrr", 1, False),
    "days to renewal": ("days_to_renewal", -1, False),
    "last use": ("days_since_use", 1, True),
    LAST_MONTH: (LAST_MONTH, 1, False),
}
"""By name: the column, its sign (largest customers, nearer renewals and longer silence come first), and whether a
missing value comes first: no use on record is the longest silence, while no renewal on record is no reason to call.
A list by size alone knows nothing of who leaves, and yet holds much of the MRR that does."""

MONTH: Final = (21, 28, 35)
"""Days from a snapshot to the one that last month's score is of: at least, best, at most."""


def list_names(money: str = "MRR") -> dict[str, str]:
    """What the list of each baseline is called, where amounts are called `money`.

    >>> list_names("orders")["MRR"], list_names()["days to renewal"]
    ('by orders', 'by renewal date')
    """
    return {name: called.replace("MRR", money) for name, called in _LIST_NAMES.items()}


def baseline_scores(frame: pd.DataFrame) -> dict[str, Floats]:
    """Scores of the baselines whose column the frame has; higher is riskier.

    >>> scores = baseline_scores(pd.DataFrame({"days_to_renewal": [90.0, 3.0, None]}))
    >>> scores["days to renewal"].tolist()
    [-90.0, -3.0, -91.0]
    """
    scores = {}
    for name, (column, sign, missing_first) in COLUMNS.items():
        if column in frame and frame[column].notna().any():
            score = sign * frame[column].to_numpy(np.float64, na_value=np.nan)
            missing = np.nanmax(score) + 1.0 if missing_first else np.nanmin(score) - 1.0
            scores[name] = np.where(np.isnan(score), missing, score)
    return scores


def month_before(frame: pd.DataFrame, test: pd.DataFrame, risk: Callable[[pd.DataFrame], Floats]) -> Floats:
    """(rows of `test`,) what `risk` says of the same account on the snapshot of `frame` some 28 days before.

    NaN where there is none: the account was not there yet, or snapshots lie further apart. What a list from yesterday's
    print would be worth: a model has to gain by looking again.
    """
    found = np.full(len(test), np.nan)
    dates = frame["as_of"].unique()
    for date in test["as_of"].unique():
        days = np.asarray((date - dates) / np.timedelta64(1, "D"), dtype=np.float64)
        nearest = int(np.abs(days - MONTH[1]).argmin())
        if MONTH[0] <= days[nearest] <= MONTH[2]:
            before, rows = frame[frame["as_of"] == dates[nearest]], (test["as_of"] == date).to_numpy(bool)
            score = pd.Series(risk(before), index=before["account_id"])
            found[rows] = test.loc[rows, "account_id"].map(score).to_numpy(np.float64)
    return found


def logistic_risk(known: pd.DataFrame, test: pd.DataFrame, features: Sequence[Feature]) -> Floats:
    """(rows of `test`,) risk by a logistic regression on the same features, fitted on the rows of `known`.

    The plainest learned model: what trees add must show beside it. Numbers are ranked into a bell shape, so that one
    account with a thousand times the usage does not decide the slope; missing values take the median and a flag.
    """
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, QuantileTransformer
    from threadpoolctl import threadpool_limits

    names = {kind: [f.name for f in features if f.learned and f.kind == kind] for kind in ("number", "category")}
    numbers = make_pipeline(
        SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True),
        QuantileTransformer(n_quantiles=min(100, len(known)), output_distribution="normal", random_state=0),
    )
    words = OneHotEncoder(handle_unknown="ignore", min_frequency=20, sparse_output=False)
    columns = ColumnTransformer([("numbers", numbers, names["number"]), ("words", words, names["category"])])
    model = make_pipeline(columns, LogisticRegression(C=0.05, solver="newton-cholesky"))
    with threadpool_limits(1, "blas"):  # which adds long products in another order on more threads
        model.fit(_plain(known, names), known["label"].to_numpy(bool))
        risk: Floats = model.predict_proba(_plain(test, names))[:, 1]
    return risk


def _plain(frame: pd.DataFrame, names: Mapping[str, list[str]]) -> pd.DataFrame:
    """The columns in types that scikit-learn takes: float64, and text with a word for missing."""
    numbers = frame[names["number"]].astype(np.float64)
    words = frame[names["category"]].astype(object)
    return numbers.join(words.where(words.notna(), "missing").astype(str))
