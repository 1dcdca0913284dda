"""What `churn check` says of tables that keep the contract, and what `churn train` takes over from it."""

from collections.abc import Iterable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from command_line import Answer, churn

FIRST = date(2023, 1, 2)
SETTINGS = """
[data]
accounts = "accounts.csv"
{table} = "{table}.csv"
{more}
[run]
as_of = {as_of}
"""


def table(path: Path, header: str, rows: Iterable[str]) -> None:
    path.write_text("\n".join([header, *rows, ""]), encoding="utf-8")


def company(folder: Path, name: str, rows: list[str], header: str, more: str, days: int) -> Path:
    """Settings for forty accounts and one table, looked at so many days after the first."""
    table(folder / "accounts.csv", "account_id,created_at", (f"C{n},{FIRST}" for n in range(40)))
    table(folder / f"{name}.csv", header, rows)
    settings = folder / "b4.toml"
    text = SETTINGS.format(table=name, more=more, as_of=FIRST + timedelta(days))
    settings.write_text(text, encoding="utf-8")
    return settings


def silent(folder: Path, returning: int, more: str = "", event: str = "order") -> Path:
    """Forty accounts, silent from day 100 on; so many come back, the n-th on day 150 + n."""
    rows = []
    for n in range(40):
        days = [*range(0, 101, 5), *(range(150 + n, 300, 5) if n < returning else ())]
        rows += [f"C{n},{FIRST + timedelta(day)} 12:00:00,{event if day % 2 else 'order'},7" for day in days]
    churn = '[churn]\ndefinition = "inactivity"\ninactive_days = 42\nhorizon_days = 42\nsnapshot_every_days = 84'
    return company(folder, "usage", rows, "account_id,occurred_at,event,quantity", f"{churn}\n{more}", 300)


def ended(folder: Path, leaving: int) -> Path:
    """Forty accounts, of which so many end their term."""
    rows = [f"C{n},{FIRST},{FIRST + timedelta(100 + n) if n < leaving else ''},9" for n in range(40)]
    return company(folder, "subscriptions", rows, "account_id,started_on,ended_on,mrr", "", 400)


def trained(settings: Path) -> Answer:
    folder = settings.parent
    env = dict.fromkeys(("CHURN__STORE__URL", "CHURN__TRACKING__URI"), f"sqlite:///{folder}/made.db")
    return churn("train", "-c", settings, "--json", env=env)


# --- silences that are no departures


def test_pauses_that_pass_for_departures_are_told(tmp_path: Path) -> None:
    """21 of 40 came back, after 50 to 70 days: the middle one after 60."""
    (warning,) = churn("check", "-c", silent(tmp_path, 21), "--json").record()["violations"]
    assert ("usage.occurred_at", "warn") == (warning["place"], warning["severity"])
    assert "21 of 40 silences of 42 days (52%) ended with a return" == warning["rule"]
    assert "within 60 days" in warning["remedy"]
    assert "inactive_days" in warning["remedy"]


def test_training_says_what_the_check_warns_of(tmp_path: Path) -> None:
    """Nobody looks at a check again once a model is there."""
    assert "ended with a return" in trained(silent(tmp_path, 21)).stderr


def test_silences_that_mostly_last_are_departures(tmp_path: Path) -> None:
    assert [] == churn("check", "-c", silent(tmp_path, 20), "--json").record()["violations"]


# --- too few departures


@pytest.mark.parametrize("leaving", [0, 29])
def test_too_few_departures_are_ordered_by_rules(leaving: int, tmp_path: Path) -> None:
    """With the number that the check gives. What nobody could be learned from is no error."""
    settings = ended(tmp_path, leaving)
    checked = churn("check", "-c", settings, "--json").record()
    assert (leaving, False) == (checked["departures"], checked["departures_suffice"])
    done = trained(settings)
    assert 0 == done.exit_status, done.stderr
    record = done.record()
    assert (True, 1, 1, None) == (record["starter"], record["version"], record["champion"], record["gate"])
    assert leaving == record["departures"]
    text = churn("check", "-c", settings).stdout
    assert (
        f"{leaving} departures are known, and a model needs at least 30 to learn from: churn train will order" in text
    )


def test_thirty_departures_suffice(tmp_path: Path) -> None:
    checked = churn("check", "-c", ended(tmp_path, 30), "--json").record()
    assert (30, True) == (checked["departures"], checked["departures_suffice"])


# --- what can be computed, and what not


def told(settings: Path) -> tuple[str, dict[str, Any]]:
    return churn("check", "-c", settings).stdout, churn("check", "-c", settings, "--json").record()


def test_features_are_counted_and_their_names_left_to_json(tmp_path: Path) -> None:
    text, record = told(ended(tmp_path, 30))
    assert [] == [name for name in ("tenure_days", "active_days_28", "tickets_28") if name in text]
    assert f"\n{len(record['features'])} features can be computed: profile 6, contract " in text
    assert f"{len(record['absent'])} cannot" in text
    assert {*record["features"], *record["absent"]} >= {"tenure_days", "active_days_28", "tickets_28"}


def test_what_is_not_computed_is_told_with_what_it_wants(tmp_path: Path) -> None:
    """A table, a column, or a column whose past nobody knows; each feature once."""
    settings = ended(tmp_path, 30)
    table(tmp_path / "tickets.csv", "ticket_id,account_id,opened_at,csat,reopened_count", ["T-1,C1,2023-05-01,4,0"])
    settings.write_text(
        settings.read_text(encoding="utf-8").replace("[run]", 'tickets = "tickets.csv"\n[run]'), encoding="utf-8"
    )
    text, record = told(settings)
    reasons = {line.strip().partition("  ")[2].strip() for line in text.partition(" cannot")[2].splitlines()[1:]}
    assert {
        "usage is not given",
        "tickets has no resolved_at",
        "tickets.csat has no time of its own: give csat_at, or keep versions of tickets",
        "tickets.reopened_count is edited in place: keep versions of tickets, or declare it in [data] constant",
    } <= reasons
    counts = [int(line.split()[0]) for line in text.partition(" cannot")[2].splitlines()[1:] if line.startswith("   ")]
    assert len(record["absent"]) == sum(counts)


def test_value_events_say_which_features_they_cost(tmp_path: Path) -> None:
    """Two kinds of events are looked at by themselves until their quantity is money."""
    _, without = told(silent(tmp_path, 20, event="return"))
    text, record = told(silent(tmp_path, 20, '[book]\nvalue_events = ["order", "return"]', event="return"))
    gone = set(without["features"]) - set(record["features"])
    assert {"did_order_times_trend", "did_return_times_trend"} == gone
    assert gone <= set(record["absent"])
    assert "2  [book] value_events make quantity money: kinds of events are not looked at by themselves" in text
