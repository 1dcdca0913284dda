"""What a night has to say about its champion: figures that flatter, and settings that it cannot follow."""

from collections.abc import Iterator
from datetime import date, timedelta

from models.bands import Bands
from models.churn_model import ChurnModel
from models.starter import is_starter
from pipeline.settings import Settings

__all__ = ["caveats", "hindsight"]


def caveats(settings: Settings, model: ChurnModel, as_of: date) -> Iterator[str]:
    """One line for each thing that a reader of this night should know of the model behind it."""
    if (seen := hindsight(model, as_of)) is not None:
        yield seen
    trained, wanted = model.about["page_groups"], {name: list(paths) for name, paths in settings.pages.items()}
    changed = sorted(name for name in trained.keys() | wanted.keys() if trained.get(name) != wanted.get(name))
    if changed:
        yield (
            f"[pages] {', '.join(changed)}: changed since the champion was trained. This night still goes by the "
            "groups of the training. Train again: churn train."
        )
    book, bands = settings.book, model.bands
    if bands != Bands.from_base_rate(bands.base_rate, book.medium, book.high):
        yield (
            f"[book] medium = {book.medium:g}, high = {book.high:g}: changed since the champion was trained. Its bands "
            f"still begin at {bands.medium:.1%} and {bands.high:.1%}. Train again: churn train."
        )


def hindsight(model: ChurnModel, as_of: date) -> str | None:
    """A line when the champion has learned from what happened after `as_of`; rules never have."""
    if is_starter(model):
        return None
    seen_until = date.fromisoformat(model.about["last_as_of"]) + timedelta(days=model.about["need_days"])
    if as_of >= seen_until:
        return None
    return (
        f"The champion has seen what happened from {as_of} to {seen_until}, so the figures of this night flatter it. "
        f"For a fair night train as of then: churn train --as-of {as_of}."
    )
