"""Evidence in the store: a reader sees that of the night it looks at, and it is written only where it changed."""

import random
from datetime import date, timedelta
from typing import Any

import pytest
from programs import begun
from sample_evidence import SERIES, Weeks, made
from sample_nights import CATALOGUE, NIGHT, NOW, booked, publish, run, silence, stage
from sqlalchemy import Engine, func, select

from pipeline import kept_evidence
from pipeline.publication import flip
from pipeline.retention import NIGHTS_WITH_REASONS, clean, kept_nights
from pipeline.store.connection import reading
from pipeline.store.evidence import AccountEvidence, evidence_of
from pipeline.store.lease import SILENCE_SECONDS, leased
from pipeline.store.nights import night
from pipeline.store.packed_weeks import monday, week_of
from pipeline.store.schema import EVIDENCE, EVIDENCE_NIGHTS

LAST = week_of(NIGHT - timedelta(days=1))
BUSY: Weeks = {LAST: (12.5, 3, 0), LAST - 1: (40, 5, 2), LAST - 30: (-1, 1, 0)}
QUIET: Weeks = {LAST - 40: (7, 1, 0)}


def put(store: Engine, run_id: str, as_of: date, weeks: dict[str, Weeks], **more: Any) -> None:
    found = made(as_of, weeks, **more)
    publish(store, run(run_id, as_of=as_of), booked(3), CATALOGUE, finished_at=NOW, evidence=found)


def shown(store: Engine, account_id: str, as_of: date | None = None) -> AccountEvidence | None:
    with reading(store) as connection:
        header = night(connection, as_of)
        assert header is not None
        return evidence_of(connection, header, account_id)


def by_week(found: AccountEvidence | None) -> dict[int, tuple[float | None, ...]]:
    """The weeks that are not zero."""
    assert found is not None
    rows = zip(*found.series.values(), strict=True)
    return {week_of(day): row for day, row in zip(found.weeks, rows, strict=True) if any(row)}


def rows(store: Engine) -> int:
    with store.connect() as connection:
        return int(connection.execute(select(func.count()).select_from(EVIDENCE)).scalar_one())


def test_an_account_reads_back_as_it_was_published(store: Engine) -> None:
    """Fractions, negative amounts, zeros; 53 Mondays that end with the week of the day before the night."""
    put(store, "r1", NIGHT, {"A": BUSY, "B": {}}, tickets={"A": [date(2026, 10, 30), date(2025, 6, 1)]})
    found = shown(store, "A")
    assert found is not None
    assert (53, monday(LAST), monday(LAST - 52)) == (len(found.weeks), found.weeks[-1], found.weeks[0])
    assert list(SERIES) == list(found.series)
    assert BUSY == by_week(found)
    (told,) = found.tickets
    assert ("T-2026-10-30", "2026-10-30 09:30:00+00:00", None) == (
        told.ticket_id,
        str(told.opened_at),
        told.resolved_at,
    )
    assert (-0.25, None, "It is slow") == (told.mood, told.worst, told.excerpt)
    nothing = shown(store, "B")
    assert nothing is not None
    assert ({}, ()) == (by_week(nothing), nothing.tickets)


def test_weeks_before_the_source_began_are_unknown(store: Engine) -> None:
    """Not zero; the week in which it began counts. Of a source that recorded nothing, all are."""
    began = monday(LAST - 2) + timedelta(days=3)
    put(store, "r1", NIGHT, {"A": {LAST: (1, 1, 0)}}, since=began)
    found = shown(store, "A")
    assert found is not None
    assert ((None,) * 50, (0, 0, 1)) == (found.series["usage"][:50], found.series["usage"][50:])
    put(store, "r2", NIGHT, {"A": {}}, since=None)
    found = shown(store, "A")
    assert found is not None
    assert (None,) * 53 == found.series["pricing_visits"]


def test_what_did_not_change_is_not_written(store: Engine) -> None:
    """A night writes the block of the account that changed, and nothing for the others."""
    put(store, "r1", NIGHT, {"A": BUSY, "B": QUIET, "C": {}}, tickets={"B": [date(2026, 10, 30)]})
    before = rows(store)
    changed = BUSY | {LAST: (13, 4, 0)}
    later = NIGHT + timedelta(days=1)
    put(store, "r2", later, {"A": changed, "B": QUIET, "C": {}}, tickets={"B": [date(2026, 10, 30)]})
    assert before + 1 == rows(store)
    assert [BUSY, changed] == [by_week(shown(store, "A", day)) for day in (NIGHT, later)]
    assert [QUIET, QUIET] == [by_week(shown(store, "B", day)) for day in (NIGHT, later)]


def test_what_is_gone_is_not_shown_any_more(store: Engine) -> None:
    """A ticket that was deleted in the warehouse, with its text, and use that was taken back."""
    later = NIGHT + timedelta(days=1)
    put(store, "r1", NIGHT, {"A": BUSY, "B": QUIET}, tickets={"B": [date(2026, 10, 30)]})
    put(store, "r2", later, {"A": BUSY, "B": {}})
    assert ({}, ()) == (by_week(shown(store, "B")), shown(store, "B").tickets)  # type: ignore[union-attr]
    assert QUIET == by_week(shown(store, "B", NIGHT))


def test_weeks_go_by_without_a_row(store: Engine) -> None:
    """Time alone changes nothing that is stored: an account that did nothing for half a year has no new row."""
    put(store, "first", NIGHT, {"A": QUIET})
    for days in (1, 7, 8, 100):
        put(store, f"after {days}", NIGHT + timedelta(days=days), {"A": QUIET})
    assert 1 == rows(store)
    found = shown(store, "A", NIGHT + timedelta(days=7))
    assert found is not None
    assert (monday(LAST + 1), QUIET) == (found.weeks[-1], by_week(found))
    assert {} == by_week(shown(store, "A", NIGHT + timedelta(days=100))), "more than a year ago"


def test_a_rerun_writes_the_same(store: Engine) -> None:
    """What readers see, and how many rows there are."""
    put(store, "r1", NIGHT - timedelta(days=1), {"A": QUIET, "B": BUSY})
    put(store, "r2", NIGHT, {"A": BUSY, "B": BUSY})
    first, held = shown(store, "A"), rows(store)
    put(store, "r3", NIGHT, {"A": BUSY, "B": BUSY})
    assert (first, held) == (shown(store, "A"), rows(store))


def test_other_page_groups_are_other_values(store: Engine) -> None:
    """The same numbers mean something else once the settings name other groups: all weeks are written again."""
    put(store, "r1", NIGHT, {"A": BUSY, "B": QUIET})
    later, series = NIGHT + timedelta(days=1), ("usage", "active_days", "refund_visits")
    put(store, "r2", later, {"A": BUSY, "B": QUIET}, series=series)
    for day, names in ((NIGHT, SERIES), (later, series)):
        found = shown(store, "A", day)
        assert found is not None
        assert names == tuple(found.series)
        assert {LAST - 1: 2} == {week: row[2] for week, row in by_week(found).items() if row[2]}


def test_evidence_is_kept_as_long_as_reasons() -> None:
    """A page of an account has both or neither."""
    assert NIGHTS_WITH_REASONS == kept_evidence.NIGHTS_WITH_EVIDENCE


def test_a_night_without_evidence_shows_none(store: Engine) -> None:
    """Those that were published before there was any."""
    publish(store, run("old"), booked(3), CATALOGUE, finished_at=NOW)
    assert shown(store, "A") is None
    put(store, "new", NIGHT + timedelta(days=1), {"A": BUSY})
    assert shown(store, "A", NIGHT) is None


# ---------------------------------------------------------------------------------------------------------------------
# Killed

SCRIPT = """
import sys, time
from sample_evidence import made
from sample_nights import CATALOGUE, NIGHT, booked, run, stage
from pipeline.store.connection import connect
from pipeline.store.lease import SILENCE_SECONDS, leased
from pipeline.store.packed_weeks import week_of
with leased(connect(sys.argv[1])) as lease:
    stage(lease, run("killed"), booked(3), CATALOGUE, evidence=made(NIGHT, {"A": {week_of(NIGHT) - 3: (99, 7, 9)}}))
    print("staged", flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize("former", [NIGHT, NIGHT - timedelta(days=1)])
def test_killed_between_staging_and_flip(store: Engine, store_url: str, former: date) -> None:
    """The reader's evidence is that of the night before, or of the run that was to be replaced; nothing is left."""
    put(store, "before", former, {"A": BUSY, "B": QUIET})
    held = rows(store)
    with begun(SCRIPT, store_url, says="staged") as process:
        process.kill()
        process.wait()
    assert held < rows(store)
    assert BUSY == by_week(shown(store, "A"))
    silence(store, SILENCE_SECONDS + 2)
    put(store, "again", NIGHT, {"A": BUSY, "B": QUIET})
    assert (held, BUSY) == (rows(store), by_week(shown(store, "A")))


# ---------------------------------------------------------------------------------------------------------------------
# Whatever happens, in whatever order


def test_any_order_of_nights_shows_each_as_it_was(store: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nights in order, filled in, rerun and dead before their flip: each that is kept shows what it was published with.

    And what is stored is needed: a row that no kept night shows is gone after the clean-up.
    """
    monkeypatch.setattr(kept_evidence, "NIGHTS_WITH_EVIDENCE", 4)
    monkeypatch.setattr(kept_evidence, "_ROWS", 3)
    draw = random.Random(17)
    nights: dict[date, dict[str, Weeks]] = {}
    with leased(store) as lease:
        for number in range(25):
            newest = max(nights, default=NIGHT)
            as_of = newest + timedelta(days=draw.choice([1, 1, 1, 7, 40, 0, 0, -1, -2, -3, -30]))
            weeks = drawn(draw, as_of, nights.get(max((day for day in nights if day < as_of), default=as_of), {}))
            of = run(f"r{number}", as_of=as_of)
            stage(lease, of, booked(1), CATALOGUE, evidence=made(as_of, weeks))
            if draw.random() < 0.8:
                flip(lease, of, finished_at=NOW)
                nights[as_of] = weeks
            shows(store, nights, kept=sorted(nights)[-4:])
            if nights and draw.random() < 0.8:
                clean(lease)
                kept = kept_nights(dict.fromkeys(nights, True))
                nights = {as_of: weeks for as_of, weeks in nights.items() if as_of in kept}
                shows(store, nights, kept=sorted(nights)[-4:])
                every_row_is_needed(store, sorted(nights)[-4:])


def drawn(draw: random.Random, as_of: date, before: dict[str, Weeks]) -> dict[str, Weeks]:
    """What was the night before, changed here and there; accounts come and go."""
    last = week_of(as_of - timedelta(days=1))
    there = [name for name in "ABCDE" if draw.random() < 0.8]
    weeks = {name: dict(before.get(name, {})) for name in there}
    for name in there:
        if draw.random() < 0.4:
            weeks[name][last - draw.choice([0, 0, 1, 20, 51])] = (draw.randint(0, 300) / 4, draw.randint(0, 7), 0)
    return weeks


def shows(store: Engine, nights: dict[date, dict[str, Weeks]], kept: list[date]) -> None:
    """`kept` are those of which evidence is promised; others show theirs, or none."""
    with reading(store) as connection:
        found = {
            (as_of, name): evidence_of(connection, header, name)
            for as_of in nights
            if (header := night(connection, as_of)) is not None
            for name in "ABCDE"
        }
    assert {as_of for as_of, _ in found} == nights.keys()
    for (as_of, name), each in found.items():
        if each is None:
            assert as_of not in kept
            continue
        last = week_of(as_of - timedelta(days=1))
        told = {week: row for week, row in nights[as_of].get(name, {}).items() if any(row) and week > last - 53}
        assert told == by_week(each), as_of


def every_row_is_needed(store: Engine, kept: list[date]) -> None:
    """Some kept night shows it; something empty has something to hide, which nothing has that the oldest wrote."""
    with store.connect() as connection:
        stored = connection.execute(select(EVIDENCE)).all()
        nights = dict(connection.execute(select(EVIDENCE_NIGHTS.c.number, EVIDENCE_NIGHTS.c.as_of)).all())
    needed = set()
    for as_of in kept:
        for key in {row[:3] for row in stored}:
            until = [row for row in stored if row[:3] == key and nights[row.night] <= as_of]
            newest = max(until, key=lambda row: nights[row.night], default=None)
            if newest is not None and (newest.content or nights[newest.night] > kept[0]):
                needed.add(newest)
    assert needed == set(stored)
