"""Keeping evidence: a night writes what differs from the night before it, and what no night needs any more goes.

Evidence hangs together from night to night: what a night did not write, it shows as an earlier one wrote it. So a night
that is put before others, by a backfill or a rerun, first gives the next one copies of what that would else show
otherwise; and of an old night goes what later ones hide, and no more.
"""

import json
from collections.abc import Iterator
from datetime import date, timedelta
from functools import partial
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, and_, delete, func, insert, select, tuple_, update

from pipeline.bulk import insert_columns
from pipeline.packed_evidence import Evidence, Part
from pipeline.store.connection import reading, retried
from pipeline.store.evidence import SHOWN, about_night, seen_by, unpublished
from pipeline.store.lease import Lease
from pipeline.store.packed_weeks import WEEKS_A_BLOCK, monday
from pipeline.store.schema import EVIDENCE, EVIDENCE_NIGHTS, PUBLISHED

__all__ = ["NIGHTS_WITH_EVIDENCE", "clean_evidence", "stage_evidence"]

NIGHTS_WITH_EVIDENCE: Final = 14
"""Of so many nights, the newest, the evidence can be seen: as long as their reasons are kept in full."""

_ROWS: Final = 50_000
_ROW, _NIGHT = EVIDENCE.c, EVIDENCE_NIGHTS.c
_KEY: Final = (_ROW.account_id, _ROW.kind, _ROW.block)

_Key = tuple[str, str, int]


def stage_evidence(lease: Lease, run_id: str, as_of: date, found: Evidence) -> int:
    """Write what differs from the night before, where no reader looks until the run is published; the rows written.

    The run must be staged already. Nothing is written where the night is older than all that keep evidence. Raises
    `LeaseLost`.
    """
    night = retried(lambda: _enter(lease, run_id, as_of, found.about))
    if night is None:
        return 0
    written, after = 0, ""
    for part in found.parts():
        here = _between(after, part.upto)
        written += retried(partial(_write, lease, night, as_of, found.about, part, here))
        after = part.upto or after
    _spare_the_next(lease, night, as_of)
    return written


def _enter(lease: Lease, run_id: str, as_of: date, about: Any) -> int | None:
    """The night's number; None where newer nights than are kept stand before it."""
    with lease.writing() as connection:
        number = select(_NIGHT.number).where(_NIGHT.run_id == run_id)
        known: int | None = connection.execute(number).scalar()
        if known is not None:
            return known  # entered, and the answer was lost
        newer = select(func.count()).where(_NIGHT.as_of > as_of, _NIGHT.run_id.in_(select(PUBLISHED.c.run_id)))
        if connection.execute(newer).scalar_one() >= NIGHTS_WITH_EVIDENCE:
            return None
        header = {"run_id": run_id, "as_of": as_of, "about": json.dumps(about), "state": "kept"}
        connection.execute(insert(EVIDENCE_NIGHTS).values(header))
        known = connection.execute(number).scalar_one()
        return known


def _write(lease: Lease, night: int, as_of: date, about: Any, part: Part, here: ColumnElement[bool]) -> int:
    with lease.writing() as connection:
        if connection.execute(select(_ROW.night).where(here, _ROW.night == night).limit(1)).first() is not None:
            return 0  # written, and the answer was lost
        shown = _shown(connection, as_of - timedelta(days=1), about, here)
        changed = {key: content for key, content in part.contents.items() if shown.get(key) != content}
        changed |= {key: b"" for key, content in shown.items() if content != b"" and key not in part.contents}
        return _add(connection, night, changed)


def _shown(connection: Connection, as_of: date, about: Any, here: ColumnElement[bool]) -> dict[_Key, bytes | None]:
    """What a reader of that night is shown of these accounts; None for weeks of other series than `about` tells of."""
    age = func.row_number().over(partition_by=_KEY, order_by=_NIGHT.as_of.desc()).label("age")
    stored = (
        select(*_KEY, _ROW.content, _ROW.night, age)
        .join(EVIDENCE_NIGHTS, _NIGHT.number == _ROW.night)
        .where(here, _ROW.block >= about["first_week"] // WEEKS_A_BLOCK, seen_by(as_of))
        .subquery()
    )
    alike = [
        number
        for number, told in connection.execute(select(_NIGHT.number, _NIGHT.about))
        if about_night(told)["series"] == about["series"]
    ]
    rows = connection.execute(select(stored).where(stored.c.age == 1))
    return {
        (row.account_id, row.kind, row.block): row.content if row.kind == "events" or row.night in alike else None
        for row in rows
    }


def _add(connection: Connection, night: int, contents: dict[_Key, bytes]) -> int:
    rows = [(*key, night, content) for key, content in sorted(contents.items())]
    if rows:
        insert_columns(connection, EVIDENCE, dict(zip(EVIDENCE.c.keys(), zip(*rows, strict=True), strict=True)))
    return len(rows)


def _spare_the_next(lease: Lease, night: int, as_of: date) -> None:
    """Let the next night go on showing what it shows: what the run that is replaced wrote, or this one writes, is not
    that.
    """
    with reading(lease.engine) as connection:
        after = select(EVIDENCE_NIGHTS).where(_NIGHT.as_of > as_of, seen_by(date.max)).order_by(_NIGHT.as_of).limit(1)
        following = connection.execute(after).mappings().first()
        former = connection.execute(select(_NIGHT.number).where(_NIGHT.as_of == as_of, seen_by(as_of))).scalars().all()
    if following is None:
        return
    about, it = about_night(following["about"]), following["number"] == _NIGHT.number

    def spare(here: ColumnElement[bool]) -> None:
        with lease.writing() as connection:
            shown = _shown(connection, following["as_of"], about, here)
            touched = select(*_KEY).where(here, _ROW.block >= about["first_week"] // WEEKS_A_BLOCK)
            own = {tuple(key) for key in connection.execute(touched.where(_ROW.night == following["number"]))}
            others = {tuple(key) for key in connection.execute(touched.where(_ROW.night.in_([night, *former])))}
            if _add(connection, following["number"], {key: shown.get(key) or b"" for key in others - own}):
                connection.execute(update(EVIDENCE_NIGHTS).where(it).values(state="kept"))  # it may hide something now

    for here in _stretches(lease):
        retried(partial(spare, here))


def clean_evidence(lease: Lease) -> None:
    """Remove what runs wrote that are not published, and what no night needs of which evidence is kept.

    Nights that are too old stop showing evidence first. To be called before runs are removed, by who holds the lease.
    """
    with lease.writing() as connection:
        dead = connection.execute(select(_NIGHT.number).where(_NIGHT.run_id.in_(unpublished()))).scalars().all()
        nights = connection.execute(select(EVIDENCE_NIGHTS).where(seen_by(date.max)).order_by(_NIGHT.as_of)).all()
        published = connection.execute(select(PUBLISHED.c.run_id)).scalars().all()
        kept = [night for night in nights if night.run_id in published][-NIGHTS_WITH_EVIDENCE:]
        before = [night for night in nights if not kept or night.as_of < kept[0].as_of]
        too_old = [night.number for night in before if night.state in SHOWN]
        connection.execute(update(EVIDENCE_NIGHTS).where(_NIGHT.number.in_(too_old)).values(state="passing"))
    # What the oldest hides went when it became the oldest.
    hiding = [night for night in (*before, *kept[:1]) if night.state in {"kept", "passing"}]
    if not (dead or hiding):
        return
    needed = about_night(kept[0].about)["first_week"] // WEEKS_A_BLOCK if kept else 0
    for here in _stretches(lease):
        retried(partial(_remove, lease, here, dead, needed, hiding, nights))
    with lease.writing() as connection:
        connection.execute(delete(EVIDENCE_NIGHTS).where(_NIGHT.number.in_(dead)))
        connection.execute(update(EVIDENCE_NIGHTS).where(_NIGHT.state == "passing").values(state="past"))
        for state, those in (("oldest", kept[:1]), ("kept", kept[1:])):  # one that was the oldest may be so no more
            numbers = [night.number for night in those]
            connection.execute(update(EVIDENCE_NIGHTS).where(_NIGHT.number.in_(numbers)).values(state=state))
        wrote_none = _NIGHT.as_of <= monday(needed * WEEKS_A_BLOCK)
        connection.execute(delete(EVIDENCE_NIGHTS).where(_NIGHT.state == "past", wrote_none))


def _remove(lease: Lease, here: ColumnElement[bool], dead: Any, needed: int, hiding: list[Any], nights: Any) -> None:
    with lease.writing() as connection:
        connection.execute(delete(EVIDENCE).where(here, (_ROW.night.in_(dead)) | (_ROW.block < needed)))
        for later in hiding:
            hidden = select(*_KEY).where(here, _ROW.night == later.number)
            older = [night.number for night in nights if night.as_of < later.as_of]
            connection.execute(delete(EVIDENCE).where(here, _ROW.night.in_(older), tuple_(*_KEY).in_(hidden)))
        if hiding:  # nothing is older than these, so that something empty hides nothing
            last = [night.number for night in nights if night.as_of <= hiding[-1].as_of]
            connection.execute(delete(EVIDENCE).where(here, _ROW.night.in_(last), func.length(_ROW.content) == 0))


def _stretches(lease: Lease) -> Iterator[ColumnElement[bool]]:
    """All accounts with evidence, in stretches of so many rows, each a condition."""
    after = ""
    while True:
        with reading(lease.engine) as connection:
            rows = select(_ROW.account_id).where(_ROW.account_id > after).order_by(_ROW.account_id).limit(_ROWS)
            upto = connection.execute(select(func.max(rows.subquery().c.account_id))).scalar()
        if upto is None:
            return
        yield _between(after, upto)
        after = upto


def _between(after: str, upto: str | None) -> ColumnElement[bool]:
    above = _ROW.account_id > after
    return above if upto is None else and_(above, _ROW.account_id <= upto)
