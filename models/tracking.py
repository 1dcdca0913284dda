"""Tracking: MLflow, silent and pointed at one place for as long as a block lasts. Nothing else imports it.

Its usage reporting is switched off before it is imported, and what it prints is held back: standard output belongs to
the command.
"""

import logging
import os
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from types import ModuleType
from typing import Final

from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from models.errors import TrackingFailed
from models.tracking_folder import TrackingFolder

__all__ = ["ABSENT", "tracking", "without_password"]

ABSENT: Final = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")
"""MLflow's codes for what is not there."""

ENVIRONMENT: Final[Mapping[str, str]] = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}
PATIENCE: Final[Mapping[str, str]] = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2", "MLFLOW_HTTP_REQUEST_TIMEOUT": "20"}
"""With MLflow's own seven retries a server that is gone holds a command for minutes. Set the variables to wait more."""


@contextmanager
def tracking(uri: str) -> Iterator[ModuleType]:
    """MLflow, silent, pointed at `uri` for as long as the block lasts. Raises `TrackingFailed` for what it raises."""
    os.environ.update(ENVIRONMENT)
    for variable, value in PATIENCE.items():
        os.environ.setdefault(variable, value)
    folder = TrackingFolder.of(uri)
    with warnings.catch_warnings(), nullcontext() if folder is None else folder.locked():
        warnings.simplefilter("ignore")  # deprecations inside MLflow and what it imports; nothing of ours runs there
        import mlflow
        import mlflow.artifacts
        import mlflow.data.code_dataset_source
        import mlflow.data.meta_dataset
        import mlflow.models
        import mlflow.pyfunc
        import mlflow.types

        for name in ("mlflow", "alembic"):
            logging.getLogger(name).setLevel(logging.WARNING)
        before = mlflow.get_tracking_uri() if mlflow.is_tracking_uri_set() else None  # type: ignore[no-untyped-call]
        mlflow.set_tracking_uri(uri)
        try:
            yield mlflow
        except (mlflow.MlflowException, SQLAlchemyError) as error:
            first = re.sub(r"://[^/@\s]+@", "://***@", str(error).splitlines()[0])[:300]  # it may tell the password
            raise TrackingFailed(
                f"MLflow at {without_password(uri)} failed: {first}\nCheck [tracking] uri and whether it answers."
            ) from error
        finally:
            mlflow.set_tracking_uri(before)  # type: ignore[arg-type]  # None unsets it, which MLflow's hint forgets


def without_password(uri: str) -> str:
    """The address as it may be shown."""
    return make_url(uri).render_as_string(hide_password=True) if "://" in uri else uri
