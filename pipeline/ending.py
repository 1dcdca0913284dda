"""Ending when told to: by SIGTERM, or because the time is over. Within seconds, in whatever library the run is.

A handler of Python's runs between two steps of the interpreter, and a step may be a query of minutes. So the signal
does two things: its handler raises in the main thread, from where everything is given back on the way out; and a
thread that is woken at once, also in the middle of a query, ends the process where that has not happened in time. (A
call into C that keeps the interpreter's lock holds up the thread, too. DuckDB makes such calls while it waits for a
query that nobody wants any more, so queries are ended first: see `ends_queries_of`.)
"""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, Final, NoReturn, Protocol
from weakref import WeakSet

from pipeline.errors import FailedError

__all__ = ["Ended", "Told", "Watch", "endable", "ends_queries_of", "in_one_piece", "interruptible"]

GRACE_SECONDS: Final = 5.0
"""How long the way out may take before the process ends without it."""

PATIENCE_SECONDS: Final = 1.5
"""How long what is done in one piece may go on after a signal."""

LAST_SECONDS: Final = 3.0
"""How long that may take which is done at last."""

_STDERR: Final = 2


class Interruptible(Protocol):
    """An engine that can be told to end its query."""

    def interrupt(self) -> None:
        """End the query, if there is one."""


_ENGINES: Final[WeakSet[Interruptible]] = WeakSet()


class Ended(FailedError):
    """The run was told to end, or its time was over."""


class Told(KeyboardInterrupt):
    """What the signal raises: a key that was pressed is what libraries let through, and end their queries for."""


def ends_queries_of(engine: Interruptible) -> None:
    """End this engine's query before a signal raises, as long as the engine lives.

    DuckDB leaves a query when the handler of a signal raises, and does not end it. Whoever turns to that engine next,
    if only to close it, waits for the end of the query, at times with the interpreter's lock held.
    """
    _ENGINES.add(engine)


def _end_queries() -> None:
    for engine in list(_ENGINES):
        with suppress(Exception):  # as when it is closed: it has no query then
            engine.interrupt()


class _Piece:
    """What the main thread does in one piece: how many blocks of it are open, and who was told meanwhile."""

    def __init__(self) -> None:
        self.depth = 0
        self.told: Told | None = None

    def tell(self, told: Told) -> None:
        """Raise it, where something is done in one piece at its end or when the patience is over."""
        self.told = told
        if self.depth == 0:
            self.lead_out()
        signal.signal(signal.SIGALRM, lambda *_: self.lead_out())
        signal.setitimer(signal.ITIMER_REAL, PATIENCE_SECONDS)

    def lead_out(self) -> NoReturn:
        """Raise what was told."""
        told, self.told = self.told or Told(), None
        signal.setitimer(signal.ITIMER_REAL, 0)
        _end_queries()
        raise told


_PIECE: Final = _Piece()


@contextmanager
def in_one_piece() -> Iterator[None]:
    """Let a signal raise when this has been done, unless it takes long; for what is short and must not be half done.

    A signal raises between any two steps of the interpreter: as when a transaction has begun and nobody who would end
    it knows of it. SQLite has one writer, and the next one would wait for that transaction.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _PIECE.depth += 1
    try:
        yield
    finally:
        _PIECE.depth -= 1
        if _PIECE.depth == 0 and _PIECE.told is not None:
            _PIECE.lead_out()


@contextmanager
def interruptible() -> Iterator[None]:
    """Ctrl-C and SIGTERM in what is done here end queries, too, and lead out; a second one ends the process.

    Only in the main thread, and not where a signal is ignored, as Ctrl-C is where a shell put this in the background.
    """
    defaults: dict[int, Any] = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}

    def end(number: int, _: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        _PIECE.tell(Told("Interrupted." if number == signal.SIGINT else "Ended by SIGTERM."))

    is_main = threading.current_thread() is threading.main_thread()
    heard = {each: was for each, was in defaults.items() if is_main and signal.getsignal(each) is was}
    for each in heard:
        signal.signal(each, end)
    try:
        yield
    finally:
        for each, was in heard.items():
            signal.signal(each, was)


@contextmanager
def endable(hours: float) -> Iterator["Watch"]:
    """Raise `Ended` in what is done here on SIGTERM, and after so many hours (0: never).

    Where that does not lead out within `GRACE_SECONDS`, `at_last` of what is given is called in another thread, and the
    process ends with status 1. Only the main thread hears signals: entered from any other, this does nothing.
    """
    watch = Watch(hours)
    if threading.current_thread() is not threading.main_thread():
        yield watch
        return
    watch.begin()
    former = {number: signal.signal(number, watch.end) for number in (signal.SIGTERM, signal.SIGALRM)}
    wakeup = signal.set_wakeup_fd(watch.woken_by, warn_on_full_buffer=False)
    signal.setitimer(signal.ITIMER_REAL, hours * 3600)
    try:
        yield watch
    except BaseException as error:
        if watch.told is None:
            raise
        raise Ended(str(watch.told)) from error  # whatever a library, as DuckDB does, has made of it
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.set_wakeup_fd(wakeup)
        for number, handler in former.items():
            signal.signal(number, handler)
        watch.over()


class Watch:
    """The thread that is woken by a signal, and what the handler of the main thread does.

    `at_last` may be set to what has to be done where the process is ended without its way out.
    """

    def __init__(self, hours: float) -> None:
        self._causes = {
            signal.SIGTERM: "Ended by SIGTERM",
            signal.SIGALRM: f"Ended after {hours:g} hours ([run] hours_at_most)",
        }
        self.at_last: Callable[[], None] = lambda: None
        self.told: Told | None = None
        self._is_over = threading.Event()

    def begin(self) -> None:
        """Listen."""
        self._heard, self.woken_by = os.pipe()
        os.set_blocking(self.woken_by, False)
        self._thread = threading.Thread(target=self._watch, name="ending", daemon=True)
        self._thread.start()

    def end(self, number: int, _: FrameType | None) -> None:
        """What the main thread does when it hears the signal: once, for the way out must not be interrupted."""
        for each in self._causes:
            signal.signal(each, signal.SIG_IGN)
        self.told = Told(self._message(number))
        _PIECE.tell(self.told)

    def over(self) -> None:
        """Nothing is left to be watched."""
        self._is_over.set()
        os.close(self.woken_by)
        self._thread.join()
        os.close(self._heard)

    def _watch(self) -> None:
        while heard := os.read(self._heard, 1):
            if heard[0] in self._causes and not self._is_over.wait(GRACE_SECONDS):
                try:
                    last = threading.Thread(target=self.at_last, name="at last", daemon=True)
                    last.start()
                    last.join(LAST_SECONDS)
                    os.set_blocking(_STDERR, False)  # a pipe that nobody reads must not hold it up
                    os.write(_STDERR, f"{self._message(heard[0])}\n".encode())
                finally:
                    os._exit(FailedError.exit_status)

    def _message(self, number: int) -> str:
        told = self._causes[signal.Signals(number)]
        return (
            f"{told}. Nights are published whole or not at all, so readers see a whole one. Run again to have this one."
        )
