"""How long readers of the console wait: fifty who click every two seconds, while a night is computed and published.

    python tests/benchmarks/load.py --accounts 1000000 --out docs/load.md

The store has a real night of the tables of `make bench`, of accounts that two hundred managers own. The books of those
who read have a history: the nights before are copies of it with other risks. The console is `churn console`, one
process; the night is `churn score`, whose steps before `publish` run at the lowest priority. A click is sent when it is
due, whether or not the one before it was answered, and its time counts from then.
"""

import argparse
import asyncio
import json
import os
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from engine import ROWS_EACH
from made_up_tables import AS_OF, make_tables
from readers import KINDS, P95, Phase, Reader, read
from rivals import LOOKBACK_DAYS
from store_with_history import NIGHTS, OWNERS, YESTERDAY, make_company, make_history, make_people, owner, score
from whole_night import CHURN, TAUGHT_ON, taught

from pipeline.people.connection import connect as connect_people
from pipeline.store.connection import connect

READERS: Final = 50
SECONDS_BETWEEN: Final = 2.0
WARM_SECONDS: Final = 30
SECONDS: Final = 60
AFTER_SECONDS: Final = 15
RATES: Final = (50, 75, 100, 150, 200, 300)
MEDIAN: Final = 50
"""Milliseconds that are asked for, as are those of `P95`."""


async def while_a_night_comes(readers: Sequence[Reader], config: Path, registry: str) -> list[Phase]:
    """What readers waited before a night began, while it was computed, and while it was staged and flipped."""
    rate = len(readers) / SECONDS_BETWEEN
    names = ("no night runs", "a night is computed, niced", "it is staged and flipped, and after")
    phases, now = [Phase(name, rate) for name in names], asyncio.Queue[int]()
    now.put_nowait(-1)
    reading_on = asyncio.create_task(read(readers, rate, phases, now))
    await asyncio.sleep(WARM_SECONDS)
    now.put_nowait(0)
    await asyncio.sleep(SECONDS)
    process = score(config, registry, AS_OF)
    os.setpriority(os.PRIO_PROCESS, process.pid, 19)
    now.put_nowait(1)
    assert process.stderr is not None
    while line := await asyncio.to_thread(process.stderr.readline):
        told = json.loads(line) if line.startswith("{") else {}
        if (told.get("message"), told.get("step")) == ("publish", "begins"):
            os.setpriority(os.PRIO_PROCESS, process.pid, 0)
            now.put_nowait(2)
    assert 0 == await asyncio.to_thread(process.wait)
    await asyncio.sleep(AFTER_SECONDS)
    now.put_nowait(len(phases))
    await reading_on
    return phases


async def faster(readers: Sequence[Reader]) -> list[Phase]:
    """Higher rates, up to the first that does not hold."""
    found: list[Phase] = []
    for rate in RATES:
        found.append(Phase(f"{rate} requests a second", rate))
        now = asyncio.Queue[int]()
        reading_on = asyncio.create_task(read(readers, rate, found[-1:], now))
        await asyncio.sleep(SECONDS / 2)
        now.put_nowait(1)
        await reading_on
        if not found[-1].holds():
            break
    return found


@contextmanager
def console(config: Path) -> Iterator[str]:
    """The console's address, as long as it runs."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [CHURN, "console", "-c", config, "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        try:
            for _ in range(300):
                with socket.socket() as tried:
                    if tried.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.1)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def page(phases: Sequence[Phase], rates: Sequence[Phase], accounts: int) -> str:
    """The page, in Markdown."""
    last = [phase for phase in rates if phase.holds()][-1:]
    best = f"{last[0].rate:,.0f}" if last else "none of these"
    head = "| while | page | clicks | median | 95th percentile | 99th | longest | not answered |"
    rows = [phase.line(kind) for phase in phases for kind in ("", *KINDS)]
    wrong = sorted({each for phase in (*phases, *rates) for each in phase.wrong()})
    return "\n".join(
        [
            "# What readers of the console wait",
            "",
            f"Made by `make load`, in SQLite {sqlite3.sqlite_version} on {os.cpu_count()} cores, which those who click",
            f"and the night share with the console: {accounts:,} accounts of {OWNERS} managers, {READERS} of whom read",
            f"and have {NIGHTS} nights of history. Each clicks every {SECONDS_BETWEEN:g} seconds: a click is sent when",
            "it is due, answered or not, and its milliseconds count from then. The night is computed at the lowest",
            "priority, and staged and flipped at the usual one; the last part goes on for",
            f"{AFTER_SECONDS} seconds after its end.",
            f"Asked for: a median below {MEDIAN} and a 95th percentile below {P95}.",
            "",
            head,
            "|---|---|---:|---:|---:|---:|---:|---:|",
            *rows,
            "",
            f"The same readers clicking faster, without a night, {SECONDS // 2} seconds each: the highest rate whose",
            f"95th percentile stays below {P95} was {best}.",
            "",
            head,
            "|---|---|---:|---:|---:|---:|---:|---:|",
            *(phase.line() for phase in rates),
            "",
            *([f"Not answered: {', '.join(wrong)}.", ""] if wrong else []),
        ]
    )


def main() -> None:
    """Make what is missing, let them read, write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--accounts", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, default=Path("build/bench"))
    parser.add_argument("--out", type=Path, required=True)
    asked = parser.parse_args()
    tables, teacher = asked.folder / str(asked.accounts), asked.folder / str(TAUGHT_ON)
    for place, size in ((teacher, TAUGHT_ON), (tables, asked.accounts)):
        make_tables(place, size, ROWS_EACH, LOOKBACK_DAYS)
    registry = taught(teacher)
    folder = asked.folder / f"load-{asked.accounts}"
    for old in folder.glob("*.db*"):
        old.unlink()
    config = make_company(folder, tables)
    url = f"sqlite:///{(folder / 'churn.db').resolve()}"
    first = score(config, registry, YESTERDAY)
    _, said = first.communicate()
    if first.returncode:
        sys.exit(said)
    store, people = connect(url), connect_people(url)
    readers = [owner(number) for number in range(READERS)]
    make_history(store, readers)
    tokens = make_people(people, store, readers)
    store.dispose()
    people.dispose()
    with console(config) as address:

        async def both() -> tuple[list[Phase], list[Phase]]:
            clicking = [Reader(address, token, number) for number, token in enumerate(tokens)]
            return await while_a_night_comes(clicking, config, registry), await faster(clicking)

        phases, rates = asyncio.run(both())
    asked.out.write_text(page(phases, rates, asked.accounts), encoding="utf-8")


if __name__ == "__main__":
    main()
