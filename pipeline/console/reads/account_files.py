"""The rows of the table as a file, as `churn export` writes them."""

from collections.abc import Iterator, Sequence
from itertools import islice

from sqlalchemy import Engine

from pipeline.amounts import Language
from pipeline.errors import StoreError
from pipeline.exported import Row, csv_lines, exported
from pipeline.store.connection import reading
from pipeline.store.nights import Night, among, catalogue, night

__all__ = ["csv_of"]

_AT_ONCE = 500


def csv_of(store: Engine, of: Night, ids: Sequence[str], language: Language) -> Iterator[bytes]:
    """The lines of a CSV file with these accounts of a night, in this order.

    They are read some at a time, so that who takes them slowly keeps nobody from the store. Raises `StoreError` where
    the night was replaced meanwhile: half a file must not look like a whole one.
    """
    return csv_lines(_rows(store, of, ids, language))


def _rows(store: Engine, of: Night, ids: Sequence[str], language: Language) -> Iterator[Row]:
    left = iter(ids)
    while some := list(islice(left, _AT_ONCE)):
        with reading(store) as connection:
            now = night(connection, of.as_of)
            if now is None or now.run_id != of.run_id:
                raise StoreError(f"The night of {of.as_of} was published anew while it was read. Ask again.")
            features = catalogue(connection, of)["features"]
            found = {account.account_id: account for account in among(connection, of, some)}
        for account_id in some:
            if account_id in found:  # who was forgotten meanwhile is not
                yield exported(found[account_id], of, features, language)
