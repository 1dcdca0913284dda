"""The demo company keeps what its specification says: sizes, rates, every trait of real tables, and a known truth."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from features.contract import CONTRACT, Knowable
from pipeline.demo.company import LAST_NIGHT, DemoSummary, true_risk, write_company
from pipeline.demo.texts import KINDS, frames

ACCOUNTS = 2000
GRACE = 30
LAST = pd.Timestamp(LAST_NIGHT)
FIRST = pd.Timestamp("2024-11-01")
NEVER = pd.Timestamp("2100-01-01")
OUTAGE = {date(2026, 4, 7), date(2026, 4, 8), date(2026, 4, 9)}


@dataclass(frozen=True)
class Written:
    """A company on disk, read back with pandas and looked at with plain loops."""

    folder: Path
    summary: DemoSummary

    @cached_property
    def _tables(self) -> dict[str, pd.DataFrame]:
        return {}

    def table(self, name: str) -> pd.DataFrame:
        """The rows of a table as they were written."""
        if name not in self._tables:
            place = self.folder / "data" / (name if name == "usage" else f"{name}.parquet")
            self._tables[name] = pd.read_parquet(place)
        return self._tables[name]

    def newest(self, name: str) -> pd.DataFrame:
        """The last version of each row."""
        key = CONTRACT[name].key
        return self.table(name).sort_values([key, "recorded_at"]).drop_duplicates(key, keep="last")

    @cached_property
    def terms(self) -> pd.DataFrame:
        """Paid terms by account and start, dates as timestamps, running ones ending at NEVER."""
        rows = self.newest("subscriptions").query("mrr > 0").copy()
        rows["started_on"] = pd.to_datetime(rows["started_on"])
        rows["ended_on"] = pd.to_datetime(rows["ended_on"]).fillna(NEVER)
        return rows.sort_values(["account_id", "started_on"])

    @cached_property
    def spells(self) -> pd.DataFrame:
        """Runs of terms with gaps of at most the grace: account_id, started_on, ended_on."""
        found: list[list[object]] = []
        for account, start, end in self.terms[["account_id", "started_on", "ended_on"]].itertuples(index=False):
            if found and found[-1][0] == account and (start - found[-1][2]).days <= GRACE:
                found[-1][2] = max(found[-1][2], end)
            else:
                found.append([account, start, end])
        return pd.DataFrame(found, columns=["account_id", "started_on", "ended_on"])

    def active(self, day: pd.Timestamp) -> pd.DataFrame:
        """The terms of the accounts that were customers the day before."""
        return self.terms[(self.terms["started_on"] < day) & (self.terms["ended_on"] >= day)]

    @cached_property
    def hidden(self) -> pd.DataFrame:
        return pd.read_parquet(self.folder / "hidden" / "risk.parquet")


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Written:
    """The default company."""
    folder = tmp_path_factory.mktemp("demo")
    return Written(folder, write_company(folder, ACCOUNTS))


def _files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*.parquet"))


def test_the_same_seed_writes_the_same_bytes_at_any_thread_count(tmp_path: Path) -> None:
    threads = pa.cpu_count()
    write_company(tmp_path / "first", 60, seed=3)
    pa.set_cpu_count(1)
    try:
        write_company(tmp_path / "again", 60, seed=3)
    finally:
        pa.set_cpu_count(threads)
    assert _files(tmp_path / "first") == _files(tmp_path / "again")
    for name in _files(tmp_path / "first"):
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "again" / name).read_bytes(), name


def test_another_seed_writes_another_company(tmp_path: Path) -> None:
    write_company(tmp_path / "three", 60, seed=3)
    write_company(tmp_path / "four", 60, seed=4)
    for name in ("accounts", "subscriptions", "tickets"):
        file = f"data/{name}.parquet"
        assert (tmp_path / "three" / file).read_bytes() != (tmp_path / "four" / file).read_bytes(), name


def test_a_company_too_small_to_have_three_segments_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="accounts is 3; the demo company needs at least 20"):
        write_company(tmp_path, 3)
    assert [] == _files(tmp_path)


def test_progress_is_told_and_the_rows_written_are_counted(tmp_path: Path) -> None:
    told: list[str] = []
    summary = write_company(tmp_path, 60, progress=told.append)
    assert {"accounts", "usage"} <= {message.split()[1].rstrip(":") for message in told if message.startswith("wrote")}
    assert set(CONTRACT) == set(summary.rows)
    for name, rows in summary.rows.items():
        path = tmp_path / "data" / name
        files = sorted(path.glob("*.parquet")) if name == "usage" else [path.with_suffix(".parquet")]
        assert rows == sum(pq.read_metadata(file).num_rows for file in files), name
    assert len(list((tmp_path / "data" / "usage").glob("20??-??.parquet"))) == 25


TYPES = {
    "text": pa.string(),
    "date": pa.date32(),
    "instant": pa.timestamp("us"),
    "number": pa.float64(),
    "whole": pa.int64(),
    "boolean": pa.bool_(),
}
NOT_KEPT = {("tickets", "sentiment"), ("usage", "event_id")}


@pytest.mark.parametrize("name", sorted(CONTRACT))
def test_every_table_of_the_contract_has_its_columns_in_their_types(company: Written, name: str) -> None:
    """Every column holds a value somewhere, but the two that the demo company does not keep."""
    place = company.folder / "data" / name
    schema = pq.read_schema(next(place.glob("*")) if name == "usage" else place.with_suffix(".parquet"))
    expected = {
        column.name: TYPES[column.type] for column in CONTRACT[name].columns if (name, column.name) not in NOT_KEPT
    }
    assert expected | {"recorded_at": TYPES["instant"]} == dict(zip(schema.names, schema.types, strict=True))
    rows = company.table(name)
    assert [] == [column for column in rows if rows[column].isna().all()]
    for column in CONTRACT[name].required:
        if column != "ended_on":
            assert 0 == rows[column].isna().sum(), column


@pytest.mark.parametrize("name", [name for name, table in CONTRACT.items() if table.key])
def test_a_key_has_one_row_for_each_version(company: Written, name: str) -> None:
    rows, table = company.table(name), CONTRACT[name]
    key = [table.key, "recorded_at"] if table.changes else [table.key]
    assert not rows.duplicated(key).any()
    assert rows.duplicated([table.key]).any() == table.changes


def test_no_version_tells_what_happened_after_it_was_recorded(company: Written) -> None:
    """A row may be recorded late but never early; only plans, and the end that a notice announces, lie ahead."""
    for name, table in CONTRACT.items():
        rows = company.table(name)
        recorded = rows["recorded_at"]
        assert (pd.to_datetime(rows[table.event_time]) < recorded).all(), name
        for column in table.columns:
            if (
                column.knowable is not Knowable.FACT
                or column.type not in ("date", "instant")
                or column.name not in rows
            ):
                continue
            if column.name == "deactivated_at":  # the one fact of a table without versions
                continue
            early = pd.to_datetime(rows[column.name]) >= recorded
            if column.name == "ended_on":
                early &= ~(pd.to_datetime(rows["notice_on"]) < recorded)
            assert 0 == early.sum(), f"{name}.{column.name}"
    terms = company.table("subscriptions")
    assert terms.loc[pd.to_datetime(terms["ended_on"]) >= terms["recorded_at"], "end_reason"].isna().all()


def test_nothing_has_happened_on_or_after_the_last_night(company: Written) -> None:
    for name, table in CONTRACT.items():
        rows = company.table(name)
        assert (pd.to_datetime(rows[table.event_time]) < LAST).all(), name
        assert (rows["recorded_at"] < LAST + pd.Timedelta(hours=6)).all(), name
    assert company.table("usage")["occurred_at"].min() >= FIRST
    assert pd.to_datetime(company.table("subscriptions")["renews_on"]).max() > LAST


def test_the_history_begins_with_one_bulk_load_on_the_evening_before(company: Written) -> None:
    for name in ("accounts", "subscriptions"):
        rows = company.table(name)
        loaded = rows[rows["recorded_at"] < FIRST]
        assert {pd.Timestamp("2024-10-31 23:00")} == set(loaded["recorded_at"])
        assert (pd.to_datetime(loaded[CONTRACT[name].event_time]) < FIRST).all()
    assert pd.to_datetime(company.table("accounts")["created_at"]).min() < FIRST - pd.Timedelta(days=3 * 365)


def test_the_last_night_has_the_accounts_segments_and_mrr_of_the_specification(company: Written) -> None:
    active = company.active(LAST).groupby("account_id")["mrr"].sum()
    assert ACCOUNTS == len(active) == company.summary.active
    segment = company.newest("accounts").set_index("account_id")["segment"].loc[active.index]
    counts = segment.value_counts()
    assert 1400 <= counts["small"] <= 1600
    assert 330 <= counts["middle"] <= 480
    assert 80 <= counts["large"] <= 130
    for name, lowest, highest in (("small", 60, 600), ("middle", 600, 4000), ("large", 4000, 40_000)):
        assert active[segment == name].between(lowest, highest).all(), name
    assert 1.75e6 < active.sum() < 2.3e6


@pytest.mark.parametrize(("accounts", "seed"), [(50, 7), (51, 3), (77, 7), (250, 1), (250, 3)])
def test_the_last_night_has_exactly_the_accounts_asked_for(tmp_path: Path, accounts: int, seed: int) -> None:
    """As the tables tell it: an end that reaches the warehouse later leaves its account among the customers."""
    small = Written(tmp_path, write_company(tmp_path, accounts, seed))
    assert accounts == small.active(LAST)["account_id"].nunique() == small.summary.active


def test_contracts_are_monthly_or_annual_as_their_segment_has_it(company: Written) -> None:
    active = company.active(LAST)
    segment = company.newest("accounts").set_index("account_id")["segment"]
    annual = (active["billing_period"] == "annual").groupby(active["account_id"].map(segment)).mean()
    assert annual["small"] < 0.05
    assert 0.35 < annual["middle"] < 0.65
    assert annual["large"] > 0.85
    assert active.loc[active["billing_period"] == "monthly", "renews_on"].isna().all()
    assert (pd.to_datetime(active.loc[active["billing_period"] == "annual", "renews_on"]) >= LAST).all()


def test_twelve_managers_have_books_of_40_to_500_and_a_handful_has_none(company: Written) -> None:
    owner = company.newest("accounts").set_index("account_id")["owner"]
    books = owner.loc[company.active(LAST)["account_id"].unique()]
    sizes = books.value_counts()
    assert 12 == len(sizes)
    assert sizes.between(40, 500).all()
    assert all(address.endswith("@example.com") for address in sizes.index)
    assert 1 <= books.isna().sum() <= 25


@pytest.mark.parametrize(
    ("segment", "lowest", "highest"), [("small", 0.025, 0.035), ("middle", 0.008, 0.016), ("large", 0.002, 0.011)]
)
def test_each_segment_loses_its_share_a_month(company: Written, segment: str, lowest: float, highest: float) -> None:
    segments = company.newest("accounts").set_index("account_id")["segment"]
    spells = company.spells[company.spells["account_id"].map(segments) == segment]
    at_start = lost = 0
    for month in pd.date_range("2024-12-01", "2026-09-01", freq="MS"):
        until = month + pd.offsets.MonthBegin()
        there = spells[(spells["started_on"] < month) & (spells["ended_on"] >= month)]
        at_start += len(there)
        lost += int((there["ended_on"] < until).sum())
    assert lowest < lost / at_start < highest


def test_some_lapses_return_within_the_grace_and_some_too_late(company: Written) -> None:
    main = company.terms[company.terms["plan"] != "Timesheets"]
    gap = (main["started_on"] - main.groupby("account_id")["ended_on"].shift()).dt.days
    assert 10 < gap.between(1, GRACE).sum() < 200
    assert 10 < (gap > GRACE).sum() < 200
    assert gap.min() >= 0


def test_terms_of_one_product_never_overlap_and_some_accounts_hold_two_products(company: Written) -> None:
    newest = company.newest("subscriptions")
    for _, product in newest.groupby(newest["plan"] == "Timesheets"):
        rows = product.sort_values(["account_id", "started_on"])
        end = pd.to_datetime(rows["ended_on"]).fillna(NEVER).groupby(rows["account_id"]).shift()
        assert not (end > pd.to_datetime(rows["started_on"])).any()
    running = company.active(LAST).groupby("account_id")["plan"].nunique()
    assert 20 < (running == 2).sum() < 400


def test_a_second_product_never_outlives_the_account(company: Written) -> None:
    main = company.terms[company.terms["plan"] != "Timesheets"]
    last = main.groupby("account_id")["ended_on"].max()
    add_on = company.terms[company.terms["plan"] == "Timesheets"].set_index("account_id")["ended_on"]
    late_entry = pd.Timedelta(days=25)  # an end entered late may not have reached the warehouse for both
    assert ((add_on <= last.loc[add_on.index]) | (add_on == NEVER) & (last.loc[add_on.index] > LAST - late_entry)).all()


def test_trials_are_free_terms_of_two_weeks_of_which_some_are_never_bought(company: Written) -> None:
    trials = company.newest("subscriptions").query("mrr == 0")
    finished = trials.dropna(subset=["ended_on"])
    days = (pd.to_datetime(finished["ended_on"]) - pd.to_datetime(finished["started_on"])).dt.days
    assert {14} == set(days)
    assert 0 < trials["ended_on"].isna().sum() < 30  # still being tried on the last night
    bought = trials["account_id"].isin(company.terms["account_id"])
    assert 0.3 < bought.mean() < 0.9
    first = company.terms.groupby("account_id")["started_on"].min()
    ended = pd.to_datetime(finished.set_index("account_id")["ended_on"])
    both = ended.index.intersection(first.index)
    assert (ended.loc[both] == first.loc[both]).all()


def test_prices_plans_and_seats_change_by_ending_a_row_and_starting_the_next(company: Written) -> None:
    main = company.terms[company.terms["plan"] != "Timesheets"]
    before = main.groupby("account_id")[["ended_on", "mrr", "seats", "plan"]].shift()
    follows = before["ended_on"] == main["started_on"]
    rise = main["mrr"] / before["mrr"]
    assert (follows & (main["seats"] == before["seats"]) & (rise > 1.1)).sum() > 100
    assert (follows & (main["seats"] > before["seats"])).sum() > 100
    assert (follows & (main["seats"] < before["seats"])).sum() > 100
    assert (follows & (main["plan"] != before["plan"])).sum() > 20


def test_accounts_have_versions_for_edited_segments_owners_and_names(company: Written) -> None:
    values = company.table("accounts").groupby("account_id")[["segment", "owner", "name"]].nunique()
    assert (values["segment"] > 1).sum() > 20
    assert (values["owner"] > 1).sum() > 50
    assert (values["name"] > 1).sum() > 10


def test_a_renewal_without_change_rolls_renews_on_in_a_new_version(company: Written) -> None:
    versions = company.table("subscriptions").sort_values(["subscription_id", "recorded_at"])
    renews = pd.to_datetime(versions["renews_on"])
    moved = (renews - renews.groupby(versions["subscription_id"]).shift()).dt.days
    assert moved.between(364, 367).sum() > 50
    assert (
        pd.to_datetime(versions["recorded_at"])[moved > 0]
        > renews.groupby(versions["subscription_id"]).shift()[moved > 0]
    ).all()


def test_notices_come_before_the_end_and_some_are_withdrawn(company: Written) -> None:
    versions = company.table("subscriptions").sort_values(["subscription_id", "recorded_at"])
    notice = pd.to_datetime(versions["notice_on"])
    ahead = notice.notna() & (pd.to_datetime(versions["ended_on"]) >= versions["recorded_at"])
    assert ahead.sum() > 100
    annual = ahead & (versions["billing_period"] == "annual")
    days = (pd.to_datetime(versions["ended_on"]) - notice)[annual].dt.days
    assert days.between(30, 60).all()
    assert (versions["renews_on"] == versions["ended_on"])[annual].all()
    withdrawn = notice.isna() & notice.groupby(versions["subscription_id"]).shift().notna()
    assert withdrawn.sum() >= 10


def test_rows_arrive_late_and_a_few_ends_are_entered_days_after_them(company: Written) -> None:
    usage = company.table("usage")
    delay = (usage["recorded_at"] - usage["occurred_at"].dt.normalize()).dt.days
    assert 0.002 < (delay > 1).mean() < 0.02
    assert delay.max() <= 7
    ends = company.newest("subscriptions").dropna(subset=["ended_on"])
    ends = ends[pd.to_datetime(ends["ended_on"]) >= FIRST]
    wait = (ends["recorded_at"] - pd.to_datetime(ends["ended_on"])).dt.days
    assert 5 < (wait >= 3).sum() < 100


def test_the_tracker_lost_three_days_of_usage_and_nothing_else(company: Written) -> None:
    days = company.table("usage")["occurred_at"].dt.normalize()
    assert OUTAGE == {day.date() for day in pd.date_range(FIRST, LAST, inclusive="left").difference(days.unique())}
    for name in ("tickets", "page_visits"):
        there = company.table(name)[CONTRACT[name].event_time].dt.date
        assert set(there) >= OUTAGE, name


def test_usage_is_about_two_million_rows_of_named_events_and_some_accounts_have_none(company: Written) -> None:
    usage = company.table("usage")
    assert 1.7e6 < len(usage) < 2.5e6
    assert {"shift_published", "timesheet_exported", "leave_requested", "mobile_checkin"} <= set(usage["event"])
    silent = set(company.active(LAST)["account_id"]) - set(usage["account_id"])
    assert 5 <= len(silent) <= 80
    known = company.table("users").set_index("user_id")["account_id"]
    rows = usage.sample(20_000, random_state=1).dropna(subset=["user_id"])
    assert (known.loc[rows["user_id"]].to_numpy() == rows["account_id"].to_numpy()).all()


def test_nobody_uses_the_product_outside_of_a_term(company: Written) -> None:
    """Trials included: no row tells of an account that is not, or no longer, a customer."""
    usage = company.table("usage")[["account_id", "occurred_at"]].sort_values("occurred_at")
    terms = company.newest("subscriptions")[["account_id", "started_on", "ended_on"]].copy()
    terms["started_on"] = pd.to_datetime(terms["started_on"]).astype("datetime64[us]")
    terms["ended_on"] = pd.to_datetime(terms["ended_on"]).fillna(NEVER)
    terms = terms.groupby(["account_id", "started_on"], as_index=False)["ended_on"].max().sort_values("started_on")
    terms["ended_on"] = terms.groupby("account_id")["ended_on"].cummax()
    held = pd.merge_asof(usage, terms, left_on="occurred_at", right_on="started_on", by="account_id")
    assert (held["occurred_at"] < held["ended_on"]).all()


def test_holidays_bend_the_usage_of_everybody(company: Written) -> None:
    day = company.table("usage")["occurred_at"].dt.date.value_counts()
    weeks = [
        sum(day.get(start + timedelta(days=n), 0) for n in range(7))
        for start in (date(2025, 11, 10), date(2025, 12, 24))
    ]
    assert weeks[1] < 0.65 * weeks[0]


def test_some_invoices_fail_some_of_them_for_good(company: Written) -> None:
    invoices = company.newest("invoices")
    failed = invoices["failed_at"].notna()
    assert 0.005 < failed.mean() < 0.04
    assert 0.1 < invoices.loc[failed, "paid_on"].isna().mean() < 0.5
    assert (invoices["amount"] > 0).all()
    ends = company.terms[(company.terms["end_reason"] == "involuntary") & (company.terms["plan"] != "Timesheets")]
    unpaid = invoices[failed].groupby("account_id")["issued_on"].max()
    days = (ends.set_index("account_id")["ended_on"] - pd.to_datetime(unpaid)).dropna().dt.days
    assert {28} <= set(days)
    assert (days == 28).mean() > 0.9


def test_reasons_of_leaving_are_the_hidden_ones(company: Written) -> None:
    """Cut off is who was failing to pay four weeks before; nobody else is, and nobody of those left for another."""
    hidden = pd.read_parquet(company.folder / "hidden" / "risk.parquet", columns=["account_id", "as_of", "fail_day"])
    hidden["as_of"] = pd.to_datetime(hidden["as_of"])
    ends = company.terms[company.terms["end_reason"].isin(["voluntary", "involuntary"])]
    last = ends.sort_values("ended_on").merge(hidden, on="account_id")
    last = last[(last["as_of"] < last["ended_on"]) & (last["as_of"] >= last["ended_on"] - pd.Timedelta(days=7))]
    failed_on = pd.Timestamp("1970-01-01") + pd.to_timedelta(last["fail_day"].where(last["fail_day"] < 10**5), unit="D")
    waited = (last["ended_on"] - failed_on).dt.days
    involuntary = last["end_reason"] == "involuntary"
    assert involuntary.sum() > 40
    assert (waited[involuntary] >= 28).all()
    assert not (waited[~involuntary] >= 28).any()


def test_names_are_distinct_and_some_are_chinese(company: Written) -> None:
    accounts = company.newest("accounts")
    assert accounts["name"].is_unique
    chinese = accounts["name"].str.contains(r"[\u4e00-\u9fff]")
    assert 0.05 < chinese.mean() < 0.25
    tickets = company.newest("tickets").merge(accounts[["account_id", "name"]])
    written = tickets["text"].str.contains(r"[\u4e00-\u9fff]")
    named = tickets["name"].str.contains(r"[\u4e00-\u9fff]")
    assert (written == named).all()


def test_chains_have_their_parent_in_the_table_and_its_owner(company: Written) -> None:
    accounts = company.newest("accounts").set_index("account_id")
    branches = accounts.dropna(subset=["parent_id"])
    assert len(branches) > 30
    parents = accounts.loc[branches["parent_id"]]
    assert parents["parent_id"].isna().all()
    assert (parents["owner"].to_numpy() == branches["owner"].to_numpy()).mean() > 0.9


def test_support_is_as_busy_as_the_specification_says(company: Written) -> None:
    tickets = company.newest("tickets")
    account_months = sum(
        len(company.active(month)["account_id"].unique()) for month in pd.date_range(FIRST, LAST, freq="MS")
    )
    assert 0.15 < len(tickets) / account_months < 0.6
    assert (
        tickets["first_response_at"].dropna() >= tickets["opened_at"].loc[tickets["first_response_at"].notna()]
    ).all()
    assert 0.02 < (tickets["reopened_count"] > 0).mean() < 0.2
    first = company.table("ticket_messages").sort_values("sent_at").drop_duplicates("ticket_id")
    opened = tickets.set_index("ticket_id").loc[first["ticket_id"]]
    assert (first["author"] == "customer").all()
    assert (first["text"].to_numpy() == opened["text"].to_numpy()).all()


def test_there_are_150_ticket_frames_in_two_languages_and_every_slot_is_filled(company: Written) -> None:
    english, chinese = ([text for kind in KINDS for text in frames(code).by_kind[kind]] for code in ("en", "zh"))
    assert len(set(english)) == len(english) >= 90
    assert len(set(chinese)) == len(chinese) >= 70
    han = lambda text: any("\u4e00" <= letter <= "\u9fff" for letter in text)  # noqa: E731
    assert not any(map(han, english))
    assert all(map(han, chinese))
    for name, column in (("tickets", "text"), ("ticket_messages", "text"), ("feedback", "comment")):
        assert not company.table(name)[column].str.contains("[{}]").any(), name


# ---------------------------------------------------------------------------------------------------------------------
# The truth


def _outcome(company: Written, as_of: date, accounts: pd.Series, days: int = 60) -> np.ndarray:
    start = pd.Timestamp(as_of)
    spells = company.spells[(company.spells["started_on"] < start) & (company.spells["ended_on"] >= start)]
    end = accounts.map(spells.set_index("account_id")["ended_on"]).fillna(start)
    return (end < start + pd.Timedelta(days=days)).to_numpy()


@pytest.fixture(scope="module")
def judged(company: Written) -> pd.DataFrame:
    """True risk and outcome of the accounts without notice, on every fourth Monday whose labels are known."""
    parts = []
    for week in range(0, 86, 4):
        as_of = date(2024, 11, 18) + timedelta(weeks=week)
        rows = true_risk(company.folder, as_of)
        rows["as_of"] = as_of
        rows["churned"] = _outcome(company, as_of, rows["account_id"])
        hidden = company.hidden[company.hidden["as_of"] == as_of].set_index("account_id")["notice_end"]
        rows["noticed"] = rows["account_id"].map(hidden) < 1_000_000
        parts.append(rows)
    return pd.concat(parts)


def test_about_five_in_a_hundred_leave_within_sixty_days(judged: pd.DataFrame) -> None:
    assert 0.04 < judged["churned"].mean() < 0.06


def test_the_true_risk_is_calibrated(judged: pd.DataFrame) -> None:
    """Its mean is the share that left, and its log-odds count as they stand: a slope near one."""
    free = judged[~judged["noticed"]]
    assert pytest.approx(free["churned"].mean(), rel=0.1) == free["risk"].mean()
    risk = free["risk"].clip(1e-6, 1 - 1e-6).to_numpy()
    at_risk = risk > 1e-4  # annual contracts far from their renewal cannot leave
    log_odds = np.log(risk / (1 - risk))[at_risk].reshape(-1, 1)
    fit = LogisticRegression(C=1e6).fit(log_odds, free["churned"].to_numpy()[at_risk])
    assert 0.9 < fit.coef_[0][0] < 1.1
    assert free.loc[~at_risk, "churned"].mean() < 0.002
    tenth = pd.qcut(free["risk"], 10, labels=False, duplicates="drop")
    table = free.groupby(tenth)[["risk", "churned"]].mean()
    assert (abs(table["risk"] - table["churned"]) < 0.006 + 0.1 * table["risk"]).all()


def test_the_true_risk_ranks_well_but_not_miraculously(judged: pd.DataFrame) -> None:
    """Most leavers say nothing: even who sees the hidden state is far from certain."""
    free = judged[~judged["noticed"]]
    assert 0.79 < roc_auc_score(free["churned"], free["risk"]) < 0.87
    assert free.loc[free["churned"], "risk"].median() < 0.35


def test_a_notice_makes_the_end_nearly_certain(judged: pd.DataFrame) -> None:
    noticed = judged[judged["noticed"]]
    assert noticed["risk"].mean() > 0.85
    assert pytest.approx(noticed["churned"].mean(), abs=0.05) == noticed["risk"].mean()


def test_the_true_risk_grows_with_the_horizon_and_covers_the_active_accounts(company: Written) -> None:
    near, far = (true_risk(company.folder, LAST_NIGHT, days) for days in (30, 90))
    assert list(near.columns) == ["account_id", "risk"]
    assert (near["account_id"] == far["account_id"]).all()
    assert (near["risk"] <= far["risk"] + 1e-12).all()
    known = set(company.active(LAST)["account_id"])
    assert set(near["account_id"]) <= known
    assert len(known) - len(near) <= 20  # ends that are not entered yet
    assert near.equals(true_risk(company.folder, LAST_NIGHT, 30))


@pytest.mark.parametrize("as_of", [date(2026, 11, 3), date(2024, 10, 28), date(2026, 11, 9)])
def test_the_true_risk_is_refused_for_other_days_than_the_mondays_kept(company: Written, as_of: date) -> None:
    with pytest.raises(ValueError, match="Mondays from 2024-11-04 to 2026-11-02"):
        true_risk(company.folder, as_of)


def _per_account(rows: pd.DataFrame, time: str, since: pd.Timestamp, until: pd.Timestamp) -> pd.Series:
    return rows[rows[time].between(since, until, inclusive="left")].groupby("account_id").size()


def _behaviour(company: Written, as_of: pd.Timestamp, accounts: pd.Series) -> np.ndarray:
    """What the last four weeks show of each account, counted naively; the share of its twelve weeks' use besides."""
    weeks = pd.Timedelta(weeks=4)
    usage, visits = company.table("usage"), company.table("page_visits")
    exits = visits[visits["path"].isin(["/account/cancel", "/refund-policy", "/downgrade"])]
    use, longer = (_per_account(usage, "occurred_at", as_of - length, as_of) for length in (weeks, 3 * weeks))
    counts = [use, _per_account(exits, "visited_at", as_of - weeks, as_of)]
    counts.append(_per_account(company.newest("tickets"), "opened_at", as_of - weeks, as_of))
    columns = [np.log1p(accounts.map(count).fillna(0)) for count in counts]
    columns.append(accounts.map(use).fillna(0) / (1 + accounts.map(longer).fillna(0)))
    return np.column_stack(columns)


def test_the_tables_know_no_more_of_the_future_than_the_hidden_state(company: Written, judged: pd.DataFrame) -> None:
    """A model given the true risk and the behaviour besides predicts other accounts no better than the true risk."""
    free = judged[~judged["noticed"] & (judged["risk"] > 1e-4)]
    risk, behaviour, churned, accounts = [], [], [], []
    for week in range(24, 86, 12):
        as_of = date(2024, 11, 18) + timedelta(weeks=week)
        rows = free[free["as_of"] == as_of]
        chance = rows["risk"].clip(upper=0.999)
        risk.append(np.log(chance / (1 - chance)))
        behaviour.append(_behaviour(company, pd.Timestamp(as_of), rows["account_id"]))
        churned.append(rows["churned"])
        accounts.append(rows["account_id"].str[-1].astype(int) % 2)
    known = np.concatenate(risk).reshape(-1, 1)
    more = np.hstack([known, np.vstack(behaviour)])
    left, half = np.concatenate(churned), np.concatenate(accounts)
    for fold in (0, 1):
        fit, test = half == fold, half != fold
        alone, helped = (
            roc_auc_score(
                left[test], LogisticRegression(max_iter=500).fit(x[fit], left[fit]).predict_proba(x[test])[:, 1]
            )
            for x in (known, more)
        )
        assert helped < alone + 0.01
        seen = LogisticRegression(max_iter=500).fit(more[fit, 1:], left[fit]).predict_proba(more[test, 1:])[:, 1]
        assert 0.58 < roc_auc_score(left[test], seen) < alone


def _visits_ratio(company: Written, hidden: pd.DataFrame, day: pd.Timestamp) -> float:
    visits = company.table("page_visits")
    visits = visits[visits["path"].isin(["/account/cancel", "/refund-policy", "/downgrade"])]
    seen = hidden["account_id"].map(_per_account(visits, "visited_at", day, day + pd.Timedelta(days=7))).fillna(0)
    return float(seen[hidden["intent"]].mean() / seen[~hidden["intent"]].mean())


def _tickets_ratio(company: Written, hidden: pd.DataFrame, day: pd.Timestamp) -> float:
    tickets = company.newest("tickets")
    opened = hidden["account_id"].map(_per_account(tickets, "opened_at", day, day + pd.Timedelta(days=7))).fillna(0)
    return float(opened[hidden["troubled"]].mean() / opened[~hidden["troubled"]].mean())


def _usage_ratio(company: Written, hidden: pd.DataFrame, day: pd.Timestamp) -> float:
    usage = company.table("usage")
    rows = hidden["account_id"].map(_per_account(usage, "occurred_at", day, day + pd.Timedelta(days=7))).fillna(0)
    return float(rows[hidden["slack"] < 0.05].mean() / rows[hidden["slack"] > 0.6].mean())


def _main_user_ratio(company: Written, hidden: pd.DataFrame, day: pd.Timestamp) -> float:
    usage = company.table("usage")
    usage = usage[usage["occurred_at"].between(day, day + pd.Timedelta(days=7))]
    main = company.table("users").query("role == 'admin'")["user_id"]
    rows = usage[usage["user_id"].isin(main)].groupby("account_id").size()
    seen = hidden["account_id"].map(rows).fillna(0)
    return float((seen[~hidden["orphaned"]].mean() + 1e-9) / (seen[hidden["orphaned"]].mean() + 1e-3))


def _unpaid_ratio(company: Written, hidden: pd.DataFrame, day: pd.Timestamp) -> float:
    invoices = company.table("invoices")
    known = invoices[invoices["recorded_at"] < day + pd.Timedelta(hours=6)].sort_values("recorded_at")
    newest = known.drop_duplicates("invoice_id", keep="last")
    failed = newest[newest["failed_at"].notna() & newest["paid_on"].isna() & newest["voided_at"].isna()]
    unpaid = hidden["account_id"].isin(failed["account_id"])
    failing = hidden["fail_day"] < 1_000_000
    return float(unpaid[failing].mean() / (unpaid[~failing].mean() + 1e-3))


def _late_cards_ratio(company: Written, hidden: pd.DataFrame, day: pd.Timestamp) -> float:
    invoices = company.newest("invoices")
    invoices = invoices[invoices["failed_at"].isna() & (pd.to_datetime(invoices["paid_on"]) < day)]
    days = (pd.to_datetime(invoices["paid_on"]) - pd.to_datetime(invoices["due_on"])).dt.days
    late = hidden["account_id"].map(days.between(1, 5).groupby(invoices["account_id"]).mean())[~hidden["annual"]]
    return float(late[hidden["shaky_card"]].mean() / late[~hidden["shaky_card"]].mean())


def _price_ratio(company: Written, hidden: pd.DataFrame, day: pd.Timestamp) -> float:
    visits = company.table("page_visits")
    visits = visits[visits["path"].isin(["/pricing", "/plans/compare"])]
    four_weeks = pd.Timedelta(weeks=4)
    seen = hidden["account_id"].map(_per_account(visits, "visited_at", day - four_weeks, day)).fillna(0)
    return float(seen[hidden["shock"] > 0.8].mean() / seen[hidden["shock"] < 0.05].mean())


def _empty_seats_ratio(company: Written, hidden: pd.DataFrame, day: pd.Timestamp) -> float:
    """Seats without a person 45 days after the account was opened."""
    opened = company.newest("accounts").set_index("account_id")["created_at"]
    users = company.table("users")
    soon = users[users["created_at"] < users["account_id"].map(opened) + pd.Timedelta(days=45)]
    seats = company.terms.drop_duplicates("account_id").set_index("account_id")["seats"]
    new = hidden[pd.to_datetime(hidden["account_id"].map(opened)) > FIRST]
    empty = 1 - (new["account_id"].map(soon.groupby("account_id").size()) / new["account_id"].map(seats)).clip(upper=1)
    return float(empty[new["poor_start"]].mean() / empty[~new["poor_start"]].mean())


def _few_events_ratio(company: Written, hidden: pd.DataFrame, day: pd.Timestamp) -> float:
    """Accounts, of those that use the product daily, that do no more than five kinds of things with it."""
    usage = company.table("usage")
    usage = usage[usage["occurred_at"].between(day - pd.Timedelta(weeks=12), day)]
    kinds = usage.groupby("account_id")["event"].agg(["nunique", "size"]).query("size > 84")["nunique"]
    few = hidden["account_id"].map(kinds <= 5).dropna()
    fit = hidden["fit"].loc[few.index]
    return float(few[fit > 0.3].mean() / few[fit < -0.3].mean())


@pytest.mark.parametrize(
    ("shown", "times"),
    [
        (_visits_ratio, 10),
        (_tickets_ratio, 3),
        (_usage_ratio, 2),
        (_main_user_ratio, 10),
        (_unpaid_ratio, 50),
        (_late_cards_ratio, 5),
        (_price_ratio, 4),
        (_empty_seats_ratio, 1.8),
        (_few_events_ratio, 2),
    ],
    ids=[
        "intent in pages",
        "trouble in tickets",
        "decline in usage",
        "the main user's absence in users",
        "a failed payment in invoices",
        "a shaky card in late payments",
        "a price shock in pages",
        "a poor start in empty seats",
        "a bad fit in events never used",
    ],
)
def test_a_hidden_condition_shows_in_the_tables_of_its_time(
    company: Written, shown: Callable[[Written, pd.DataFrame, pd.Timestamp], float], times: float
) -> None:
    day = date(2026, 6, 1)
    hidden = company.hidden[company.hidden["as_of"] == day]
    assert shown(company, hidden, pd.Timestamp(day)) > times


def test_most_who_mean_to_leave_have_looked_for_the_way_out(company: Written) -> None:
    day = pd.Timestamp("2026-06-01")
    visits = company.table("page_visits")
    visits = visits[visits["path"].isin(["/account/cancel", "/refund-policy", "/downgrade"])]
    seen = set(_per_account(visits, "visited_at", day - pd.Timedelta(weeks=4), day).index)
    hidden = company.hidden[company.hidden["as_of"] == day.date()]
    assert hidden.loc[hidden["intent"], "account_id"].isin(seen).mean() > 0.6
    assert hidden.loc[~hidden["intent"], "account_id"].isin(seen).mean() < 0.06


def test_a_slump_shows_in_the_usage_of_its_trade(company: Written) -> None:
    """Weekly rows an account of each trade, against its own usual and against the other trades of the week."""
    hidden = company.hidden[["account_id", "as_of", "slump"]].assign(as_of=lambda rows: pd.to_datetime(rows["as_of"]))
    trade = company.newest("accounts").set_index("account_id")["industry"]
    usage = company.table("usage")[["account_id", "occurred_at"]]
    monday = usage["occurred_at"].dt.to_period("W-SUN").dt.start_time
    rows = usage.groupby([usage["account_id"].map(trade), monday]).size().unstack(fill_value=0)
    weekly = hidden.groupby([hidden["account_id"].map(trade), "as_of"])["slump"].agg(["size", "any"])
    there, slump = (weekly[name].unstack() for name in ("size", "any"))
    weeks = rows.columns.intersection(there.columns)[:-1]
    share = np.log(rows[weeks] / there[weeks])
    share = share.sub(share.mean(axis=0), axis=1).sub(share.mean(axis=1), axis=0)
    depth = share.to_numpy()[slump[weeks].to_numpy()].mean() - share.to_numpy()[~slump[weeks].to_numpy()].mean()
    assert -0.25 < depth < -0.08


@pytest.mark.parametrize(
    "condition", ["slack", "anger", "orphaned", "intent", "shock", "poor_start", "slump", "fail_day"]
)
def test_every_part_of_the_hazard_raises_the_departures(company: Written, judged: pd.DataFrame, condition: str) -> None:
    """Judged by outcomes alone, over monthly accounts without notice."""
    dates = [date(2024, 11, 18) + timedelta(weeks=week) for week in range(0, 86, 4)]
    hidden = company.hidden[company.hidden["as_of"].isin(dates) & ~company.hidden["annual"]]
    hidden = hidden[hidden["notice_end"] >= 1_000_000]
    parts = []
    for as_of, rows in hidden.groupby("as_of"):
        days_old = pd.Timestamp(as_of).toordinal() - pd.Timestamp("1970-01-01").toordinal() - rows["started"]
        present = {
            "slack": rows["slack"] > 0.4,
            "anger": rows["anger"] > 0.4,
            "shock": rows["shock"] > 0.8,
            "poor_start": rows["poor_start"] & (days_old < 90),
            "fail_day": rows["fail_day"] < 1_000_000,
        }.get(condition, rows[condition].astype(bool))
        parts.append(pd.DataFrame({"present": present, "churned": _outcome(company, as_of, rows["account_id"])}))
    rate = pd.concat(parts).groupby("present")["churned"].mean()
    assert rate[True] > 1.3 * rate[False]
