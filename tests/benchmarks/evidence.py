"""What evidence costs: bytes and seconds of thirty nights, kept in blocks of weeks or in one piece for each account.

    python tests/benchmarks/evidence.py --accounts 5000 --nights 30 --out docs/evidence.md

A demo company is looked at on one night after the other; the same evidence is then stored in several ways, each in an
SQLite file of its own, by the code that the night runs. Seconds are those of the processor: neighbours do not count.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from statistics import fmean, median
from typing import Any, Final

from sqlalchemy import Engine, func, insert, select, update

from features.cohort import states
from features.outages import coverage
from features.versions import History
from pipeline.demo.company import LAST_NIGHT, write_company
from pipeline.evidence import evidence
from pipeline.kept_evidence import clean_evidence, stage_evidence
from pipeline.packed_evidence import Evidence, Part
from pipeline.settings_file import read_settings
from pipeline.sources import history, open_sources
from pipeline.store.connection import connect
from pipeline.store.lease import Lease, leased
from pipeline.store.schema import CATALOGUES, EVIDENCE, RUNS
from pipeline.ticket_words import add_sentiment

Shape = Callable[[Part], Part]


def as_it_is(part: Part) -> Part:
    """Blocks of thirteen weeks: the one that runs is written when it changed."""
    return part


def in_one_piece(part: Part) -> Part:
    """All weeks of an account, and all that happened, in one piece each, written when anything in it changed."""
    joined: dict[tuple[str, str, int], bytes] = {}
    newest = max((block for _, _, block in part.contents), default=0)
    for (account_id, kind, _), content in sorted(part.contents.items()):
        joined[account_id, kind, newest] = joined.get((account_id, kind, newest), b"") + content
    return Part(part.upto, joined)


SHAPES: Final[Mapping[str, Shape]] = {"blocks of 13 weeks": as_it_is, "one piece": in_one_piece}


@dataclass
class Kept:
    """What the nights of one shape came to: rows and bytes written night by night, processor seconds to write them."""

    rows: list[int] = field(default_factory=list)
    content: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    cleaning: list[float] = field(default_factory=list)
    file_megabytes: float = 0.0


def looked_at(folder: Path, nights: int) -> Iterator[tuple[date, Evidence, float, int]]:
    """The evidence of the newest nights, oldest first, with the processor seconds that it took, and its accounts."""
    settings = read_settings(folder / "churn.toml")
    opened = open_sources(settings)
    add_sentiment(opened, settings)
    past = history(opened, settings)
    covered = coverage(past)
    for age in reversed(range(nights)):
        moment = past.rules.moment(LAST_NIGHT - timedelta(days=age))
        ids = accounts_of(past, moment)
        began = time.process_time()
        found = evidence(past, moment, ids, settings.pages, covered, excerpts=False)
        yield moment.as_of, found, time.process_time() - began, len(ids)
    opened.close()


def accounts_of(past: History, moment: Any) -> Sequence[str]:
    there = states(past, moment)
    ids: list[str] = there.filter(there["state"] != "gone").order_by("account_id")["account_id"].execute().tolist()
    return ids


def keep(lease: Lease, as_of: date, found: Evidence, into: Kept) -> None:
    """Publish the evidence alone, as a run without accounts, and clean up."""
    run_id = str(as_of)
    with lease.writing() as connection:
        header = {"as_of": as_of, "started_at": datetime.now(UTC), "accounts": 0, "headline": "{}", "warnings": "[]"}
        about = {"model_version": "1", "catalogue": "none", "status": "staged", "settings_digest": "none"}
        if connection.execute(select(CATALOGUES)).first() is None:
            connection.execute(insert(CATALOGUES).values(digest="none", record="{}"))
        connection.execute(insert(RUNS).values(run_id=run_id, **header, **about))
    before = stored(lease.engine)
    began = time.process_time()
    stage_evidence(lease, run_id, as_of, found)
    into.seconds.append(time.process_time() - began)
    after = stored(lease.engine)
    into.rows.append(after[0] - before[0])
    into.content.append(after[1] - before[1])
    with lease.writing() as connection:
        connection.execute(update(RUNS).where(RUNS.c.run_id == run_id).values(status="published"))
    began = time.process_time()
    clean_evidence(lease)
    into.cleaning.append(time.process_time() - began)


def stored(engine: Engine) -> tuple[int, int]:
    with engine.connect() as connection:
        rows, content = connection.execute(select(func.count(), func.sum(func.length(EVIDENCE.c.content)))).one()
    return rows, content or 0


def megabytes(engine: Engine) -> float:
    with engine.connect() as connection:
        pages, free, size = (
            connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("page_count", "freelist_count", "page_size")
        )
    return float((pages - free) * size) / 1e6


def measured(folder: Path, nights: int) -> tuple[dict[str, Kept], list[float], int]:
    """By shape, what was kept; processor seconds of the engine night by night; accounts of the last one."""
    found = {name: Kept() for name in SHAPES}
    engine_seconds, accounts = [], 0
    with tempfile.TemporaryDirectory() as place:
        stores = {name: connect(f"sqlite:///{place}/{number}.db") for number, name in enumerate(SHAPES)}
        for as_of, seen, seconds, there in looked_at(folder, nights):
            engine_seconds.append(seconds)
            accounts = there
            for name, store in stores.items():
                with leased(store) as lease:
                    keep(lease, as_of, Evidence(seen.about, map(SHAPES[name], seen.parts())), found[name])
        for name, store in stores.items():
            found[name].file_megabytes = megabytes(store)
            store.dispose()
    return found, engine_seconds, accounts


def page(found: Mapping[str, Kept], engine_seconds: Sequence[float], accounts: int, rows: Mapping[str, int]) -> str:
    """The page, in Markdown."""
    nights = len(engine_seconds)
    heads = ("kept as", "rows, first night", "rows a night", "bytes a night and account", "most of a night")
    heads += ("s to write", "s to clean up", "MB of the file")
    lines = [
        "# What evidence costs",
        "",
        f"Made by `make evidence`: a demo company of {accounts:,} accounts and {rows['usage']:,} rows of use, {nights}",
        "nights one after the other, kept in SQLite. Seconds are those of the processor, medians of all nights but the",
        f"first. To gather the evidence the engine needs {median(engine_seconds):.1f} s a night.",
        "",
        f"| {' | '.join(heads)} |",
        "|---|" + "---:|" * (len(heads) - 1),
    ]
    for name, kept in found.items():
        content = [total / accounts for total in kept.content[1:]]
        figures = [f"{kept.rows[0]:,}", f"{fmean(kept.rows[1:]):,.0f}", f"{fmean(content):.0f}", f"{max(content):.0f}"]
        figures += [f"{median(seconds[1:]):.1f}" for seconds in (kept.seconds, kept.cleaning)]
        lines.append(f"| {' | '.join([name, *figures, f'{kept.file_megabytes:.1f}'])} |")
    return "\n".join([*lines, ""])


def main() -> None:
    """Measure, and write the page."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    arguments.add_argument("--accounts", type=int, default=5_000)
    arguments.add_argument("--nights", type=int, default=30)
    arguments.add_argument("--out", type=Path, required=True)
    asked = arguments.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        rows = write_company(folder, asked.accounts).rows
        settings = (Path(__file__).parents[2] / "pipeline/demo/churn.toml").read_text(encoding="utf-8")
        (folder / "churn.toml").write_text(settings, encoding="utf-8")
        asked.out.write_text(page(*measured(folder, asked.nights), rows), encoding="utf-8")


if __name__ == "__main__":
    main()
