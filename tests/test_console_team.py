"""The page Team: its figures against a second computation from the published nights, and what it says where it can tell
nothing.
"""

import math
import random
import re
from collections import defaultdict
from collections.abc import Iterator
from datetime import date, timedelta
from html import unescape
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from console import ADA, INES, MARA, MONDAY, TOM, act, deeds, let_in, nights, site, words
from digest_nights import BANDS, HEADLINE, HIGH, LOW, MEDIUM, account, leaving, publish_night
from httpx2 import Response
from sample_nights import CATALOGUE, NOW, make_book, publish, run
from sqlalchemy import Engine, event, update

from pipeline.call_list import Book
from pipeline.console.reads.team import Asked, Team, team_of
from pipeline.console.site import Site
from pipeline.lost import NotYet, Said, said_before
from pipeline.people.connection import connect as connect_people
from pipeline.people.deeds import Called, Later
from pipeline.people.forgotten import PSEUDONYM
from pipeline.store.connection import connect, reading, writing
from pipeline.store.nights import AccountNight, Night, book, night
from pipeline.store.schema import PUBLISHED, RUNS, SCORES

OWNERS = (INES, "Ines@Example.com", TOM, "ute@example.com", None)
GRACE, HORIZON, CALLS = 30, 60, 2
WEEKLY = [MONDAY - timedelta(days=7 * weeks) for weeks in range(12, -1, -1)]


def publish_book(
    store: Engine, as_of: date, rows: list[dict[str, Any]], *, in_sample: bool = False, **told: Any
) -> None:
    """Publish a night that is as told, without accounts of others."""
    frame = pd.DataFrame([*rows, account("to be dropped")])
    made = make_book(frame, bands=BANDS, new_days=28, as_of=as_of)
    made = made[made["account_id"] != "to be dropped"]
    of = run(f"r{as_of}", as_of=as_of, **(HEADLINE | told))
    publish(store, type(of)(**(vars(of) | {"in_sample": in_sample})), made, CATALOGUE, finished_at=NOW)


def publish_weeks(store: Engine, seed: int = 3, accounts: int = 60) -> None:
    """A company over twelve weeks: risks move, customers leave, some come back, some are new."""
    rng = random.Random(seed)
    about = {
        f"A-{number:03}": {
            "owner": rng.choice(OWNERS),
            "segment": rng.choice(["small", "large & old", None]),
            "plan": rng.choice(["Team", "Basic", None]),
            "mrr": rng.choice([float("nan"), 100.0, 250.5, 4999.99]),
        }
        for number in range(accounts)
    }
    log_odds = {name: rng.choice([LOW, LOW, MEDIUM, HIGH]) for name in about}
    came = {name: rng.choice([WEEKLY[0]] * 5 + WEEKLY[1:8]) for name in about}
    left = {name: came[name] + timedelta(days=rng.randrange(7, 90)) for name in about if rng.random() < 0.5}
    back = {name: day + timedelta(days=rng.randrange(1, 40)) for name, day in left.items() if rng.random() < 0.2}
    for as_of in WEEKLY:
        rows = []
        for name, more in about.items():
            day = left.get(name)
            log_odds[name] = rng.choice([log_odds[name]] * 4 + [LOW, MEDIUM, HIGH])
            is_here = day is None or as_of <= day or back.get(name, date.max) < as_of
            if came[name] > as_of or (not is_here and (as_of - day).days > GRACE):
                continue
            shown = {} if is_here else {"state": "lapsed", "last_day": day}
            row = account(name, log_odds[name], usage=rng.choice([0.0, -1.0, 2.0]), since=came[name], **more, **shown)
            rows.append(row)
        publish_book(store, as_of, rows)


def ask(of: Site, calls_per_week: int = CALLS) -> Team:
    with reading(of.store) as published, reading(of.people) as people:
        newest = night(published)
        assert newest is not None
        return team_of(Asked(published, people, newest, of.teams, calls_per_week))


def books(store: Engine) -> dict[date, tuple[Night, dict[str, AccountNight]]]:
    with reading(store) as connection:
        days = connection.execute(PUBLISHED.select().with_only_columns(PUBLISHED.c.as_of)).scalars().all()
        found = {day: night(connection, day) for day in sorted(days)}
        return {
            day: (of, {each.account_id: each for each in book(connection, of)})
            for day, of in found.items()
            if of is not None
        }


@pytest.fixture
def team(store: Engine, people: Engine) -> Site:
    return site(store, people, calls_per_week=CALLS)


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Site]:
    """A site in SQLite whose store is still to be filled."""
    url = f"sqlite:///{tmp_path / 'churn.db'}"
    made = site(connect(url), connect_people(url))
    yield made
    made.store.dispose()
    made.people.dispose()


def test_the_parts_of_each_picture_add_up_to_the_whole_and_open_their_accounts(team: Site) -> None:
    """What stands in a row is what plain Python adds up, and the table behind its link has as many accounts."""
    publish_weeks(team.store)
    shown, mara = ask(team), let_in(team, MARA)
    _, tonight = books(team.store)[MONDAY]
    assert "value" == shown.measure
    whole = math.fsum(each.value_at_risk or 0.0 for each in tonight.values())
    assert whole == pytest.approx(shown.amount, abs=0.51)
    assert shown.mrr == pytest.approx(math.fsum(each.mrr or 0.0 for each in tonight.values() if each.risk is not None))
    assert sum(each.risk is not None for each in tonight.values()) == shown.customers
    kinds = {
        "owner": lambda each: each.owner and each.owner.lower(),
        "segment": lambda each: each.segment,
        "plan": lambda each: each.plan,
        "family": lambda each: each.largest_family,
    }
    assert list(kinds) == [group.by for group in shown.groups]
    for group in shown.groups:
        amounts: defaultdict[str | None, list[float]] = defaultdict(list)
        for each in tonight.values():
            amounts[kinds[group.by](each)].append(each.value_at_risk or 0.0)
        rows = {row.name: row for row in group.rows}
        assert amounts.keys() == rows.keys()
        assert shown.amount == sum(row.amount for row in rows.values()), "as printed"
        for name, row in rows.items():
            assert row.amount == pytest.approx(math.fsum(amounts[name]), abs=1.01)
            assert len(amounts[name]) == row.accounts
            assert row.link is not None
            assert row.accounts == accounts_found(mara.get(row.link)), row.link


def accounts_found(answer: Response) -> int:
    assert 200 == answer.status_code
    found = re.search(r"<h1>(\S+) accounts? found", answer.text)
    assert found is not None, words(answer)[:300]
    return 1 if found[1] == "One" else int(found[1].replace(",", ""))


def test_what_an_earlier_night_said_is_held_against_what_came(team: Site) -> None:
    """Its own MRR, of whoever it had scored and is gone or in a gap once its 60 days are over."""
    publish_weeks(team.store)
    every = books(team.store)
    then, until = MONDAY - timedelta(days=63), MONDAY - timedelta(days=3)
    before, after = every[then][1], every[MONDAY][1]
    lost = [
        each
        for each in before.values()
        if each.risk is not None
        and ((now := after.get(each.account_id)) is None or (now.state == "lapsed" and now.last_day < until))
    ]
    still_open = [each for each in lost if each.account_id in after]
    said = ask(team).said
    assert isinstance(said, Said)
    assert (then, until, MONDAY) == (said.as_of, said.until, said.counted_on)
    assert said.expected is not None
    assert said.expected.mrr == pytest.approx(math.fsum(each.value_at_risk or 0.0 for each in before.values()))
    assert said.expected.accounts == pytest.approx(math.fsum(each.risk or 0.0 for each in before.values()))
    assert len(lost) > len(still_open) > 0
    for told, expected in ((said.lost, lost), (said.open, still_open)):
        assert len(expected) == told.accounts
        assert math.fsum(each.mrr or 0.0 for each in expected) == pytest.approx(told.mrr)


def test_who_left_without_being_listed_is_whom_no_list_of_any_week_held(team: Site) -> None:
    publish_weeks(team.store)
    every, since = books(team.store), MONDAY - timedelta(days=63)
    gone = {
        name
        for name, each in every[since][1].items()
        if each.state != "lapsed" and (name not in every[MONDAY][1] or every[MONDAY][1][name].state == "lapsed")
    }
    listed = set()
    with reading(team.store) as published, reading(team.people) as people:
        for of, accounts in every.values():
            persons = {each.owner.lower() if each.owner else None for each in accounts.values()}
            listed |= {
                each.account_id
                for each in accounts.values()
                if each.state == "candidate" and each.rank is not None and each.rank <= CALLS
            }
            for person in persons:
                formed = Book.as_it_began(published, people, of, person).formed(CALLS)
                listed |= {line.account_id for entry in formed.listed for line in entry.lines}
    missed = ask(team).missed
    assert missed is not None
    assert (since, len(gone)) == (missed.since, missed.left)
    assert gone & listed
    assert gone - listed == {row.account_id for row in missed.rows}
    assert len(missed.rows) > 2
    for row in missed.rows:
        life = [(day, accounts.get(row.account_id)) for day, (_, accounts) in every.items()]
        scored = [(day, each) for day, each in life if each is not None and each.risk is not None]
        told_by, last = scored[-1]
        assert (told_by, last.owner, last.mrr) == (row.line.as_of, row.line.owner, row.line.mrr)
        assert (last.risk if last.band else None) == row.risk
        ends = [each.last_day for _, each in life if each is not None and each.last_day]
        assert (ends[-1] if ends else next(day for day, each in life if day > told_by and each is None)) == row.left_on
    amounts = [row.line.mrr or 0.0 for row in missed.rows]
    assert sorted(amounts, reverse=True) == amounts


def test_who_was_under_notice_in_all_nights_could_be_on_no_list(team: Site) -> None:
    then = MONDAY - timedelta(days=60)
    stays, low = account("A-stays"), account("A-low", LOW, mrr=70.0)
    publish_book(team.store, then, [stays, low, leaving("A-going", then + timedelta(days=20))])
    publish_book(team.store, MONDAY, [stays])
    missed = ask(team).missed
    assert missed is not None
    assert (2, ["A-low"]) == (missed.left, [row.account_id for row in missed.rows])


def test_the_first_line_says_what_is_expected_and_what_came_of_it(team: Site) -> None:
    then = MONDAY - timedelta(days=60)
    stays, goes = account("A-stays", MEDIUM, mrr=2_000_000.0), account("A-goes", HIGH, mrr=40_100.0)
    gap = account("A-gap", LOW, mrr=500.0)
    publish_book(team.store, then, [stays, goes, gap])
    lapsed = account("A-gap", state="lapsed", last_day=MONDAY - timedelta(days=5), mrr=500.0)
    publish_book(team.store, MONDAY, [stays, lapsed])
    page = words(let_in(team, MARA).get("/team"))
    assert "Expected to be lost within 60 days: 238,406 of 2.0 m USD MRR" in page
    assert "60 days before, on 24 September, it said 249,199; lost: 40,600." in page
    assert "Of what was lost, 500 may still come back" in page
    assert "Of 2 customers who left since 24 September. Customer A-gap left on 18 November" in page
    assert "last shown as low, 1 in 56, on 24 September MRR 500 USD" in page
    assert "Customer A-goes" not in page, "it stood on a list"
    assert "There is no night of a week ago to look at." in page
    chinese = words(let_in(team, MARA, **{"accept-language": "zh"}).get("/team"))
    assert "60 天内预计流失:MRR 200 万 USD 中的 238,406" in chinese
    assert "60 天前(9 月 24 日)预计流失 249,199;实际流失 40,600。" in chinese


def test_a_night_that_is_too_young_or_knew_what_came_is_held_against_nothing(team: Site) -> None:
    publish_book(team.store, MONDAY - timedelta(days=59), [account("A-1")])
    publish_book(team.store, MONDAY, [account("A-1")])
    mara = let_in(team, MARA)
    page = words(mara.get("/team"))
    assert "No night is 60 days old yet, so nothing can be held against it. The first can be on 24 November." in page
    publish_book(team.store, MONDAY - timedelta(days=70), [account("A-1"), account("A-2")], in_sample=True)
    with reading(team.store) as connection:
        newest = night(connection)
        assert newest is not None
        said = said_before(connection, newest)
    assert NotYet(60, MONDAY + timedelta(days=1), MONDAY - timedelta(days=70)) == said
    fresh = site_again(team)
    page = words(let_in(fresh, MARA).get("/team"))
    assert "The night of 14 September was scored afterwards, by a model that knew how it went on" in page
    assert "Nobody has left since 25 September" in page, "a night of hindsight listed nobody"


def site_again(of: Site) -> Site:
    """The same stores, and a console that remembers nothing."""
    return Site(store=of.store, people=of.people, address=of.address, clock=of.clock, calls_per_week=of.calls_per_week)


def test_rules_expect_nothing(small: Site) -> None:
    """Their order has bands: the customers in high are told apart instead, and found by that filter."""
    rules = {"starter": {"departures": 3, "needed": 100}}
    rows = [account("A-1", HIGH), account("A-2", HIGH, owner=TOM), account("A-3", LOW)]
    publish_book(small.store, MONDAY - timedelta(days=60), [*rows, account("A-4", HIGH, mrr=700.0)], **rules)
    publish_book(small.store, MONDAY, rows, **rules)
    mara = let_in(small, MARA)
    answer = mara.get("/team")
    page = words(answer)
    assert "2 of 3 customers are at high risk" in page
    assert "on 24 September, rules ordered the accounts and nothing was forecast; lost since: 700." in page
    links = row_links(answer)
    assert "/accounts?owner=tom%40example.com&band=high" in links
    assert [1, 1, 2] == [accounts_found(mara.get(link)) for link in links[:3]]


def row_links(answer: Response) -> list[str]:
    return [unescape(each) for each in re.findall(r'<span class="name"><a href="(/accounts\?[^"]*)"', answer.text)]


def test_without_an_mrr_accounts_are_expected(small: Site) -> None:
    unknown = float("nan")
    rows = [account("A-1", HIGH, mrr=unknown), account("A-2", MEDIUM, mrr=unknown)]
    publish_book(small.store, MONDAY - timedelta(days=60), [*rows, account("A-3", LOW, mrr=unknown)])
    publish_book(small.store, MONDAY, rows)
    page = words(let_in(small, ADA).get("/team"))
    assert "Expected to leave within 60 days: 0.4 of 2 customers" in page
    assert "on 24 September, it said 0 accounts; lost: 1 account." in page


@pytest.mark.parametrize(("question", "lost"), [({}, 1), ({"churn.event": "notice"}, 2), ({"churn.lead_days": 7}, 0)])
def test_what_counts_as_lost_is_what_the_model_was_asked(store: Engine, question: dict[str, Any], lost: int) -> None:
    """With `event = "notice"` whoever gave notice is lost; who left within the lead was nobody's to forecast."""
    then = MONDAY - timedelta(days=70)
    both = [account("A-goes"), account("A-notice")]
    publish_book(store, then, both, question=question)
    publish_book(store, then + timedelta(days=11), both[1:], question=question)
    publish_book(store, MONDAY, [leaving("A-notice")], question=question)
    with reading(store) as connection:
        newest = night(connection)
        assert newest is not None
        said = said_before(connection, newest)
    assert isinstance(said, Said)
    assert lost == said.lost.accounts


def test_the_lists_of_a_week_ago_are_held_against_what_was_written_since(team: Site) -> None:
    nights(team.store)
    page = words(let_in(team, MARA).get("/team"))
    assert "ines@example.com 1 listed · 0 called 1 left alone : ines@example.com Café Zürich & <b>Söhne</b>" in page
    act(team, "A-old", Called(reached=True))
    act(team, "A-tom", Later(until=MONDAY + timedelta(days=9)))
    page = words(let_in(team, MARA).get("/team"))
    assert "ines@example.com 1 listed · 1 called all dealt with" in page
    assert "tom@example.com 1 listed · 0 called · 1 put off or no risk all dealt with" in page
    assert "Without a manager 1 listed · 0 called 1 left alone" in page


def test_who_was_dealt_with_had_been_seen(team: Site) -> None:
    rows = [account(f"A-{number}", HIGH, mrr=1000.0 - number) for number in range(4)]
    quiet = [account("A-quiet", LOW), account("A-gone", LOW, mrr=5.0)]
    publish_book(team.store, MONDAY - timedelta(days=7), [*rows, *quiet])
    act(team, "A-3", Called(reached=False))
    publish_book(team.store, MONDAY, [])
    missed = ask(team).missed
    assert missed is not None
    assert 6 == missed.left
    assert ["A-quiet", "A-2", "A-gone"] == [row.account_id for row in missed.rows], "most MRR first"


def test_load_counts_calls_of_a_person_however_their_address_is_written(team: Site) -> None:
    rows = [account(f"A-{number}", HIGH) for number in range(4)]
    rows += [account("A-5", HIGH, owner="Ines@Example.com"), account("A-6", LOW, owner=TOM)]
    rows += [account("A-7", HIGH, root_id="A-0"), account("A-8", LOW, owner=None)]
    publish_book(team.store, MONDAY, rows)
    load = {each.person: (each.calls, each.weeks) for each in ask(team).load}
    assert {INES: (5, 2.5), TOM: (0, 0.0), None: (0, 0.0)} == load, "accounts of one parent take one call"


@pytest.mark.parametrize("rows", [[], [leaving("A-1")], [account("A-1", LOW, owner=None)], [account("A-1", HIGH)]])
def test_small_companies_have_an_answer(small: Site, rows: list[dict[str, Any]]) -> None:
    publish_book(small.store, MONDAY, rows)
    for language in ("en", "zh"):
        answer = let_in(small, MARA, **{"accept-language": language}).get("/team")
        assert 200 == answer.status_code, answer.text
        assert not re.search(r"\bnan\b", words(answer))


def test_no_night_says_what_to_run(small: Site) -> None:
    publish_night(small.store, MONDAY)
    with writing(small.store) as connection:
        connection.execute(PUBLISHED.delete())
    assert "churn score" in words(let_in(small, MARA).get("/team"))


def test_names_are_text_and_those_that_no_address_can_ask_for_have_no_link(small: Site) -> None:
    script = "<script>alert(1)</script>"
    odd = [script, "-", " padded ", "a\nb", "x" * 300, 'quote"&amp;']
    rows = [account(f"A-{place}", LOW, name=script, segment=name, plan=name) for place, name in enumerate(odd)]
    rows += [account("A-9", HIGH, owner=f"{script}@example.com", name=script)]
    publish_book(small.store, MONDAY - timedelta(days=7), [*rows, account("A-gone", LOW, name=script, owner=script)])
    publish_book(small.store, MONDAY, rows)
    mara = let_in(small, MARA)
    answer = mara.get("/team")
    assert "<script" not in answer.text
    assert "&lt;script&gt;" in answer.text
    groups = {group.by: group for group in ask(small).groups}
    for row in [*groups["segment"].rows, *groups["owner"].rows]:
        if row.link is not None:
            assert row.accounts == accounts_found(mara.get(row.link)), row
    assert {"-", "a\nb"} <= {row.name for row in groups["segment"].rows if row.link is None}


def test_the_forgotten_are_counted_in_no_row_and_named_nowhere(team: Site) -> None:
    """Their amounts stay in the sums of the night, as they do elsewhere."""
    publish_book(team.store, MONDAY - timedelta(days=7), [account("A-1", HIGH), account("A-2", HIGH)])
    publish_book(team.store, MONDAY, [account("A-1", HIGH)])
    with writing(team.store) as connection:
        for name in ("A-1", "A-2"):
            gone = {"account_id": f"{PSEUDONYM}{name}", "name": None, "rank": None}
            connection.execute(update(SCORES).where(SCORES.c.account_id == name).values(**gone))
    shown = ask(team)
    assert [0] == [row.accounts for row in shown.groups[0].rows]
    assert shown.missed is not None
    assert (0, ()) == (shown.missed.left, shown.missed.rows)


def test_many_kinds_are_folded_and_still_add_up(small: Site) -> None:
    rows = [account(f"A-{number:03}", LOW, plan=f"plan {number:03}", mrr=10.0 + number) for number in range(130)]
    publish_book(small.store, MONDAY, rows)
    plans = next(group for group in ask(small).groups if group.by == "plan")
    assert (10, 90, 30) == (len(plans.rows), len(plans.folded), plans.kinds_left)
    assert plans.left is not None
    told = [row.amount for row in (*plans.rows, *plans.folded)]
    assert sum(told) + plans.left.amount == ask(small).amount
    assert "30 others" in words(let_in(small, MARA).get("/team"))


def test_it_is_for_those_who_lead(small: Site) -> None:
    nights(small.store)
    ines, mara = let_in(small, INES), let_in(small, MARA)
    assert 403 == ines.get("/team").status_code
    assert 'href="/team"' not in ines.get("/").text
    assert 'href="/team"' in mara.get("/").text
    assert 200 == mara.get("/team").status_code
    assert ("team seen", MARA) in deeds(small)


def test_all_of_it_is_read_at_one_moment(small: Site) -> None:
    """One transaction over the published nights: a night that is flipped meanwhile is seen whole or not at all."""
    nights(small.store)
    mara, began = let_in(small, MARA), []
    event.listen(small.store, "begin", lambda _: began.append(1))
    assert 200 == mara.get("/team").status_code
    assert [1] == began


def test_what_is_remembered_goes_with_the_run(small: Site) -> None:
    """A night that was scored again is added up again."""
    publish_book(small.store, MONDAY, [account("A-1", HIGH)])
    assert 269 == ask(small).amount
    with writing(small.store) as connection:
        connection.execute(update(SCORES).values(value_at_risk=5.0))
    assert 269 == ask(small).amount, "remembered"
    of = run("again", as_of=MONDAY, **HEADLINE)
    made = make_book(pd.DataFrame([account("A-1", LOW)]), bands=BANDS, new_days=28, as_of=MONDAY)
    publish(small.store, of, made, CATALOGUE, finished_at=NOW)
    assert 18 == ask(small).amount
    with reading(small.store) as connection:
        assert 1 == len(connection.execute(RUNS.select()).all())
