"""Plays: those of the product are complete in both languages, a company's own are read with plain errors."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from features.catalogue import Family
from pipeline.cli import main
from pipeline.errors import UsageError
from pipeline.plays import SHIPPED, Play, plays_page, read_plays, suggested
from pipeline.reason_families import FAMILIES

PLAYS = read_plays()
TABLES = '[data]\naccounts = "a.csv"\nsubscriptions = "s.csv"\n'

GOOD = """
[breakfast]
families = ["usage"]
effort = "low"
name = { en = "Invite them to breakfast", zh = "请他们吃早餐" }
steps = { en = ["Ask."], zh = ["问。"] }
"""


def keys(found: tuple[Play | None, tuple[Play, ...]]) -> list[str | None]:
    first, others = found
    return [first and first.key, *(play.key for play in others)]


def test_the_families_are_those_of_the_catalogue() -> None:
    """The names stand apart, for the console may not import features."""
    assert [family.value for family in Family] == list(FAMILIES)


def test_every_family_has_a_play() -> None:
    """Whatever weighs most, something fits; only payments take no call."""
    for family in FAMILIES:
        assert suggested(PLAYS, {family: 1.0}, call=family != "billing").first is not None
    assert ["payment_reminder"] == [play.key for play in PLAYS if not play.call]


def test_each_can_be_read_in_a_minute_in_both_languages() -> None:
    assert 8 <= len(PLAYS)
    for play in PLAYS:
        assert len(play.steps["en"]) == len(play.steps["zh"]) <= 4
        assert all(len(step) <= 160 for step in play.steps["en"])
        assert all(len(step) <= 70 for step in play.steps["zh"])
        assert all("\u4e00" <= step[0] <= "\u9fff" for step in (play.name["zh"], *play.steps["zh"]))
        assert play.name["en"].isascii()


@pytest.mark.parametrize(
    ("families", "expected"),
    [
        ({"support": 0.9, "usage": 0.2}, ["senior_support_owner"]),
        ({"support": 0.9, "market": 0.5}, ["senior_support_owner", "price_and_renewal", "executive_check_in"]),
        ({"usage": 0.3}, ["lost_habit", "new_contact", "seat_review", "onboarding_restart"]),
        ({"billing": 0.9}, [None]),
        ({"usage": -0.9, "support": 0.0}, [None]),
        ({}, [None]),
    ],
)
def test_what_is_suggested(families: dict[str, float], expected: list[str | None]) -> None:
    """The first play for what weighs most, then others that fit it or what weighs half as much."""
    assert expected == keys(suggested(PLAYS, families))


def test_who_takes_no_call_is_suggested_none() -> None:
    assert ["payment_reminder"] == keys(suggested(PLAYS, {"billing": 0.9, "usage": 0.8}, call=False))
    assert [None] == keys(suggested(PLAYS, {"usage": 0.8}, call=False))


@given(st.dictionaries(st.sampled_from([*FAMILIES, "other"]), st.floats(-3, 3)), st.booleans())
def test_nothing_is_suggested_twice_or_without_a_reason(families: dict[str, float], call: bool) -> None:
    found = [key for key in keys(suggested(PLAYS, families, call=call)) if key is not None]
    assert len(found) == len(set(found))
    raising = {name for name, added in families.items() if added > 0}
    assert all(raising & set(play.families) and play.call is call for play in PLAYS if play.key in found)


MISTAKES = {
    "no TOML": ("[a]\nname = Ask\n", "is no TOML that can be read"),
    "nothing in it": ("# nothing\n", "it holds no play"),
    "an unknown family": (
        GOOD.replace("usage", "mood"),
        r"\[breakfast\] families has 'mood': known are usage, support",
    ),
    "no family": (GOOD.replace('["usage"]', "[]"), r"families = \[\]: name at least one of usage"),
    "an unknown effort": (GOOD.replace("low", "none"), "effort = 'none': write one of low, medium, high"),
    "a misspelt key": (GOOD.replace("effort", "efort"), "has an unknown key 'efort': known are families, effort"),
    "a worded boolean": (GOOD + 'call = "no"\n', "call = 'no': write true or false, without quotes"),
    "one language": (GOOD.replace(', zh = ["问。"]', ""), r"steps\.zh = None: write a list of sentences"),
    "an empty name": (GOOD.replace("Invite them to breakfast", " "), r"name\.en = ' ': write how the play is called"),
    "an empty step": (GOOD.replace("Ask.", ""), r"steps\.en = \[''\]: write a list of sentences"),
    "no section": ("breakfast = 1\n" + GOOD.replace("breakfast", "b"), r"\[breakfast\] is 1: a play is a section with"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_told_in_plain_words(tmp_path: Path, mistake: str) -> None:
    """Which file, which play, the value seen, what is expected."""
    text, message = MISTAKES[mistake]
    file = tmp_path / "plays.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=message) as refused:
        read_plays(file)
    assert str(file) in str(refused.value)


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    file = tmp_path / "plays.toml"
    file.write_text(GOOD.replace("low", "none") + GOOD.replace("breakfast]", "lunch]").replace("usage", "mood"))
    with pytest.raises(UsageError) as refused:
        read_plays(file)
    assert ["[breakfast]", "[lunch]"] == [line.split()[0] for line in str(refused.value).splitlines()[1:]]


def test_the_command_shows_them_and_says_where_they_come_from(tmp_path: Path) -> None:
    config = tmp_path / "churn.toml"
    config.write_text(TABLES, encoding="utf-8")
    shown = CliRunner().invoke(main, ["plays", "-c", str(config)])
    assert (0, plays_page(PLAYS, SHIPPED, "en")) == (shown.exit_code, shown.stdout.removesuffix("\n"))
    assert shown.stdout.endswith(f"They come with the product: {SHIPPED}\n")
    config.write_text(f'{TABLES}[console]\nplays = "ours.toml"\n', encoding="utf-8")
    (tmp_path / "ours.toml").write_text(GOOD, encoding="utf-8")
    for language, name in (("en", "Invite them to breakfast"), ("zh", "请他们吃早餐")):
        shown = CliRunner().invoke(main, ["plays", "-c", str(config), "--language", language])
        assert shown.stdout.startswith(f"{name} [breakfast] · ")
        assert shown.stdout.endswith(f"[console] plays: {tmp_path / 'ours.toml'}\n")
    record = json.loads(CliRunner().invoke(main, ["plays", "-c", str(config), "--json"]).stdout)
    assert (str(tmp_path / "ours.toml"), False) == (record["file"], record["shipped"])
    (play,) = record["plays"]
    assert ("breakfast", ["usage"], "low", True) == tuple(play[name] for name in ("key", "families", "effort", "call"))
    assert {"en": ["Ask."], "zh": ["问。"]} == play["steps"]


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    config = tmp_path / "churn.toml"
    config.write_text(f'{TABLES}[console]\nplays = "ours.toml"\n', encoding="utf-8")
    shown = CliRunner().invoke(main, ["plays", "-c", str(config)])
    assert 2 == shown.exit_code
    assert f"There is no file {tmp_path / 'ours.toml'}" in shown.stderr
    assert "Copy the shipped one" in shown.stderr
