"""What the README shows works: its settings on tables of that shape, its notebooks on the demo company."""

import json
import re
import tomllib
from pathlib import Path

import duckdb
import pytest
import warehouse
from click.testing import CliRunner
from rich.cells import cell_len

from pipeline.cli import main
from pipeline.demo.company import write_company

REPOSITORY = Path(__file__).parent.parent
README = (REPOSITORY / "README.md").read_text(encoding="utf-8")


def worked_settings(where: str = "files") -> str:
    """The settings shown: for tables in files, and for those of a warehouse."""
    blocks = re.findall(r"```toml\n(.*?)```", README, flags=re.DOTALL)
    return dict(zip(("files", "warehouse"), blocks, strict=True))[where]


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo company's tables as the README's example company would keep them: other names, CSV, one row per key."""
    folder = tmp_path_factory.mktemp("readme")
    write_company(folder / "demo", accounts=250, seed=11)
    for name in ("crm", "billing", "events", "web", "helpdesk"):
        (folder / name).mkdir()
    data = folder / "demo" / "data"
    newest = "QUALIFY row_number() OVER (PARTITION BY {} ORDER BY recorded_at DESC) = 1"
    exports = {
        "crm/customers.csv": "SELECT account_id AS customer_no, created_at AS signed_up, name, owner "
        f"FROM '{data}/accounts.parquet' {newest.format('account_id')}",
        "billing/subscriptions.csv": "SELECT account_id, started_on, ended_on, mrr, plan, seats "
        f"FROM '{data}/subscriptions.parquet' {newest.format('subscription_id')}",
        "events/all.parquet": f"SELECT account_id, occurred_at, event, user_id FROM '{data}/usage/*.parquet'",
        "web/visits.csv": f"SELECT account_id, visited_at, path FROM '{data}/page_visits.parquet'",
        "helpdesk/export.csv": "SELECT ticket_id AS number, account_id AS client, opened_at AS opened, text AS body, "
        "first_response_at AS answered, resolved_at AS closed, 'question' AS kind "
        f"FROM '{data}/tickets.parquet' {newest.format('ticket_id')}",
    }
    with duckdb.connect() as engine:
        for file, query in exports.items():
            engine.execute(f"COPY ({query}) TO '{folder / file}'")
    (folder / "churn.toml").write_text(worked_settings(), encoding="utf-8")
    return folder


def test_the_worked_settings_train_and_score(company: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(company)
    monkeypatch.setenv("CHURN__CHURN__SNAPSHOT_EVERY_DAYS", "112")
    for command in (["check"], ["train"], ["score", "--out", "tonight.csv"]):
        result = CliRunner().invoke(main, [*command, "--as-of", "2026-11-02"])
        assert result.exit_code == 0, result.output
    assert "Night of Mon 2 Nov 2026" in result.stdout
    assert len((company / "tonight.csv").read_text(encoding="utf-8").splitlines()) > 200


def test_the_first_screen_is_what_the_demo_prints() -> None:
    """One sentence, the command, then a list of the demo's shape: header, entries of two reasons, skill, next steps."""
    command, screen = re.findall(r"```\n(.*?)```", README, flags=re.DOTALL)[:2]
    assert command == "make demo\n"
    head, bands, order, *rest = [line for line in screen.splitlines() if line]
    place = next(number for number, line in enumerate(rest) if line.startswith("How good is this? "))
    entries, (skill, *lists, after) = rest[:place], rest[place:]
    assert re.match(r"Demo, night of \w{3} \d+ \w{3} \d{4} · [\d,]+ accounts, .+ · \d+ in 100 leave in \d+ days", head)
    assert re.match(r"Accounts at high risk \(\d+ % or more\): \d+ · at medium risk ", bands)
    assert order.startswith("Most MRR at stake first (risk × MRR, USD). Not listed: accounts at low risk, ")
    titles = [line for line in entries if re.match(r" ?\d+  \S", line)]
    assert titles
    shape = r"1 in \d+ +(high|medium) +MRR +[\d,]+ +at stake +[\d,]+ +CSM \S+@example.com +A-\d+"
    assert all(re.search(shape, line) for line in titles)
    assert skill.startswith("How good is this? It found ")
    assert re.fullmatch(r"Simple lists found: by MRR \d+ %(, by [a-z ]+ \d+ %){5}\.", " ".join(lists))
    assert after.startswith("One account: churn explain A-")
    assert max(map(cell_len, screen.splitlines())) <= 120


def test_the_settings_shown_use_only_keys_that_exist() -> None:
    assert tomllib.loads(worked_settings())["data"]["accounts"] == "crm/customers.csv"


def test_the_settings_of_a_warehouse_read_one(
    company: Path, postgres: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same tables in the schemas that are shown."""
    owner = warehouse.database(postgres, "analytics", ("crm", "billing", "product", "web", "helpdesk"))
    tickets = "number, client, opened::TIMESTAMP AS opened_at, closed::TIMESTAMP AS closed_at, body, kind"
    tables = {
        "crm.customers": f"'{company}/crm/customers.csv'",
        "billing.subscriptions": f"'{company}/billing/subscriptions.csv'",
        "product.events": f"'{company}/events/all.parquet'",
        "web.visits": f"'{company}/web/visits.csv'",
        "helpdesk.tickets": f"(SELECT {tickets} FROM '{company}/helpdesk/export.csv')",
    }
    warehouse.load(owner, tables, tmp_path)
    monkeypatch.setenv("CHURN__DATA__CONNECTION", warehouse.as_reader(owner))
    (tmp_path / "churn.toml").write_text(worked_settings("warehouse"), encoding="utf-8")
    told = {}
    for place in (tmp_path, company):
        command = ["check", "-c", str(place / "churn.toml"), "--as-of", "2026-11-02", "--json"]
        result = CliRunner().invoke(main, command, catch_exceptions=False)
        assert result.exit_code == 0, result.output
        told[place] = json.loads(result.stdout)
        monkeypatch.delenv("CHURN__DATA__CONNECTION", raising=False)
    assert told[company]["rows"] == told[tmp_path]["rows"]
    assert told[company]["departures"] == told[tmp_path]["departures"]


FIRST, *OTHERS = sorted(REPOSITORY.glob("notebooks/*.py"))


@pytest.mark.parametrize(
    "notebook", [FIRST, *(pytest.param(each, marks=pytest.mark.slow) for each in OTHERS)], ids=lambda path: path.stem
)
def test_a_notebook_runs_on_a_company(notebook: Path, company: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    shown = []
    monkeypatch.setattr(plt, "show", lambda: shown.append(plt.get_fignums()) or plt.close("all"))
    monkeypatch.setenv("CHURN_CONFIG", str(company / "churn.toml"))
    monkeypatch.setenv("CHURN__RUN__AS_OF", "2026-11-02")
    monkeypatch.setenv("CHURN__CHURN__SNAPSHOT_EVERY_DAYS", "112")
    exec(compile(notebook.read_text(encoding="utf-8"), str(notebook), "exec"), {"__name__": "__main__"})
    assert shown
    assert all(figures for figures in shown)
