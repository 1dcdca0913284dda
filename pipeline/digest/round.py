"""One round of the digest: a letter to each manager whose book has news, each sent once, even if a run dies."""

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, Literal

from sqlalchemy import Engine

from pipeline.digest import outbox
from pipeline.digest.chat import ChatChannel
from pipeline.digest.delivery import Channel, Undelivered
from pipeline.digest.drafts import Drafts, draft
from pipeline.digest.letter import Letter
from pipeline.digest.mail import MailChannel
from pipeline.digest.outbox import Answer, Envelope
from pipeline.errors import UsageError
from pipeline.people.connection import connect as connect_people
from pipeline.people.connection import prepare
from pipeline.printable import one_line
from pipeline.run_log import RunLog
from pipeline.settings import Settings
from pipeline.store.connection import connect, retried

__all__ = ["Posted", "RoundDone", "run_digest"]

Outcome = Literal["sent", "already sent", "not sent", "would be sent"]
LOOK_SECONDS: Final = 1.0
_RULE: Final = "-" * 72


@dataclass(frozen=True)
class Posted:
    """What became of one letter."""

    envelope: Envelope
    letter: Letter
    outcome: Outcome
    reason: str = ""
    exit_status: int = 0

    def told(self) -> str:
        """One line; a letter that would be sent is shown whole."""
        to = f"{self.envelope.recipient} by {self.envelope.channel}"
        if self.outcome == "would be sent":
            return f"{_RULE}\nTo {to}\nSubject: {self.letter.subject}\n\n{self.letter.text.rstrip()}"
        count = len(self.letter.announced)
        about = f"{count} account{'' if count == 1 else 's'}" if self.outcome == "sent" else self.reason
        return f"  {self.outcome:<12}  {to}{about and f': {about}'}"

    def as_record(self) -> dict[str, Any]:
        """The same as plain data."""
        parts = {"text": self.letter.text, "html": self.letter.html} if self.outcome == "would be sent" else {}
        return {
            "recipient": self.envelope.recipient,
            "channel": self.envelope.channel,
            "outcome": self.outcome,
            "reason": self.reason,
            "subject": self.letter.subject,
            "announced": {name: change.value for name, change in self.letter.announced.items()},
            **parts,
        }


@dataclass(frozen=True)
class RoundDone:
    """What became of a round."""

    drafts: Drafts
    posted: tuple[Posted, ...]

    @property
    def exit_status(self) -> int:
        """0 where every letter is out; 1 where a retry may help with one of them, else 2 or 3."""
        return min((each.exit_status for each in self.posted if each.exit_status), default=0)

    def told(self) -> str:
        """The round in text."""
        as_of = self.drafts.as_of
        kind = "the news of a week" if self.drafts.is_weekly else "notices, and who entered the high band"
        lines = [f"Digest of the night of {as_of:%a} {as_of.day} {as_of:%b %Y}: {kind}."]
        if self.drafts.limit:
            lines.append(self.drafts.limit)
        nothing = "Nothing is sent." if self.drafts.limit else "Nothing to say: nothing is sent."
        lines += [each.told() for each in self.posted] or [nothing]
        if self.drafts.unowned:
            lines.append(f"News of {self.drafts.unowned} accounts reach nobody: they have no owner (accounts.owner).")
        return "\n".join(lines)

    def as_record(self) -> dict[str, Any]:
        """The round as plain data."""
        return {
            "as_of": str(self.drafts.as_of),
            "is_weekly": self.drafts.is_weekly,
            "limit": self.drafts.limit,
            "unowned": self.drafts.unowned,
            "exit_status": self.exit_status,
            "messages": [each.as_record() for each in self.posted],
        }


def run_digest(settings: Settings, as_of: date | None, today: date, log: RunLog, *, dry_run: bool = False) -> RoundDone:
    """Send each manager the news of a night: that of `as_of`, else the newest. `dry_run` sends and writes nothing.

    Letters that did not get through are in what is returned, for the others did.

    Raises
    ------
    UsageError
        When that night is not published, or the settings name no way to send anything.
    FailedError
        When the newest night is not today's.
    """
    channels = [] if dry_run else _channels(settings)
    names = [each.name for each in channels] or _configured(settings) or [MailChannel.name]
    url = settings.located(settings.store.url)
    engine, people = connect(url), connect_people(url)
    try:
        log.step("what is news")
        found = retried(lambda: draft(engine, people, names, settings, as_of, today))
        if dry_run or not found.letters:
            return RoundDone(found, tuple(Posted(*each, "would be sent") for each in found.letters))
        log.step("send")
        retried(lambda: prepare(people))
        posted = [each for channel in channels for each in _send(people, channel, found.letters)]
    finally:
        for channel in channels:
            channel.close()
        engine.dispose()
        people.dispose()
    for each in posted:
        if each.exit_status:
            log.note(f"Not sent to {each.envelope.recipient} by {each.envelope.channel}: {each.reason}.")
    return RoundDone(found, tuple(posted))


def _configured(settings: Settings) -> list[str]:
    wanted = {MailChannel.name: settings.mail.host, ChatChannel.name: settings.digest.chat.get_secret_value()}
    return [name for name, is_set in wanted.items() if is_set]


def _channels(settings: Settings) -> list[Channel]:
    channels: list[Channel] = []
    if settings.mail.host:
        channels.append(MailChannel(settings.mail, settings.company.name, settings.digest.language))
    if chat := settings.digest.chat.get_secret_value():
        channels.append(ChatChannel(chat))
    if not channels:
        raise UsageError(
            "There is no way to send anything: set [mail] host and sender, or the variable CHURN__DIGEST__CHAT. What "
            "would be sent is shown by: churn digest --dry-run"
        )
    return channels


def _send(people: Engine, channel: Channel, letters: Sequence[tuple[Envelope, Letter]]) -> list[Posted]:
    """Send the letters of one channel. Those that another run holds come last: it may be dead, so they are waited for.

    Where the channel turns out to be down, the letters left are marked as failed without a try.
    """
    posted: list[Posted] = []
    down: Undelivered | None = None
    waiting = [each for each in letters if each[0].channel == channel.name]
    until = time.monotonic() + outbox.CLAIM_SECONDS + LOOK_SECONDS
    while waiting:
        held = []
        for envelope, letter in waiting:
            token = outbox.claim(people, envelope)
            if token is Answer.SENT:
                posted.append(Posted(envelope, letter, "already sent"))
            elif token is Answer.HELD:
                held.append((envelope, letter))
            else:
                assert isinstance(token, str)
                failure = down or _try(channel, letter, envelope)
                down = failure if failure is not None and failure.for_all else down
                outbox.end(people, envelope, token, letter.announced, None if failure is None else str(failure))
                posted.append(_posted(envelope, letter, failure))
        waiting = held
        if waiting and time.monotonic() > until:
            other = Undelivered.for_now("another run is sending it")
            posted += [_posted(envelope, letter, other) for envelope, letter in waiting]
            break
        if waiting:
            time.sleep(LOOK_SECONDS)
    return sorted(posted, key=lambda each: each.envelope)


def _try(channel: Channel, letter: Letter, envelope: Envelope) -> Undelivered | None:
    """Why it was not delivered; None where it was."""
    digest = hashlib.sha256("\n".join(map(str, envelope)).encode()).hexdigest()
    try:
        channel.deliver(letter, f"churn.{envelope.as_of}.{digest[:32]}")
    except Undelivered as failure:
        return failure
    except ValueError as error:  # a header that cannot be written; the letters of the others can
        return Undelivered.refused(f"it cannot be written: {one_line(str(error))}")
    return None


def _posted(envelope: Envelope, letter: Letter, failure: Undelivered | None) -> Posted:
    if failure is None:
        return Posted(envelope, letter, "sent")
    return Posted(envelope, letter, "not sent", str(failure), failure.exit_status)
