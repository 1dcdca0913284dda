"""The warm-up: who opens a page first waits no longer than who comes after."""

import threading
from collections.abc import Callable
from unittest.mock import patch

import pytest
from console import MARA, MONDAY, let_in, nights, site
from digest_nights import HIGH, account, publish_night
from sqlalchemy import Engine

from pipeline.console import selections, teams, warm_up
from pipeline.console.site import Site

LONGEST = 20.0
"""Seconds for what is done beside the test."""


@pytest.fixture
def ours(store: Engine, people: Engine) -> Site:
    return site(store, people)


def opens(of: Site) -> list[int]:
    """How Team and the first page of all accounts answer where nobody may go through a night any more."""
    manager, refusal = let_in(of, MARA), AssertionError("a page goes through the night")
    names = ("totals", "said_before", "unlisted", "began")
    of_teams = patch.multiple(teams, **dict.fromkeys(names, _raising(refusal)))
    with of_teams, patch.object(selections, "select_ids", _raising(refusal)):
        return [manager.get(path).status_code for path in ("/team", "/accounts")]


def _raising(error: Exception) -> Callable[..., None]:
    def refuse(*_: object, **__: object) -> None:
        raise error

    return refuse


def test_the_pages_of_a_team_are_found_before_anybody_asks(ours: Site) -> None:
    """Also those of the next night; the pages of a night that was not prepared go through it themselves."""
    nights(ours.store)
    assert [500, 500] == opens(ours)
    prepared = warm_up.prepare(ours)
    assert [200, 200] == opens(ours)
    publish_night(ours.store, MONDAY.replace(day=24), account("A-old", HIGH), account("A-new", HIGH))
    assert [500, 500] == opens(ours)
    assert warm_up.prepare(ours, prepared) != prepared
    assert [200, 200] == opens(ours)


def test_a_night_is_prepared_once(ours: Site) -> None:
    nights(ours.store)
    prepared = warm_up.prepare(ours)
    with patch.object(warm_up, "team_of", _raising(AssertionError("again"))):
        assert prepared == warm_up.prepare(ours, prepared)


def test_a_server_prepares_what_is_published_while_it_runs(ours: Site) -> None:
    """It starts before there is a store at all, and is not put out by that."""
    looked, is_prepared, prepare = threading.Event(), threading.Event(), warm_up.prepare

    def watched(of: Site, prepared: str | None) -> str | None:
        looked.set()
        found = prepare(of, prepared)
        is_prepared.set()
        return found

    with patch.object(warm_up, "_SECONDS", 0.05), patch.object(warm_up, "prepare", watched), warm_up.warmed(ours):
        assert looked.wait(LONGEST)
        nights(ours.store)
        is_prepared.clear()
        assert is_prepared.wait(LONGEST)
        is_prepared.clear()
        assert is_prepared.wait(LONGEST), "it looks again"
    assert [200, 200] == opens(ours)
