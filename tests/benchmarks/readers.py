"""Readers of the console who click when it is time, whether or not they were answered, and what they waited."""

import asyncio
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import unescape
from typing import Final, NamedTuple

import numpy as np
from httpx2 import AsyncClient, HTTPError, Response

__all__ = ["KINDS", "P95", "Phase", "Reader", "read"]

P95: Final = 150
"""Milliseconds that 95 of 100 answers may take."""

KINDS: Final = {"Today": 0.35, "an account": 0.35, "one's accounts": 0.2, "all accounts": 0.07, "a call logged": 0.03}
FILTERS: Final = ("", "band=high", "band=medium", "sort=mrr", "sort=-risk", "sort=name", "q=77", "segment=small")


class Click(NamedTuple):
    """One answer: which page, when it was due (of the clock), milliseconds until it was there, what was wrong."""

    kind: str
    due: float
    milliseconds: float
    wrong: str


@dataclass
class Phase:
    """What readers waited while something else went on."""

    name: str
    rate: float
    clicks: list[Click] = field(default_factory=list)

    def times(self, kind: str = "") -> np.ndarray:
        """Milliseconds, of one kind of page or of all."""
        return np.array([click.milliseconds for click in self.clicks if kind in {"", click.kind}])

    def wrong(self) -> list[str]:
        """What was wrong, of those that went wrong."""
        return [click.wrong for click in self.clicks if click.wrong]

    def holds(self) -> bool:
        """Whether all were answered, and 95 of 100 in time."""
        return not self.wrong() and float(np.quantile(self.times(), 0.95)) <= P95

    def line(self, kind: str = "") -> str:
        """It as a row of a table."""
        times = self.times(kind)
        shown = (
            " | ".join(f"{value:,.0f}" for value in np.quantile(times, [0.5, 0.95, 0.99, 1.0])) if len(times) else ""
        )
        return f"| {self.name} | {kind or 'all'} | {len(times):,} | {shown} | {len(self.wrong()) if not kind else ''} |"


class Reader:
    """One who clicks: on the list, on an account that it or a table named, on a table, or who writes down a call."""

    def __init__(self, address: str, token: str, number: int) -> None:
        self.browser = AsyncClient(base_url=address, cookies={"churn": token}, timeout=30)
        self._rng = np.random.default_rng(number)
        self._accounts: list[str] = []
        self._form: tuple[str, dict[str, str]] | None = None

    async def click(self, due: float) -> Click:
        """One page, drawn at random."""
        kind = str(self._rng.choice(list(KINDS), p=list(KINDS.values())))
        if (kind == "an account" and not self._accounts) or (kind == "a call logged" and self._form is None):
            kind = "Today"
        wrong = ""
        try:
            answer = await self._ask(kind)
            wrong = "" if answer.status_code in {200, 303} else f"{kind}: status {answer.status_code}"
            self._remember(kind, answer)
        except HTTPError as error:
            wrong = f"{kind}: {type(error).__name__}"
        return Click(kind, due, 1000 * (time.monotonic() - due), wrong)

    async def _ask(self, kind: str) -> Response:
        if kind == "Today":
            return await self.browser.get("/")
        if kind == "an account":
            return await self.browser.get(str(self._rng.choice(self._accounts)))
        if kind == "a call logged":
            assert self._form is not None
            (path, fields), self._form = self._form, None
            return await self.browser.post(path, data=fields | {"reached": "yes"})
        asked = str(self._rng.choice(FILTERS))
        return await self.browser.get(f"/accounts?{asked}{'&owner=*' if kind == 'all accounts' else ''}")

    def _remember(self, kind: str, answer: Response) -> None:
        found = re.findall(r'href="(/accounts/[^"?#]+)"', answer.text)
        self._accounts = [unescape(each) for each in found] or self._accounts
        if kind == "Today":
            form = re.search(r'<form[^>]*action="(/actions/called)".*?</form>', answer.text, re.DOTALL)
            hidden = re.findall(r'type="hidden" name="([^"]*)" value="([^"]*)"', form[0]) if form else []
            self._form = (form[1], {name: unescape(value) for name, value in hidden}) if form else None


async def read(readers: Sequence[Reader], rate: float, phases: Sequence[Phase], now: "asyncio.Queue[int]") -> None:
    """Click at that rate, one reader after another, until the number of a phase that there is not is told."""
    loop, place, count = set["asyncio.Task[None]"](), 0, 0
    began = time.monotonic()

    async def one(reader: Reader, due: float, phase: Phase | None) -> None:
        click = await reader.click(due)
        if phase is not None:
            phase.clicks.append(click)

    while place < len(phases):
        due = began + count / rate
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        while not now.empty():
            place = now.get_nowait()
        phase = phases[place] if 0 <= place < len(phases) else None
        task = asyncio.create_task(one(readers[count % len(readers)], due, phase))
        loop.add(task)
        task.add_done_callback(loop.discard)
        count += 1
    await asyncio.gather(*loop)
