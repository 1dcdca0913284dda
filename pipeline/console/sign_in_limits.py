"""How often a sign-in may fail before it has to wait: by the address it comes from, and by the one it is for.

Kept in memory, for one process serves the console, and a guess that has to wait must cost nobody anything: it is
answered without a look at the store. A restart forgets the failures, but nobody outside can cause one.
"""

import threading
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

__all__ = ["SignInLimits"]

WINDOW: Final = timedelta(minutes=15)
FOR_ONE_USER: Final = 10
FROM_ONE_HOST: Final = 50
"""An office behind one address has many who mistype."""

_REMEMBERED: Final = 20_000


@dataclass(frozen=True)
class SignInLimits:
    """The failures of the last quarter of an hour."""

    _failures: OrderedDict[str, deque[datetime]] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def wait(self, host: str, email: str, now: datetime) -> timedelta | None:
        """How long the next try has to wait; None where it need not."""
        with self._lock:
            waits = [
                failures[-most] + WINDOW - now
                for key, most in ((f"host {host}", FROM_ONE_HOST), (f"user {email}", FOR_ONE_USER))
                if len(failures := self._lately(key, now)) >= most
            ]
        return max(waits, default=None)

    def failed(self, host: str, email: str, now: datetime) -> None:
        """Count a failure."""
        with self._lock:
            for key in (f"host {host}", f"user {email}"):
                self._failures[key] = deque([*self._lately(key, now), now], maxlen=FROM_ONE_HOST)
                self._failures.move_to_end(key)
            while len(self._failures) > _REMEMBERED:
                self._failures.popitem(last=False)

    def succeeded(self, email: str) -> None:
        """Forget the failures of a user who is in."""
        with self._lock:
            self._failures.pop(f"user {email}", None)

    def _lately(self, key: str, now: datetime) -> list[datetime]:
        return [each for each in self._failures.get(key, ()) if now - each < WINDOW]
