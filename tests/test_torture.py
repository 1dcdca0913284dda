"""Nights that are ended at any moment: readers see one whole night, the next run succeeds, nothing is doubled or lost.

    make torture

does it a hundred times for each database; every run of the tests does it five times.
"""

import json
import logging
import os
import random
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from command_line import CHURN, ONE_THREAD, churn
from sample_nights import silence
from sqlalchemy import Engine, func, select, text

from pipeline.errors import StoreMissing
from pipeline.store.connection import reading
from pipeline.store.evidence import AccountEvidence, evidence_of
from pipeline.store.lease import SILENCE_SECONDS
from pipeline.store.nights import book, night
from pipeline.store.schema import EVIDENCE_NIGHTS, INPUTS, LEASE, PUBLISHED, PUBLISHED_STORE, RUNS, SCORES

_LOG = logging.getLogger(__name__)
LONGEST_PUBLICATION = 0.15
"""Seconds: longer than that of the little demo takes, so that some signals come when all is done."""


@dataclass(frozen=True)
class Seen:
    """What a reader finds: a run, and in it the risk of each account and the evidence beside it."""

    run_id: str
    risks: dict[str, float | None]
    evidence: dict[str, AccountEvidence | None]

    def shows(self, other: "Seen") -> bool:
        """Whether both show the same, whatever their runs are called."""
        return (self.risks, self.evidence) == (other.risks, other.evidence)


def seen(store: Engine) -> Seen | None:
    """The current night, held against its header; None where there is none yet."""
    try:
        with reading(store) as connection:
            header = night(connection)
            if header is None:
                return None
            risks = {each.account_id: each.risk for each in book(connection, header)}
            assert header.accounts == len(risks)
            evidence = {account_id: evidence_of(connection, header, account_id) for account_id in risks}
            assert None not in evidence.values()
            return Seen(header.run_id, risks, evidence)
    except StoreMissing:
        return None


def nothing_is_doubled_or_left(store: Engine) -> None:
    with store.connect() as connection:
        nights = connection.execute(select(func.count()).select_from(PUBLISHED)).scalar_one()
        runs = connection.execute(select(RUNS.c.run_id, RUNS.c.status, RUNS.c.accounts)).all()
        rows = dict(connection.execute(select(SCORES.c.run_id, func.count()).group_by(SCORES.c.run_id)).all())
        kept = set(connection.execute(select(INPUTS.c.run_id)).scalars())
        told = set(connection.execute(select(EVIDENCE_NIGHTS.c.run_id)).scalars())
        holder = connection.execute(select(LEASE.c.token)).scalar_one()
    assert [("published",)] * nights == [(run.status,) for run in runs]
    assert {run.run_id: run.accounts for run in runs} == rows
    assert {run.run_id for run in runs} == kept == told
    assert holder is None


def ended(config: Path, env: dict[str, str], end: signal.Signals, after: float, *, in_publication: bool) -> int:
    """Run a night and end it so many seconds after its start, or after its publication began; its exit status."""
    environment = {**os.environ, **ONE_THREAD, **env}
    with subprocess.Popen(
        [CHURN, "score", "-c", config],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        if in_publication:
            for line in process.stderr:
                told = json.loads(line) if line.startswith("{") else {}
                if (told.get("message"), told.get("step")) == ("publish", "begins"):
                    break
        time.sleep(after)
        began = time.monotonic()
        process.send_signal(end)
        process.communicate(timeout=60)
        assert time.monotonic() - began < 10, f"it took longer to end by {end.name}"
        return process.returncode


def one_dies(
    store: Engine,
    config: Path,
    env: dict[str, str],
    draw: random.Random,
    number: int,
    expected: Seen,
) -> str:
    """A night dies at a random moment, every other by SIGTERM, half of either while publishing; another is run."""
    end = (signal.SIGKILL, signal.SIGTERM)[number % 2]
    in_publication = number // 2 % 2 == 1
    after = draw.uniform(0, LONGEST_PUBLICATION if in_publication else 6)
    if draw.random() < 0.2:
        take_away(store)
    before = seen(store)
    status = ended(config, env, end, after, in_publication=in_publication)
    assert status in {0, 1, -end}, status
    now = seen(store)
    if now is not None and (before is None or now.run_id != before.run_id):
        assert expected.shows(now), "the flip had happened, so the whole of it is seen"
    else:
        assert before == now
    if end is signal.SIGKILL:
        fall_silent(store)
    elif status == 1 and now is not None:
        with store.connect() as connection:
            assert connection.execute(select(LEASE.c.token)).scalar_one() is None, "it was given back"
    again = churn("score", "-c", config, env=env)
    assert 0 == again.exit_status, again.stderr
    last = seen(store)
    assert last is not None
    assert expected.shows(last)
    nothing_is_doubled_or_left(store)
    return f"{end.name} {after:.2f} s {'into publication' if in_publication else 'after the start'}: status {status}"


def take_away(store: Engine) -> None:
    """The next night is the first one again."""
    store.dispose()
    if store.dialect.name == "sqlite":
        for file in Path(store.url.database or "").parent.glob("churn.db*"):
            file.unlink()
        return
    with store.begin() as connection:
        connection.execute(text(f"DROP SCHEMA {PUBLISHED_STORE.schema} CASCADE"))


def fall_silent(store: Engine) -> None:
    """Let the minute be over that a dead one holds its lease for."""
    try:
        with reading(store):
            pass
    except StoreMissing:
        return
    silence(store, SILENCE_SECONDS + 2)


def many_die(store: Engine, store_url: str, demo: Path, folder: Path, times: int) -> None:
    company = folder / "company"
    shutil.copytree(demo.parent, company, ignore=shutil.ignore_patterns("churn.db*"))
    config, env = company / demo.name, {"CHURN__STORE__URL": store_url}
    first = churn("score", "-c", config, env=env)
    assert 0 == first.exit_status, first.stderr
    found = seen(store)
    assert found is not None
    draw = random.Random(f"{store.dialect.name} {times}")
    for number in range(times):
        _LOG.info("%d of %d: %s", number + 1, times, one_dies(store, config, env, draw, number, found))


def test_a_night_may_end_at_any_moment(store: Engine, store_url: str, trained_demo: Path, tmp_path: Path) -> None:
    many_die(store, store_url, trained_demo, tmp_path, 5)


@pytest.mark.slow
def test_a_hundred_nights_may_end_at_any_moment(
    store: Engine, store_url: str, trained_demo: Path, tmp_path: Path
) -> None:
    many_die(store, store_url, trained_demo, tmp_path, 100)
