"""What tells one kind of store from another: where its tables lie, the steps that they take, what it is called."""

from dataclasses import dataclass
from pathlib import Path

__all__ = ["Kind"]


@dataclass(frozen=True)
class Kind:
    """A kind of store.

    Attributes
    ----------
    called
        Its name in messages, such as "store".
    schema
        Where its tables lie in PostgreSQL. SQLite has no schemas: there each store has a file.
    revision
        The newest of its steps: what readers and writers need.
    steps
        The folder of the steps, for Alembic.
    synchronous
        SQLite's setting of that name. NORMAL never corrupts a file, but a power cut may cost the last transactions;
        FULL costs a wait for the disk at each.
    nowhere, empty
        What to tell where there is no file, and where there are no tables; {where} is the store's address.
    """

    called: str
    schema: str
    revision: str
    steps: Path
    synchronous: str
    nowhere: str
    empty: str
