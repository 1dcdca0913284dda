"""How often the digest speaks and the checks warn where nothing happens, and whether they do where something does.

    python tests/benchmarks/quiet.py --accounts 1000 --out docs/quiet.md

Two demo companies of one seed. In one, from a Monday on, nothing happens any more: nobody's use declines, nobody is
angry, no main user leaves, no price rises, no payment fails, no seat is added, nobody decides to leave. What stays is
chance: the days on which people come, tickets and visits as contented customers have them, renewals that draw near, and
new customers. The model is trained as of that Monday; four months later, when nothing of the time before is left in any
window, 60 nights are scored and their digests drawn up and marked as sent. In the other company life goes on. One night
a week of the two months before is scored as well: it tells how far each account usually moves.
"""

import argparse
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

import numpy as np
from sqlalchemy import Connection, Engine, select

from pipeline.demo import hazard, life
from pipeline.demo.dates import LAST_NIGHT, day_number
from pipeline.digest import outbox
from pipeline.digest.drafts import draft
from pipeline.errors import StoreMissing
from pipeline.inputs import stored_inputs
from pipeline.kept_models import model_of
from pipeline.monitoring import drift_of, given_in, night_like
from pipeline.nightly import run_night
from pipeline.people.connection import connect as connect_people
from pipeline.people.connection import prepare, reading
from pipeline.people.schema import ANNOUNCEMENTS
from pipeline.run_log import RunLog, open_log
from pipeline.settings import Settings
from pipeline.settings_file import read_settings
from pipeline.showroom import furnish
from pipeline.store.connection import connect
from pipeline.store.connection import reading as store_reading
from pipeline.store.movements import books
from pipeline.store.nights import Night, book, night, published
from pipeline.training import train

NIGHTS: Final = 60
WEEK: Final = 7
SETTLES: Final = 28 + 84 + WEEK
"""Days until what is usual (84 days before the last 28) holds nothing of the time before."""

FIRST: Final = LAST_NIGHT - timedelta(days=NIGHTS - 1)
_EARLIEST: Final = FIRST - timedelta(days=SETTLES + WEEK)
QUIET: Final = _EARLIEST - timedelta(days=_EARLIEST.weekday())
"""The Monday from which on nothing happens, and as of which the models are trained."""

BOOK: Final = 150


@contextmanager
def nothing_happens(since: date) -> Iterator[None]:
    """The demo company's law without its events, from a Monday on."""
    start, advance, voluntary = day_number(since), hazard.advance, hazard.voluntary
    lapse, bill = life._Simulation._lapse, life._Simulation._bill

    def contented(state: Any, traits: Any, monday: int, rng: Any) -> Any:
        moved = advance(state, traits, monday, rng)
        return moved if monday < start else hazard.contented(state.slack.shape)

    def nobody_decides(state: Any, traits: Any, monday: int) -> Any:
        chance = voluntary(state, traits, monday)
        return chance if monday < start else np.zeros_like(chance)

    def nobody_lapses(self: Any, free: Any, monday: int) -> Any:
        return lapse(self, free & (monday < start), monday)

    def all_pay(self: Any, stays: Any, monday: int) -> None:
        bill(self, stays & (monday < start), monday)

    with ExitStack() as patched:
        for where, name, instead in (
            (hazard, "advance", contented),
            (hazard, "voluntary", nobody_decides),
            (life._Simulation, "_lapse", nobody_lapses),
            (life._Simulation, "_bill", all_pay),
        ):
            patched.enter_context(patch.object(where, name, instead))
        yield


@dataclass(frozen=True)
class Heard:
    """What the managers of a company heard in the nights.

    `weeks` has for each manager and week how many accounts were named, and the size of the book. `left` counts those
    that were gone or had given notice at the end, and of these those that had been named as new or worse, and those
    that had stood on the list when it began. `warned` counts the nights with a warning of the checks other than of the
    model's age, `drifted` by feature the nights for which `churn monitor` tells of drift, `adrift` the nights for which
    it tells of any.
    """

    weeks: tuple[tuple[int, int], ...]
    changes: Counter[str]
    letters: int
    left: int
    named: int
    listed: int
    warned: int
    drifted: Counter[str]
    adrift: int

    @property
    def rate(self) -> float:
        """Accounts named a week, to a manager of 150 accounts."""
        return BOOK * sum(named for named, _ in self.weeks) / sum(size for _, size in self.weeks)

    def shares(self) -> list[float]:
        """The share of all weeks of managers in which none, one, two, and more were named."""
        counted = Counter(min(named, 3) for named, _ in self.weeks)
        return [counted[number] / len(self.weeks) for number in range(4)]


def heard(folder: Path, accounts: int, seed: int, log: RunLog, *, quiet: bool) -> Heard:
    """Make a company, train as of `QUIET`, score the nights, and draw up their digests.

    What the folder holds already is taken as it is; the digests are drawn up anew.
    """
    if not (folder / "trained").exists():
        with nothing_happens(QUIET if quiet else LAST_NIGHT):
            config = furnish(folder, accounts, seed, log)
        train(read_settings(config), QUIET, log)
        (folder / "trained").touch()
    settings = read_settings(folder / "churn.toml")
    engine, people = _stores(settings)
    try:
        for day in _nights():
            log.step(f"the night of {day}")
            _score(engine, settings, day)
        for file in folder.glob("churn-people.db*"):
            file.unlink()
        prepare(people)
        letters = sum(_send(engine, people, settings, day) for day in _nights() if day >= FIRST)
        return _counted(engine, people, letters, settings)
    finally:
        engine.dispose()
        people.dispose()


def _stores(settings: Settings) -> tuple[Engine, Engine]:
    url = settings.located(settings.store.url)
    return connect(url), connect_people(url)


def _nights() -> list[date]:
    """A Monday a week, then every night from a week before the first on."""
    daily = FIRST - timedelta(days=WEEK)
    before = [daily - timedelta(days=number) for number in range(8 * WEEK, 0, -1)]
    after = [daily + timedelta(days=number) for number in range(WEEK + NIGHTS)]
    return [*(day for day in before if day.weekday() == 0), *after]


def _score(engine: Engine, settings: Settings, as_of: date) -> None:
    with suppress(StoreMissing), store_reading(engine) as connection:
        if night(connection, as_of) is not None:
            return
    with open_log(quiet=True) as log:  # a run has an id of its own
        run_night(settings, as_of, datetime.combine(as_of, time(7), UTC), None, log)


def _send(engine: Engine, people: Engine, settings: Settings, as_of: date) -> int:
    """Draw up the letters of a night and mark them as sent."""
    letters = draft(engine, people, ["mail"], settings, as_of, as_of).letters
    for envelope, letter in letters:
        token = outbox.claim(people, envelope)
        assert isinstance(token, str)
        outbox.end(people, envelope, token, letter.announced)
    return len(letters)


def _counted(engine: Engine, people: Engine, letters: int, settings: Settings) -> Heard:
    columns = (ANNOUNCEMENTS.c.as_of, ANNOUNCEMENTS.c.recipient, ANNOUNCEMENTS.c.account_id, ANNOUNCEMENTS.c.change)
    with reading(people) as connection:
        named = connection.execute(select(*columns)).all()
    with store_reading(engine) as connection:
        first, last = (published(connection, day) for day in (FIRST, LAST_NIGHT))
        sizes = {owner: size.customers for owner, size in books(connection, last).items() if owner}
        began = {each.account_id: each.state for each in book(connection, first)}
        stays = {each.account_id for each in book(connection, last) if each.risk is not None}
        nights = [published(connection, day) for day in _nights() if day >= FIRST]
        drifts = [_drifted(connection, of, settings) for of in nights]
    weeks = Counter((who, (as_of - FIRST).days // WEEK) for as_of, who, _, _ in named)
    left = {name for name, state in began.items() if state in {"candidate", "watch", "payment"} and name not in stays}
    raised = {name for _, _, name, change in named if change in {"new", "worse"}}
    listed = {name for name in left if began[name] == "candidate"}
    return Heard(
        tuple((weeks[who, week], size) for who, size in sizes.items() for week in range(NIGHTS // WEEK)),
        Counter(change for *_, change in named),
        letters,
        len(left),
        len(left & raised - listed),
        len(listed),
        sum(any("model_age_days" not in told for told in of.warnings) for of in nights),
        Counter(name for names in drifts for name in names),
        sum(map(bool, drifts)),
    )


def _drifted(connection: Connection, of: Night, settings: Settings) -> list[str]:
    """What `churn monitor` tells of in the morning after a night."""
    model = model_of(of, settings)
    like = night_like(connection, of, date.fromisoformat(model.about["trained_on"]))
    assert like is not None, "there is a night each day"
    saw = stored_inputs(connection, like)
    assert saw is not None, "the store keeps what as many nights saw"
    return [each.name for each in drift_of(saw.frame(), given_in(connection, like), model) if each.has_drifted]


def page(found: dict[str, Heard], accounts: int, seed: int) -> str:
    """The page in Markdown; `found` is of the quiet company, and of the other where that is known by now."""
    titles = {"quiet": "nothing happens", "usual": "life goes on"}
    rows = {f"accounts named a week, to a manager of {BOOK}": [f"{each.rate:.2f}" for each in found.values()]}
    for place, what in enumerate(("nobody", "one", "two", "three or more")):
        title = f"share of weeks in which a manager heard of {what}"
        rows[title] = [f"{each.shares()[place]:.1%}" for each in found.values()]
    rows["messages in all"] = [f"{each.letters:,}" for each in found.values()]
    for change in ("notice", "new", "worse", "recovered"):
        rows[f"accounts named: {change}"] = [f"{each.changes[change]:,}" for each in found.values()]
    rows[f"of {NIGHTS} nights those with a warning of the checks, but of the model's age"] = [
        f"{each.warned}" for each in found.values()
    ]
    rows[f"of {NIGHTS} nights those for which `churn monitor` tells of drift"] = [
        f"{each.adrift}" for each in found.values()
    ]
    rows["features that drifted in most of them"] = [
        ", ".join(f"{name} ({count})" for name, count in each.drifted.most_common(5)) or "none"
        for each in found.values()
    ]
    lines = [
        "# How often the digest speaks and the checks warn",
        "",
        f"Made by `make quiet`: two demo companies of {accounts:,} accounts with seed {seed}, trained as of {QUIET},",
        f"and the digests of the {NIGHTS} nights up to {LAST_NIGHT}. In the quiet one nothing happens from {QUIET}",
        "on: no decline, no anger, no price rise, no payment that fails, nobody who decides to leave. What is left is",
        "chance, renewals that draw near, and new customers. In the other life goes on.",
        "",
        f"| | {' | '.join(titles[name] for name in found)} |",
        f"|---|{'---:|' * len(found)}",
        *(f"| {title} | {' | '.join(cells)} |" for title, cells in rows.items()),
        "",
        f"Where nothing happens a manager of {BOOK} accounts hears of {found['quiet'].rate:.2f} accounts a week; the",
        "aim is one at most.",
    ]
    if "usual" in found:
        usual = found["usual"]
        lines += [
            f"Of {usual.left} customers that left or gave notice where life goes on, {usual.listed} stood on the list",
            f"when the nights began; {usual.named} of the others had been named as new or worse before.",
        ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--accounts", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--folder", type=Path, help="Keep the companies there, and go on with those that it holds.")
    parser.add_argument("--out", type=Path, required=True)
    asked = parser.parse_args()
    found = {}
    with open_log() as log, tempfile.TemporaryDirectory() as temporary:
        folder = asked.folder or Path(temporary)
        for name in ("quiet", "usual"):
            found[name] = heard(folder / name, asked.accounts, asked.seed, log, quiet=name == "quiet")
            asked.out.write_text(page(found, asked.accounts, asked.seed), encoding="utf-8")


if __name__ == "__main__":
    main()
