"""`churn.toml` and its environment: nothing unknown is accepted, and what is wrong is said where it stands."""

from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from pydantic import ValidationError

from pipeline.errors import UsageError
from pipeline.settings import Settings, SqlSource
from pipeline.settings_file import read_settings

TABLES = '[data]\naccounts = "accounts.parquet"\nsubscriptions = "subscriptions.parquet"\nusage = "usage.parquet"\n'
MAIL = '[mail]\nhost = "mail"\nsender = "churn@example.com"\n'
INACTIVITY = '[churn]\ndefinition = "inactivity"\n'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "churn.toml"


def settings(file: Path, text: str = "") -> Settings:
    file.write_text(TABLES + text, encoding="utf-8")
    return read_settings(file)


def refusal(file: Path, text: str) -> str:
    with pytest.raises(UsageError) as refused:
        settings(file, text)
    return str(refused.value)


def test_horizons_beside_the_first_one(file: Path) -> None:
    """In any order; the one that the book goes by is always there and need not be named."""
    assert (30, 90) == settings(file).horizons()
    assert (30, 60) == settings(file, "[churn]\nhorizon_days = 90\n").horizons()
    assert (30, 365) == settings(file, "[churn]\nhorizons = [365, 30, 60, 30]\n").horizons()
    assert () == settings(file, "[churn]\nhorizons = []\n").horizons()
    assert () == settings(file, INACTIVITY).horizons()
    assert "horizons needs definition" in refusal(file, INACTIVITY + "horizons = [30, 60]\n")
    assert "[churn] horizons.1 = 0" in refusal(file, "[churn]\nhorizons = [30, 0]\n")


def test_two_tables_are_enough(file: Path) -> None:
    """Every key but the required tables has a default, and these are the ones that are documented."""
    read = settings(file)
    assert {"accounts", "subscriptions", "usage"} == read.data.sources.keys()
    assert ("subscription", "ended", 60, 30, 28) == (
        read.churn.definition,
        read.churn.event,
        read.churn.horizon_days,
        read.churn.grace_days,
        read.churn.snapshot_every_days,
    )
    assert (10, 2.0, 4.0) == (read.book.calls_per_week, read.book.medium, read.book.high)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[churn]\ngrace_day = 30\n", "[churn] grace_day: unknown key; did you mean grace_days?"),
        ('[stroe]\nurl = "x"\n', "stroe: unknown key; did you mean store?"),
        ("[book]\ncalls = 3\nweek = 2\n", "[book] week: unknown key"),
        ('ticket = "t.csv"\n', "[data] ticket: unknown key; did you mean tickets?"),
        ('folder = "x"\n', "[data] folder: unknown key"),
        (
            "[warehouse]\nx = 1\n",
            "warehouse: unknown key; known are company, data, churn, pages, sentiment, book",
        ),
        ("[str]\nx = 1\n", "str: unknown key"),
        ('[data.columns.usage]\nstr = "a"\n', "usage has no column 'str'"),
        ("[data.columns.usage]\nstr = { a = 1 }\n", "[data] columns.usage.str = {'a': 1}: write text, in quotes"),
        ("tickets = {}\n", "[data] tickets.sql = {}: write a path in quotes, or { sql = "),
        ('[pages]\npricing = "x"\n', "[pages] pricing = 'x': write a list of patterns"),
        ("[book]\n[book]\n", "has the section [book] twice, the second time at line 6. Move its keys under the first."),
        ("[data.columns.usage]\n[data.columns.usage]\n", "has the section [data.columns.usage] twice"),
        (
            '[churn]\nhorizon_days = "two months"\n',
            "[churn] horizon_days = 'two months': write a whole number",
        ),
        ('[sentiment]\nlearn = "no"\n', "[sentiment] learn = 'no': write true or false, without quotes"),
        ("[run]\ndemo = 1\n", "[run] demo = 1: write true or false"),
        ("[churn]\nhorizon_days = 0\n", "[churn] horizon_days = 0: write 1 or more"),
        ('[churn]\nevent = "cancelled"\n', "[churn] event = 'cancelled': write 'ended' or 'notice'"),
        ("tickets = 7\n", "[data] tickets = 7: write a path in quotes, or { sql = "),
        ("tickets = { sql = 7 }\n", "[data] tickets.sql = 7: write text, in quotes"),
        ('tickets = { query = "FROM t" }\n', "[data] tickets.query: unknown key; known are sql"),
        ('tickets = { sql = "" }\n', "[data] tickets.sql = '': "),
        ("arrival_hours = 24\n", "[data] arrival_hours = 24: write 23 or less"),
        ('[data.columns.invoice]\namount = "x"\n', "no table is called 'invoice'; did you mean invoices?"),
        ('[data.columns.usage]\nocurred_at = "x"\n', "usage has no column 'ocurred_at'; did you mean occurred_at?"),
        ('constant = ["industry"]\n', "'industry' is no table.column, such as 'accounts.industry'"),
        ('constant = ["accounts.industri"]\n', "accounts has no column 'industri'; did you mean industry?"),
        ('categories = ["tier"]\n', "'tier' is no further column of accounts, such as 'accounts.tier'"),
        ('categories = ["users.role"]\n', "'users.role' is no further column of accounts"),
        ('categories = ["accounts.owner"]\n', "'accounts.owner' is a column of the contract, which says itself"),
        ("[pages]\npricing = []\n", "the group 'pricing' has no patterns"),
        ('[pages]\n"pricing page" = ["/pricing*"]\n', "the group 'pricing page' needs a name of letters"),
        ("[book]\nmedium = 4.0\nhigh = 4.0\n", "high = 4.0 must be above medium = 4.0"),
        ('[store]\nurl = ""\n', "[store] url = '': write something, or take it out"),
        ('[tracking]\nuri = ""\n', "[tracking] uri = '': write something, or take it out"),
        ("[run]\nas_of = 2026-02-30\n", "is not TOML: "),
        ('[run]\nas_of = "soon"\n', "[run] as_of = 'soon': write a day, such as 2026-01-31"),
        ("[company]\nname = Acme\n", "is not TOML: "),
        (
            '[console]\naccount_url = "https://crm.example/"\n',
            "leads to no account: write https:// and {account_id} once",
        ),
        ('[console]\naccount_url = "javascript:x({account_id})"\n', "'javascript:x({account_id})' leads to no account"),
        ('[console]\naccount_url = "https://x/{id}/{account_id}"\n', "leads to no account"),
        ('[digest]\nlanguage = "de"\n', "[digest] language = 'de': write 'en' or 'zh'"),
        ('[mail]\nhost = "mail"\n', "mail: sender = '' is no address, such as \"churn@example.com\""),
        ('[mail]\nhost = "mail"\nsender = "A <a@example.com>"\n', "sender = 'A <a@example.com>' is no address"),
        (f'{MAIL}user = "u"\nsecurity = "none"\n', 'security = "none" would send the password in the clear'),
        (f"{MAIL}port = 0\n", "[mail] port = 0: write 1 or more"),
        (f'{MAIL}password = "x"\n', "[mail] password is secret: give it in the environment, as CHURN__MAIL__PASSWORD"),
        (
            '[digest]\nchat = "slack://x"\n',
            "[digest] chat is secret: give it in the environment, as CHURN__DIGEST__CHAT",
        ),
        (
            f"{INACTIVITY}inactive_days = 60\nhorizon_days = 30\n",
            "horizon_days = 30 is shorter than inactive_days = 60",
        ),
        (f'{INACTIVITY}event = "notice"\n', 'event = "notice" needs definition = "subscription"'),
    ],
)
def test_what_is_wrong_in_the_file_is_said_where_it_stands(file: Path, text: str, told: str) -> None:
    """Section, key, the value seen, and the name that was probably meant."""
    message = refusal(file, text)
    assert str(file) in message
    assert told in message


def test_every_problem_is_told_at_once(file: Path) -> None:
    message = refusal(file, "[churn]\nhorizon = 3\ngrace_days = -1\n[book]\ncalls_per_week = 1.5\n")
    assert 3 == len([line for line in message.splitlines() if line.startswith("  [")])


def test_mistakes_of_the_file_and_of_the_environment_are_told_apart_and_together(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unknown names, wrong types and secrets in one answer, each under where it was made."""
    monkeypatch.setenv("CHURN__GATE__TOLERANCE", "much")
    monkeypatch.setenv("CHURN__BOOK__REST", "3")
    text = f'{MAIL}password = "x"\n[run]\ndemo = "yes"\n[churn]\nhorizon_days = 0\n'
    assert [
        f"{file} cannot be used:",
        "  [run] demo = 'yes': write true or false, without quotes",
        "  [mail] password is secret: give it in the environment, as CHURN__MAIL__PASSWORD",
        "  [churn] horizon_days = 0: write 1 or more",
        "The environment cannot be used:",
        "  CHURN__BOOK__REST names no setting; did you mean CHURN__BOOK__REST_DAYS?",
        "  CHURN__GATE__TOLERANCE = 'much': write a number",
    ] == refusal(file, text).splitlines()


@pytest.mark.parametrize(
    ("text", "missing", "definition"),
    [("", "subscriptions", "subscription"), (INACTIVITY, "usage", "inactivity")],
)
def test_required_tables_depend_on_the_definition(file: Path, text: str, missing: str, definition: str) -> None:
    """Churn of terms cannot be seen without terms, churn of silence not without use."""
    file.write_text(f'[data]\naccounts = "accounts.csv"\n{text}', encoding="utf-8")
    with pytest.raises(UsageError) as refused:
        read_settings(file)
    assert f'[data] lacks {missing}, which definition = "{definition}" needs' in str(refused.value)
    assert f'{missing} = "data/{missing}.parquet"' in str(refused.value)


def test_a_file_that_is_not_there_leads_to_the_commands_that_write_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"No settings at .*nowhere\.toml.*churn init.*churn demo"):
        read_settings(tmp_path / "nowhere.toml")


def test_a_table_may_be_a_query(file: Path) -> None:
    read = settings(file, "tickets = { sql = \"SELECT * FROM 'raw.csv'\" }\n")
    assert SqlSource(sql="SELECT * FROM 'raw.csv'") == read.data.sources["tickets"]


def test_accounts_may_have_further_columns(file: Path) -> None:
    """A column of the company's own can be mapped, and declared constant."""
    read = settings(file, 'constant = ["accounts.region"]\n[data.columns.accounts]\nregion = "sales_region"\n')
    assert ("accounts.region",) == read.data.constant


def test_further_columns_may_be_categories(file: Path) -> None:
    """Named once, they need no mapping to be declared constant; named twice, they are one."""
    read = settings(file, 'constant = ["accounts.tier"]\ncategories = ["accounts.tier", "accounts.tier"]\n')
    assert ("accounts.tier",) == read.data.categories


# --- the environment


def test_the_environment_wins_over_the_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One key is overridden; its neighbours in the section stay as the file has them."""
    monkeypatch.setenv("CHURN__CHURN__HORIZON_DAYS", "90")
    monkeypatch.setenv("CHURN__PAGES__PRICING", '["/prix*"]')
    monkeypatch.setenv("CHURN__BOOK__VALUE_EVENTS", '["order", "return"]')
    read = settings(file, "[churn]\nhorizon_days = 31\ngrace_days = 0\n")
    assert (90, 0) == (read.churn.horizon_days, read.churn.grace_days)
    assert {"pricing": ("/prix*",)} == read.pages
    assert ("order", "return") == read.book.value_events


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        (
            "CHURN__CHURN__GRACE_DAY",
            "3",
            "CHURN__CHURN__GRACE_DAY names no setting; did you mean CHURN__CHURN__GRACE_DAYS?",
        ),
        ("CHURN__CHRUN__GRACE_DAYS", "3", "names no setting; did you mean CHURN__CHURN__GRACE_DAYS?"),
        ("CHURN__CHRUN__X", "3", "CHURN__CHRUN__X names no setting; known are CHURN__CHURN__DEFINITION, "),
        ("CHURN__PAGES", "3", "The environment cannot be used:\n  CHURN__PAGES = 3: write a section"),
        ("CHURN__CHURN", "3", "The environment cannot be used:\n  CHURN__CHURN names no setting"),
        ("CHURN__DATA__TICKETS", '{"sql": 3}', "  CHURN__DATA__TICKETS.sql = 3: write text, in quotes"),
        ("CHURN__STOREURL", "x", "CHURN__STOREURL names no setting; did you mean CHURN__STORE__URL?"),
        ("churn__engine__thread", "1", "churn__engine__thread names no setting; did you mean CHURN__ENGINE__THREADS?"),
        ("CHURN__PAGESX", "[]", "CHURN__PAGESX names no setting"),
        ("CHURN__FOLDER", "x", "CHURN__FOLDER names no setting"),
        ("CHURN__ENGINE__THREADS", "two", "CHURN__ENGINE__THREADS = 'two': write a whole number"),
        ("CHURN__ENGINE__THREADS", "", "CHURN__ENGINE__THREADS = '': write a whole number"),
        ("CHURN__STORE__URL", "", "CHURN__STORE__URL = '': write something, or take it out"),
        ("CHURN__BOOK__VALUE_EVENTS", "order", "CHURN__BOOK__VALUE_EVENTS"),
        ("CHURN__DATA__COLUMNS", "{", "written as JSON"),
        ("CHURN_STORE__URL", "x", "CHURN_STORE__URL names no setting; did you mean CHURN__STORE__URL?"),
        ("CHURN_STORE_URL", "x", "CHURN_STORE_URL names no setting; did you mean CHURN__STORE__URL?"),
        ("churn_data__recorded_from", "x", "did you mean CHURN__DATA__RECORDED_FROM?"),
        ("CHURN_ENGINE__THREDS", "1", "CHURN_ENGINE__THREDS names no setting; did you mean CHURN__ENGINE__THREADS?"),
        ("CHURN_PAGES__PRICING", "[]", "CHURN_PAGES__PRICING names no setting"),
    ],
)
def test_what_is_wrong_in_the_environment_is_told(
    file: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, told: str
) -> None:
    """A variable that names nothing would otherwise do nothing, in silence."""
    monkeypatch.setenv(name, value)
    assert told in refusal(file, "")


def test_a_variable_is_text_and_may_be_a_boolean(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHURN__SENTIMENT__LEARN", "no")
    assert settings(file).sentiment.learn is False


@pytest.mark.parametrize("name", ["CHURN_HOME", "CHURN_STORE", "CHURN_RATE_URL", "CHURNING__STORE__URL"])
def test_variables_of_other_programs_are_left_alone(file: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "x")
    assert "Company" == settings(file).company.name


# --- paths, dates, secrets


def test_paths_hang_on_the_folder_of_the_file(file: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The same file means the same tables and the same store from every working directory."""
    file.write_text(TABLES, encoding="utf-8")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    read = read_settings(Path("../churn.toml"))
    assert tmp_path.resolve() == read.folder
    assert f"sqlite:///{tmp_path.resolve()}/churn.db" == read.located(read.store.url)
    assert f"sqlite:///{tmp_path.resolve()}/var/x.db" == read.located("sqlite:///var/x.db")


def test_a_variable_that_is_wrong_is_blamed_and_not_the_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHURN__GATE__TOLERANCE", "much")
    told = refusal(file, "[gate]\ntolerance = 0.01\n")
    assert "CHURN__GATE__TOLERANCE = 'much': write a number" in told
    assert "[gate]" not in told


def test_what_mlflow_does_not_read_is_refused(file: Path) -> None:
    assert "'ftp://models' is nothing that MLflow reads" in refusal(file, '[tracking]\nuri = "ftp://models"\n')


def test_a_list_of_no_calls_is_refused(file: Path) -> None:
    assert "[book] calls_per_week = 0" in refusal(file, "[book]\ncalls_per_week = 0\n")


@pytest.mark.parametrize("url", ["sqlite:////var/lib/churn.db", "postgresql://u:p@host/db", "http://mlflow:5000"])
def test_other_addresses_stay_as_they_are(file: Path, url: str) -> None:
    assert url == settings(file).located(url)


def test_today_is_what_was_asked_then_what_is_set_then_the_date_in_utc(file: Path) -> None:
    fixed = settings(file, "[run]\nas_of = 2026-11-02\n")
    assert date(2026, 1, 1) == fixed.today(date(2026, 1, 1))
    assert date(2026, 11, 2) == fixed.today()
    before = datetime.now(UTC).date()
    assert date(2026, 3, 1) == settings(file).today(now=datetime(2026, 3, 1, 23, 59, tzinfo=UTC))
    assert before <= settings(file).today() <= datetime.now(UTC).date()


def test_settings_cannot_change_after_reading(file: Path) -> None:
    read = settings(file)
    with pytest.raises(ValidationError, match="frozen"):
        read.churn.horizon_days = 90  # type: ignore[misc]


def test_passwords_are_starred_in_what_is_stored_with_a_model(file: Path) -> None:
    """MLflow shows a run's settings to everybody who may look at it."""
    read = settings(
        file,
        '[store]\nurl = "postgresql://churn:s3cr@t:/x@db:5432/churn"\n[tracking]\nuri = "https://ml:t0ken@mlflow:5000"\n',
    )
    plain = read.without_secrets()
    assert "postgresql://churn:***@db:5432/churn" == plain["store"]["url"]
    assert "https://ml:***@mlflow:5000" == plain["tracking"]["uri"]
    assert "sqlite:///churn.db" == settings(file).without_secrets()["store"]["url"]


def test_what_is_secret_is_shown_nowhere(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither in what is stored with a model, nor where settings are printed."""
    monkeypatch.setenv("CHURN__MAIL__PASSWORD", "s3cret")
    monkeypatch.setenv("CHURN__DIGEST__CHAT", "slack://s3cret")
    read = settings(file, MAIL)
    assert "s3cret" == read.mail.password.get_secret_value()
    assert "s3cret" not in f"{read} {read.without_secrets()}"


def test_a_model_answers_one_question(file: Path) -> None:
    """Settings that change what is predicted are part of the question; those that only change the list are not."""
    question = settings(file).question()
    for text in ("horizon_days = 90", "grace_days = 0", 'event = "notice"', "count_free = true", "lead_days = 7"):
        assert question != settings(file, f"[churn]\n{text}\n").question(), text
    assert question == settings(file, "[book]\ncalls_per_week = 3\n[churn]\nsnapshot_every_days = 7\n").question()
    silence = settings(file, INACTIVITY).question()
    assert silence != settings(file, f"{INACTIVITY}inactive_days = 30\n").question()
    assert silence == settings(file, f"{INACTIVITY}grace_days = 3\n").question()
    assert silence != settings(file, f'{INACTIVITY}[book]\nvalue_events = ["paid"]\n').question()
