"""Succession: which version is the champion, which were before it, and what the gate said of each."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from models.errors import ModelRefusal, NoVersion
from models.registry import CHAMPION, load_version
from models.tracking import tracking, without_password
from models.tracking_folder import TrackingFolder

__all__ = ["champion_version", "keep_decision", "newest_version", "promote", "roll_back"]

CHAMPIONS: Final = "champions"
MOST_REMEMBERED: Final = 100
LONGEST_TAG: Final = 1000


def promote(version: int, *, uri: str, name: str, why: str) -> None:
    """Make a registered version the champion, which the night reads. The former ones are remembered for `roll_back`."""
    with tracking(uri) as mlflow:
        client = mlflow.MlflowClient()
        former = [each for each in _champions(client, name) if each != version]
        _crown(client, name, [*former, version], why)


def roll_back(*, uri: str, name: str, why: str) -> tuple[int, int]:
    """Make the former champion the champion again; the versions that goes and that comes.

    One that was deleted, or cannot be read, is passed over for the one before it. Raises `NoVersion` where no other
    is left.
    """
    before, now = [], 0
    if champion_version(uri=uri, name=name) is not None:
        with tracking(uri) as mlflow:
            *before, now = _champions(mlflow.MlflowClient(), name)
    while before and not _is_readable(before[-1], uri=uri, name=name):
        before.pop()
    if not before:
        raise NoVersion(
            f"No version of {name!r} in {without_password(uri)} that could be used was champion before the one that "
            "is now. To choose another: churn promote VERSION."
        )
    with tracking(uri) as mlflow:
        _crown(mlflow.MlflowClient(), name, before, why)
    return now, before[-1]


def keep_decision(version: int, record: Mapping[str, Any], *, uri: str, name: str) -> None:
    """Store with a version's run what the gate found, as `gate.json`."""
    with tracking(uri) as mlflow:
        client = mlflow.MlflowClient()
        run_id = client.get_model_version(name, str(version)).run_id
        client.log_text(run_id, json.dumps(record, indent=1, ensure_ascii=False, default=str), "gate.json")
        client.set_model_version_tag(name, str(version), "gate", str(record["decision"]["promotes"]).lower())


def champion_version(*, uri: str, name: str) -> int | None:
    """The version that is the champion, whether or not its files can be read; None where there is none."""
    folder = TrackingFolder.of(uri)
    if folder is not None and not folder.database.exists():
        return None
    with tracking(uri) as mlflow:
        client = mlflow.MlflowClient()
        known = client.search_registered_models(filter_string=f"name = '{name}'")
        champions = _champions(client, name) if known else []
        return champions[-1] if champions else None


def newest_version(*, uri: str, name: str) -> int:
    """The version that was registered last. Raises `NoVersion` where there is none."""
    folder = TrackingFolder.of(uri)
    if folder is None or folder.database.exists():
        with tracking(uri) as mlflow:
            found = [int(each.version) for each in mlflow.MlflowClient().search_model_versions(f"name = '{name}'")]
            if found:
                return max(found)
    raise NoVersion(f"There is no model {name!r} in {without_password(uri)}. Run: churn train.")


def _is_readable(version: int, *, uri: str, name: str) -> bool:
    try:
        load_version(version, uri=uri, name=name)
    except ModelRefusal:
        return False
    return True


def _champions(client: Any, name: str) -> list[int]:
    """The versions that were champion, oldest first; the last one is now."""
    model = client.get_registered_model(name)
    found = [int(version) for version in model.tags.get(CHAMPIONS, "").split()]
    now = model.aliases.get(CHAMPION)
    # An alias that was set by hand has no place in the tag.
    return found if now is None or (found and found[-1] == int(now)) else [*found, int(now)]


def _crown(client: Any, name: str, champions: Sequence[int], why: str) -> None:
    """The last of the versions becomes the champion; how and when stays with it."""
    version = str(champions[-1])
    client.set_model_version_tag(name, version, "champion_since", datetime.now(UTC).isoformat(timespec="seconds"))
    client.set_model_version_tag(name, version, "champion_why", why[:LONGEST_TAG])
    # The alias first: whoever dies between the two leaves a champion that `_champions` puts in its place.
    client.set_registered_model_alias(name, CHAMPION, version)
    client.set_registered_model_tag(name, CHAMPIONS, " ".join(map(str, champions[-MOST_REMEMBERED:])))
