"""Mail: the letters over SMTP, by one connection for all, opened anew where the server closed it."""

import smtplib
import ssl
import time
from contextlib import suppress
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import ClassVar, Final

from pipeline.addresses import is_mail_address
from pipeline.digest.delivery import Undelivered
from pipeline.digest.letter import Letter
from pipeline.errors import UsageError
from pipeline.message_sections import Mail
from pipeline.printable import one_line

__all__ = ["MailChannel"]

RETRY_SECONDS: tuple[float, ...] = (1, 4, 15)
"""How long to wait before each further try of a server that cannot be reached or hangs up."""

TIMEOUT_SECONDS: Final = 20
ANSWER_SECONDS = 120
"""How long a server may look at a letter before it takes it: some scan it first."""

_PERMANENT: Final = 500


class MailChannel:
    """The mail server of the settings; nothing is opened before the first letter. `company` names the sender."""

    name: ClassVar[str] = "mail"

    def __init__(self, mail: Mail, company: str, language: str = "en") -> None:
        password = mail.password.get_secret_value()
        if bool(mail.user) != bool(password):
            lacks = "the variable CHURN__MAIL__PASSWORD" if mail.user else "[mail] user"
            raise UsageError(f"[mail] user and CHURN__MAIL__PASSWORD belong together, and {lacks} is empty.")
        self._mail, self._password, self._language = mail, password, language
        self._sender = Address(one_line(company), addr_spec=mail.sender)
        self._open: smtplib.SMTP | None = None

    def deliver(self, letter: Letter, message_id: str) -> None:
        """Hand the letter to the server.

        Raises `Undelivered` when the server refuses it, cannot be reached after some tries, does not know the user, or
        offers no encryption that can be trusted.
        """
        if not is_mail_address(letter.recipient):
            raise Undelivered.refused("that is no mail address; mend accounts.owner of these customers")
        message = self._message(letter, message_id)
        for seconds in (*RETRY_SECONDS, None):
            was_open = False
            try:
                server = self._server()
                was_open = True
                server.send_message(message)
                return
            except smtplib.SMTPRecipientsRefused as refused:
                code, answer = refused.recipients[letter.recipient]
                reason = _refused(code, answer)
            except smtplib.SMTPResponseException as refused:
                reason = _refused(refused.smtp_code, refused.smtp_error)
            except (smtplib.SMTPServerDisconnected, OSError) as error:
                self.close()
                timed_out = isinstance(error, TimeoutError) or isinstance(error.__context__, TimeoutError)
                if was_open and timed_out:  # it may have taken the letter all the same
                    raise Undelivered.for_now(f"{self._where} gave no answer in {ANSWER_SECONDS} s") from None
                if seconds is None:
                    raise Undelivered.for_now(f"{self._where} cannot be reached: {error}", for_all=True) from None
                time.sleep(seconds)
                continue
            raise reason
        raise AssertionError("the last try raises")

    def close(self) -> None:
        """Take leave of the server."""
        if self._open is not None:
            with suppress(smtplib.SMTPException, OSError):
                self._open.quit()
            self._open.close()
            self._open = None

    @property
    def _where(self) -> str:
        return f"The mail server {self._mail.host}:{self._mail.port}"

    def _message(self, letter: Letter, message_id: str) -> EmailMessage:
        message = EmailMessage(policy=SMTP)
        message["From"] = self._sender
        message["To"] = Address(addr_spec=letter.recipient)
        message["Subject"] = one_line(letter.subject)
        message["Date"] = format_datetime(datetime.now(UTC))
        message["Message-ID"] = f"<{message_id}@{self._sender.domain}>"
        message["Auto-Submitted"] = "auto-generated"  # so that no absence is answered
        message.set_content(letter.text)
        message.add_alternative(letter.html, subtype="html")
        message["Content-Language"] = self._language  # set before, it would go to the first part alone
        return message

    def _server(self) -> smtplib.SMTP:
        """The connection, signed in; opened where there is none. It never goes on in the clear where it should not."""
        if self._open is not None:
            return self._open
        mail, where = self._mail, self._where
        try:
            trusted = ssl.create_default_context()
            if mail.security == "tls":
                server: smtplib.SMTP = smtplib.SMTP_SSL(mail.host, mail.port, timeout=TIMEOUT_SECONDS, context=trusted)
            else:
                server = smtplib.SMTP(mail.host, mail.port, timeout=TIMEOUT_SECONDS)
            self._open = server
            if mail.security == "starttls":
                server.starttls(context=trusted)
            if mail.user:
                server.login(mail.user, self._password)
            if server.sock is not None:
                server.sock.settimeout(ANSWER_SECONDS)
        except ssl.SSLCertVerificationError as error:
            self.close()
            raise Undelivered.by_settings(
                f"{where} shows a certificate that is not trusted: {error.verify_message}. Write the name it is made "
                "for into [mail] host, or have this machine trust who signed it"
            ) from None
        except smtplib.SMTPNotSupportedError as error:
            self.close()
            raise Undelivered.by_settings(f"{where} cannot do what [mail] security and user ask for: {error}") from None
        except smtplib.SMTPAuthenticationError as error:
            self.close()
            reason = f"{where} does not let {mail.user!r} in: {_said(error.smtp_error)}"
            if error.smtp_code < _PERMANENT:
                raise Undelivered.for_now(reason, for_all=True) from None
            remedy = "Check [mail] user and the variable CHURN__MAIL__PASSWORD"
            raise Undelivered.by_settings(f"{reason}. {remedy}") from None
        return server


def _refused(code: int, answer: bytes | str) -> Undelivered:
    reason = f"the mail server does not take it: {code} {_said(answer)}"
    return Undelivered.refused(reason) if code >= _PERMANENT else Undelivered.for_now(reason)


def _said(answer: bytes | str) -> str:
    text = answer.decode("utf-8", "replace") if isinstance(answer, bytes) else answer
    return one_line(text).rstrip(".")
