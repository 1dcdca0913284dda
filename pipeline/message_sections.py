"""The sections of `churn.toml` on messages to people: where they lead, in which language, and who carries them."""

import re
from typing import Final, Literal

from pydantic import Field, SecretStr, field_validator, model_validator

from pipeline.addresses import LOOPBACK, is_mail_address
from pipeline.sections import Section

__all__ = ["Console", "Digest", "Mail"]

_PLACE: Final = "{account_id}"
_LEAST_SECRET: Final = 32
_NO_TEXT: Final = re.compile(r"[\s\x00-\x1f\x7f<>\"]")


class Console(Section):
    """The web console: where it answers, where a manager goes on from an account, and which plays it suggests.

    `public_url` is how browsers reach it, where that is not by `host` and `port`, as behind a proxy. `csm_sees`: all
    books, or their own and those that nobody owns. `secret` keys what the store keeps of sessions and links.
    `plays` is a company's own file of plays.
    """

    host: str = "127.0.0.1"
    port: int = Field(default=8710, ge=0, le=65535)
    public_url: str = ""
    csm_sees: Literal["all", "own"] = "all"
    account_url: str = ""
    plays: str = ""
    secret: SecretStr = SecretStr("")

    @field_validator("public_url")
    @classmethod
    def _is_an_address(cls, url: str) -> str:
        if url and not re.fullmatch(r"https?://[A-Za-z0-9.\-\[\]:]+/?", url):
            raise ValueError(
                f"public_url = {url!r} is no address of a host: write https:// and its name, without a path, such as "
                '"https://churn.example.com"'
            )
        return url.rstrip("/")

    @field_validator("secret")
    @classmethod
    def _is_long(cls, secret: SecretStr) -> SecretStr:
        if 0 < len(secret.get_secret_value()) < _LEAST_SECRET:
            raise ValueError(
                f"the secret has fewer than {_LEAST_SECRET} characters and can be guessed; draw one, such as by: "
                "openssl rand -hex 32"
            )
        return secret

    @field_validator("account_url")
    @classmethod
    def _has_one_place(cls, url: str) -> str:
        is_link = url.startswith(("http://", "https://")) and not _NO_TEXT.search(url)
        if url and not (is_link and url.count(_PLACE) == 1 and not re.search(r"[{}]", url.replace(_PLACE, ""))):
            raise ValueError(
                f"account_url = {url!r} leads to no account: write https:// and {_PLACE} once, "
                f'such as "https://crm.example.com/{_PLACE}"'
            )
        return url


class Digest(Section):
    """The message to each customer success manager. `chat` is secret: its address holds a token."""

    language: Literal["en", "zh"] = "en"
    chat: SecretStr = SecretStr("")


class Mail(Section):
    """The server that takes the mail, and who sends it."""

    host: str = ""
    port: int = Field(default=587, ge=1, le=65535)
    security: Literal["starttls", "tls", "none"] = "starttls"
    user: str = ""
    password: SecretStr = SecretStr("")
    sender: str = ""

    @model_validator(mode="after")
    def _is_complete(self) -> "Mail":
        if not self.host:
            return self
        if not is_mail_address(self.sender):
            raise ValueError(f'sender = {self.sender!r} is no address, such as "churn@example.com"')
        if self.user and self.security == "none" and self.host not in LOOPBACK:
            raise ValueError('security = "none" would send the password in the clear; write "starttls" or "tls"')
        return self
