"""A scorer of texts, learned from how a company's own customers rated the help they got.

Tickets that carry a rating are labelled already: the words of those who gave 1 or 2 of 5 against the words of those who
gave 4 or 5. A linear model on words and pairs of words (of Chinese, characters and pairs of characters) learns what a
general scorer (`features.sentiment`) cannot know, the names of what hurts in this product, and keeps that scorer's
judgement beside them.

The ratings of an account must not come back to it as a feature of its own past. So there are several such models, each
learned without a share of the accounts, and a text is always judged by the one that never saw its account, in training
and at night alike: an account's own ratings, past or future, have no part in how its words sound.

N-grams are hashed (Weinberger et al., 2009): a saved model holds weights under numbers and no word of any ticket.
"""

import hashlib
import io
import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Self
from zipfile import BadZipFile

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.own_words import own_words
from models.errors import CorruptModel
from models.metrics import ranking_of_draws

__all__ = [
    "GROUPS",
    "LEAST_OF_EACH",
    "LEAST_RATED",
    "Comparison",
    "SentimentModel",
    "TooFewRatings",
    "compare",
    "has_words",
    "learn",
]

Floats = NDArray[np.float64]

GROUPS: Final = "0123456789abcdef"
"""Accounts are dealt into these by the first hexadecimal digit of the SHA-256 of their id."""

LEAST_RATED: Final = 1_000
LEAST_OF_EACH: Final = 50
"""So many rated tickets, and so many of them good and bad, among those to learn from and among those to test on."""

_FOLDS: Final = 4
_BAD_UP_TO, _GOOD_FROM = 2.0, 4.0
_DIMENSIONS: Final = 2**18
_INVERSE_PENALTY: Final = 10.0
_TOKEN: Final = r"[a-zà-ÿ]+(?:'[a-z]+)?|[\u3400-\u9fff]|[!?\uff01\uff1f]+|[\u2600-\u27bf\U0001f000-\U0001faff]"
_LATER_SHARE: Final = 0.3
_DRAWS: Final = 500
_FILE: Final = "sentiment.npz"


@dataclass(frozen=True)
class SentimentModel:
    """One linear model for each fold of accounts, learned from the others.

    `weights` is (folds, n-grams), `of_base` and `intercepts` are (folds,). `base` names the version of the scorer whose
    judgement stands beside the n-grams.
    """

    weights: NDArray[np.float32]
    of_base: Floats
    intercepts: Floats
    base: str

    @cached_property
    def version(self) -> str:
        """A name that is another one wherever a text may be judged otherwise."""
        arrays = (self.weights, self.of_base, self.intercepts)
        content = b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)
        return f"csat-{hashlib.sha256(content + self.base.encode()).hexdigest()[:12]}"

    def polarity(self, texts: Sequence[str], base: Floats, groups: Sequence[str]) -> Floats:
        """How each text sounds, −1 to 1: at 0 the bad rating is as likely as the good one, were both given as often.

        `base` is the judgement of the scorer of that name, `groups` the groups of the accounts that wrote the texts.
        """
        if not texts:
            return np.empty(0)
        counts = _ngrams(texts)
        fold = np.array([GROUPS.index(group) % _FOLDS for group in groups])
        margin = np.empty(len(texts))
        for number in range(_FOLDS):
            here = fold == number
            said = counts[here] @ self.weights[number].astype(np.float64)
            margin[here] = said + self.of_base[number] * base[here] + self.intercepts[number]
        polarity: Floats = np.tanh(margin / 2.0)  # p(good) − p(bad)
        return polarity

    def save(self, folder: Path) -> None:
        """Write the weights into the folder, without pickle."""
        head = json.dumps({"base": self.base, "version": self.version})
        with (folder / _FILE).open("wb") as file:
            np.savez_compressed(
                file,
                weights=self.weights,
                of_base=self.of_base,
                intercepts=self.intercepts,
                head=np.frombuffer(head.encode(), np.uint8),
            )

    @classmethod
    def load(cls, folder: Path) -> Self:
        """What `save` wrote. Raises `CorruptModel` when the file is absent, damaged or was edited."""
        file = folder / _FILE
        try:
            with np.load(io.BytesIO(file.read_bytes()), allow_pickle=False) as held:
                head = json.loads(held["head"].tobytes())
                model = cls(held["weights"], held["of_base"], held["intercepts"], head["base"])
                saved = head["version"]
        except (OSError, ValueError, KeyError, EOFError, BadZipFile, zlib.error) as error:
            raise CorruptModel(
                f"No scorer of ticket texts can be read from {file}: {error}. Restore it, or train again: churn train."
            ) from error
        if model.version != saved:
            raise CorruptModel(
                f"{file} was changed after it was saved: it is {model.version}, expected {saved}. "
                "Restore it, or train again: churn train."
            )
        return model


@dataclass(frozen=True)
class Comparison:
    """How well two scorers tell bad ratings from good ones, on texts of tickets later than all they learned from.

    AUC of each, and what the learned one has more of, with the interval of 95 % of draws of accounts.
    """

    ratings: int
    tested: int
    base: float
    learned: float
    gain: tuple[float, float, float]

    @property
    def is_better(self) -> bool:
        """Whether the learned scorer is better beyond chance."""
        return self.gain[1] > 0.0

    def __str__(self) -> str:
        verdict = "it is used" if self.is_better else "no clear gain, so it is not used"
        return (
            f"Tone of tickets: a scorer learned from {self.ratings:,} rated texts tells bad ratings from good ones, on "
            f"{self.tested:,} later texts, with AUC {self.learned:.2f}; ours with {self.base:.2f} "
            f"(gain {self.gain[1]:+.2f} to {self.gain[2]:+.2f}): {verdict}."
        )

    def as_record(self) -> dict[str, Any]:
        """The comparison as plain data."""
        return {**vars(self), "gain": list(self.gain), "is_better": self.is_better}


@dataclass(frozen=True)
class TooFewRatings:
    """Nothing was tried, for there is too little to learn from or to test on.

    Counted are tickets: all that are `rated`, those whose words were `judged`, those with words that could not be
    (`unread`), and of the judged ones those rated well and badly.
    """

    rated: int
    judged: int
    unread: int
    good: int
    bad: int

    def __str__(self) -> str:
        begin = "Tone of tickets: nothing is learned from ratings:"
        if not self.rated:
            return f"{begin} no ticket is rated."
        mute = {"are in a language that is not judged": self.unread}
        mute["hold no words"] = self.rated - self.judged - self.unread
        apart = ", ".join(f"{count:,} {what}" for what, count in mute.items() if count)
        counted = f"of {self.rated:,} rated tickets the words of {self.judged:,} could be judged"
        counted += apart and f" ({apart})"
        needed = f"and {LEAST_RATED:,} are needed"
        if self.judged >= LEAST_RATED:
            needed = (
                f"{self.good:,} rated well (4 or 5) and {self.bad:,} badly (1 or 2): too few of one kind. "
                f"{LEAST_OF_EACH} of each are needed both among the earlier ratings and among the later tickets"
            )
        named = "; a model that knows the language can be named in [sentiment] model" if self.unread else ""
        return f"{begin} {counted}, {needed}. Give more of the past, or wait for more ratings{named}."

    def as_record(self) -> dict[str, Any]:
        """The counts as plain data, and how many judged tickets are needed."""
        return {**vars(self), "needed": LEAST_RATED, "is_better": False}


def has_words(text: str | None) -> bool:
    """Whether a customer says anything in it, in whatever language: letters that are neither quoted nor pasted.

    >>> has_words("Danke!"), has_words("12:30 ... 👍"), has_words(None)
    (True, False, False)
    """
    return any(character.isalpha() for character in own_words(text or ""))


def learn(rated: pd.DataFrame, base: str) -> SentimentModel | None:
    """A scorer from rated texts; None where the accounts outside some fold gave too few good or too few bad ratings.

    Parameters
    ----------
    rated : one row per text: `text`, `polarity` (that of `base`), `group` (of the account) and `csat`, 1 to 5. A rating
        of 3 says neither and teaches nothing, nor does that of a text which `base` did not judge (NaN).
    base : version of the scorer that gave `polarity`.
    """
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    told = _telling(rated)
    good = (told["csat"] >= _GOOD_FROM).to_numpy(bool)
    fold = told["group"].map(GROUPS.index).to_numpy(np.int64) % _FOLDS
    columns = _beside(_ngrams(told["text"].tolist()), told["polarity"].to_numpy(np.float64))
    coefficients, intercepts = np.empty((_FOLDS, _DIMENSIONS + 1)), np.empty(_FOLDS)
    for number in range(_FOLDS):
        others = fold != number
        if min(good[others].sum(), (~good[others]).sum()) < LEAST_OF_EACH // 2:
            return None
        fitted = LogisticRegression(C=_INVERSE_PENALTY, class_weight="balanced", solver="liblinear", random_state=7)
        with threadpool_limits(1, "blas"):  # it would add long products in another order, and stop elsewhere
            fitted.fit(columns[others], good[others])
        coefficients[number], intercepts[number] = fitted.coef_[0], fitted.intercept_[0]
    return SentimentModel(coefficients[:, :-1].astype(np.float32), coefficients[:, -1].copy(), intercepts, base)


def compare(rated: pd.DataFrame, base: str) -> Comparison | TooFewRatings:
    """Whether learning pays: learned from the earlier ratings, tested on the tickets that were opened after these.

    `rated` has the columns that `learn` needs, and `account_id`, `ticket_id`, `opened_at`, `csat_at`, and `said_at` of
    each text, for what is said after the rating is no earlier text. Nothing is tried with fewer than `LEAST_RATED`
    judged tickets, or too few good and bad ones on either side.
    """
    too_few = _counted(rated)
    if too_few.judged < LEAST_RATED:
        return too_few
    tickets = rated[rated["polarity"].notna()].drop_duplicates("ticket_id")
    cut = tickets["csat_at"].quantile(1.0 - _LATER_SHARE)
    known = _telling(rated[rated[["csat_at", "said_at"]].max(axis=1) < cut])
    later = _telling(rated[rated["opened_at"] >= cut])
    bad = (later["csat"] <= _BAD_UP_TO).to_numpy(bool)
    model = learn(known, base) if min(bad.sum(), (~bad).sum()) >= LEAST_OF_EACH else None
    if model is None:
        return too_few
    by_base = later["polarity"].to_numpy(np.float64)
    by_model = model.polarity(later["text"].tolist(), by_base, later["group"].tolist())
    account, accounts = pd.factorize(later["account_id"], sort=True)
    drawn = np.random.default_rng(7).poisson(1.0, size=(_DRAWS, len(accounts)))
    weight = np.vstack([np.ones((1, len(accounts))), drawn])
    learned, plain = (
        ranking_of_draws(bad, -score, account.astype(np.int64), weight)[0] for score in (by_model, by_base)
    )
    gain = learned - plain
    low, high = np.nanquantile(gain[1:], (0.025, 0.975))
    return Comparison(
        len(known), len(later), float(plain[0]), float(learned[0]), (float(gain[0]), float(low), float(high))
    )


def _telling(rated: pd.DataFrame) -> pd.DataFrame:
    """The judged texts whose rating is good or bad."""
    is_clear = (rated["csat"] <= _BAD_UP_TO) | (rated["csat"] >= _GOOD_FROM)
    return rated[is_clear & rated["polarity"].notna()].reset_index(drop=True)


def _counted(rated: pd.DataFrame) -> TooFewRatings:
    is_judged = rated["polarity"].notna()
    judged = rated[is_judged].drop_duplicates("ticket_id")
    others = rated[~rated["ticket_id"].isin(judged["ticket_id"])]
    unread = others.loc[[has_words(text) for text in others["text"].fillna("")], "ticket_id"].nunique()
    csat = judged["csat"]
    good, bad = int((csat >= _GOOD_FROM).sum()), int((csat <= _BAD_UP_TO).sum())
    return TooFewRatings(rated["ticket_id"].nunique(), len(judged), unread, good, bad)


def _ngrams(texts: Sequence[str]) -> Any:
    """Words and pairs of words, counted and hashed: a sparse matrix (texts, n-grams) with rows of length 1."""
    from sklearn.feature_extraction.text import HashingVectorizer

    hashing = HashingVectorizer(token_pattern=_TOKEN, ngram_range=(1, 2), n_features=_DIMENSIONS, alternate_sign=False)
    return hashing.transform([own_words(text) for text in texts])


def _beside(counts: Any, polarity: Floats) -> Any:
    from scipy.sparse import csr_matrix, hstack

    return hstack([counts, csr_matrix(polarity[:, None])]).tocsr()
