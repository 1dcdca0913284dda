"""What `churn monitor` concludes, and its page with pictures: alarms where something is wrong, and nowhere else."""

import math
import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sample_nights import CATALOGUE, NOW, booked, publish, run
from sqlalchemy import Engine

from features.contract import Severity
from models.bootstrap import Figure
from models.curves import calibration_curve
from models.drift import Drift
from models.evaluate import Evaluation, evaluate
from pipeline.monitor_page import monitor_page
from pipeline.monitored import Monitored, Outcome, Verdict
from pipeline.monitoring import night_like
from pipeline.store.connection import reading
from pipeline.store.nights import Night, published
from pipeline.violation import Violation

NIGHT = date(2026, 11, 2)
NIGHTS = [NIGHT - timedelta(days=100 + number) for number in range(20, 0, -1)]
AT = datetime(2026, 11, 2, 3, tzinfo=UTC)
PROMISED = {"value": 0.80, "low": 0.76, "high": 0.84}
SHOWN = Night("r1", NIGHT, "3", "c1", AT, AT, 800, "d", {"company": "Rosterly", "horizon_days": 60}, (), False)


def matured(seed: int, *, times: float = 1.0, told: float = 1.0) -> pd.DataFrame:
    """Nights of 800 accounts whose risks are true but for `times`, and tell them apart as far as `told`."""
    rng = np.random.default_rng(seed)
    truth = 1 / (1 + np.exp(2.6 - 1.3 * rng.standard_normal(800)))
    ids = [f"A-{number}" for number in range(800)]
    leaves = rng.random(800) < truth
    given = np.clip(times * truth, 0, 1) if told else rng.permutation(truth)
    nights = [
        pd.DataFrame(
            {
                "account_id": ids,
                "root_id": ids,
                "as_of": pd.Timestamp(night),
                "mrr": 100.0,
                "risk": given,
                "label": leaves,
                "churn_on": pd.Timestamp(night + timedelta(days=30)),
            }
        )
        for night in NIGHTS[::10]
    ]
    return pd.concat(nights, ignore_index=True)


def judged(frame: pd.DataFrame) -> Evaluation:
    return evaluate(frame, frame["risk"].to_numpy(np.float64), capacity=40)


def drift(name: str, index: float, **more: Any) -> Drift:
    return Drift(**{"name": name, "index": index, "by_chance": 0.12, "missing_then": 0.0, "missing_now": 0.0} | more)


@pytest.fixture(scope="module")
def found() -> Monitored:
    """Nothing is wrong."""
    frame = matured(seed=3)
    return Monitored(
        shown=SHOWN,
        capacity=40,
        drifted=tuple(drift(f"feature_{number}", 0.01 * number) for number in range(12)),
        made_on=date(2026, 6, 1),
        drift_on=NIGHT,
        expected={
            "auc": Figure(0.80, 0.78, 0.82),
            "departures": Figure(40, 30, 50),
            "precision": Figure(0.25, 0.2, 0.3),
        },
        promised=PROMISED,
        realised=judged(frame),
        outcomes=tuple(Outcome(night, 800, 0.06, 0.05 + 0.002 * place) for place, night in enumerate(NIGHTS)),
        curve=calibration_curve(frame, frame["risk"].to_numpy(np.float64)),
        matures_on=NIGHT + timedelta(days=90),
        gaps=(),
    )


def test_nothing_wrong_is_fine(found: Monitored) -> None:
    assert dict.fromkeys(("drift", "expected", "realised", "tables"), Verdict.FINE) == found.verdicts


@pytest.mark.parametrize(
    ("look", "changed", "verdict"),
    [
        ("drift", {"drifted": (drift("seats", 0.3),)}, Verdict.LOOK),
        ("drift", {"drifted": None}, Verdict.UNKNOWN),
        ("drift", {"drifted": None, "drift_on": None}, Verdict.UNKNOWN),
        ("expected", {"expected": {"auc": Figure(0.70, 0.68, 0.72)}}, Verdict.LOOK),
        ("expected", {"expected": {"auc": Figure(0.75, 0.72, 0.77)}}, Verdict.FINE),
        ("expected", {"expected": {}}, Verdict.UNKNOWN),
        ("expected", {"expected": {"auc": Figure(math.nan, math.nan, math.nan)}}, Verdict.UNKNOWN),
        ("expected", {"promised": None}, Verdict.UNKNOWN),
        ("expected", {"promised": {"value": None, "low": None, "high": None}}, Verdict.UNKNOWN),
        ("realised", {"realised": judged(matured(seed=3, times=1.5))}, Verdict.LOOK),
        ("realised", {"realised": judged(matured(seed=3, told=0))}, Verdict.LOOK),
        ("realised", {"realised": judged(matured(seed=3).head(200))}, Verdict.UNKNOWN),
        ("realised", {"realised": None}, Verdict.UNKNOWN),
        (
            "tables",
            {"gaps": (Violation("usage", "occurred_at", "is old", None, None, (), "Load it.", Severity.WARN),)},
            Verdict.LOOK,
        ),
    ],
)
def test_each_look_has_its_alarm(found: Monitored, look: str, changed: dict[str, Any], verdict: Verdict) -> None:
    verdicts = replace(found, **changed).verdicts
    assert verdict == verdicts[look]
    assert verdicts.items() - {(look, verdict)} <= found.verdicts.items(), "no other look is moved by it"


def test_true_risks_are_rarely_called_wrong(found: Monitored) -> None:
    """Of forty companies whose risks are true at most five; 95 % intervals let two be expected."""
    alarms = [replace(found, realised=judged(matured(seed))).verdicts["realised"] for seed in range(40)]
    assert alarms.count(Verdict.LOOK) <= 5
    assert Verdict.UNKNOWN not in alarms


@pytest.mark.parametrize(
    ("nights", "like"),
    [
        pytest.param(dict.fromkeys(range(8), "2"), 5, id="each day: that of the weekday"),
        pytest.param({0: "2"}, 0, id="one a week: that one"),
        pytest.param({0: "2", 1: "2", 2: "2", 4: "2", 6: "2"}, None, id="that of the weekday did not run"),
        pytest.param({0: "2", 1: "2", 5: "1"}, None, id="another model gave it"),
        pytest.param({0: "2", 1: "2", 12: "2"}, None, id="it is too old"),
    ],
)
def test_a_night_stands_beside_a_day_of_its_own_weekday(
    store: Engine, nights: dict[int, str], like: int | None
) -> None:
    """Nights by the days before the newest one, a Monday, and the model of each, which was made on a Wednesday."""
    made = booked(3)
    for ago, version in sorted(nights.items(), reverse=True):
        of = run(f"{ago}", as_of=NIGHT - timedelta(days=ago), model_version=version, model_digest=version)
        publish(store, of, made, CATALOGUE, finished_at=NOW)
    with reading(store) as connection:
        found = night_like(connection, published(connection, None), date(2026, 5, 6))
    assert (None if like is None else NIGHT - timedelta(days=like)) == (None if found is None else found.as_of)


def test_drift_says_which_days_it_stands_between(found: Monitored) -> None:
    assert "between Monday, 2026-06-01, and Monday, 2026-11-02, none beyond chance in 11" in found.told()
    tuesday = replace(found, made_on=date(2026, 6, 2), drifted=(drift("days_since_use", 0.3),))
    assert "differs by the weekday alone" in tuesday.told()
    assert "differs by the weekday alone" not in replace(found, drifted=tuesday.drifted).told()
    assert "in the last week it gave no night of a Tuesday" in replace(tuesday, drifted=None, drift_on=None).told()


class Page(HTMLParser):
    """The elements of a page, and whether each that was opened was closed."""

    VOID = frozenset({"meta", "br", "line", "circle", "polyline"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self.count: dict[str, int] = {}
        self.open: list[str] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.count[tag] = self.count.get(tag, 0) + 1
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: object) -> None:
        self.count[tag] = self.count.get(tag, 0) + 1

    def handle_endtag(self, tag: str) -> None:
        assert tag == self.open.pop()

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_shows_what_was_found_and_asks_nothing_of_any_host(found: Monitored) -> None:
    odd = drift("segment", 0.5, new=(("<script>alert(1)</script>", 0.2),), missing_now=0.25)
    html = monitor_page(replace(found, drifted=(odd, *(found.drifted or ()))))
    page = Page(html)
    assert [] == page.open
    assert (2, None) == (page.count["svg"], page.count.get("script"))
    assert len(NIGHTS) + 10 == page.count["circle"]
    assert "0.50, by chance up to 0.12; missing 0%, now 25%; new: <script>alert(1)</script> (20%)" in page.text
    assert "Driftlook into it" in page.text
    assert 3 == page.text.count("nothing beyond chance")
    assert not re.findall(r"https?:|src=|href=|url\(|@import", html)


def test_a_page_where_little_is_known(found: Monitored) -> None:
    """A first night by rules: nothing is expected, nothing has come yet, and no chart has nothing in it."""
    rules = replace(SHOWN, headline=SHOWN.headline | {"starter": {"departures": 12, "needed": 100}})
    unknown = dict.fromkeys(("drifted", "made_on", "drift_on", "promised", "realised"))
    young = replace(found, shown=rules, expected={}, outcomes=(), curve=(), **unknown)
    page = Page(monitor_page(young))
    assert [] == page.open
    assert "svg" not in page.count
    assert "No night is old enough" in page.text.replace("no night", "No night")
    assert "%" not in page.text.partition("Drift: do tonight")[2]


def test_one_matured_night_is_a_point(found: Monitored) -> None:
    page = Page(monitor_page(replace(found, outcomes=found.outcomes[:1], curve=())))
    assert (1, 1) == (page.count["svg"], page.count["circle"])
