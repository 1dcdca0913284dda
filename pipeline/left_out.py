"""Who is left out of a night though the tables still hold them: accounts that were forgotten."""

import numpy as np
import pandas as pd

from pipeline.errors import StoreMissing, StoreOutdated
from pipeline.people.connection import connect, prepare, reading
from pipeline.people.forgotten import Forgotten, forgotten
from pipeline.settings import Settings
from pipeline.store.connection import retried

__all__ = ["forgotten_of", "left_out", "without"]


def forgotten_of(settings: Settings, *, brings_along: bool = False) -> Forgotten:
    """The accounts that were forgotten; a people store of an older churn is brought along first, where that is asked.

    Raises `StoreError` or `StoreOutdated` where the people store cannot be read: who was forgotten may then not be
    known to be.
    """
    engine = connect(settings.located(settings.store.url))

    def read() -> Forgotten:
        with reading(engine) as connection:
            return forgotten(connection)

    try:
        return retried(read)
    except StoreMissing:
        return Forgotten({})
    except StoreOutdated:
        if not brings_along:
            raise
        prepare(engine)
        return retried(read)
    finally:
        engine.dispose()


def without(known: pd.DataFrame, gone: Forgotten) -> pd.DataFrame:
    """The accounts, by `account_id` and `root_id`, without those forgotten; a parent among these has its pseudonym."""
    if not gone:
        return known
    stays = [gone.pseudonym(account_id) is None for account_id in known["account_id"]]
    kept = known[np.array(stays, dtype=bool)].reset_index(drop=True)
    return kept.assign(root_id=[gone.pseudonym(root_id) or root_id for root_id in kept["root_id"]])


def left_out(count: int, settings: Settings) -> str | None:
    """What to say of so many accounts that were left out; None where none was."""
    if not count:
        return None
    accounts = "1 account that was forgotten is" if count == 1 else f"{count:,} accounts that were forgotten are"
    then = "" if settings.data.connection is None else " Then let one run read all of them anew: --refresh."
    return f"{accounts} in the tables still, and left out. Remove what the tables hold of them.{then}"
