"""What a customer success manager sees in the terminal: calls instead of rows, counts that say what they count."""

import math
import re
from datetime import date
from typing import Any

import pandas as pd
import pytest
from rich.cells import cell_len
from sample_nights import BANDS, CATALOGUE, NIGHT, NOW, make_book, publish, reason, run, scored
from sqlalchemy import Engine

from models.backtest import Backtest
from models.bootstrap import Figure
from models.evaluate import Evaluation
from pipeline.morning import account_page, list_page
from pipeline.skill import skill_line, skill_table
from pipeline.store.connection import reading
from pipeline.store.nights import book, night

HEADLINE: dict[str, Any] = {
    "currency": "EUR",
    "definition": "subscription",
    "demo": False,
    "customers": 28,
    "states": {"candidate": 7, "watch": 20, "new": 1, "leaving": 1, "lapsed": 2},
    "horizon_days": 60,
    "base_rate": 0.05,
    "bands": {"high": 3, "medium": 4, "low": 20},
    "usage_until": "2026-11-01",
    "backtest": None,
}


def shown_list(store: Engine, frame: Any, limit: int = 5, **headline: Any) -> list[str]:
    made = make_book(frame, bands=BANDS, new_days=28, as_of=NIGHT)
    publish(store, run("r1", **HEADLINE | headline), made, CATALOGUE, finished_at=NOW)
    return list_page(store, "", limit=limit).splitlines()


def shown_account(store: Engine, account_id: str) -> str:
    with reading(store) as connection:
        header = night(connection)
    assert header is not None
    return account_page(store, account_id, header) or ""


def test_an_account_is_told_in_chinese_where_that_is_asked_for(store: Engine) -> None:
    """Sentences and what stands beside them; the columns stay below one another on a terminal."""
    made = make_book(scored(1), bands=BANDS, new_days=28, as_of=NIGHT)
    use, tickets, rest = made.at[0, "reasons"]
    rest["contribution"] += use["contribution"] + tickets["contribution"] - 0.75
    use["contribution"], tickets["contribution"] = 0.5, 0.25
    publish(store, run("r1", **HEADLINE), made, CATALOGUE, finished_at=NOW)
    with reading(store) as connection:
        header = night(connection)
    assert header is not None
    page = (account_page(store, "A-00000", header, "zh") or "").splitlines()
    first, second = (line for line in page if line.endswith("。"))
    assert first.split()[-5:] == ["近", "28", "天只有", "6", "天在用,平时是", "19", "天。"][-5:]
    assert "主要原因" in first
    assert "也有影响" in second
    assert cell_len(first[: first.index("近")]) == cell_len(second[: second.index("近")])
    assert cell_len(first[: first.index("近")]) == len("log-odds  without it") + len(f"  {'':<18}  ")


def test_other_horizons_stand_in_one_line(store: Engine) -> None:
    """Where the model knows no others, there is no such line."""
    frame = scored(1)
    frame["horizons"] = [{30: 1 / 30, 60: 1 / 13, 90: 1 / 9}]
    made = make_book(frame, bands=BANDS, new_days=28, as_of=NIGHT)
    publish(store, run("r1", **HEADLINE), made, CATALOGUE, finished_at=NOW)
    assert "\nWithin 30 days 1 in 30, 60: 1 in 13, 90: 1 in 9.\n" in shown_account(store, "A-00000")
    publish(store, run("r2", **HEADLINE), made, CATALOGUE | {"horizons": [60]}, finished_at=NOW)
    assert "\nWithin " not in shown_account(store, "A-00000")


def test_an_account_without_a_risk_has_none_within_any_days(store: Engine) -> None:
    frame = scored(2)
    frame.loc[0, "state"] = "leaving"
    publish(
        store,
        run("r1", **HEADLINE),
        make_book(frame, bands=BANDS, new_days=28, as_of=NIGHT),
        CATALOGUE,
        finished_at=NOW,
    )
    with reading(store) as connection:
        header = night(connection)
        assert header is not None
        stored = {each.account_id: each.horizons for each in book(connection, header)}
    assert stored == {
        "A-00000": {},
        "A-00001": frame.at[1, "horizons"],
    }


LIKELY = "If they leave, it will most likely be over payment: dunning, no call."
WEIGHS = "What raises their risk most is billing: dunning, no call."


@pytest.mark.parametrize(
    ("involuntary", "billing", "told"),
    [(0.7, 0.0, [LIKELY]), (0.7, 2.5, [LIKELY]), (0.2, 2.5, [WEIGHS]), (None, 2.5, [WEIGHS]), (0.2, 1.5, [])],
)
def test_payment_is_told_in_one_sentence(
    store: Engine, involuntary: float | None, billing: float, told: list[str]
) -> None:
    """It says no more than is known: that billing weighs most is no word on how they would leave."""
    frame = scored(1).assign(involuntary=involuntary)
    families = {"usage": 2.0, "billing": billing}
    log_odds = -3.0 + sum(families.values())
    frame["families"], frame["reasons"] = [families], [[reason("other", "rest", None, sum(families.values()))]]
    frame["log_odds"], frame["risk"] = log_odds, 1 / (1 + math.exp(-log_odds))
    made = make_book(frame, bands=BANDS, new_days=28, as_of=NIGHT)
    publish(store, run("r1", **HEADLINE), made, CATALOGUE, finished_at=NOW)
    page = shown_account(store, "A-00000")
    assert told == [sentence for sentence in (LIKELY, WEIGHS) if sentence in page]


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
    assert first == " 1  Customer 0  3 in 5  high  MRR 6,000  at stake 1,850  CSM mei@example.com  A-00001"
    assert second == " 2  Customer 3  2 in 5  high  MRR 4,000  at stake 1,600  CSM mei@example.com  A-00003"
    assert (
        "    3 accounts, one call: MRR and at stake are of all 3; odds and reasons are those of Customer 1." in page
    ), page


def test_a_group_without_money_has_nothing_to_add_up(store: Engine) -> None:
    page = shown_list(store, group_of_three().assign(mrr=None))
    assert "    3 accounts, one call: odds and reasons are those of Customer 1." in page


def test_the_headline_says_what_it_counts(store: Engine) -> None:
    """Accounts, and apart from them those that are leaving or lapsed."""
    [first, second, *_] = shown_list(store, group_of_three())
    assert first == "Night of Mon 2 Nov 2026 · 28 accounts, besides 1 leaving and 2 lapsed · 5 in 100 leave in 60 days"
    assert second == "Accounts at high risk (17 % or more): 3 · at medium risk (9.5 % or more): 4"


@pytest.mark.parametrize(
    ("mrr", "headline", "told"),
    [
        (9.0, {}, "Most MRR at stake first (risk × MRR, EUR). Not listed: accounts at low risk, 1 new."),
        (
            9.0,
            {"states": {"new": 72, "payment": 1315}},
            "Most MRR at stake first (risk × MRR, EUR). Not listed: accounts at low risk, 72 new, 1,315 to be "
            "reminded of payment.",
        ),
        (
            9.0,
            {"states": {}, "definition": "inactivity"},
            "Most orders at stake first (risk × orders in 30 days, EUR). Not listed: accounts at low risk.",
        ),
        (None, {"states": {}, "definition": "inactivity"}, "Highest risk first. Not listed: accounts at low risk."),
    ],
)
def test_the_list_says_how_it_is_sorted_and_who_is_not_on_it(
    store: Engine, mrr: float | None, headline: dict[str, Any], told: str
) -> None:
    """More may be at stake in an account at low risk than in the first of the list: nobody has to wonder."""
    page = shown_list(store, group_of_three().assign(mrr=mrr), **headline)
    assert [told, ""] == page[2:4]


def test_without_subscriptions_no_money_is_called_recurring(store: Engine) -> None:
    """It is what they ordered, per 30 days: the sentences of such a company say "Orders of 322 GBP" as well."""
    page = shown_list(store, group_of_three(), definition="inactivity", currency="GBP")
    [first] = [line for line in page if line.startswith(" 1  ")]
    assert "  orders 6,000  at stake 1,850  " in first
    assert (
        "    3 accounts, one call: orders and at stake are of all 3; odds and reasons are those of Customer 1." in page
    )
    assert "orders 2,000 GBP in 30 days · at stake 1,200" in shown_account(store, "A-00001")
    assert "MRR" not in "\n".join(page) + shown_account(store, "A-00001")


def test_columns_stand_below_one_another(store: Engine) -> None:
    """A Chinese character is two cells wide, a name may be cut, an amount or an owner may be missing."""
    frame = scored(4).assign(risk=[0.5, 0.11, 0.4, 0.3], mrr=[1e6, 12.0, None, 3.0])
    frame["name"] = ["崂山同德齿科", "B" * 40, "Crème & Co", None]
    frame["owner"] = ["ines@e.com", None, "mei@e.com", "mei@e.com"]
    for row, risk in enumerate(frame["risk"]):
        log_odds = math.log(risk / (1 - risk))
        for holder in (frame.at[row, "reasons"][-1], frame.at[row, "families"]):
            key = "contribution" if "contribution" in holder else "usage"
            holder[key] += log_odds - frame.at[row, "log_odds"]
        frame.loc[row, "log_odds"] = log_odds
    assert [line for line in shown_list(store, frame) if re.match(r" \d  ", line)] == [
        " 1  崂山同德齿科                  1 in 2  high    MRR 1,000,000  at stake 500,000  CSM ines@e.com  A-00000",
        " 2  BBBBBBBBBBBBBBBBBBBBBBBBBBBB  1 in 9  medium  MRR        12  at stake       1                  A-00001",
        " 3                                1 in 3  high    MRR         3  at stake       1  CSM mei@e.com   A-00003",
        " 4  Crème & Co                    2 in 5  high                                     CSM mei@e.com   A-00002",
    ]


@pytest.mark.parametrize(("demo", "onward"), [(False, ""), (True, " · Your own data: churn init FOLDER")])
def test_only_a_demo_leads_to_data_of_ones_own(store: Engine, demo: bool, onward: str) -> None:
    """Whoever reads a night of their own has been there."""
    assert f"One account: churn explain A-00001{onward}" == shown_list(store, group_of_three(), demo=demo)[-1]


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
        (0.7, f"main reason         {listed[0]}"),
        (0.5, f"adds                {listed[1]}"),
        (-0.2, "speaks for staying  Last used 9 days ago."),
    ] == table[:3]
    *parts, total = [contribution for contribution, _ in table]
    assert total == pytest.approx(math.fsum(parts), abs=0.0005 * len(table))
    families = re.search(r"By family: (.+)", page)
    assert families
    by_family = [float(number) for number in re.findall(r"[+-]\d+\.\d{3}", families[1])]
    assert total == pytest.approx(math.fsum(by_family), abs=0.0005 * (len(by_family) + 1))


def test_accounts_without_names_are_called_by_their_ids_once(store: Engine) -> None:
    titles = [line for line in shown_list(store, scored(9).assign(name=None)) if re.match(r" \d  ", line)]
    assert titles
    assert [1] * len(titles) == [len(re.findall(r"A-\d{5}", title)) for title in titles]
    assert shown_account(store, "A-00000").startswith("A-00000 · night of")


def test_a_short_list_says_so(store: Engine) -> None:
    """Nobody above the threshold is no empty page."""
    frame = scored(2).assign(state="leaving", last_day=date(2026, 12, 1))
    page = shown_list(store, frame, states={"leaving": 2}, customers=0, bands={"high": 0, "medium": 0, "low": 0})
    assert "No customer is above 9.5 %." in page
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


def test_too_few_tested_departures_are_told_apart_from_those_known() -> None:
    """Of 58 that the tables hold 17 may be tested: whoever reads both should know where the others are."""
    told = skill_line({"backtest": {"enough": False, "departures": 17}})
    assert told == (
        "How good is this? Too few departures to say: 17 came after the dates tested; the earlier ones taught the "
        "models.   churn backtest"
    )


def test_the_skill_line_hides_no_simple_list() -> None:
    """A list by size, a logistic regression: named with their figures, better or worse, whatever one may prefer."""
    shares = {"model": 0.44, "MRR": 0.4, "days to renewal": 0.2, "last use": 0.11, "logistic model": 0.49}
    skill = {
        "mrr_recall": {name: {"value": share} for name, share in shares.items()},
        "enough": True,
        "capacity": 120,
    }
    told = (
        "How good is this? It found 44 % of the MRR later lost, with 120 accounts on each list.   churn backtest\n"
        "Simple lists found: by MRR 40 %, by renewal date 20 %, by last use 11 %, by logistic regression 49 %."
    )
    assert told == skill_line({"backtest": skill})
    assert told.replace("MRR", "orders") == skill_line({"backtest": skill, "definition": "inactivity"})


def test_a_night_published_before_there_were_so_many_lists_still_prints() -> None:
    skill = {
        "mrr_recall": {"model": {"value": None}, "days to renewal": {"value": None}},
        "recall": {"model": {"value": 0.4}, "days to renewal": {"value": 0.1}},
        "enough": True,
        "capacity": 1,
    }
    assert skill_line({"backtest": skill}) == (
        "How good is this? It found 40 % of those that later left, with 1 account on each list.   churn backtest\n"
        "Simple lists found: by renewal date 10 %."
    )
    alone = {**skill, "recall": {"model": {"value": 0.4}}}
    assert "\n" not in skill_line({"backtest": alone})


def test_the_backtest_is_a_table_with_a_line_for_each_list() -> None:
    """It fits a terminal of 120 columns however many lists there are; figures that orders lack stand below."""

    def judged(**figures: float) -> Evaluation:
        told = {name: Figure(value, value - 0.05, value + 0.05) for name, value in figures.items()}
        return Evaluation(told, 440, 9000, 2000, "2025-12-23", "2026-08-04", 120)

    order = {"auc": 0.6, "average_precision": 0.1, "recall": 0.2, "mrr_recall": 0.3}
    model = judged(**order | {"calibration_slope": 1.0, "calibration_error": 0.07})
    baselines = {"MRR": judged(**order), "logistic model": model}
    page = skill_table(Backtest(model, baselines, (), pd.DataFrame())).splitlines()
    assert page[0] == "Tested on 440 churns; 2,000 accounts, 2025-12-23 to 2026-08-04; 120 accounts on each list."
    assert [re.split(r" {2,}", line) for line in page[2:6]] == [
        ["", "AUC", "average precision", "departures on the list", "their MRR on the list"],
        *(
            [
                name,
                "0.600 (0.550 to 0.650)",
                "0.100 (0.050 to 0.150)",
                "0.200 (0.150 to 0.250)",
                "0.300 (0.250 to 0.350)",
            ]
            for name in ("model", "by MRR", "by logistic regression")
        ),
    ]
    assert [re.split(r" {2,}", line) for line in page[7:]] == [
        ["", "calibration slope", "calibration error"],
        *([name, "1.000 (0.950 to 1.050)", "0.070 (0.020 to 0.120)"] for name in ("model", "by logistic regression")),
    ]
    assert max(map(len, page)) <= 120
    assert page[6] == ""


def test_a_backtest_without_money_has_no_column_for_it() -> None:
    model = Evaluation(
        {"auc": Figure(0.6, 0.5, 0.7), "mrr_recall": Figure(math.nan, math.nan, math.nan)}, 1, 1, 1, "", "", 1
    )
    assert "MRR" not in skill_table(Backtest(model, {}, (), pd.DataFrame()))
