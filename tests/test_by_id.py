"""A walk through a night by id: how the databases find the next page."""

from pathlib import Path

import pytest
from digest_nights import HIGH, INES, MONDAY, account, publish_night
from sqlalchemy import event

from pipeline.store.by_id import Wanted, ids_after
from pipeline.store.connection import connect, reading
from pipeline.store.nights import night


@pytest.mark.parametrize(
    ("wanted", "through"),
    [
        (Wanted(), "PRIMARY KEY (run_id=? AND account_id>?)"),
        (Wanted(bands=["high"]), "PRIMARY KEY (run_id=? AND account_id>?)"),
        (Wanted(owners=[INES]), "INDEX scores_by_rank (run_id=? AND owner=?)"),
        (Wanted(owners=[None]), "INDEX scores_by_rank (run_id=? AND owner=?)"),
        (
            Wanted(owners=[INES, "Ines@example.com", None], states=["watch"]),
            "INDEX scores_by_rank (run_id=? AND owner=?)",
        ),
    ],
)
def test_sqlite_reads_no_more_than_it_needs(tmp_path: Path, wanted: Wanted, through: str) -> None:
    """The key where the page before ended, or the book of one owner: never the whole night."""
    engine = connect(f"sqlite:///{tmp_path / 'churn.db'}")
    publish_night(engine, MONDAY, account("A-1", HIGH))
    asked: list[tuple[str, tuple[object, ...]]] = []
    event.listen(engine, "before_cursor_execute", lambda *call: asked.append((call[2], call[3])))
    with reading(engine) as connection:
        of = night(connection)
        assert of is not None
        ids_after(connection, of, "A-0", 10, wanted)
        plan = [
            step
            for statement, values in asked[1:]
            for step in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)
        ]
    engine.dispose()
    found = [str(step[3]) for step in plan if "scores" in str(step[3])]
    assert len(wanted.owners or "1") == len(found)
    assert all(through in step for step in found), found
