"""The lease: who may write nights. One holder at a time, whatever machine or container it runs on.

It is a row in the store with a random token. The holder renews it every ten seconds; after a minute of silence another
may take it over. A holder that was paused for longer finds another's token there when it wakes, and may not publish:
the flip asks for the token in its own transaction. No process number decides anything, for a container that was
restarted uses them again (the one that is told is for people); and no clock does but the store's own.

The idea is that of Gray and Cheriton, "Leases: an efficient fault-tolerant mechanism" (1989), with the fencing token
checked where the write happens.
"""

import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection, Engine, RowMapping, select, update

from pipeline.ending import in_one_piece
from pipeline.errors import FailedError, StoreError
from pipeline.store.connection import clock, retried, writing
from pipeline.store.making import bring_along, prepare
from pipeline.store.schema import LEASE

__all__ = ["Lease", "LeaseHeld", "LeaseLost", "is_held", "leased"]

RENEW_SECONDS: Final = 10.0
LOOK_SECONDS: Final = 1.0
SILENCE_SECONDS: Final = 60
"""After so long without a renewal the holder is taken for dead; also before one so far ahead: a clock was set back."""


class LeaseHeld(FailedError):
    """Another run is writing, and was heard of."""


class LeaseLost(FailedError):
    """Another run took over while this one was silent."""


class Lease:
    """The right to write nights to the store of `engine`, as long as it is renewed."""

    def __init__(self, engine: Engine, command: str = "") -> None:
        self.engine = engine
        self._holder = f"{command and f'churn {command} on '}{socket.gethostname()}, process {os.getpid()}"
        self._token = secrets.token_hex(16)
        self._ended = threading.Event()
        self._renewing = threading.Thread(target=self._renew, name="lease", daemon=True)

    def take(self, note: Callable[[str], None] = lambda _: None) -> None:
        """Take it where nobody holds it, or as soon as its holder has been silent for long enough.

        While it is held, it is looked at every second until its holder is heard of: that one lives, and `LeaseHeld` is
        raised. `note` is told when there is somebody to wait for.
        """
        seen: RowMapping | None = None
        while (holder := retried(self._try)) is not None:
            if seen is None:
                note(f"{_held(holder)} Waiting for a sign of it: at most {SILENCE_SECONDS} seconds.")
            elif (holder["token"], holder["renewed_at"]) != (seen["token"], seen["renewed_at"]):
                raise LeaseHeld(f"{_held(holder)} Run again when it is done.")
            seen = holder
            time.sleep(LOOK_SECONDS)
        self._renewing.start()

    def _try(self) -> RowMapping | None:
        """Take it, or give the row of its holder."""
        with writing(self.engine) as connection:
            now, row = clock(connection), connection.execute(select(LEASE).with_for_update()).mappings().one()
            if row["token"] != self._token and _is_alive(row, now):
                return row
            mine = {"token": self._token, "holder": self._holder, "taken_at": now, "renewed_at": now}
            connection.execute(update(LEASE).values(**mine))
            return None

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction in which the lease is ours: nobody can take it before its end. Raises `LeaseLost`."""
        with writing(self.engine) as connection:
            row = connection.execute(select(LEASE).with_for_update()).mappings().one()
            if row["token"] != self._token:
                raise LeaseLost(_taken(row))
            yield connection

    def bring_along(self) -> None:
        """Take the steps that an older store has not taken."""
        with self.writing() as connection:
            bring_along(connection)

    @in_one_piece()
    def release(self) -> None:
        """Give it back; one that another took over stays with that one."""
        self._ended.set()
        with suppress(StoreError), writing(self.engine) as connection:  # unreachable: it runs out by itself
            connection.execute(update(LEASE).where(LEASE.c.token == self._token).values(token=None))

    def _renew(self) -> None:
        while not self._ended.wait(RENEW_SECONDS):
            with suppress(Exception), writing(self.engine) as connection:  # whatever it was, it may be over next time
                mine = update(LEASE).where(LEASE.c.token == self._token)
                if connection.execute(mine.values(renewed_at=clock(connection))).rowcount == 0:
                    return


@contextmanager
def leased(engine: Engine, note: Callable[[str], None] = lambda _: None, *, command: str = "") -> Iterator[Lease]:
    """The lease of a store that is made where there is none, and brought along where it is older.

    `note` is told what is waited for; `command` is told whoever has to wait for this one.

    Raises
    ------
    LeaseHeld
        When another run holds it, and lives.
    StoreError, StoreOutdated
        When the store cannot be used.
    """
    retried(lambda: prepare(engine))
    lease = Lease(engine, command)
    try:
        lease.take(note)
        retried(lease.bring_along)
        yield lease
    finally:
        lease.release()


def is_held(connection: Connection) -> bool:
    """Whether somebody holds the lease and has been heard of lately."""
    return _is_alive(connection.execute(select(LEASE)).mappings().one(), clock(connection))


def _is_alive(row: RowMapping, now: datetime) -> bool:
    return row["token"] is not None and abs(now - row["renewed_at"]) <= timedelta(seconds=SILENCE_SECONDS)


def _held(row: RowMapping) -> str:
    return f"Another run is writing to this store: {row['holder']}, since {row['taken_at']:%H:%M:%S} UTC."


def _taken(row: RowMapping) -> str:
    by = "" if row["token"] is None else f" by {row['holder']} at {row['taken_at']:%H:%M:%S} UTC"
    return (
        f"This run was silent for more than {SILENCE_SECONDS} seconds and was taken over{by}. It has written nothing "
        "since. Run again if this night is still wanted."
    )
