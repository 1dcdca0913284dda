"""`churn init`: a stranger's folder in, settings that can be read out, and the questions only its owner can answer."""

import tomllib
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from click.testing import CliRunner, Result

from features.labels import churns
from pipeline.checks import check_contract
from pipeline.cli import main
from pipeline.demo.company import write_company
from pipeline.errors import UsageError
from pipeline.proposal.proposal import Proposal, propose
from pipeline.settings import Settings, SqlSource
from pipeline.settings_file import read_settings
from pipeline.sources import history, open_sources

REAL = Path(__file__).parents[2] / "shared" / "data"
COMPANIES = Path(__file__).parent / "companies"

CUSTOMERS = "CustomerID,Company Name,SignupDate\n" + "".join(f"00{n},Firm {n},2024-01-{n:02}\n" for n in range(1, 10))
CONTRACTS = "customer,start_date,end_date,monthly_fee\n" + "".join(
    f"00{n},2024-01-{n:02},{'2024-06-30' if n % 3 == 0 else ''},{100 * n}\n" for n in range(1, 10)
)


def folder_of(folder: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content, encoding="utf-8")
    return folder


def settings_of(proposal: Proposal) -> Settings:
    """The settings as a command would read them from the proposal."""
    return read_settings(proposal.write())


def rows(settings: Settings) -> dict[str, int]:
    """The rows of every table once opened by these settings; the contract must find nothing fatal."""
    opened = open_sources(settings)
    try:
        assert [] == opened.unreadable
        assert [] == [found.told() for found in check_contract(opened, settings) if found.severity == "fatal"]
        return {name: int(table.count().execute()) for name, table in opened.tables.items()}
    finally:
        opened.close()


def mapped(settings: Settings) -> dict[str, dict[str, str]]:
    """The column maps without those that only repeat our name."""
    maps = {
        table: {ours: theirs for ours, theirs in columns.items() if ours != theirs}
        for table, columns in settings.data.columns.items()
    }
    return {table: columns for table, columns in maps.items() if columns}


def test_renamed_columns_find_ours(tmp_path: Path) -> None:
    """Names of another manner are mapped, ids keep their zeros, and what costs money stands to be confirmed."""
    proposal = propose(folder_of(tmp_path, {"customers.csv": CUSTOMERS, "contracts.csv": CONTRACTS}))
    settings = settings_of(proposal)
    assert {"accounts": "customers.csv", "subscriptions": "contracts.csv"} == settings.data.sources
    assert {
        "accounts": {"account_id": "CustomerID", "created_at": "SignupDate", "name": "Company Name"},
        "subscriptions": {
            "account_id": "customer",
            "started_on": "start_date",
            "ended_on": "end_date",
            "mrr": "monthly_fee",
        },
    } == mapped(settings)
    assert {"accounts": 9, "subscriptions": 9} == rows(settings)
    lines = proposal.toml().splitlines()
    confirmed = {line.split()[0] for line in lines if "please confirm: " in line and not line.startswith("#")}
    assert {"mrr", "ended_on"} == confirmed
    assert [line for line in lines if line.startswith("# notice_on") and "gave notice" in line]
    assert "end_date (2024-06-30; filled in 33% of the rows)" in proposal.told()
    assert "mrr ← monthly_fee (100, 200)" in proposal.told()


def test_names_of_people_stay_out_of_the_file(tmp_path: Path) -> None:
    """Sample texts are shown and not written: the settings are kept where code is."""
    proposal = propose(folder_of(tmp_path, {"customers.csv": CUSTOMERS, "contracts.csv": CONTRACTS}))
    assert "Firm 1" in proposal.told()
    assert "Firm 1" not in proposal.toml()


def test_semicolons_and_tabs(tmp_path: Path) -> None:
    files = {"customers.csv": CUSTOMERS.replace(",", ";"), "contracts.tsv": CONTRACTS.replace(",", "\t")}
    assert {"accounts": 9, "subscriptions": 9} == rows(settings_of(propose(folder_of(tmp_path, files))))


def test_a_folder_of_months_is_one_table(tmp_path: Path) -> None:
    """Monthly Parquet files below a folder become one glob, also where a later month has one column more."""
    folder_of(tmp_path, {"crm/customers.csv": CUSTOMERS, "crm/contracts.csv": CONTRACTS})
    months = tmp_path / "warehouse" / "events"
    months.mkdir(parents=True)
    for month in (1, 2, 3):
        extra = ", 'web' AS channel" if month == 3 else ""
        logins = (
            f"SELECT '00' || n AS customer_id, TIMESTAMP '2024-0{month}-05 10:00:00' AS ts, 'login' AS action{extra}"
        )
        duckdb.execute(f"COPY ({logins} FROM range(1, 10) AS t(n)) TO '{months}/2024-0{month}.parquet'")
    settings = settings_of(propose(tmp_path))
    assert "warehouse/events/*.parquet" == settings.data.usage
    assert {"account_id": "customer_id", "occurred_at": "ts", "event": "action"} == mapped(settings)["usage"]
    assert {"accounts": 9, "subscriptions": 9, "usage": 27} == rows(settings)


def test_numbered_files_beside_others_are_one_table(tmp_path: Path) -> None:
    month = "account,time,event\n001,2024-02-01 10:00:00,login\n"
    files = {"customers.csv": CUSTOMERS, "contracts.csv": CONTRACTS, "usage_1.csv": month, "usage_2.csv": month}
    assert "usage_*.csv" == settings_of(propose(folder_of(tmp_path, files))).data.usage


def test_without_subscriptions_silence_is_leaving(tmp_path: Path) -> None:
    """Orders define use; the events that only take back do not."""
    orders = "client_id,timestamp,event,quantity\n" + "".join(
        f"00{n},2024-02-0{day} 09:00:00,{event},{amount}\n"
        for n in range(1, 10)
        for day, event, amount in ((1, "order", 50), (2, "order", 70), (3, "return", -20))
    )
    proposal = propose(folder_of(tmp_path, {"clients.csv": CUSTOMERS, "orders.csv": orders}))
    settings = settings_of(proposal)
    assert ("inactivity", ("order",)) == (settings.churn.definition, settings.churn.activity_events)
    assert {"accounts": 9, "usage": 27} == rows(settings)
    assert "Is that so?" in proposal.told()


def test_orders_without_an_event_are_called_after_their_file(tmp_path: Path) -> None:
    orders = "order_id,customer_id,order_date,total\n" + "".join(f"O{n},00{n},2024-02-0{n},5\n" for n in range(1, 10))
    proposal = propose(folder_of(tmp_path, {"customers.csv": CUSTOMERS, "orders.csv": orders}))
    settings = settings_of(proposal)
    assert isinstance(settings.data.usage, SqlSource)
    assert "'order' AS event" in settings.data.usage.sql
    assert {"accounts": 9, "usage": 9} == rows(settings)
    assert "read as event 'order'" in proposal.told()


def test_a_join_finds_the_account(tmp_path: Path) -> None:
    """Usage that knows its subscription alone comes with a query that finds the account, and a question."""
    contracts = "subscription_id," + "\n".join(
        line if n == 0 else f"S{n},{line}" for n, line in enumerate(CONTRACTS.splitlines())
    )
    used = "subscription_id,usage_date,feature_name\n" + "".join(f"S{n},2024-03-01,export\n" for n in range(1, 10))
    files = {"customers.csv": CUSTOMERS, "contracts.csv": contracts, "feature_usage.csv": used}
    proposal = propose(folder_of(tmp_path, files))
    assert {"accounts": 9, "subscriptions": 9, "usage": 9} == rows(settings_of(proposal))
    assert "usage (feature_usage.csv) has subscription_id rather than account_id" in " ".join(proposal.told().split())


def test_an_account_column_of_any_name_is_known_by_its_values(tmp_path: Path) -> None:
    contracts = CONTRACTS.replace("customer,", "firma,")
    settings = settings_of(propose(folder_of(tmp_path, {"customers.csv": CUSTOMERS, "contracts.csv": contracts})))
    assert "firma" == mapped(settings)["subscriptions"]["account_id"]


def test_a_years_money_is_no_mrr(tmp_path: Path) -> None:
    """Neither a yearly amount nor a flag of departure is taken; both are asked about."""
    contracts = CONTRACTS.replace("end_date,monthly_fee", "churn_flag,arr_amount")
    proposal = propose(folder_of(tmp_path, {"customers.csv": CUSTOMERS, "contracts.csv": contracts}))
    columns = tomllib.loads(proposal.toml())["data"]["columns"]["subscriptions"]
    assert not {"mrr", "ended_on"} & columns.keys()
    toml = proposal.toml().splitlines()
    assert [line for line in toml if line.startswith("# mrr") and "arr_amount is a year's" in line]
    assert [line for line in toml if line.startswith("# ended_on")]
    told = " ".join(proposal.told().split())
    assert "Is arr_amount / 12 right?" in told
    assert "no column says when a term ended" in told
    assert "churn_flag says that a customer left, not when" in told


def test_values_overrule_names(tmp_path: Path) -> None:
    """A column named like a start that holds no dates yields to another one that does."""
    lines = CONTRACTS.replace("start_date", "valid_from").splitlines()
    contracts = "\n".join([f"{lines[0]},start_date", *(f"{line},first quarter" for line in lines[1:])])
    settings = settings_of(propose(folder_of(tmp_path, {"customers.csv": CUSTOMERS, "contracts.csv": contracts})))
    assert "valid_from" == mapped(settings)["subscriptions"]["started_on"]


def test_tables_of_another_company(tmp_path: Path) -> None:
    """Rows of unknown accounts: left aside under a foreign name, passed over for known ones, or else asked about."""
    strange = "account_id,timestamp,event\nX1,2024-03-01,login\nX2,2024-03-02,login\n"
    known = strange.replace("X", "00")
    files = {"customers.csv": CUSTOMERS, "contracts.csv": CONTRACTS, "zebra.csv": strange}
    proposal = propose(folder_of(tmp_path / "foreign", files))
    assert "Fits nothing, not used: zebra.csv" in proposal.told()
    proposal = propose(folder_of(tmp_path / "both", files | {"usage.csv": strange, "our_usage.csv": known}))
    assert "our_usage.csv" == settings_of(proposal).data.usage
    proposal = propose(folder_of(tmp_path / "named", files | {"usage.csv": strange}))
    assert "usage (usage.csv): only 0% of the sampled rows speak of an account" in " ".join(proposal.told().split())


def test_dates_of_another_form_are_asked_about(tmp_path: Path) -> None:
    customers = CUSTOMERS.replace("2024-01-", "01.2024.")
    proposal = propose(folder_of(tmp_path, {"customers.csv": customers, "contracts.csv": CONTRACTS}))
    assert "accounts.created_at ← SignupDate (01.2024.01, 01.2024.02): most values are not a date" in " ".join(
        proposal.told().split()
    )


def test_one_table_for_accounts_and_terms(tmp_path: Path) -> None:
    """A list of customers with their fee and their end serves as both tables, and the user is told."""
    customers = "customer_id,created_at,monthly_fee,cancelled_at\n" + "".join(
        f"C{n},2024-01-0{n},90,{'2024-05-01' if n == 2 else ''}\n" for n in range(1, 10)
    )
    proposal = propose(folder_of(tmp_path, {"customers.csv": customers}))
    assert {"accounts": 9, "subscriptions": 9} == rows(settings_of(proposal))
    assert "subscription_history = false" in proposal.told()


def test_a_list_of_departures_is_no_usage(tmp_path: Path) -> None:
    departures = "account_id,churn_date,reason\n" + "".join(f"00{n},2024-05-01,price\n" for n in range(1, 5))
    files = {"customers.csv": CUSTOMERS, "contracts.csv": CONTRACTS, "churn_events.csv": departures}
    proposal = propose(folder_of(tmp_path, files))
    assert {"accounts", "subscriptions"} == settings_of(proposal).data.sources.keys()
    assert "churn_events.csv (account_id, churn_date, reason) lists departures" in " ".join(proposal.told().split())


@pytest.mark.parametrize(
    ("files", "missing"),
    [({"contracts.csv": CONTRACTS}, ("accounts",)), ({"customers.csv": CUSTOMERS}, ("subscriptions",))],
)
def test_a_required_table_is_missed_by_name(tmp_path: Path, files: dict[str, str], missing: tuple[str, ...]) -> None:
    """The rest is still written; the settings, read too early, name the same table."""
    proposal = propose(folder_of(tmp_path, files))
    assert missing == proposal.missing
    assert f"Not found, and required: {missing[0]}" in proposal.told()
    assert [
        line for line in proposal.toml().splitlines() if line.startswith(f"# {missing[0]} =") and "REQUIRED" in line
    ]
    with pytest.raises(UsageError, match=missing[0]):
        settings_of(proposal)


def test_accounts_made_from_terms(tmp_path: Path) -> None:
    """The comment that stands for missing accounts is a line that works once the mark before it is gone."""
    proposal = propose(folder_of(tmp_path, {"contracts.csv": CONTRACTS}))
    path = proposal.write()
    path.write_text(proposal.toml().replace("# accounts = {", "accounts = {"), encoding="utf-8")
    assert {"accounts": 9, "subscriptions": 9} == rows(read_settings(path))


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "No tables in"),
        ({"notes.txt": "a,b"}, "No tables in"),
        ({"accounts.parquet": "no Parquet"}, r"None of the tables in .*\n  is no Parquet file: accounts\.parquet"),
        ({"accounts.csv": ""}, r"is empty: accounts\.csv"),
    ],
)
def test_nothing_to_propose(tmp_path: Path, files: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        propose(folder_of(tmp_path, files))


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is no folder"):
        propose(tmp_path / "absent")


def test_unreadable_and_unused_files_are_listed(tmp_path: Path) -> None:
    """One broken file does not hide the others."""
    folder_of(
        tmp_path, {"customers.csv": CUSTOMERS, "contracts.csv": CONTRACTS, "u.parquet": "no", "x.csv": "p,q\n1,2\n"}
    )
    (tmp_path / "latin.csv").write_bytes("id,name\n1,Müller\n".encode("latin-1"))
    proposal = propose(tmp_path)
    assert {"accounts": 9, "subscriptions": 9} == rows(settings_of(proposal))
    told = proposal.told()
    assert "is not UTF-8: latin.csv" in told
    assert "is no Parquet file: u.parquet" in told
    assert "Fits nothing, not used: x.csv" in told


def test_settings_in_use_are_left_alone(tmp_path: Path) -> None:
    proposal = propose(folder_of(tmp_path, {"customers.csv": CUSTOMERS, "churn.toml": "mine"}))
    with pytest.raises(UsageError, match=r"churn\.toml is there already"):
        proposal.write()
    assert "mine" == (tmp_path / "churn.toml").read_text()
    assert proposal.toml() == proposal.write(force=True).read_text(encoding="utf-8")


def test_awkward_names(tmp_path: Path) -> None:
    """Quotes in names reach neither SQL nor TOML unquoted; a line break in a value stays out of the comments."""
    orders = 'order "no",customer_id,order_date\n' + "".join(f"O{n},00{n},2024-02-0{n}\n" for n in range(1, 10))
    customers = CUSTOMERS.replace("Firm 3", '"Firm\n3"')
    proposal = propose(folder_of(tmp_path, {"customers.csv": customers, "o'brien orders.csv": orders}))
    assert {"accounts": 9, "usage": 9} == rows(settings_of(proposal))


def test_the_demo_company_is_recognised_whole(tmp_path: Path) -> None:
    """Every table of the contract, versions and all, and not the hidden truth beside them."""
    write_company(tmp_path, accounts=30, seed=3)
    proposal = propose(tmp_path)
    settings = settings_of(proposal)
    demo = tomllib.loads((Path(__file__).parents[1] / "pipeline" / "demo" / "churn.toml").read_text())
    sources = {name: source for name, source in demo["data"].items() if name != "recorded_from"}
    assert sources == settings.data.sources
    assert {} == mapped(settings)
    assert (
        demo["run"]["as_of"]
        == tomllib.loads(proposal.toml().replace("# [run]", "[run]").replace("# as_of", "as_of"))["run"]["as_of"]
    )
    assert "Fits nothing, not used: hidden/risk.parquet" in proposal.told()


def as_csv(header: str, *lines: str) -> str:
    return "\n".join([header, *lines]) + "\n"


def customers(header: str = "account_id,created_at") -> str:
    return as_csv(header, *(f"C{n},2023-01-{n:02}" for n in range(1, 13)))


def init(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["init", *map(str, arguments)])


@pytest.mark.parametrize(
    "header",
    [
        "customer_no,signed_up",
        "CustomerNumber,SignUpDate",
        "client-id,Date created",
        "Account No.,joined",
        "id,created (UTC)",
    ],
)
def test_accounts_under_any_of_their_names(tmp_path: Path, header: str) -> None:
    contracts = as_csv("customer_id,start,end,mrr", *(f"C{n},2023-01-{n:02},,9.5" for n in range(1, 13)))
    files = {"customers.csv": customers(header), "contracts.csv": contracts}
    ours = dict(zip(("account_id", "created_at"), header.split(","), strict=True))
    assert ours == mapped(settings_of(propose(folder_of(tmp_path, files))))["accounts"]


@pytest.mark.parametrize(
    ("start", "end", "mrr"),
    [
        ("start", "end", "monthly_amount"),
        ("StartDate", "EndDate", "amount per month"),
        ("valid_from", "valid_to", "Monthly Fee (USD)"),
        ("Contract Start", "Contract End", "MRR"),
        ("开始日期", "结束日期", "月费(元)"),
    ],
)
def test_terms_under_any_of_their_names(tmp_path: Path, start: str, end: str, mrr: str) -> None:
    """The table's own name says nothing: its columns tell what it is."""
    terms = as_csv(
        f"contract_id,customer_number,{start},{end},{mrr}",
        *(f"T{n},C{n},2023-02-{n:02},{'2023-09-01' if n % 4 == 0 else ''},99.5" for n in range(1, 13)),
    )
    settings = settings_of(propose(folder_of(tmp_path, {"accounts.csv": customers(), "sheet1.csv": terms})))
    expected = {"subscription_id": "contract_id", "account_id": "customer_number"}
    assert expected | {"started_on": start, "ended_on": end, "mrr": mrr} == mapped(settings)["subscriptions"]


TERMS = as_csv(
    "account_id,started_on,ended_on,mrr",
    *(f"C{n},2023-02-{n:02},{'2023-09-01' if n % 4 == 0 else ''},99.5" for n in range(1, 13)),
)


@pytest.mark.parametrize(
    ("table", "header", "values", "expected"),
    [
        ("usage", "account_no,when,activity,person", "2023-03-01 10:00:00,export,U{n}", ("when", "activity", "person")),
        ("usage", "customerId,ts,action,member", "2023-03-01 10:00:00,export,U{n}", ("ts", "action", "member")),
        ("usage", "客户编号,操作时间,功能,用户", "2023/3/1 10:00:00,导出,U{n}", ("操作时间", "功能", "用户")),
        ("page_visits", "account,timestamp,url", "2023-03-01 10:00:00,/pricing", ("timestamp", "url")),
        (
            "tickets",
            "ticket number,client,created,body",
            "C{n},2023-03-01 10:00:00,broken",
            ("client", "created", "body"),
        ),
    ],
)
def test_logs_are_recognised_by_their_columns(
    tmp_path: Path, table: str, header: str, values: str, expected: tuple[str, ...]
) -> None:
    log = as_csv(header, *(f"C{n},{values}".format(n=n) for n in range(1, 13)))
    files = {"accounts.csv": customers(), "subscriptions.csv": TERMS, "part-0.csv": log}
    settings = settings_of(propose(folder_of(tmp_path, files)))
    assert "part-0.csv" == settings.data.sources[table]
    assert set(expected) <= set(mapped(settings)[table].values())


def test_columns_are_known_by_their_values(tmp_path: Path) -> None:
    """Where names fail: the dates of a term by what is filled, money by its cents, an owner by the e-mail."""
    accounts = as_csv(
        "account_id,created_at,kontakt,betreuer",
        *(f"C{n},2023-01-{n:02},kunde{n}@firma{n}.example,{'ab'[n % 2]}@acme.example" for n in range(1, 13)),
    )
    terms = TERMS.replace("account_id,started_on,ended_on,mrr", "kunde,anfang,ende,betrag")
    proposal = propose(folder_of(tmp_path, {"accounts.csv": accounts, "contracts.csv": terms}))
    settings = settings_of(proposal)
    assert {
        "accounts": {"owner": "betreuer"},
        "subscriptions": {"account_id": "kunde", "started_on": "anfang", "ended_on": "ende", "mrr": "betrag"},
    } == mapped(settings)
    assert {"accounts": 12, "subscriptions": 12} == rows(settings)
    told = proposal.told()
    assert "ended_on ← ende" in told
    assert "mrr ← betrag" in told
    assert "subscriptions.started_on ← anfang (2023-02-01, 2023-02-02): its values say so" in " ".join(told.split())


@pytest.mark.parametrize(
    ("day", "fee", "words"),
    [
        ("{n:02}.02.2023", "1.200,50 €", "day.month.year"),
        ("2/{n}/2023", "$1,200.50", "month/day/year"),
        ("2023年2月{n}日", "¥1,200.50", "year年month月day日"),
        ("202302{n:02}", "1200.50 USD", "yearmonthday"),
    ],
)
def test_dates_and_money_of_other_forms_are_read(tmp_path: Path, day: str, fee: str, words: str) -> None:
    """The proposal converts them itself and asks whether it understood."""
    terms = as_csv("account_id;start;end;monthly fee", *(f"C{n};{day.format(n=n + 13)};;{fee}" for n in range(1, 13)))
    proposal = propose(folder_of(tmp_path, {"accounts.csv": customers(), "subscriptions.csv": terms}))
    opened = open_sources(settings_of(proposal))
    try:
        read = opened.tables["subscriptions"].aggregate(
            first=opened.tables["subscriptions"]["started_on"].min(), mrr=opened.tables["subscriptions"]["mrr"].max()
        )
        first, mrr = read.execute().iloc[0]
    finally:
        opened.close()
    assert (date(2023, 2, 14), 1200.5) == (first.date(), mrr)
    assert f"is read as {words} in sql" in " ".join(proposal.told().split())


def test_ids_are_not_money_and_counts_are_not_mrr(tmp_path: Path) -> None:
    terms = TERMS.replace("mrr", "headcount").replace("99.5", "12")
    proposal = propose(folder_of(tmp_path, {"accounts.csv": customers(), "contracts.csv": terms}))
    assert "mrr" not in tomllib.loads(proposal.toml())["data"]["columns"]["subscriptions"]
    assert "no column is named like money a month" in " ".join(proposal.told().split())


def test_a_years_money_comes_with_the_line_that_divides_it(tmp_path: Path) -> None:
    terms = TERMS.replace("mrr", "ARR (EUR)").replace("99.5", "1200")
    proposal = propose(folder_of(tmp_path, {"accounts.csv": customers(), "contracts.csv": terms}))
    path = proposal.write()
    lines = path.read_text().splitlines()
    [ready] = [line for line in lines if line.startswith("# subscriptions = {")]
    swapped = [ready[2:] if line == ready else line for line in lines if not line.startswith("subscriptions =")]
    path.write_text("\n".join(swapped))
    opened = open_sources(read_settings(path))
    try:
        assert 100 == opened.tables["subscriptions"]["mrr"].max().execute()
    finally:
        opened.close()


def test_what_is_missing_is_told_with_what_comes_nearest(tmp_path: Path) -> None:
    """Exit 2, a file with the questions in it, every table that was seen, and the columns that it might be."""
    blurred = as_csv("account_id,beginning,finish,costs,extra", *(f"C{n},soon,2023-05-01,a,b" for n in range(1, 13)))
    folder = folder_of(tmp_path, {"accounts.csv": customers(), "contracts.csv": blurred})
    result = init(folder)
    assert 2 == result.exit_code
    told = " ".join(result.output.split())
    assert "Not found, and required: subscriptions" in told
    assert "contracts.csv has account_id ← account_id" in told
    assert "lacks started_on" in told
    assert "contracts.csv: account_id, beginning, finish, costs, extra" in told
    written = (folder / "churn.toml").read_text()
    assert "# OPEN" in written
    assert "lacks started_on" in written


def test_a_required_column_is_missing(tmp_path: Path) -> None:
    """A table without its required column cannot be used either; two columns that may be it are named."""
    lines = TERMS.replace("ended_on", "reviewed,audited").splitlines()
    lines[1:] = [
        f"{account},{start},2023-04-01,2023-05-01,9" for account, start, *_ in (x.split(",") for x in lines[1:])
    ]
    folder = folder_of(tmp_path, {"accounts.csv": customers(), "subscriptions.csv": as_csv(*lines)})
    result = init(folder)
    assert 2 == result.exit_code
    assert "required: subscriptions.ended_on" in result.output
    assert "ended_on in subscriptions.csv: nearest of its type audited, reviewed" in " ".join(result.output.split())


def test_all_found_ends_with_the_check(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, {"accounts.csv": customers(), "subscriptions.csv": TERMS})
    result = init(folder)
    assert 0 == result.exit_code, result.output
    assert "departures are known" in result.output.partition("Wrote ")[2]


def test_tables_that_ended_long_ago_are_looked_at_from_their_end(tmp_path: Path) -> None:
    """A use that stopped years ago would stop a night; here it is what there is to look at."""
    logs = as_csv("account_id,occurred_at,event", *(f"C1,{date(2023, 1, 1) + timedelta(n)},login" for n in range(90)))
    folder = folder_of(tmp_path, {"accounts.csv": customers(), "subscriptions.csv": TERMS, "usage.csv": logs})
    result = init(folder)
    assert 0 == result.exit_code, result.output
    assert f"churn check -c {folder / 'churn.toml'} --as-of 2023-04-01" in result.output
    assert "STOPS THE RUN" not in result.output


def test_what_the_contract_refuses_is_no_success(tmp_path: Path) -> None:
    terms = TERMS.replace("2023-09-01", "2021-09-01")
    result = init(folder_of(tmp_path, {"accounts.csv": customers(), "subscriptions.csv": terms}))
    assert 3 == result.exit_code
    assert "STOPS THE RUN" in result.output


def test_settings_elsewhere_find_the_tables(tmp_path: Path) -> None:
    """Files, globs, joins and queries alike, named from where the settings lie."""
    logs = as_csv("subscription_id,used_at,feature", *(f"S{n},2023-03-01,export" for n in range(1, 13)))
    terms = as_csv(
        "subscription_id," + TERMS.splitlines()[0], *(f"S{n},{x}" for n, x in enumerate(TERMS.splitlines()[1:], 1))
    )
    visits = as_csv("account_id,visited_at,path", "C1,2023-03-01,/pricing")
    tables = {"accounts.csv": customers(), "subscriptions.csv": terms, "feature_usage.csv": logs}
    tables |= {"visits/2023-01.csv": visits, "visits/2023-02.csv": visits}
    folder = folder_of(tmp_path / "in" / "tables", tables)
    out = tmp_path / "settings" / "deep" / "mine.toml"
    out.parent.mkdir(parents=True)
    result = init(folder, "--out", out)
    assert 0 == result.exit_code, result.output
    assert not (folder / "churn.toml").exists()
    assert {"accounts": 12, "subscriptions": 12, "usage": 12, "page_visits": 2} == rows(read_settings(out))
    assert str(tmp_path) not in out.read_text()


def test_a_dry_run_writes_nothing(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, {"accounts.csv": customers(), "subscriptions.csv": TERMS})
    result = init(folder, "--dry-run")
    assert 0 == result.exit_code, result.output
    assert propose(folder).toml() in result.output
    assert {"accounts.csv", "subscriptions.csv"} == {file.name for file in folder.iterdir()}
    (folder / "subscriptions.csv").unlink()
    assert 2 == init(folder, "--dry-run").exit_code


def test_what_is_there_or_cannot_be_written(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, {"accounts.csv": customers(), "subscriptions.csv": TERMS, "mine.toml": "mine"})
    result = init(folder, "--out", folder / "mine.toml")
    assert (2, "mine") == (result.exit_code, (folder / "mine.toml").read_text())
    assert "mine.toml is there already" in result.output
    assert 0 == init(folder, "--out", folder / "mine.toml", "--force").exit_code
    for nowhere in (folder / "absent" / "churn.toml", folder / "accounts.csv" / "churn.toml"):
        result = init(folder, "--out", nowhere)
        assert 2 == result.exit_code
        assert "cannot be written" in result.output
        assert "Traceback" not in result.output


def daily(event: str, quantity: str) -> str:
    """Customers who come every ten days, but once stay away for 30 days and a few more each."""
    lines = []
    for n in range(1, 13):
        for day in (*range(0, 200, 10), *range(229 + n, 400 + n, 10)):
            lines.append(f"C{n},{date(2023, 2, 1) + timedelta(day)},{event},{quantity.format(n=n * n)}")
    return as_csv("account_id,occurred_at,event,quantity", *lines)


def test_silence_is_measured(tmp_path: Path) -> None:
    """Eight of ten never stayed away longer than 49 days: a multiple of a week, in the file with its reason."""
    proposal = propose(folder_of(tmp_path, {"accounts.csv": customers(), "usage.csv": daily("login", "1")}))
    settings = settings_of(proposal)
    assert ("inactivity", 49, 49) == (
        settings.churn.definition,
        settings.churn.inactive_days,
        settings.churn.horizon_days,
    )
    [line] = [line for line in proposal.toml().splitlines() if line.startswith("inactive_days")]
    assert (
        "please confirm: of 12 customers who came back after a silence, 8 in 10 never stayed away longer than 49"
        in line
    )
    assert "after 49 days without any event" in " ".join(proposal.told().split())


def test_a_silence_that_cannot_be_measured_is_a_guess(tmp_path: Path) -> None:
    once = as_csv("account_id,occurred_at,event", *(f"C{n},2023-03-01,login" for n in range(1, 13)))
    proposal = propose(folder_of(tmp_path, {"accounts.csv": customers(), "usage.csv": once}))
    assert 60 == settings_of(proposal).churn.inactive_days
    assert "a guess; too few customers came back" in proposal.toml()


@pytest.mark.parametrize(
    ("event", "quantity", "asked"),
    [("order", "40", True), ("deliver", "{n}.37", True), ("login", "3", False), ("minutes", "2.5", False)],
)
def test_money_is_asked_about(tmp_path: Path, event: str, quantity: str, asked: bool) -> None:
    """The line is ready, and a comment."""
    proposal = propose(folder_of(tmp_path, {"accounts.csv": customers(), "usage.csv": daily(event, quantity)}))
    assert () == settings_of(proposal).book.value_events
    ready = [line for line in proposal.toml().splitlines() if line.startswith("# value_events")]
    assert asked == bool(ready)
    assert asked == (f"of {event} money?" in " ".join(proposal.told().split()))
    if ready:
        text = proposal.toml().replace("# [book]", "[book]").replace("# value_events", "value_events")
        assert [event] == tomllib.loads(text)["book"]["value_events"]


@pytest.mark.parametrize(("first_day_after", "is_last_day"), [(1, True), (0, False), (9, False)])
def test_ends_on_the_last_day(tmp_path: Path, first_day_after: int, is_last_day: bool) -> None:
    """Successors that start one day after an end show it; the proposal says how many, and asks."""
    terms = as_csv(
        "account_id,started_on,ended_on,mrr",
        *(f"C{n},2023-02-01,2023-02-{n:02},9" for n in range(10, 13)),
        *(f"C{n},2023-02-{n + first_day_after:02},,9" for n in range(10, 13)),
    )
    proposal = propose(folder_of(tmp_path, {"accounts.csv": customers(), "subscriptions.csv": terms}))
    assert ("last_day" if is_last_day else "first_day_without") == settings_of(proposal).data.ended_on
    told = " ".join(proposal.told().split())
    assert is_last_day == ("3 terms start one day after the end of another" in told)


def test_tables_in_the_manner_of_a_billing_export(tmp_path: Path) -> None:
    times = "Created (UTC),Start (UTC),Canceled At (UTC),Ended At (UTC)"
    bought = as_csv(
        f"id,Customer ID,Plan,Quantity,Interval,Amount,Status,{times}",
        *(
            f"sub_{n},cus_{n},price_1,3,{'month' if n % 2 else 'year'},49.00,active,2023-01-01 10:00,2023-01-01 10:00,"
            + ("2023-05-01 09:00,2023-06-01 10:00" if n % 3 == 0 else ",")
            for n in range(1, 13)
        ),
    )
    buyers = as_csv(
        "id,Email,Name,Created (UTC)", *(f"cus_{n},a@x{n}.example,X{n},2023-01-01 10:00" for n in range(1, 13))
    )
    bills = as_csv(
        "id,Amount Due,Customer,Date (UTC),Due Date (UTC),Number",
        *(f"in_{n},49.00,cus_{n},2023-01-01 10:00,,N{n}" for n in range(1, 13)),
    )
    files = {"customers.csv": buyers, "subscriptions.csv": bought, "invoices.csv": bills}
    proposal = propose(folder_of(tmp_path, files))
    settings = settings_of(proposal)
    terms = mapped(settings)["subscriptions"]
    assert ("id", "Customer ID", "Start (UTC)", "Ended At (UTC)", "Canceled At (UTC)", "Amount") == tuple(
        terms[ours] for ours in ("subscription_id", "account_id", "started_on", "ended_on", "notice_on", "mrr")
    )
    assert {"accounts": 12, "subscriptions": 12, "invoices": 12} == rows(settings)
    told = " ".join(proposal.told().split())
    assert "notice_on ← Canceled At (UTC)" in told
    assert "Interval is month, year: if the amount is of one bill, divide the yearly ones by 12" in told


def test_chinese_tables(tmp_path: Path) -> None:
    """Names of files and columns in Chinese, with the mark that Excel puts before the first."""
    firms = "\ufeff" + as_csv(
        "客户编号,客户名称,注册日期,行业,负责人", *(f"K{n},公司{n},2023/1/{n},零售,王敏" for n in range(1, 13))
    )
    terms = as_csv(
        "合同编号,客户编号,开始日期,结束日期,月费,套餐,席位数",
        *(f"H{n},K{n},2023/2/{n},{'2023/9/1' if n % 4 == 0 else ''},1200,标准版,10" for n in range(1, 13)),
    )
    logs = as_csv("客户编号,操作时间,操作,用户", *(f"K{n},2023/3/1 10:00,登录,U{n}" for n in range(1, 13)))
    cases = as_csv("工单编号,客户编号,创建时间,问题描述", *(f"G{n},K{n},2023/3/2 10:00,打不开" for n in range(1, 13)))
    files = {"客户信息.csv": firms, "合同表.csv": terms, "操作日志.csv": logs, "工单.csv": cases}
    settings = settings_of(propose(folder_of(tmp_path, files)))
    assert {"accounts": 12, "subscriptions": 12, "usage": 12, "tickets": 12} == rows(settings)
    maps = mapped(settings)
    assert {"account_id", "name", "created_at", "industry", "owner"} == maps["accounts"].keys()
    assert ("开始日期", "结束日期", "月费") == tuple(
        maps["subscriptions"][x] for x in ("started_on", "ended_on", "mrr")
    )
    assert ("操作时间", "操作", "用户") == tuple(maps["usage"][ours] for ours in ("occurred_at", "event", "user_id"))
    assert "问题描述" == maps["tickets"]["text"]


def real(name: str) -> Path:
    if not (REAL / name).is_dir():
        pytest.skip(f"../shared/data/{name} is absent")
    return REAL / name


@pytest.mark.real
@pytest.mark.parametrize("name", ["crm5", "wholesale"])
def test_real_tables_as_a_person_maps_them(name: str, tmp_path: Path) -> None:
    """The proposal equals the settings that a person wrote for these tables."""
    folder = real(name)
    by_hand = tomllib.loads((COMPANIES / f"{name}.toml").read_text())
    proposal = propose(folder)
    (tmp_path / "churn.toml").write_text(proposal.toml(), encoding="utf-8")
    settings = read_settings(tmp_path / "churn.toml")
    sources = {table: Path(source).name for table, source in by_hand["data"].items() if table != "columns"}
    assert sources == settings.data.sources
    assert by_hand["data"].get("columns", {}) == mapped(settings)
    churn = by_hand["churn"]
    assert churn.get("definition", "subscription") == settings.churn.definition
    assert churn.get("activity_events") == (settings.churn.activity_events and [*settings.churn.activity_events])
    assert str(by_hand["run"]["as_of"]) in proposal.toml()


@pytest.mark.real
def test_real_tables_of_foreign_names(tmp_path: Path) -> None:
    """RavenStack: four tables, one by a join, and the doubts that a careful reader has about them."""
    for file in real("ravenstack").iterdir():
        (tmp_path / file.name).symlink_to(file.resolve())
    proposal = propose(tmp_path)
    settings = settings_of(proposal)
    assert {"accounts": 500, "subscriptions": 5000, "usage": 25000, "tickets": 2000} == rows(settings)
    by_hand: dict[str, Any] = tomllib.loads((COMPANIES / "ravenstack.toml").read_text())["data"]["columns"]
    assert by_hand == {table: names for table, names in mapped(settings).items() if table != "tickets"}
    told = " ".join(proposal.told().split())
    assert "has subscription_id rather than account_id" in told
    assert "arr_amount (33432, 9996) was not taken" in told
    assert "ravenstack_churn_events.csv" in told


@pytest.mark.real
@pytest.mark.parametrize(
    ("company", "grace_days", "seen_from", "expected"),
    [
        ("ravenstack", 30, None, 2),
        ("ravenstack", 0, None, 8),
        ("ravenstack_departed", 30, None, 169),
        ("ravenstack_departed", 30, date(2025, 2, 1), 211),
        ("ravenstack_departed", 0, None, 481),
    ],
)
def test_departures_of_a_real_company(company: str, grace_days: int, seen_from: date | None, expected: int) -> None:
    """The settings kept for RavenStack count the departures that their comments tell."""
    real("ravenstack")
    settings = read_settings(COMPANIES / f"{company}.toml")
    settings = settings.model_copy(update={"churn": settings.churn.model_copy(update={"grace_days": grace_days})})
    assert {"accounts": 500, "subscriptions": 5000, "usage": 25000, "tickets": 2000} == rows(settings)
    opened = open_sources(settings)
    try:
        found = churns(history(opened, settings), settings.today(seen_from))
        assert expected == found.count().execute()
    finally:
        opened.close()


TICKETS = "ticket_id,account_id,submitted_at,{name},satisfaction_score\n" + "".join(
    f"T{n},00{n},2024-03-0{n} 10:00:00,{n}.5,4\n" for n in range(1, 10)
)


@pytest.mark.parametrize(
    ("name", "ours", "unit", "answered_at"),
    [
        ("first_response_time_minutes", "first_response_at", "minutes", "2024-03-02 10:02:30"),
        ("FirstReplyHours", "first_response_at", "hours", "2024-03-02 12:30:00"),
        ("time_to_resolution_days", "resolved_at", "days", "2024-03-04 22:00:00"),
    ],
)
def test_a_duration_comes_with_the_line_that_makes_a_time_of_it(
    tmp_path: Path, name: str, ours: str, unit: str, answered_at: str
) -> None:
    """Asked about, and ready as a comment: with it the table has the time, without it all else is as proposed."""
    files = {"customers.csv": CUSTOMERS, "contracts.csv": CONTRACTS, "tickets.csv": TICKETS.format(name=name)}
    proposal = propose(folder_of(tmp_path, files))
    told = " ".join(proposal.told().split())
    assert f"does {name} (1.5, 2.5) count the {unit} from submitted_at on? Then it makes {ours}" in told
    [ready] = [line for line in proposal.toml().splitlines() if line.startswith("# tickets = { sql = ")]
    given = next(line for line in proposal.toml().splitlines() if line.startswith("tickets = "))
    proposal.write().write_text(proposal.toml().replace(given, ready.removeprefix("# ")), encoding="utf-8")
    opened = open_sources(read_settings(tmp_path / "churn.toml"))
    try:
        second = opened.tables["tickets"].filter(opened.tables["tickets"]["ticket_id"] == "T2").execute().iloc[0]
        assert (4, answered_at) == (second["csat"], str(second[ours]))
    finally:
        opened.close()


def test_a_duration_counts_from_the_instant_and_stops_at_nothing(tmp_path: Path) -> None:
    """An offset is kept, as where the same column is read; what is no duration makes no time."""
    rows = [("T1", "2024-03-02 10:00:00+02:00", "90")]
    rows += [(f"T{n}", "2024-03-02 10:00:00", took) for n, took in enumerate(("90", "nan", "inf", "1e300", "-1e12"), 2)]
    lines = (f"{ticket},001,{at},{took}" for ticket, at, took in rows)
    tickets = as_csv("ticket_id,account_id,submitted_at,first_response_time_mins", *lines)
    folder = folder_of(tmp_path, {"customers.csv": CUSTOMERS, "contracts.csv": CONTRACTS, "tickets.csv": tickets})
    proposal = propose(folder)
    [ready] = [line for line in proposal.toml().splitlines() if line.startswith("# tickets = { sql = ")]
    given = next(line for line in proposal.toml().splitlines() if line.startswith("tickets = "))
    proposal.write().write_text(proposal.toml().replace(given, ready.removeprefix("# ")), encoding="utf-8")
    opened = open_sources(read_settings(tmp_path / "churn.toml"))
    try:
        assert [] == opened.unreadable
        made = opened.tables["tickets"].order_by("ticket_id").execute()["first_response_at"]
        assert ["2024-03-02 09:30:00", "2024-03-02 11:30:00"] == made.dropna().astype(str).tolist()
    finally:
        opened.close()


def test_a_number_without_a_unit_is_no_duration(tmp_path: Path) -> None:
    files = {"customers.csv": CUSTOMERS, "contracts.csv": CONTRACTS, "tickets.csv": TICKETS.format(name="reply_sla")}
    assert "# tickets = {" not in propose(folder_of(tmp_path, files)).toml()


@pytest.mark.parametrize(("rated_at", "asked"), [("", True), ("csat_at", False), ("recorded_at", False)])
def test_a_rating_without_its_time_is_asked_about(tmp_path: Path, rated_at: str, asked: bool) -> None:
    """Without the day of the answer, or versions, it teaches no model; nobody would guess that."""
    more = rated_at or "agent"
    rows = as_csv(
        f"ticket_id,account_id,submitted_at,{more},satisfaction_score",
        *(f"T{n},00{n},2024-03-01 10:00:00,{'2024-03-02' if rated_at else 'Ann'},4" for n in range(1, 10)),
    )
    proposal = propose(
        folder_of(tmp_path, {"customers.csv": CUSTOMERS, "contracts.csv": CONTRACTS, "tickets.csv": rows})
    )
    told = " ".join(proposal.told().split())
    assert asked == ("csat ← satisfaction_score (4) has no csat_at" in told)


def test_ends_far_ahead_are_taken_for_none(tmp_path: Path) -> None:
    contracts = CONTRACTS.replace(",,", ",9999-12-31,")
    proposal = propose(folder_of(tmp_path, {"customers.csv": CUSTOMERS, "contracts.csv": contracts}))
    told = " ".join(proposal.told().split())
    assert "Ends fifty years ahead, such as 9999-12-31, are read as none." in told
    assert "No sampled term is still running" not in told
