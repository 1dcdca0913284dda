"""The types of columns that are the same in both databases."""

from datetime import UTC, datetime
from typing import Final

from sqlalchemy import DateTime, Dialect, Text, TypeDecorator

__all__ = ["KEY", "UtcTime"]

KEY: Final = Text().with_variant(Text(collation="C"), "postgresql")
"""Text that orders lists, by its characters' numbers as Python and SQLite do: a rank must not depend on a language."""


class UtcTime(TypeDecorator[datetime]):
    """An instant, kept as UTC; SQLite has no zones, so it is given back with its own."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse an instant without a zone: it could mean anything."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"An instant needs a zone, got {value!r}: use datetime.now(UTC).")
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """The instant in UTC."""
        return None if value is None else value.replace(tzinfo=UTC)
