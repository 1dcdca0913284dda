"""What stays of old nights, and what becomes of accounts that left."""

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sample_nights import CATALOGUE, NIGHT, NOW, booked, publish, run, stage
from sqlalchemy import Engine, Table, select

from pipeline import retention
from pipeline.retention import DAILY_DAYS, NIGHTS_WITH_INPUTS, NIGHTS_WITH_REASONS, clean, kept_nights
from pipeline.store.connection import reading
from pipeline.store.lease import leased
from pipeline.store.nights import AccountNight, account, last_score, night
from pipeline.store.schema import CATALOGUES, DETAILS, FROZEN, INPUTS, PUBLISHED, RUNS, SCORES


def put(store: Engine, age: int, accounts: Any = 1, **catalogue: Any) -> None:
    """The night of so many days before `NIGHT`; `accounts` are how many, or which of ten."""
    made = booked(accounts if isinstance(accounts, int) else 10)
    if not isinstance(accounts, int):
        made = made[made["account_id"].isin([f"A-{number:05}" for number in accounts])].reset_index(drop=True)
    of = run(f"r{age}", as_of=NIGHT - timedelta(days=age))
    publish(store, of, made, CATALOGUE | catalogue, finished_at=NOW, inputs=[b"x"])


def runs_in(store: Engine, table: Table) -> set[str]:
    with store.connect() as connection:
        return set(connection.execute(select(table.c.run_id)).scalars())


def ages(store: Engine, table: Table) -> set[int]:
    return {int(each.removeprefix("r")) for each in runs_in(store, table)}


def seen(store: Engine, account_id: str, age: int) -> AccountNight | None:
    with reading(store) as connection:
        header = night(connection, NIGHT - timedelta(days=age))
        assert header is not None
        return account(connection, header, account_id)


def test_old_nights_lose_first_their_reasons_and_then_what_they_saw(store: Engine) -> None:
    """Also where the old ones are filled in last. Scores and the sums of families stay, and still add up."""
    for age in range(NIGHTS_WITH_INPUTS + 2):
        put(store, age)
    assert set(range(NIGHTS_WITH_REASONS)) == ages(store, DETAILS)
    assert set(range(NIGHTS_WITH_INPUTS)) == ages(store, INPUTS)
    assert set(range(NIGHTS_WITH_INPUTS + 2)) == ages(store, SCORES) == ages(store, PUBLISHED)
    new, old = seen(store, "A-00000", 0), seen(store, "A-00000", NIGHTS_WITH_REASONS)
    assert new is not None
    assert old is not None
    assert new.families == old.families
    assert (new.risk, new.band, new.rank) == (old.risk, old.band, old.rank)
    (rest,) = old.reasons
    assert rest["contribution"] == pytest.approx((old.log_odds or 0) - (old.base_log_odds or 0), abs=1e-9)
    assert {} == old.facts != new.facts
    put(store, -1)
    assert set(range(-1, NIGHTS_WITH_REASONS - 1)) == ages(store, DETAILS)


def test_nights_of_long_ago_are_kept_by_the_week(store: Engine) -> None:
    """The last of each: daily lines in a picture of a year say no more."""
    long_ago = range(DAILY_DAYS, DAILY_DAYS + 21)
    for age in (0, 1, DAILY_DAYS - 1, *long_ago):
        put(store, age)
    kept = ages(store, PUBLISHED)
    assert {0, 1, DAILY_DAYS - 1} <= kept
    weeks = [(NIGHT - timedelta(days=age)).isocalendar()[:2] for age in kept if age >= DAILY_DAYS]
    assert len(set(weeks)) == len(weeks) == len({(NIGHT - timedelta(days=age)).isocalendar()[:2] for age in long_ago})
    assert kept == ages(store, SCORES) == ages(store, RUNS), "nothing is left of the others"


@given(st.dictionaries(st.dates(date(2024, 1, 1), date(2026, 11, 1)), st.booleans(), min_size=1))
def test_what_is_kept_is_kept_again(nights: dict[date, bool]) -> None:
    """Thinning what was thinned takes nothing more, and no week loses its last night that proves something."""
    kept = kept_nights(nights)
    assert kept == kept_nights({each: nights[each] for each in kept})
    fair = {each.isocalendar()[:2] for each, is_fair in nights.items() if is_fair}
    assert fair == {each.isocalendar()[:2] for each in kept if nights[each]}
    assert {each.isocalendar()[:2] for each in nights} == {each.isocalendar()[:2] for each in kept}
    assert {each for each in nights if each > max(nights) - timedelta(days=DAILY_DAYS)} <= kept


@pytest.fixture
def of_who_left(store: Engine) -> Iterator[Engine]:
    """Ten accounts, of which the fourth is gone the night after."""
    put(store, 5, range(10))
    put(store, 4, [0, 1, 2, *range(4, 10)])
    return store


def test_the_last_score_of_who_left_stays_with_its_reasons(of_who_left: Engine) -> None:
    """Whatever becomes of that night and of its model."""
    before = seen(of_who_left, "A-00003", 5)
    for age in range(3, -NIGHTS_WITH_REASONS, -1):
        put(of_who_left, age, [0], horizon_days=90)
    put(of_who_left, -DAILY_DAYS - 8, [0], horizon_days=90)
    with reading(of_who_left) as connection:
        assert night(connection, NIGHT - timedelta(days=5)) is None
        found, none = last_score(connection, "A-00003"), last_score(connection, "A-00000")
    assert none is None
    assert found is not None
    assert found.account == before
    assert len(found.account.reasons) == 3
    assert (NIGHT - timedelta(days=5), NIGHT - timedelta(days=4), "1") == (
        found.as_of,
        found.gone_on,
        found.model_version,
    )


def test_who_lost_a_score_to_a_run_that_nobody_saw_lost_none(of_who_left: Engine) -> None:
    """Neither while it is staged, nor after it died; nor to one that was replaced."""
    with leased(of_who_left) as lease:
        stage(lease, run("dead", as_of=NIGHT - timedelta(days=3)), booked(1), CATALOGUE)
        with reading(of_who_left) as connection:
            assert last_score(connection, "A-00007") is None
        clean(lease)
    assert {"r4"} == runs_in(of_who_left, FROZEN)
    publish(of_who_left, run("again", as_of=NIGHT - timedelta(days=4)), booked(10), CATALOGUE, finished_at=NOW)
    with reading(of_who_left) as connection:
        assert last_score(connection, "A-00003") is None
    assert set() == runs_in(of_who_left, FROZEN)


def test_who_gave_notice_has_a_last_score(store: Engine) -> None:
    put(store, 5, 3)
    made = booked(3).assign(state=["leaving", "watch", "watch"])
    made.loc[0, ["risk", "log_odds", "base_log_odds"]] = None
    publish(store, run("r4", as_of=NIGHT - timedelta(days=4)), made, CATALOGUE, finished_at=NOW)
    with reading(store) as connection:
        found = last_score(connection, str(made["account_id"][0]))
    assert found is not None
    assert found.account.risk is not None


def test_catalogues_stay_as_long_as_a_score_needs_them(of_who_left: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "DAILY_DAYS", 0)
    put(of_who_left, -20, [0, *range(4, 10)], horizon_days=90)
    with of_who_left.connect() as connection:
        frozen = set(connection.execute(select(FROZEN.c.catalogue)).scalars())
        assert frozen <= set(connection.execute(select(CATALOGUES.c.digest)).scalars())
        assert 2 == len(connection.execute(select(CATALOGUES)).all())
