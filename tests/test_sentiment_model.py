"""The scorer learned from ratings: what it learns, what it must not, and whether it is used."""

import hashlib
import json
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from threadpoolctl import threadpool_limits

from models.errors import CorruptModel
from models.sentiment_model import GROUPS, Comparison, SentimentModel, TooFewRatings, compare, learn

BEGAN = datetime(2026, 1, 1)  # noqa: DTZ001 - instants are naive UTC
BAD, GOOD = "the rota widget resets itself", "the rota widget prints in colour"
"""Neither says anything to a general scorer."""


def rated(accounts: int = 120, each: int = 10, *, tells: bool = True, noise: float = 0.1) -> pd.DataFrame:
    """Tickets of so many accounts, two a day; the words tell the rating but for some, or have nothing to do with it."""
    draw = np.random.default_rng(3)
    rows = []
    for number in range(accounts * each):
        account_id = f"A{number % accounts}"
        is_bad = bool(draw.random() < 0.35)
        sounds_bad = is_bad if tells and draw.random() > noise else bool(draw.random() < 0.35)
        opened_at = BEGAN + timedelta(hours=12 * number)
        rows.append(
            {
                "ticket_id": f"T{number}",
                "account_id": account_id,
                "group": hashlib.sha256(account_id.encode()).hexdigest()[0],
                "text": f"{BAD if sounds_bad else GOOD}, ticket {number % 7}",
                "polarity": float(draw.normal(0.0, 0.1)),
                "csat": float(draw.choice([1, 2] if is_bad else [4, 5])),
                "opened_at": opened_at,
                "said_at": opened_at,
                "csat_at": opened_at + timedelta(days=2),
            }
        )
    return pd.DataFrame(rows)


@pytest.fixture(scope="module")
def ratings() -> pd.DataFrame:
    return rated()


@pytest.fixture(scope="module")
def learned(ratings: pd.DataFrame) -> SentimentModel:
    model = learn(ratings, "lexicon")
    assert model is not None
    return model


def heard(model: SentimentModel, texts: list[str], group: str = "0") -> list[float]:
    return [round(float(value), 6) for value in model.polarity(texts, np.zeros(len(texts)), [group] * len(texts))]


def test_what_is_learned_does_not_depend_on_the_number_of_threads(ratings: pd.DataFrame) -> None:
    """A long product on two threads is added up in another order, and the last digit decides when learning stops."""

    learned = []
    for threads in (1, 2, 3):
        with threadpool_limits(threads):
            learned.append(learn(ratings, "lexicon"))
    assert learned[0] is not None
    assert {each.version for each in learned if each is not None} == {learned[0].version}


def test_it_learns_what_hurts_in_this_product(learned: SentimentModel) -> None:
    for group in GROUPS:
        bad, good = heard(learned, [BAD, GOOD], group)
        assert bad < -0.3 < 0.3 < good


def test_the_general_scorer_goes_on_counting(learned: SentimentModel) -> None:
    """Where ratings follow it, too, a text with unknown words is judged by it."""
    table = rated()
    table["polarity"] = np.where(table["csat"] <= 2, -0.5, 0.5)
    model = learn(table, "lexicon")
    assert model is not None
    low, high = model.polarity(["unheard of", "unheard of"], np.array([-0.8, 0.8]), ["0", "0"])
    assert low < -0.3 < 0.3 < high


def test_used_where_it_is_better(ratings: pd.DataFrame) -> None:
    """Learned from the earlier seven tenths, tested on tickets that were opened after them."""
    found = compare(ratings, "lexicon")
    assert isinstance(found, Comparison)
    assert found.is_better
    assert found.learned > 0.9
    assert found.base == pytest.approx(0.5, abs=0.1)
    assert found.ratings + found.tested <= len(ratings)
    assert "it is used" in str(found)


def test_not_used_where_ratings_have_nothing_to_do_with_the_words() -> None:
    found = compare(rated(tells=False), "lexicon")
    assert isinstance(found, Comparison)
    assert not found.is_better
    assert "it is not used" in str(found)


def test_a_rating_given_later_does_not_help_to_pass_the_test(ratings: pd.DataFrame) -> None:
    """Planted: what the words mean turns round at the cut. Who had learned from later ratings would still be right."""
    cut = ratings["csat_at"].quantile(0.7)
    turned = ratings.copy()
    turned.loc[turned["opened_at"] >= cut, "csat"] = 6 - turned["csat"]
    found = compare(turned, "lexicon")
    assert isinstance(found, Comparison)
    assert found.learned < 0.1
    assert not found.is_better


def test_a_message_sent_later_does_not_help_to_pass_the_test(ratings: pd.DataFrame) -> None:
    """In a ticket that was rated before the cut, but of words that nobody had written by then."""
    cut = ratings["csat_at"].quantile(0.7)
    first = ratings.assign(text="please have a look")
    later = ratings[ratings["csat_at"] < cut].assign(said_at=cut + timedelta(days=1))
    tested = ratings[ratings["opened_at"] >= cut]
    found = compare(pd.concat([first[first["csat_at"] < cut], later, tested], ignore_index=True), "lexicon")
    assert isinstance(found, Comparison)
    assert found.learned < 0.6


@pytest.mark.parametrize(
    ("table", "told"),
    [
        (rated(each=8), "of 960 rated tickets the words of 960 could be judged, and 1,000 are needed."),
        (rated().assign(csat=5.0), "1,200 rated well (4 or 5) and 0 badly (1 or 2)"),
        (rated().assign(csat=3.0), "0 rated well (4 or 5) and 0 badly (1 or 2)"),
        (rated().iloc[:0], "no ticket is rated"),
    ],
    ids=["960 tickets", "all of them good", "neither good nor bad", "none"],
)
def test_too_little_to_learn_from(table: pd.DataFrame, told: str) -> None:
    """It says how much there is, and how much it takes."""
    found = compare(table, "lexicon")
    assert isinstance(found, TooFewRatings)
    assert told in str(found)


def test_ratings_of_words_that_nobody_judged_do_not_count() -> None:
    """A rating of a German ticket teaches nothing, nor that of one without words; they are told apart."""
    table = rated()
    table.loc[:399, ["text", "polarity"]] = ["Der Plan ist weg", np.nan]
    table.loc[400:499, ["text", "polarity"]] = ["12:30", np.nan]
    table.loc[500:509, ["text", "polarity"]] = [None, np.nan]
    found = compare(table, "lexicon")
    assert isinstance(found, TooFewRatings)
    assert (1200, 690, 400) == (found.rated, found.judged, found.unread)
    assert "400 are in a language that is not judged, 110 hold no words" in str(found)
    assert "[sentiment] model" in str(found)
    assert "[sentiment] model" not in str(compare(rated(each=8), "lexicon"))
    assert found.as_record()["unread"] == 400
    half = rated(each=20)
    half.loc[:9, ["text", "polarity"]] = [None, np.nan]
    assert isinstance(compare(half, "lexicon"), Comparison)
    assert isinstance(learn(half, "lexicon"), SentimentModel)


def test_the_ratings_of_an_account_have_no_part_in_how_its_words_sound(
    ratings: pd.DataFrame, learned: SentimentModel
) -> None:
    """Turned round, they change the judgement of others, and of its own texts not a bit."""
    own = ratings[ratings["account_id"] == "A5"]
    turned = ratings.copy()
    turned.loc[own.index, "csat"] = 6 - turned["csat"]
    other = learn(turned, "lexicon")
    assert other is not None
    group = own["group"].iloc[0]
    texts = own["text"].tolist()
    assert heard(learned, texts, group) == heard(other, texts, group)
    elsewhere = GROUPS[(GROUPS.index(group) + 1) % len(GROUPS)]
    assert heard(learned, texts, elsewhere) != heard(other, texts, elsewhere)


def test_saved_and_loaded_it_judges_alike(learned: SentimentModel, tmp_path: Path) -> None:
    learned.save(tmp_path)
    loaded = SentimentModel.load(tmp_path)
    texts = [BAD, GOOD, "", "退款", "!!!"]
    assert (learned.version, heard(learned, texts)) == (loaded.version, heard(loaded, texts))


def test_it_holds_no_word_of_a_ticket(learned: SentimentModel, tmp_path: Path) -> None:
    """Numbers alone, and the versions: weights stand under the hashes of words."""
    learned.save(tmp_path)
    with np.load(tmp_path / "sentiment.npz", allow_pickle=False) as held:
        kinds = {name: held[name].dtype.kind for name in held.files}
        head = json.loads(held["head"].tobytes())
    assert {"weights": "f", "of_base": "f", "intercepts": "f", "head": "u"} == kinds
    assert {"base": "lexicon", "version": learned.version} == head


@pytest.mark.parametrize("harm", ["gone", "cut", "edited"])
def test_a_damaged_file_is_refused(learned: SentimentModel, tmp_path: Path, harm: str) -> None:
    learned.save(tmp_path)
    file = tmp_path / "sentiment.npz"
    if harm == "gone":
        file.unlink()
    elif harm == "cut":
        file.write_bytes(file.read_bytes()[:-100])
    else:
        with np.load(file) as held:
            arrays = {name: held[name] for name in held.files}
        np.savez_compressed(file, **{**arrays, "intercepts": arrays["intercepts"] + 1})
    with pytest.raises(CorruptModel, match=r"sentiment\.npz"):
        SentimentModel.load(tmp_path)


def test_of_a_few_hundred_texts_none_is_judged_beyond_its_bounds(learned: SentimentModel) -> None:
    texts = ["a" * 10_000, "😡" * 99, "\x00", " ", "Ω" * 50, BAD * 99]
    assert all(-1.0 <= value <= 1.0 for value in heard(learned, texts))
    assert [] == heard(learned, [])
