"""What a customer success manager sees in the terminal: calls instead of rows, counts that say what they count."""

import math
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from sample_nights import BANDS, CATALOGUE, NIGHT, NOW, reason, run, scored
from sqlalchemy import Engine

from pipeline.book import make_book
from pipeline.morning import account_page, list_page, skill_line
from pipeline.publication import publish
from pipeline.store import connect, night, reading

HEADLINE: dict[str, Any] = {
    "demo": False,
    "customers": 28,
    "states": {"candidate": 7, "watch": 20, "new": 1, "leaving": 1, "lapsed": 2},
    "horizon_days": 60,
    "base_rate": 0.05,
    "bands": {"high": 3, "medium": 4, "low": 20},
    "usage_until": "2026-11-01",
    "backtest": None,
}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Engine]:
    engine = connect(f"sqlite:///{tmp_path / 'churn.db'}")
    yield engine
    engine.dispose()


def shown_list(store: Engine, frame: Any, limit: int = 5, **headline: Any) -> list[str]:
    made = make_book(frame, bands=BANDS, new_days=28, as_of=NIGHT)
    publish(store, run("r1", **HEADLINE | headline), made, CATALOGUE, finished_at=NOW)
    return list_page(store, "", limit=limit).splitlines()


def shown_account(store: Engine, account_id: str) -> str:
    with reading(store) as connection:
        header = night(connection)
    assert header is not None
    return account_page(store, account_id, header) or ""


def group_of_three() -> Any:
    """A parent of another owner's, and three accounts below it that one manager calls once."""
    frame = scored(4)
    frame["root_id"] = ["A-00000", "A-00000", "A-00000", "A-00003"]
    frame["owner"] = "mei@example.com"
    frame["mrr"] = [1000.0, 2000.0, 3000.0, 4000.0]
    for row, risk in enumerate((0.5, 0.6, 0.05, 0.4)):
        log_odds = math.log(risk / (1 - risk))
        frame.at[row, "reasons"][-1]["contribution"] += log_odds - frame.at[row, "log_odds"]
        frame.at[row, "families"]["usage"] += log_odds - frame.at[row, "log_odds"]
        frame.loc[row, ["risk", "log_odds"]] = [risk, log_odds]
    return frame


def test_a_group_is_one_entry_with_its_sum(store: Engine) -> None:
    """The parent's name, how many accounts it stands for, what is at stake in all of them, the worst one's reasons."""
    page = shown_list(store, group_of_three())
    first, second = (line for line in page if re.match(r" \d  ", line))
    assert re.match(r" 1  Customer 0 +3 in 5 .*MRR +6,000 .*at stake +1,850 .*CSM mei@example.com", first), first
    assert re.match(r" 2  Customer 3 +2 in 5 .*MRR +4,000 .*at stake +1,600 ", second), second
    assert first.endswith("   A-00001")
    assert "    3 accounts, one call; the odds and reasons are those of Customer 1." in page
    assert "One account: churn explain A-00001 · Your own data: churn init FOLDER" in page


def test_the_headline_says_what_it_counts(store: Engine) -> None:
    """Accounts, and apart from them those that are leaving or lapsed."""
    [first, second, *_] = shown_list(store, group_of_three())
    assert first == "Night of Mon 2 Nov 2026 · 28 accounts, besides 1 leaving and 2 lapsed · 5 in 100 leave in 60 days"
    assert second == "Accounts at high risk (17 % or more): 3 · at medium risk (10 % or more): 4"


@pytest.mark.parametrize(("until", "told"), [("2026-11-01", False), ("2026-10-31", True), (None, False)])
def test_usage_that_ends_early_is_told_before_anything_is_said_of_use(
    store: Engine, until: str | None, told: bool
) -> None:
    """Every account is silent after that; no reader has to guess that it was the table."""
    line = "Usage data end on 31 October: what accounts did after that is not known."
    page = shown_list(store, group_of_three(), usage_until=until)
    assert [line] * told == [found for found in page[:4] if "Usage data" in found]
    assert told == (line in shown_account(store, "A-00001").splitlines()[:4])


def test_an_account_is_explained_as_it_is_listed(store: Engine) -> None:
    """The list's sentences first, each group once with its weight; every column adds up to the risk."""
    frame = group_of_three()
    found = [
        reason("support", "tickets_28", 4.0, 0.5),
        reason("usage", "active_days_28", 6.0, 0.4),
        reason("usage", "active_days_trend", -1.1, 0.3),
        reason("usage", "days_since_use", 9.0, -0.2),
        reason("support", "csat_84", 4.0, -0.1, contradicts=True),
    ]
    left = frame.at[1, "log_odds"] - frame.at[1, "base_log_odds"] - math.fsum(each["contribution"] for each in found)
    frame.at[1, "reasons"] = [*found, reason("other", "rest", None, left)]
    frame.at[1, "facts"] = {"active_days_28": 6.0, "active_days_usual": 19.2}
    listed = [line.strip() for line in shown_list(store, frame) if line.startswith("    ")][1:3]
    page = shown_account(store, "A-00001")
    lines = [re.fullmatch(r" +([+-]\d+\.\d{3}) +(?:[\d.]+ %)? *(.*)", line) for line in page.splitlines()]
    table = [(float(line[1]), line[2]) for line in lines if line]
    assert [
        (0.7, f"main reason          {listed[0]}"),
        (0.5, f"adds                 {listed[1]}"),
        (-0.2, "speaks for staying   Last used 9 days ago."),
    ] == table[:3]
    *parts, total = [contribution for contribution, _ in table]
    assert total == pytest.approx(math.fsum(parts), abs=0.0005 * len(table))
    families = re.search(r"By family: (.+)", page)
    assert families
    by_family = [float(number) for number in re.findall(r"[+-]\d+\.\d{3}", families[1])]
    assert total == pytest.approx(math.fsum(by_family), abs=0.0005 * (len(by_family) + 1))


def test_a_short_list_says_so(store: Engine) -> None:
    """Nobody above the threshold is no empty page."""
    frame = scored(2).assign(state="leaving", last_day=date(2026, 12, 1))
    page = shown_list(store, frame, states={"leaving": 2}, customers=0, bands={"high": 0, "medium": 0, "low": 0})
    assert "No customer is above 10 %." in page
    assert "besides 2 leaving ·" in page[0]


def test_an_order_no_better_than_chance_is_called_that() -> None:
    """A list of the largest customers finds much of the MRR that leaves, whatever the model knows."""
    skill = {
        "mrr_recall": {"model": {"value": 0.33}, "days to renewal": {"value": 0.09}},
        "auc": {"value": 0.498, "low": 0.452, "high": 0.548},
        "enough": True,
        "capacity": 10,
    }
    assert skill_line({"backtest": skill}) == (
        "How good is this? It has shown no skill on your data: AUC 0.50 (0.45 to 0.55), and 0.5 is chance.   "
        "churn backtest"
    )
    assert "found 33 %" in skill_line({"backtest": skill | {"auc": {"value": 0.7, "low": 0.6, "high": 0.8}}})


def test_the_skill_line_hides_no_simple_model() -> None:
    """A logistic regression is named with its figure, better or worse: whoever reads may want the simpler one."""
    shares = {"model": 0.44, "days to renewal": 0.2, "last use": 0.11, "logistic model": 0.49}
    skill = {
        "mrr_recall": {name: {"value": share} for name, share in shares.items()},
        "enough": True,
        "capacity": 120,
    }
    assert skill_line({"backtest": skill}) == (
        "How good is this? It found 44 % of the MRR that later left, with 120 accounts on each list; a list by renewal "
        "date 20 %, by last use 11 %, by logistic regression 49 %.   churn backtest"
    )
