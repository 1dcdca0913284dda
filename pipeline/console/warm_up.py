"""The warm-up: what whole teams wait for is found when a night is published, not when the first of them asks.

To go through a million accounts takes seconds, and a page should not. What is found is remembered where the pages look
for it, so nothing is shown that they would not have found themselves.
"""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from pipeline.console.account_query import AccountQuery
from pipeline.console.reads.accounts import asked_of
from pipeline.console.reads.team import Asked, team_of
from pipeline.console.site import Site
from pipeline.errors import ExpectedError
from pipeline.people.connection import reading as reading_people
from pipeline.store.connection import reading
from pipeline.store.nights import night as newest_night

__all__ = ["prepare", "warmed"]

_LOG: Final = logging.getLogger(__name__)

_SECONDS: Final = 5.0
"""Between two looks for a new night: one row each."""

_GRACE_SECONDS: Final = 1.0
"""For the store to be left in peace; what a large night still needs then is given up with the process."""


@contextmanager
def warmed(site: Site) -> Iterator[None]:
    """Prepare each night that is published meanwhile, beside whatever else is done."""
    ended = threading.Event()
    watcher = threading.Thread(target=_watch, args=(site, ended), name="warm-up", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join(_GRACE_SECONDS)


def prepare(site: Site, prepared: str | None = None) -> str | None:
    """Find what the newest night is asked first, unless its run is the one `prepared`; its run, None before any."""
    with reading(site.store) as published, reading_people(site.people) as people:
        night = newest_night(published)
        if night is None or night.run_id == prepared:
            return prepared
        site.selections.of(published, night, *asked_of(night, AccountQuery(), None))
        team_of(Asked(published, people, night, site.teams, site.calls_per_week))
        return night.run_id


def _watch(site: Site, ended: threading.Event) -> None:
    prepared: str | None = None
    while True:
        try:
            prepared = prepare(site, prepared)
        except ExpectedError:  # a store that is missing, old or gone: whoever asks for a page is told
            pass
        except Exception:  # the next night is to be prepared whatever became of this one
            _LOG.exception("What a new night is asked first could not be prepared.")
        if ended.wait(_SECONDS):
            return
