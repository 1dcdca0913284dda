"""Chat: the letters through any service that Apprise knows, a plain webhook (json:// and jsons://) among them."""

import logging
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import quote

from pipeline.addresses import is_mail_address
from pipeline.digest.delivery import Undelivered
from pipeline.digest.letter import Letter
from pipeline.errors import UsageError
from pipeline.printable import one_line

if TYPE_CHECKING:
    from apprise import Apprise

__all__ = ["ChatChannel"]


class ChatChannel:
    """A chat by the address of `[digest] chat`, in which `{owner}` and `{name}` stand for the manager.

    Without them all letters go to one place, each headed by whose customers it speaks of.
    """

    name: ClassVar[str] = "chat"

    def __init__(self, address: str) -> None:
        self._address = address
        self._service("somebody@example.com")  # a wrong address is told before anything is sent

    def deliver(self, letter: Letter, message_id: str) -> None:
        """Hand the letter over. Raises `Undelivered`; the service does not say whether a retry helps, so it may."""
        from apprise import LogCapture, NotifyFormat

        is_shared = "{owner}" not in self._address and "{name}" not in self._address
        if not is_shared and not is_mail_address(letter.recipient):  # it becomes part of an address
            raise Undelivered.refused("that is no mail address; mend accounts.owner of these customers")
        title = f"{letter.recipient} · {letter.subject}" if is_shared else letter.subject
        with LogCapture(level=logging.WARNING) as said:  # type: ignore[no-untyped-call]
            done = self._service(letter.recipient).notify(letter.chat, one_line(title), body_format=NotifyFormat.TEXT)
            told = said.getvalue().strip().splitlines()
        if not done:
            reason = one_line(told[-1].split(" - ")[-1]).rstrip(".") if told else "it gave no reason"
            raise Undelivered.for_now(f"the chat does not take it: {reason}")

    def close(self) -> None:
        """Nothing is kept open."""

    def _service(self, owner: str) -> "Apprise":
        """The service for one manager. It keeps nothing on disk, loads no plug-ins and reads no code in texts."""
        from apprise import Apprise, AppriseAsset
        from apprise.common import PersistentStoreMode

        asset = AppriseAsset(
            app_id="churn",
            app_desc="churn digest",
            async_mode=False,
            interpret_escapes=False,
            plugin_paths=[],
            storage_mode=PersistentStoreMode.MEMORY,
        )
        service = Apprise(asset=asset)
        values = {"owner": owner, "name": owner.partition("@")[0]}
        address = self._address
        for key, value in values.items():
            address = address.replace(f"{{{key}}}", quote(value, safe=""))
        logger = logging.getLogger("apprise")
        was, logger.disabled = logger.disabled, True  # it would log the address, which is secret
        try:
            known = service.add(address)
        finally:
            logger.disabled = was
        if not known:
            raise UsageError(
                "CHURN__DIGEST__CHAT is no address that Apprise knows, such as slack://TOKEN/{owner} or, for a plain "
                "webhook, jsons://host/path. Its pages list the services: github.com/caronc/apprise/wiki"
            )
        return service
