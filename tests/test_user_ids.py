"""No id of a customer's user reaches the store: what is learned of users is how many did what, and when."""

import json
from pathlib import Path
from typing import Any

import duckdb
import pytest
from command_line import churn
from sqlalchemy import Engine, LargeBinary, select

from pipeline.inputs import stored_inputs
from pipeline.store.connection import connect, reading
from pipeline.store.nights import book, published
from pipeline.store.schema import LEDGER, METADATA, RUNS


@pytest.fixture(scope="module")
def wrong(trained_demo: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Tables of users with faults that the check tells by example: one that a night bears, one that it refuses."""
    folder = tmp_path_factory.mktemp("users")
    users = f"'{trained_demo.parent / 'data' / 'users.parquet'}'"
    backwards = "* REPLACE (created_at - INTERVAL 1 DAY AS deactivated_at)"
    for name, query in {
        "borne": f"SELECT {backwards} FROM {users}",
        "refused": f"SELECT * REPLACE ('long ago' AS created_at) FROM {users}",
    }.items():
        duckdb.connect().execute(f"COPY ({query}) TO '{folder / name}.parquet' (FORMAT parquet)")
    return {name: str(folder / f"{name}.parquet") for name in ("borne", "refused")}


def all_text(store: Engine) -> str:
    """Everything that the store keeps as text, also within what it keeps packed, but the models."""
    told: list[str] = []
    with reading(store) as connection:
        for table in METADATA.sorted_tables:
            plain = [column for column in table.c if not isinstance(column.type, LargeBinary)]
            told += [json.dumps([*map(str, row)], ensure_ascii=False) for row in connection.execute(select(*plain))]
        shown = published(connection, None)
        saw = stored_inputs(connection, shown)
        assert saw is not None
        told.append(saw.frame().to_csv())
        told += [str(each) for each in book(connection, shown)]
    return "\n".join(told)


def test_no_user_id_reaches_the_store(trained_demo: Path, wrong: dict[str, str], tmp_path: Path) -> None:
    """Neither by a night with all tables, nor in its warnings, nor in what is kept of one that was refused."""
    ids = {
        row[0] for row in duckdb.execute(f"SELECT user_id FROM '{trained_demo.parent}/data/users.parquet'").fetchall()
    }
    assert len(ids) > 1000
    url = f"sqlite:///{tmp_path / 'churn.db'}"

    def night(name: str) -> Any:
        return churn("score", "-c", trained_demo, env={"CHURN__STORE__URL": url, "CHURN__DATA__USERS": wrong[name]})

    assert 0 == night("borne").exit_status
    refused = night("refused")
    assert 3 == refused.exit_status
    assert any(each in refused.message for each in ids), "who mends the table is told by example"

    store = connect(url)
    text = all_text(store)
    assert "users.deactivated_at  lies before created_at" in text, "the warning is kept"
    assert "users.created_at  is not a time" in text, "so is why the other night was refused"
    assert [] == sorted(each for each in ids if each in text)
    store.dispose()


def test_what_is_kept_of_a_refusal_still_says_where_and_how_many(
    trained_demo: Path, wrong: dict[str, str], tmp_path: Path
) -> None:
    env = {"CHURN__STORE__URL": f"sqlite:///{tmp_path / 'churn.db'}", "CHURN__DATA__USERS": wrong["refused"]}
    assert 3 == churn("score", "-c", trained_demo, env=env).exit_status
    store = connect(env["CHURN__STORE__URL"])
    with reading(store) as connection:
        (message,) = connection.execute(select(LEDGER.c.message)).scalars()
        assert 0 == len(connection.execute(select(RUNS)).all())
    assert "rows (100.0%)\n    Correct the values" in message
    store.dispose()


def test_what_is_kept_of_a_table_that_cannot_be_read_quotes_none_of_it(trained_demo: Path, tmp_path: Path) -> None:
    """The engine names the value that it stumbled over."""
    sql = "SELECT * REPLACE (CAST('U-secret' AS INTEGER) AS user_id) FROM 'data/users.parquet'"
    url = f"sqlite:///{tmp_path / 'churn.db'}"
    done = churn(
        "score", "-c", trained_demo, env={"CHURN__STORE__URL": url, "CHURN__DATA__USERS": f'{{"sql": "{sql}"}}'}
    )
    assert (3, True) == (done.exit_status, "U-secret" in done.message), done.message
    store = connect(url)
    with reading(store) as connection:
        (message,) = connection.execute(select(LEDGER.c.message)).scalars()
    assert "users  cannot be read" in message
    assert "Look at what is said of it: churn check." in message
    assert "U-secret" not in message
    store.dispose()
