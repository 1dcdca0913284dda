"""Forgetting: nothing in either store tells who an account was, and what was counted of it still adds up."""

import json
import math
import os
import shutil
import sqlite3
from collections.abc import Iterator
from dataclasses import asdict
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from click.testing import CliRunner
from command_line import churn
from sample_nights import CATALOGUE, NIGHT, NOW, booked, inputs_of, publish, run
from sample_people import AWKWARD, newer_churn, put, sample
from sqlalchemy import Engine, LargeBinary, MetaData, insert, select, update

from pipeline import forgetting
from pipeline.cli import main
from pipeline.errors import StoreError, StoreOutdated, UsageError
from pipeline.forgetting import Forgot, forget, held
from pipeline.inputs import Inputs, stored_inputs
from pipeline.left_out import forgotten_of, left_out, without
from pipeline.people import forgotten as forgotten_people
from pipeline.people.forgotten import Forgotten
from pipeline.people.schema import AUDIT_LOG
from pipeline.people.schema import METADATA as PEOPLE
from pipeline.settings import Settings
from pipeline.settings_file import read_settings
from pipeline.store.connection import connect, reading
from pipeline.store.lease import LeaseHeld, leased
from pipeline.store.nights import AccountNight, book, most_at_stake, night
from pipeline.store.schema import FROZEN, LEASE, LEDGER, SCORES
from pipeline.store.schema import METADATA as NIGHTS
from pipeline.warehouse.kept_copies import Made, hold, kept, place
from pipeline.warehouse.kept_copies import publish as publish_copy

NIGHTS_PUBLISHED = [NIGHT, NIGHT + timedelta(days=1), NIGHT + timedelta(days=2)]
ZEBRA, CHILD, OTHER = "A-00003", "A-00004", "A-00030"  # of the third the first is not a part, but for its last digit
NAME = "Zebra Räder 斑马 GmbH"


def saw() -> Inputs:
    ids = [f"A-{number:05}" for number in range(40)]
    frame = pd.DataFrame({"account_id": ids, "root_id": ids, "state": "active", "seats": 5.0}).set_index("account_id")
    frame.loc[CHILD, "root_id"] = ZEBRA
    return inputs_of(frame, {"accounts": 40}, rows=15)


@pytest.fixture
def company(tmp_path: Path, store_url: str, store: Engine, people: Engine) -> Path:
    """Three nights of forty accounts, one of which is the parent of another, and what people wrote about it."""
    for number, as_of in enumerate(NIGHTS_PUBLISHED):
        shown = booked(40, seed=number, as_of=as_of)
        mine, child = shown["account_id"] == ZEBRA, shown["account_id"] == CHILD
        shown.loc[mine, ["name", "entry_name"]] = NAME
        shown.loc[child, "root_id"] = ZEBRA
        shown.loc[child, "entry_name"] = NAME
        publish(store, run(f"r{number}", as_of=as_of), shown, CATALOGUE, finished_at=NOW, inputs=saw().files())
    put(people, sample(ZEBRA))
    config = tmp_path / "churn.toml"
    tables = 'accounts = "accounts.csv"\nsubscriptions = "subscriptions.csv"'
    config.write_text(f'[data]\n{tables}\n[store]\nurl = "{store_url}"\n')
    return config


@pytest.fixture
def settings(company: Path) -> Settings:
    return read_settings(company)


def seen(store: Engine, as_of: date) -> dict[str, AccountNight]:
    with reading(store) as connection:
        of = night(connection, as_of)
        assert of is not None
        return {each.account_id: each for each in book(connection, of)}


def all_text(engine: Engine, tables: MetaData) -> Iterator[str]:
    """Everything that a store keeps as text, also in what it keeps packed."""
    with reading(engine) as connection:
        for table in set(tables.sorted_tables) - {LEASE}:
            plain = [column for column in table.c if not isinstance(column.type, LargeBinary)]
            yield from (str(tuple(row)) for row in connection.execute(select(*plain)))
        for as_of in NIGHTS_PUBLISHED if tables is NIGHTS else ():
            of = night(connection, as_of)
            assert of is not None
            yield from (str(asdict(each)) for each in book(connection, of))
            kept = stored_inputs(connection, of)
            assert kept is not None
            yield kept.frame().to_csv()


def telling(text: str) -> bool:
    return ZEBRA in text or NAME in text or AWKWARD in text or repr(AWKWARD)[1:-1] in text


# ---------------------------------------------------------------------------------------------------------------------
# What goes


def test_nothing_tells_who_it_was(store: Engine, people: Engine, settings: Settings) -> None:
    """Id, names and texts, in any column of any table, packed or plain."""
    before = [*all_text(store, NIGHTS), *all_text(people, PEOPLE)]
    assert sum(map(telling, before)) > 15
    done = forget(settings, ZEBRA, NOW)
    assert [] == [text for text in (*all_text(store, NIGHTS), *all_text(people, PEOPLE)) if telling(text)]
    assert (3, 3) == (done.scores, done.inputs)
    assert {"actions": 2, "notes": 2, "outcomes": 1, "announcements": 1, "hold_out": 1, "audit_log": 1} == done.people


def test_no_message_quotes_it(store: Engine, settings: Settings) -> None:
    """What ended a night may have been its numbers; another account whose id begins likewise is another."""
    told = f"risk does not hold for account {ZEBRA!r} and 2 more, unlike '{ZEBRA}0'"
    with leased(store) as lease, lease.writing() as connection:
        begun = {"command": "score", "as_of": NIGHT, "started_at": NOW, "host": "h", "settings_digest": "d"}
        connection.execute(insert(LEDGER).values(run_id="r9", **begun, outcome="refused", message=told))
    forget(settings, ZEBRA, NOW)
    pseudonym = forgotten_of(settings).pseudonym(ZEBRA)
    with reading(store) as connection:
        kept = connection.execute(select(LEDGER.c.message)).scalar_one()
    assert f"risk does not hold for account {pseudonym} and 2 more, unlike '{ZEBRA}0'" == kept


def test_a_parent_that_is_no_customer_is_forgotten_too(store: Engine, settings: Settings) -> None:
    """It has no row of its own, and stands in those of its children."""
    with leased(store) as lease, lease.writing() as connection:
        connection.execute(update(SCORES).where(SCORES.c.account_id == CHILD).values(root_id="A-parent"))
    assert (None, 3) == (held(settings, "A-parent").name, held(settings, "A-parent").scores)
    forget(settings, "A-parent", NOW)
    assert [] == [text for text in all_text(store, NIGHTS) if "A-parent" in text]


def test_nothing_of_it_is_left_in_the_files(store: Engine, settings: Settings, tmp_path: Path) -> None:
    """SQLite leaves what was removed where it stood until the place is needed; here it is written over."""
    if store.dialect.name != "sqlite":
        pytest.skip("what a server's files hold until they are vacuumed is the server's business")
    files = [tmp_path / f"churn{which}.db{ending}" for which in ("", "-people") for ending in ("", "-wal")]

    def holding() -> list[str]:
        contents = {file.name: file.read_bytes() for file in files if file.exists()}
        return [name for name, content in contents.items() if NAME.encode() in content or ZEBRA.encode() in content]

    assert holding()
    forget(settings, ZEBRA, NOW)
    assert [] == holding()


def test_the_copy_of_a_warehouse_is_thrown_away(settings: Settings) -> None:
    """It holds the account's rows, also of months that no later copy reads again. One in use goes with the next run."""
    root = place(settings)
    for name in ("old", "current-one"):
        (root / name).mkdir(parents=True)
        publish_copy(Made(root / name, NOW, {}), root)
    held_by_a_run = hold(root / "current-one")
    forget(settings, ZEBRA, NOW)
    assert kept(settings) is None
    assert ["current-one"] == [each.name for each in root.iterdir() if each.is_dir()]
    os.close(held_by_a_run)
    forget(settings, ZEBRA, NOW)
    assert [] == [each.name for each in root.iterdir() if each.is_dir()]


def test_every_place_of_an_account_in_the_people_store_is_known() -> None:
    """A table that is new is forgotten in, too."""
    places = {
        column for table in PEOPLE.sorted_tables for column in table.c if column.name in {"account_id", "root_id"}
    }
    assert places == {column for column, _ in forgotten_people._HELD}


# ---------------------------------------------------------------------------------------------------------------------
# What stays


def test_the_nights_still_add_up(store: Engine, settings: Settings) -> None:
    """As many accounts in each, the same risks and sums; of every other account all that there was."""
    before = {as_of: seen(store, as_of) for as_of in NIGHTS_PUBLISHED}
    forget(settings, ZEBRA, NOW)
    for as_of, was in before.items():
        now = seen(store, as_of)
        (stranger,) = now.keys() - was.keys()
        for name in ("state", "band", "owner", "risk", "mrr", "value_at_risk", "base_log_odds", "log_odds", "families"):
            assert getattr(was[ZEBRA], name) == getattr(now[stranger], name)
        assert (None, None, None) == (now[stranger].name, now[stranger].entry_name, now[stranger].rank)
        assert {} == now[stranger].facts
        (rest,) = now[stranger].reasons
        told = (now[stranger].base_log_odds or math.nan) + rest["contribution"]
        assert told == pytest.approx(now[stranger].log_odds, abs=1e-9)
        assert (stranger, None) == (now[CHILD].root_id, now[CHILD].entry_name)
        assert was.keys() - {ZEBRA, CHILD} == now.keys() - {stranger, CHILD}
        assert [] == [account for account in was.keys() - {ZEBRA, CHILD} if was[account] != now[account]]


def test_what_nights_saw_of_others_stays(store: Engine, settings: Settings) -> None:
    """The child is under the parent's pseudonym, which is that of the scores."""
    forget(settings, ZEBRA, NOW)
    with reading(store) as connection:
        of = night(connection)
        assert of is not None
        kept = stored_inputs(connection, of)
    assert kept is not None
    expected = saw().frame().drop(ZEBRA)
    expected.loc[CHILD, "root_id"] = seen(store, NIGHTS_PUBLISHED[-1])[CHILD].root_id
    pd.testing.assert_frame_equal(expected, kept.frame(), check_dtype=False)
    assert {"accounts": 40} == kept.rows_known


def test_the_audit_log_says_that_it_was_done(people: Engine, settings: Settings) -> None:
    """When, by whom and how much, and not of whom."""
    forget(settings, ZEBRA, NOW)
    with reading(people) as connection:
        line = connection.execute(select(AUDIT_LOG).order_by(AUDIT_LOG.c.number.desc())).mappings().first()
    assert line is not None
    assert ("command", "forgotten", NOW) == (line["source"], line["deed"], line["at"])
    assert line["account_id"].startswith("forgotten-")
    details = json.loads(line["details"])
    assert (3, 2) == (details["scores"], details["people"]["notes"])
    assert "by" in details


def a_night_without(store: Engine, *accounts: str) -> None:
    as_of = NIGHTS_PUBLISHED[-1] + timedelta(days=1)
    shown = booked(40, seed=7, as_of=as_of)
    publish(store, run("r7", as_of=as_of), shown[~shown["account_id"].isin(accounts)], CATALOGUE, finished_at=NOW)


def frozen(store: Engine) -> list[Any]:
    with reading(store) as connection:
        return list(connection.execute(select(FROZEN)).mappings())


def test_the_last_score_of_one_that_left_stays_too(store: Engine, settings: Settings) -> None:
    """Without its name and its reasons, as in its nights."""
    a_night_without(store, ZEBRA)
    assert 7 == held(settings, ZEBRA).scores
    (before,) = frozen(store)
    assert (ZEBRA, NAME, True) == (before["account_id"], before["name"], before["packed"] is not None)
    forget(settings, ZEBRA, NOW)
    (after,) = frozen(store)
    pseudonym = forgotten_of(settings).pseudonym(ZEBRA)
    emptied = dict.fromkeys(("name", "entry_name", "rank", "packed"))
    assert {**before, **emptied, "account_id": pseudonym, "root_id": pseudonym} == dict(after)


def test_who_was_forgotten_has_not_left(store: Engine, settings: Settings) -> None:
    """The next night leaves it out, which is no departure."""
    forget(settings, ZEBRA, NOW)
    a_night_without(store, ZEBRA, OTHER)
    assert [OTHER] == [row["account_id"] for row in frozen(store)]


# ---------------------------------------------------------------------------------------------------------------------
# Again, interrupted, at the wrong time


def test_again_it_finds_nothing(store: Engine, people: Engine, settings: Settings) -> None:
    forget(settings, ZEBRA, NOW)
    first = [*all_text(store, NIGHTS)]
    assert held(settings, ZEBRA).was_forgotten
    assert Forgot(0, 0, 0, {}) == forget(settings, ZEBRA, NOW)
    assert first == [*all_text(store, NIGHTS)]
    listed = [digest for digests in forgotten_of(settings).digests.values() for digest in digests]
    assert 2 == len(listed), "the sample's, and this one once"


@pytest.mark.parametrize("step", ["_erase_inputs", "_erase_in", "erase"])
def test_interrupted_it_is_ended_by_the_next(
    store: Engine, people: Engine, settings: Settings, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever had been done by then; and no night brings the account back meanwhile."""

    def dies(*_: object) -> None:
        raise sqlite3.OperationalError("the lights went out")

    with monkeypatch.context() as patch:
        patch.setattr(forgetting, step, dies)
        with pytest.raises((StoreError, sqlite3.OperationalError)):
            forget(settings, ZEBRA, NOW)
    assert forgotten_of(settings).pseudonym(ZEBRA)
    forget(settings, ZEBRA, NOW)
    assert [] == [text for text in (*all_text(store, NIGHTS), *all_text(people, PEOPLE)) if telling(text)]


def test_not_while_a_night_is_written(store: Engine, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """It asks for the lease, as nights do. That the account is to be forgotten is on the list by then."""
    monkeypatch.setattr("pipeline.store.lease.RENEW_SECONDS", 0.1)
    monkeypatch.setattr("pipeline.store.lease.LOOK_SECONDS", 0.1)
    with leased(store), pytest.raises(LeaseHeld):
        forget(settings, ZEBRA, NOW)
    assert NAME == held(settings, ZEBRA).name


def test_who_is_nowhere_is_a_mistyped_id(settings: Settings) -> None:
    """To note it down would be to promise what was not done."""
    with pytest.raises(UsageError, match=r"knows 'A-0003'\. Is the id right"):
        held(settings, "A-0003")


def test_with_no_night_there_is_what_people_wrote(people: Engine, store_url: str, tmp_path: Path) -> None:
    """And no store of nights is made for it."""
    config = tmp_path / "churn.toml"
    tables = 'accounts = "accounts.csv"\nsubscriptions = "subscriptions.csv"'
    config.write_text(f'[data]\n{tables}\n[store]\nurl = "{store_url}"\n')
    put(people, sample(ZEBRA))
    settings = read_settings(config)
    assert (None, 0, 8) == (held(settings, ZEBRA).name, held(settings, ZEBRA).scores, held(settings, ZEBRA).rows)
    assert 2 == forget(settings, ZEBRA, NOW).people["notes"]
    assert not (tmp_path / "churn.db").exists()


# ---------------------------------------------------------------------------------------------------------------------
# Later nights


def test_a_night_leaves_out_who_was_forgotten(settings: Settings, people: Engine) -> None:
    """And knows a parent by its pseudonym, so that the children still stand together."""
    forget(settings, ZEBRA, NOW)
    known = pd.DataFrame({"account_id": [ZEBRA, CHILD, OTHER], "root_id": [ZEBRA, ZEBRA, OTHER]})
    gone = forgotten_of(settings)
    kept = without(known, gone)
    assert [CHILD, OTHER] == kept["account_id"].tolist()
    assert [gone.pseudonym(ZEBRA), OTHER] == kept["root_id"].tolist()
    told = left_out(len(known) - len(kept), settings)
    assert told is not None
    assert told.startswith("1 account that was forgotten is in the tables still, and left out.")


def test_where_nobody_was_forgotten_nobody_is_left_out(settings: Settings) -> None:
    known = pd.DataFrame({"account_id": [ZEBRA], "root_id": [ZEBRA]})
    assert known is without(known, Forgotten({}))
    assert left_out(0, settings) is None


def test_before_there_is_a_people_store_nobody_was_forgotten(tmp_path: Path) -> None:
    config = tmp_path / "churn.toml"
    config.write_text('[data]\naccounts = "accounts.csv"\nsubscriptions = "subscriptions.csv"\n')
    assert not forgotten_of(read_settings(config))
    assert [config] == list(tmp_path.iterdir())


def test_a_list_that_cannot_be_read_is_no_empty_one(tmp_path: Path) -> None:
    """A night would rather fail than publish whom it may not."""
    config = tmp_path / "churn.toml"
    config.write_text('[data]\naccounts = "accounts.csv"\nsubscriptions = "subscriptions.csv"\n')
    (tmp_path / "churn-people.db").write_text("account_id,risk\n" * 100)
    with pytest.raises(StoreError, match=r"The people store .* cannot be used: file is not a database"):
        forgotten_of(read_settings(config), brings_along=True)


def test_a_night_brings_an_older_people_store_along(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It holds the lease; others say who does it."""
    forget(settings, ZEBRA, NOW)
    monkeypatch.setattr("pipeline.people.connection.PEOPLE_STORE", newer_churn(tmp_path / "steps"))
    with pytest.raises(StoreOutdated, match=r"people store .* next night brings an older one along \(churn score\)"):
        forgotten_of(settings)
    assert forgotten_of(settings, brings_along=True).pseudonym(ZEBRA)
    assert forgotten_of(settings).pseudonym(ZEBRA)


# ---------------------------------------------------------------------------------------------------------------------
# The command


def test_the_command_asks(store: Engine, company: Path) -> None:
    """With what it found, and does nothing unless told yes."""
    asked = CliRunner().invoke(main, ["forget", ZEBRA, "-c", str(company)], input="n\n")
    assert (1, True) == (
        asked.exit_code,
        f"{NAME} ({ZEBRA}) is in 6 rows of scores, and in 8 that people" in asked.stderr,
    )
    assert ZEBRA in seen(store, NIGHT)
    in_json = churn("forget", ZEBRA, "-c", company, "--json")
    assert (2, True) == (in_json.exit_status, "--yes" in in_json.message)
    done = CliRunner().invoke(main, ["forget", ZEBRA, "-c", str(company)], input="y\n")
    assert 0 == done.exit_code, done.stderr
    assert done.stdout.startswith(f"Forgot {ZEBRA}. Rows that were emptied or removed: scores 3, ")
    assert ZEBRA not in seen(store, NIGHT)
    again = churn("forget", ZEBRA, "-c", company, "--yes", "--json")
    assert (0, True, 0) == (again.exit_status, again.record()["was_forgotten"], again.record()["scores"])
    assert 2 == churn("forget", "nobody", "-c", company, "--yes").exit_status


def test_no_later_night_brings_it_back(trained_demo: Path, tmp_path: Path) -> None:
    """Though the tables hold it as before; and an old night that is built again differs in nothing else."""
    url = f"sqlite:///{shutil.copy(trained_demo.parent / 'churn.db', tmp_path)}"
    env = {"CHURN__STORE__URL": url}

    def asked(*arguments: str) -> Any:
        answer = churn(*arguments, "-c", trained_demo, "--json", env=env)
        assert answer.exit_status == 0, answer.stderr
        return answer.record()

    store = connect(url)
    with reading(store) as connection:
        of = night(connection)
        assert of is not None
        gone = most_at_stake(connection, of, 1)[0].worst.account_id
    store.dispose()
    assert asked("forget", gone, "--yes")["scores"] == 1
    replayed = asked("replay")
    assert (True, [], []) == (replayed["equal"], replayed["only_then"], replayed["only_now"])
    after = asked("score")
    assert of.accounts - 1 == after["accounts"]
    assert any("1 account that was forgotten is in the tables still" in warning for warning in after["warnings"])
    assert 2 == churn("explain", gone, "-c", trained_demo, env=env).exit_status
    assert gone not in (tmp_path / "churn.db").read_bytes().decode("latin-1")
