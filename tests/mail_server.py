"""A real SMTP server on loopback, whose moods the tests choose."""

import asyncio
import email
import email.policy
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword


class Letterbox:
    """What a server took, in order; whom it answers otherwise, with the reply; how long it looks at each letter."""

    def __init__(self) -> None:
        self.taken: list[EmailMessage] = []
        self.answers: dict[str, str] = {}
        self.looks_seconds = 0.0

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        if (answer := self.answers.get(address)) is not None:
            return answer
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Any, envelope: Any) -> str:  # noqa: N802
        parsed = email.message_from_bytes(envelope.content, policy=email.policy.default)
        assert isinstance(parsed, EmailMessage)
        assert envelope.rcpt_tos == [parsed["To"]]
        self.taken.append(parsed)
        await asyncio.sleep(self.looks_seconds)
        return self.answers.get("data", "250 OK")

    @property
    def recipients(self) -> list[str]:
        return [message["To"] for message in self.taken]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def mail_server(
    letterbox: Letterbox, port: int = 0, tls: ssl.SSLContext | None = None, password: str | None = None
) -> Iterator[int]:
    """The server, as long as the block lasts. With a password it lets only `churn` in, and only over TLS."""

    def lets_in(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        assert isinstance(data, LoginPassword)
        return AuthResult(success=(data.login, data.password) == (b"churn", (password or "").encode()), handled=False)

    controller = Controller(
        letterbox,
        hostname="127.0.0.1",
        port=port or free_port(),
        ready_timeout=60,
        tls_context=tls,
        authenticator=lets_in if password else None,
        auth_required=password is not None,
    )
    controller.start()
    try:
        yield controller.port
    finally:
        controller.stop()
