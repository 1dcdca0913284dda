"""A memory of answers that many readers ask for, and that take longer to find than a page may."""

import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

__all__ = ["Memory"]

T = TypeVar("T")


@dataclass
class _Answer(Generic[T]):
    """One answer, or none yet; who asks while it is looked for waits, rather than looking too."""

    found: list[T] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)


@dataclass(frozen=True)
class Memory(Generic[T]):
    """The answers to the questions that were asked lately."""

    most: int = 8
    _answers: dict[Hashable, _Answer[T]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def get(self, key: Hashable, find: Callable[[], T]) -> T:
        """The answer to a question, found by `find` where nobody remembers it."""
        with self._lock:
            answer = self._answers.setdefault(key, _Answer())
            while len(self._answers) > self.most:
                del self._answers[next(iter(self._answers))]
        with answer.lock:
            if not answer.found:
                answer.found.append(find())
            return answer.found[0]
