"""What was not yet known changes nothing: no feature, no state, no risk.

Two ways to look for a leak. Small companies are changed at random wherever the change could not have been known on the
date. Whole companies are cut off at a date, file by file, by a rule written here from the contract alone; what is
computed for that date from the cut tables must equal what the full ones give, to the last bit. Planted leaks show that
these checks can fail.
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from engine_companies import KINDS, PAGE_GROUPS, Row, loaded
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from oracle_time import Rules
from small_companies import LATER, SmallCompany, companies, parameters

from features import billing, support
from features.build import Recipe, build, catalogue, listed
from features.catalogue import read_catalogue
from features.contract import CONTRACT, RECORDED_AT, Knowable, Table
from features.events import largest
from features.training_set import labelled_snapshot
from features.versions import History, visible
from models.churn_model import ChurnModel
from models.sentiment_model import SentimentModel, learn
from models.training import fit
from pipeline.learned_tone import rated_texts, use_tone
from pipeline.settings import Settings
from pipeline.settings_file import read_settings
from pipeline.sources import Opened, history, open_sources
from pipeline.ticket_words import add_sentiment

FEW = settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck))
MANY = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
HERE = Path(__file__).parent
DEMO = Path(__file__).parent.parent / "pipeline" / "demo" / "churn.toml"
CRM5 = HERE / "companies" / "crm5.toml"

Draw = Callable[[st.SearchStrategy[Any]], Any]


# --- small companies, changed where nobody could have known ---------------------------------------------------------


@dataclass(frozen=True)
class Futures:
    """A company, and the same company with another future: both are known to be the same on the morning of `as_of`."""

    company: SmallCompany
    other: SmallCompany
    rules: Rules
    as_of: date


@st.composite
def futures(draw: Draw) -> Futures:
    company = draw(companies())
    rules = replace(draw(parameters()), ended_on="first_day_without")
    as_of = draw(st.sampled_from(company.as_ofs))
    clock = Clock(as_of, rules.arrival_hours, company.recorded_from)
    tables = {name: draw(with_another_future(name, rows, clock, company)) for name, rows in company.tables.items()}
    return Futures(company, replace(company, tables=tables), rules, as_of)


@dataclass(frozen=True)
class Clock:
    """What had happened and arrived on the morning of `as_of`, row by row."""

    as_of: date
    arrival_hours: int
    recorded_from: datetime | None

    @property
    def midnight(self) -> datetime:
        return datetime.combine(self.as_of, time.min)

    @property
    def cut(self) -> datetime:
        return self.midnight + timedelta(hours=self.arrival_hours)

    @property
    def too_late(self) -> datetime:
        """A time of recording that no rule excuses."""
        return max(self.cut, self.recorded_from or self.cut) + timedelta(seconds=1)

    def happened(self, value: date | datetime) -> bool:
        return value < self.midnight if isinstance(value, datetime) else value < self.as_of

    def arrived(self, row: Row) -> bool:
        recorded_at = row.get(RECORDED_AT)
        if recorded_at is None or recorded_at < self.cut:
            return True
        return self.recorded_from is not None and recorded_at <= self.recorded_from

    def knows(self, row: Row, table: Table) -> bool:
        return self.happened(row[table.event_time]) and self.arrived(row)


@st.composite
def with_another_future(draw: Draw, name: str, rows: list[Row], clock: Clock, company: SmallCompany) -> list[Row]:
    """Known rows with other facts ahead, a drawn part of the unknown rows, and new rows that nobody knew of yet."""
    table, versioned = CONTRACT[name], name in company.versioned
    kept = [draw(with_other_facts(row, table, clock, versioned)) for row in rows if clock.knows(row, table)]
    unknown = [row for row in rows if not clock.knows(row, table)]
    kept += [row for row in unknown if draw(st.booleans())]
    templates = draw(st.lists(st.sampled_from(rows), min_size=0 if kept else 1, max_size=3))
    new = [draw(not_yet_known(row, table, clock, f"N{place}")) for place, row in enumerate(templates)]
    return kept + new


@st.composite
def with_other_facts(draw: Draw, row: Row, table: Table, clock: Clock, versioned: bool) -> Row:
    """A fact that had not happened may turn out in any way; what came with it comes with it."""
    changed = dict(row)
    for column in table.columns:
        own_time = column.known_from or column.name
        if column.knowable is not Knowable.FACT or column.name not in row or own_time not in row:
            continue
        if row[own_time] is not None and clock.happened(row[own_time]):
            continue
        recorded_at = row.get(RECORDED_AT)
        if column.name == "ended_on" and versioned and recorded_at is not None and recorded_at < clock.cut:
            continue  # an end that a version carries ahead is no fact yet but an announcement, and known
        if column.name == own_time:
            days = draw(st.none() | st.sampled_from([0, 1, 40]))
            changed[column.name] = None if days is None else of_type(column.type, clock.as_of + timedelta(days=days))
        else:
            changed[column.name] = draw(st.none() | st.sampled_from({"csat": [1.0, 5.0]}.get(column.name, ["other"])))
    return changed


@st.composite
def not_yet_known(draw: Draw, row: Row, table: Table, clock: Clock, key: str) -> Row:
    """A row, a late version or another delivery of one: it has happened since, or has come since."""
    new = dict(row)
    other = {"seats": 90.0, "plan": "max", "quantity": 99.0, "segment": "huge", "text": "Cancel it!", "score": 0.0}
    other |= {"path": "/account/cancel", "amount": 999.0, "user_id": "U3", "mrr": draw(st.sampled_from([900.0, 0.0]))}
    new |= {name: value for name, value in other.items() if name in row and draw(st.booleans())}
    is_late = RECORDED_AT in row and draw(st.booleans())
    if is_late:
        new[RECORDED_AT] = clock.too_late + timedelta(days=draw(st.sampled_from([0, 5])))
        after = row[table.event_time] + timedelta(days=3)
        for column in table.columns:
            if column.knowable is Knowable.FACT and column.known_from is None and column.name in row:
                new[column.name] = draw(st.none() | st.just(of_type(column.type, after)))
    else:
        ahead = clock.as_of + timedelta(days=draw(st.sampled_from([0, 1, 30])))
        new[table.event_time] = of_type("instant" if isinstance(row[table.event_time], datetime) else "date", ahead)
    if table.key is not None and table.key in row and not is_late:
        new[table.key] = key
        if "account_id" in row and table.key != "account_id":
            new["account_id"] = row["account_id"]
    return new


def of_type(type_: str, moment: date | datetime) -> date | datetime:
    """The moment as a column of that type holds it; a day's instant is its midnight."""
    day = moment.date() if isinstance(moment, datetime) else moment
    return datetime.combine(day, time.min) if type_ == "instant" else day


def another_future_changes_nothing(engine: Any, drawn: Futures) -> None:
    """Every column of `build`: the accounts, their states and MRR, all features of all families."""
    recipe, expected = features_of(engine, drawn.company, drawn)
    _, found = features_of(engine, drawn.other, drawn, recipe)
    assert expected == found


def features_of(
    engine: Any, company: SmallCompany, drawn: Futures, recipe: Recipe | None = None
) -> tuple[Recipe, list[Row]]:
    with loaded(engine, company, drawn.rules) as bare:
        rules = replace(bare.rules, value_events=("export",))
        past = replace(bare, rules=rules)
        recipe = recipe or Recipe(catalogue(past, PAGE_GROUPS, kinds=KINDS), PAGE_GROUPS, KINDS)
        return recipe, build(past, rules.moment(drawn.as_of), recipe).to_pyarrow().to_pylist()


@FEW
@given(futures())
def test_another_future_changes_nothing(engine: Any, drawn: Futures) -> None:
    """Changing, adding or deleting anything not yet known at `as_of` changes no column for that date."""
    another_future_changes_nothing(engine, drawn)


@pytest.mark.slow
def test_many_other_futures_change_nothing(engine: Any) -> None:
    """The same law on many companies."""

    @MANY
    @given(futures())
    def holds(drawn: Futures) -> None:
        another_future_changes_nothing(engine, drawn)

    holds()


def test_the_law_speaks_of_every_column_that_a_feature_reads() -> None:
    """A table that no company held, or one whose rows never came late, would hide a leak."""
    read = {column for feature in listed(PAGE_GROUPS) for column in feature.needs}
    held: set[str] = set()

    @settings(FEW, max_examples=50)
    @given(companies())
    def hold(company: SmallCompany) -> None:
        held.update(columns_of(company))

    hold()
    late = {f"{column.partition('.')[0]}.{RECORDED_AT}" for column in read}
    assert (read | late) - {"tickets.sentiment"} <= held, "the sentiment is made of the text, as at the door"


def columns_of(company: SmallCompany) -> set[str]:
    return {f"{name}.{column}" for name, rows in company.tables.items() for column in rows[0]}


@pytest.mark.parametrize(("family", "table"), [(support, "tickets"), (billing, "invoices")])
def test_the_law_finds_a_feature_that_reads_a_fact_too_early(
    engine: Any, monkeypatch: pytest.MonkeyPatch, family: ModuleType, table: str
) -> None:
    """Planted: a family reads its table without `facts_until`, so what is open is already known to be closed."""

    class Leaking(History):
        def known(self, name: str, moment: Any) -> Any:
            return visible(self.tables[name], CONTRACT[name], moment, self.rules)

    honest = family.compute

    def planted(past: History, *others: Any) -> Any:
        return honest(Leaking(past.tables, past.rules, past.versioned), *others)

    drawn = closed_tomorrow(table)
    another_future_changes_nothing(engine, drawn)
    monkeypatch.setattr(family, "compute", planted)
    with pytest.raises(AssertionError):
        another_future_changes_nothing(engine, drawn)


def closed_tomorrow(table: str) -> Futures:
    """One account with a ticket and an invoice, open on the date; in the other future one is closed the day after."""
    as_of = date(2026, 3, 1)
    tomorrow, before = as_of + timedelta(days=1), as_of - timedelta(days=9)
    opened_at = datetime.combine(before, time.min)
    ticket: Row = {"ticket_id": "T1", "account_id": "A1", "opened_at": opened_at, "text": None, "resolved_at": None}
    invoice: Row = {"invoice_id": "I1", "account_id": "A1", "issued_on": before, "amount": 9.0, "due_on": before}
    term = {"account_id": "A1", "started_on": date(2026, 1, 1), "ended_on": None, "mrr": 100.0}
    account = {"account_id": "A1", "created_at": opened_at}
    tables = {"accounts": [account], "subscriptions": [term], "tickets": [ticket]}
    tables["invoices"] = [invoice | {"paid_on": None}]
    company = SmallCompany(tables, frozenset(), None, LATER, [as_of])
    closed = {
        "tickets": [ticket | {"resolved_at": datetime.combine(tomorrow, time.min)}],
        "invoices": [invoice | {"paid_on": tomorrow}],
    }
    return Futures(company, replace(company, tables=tables | {table: closed[table]}), Rules(), as_of)


# --- whole companies, cut off at a date -----------------------------------------------------------------------------


def cut_off(table: pa.Table, name: str, clock: Clock) -> pa.Table:
    """The table as a warehouse would have shown it: later rows and versions deleted, later facts emptied."""
    contract = CONTRACT[name]
    known_rows = before(table[contract.event_time], clock)
    if RECORDED_AT in table.column_names:
        recorded_at = table[RECORDED_AT]
        known_rows = pc.and_(known_rows, pc.fill_null(pc.less(recorded_at, pa.scalar(clock.cut)), True))
    table = table.filter(known_rows)
    happened = {
        column.name: before(table[column.known_from or column.name], clock)
        for column in contract.columns
        if column.knowable is Knowable.FACT
        and column.name in table.column_names
        and (column.known_from or column.name) in table.column_names
    }
    for column, mask in happened.items():
        place = table.column_names.index(column)
        emptied = pc.if_else(mask, table[column], pa.scalar(None, table[column].type))
        table = table.set_column(place, table.schema.field(place), emptied)
    return table


def before(moments: pa.ChunkedArray, clock: Clock) -> pa.ChunkedArray:
    """Whether each moment lies before `as_of`; no for those that are missing. Text is a date or an instant in ISO."""
    if pa.types.is_string(moments.type) or pa.types.is_large_string(moments.type):
        return pc.fill_null(pc.less(moments, str(clock.as_of)), False)
    bound = clock.as_of if pa.types.is_date(moments.type) else clock.midnight
    return pc.fill_null(pc.less(moments, pa.scalar(bound)), False)


@dataclass(frozen=True)
class Company:
    """A company on disk with a model trained on the whole of it."""

    settings: Settings
    recipe: Recipe
    versioned: frozenset[str]
    model: ChurnModel
    tone: SentimentModel | None
    nights: dict[date, pd.DataFrame] = field(default_factory=dict)

    def whole_night(self, as_of: date) -> pd.DataFrame:
        """The night from the full tables, computed once for each date."""
        if as_of not in self.nights:
            self.nights[as_of] = self.night(self.settings, as_of)
        return self.nights[as_of]

    def night(self, tables: Settings, as_of: date) -> pd.DataFrame:
        """Features and risk at a date, one row per account, from the tables that these settings name."""
        opened = opened_with_words(tables, self.tone)
        try:
            past = history(opened, tables, self.versioned)
            frame = build(past, past.rules.moment(as_of), self.recipe).to_pandas().set_index("account_id")
        finally:
            opened.close()
        return frame.assign(risk=self.model.risk(frame))

    def names(self) -> list[str]:
        return ["mrr", *(feature.name for feature in self.recipe.features if feature.name != "mrr"), "risk"]

    def cut_off(self, as_of: date, folder: Path, spoil: Callable[[str, pa.Table], pa.Table] | None = None) -> Settings:
        """Settings that name cut copies of all tables; `spoil` plants a mistake in one of them."""
        clock = Clock(as_of, self.settings.data.arrival_hours, None)
        sources = {}
        for name, source in self.settings.data.sources.items():
            files = sorted(self.settings.folder.glob(str(source))) if "*" in str(source) else None
            for place, file in enumerate(files or [self.settings.folder / str(source)]):
                whole = pq.read_table(file)
                table = cut_off(whole, name, clock)
                if spoil is not None:
                    table = spoil(name, table)
                target = folder / name / f"{place:04}.parquet"
                target.parent.mkdir(parents=True, exist_ok=True)
                pq.write_table(table, target)
            sources[name] = f"{folder}/{name}/*.parquet"
        return self.settings.model_copy(update={"data": self.settings.data.model_copy(update=sources)})


def opened_with_words(tables: Settings, tone: SentimentModel | None = None) -> Opened:
    opened = open_sources(tables)
    assert not opened.unreadable
    add_sentiment(opened, tables)
    if tone is not None:
        use_tone(opened, tables, tone)
    return opened


def tone_of(tables: Settings, today: date) -> SentimentModel | None:
    """A scorer learned from all ratings, the later ones too: which scorer it is must not matter to the law."""
    opened = opened_with_words(tables)
    try:
        past = history(opened, tables)
        rated = (
            rated_texts(past, past.rules.moment(today)) if past.has("tickets.csat_at", "tickets.sentiment") else None
        )
    finally:
        opened.close()
    return None if rated is None else learn(rated, "all of it")


def company_with_model(tables: Settings, dates: list[date], today: date) -> Company:
    """A small model from a few snapshots: enough to have every family in its trees."""
    tone = tone_of(tables, today)
    opened = opened_with_words(tables, tone)
    try:
        past = history(opened, tables)
        kinds = largest(past, past.rules.moment(today))
        recipe = Recipe(catalogue(past, tables.pages, kinds=kinds), tables.pages, kinds)
        frames = [labelled_snapshot(past, day, today, recipe).to_pandas() for day in dates]
    finally:
        opened.close()
    everyone = pd.concat(frames, ignore_index=True)
    frame = everyone[everyone["left_out"].isna()].drop(columns="left_out").reset_index(drop=True)
    for name in ("as_of", "churn_on"):
        frame[name] = pd.to_datetime(frame[name]).astype("datetime64[s]")
    frame["label"] = frame["label"].astype(bool)
    rules = past.rules
    model, _ = fit(
        frame,
        recipe.features,
        need_days=rules.label_days,
        horizon_days=rules.horizon_days,
        lead_days=rules.lead_days,
        threads=1,
    )
    return Company(tables, recipe, past.versioned, model, tone)


def one_thread(path: Path) -> Settings:
    tables = read_settings(path)
    return tables.model_copy(update={"engine": tables.engine.model_copy(update={"threads": 1})})


def dates_back_from(last: date, every: int, number: int) -> list[date]:
    return [last - timedelta(days=every * place) for place in reversed(range(number))]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Company:
    from pipeline.demo.company import LAST_NIGHT, write_company

    folder = tmp_path_factory.mktemp("demo")
    write_company(folder, accounts=300)
    shutil.copy(DEMO, folder / "churn.toml")
    dates = dates_back_from(LAST_NIGHT - timedelta(days=90), 75, 5)
    return company_with_model(one_thread(folder / "churn.toml"), dates, LAST_NIGHT)


@pytest.fixture(scope="module")
def crm5() -> Company:
    tables = one_thread(CRM5)
    absent = [str(source) for source in tables.data.sources.values() if not (tables.folder / str(source)).is_file()]
    if absent:
        pytest.skip(f"the real tables are not here: {', '.join(absent)}")
    return company_with_model(tables, dates_back_from(date(2023, 11, 1), 90, 4), tables.today())


def differences(company: Company, expected: pd.DataFrame, found: pd.DataFrame) -> list[str]:
    """Columns in which two nights differ in any account, to the last bit; accounts that only one of them has."""
    if list(expected.index) != list(found.index):
        return ["account_id"]
    return [name for name in company.names() if not expected[name].equals(found[name])]


DEMO_NIGHTS = [date(2025, 9, 15), date(2026, 4, 8)]


@pytest.mark.parametrize("as_of", DEMO_NIGHTS, ids=str)
def test_a_demo_night_knows_nothing_of_what_came_later(demo: Company, as_of: date, tmp_path: Path) -> None:
    """Rows and versions not known at the date deleted, facts after it emptied: features and risks stay as they are."""
    expected = demo.whole_night(as_of)
    assert demo.tone is not None, "the scorer is held fixed; here it learned from ratings"
    assert len(expected) > 100
    assert expected["risk"].nunique() > 20
    assert not differences(demo, expected, demo.night(demo.cut_off(as_of, tmp_path), as_of))


@pytest.mark.real
@pytest.mark.parametrize("as_of", [date(2023, 3, 20)], ids=str)
def test_a_night_of_crm5_knows_nothing_of_what_came_later(crm5: Company, as_of: date, tmp_path: Path) -> None:
    """The same on tables nobody here wrote, which keep no versions and roll nothing on."""
    expected = crm5.whole_night(as_of)
    assert len(expected) > 1000
    assert not differences(crm5, expected, crm5.night(crm5.cut_off(as_of, tmp_path), as_of))


def test_one_late_row_left_in_the_cut_tables_is_found(demo: Company, tmp_path: Path) -> None:
    """Planted: one ticket that was there is taken away, as if it had come late and been used all the same."""
    as_of = DEMO_NIGHTS[1]
    expected = demo.whole_night(as_of)

    def spoil(name: str, table: pa.Table) -> pa.Table:
        if name != "tickets":
            return table
        opened_on = pc.cast(table["opened_at"], pa.date32(), safe=False)
        recent = pc.greater_equal(opened_on, pa.scalar(as_of - timedelta(days=28)))
        scored = pc.is_in(table["account_id"], pa.array(expected.index))
        return drop_key(table, "ticket_id", pc.and_(recent, scored))

    found = differences(demo, expected, demo.night(demo.cut_off(as_of, tmp_path, spoil), as_of))
    assert {"tickets_28", "tickets_84"} <= set(found)


def drop_key(table: pa.Table, key: str, among: pa.ChunkedArray) -> pa.Table:
    """The table without all versions of one row: the first that is marked."""
    first = table.filter(among)[key][0]
    return table.filter(pc.not_equal(table[key], first))


def test_a_feature_that_reads_a_resolution_too_early_is_found(
    demo: Company, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Planted in the product: a ticket that some version shows resolved counts as resolved all along."""
    as_of = DEMO_NIGHTS[1]
    honest = support.compute

    def planted(past: History, spine: Any, moment: Any, recorded: Any) -> Any:
        tickets = past.tables["tickets"]
        ever = tickets.group_by("ticket_id").agg(_end=tickets["resolved_at"].max())
        told = tickets.left_join(ever, "ticket_id").drop("ticket_id_right")
        told = told.mutate(resolved_at=told["_end"].notnull().ifelse(told["opened_at"], None)).drop("_end")
        return honest(replace(past, tables={**past.tables, "tickets": told}), spine, moment, recorded)

    monkeypatch.setattr(support, "compute", planted)
    found = differences(demo, demo.night(demo.settings, as_of), demo.night(demo.cut_off(as_of, tmp_path), as_of))
    assert "open_tickets" in found


# --- what may differ without meaning anything -----------------------------------------------------------------------


def test_order_repetition_and_time_zone_change_nothing(demo: Company, tmp_path: Path) -> None:
    """Rows in another order, keyed rows delivered twice, the same instants written with a zone: the same night."""
    as_of = DEMO_NIGHTS[1]
    expected = demo.whole_night(as_of)

    def disguised(name: str, table: pa.Table) -> pa.Table:
        if CONTRACT[name].key is not None:
            table = pa.concat_tables([table, table.slice(0, table.num_rows // 3)])
        shuffled = pd.Series(range(table.num_rows)).sample(frac=1, random_state=7)
        table = table.take(pa.array(shuffled, pa.int64()))
        for place, column in enumerate(table.schema):
            if pa.types.is_timestamp(column.type):  # pyarrow takes an instant without a zone for UTC
                table = table.set_column(place, column.name, table[place].cast(pa.timestamp("us", "Asia/Shanghai")))
        return table

    assert not differences(demo, expected, demo.night(demo.cut_off(as_of, tmp_path, disguised), as_of))


def test_an_account_more_elsewhere_changes_its_peers_market_alone(demo: Company, tmp_path: Path) -> None:
    """One account less changes of the others only what compares them with their peers, and so their risk."""
    as_of = DEMO_NIGHTS[1]
    expected = demo.whole_night(as_of)
    gone = expected.index[0]

    def without(_: str, table: pa.Table) -> pa.Table:
        return table.filter(pc.not_equal(table["account_id"], gone)) if "account_id" in table.column_names else table

    found = demo.night(demo.cut_off(as_of, tmp_path, without), as_of)
    compared = {feature.name for feature in read_catalogue("market")}
    changed = set(differences(demo, expected.drop(index=gone), found))
    assert changed & compared
    assert changed <= compared | {"risk"}
