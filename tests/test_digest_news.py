"""What a manager is told of a night: a change that the customer made, once, and nothing that something else moved."""

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from digest_nights import (
    BEFORE,
    HIGH,
    INES,
    LOW,
    MEDIUM,
    MONDAY,
    TOM,
    account,
    drafts_of,
    leaving,
    letters_of,
    publish_night,
    settings_of,
)
from sqlalchemy import Engine, insert

from pipeline.digest.news import Change
from pipeline.errors import FailedError, StoreMissing
from pipeline.people.connection import connect as connect_people
from pipeline.people.connection import prepare, writing
from pipeline.people.forgotten import PSEUDONYM
from pipeline.people.schema import ANNOUNCEMENTS, MESSAGES
from pipeline.settings import Settings
from pipeline.store.connection import clock, connect

TUESDAY = MONDAY + timedelta(days=1)
Account = dict[str, Any]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_of(tmp_path)


@pytest.fixture
def store(settings: Settings) -> Iterator[Engine]:
    """In SQLite; what the digest reads there is read in both databases by `test_digest.py`."""
    engine = connect(settings.located(settings.store.url))
    yield engine
    engine.dispose()


def announced(settings: Settings, as_of: date = MONDAY) -> dict[str, str]:
    """What Ines is told of which account."""
    letter = letters_of(settings, as_of).get(INES)
    return {} if letter is None else {name: change.value for name, change in letter.announced.items()}


def was_announced(settings: Settings, as_of: date, account_id: str, change: str, state: str = "sent") -> None:
    """A letter of an earlier night that named the account."""
    people = connect_people(settings.located(settings.store.url))
    prepare(people)
    key = {"as_of": as_of, "recipient": INES, "channel": "mail"}
    with writing(people) as connection:
        row = key | {"state": state, "claimed_at": clock(connection), "claim": "0"}
        connection.execute(insert(MESSAGES).values(**row))
        connection.execute(insert(ANNOUNCEMENTS).values(**key, account_id=account_id, change=change))
    people.dispose()


@pytest.mark.parametrize(
    ("then", "now", "told"),
    [
        (account("A", LOW), account("A", HIGH, data=3.0), "new"),
        (account("A", LOW), account("A", MEDIUM, data=1.0, time=1.0), "new"),
        (account("A", MEDIUM), account("A", HIGH, data=1.0), "worse"),
        (account("A", HIGH), account("A", LOW, data=-3.0), "recovered"),
        (account("A", MEDIUM), account("A", LOW, data=-2.0), "recovered"),
        (account("A", MEDIUM), leaving("A"), "notice"),
        (account("A", LOW), leaving("A", None), "notice"),
        # The band changed, and the odds by less than half.
        (account("A", -2.4), account("A", -2.1, data=0.3), None),
        (account("A", -1.9), account("A", -2.5, data=-0.6), None),
        (account("A", -2.0), account("A", -2.7, data=-0.7), "recovered"),
        # The odds moved, and the band did not.
        (account("A", -1.5), account("A", 1.0, data=2.5), None),
        (account("A", -6.0), account("A", -3.0, data=3.0), None),
        # Still on the list, though it is better.
        (account("A", HIGH), account("A", MEDIUM, data=-1.0), None),
        # A notice that is known since before, or was withdrawn.
        (leaving("A"), leaving("A"), None),
        (leaving("A"), account("A", HIGH, data=float("nan"), time=float("nan")), None),
    ],
)
def test_what_is_news(store: Engine, settings: Settings, then: Account, now: Account, told: str | None) -> None:
    """The band changed and the odds moved by half: up to 1.5 times, or down to 0.5 times what they were."""
    publish_night(store, BEFORE, then)
    publish_night(store, MONDAY, now)
    assert ({} if told is None else {"A": told}) == announced(settings)


def test_a_payment_takes_no_call_and_no_message(store: Engine, settings: Settings) -> None:
    """Neither when it begins nor when it is paid."""
    unpaid: dict[str, Any] = {"families": {"billing": 2.0, "usage": 0.0}}
    publish_night(store, BEFORE, account("A", LOW), account("B", HIGH, **unpaid))
    publish_night(store, MONDAY, account("A", HIGH, data=3.0, **unpaid), account("B", LOW, data=-3.0))
    assert {} == announced(settings)


def test_what_another_model_moved_is_one_line_and_names_nobody(store: Engine, settings: Settings) -> None:
    """Nor does it add to what the customer did: under one model the odds have to move by half."""
    publish_night(store, BEFORE, account("A", LOW), account("B", LOW), account("C", LOW), account("D", HIGH))
    publish_night(
        store,
        MONDAY,
        account("A", HIGH, model=3.0),
        account("B", HIGH, model=2.7, data=0.3),
        account("C", HIGH, model=1.0, data=2.0),
        account("D", LOW, model=-3.0),
        model_digest="m2",
    )
    letter = letters_of(settings)[INES]
    assert {"C": Change.NEW} == letter.announced
    assert "another model orders the list: that alone moved 3 of your customers to another band" in letter.text
    assert all(f"Customer {quiet}" not in letter.text for quiet in "ABD")


def test_a_new_model_alone_is_told_once_a_week(store: Engine, settings: Settings) -> None:
    publish_night(store, BEFORE, account("A", LOW))
    publish_night(store, MONDAY, account("A", HIGH, model=3.0), model_digest="m2")
    publish_night(store, TUESDAY, account("A", HIGH, model=3.0), model_digest="m2", compared_with=str(BEFORE))
    letter = letters_of(settings, MONDAY)[INES]
    assert {} == letter.announced
    assert "Since 16 November another model orders the list: that alone moved one of your customers" in letter.text
    assert letter.subject == "Your customers, Mon 23 Nov: what another model or missing data moved"
    assert {} == letters_of(settings, TUESDAY)


def test_what_a_source_that_was_out_moved_is_one_line_and_names_nobody(store: Engine, settings: Settings) -> None:
    """Use is unknown tonight: what it said a week ago and no longer says is no news, what the tickets say is."""
    publish_night(store, BEFORE, account("A", LOW, usage=-1.0), account("B", LOW, usage=-1.0), account("C", HIGH))
    publish_night(
        store,
        MONDAY,
        account("A", HIGH, data=3.0, usage=2.0),
        account("B", HIGH, data=3.0, usage=-0.9),
        account("C", LOW, data=-3.0, usage=-1.8),
        outages={"usage": ["2026-11-19", "2026-11-22"]},
    )
    letter = letters_of(settings)[INES]
    assert {"B": Change.NEW} == letter.announced
    told = "Usage data of 19 November to 22 November are missing. That moved 2 of your customers to another band"
    assert told in letter.text


def test_a_source_that_came_back_names_nobody_either(store: Engine, settings: Settings) -> None:
    publish_night(store, BEFORE, account("A", LOW, usage=-1.0), outages={"usage": ["2026-11-14", "2026-11-15"]})
    publish_night(store, MONDAY, account("A", HIGH, data=3.0, usage=2.0))
    letter = letters_of(settings)[INES]
    assert {} == letter.announced
    assert "moved one of your customers" in letter.text


def test_an_outage_while_the_model_changes_names_nobody_but_who_leaves(store: Engine, settings: Settings) -> None:
    publish_night(store, BEFORE, account("A", LOW), account("B", LOW), outages={"usage": ["2026-11-14", "2026-11-15"]})
    publish_night(store, MONDAY, account("A", HIGH, data=2.0, model=1.0), leaving("B"), model_digest="m2")
    assert {"B": "notice"} == announced(settings)


def test_other_days_tell_only_notices_and_who_entered_high(store: Engine, settings: Settings) -> None:
    """Who was high the night before is told on Monday, if at all; a notice that no letter has told yet, at once."""
    names = "high medium recovered notice old-high old-notice told-notice".split()
    start = {name: account(name, LOW) for name in names} | {"recovered": account("recovered", HIGH)}
    publish_night(store, BEFORE + timedelta(days=1), *start.values())
    notices = {name: leaving(name) for name in ("old-notice", "told-notice")}
    old = {"old-high": account("old-high", HIGH, data=3.0)} | notices
    publish_night(store, MONDAY, *(start | old).values())
    was_announced(settings, MONDAY - timedelta(days=1), "told-notice", "notice")
    publish_night(
        store,
        TUESDAY,
        account("high", HIGH, data=3.0),
        account("medium", MEDIUM, data=2.0),
        account("recovered", LOW, data=-3.0),
        leaving("notice"),
        *old.values(),
    )
    assert {"high": "new", "notice": "notice", "old-notice": "notice"} == announced(settings, TUESDAY)


def test_a_flicker_is_not_told_again_within_a_fortnight(store: Engine, settings: Settings) -> None:
    """Thirteen days after it was named an account rests, fourteen days after it does not; a notice is told always."""
    publish_night(store, BEFORE, *(account(name, LOW) for name in ("A", "B", "C", "D")))
    publish_night(store, MONDAY, *(account(name, HIGH, data=3.0) for name in ("A", "B")), leaving("C"), leaving("D"))
    was_announced(settings, MONDAY - timedelta(days=13), "A", "recovered")
    was_announced(settings, MONDAY - timedelta(days=14), "B", "recovered")
    was_announced(settings, MONDAY - timedelta(days=3), "C", "worse")
    was_announced(settings, MONDAY - timedelta(days=2), "D", "notice")
    assert {"B": "new", "C": "notice"} == announced(settings)


def test_each_channel_remembers_what_it_told(store: Engine, settings: Settings) -> None:
    """A notice that the chat told while the mail server was down has still to be told by mail."""
    publish_night(store, BEFORE, account("A", LOW))
    publish_night(store, MONDAY, leaving("A"))
    was_announced(settings, MONDAY - timedelta(days=1), "A", "notice")
    drafts = drafts_of(settings, MONDAY, channels=("mail", "chat"))
    assert [("chat", {"A": "notice"})] == [(to.channel, letter.announced) for to, letter in drafts.letters]


def test_what_could_not_be_sent_has_named_nobody(store: Engine, settings: Settings) -> None:
    publish_night(store, BEFORE, account("A", LOW))
    publish_night(store, MONDAY, account("A", HIGH, data=3.0))
    was_announced(settings, MONDAY - timedelta(days=3), "A", "new", state="failed")
    assert {"A": "new"} == announced(settings)


def test_five_are_named_the_gravest_first_and_the_others_counted(store: Engine, settings: Settings) -> None:
    """Notices, then what is high by value at risk, then medium, then who recovered."""
    names = [f"A{number}" for number in range(7)]
    publish_night(store, BEFORE, *(account(name, LOW) for name in names), account("R", HIGH))
    publish_night(
        store,
        MONDAY,
        account("A0", MEDIUM, data=2.0, mrr=9000.0),
        *(account(name, HIGH, data=3.0, mrr=100.0 * number) for number, name in enumerate(names[1:6], 1)),
        leaving("A6", mrr=1.0),
        account("R", LOW, data=-3.0),
    )
    letter = letters_of(settings)[INES]
    assert ["A6", "A5", "A4", "A3", "A2"] == list(letter.announced)
    assert "Not named here: 2 new on the list, 1 recovered." in letter.text
    assert "Mon 23 Nov: 1 gave notice, 6 new on the list, 1 recovered" in letter.subject


def test_accounts_of_one_parent_are_one_entry(store: Engine, settings: Settings) -> None:
    """The sums are of all of them; all of them count as named."""
    children = ["P", "P-1", "P-2"]
    publish_night(store, BEFORE, *(account(name, LOW, root_id="P") for name in children))
    publish_night(store, MONDAY, *(account(name, HIGH, data=3.0, root_id="P", mrr=200.0) for name in children))
    letter = letters_of(settings)[INES]
    assert {"P", "P-1", "P-2"} == set(letter.announced)
    assert "1. Customer P (P)" in letter.text
    assert "2. " not in letter.text
    assert "MRR 600 USD, 161 of it at stake; 3 accounts, one call" in letter.text


def test_each_manager_gets_their_own_and_capitals_make_nobody_another(store: Engine, settings: Settings) -> None:
    owners = [INES, "Ines@Example.com", TOM, None]
    publish_night(store, BEFORE, *(account(f"A{place}", LOW, owner=owner) for place, owner in enumerate(owners)))
    publish_night(
        store, MONDAY, *(account(f"A{place}", HIGH, data=3.0, owner=owner) for place, owner in enumerate(owners))
    )
    found = drafts_of(settings)
    told = {envelope.recipient: set(letter.announced) for envelope, letter in found.letters}
    assert {INES: {"A0", "A1"}, TOM: {"A2"}} == told
    assert 1 == found.unowned
    assert "2 of your 3 customers are on the list." in letters_of(settings)[INES].text


def test_nothing_to_say_is_no_letter(store: Engine, settings: Settings) -> None:
    publish_night(store, BEFORE, account("A", HIGH))
    publish_night(store, MONDAY, account("A", HIGH, data=0.2))
    assert () == drafts_of(settings).letters


def test_who_moves_as_much_every_week_is_no_news(store: Engine, settings: Settings) -> None:
    """A customer whose use goes up and down; one that is steady is told of the same move, and a jump of both."""
    for weeks in range(6, 0, -1):
        restless = account("A", LOW, data=0.5 * (-1) ** weeks)
        jumpy = account("C", LOW, data=0.5 * (-1) ** weeks)
        publish_night(store, MONDAY - timedelta(weeks=weeks), restless, account("B", -2.5, data=0.1), jumpy)
    publish_night(
        store, MONDAY, account("A", -2.0, data=0.6), account("B", -2.0, data=0.5), account("C", MEDIUM, data=2.0)
    )
    assert {"B": "new", "C": "new"} == announced(settings)


def test_three_weeks_tell_nobody_what_is_usual(store: Engine, settings: Settings) -> None:
    for weeks in range(3, 0, -1):
        publish_night(store, MONDAY - timedelta(weeks=weeks), account("A", LOW, data=0.5))
    publish_night(store, MONDAY, account("A", -2.0, data=0.6))
    assert {"A": "new"} == announced(settings)


def test_the_first_nights_know_no_week(store: Engine, settings: Settings) -> None:
    """No change is told against less than seven days before; a notice is seen from one night to the next."""
    publish_night(store, TUESDAY - timedelta(days=1), account("A", LOW), account("B", LOW), compared_with=None)
    assert () == drafts_of(settings, MONDAY).letters
    publish_night(store, TUESDAY, account("A", HIGH, data=3.0), leaving("B"), compared_with=str(MONDAY))
    assert {"B": "notice"} == announced(settings, TUESDAY)


def test_a_week_without_its_monday_is_told_by_its_first_night(store: Engine, settings: Settings) -> None:
    """Monday's night was refused; Tuesday's brings the week's news, Wednesday's does not bring them again."""
    wednesday = TUESDAY + timedelta(days=1)
    for day in (TUESDAY, wednesday):
        publish_night(store, day - timedelta(days=7), account("A", LOW))
    for day in (TUESDAY, wednesday):
        publish_night(store, day, account("A", MEDIUM, data=2.0))
    assert {"A": "new"} == announced(settings, TUESDAY)
    assert {} == announced(settings, wednesday)


def test_who_was_forgotten_is_no_news(store: Engine, settings: Settings) -> None:
    """The pseudonym in their place would be new to the list."""
    publish_night(store, BEFORE, account("A", LOW))
    publish_night(store, MONDAY, account("A", LOW), account(f"{PSEUDONYM}0123456789abcdef", HIGH, data=3.0))
    assert {} == announced(settings)


def test_an_older_night_is_no_news(store: Engine, settings: Settings) -> None:
    """Unless it is asked for by its date: today's may be on its way."""
    publish_night(store, BEFORE, account("A", LOW))
    with pytest.raises(FailedError, match=r"2026-11-23 is not published; the newest is that of 2026-11-16, .*--as-of"):
        drafts_of(settings)
    assert BEFORE == drafts_of(settings, BEFORE).as_of


def test_a_night_that_is_not_there_is_asked_for_in_vain(store: Engine, settings: Settings) -> None:
    publish_night(store, BEFORE, account("A", LOW))
    with pytest.raises(StoreMissing, match="2026-11-23 is not published"):
        drafts_of(settings, MONDAY)
