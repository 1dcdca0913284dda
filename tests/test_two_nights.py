"""Two nights in a row without news: a day passes, no row arrives, and the reasons stay what they were."""

from datetime import timedelta
from pathlib import Path

from features.outages import coverage
from models.registry import load_champion
from models.stability import stability
from pipeline.agreement import see
from pipeline.settings import read_settings
from pipeline.sources import open_sources
from pipeline.tonight import tonight


def test_the_main_reason_of_the_riskiest_outlives_a_day_without_news(trained_demo: Path) -> None:
    """The tables end with the first of the two nights."""
    settings = read_settings(trained_demo)
    model, _ = load_champion(**settings.registry())
    opened = open_sources(settings)
    try:
        past, recipe = see(opened, settings, model)
        first = settings.today()
        nights = [
            tonight(past, past.rules.moment(day), recipe, coverage(past)).query("state == 'active'")
            for day in (first, first + timedelta(days=1))
        ]
    finally:
        opened.close()
    both = sorted(set(nights[0]["account_id"]) & set(nights[1]["account_id"]))
    explained = [model.explain(night.set_index("account_id").loc[both].reset_index(), threads=1) for night in nights]
    assert (explained[0].log_odds != explained[1].log_odds).any(), "the clock moves"
    found = stability(*explained)
    assert found.kept >= 0.95, found
