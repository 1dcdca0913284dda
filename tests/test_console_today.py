"""Today: the line, the list and what stands before it, as a manager and their head read it."""

import re
from datetime import timedelta

import pytest
from console import ADA, FRIDAY, MARA, Clock, browser, deeds, let_in, nights, site, words
from digest_nights import BEFORE, HIGH, INES, LOW, MEDIUM, MONDAY, TOM, account, leaving, publish_night
from sqlalchemy import Engine


def test_the_first_line_says_who_needs_a_call(store: Engine, people: Engine) -> None:
    """The day, how many of how many, how many of them are new, and how old it is."""
    nights(store)
    ours = site(store, people)
    page = words(let_in(ours, INES).get("/"))
    assert page.startswith(
        "Monday 23 November 2 of your 4 customers need a call this week 1 new since Friday · scored 03:12 UTC"
    )


def test_an_entry_says_what_a_call_needs(store: Engine, people: Engine) -> None:
    """Name, odds, band, money, renewal, reasons and what changed; the greatest loss is first."""
    nights(store)
    page = words(let_in(site(store, people), INES).get("/"))
    first, second = page.index("北京晨光科技有限公司 New"), page.index("Café Zürich & <b>Söhne</b>")
    assert second < first, "12,346 at 12 % is more than 1,000 at 27 %"
    entry = page[first:]
    assert "1 in 4 within 60 days" in entry
    assert "High risk · MRR 1,000 USD · renews 31 December" in entry
    assert "Active on 6 of the last 28 days; 19 is normal for them." in entry
    assert "Up: it was 1 in 56 on 16 November" in entry
    assert "MRR 12,346 USD" in page
    assert "Customer A-tom" not in page


def test_in_chinese_nothing_english_is_left(store: Engine, people: Engine) -> None:
    """Interface, reasons, odds and dates, by the language that the browser asks for."""
    nights(store)
    page = words(let_in(site(store, people), INES, **{"accept-language": "zh-CN,zh;q=0.9,en;q=0.8"}).get("/"))
    assert page.startswith(
        "11 月 23 日 星期一 您的 4 家客户中,本周有 2 家需要联系 星期五以来新增 1 家 · 计算于 03:12 UTC"
    )
    entry = page[page.index("北京晨光") :]
    assert "60 天内每 4 家有 1 家流失" in entry
    assert "高风险 · MRR 1,000 USD · 12 月 31 日续约" in entry
    assert "近 28 天有 6 天在用,平时是 19 天。" in entry
    assert "比 11 月 16 日时高,当时每 56 家有 1 家" in entry


def test_nobodys_customers_are_everybodys(store: Engine, people: Engine) -> None:
    nights(store)
    page = words(let_in(site(store, people), INES).get("/"))
    assert "Customer A-free" in page[page.index("Without a manager 1") :]


def test_a_manager_sees_all_books(store: Engine, people: Engine) -> None:
    """The most at stake first, whose it is beside it, and how many calls each manager has."""
    nights(store)
    answer = let_in(site(store, people), MARA).get("/")
    page = words(answer)
    assert page.startswith("Monday 23 November 4 of 6 customers need a call this week 1 new since Friday")
    assert f"1,000 USD · {TOM}" in page
    assert f"By manager {INES} 2 calls {TOM} 1 call" in page
    assert f'href="/?owner={TOM.replace("@", "%40")}"' in answer.text or f'href="/?owner={TOM}"' in answer.text


def test_a_csm_opens_anothers_list_where_all_may(store: Engine, people: Engine) -> None:
    nights(store)
    ours = site(store, people)
    answer = let_in(ours, INES).get("/", params={"owner": "TOM@example.com"})
    assert "One of 1 customers needs a call this week" in words(answer)
    assert "Customer A-tom" in words(answer)
    assert f"The list of {TOM}" in words(answer)


@pytest.mark.parametrize("path", ["/?owner=tom@example.com", "/?owner=TOM@example.com", "/?owner=%20tom@example.com"])
def test_where_csms_see_their_own_no_address_leads_to_anothers(store: Engine, people: Engine, path: str) -> None:
    nights(store)
    ines = let_in(site(store, people, csm_sees="own"), INES)
    assert 403 == ines.get(path).status_code
    assert "Whose list" not in ines.get("/").text
    assert 200 == ines.get(f"/?owner={INES}").status_code


def test_an_empty_list_is_an_answer(store: Engine, people: Engine) -> None:
    publish_night(store, MONDAY, account("A-fine", LOW))
    page = words(let_in(site(store, people), INES).get("/"))
    assert page.startswith("Monday 23 November None of your 2 customers needs a call this week scored 03:12 UTC")
    assert "Nobody is at medium or high risk. That is an answer" in page


def test_who_owns_nobody_is_told_so(store: Engine, people: Engine) -> None:
    publish_night(store, MONDAY, account("A-tom", HIGH, owner=TOM))
    page = words(let_in(site(store, people), ADA).get("/?owner=nobody@example.com"))
    assert "No customers belong to nobody@example.com" in page


def test_before_the_first_night_it_says_what_to_run(store: Engine, people: Engine) -> None:
    """The console makes no store, and migrates none: it names what has to be done."""
    answer = let_in(site(store, people), INES).get("/")
    assert 503 == answer.status_code
    assert "churn score" in answer.text


def test_an_old_night_says_so(store: Engine, people: Engine) -> None:
    nights(store)
    clock = Clock()
    ines = let_in(site(store, people, clock=clock), INES)
    assert "old, of" not in words(ines.get("/"))
    clock.later(hours=11)
    ines.get("/")
    clock.later(hours=11)
    ines.get("/")
    clock.later(hours=11)
    assert words(ines.get("/")).startswith("These figures are a day old, of 23 November.")


def test_a_source_that_was_out_is_named(store: Engine, people: Engine) -> None:
    publish_night(
        store, MONDAY, account("A-1", HIGH), outages={"usage": ["2026-11-18", "2026-11-20"]}, usage_until="2026-11-19"
    )
    page = words(let_in(site(store, people), INES).get("/"))
    assert "Usage data of 18 November to 20 November is missing, for everybody." in page
    assert "Usage data ends on 19 November" in page


@pytest.mark.parametrize(
    ("departures", "told"),
    [(40, "40 of the 100 departures that a model needs"), (250, "no model learned from 250 departures")],
)
def test_an_order_by_rules_gives_no_odds(store: Engine, people: Engine, departures: int, told: str) -> None:
    publish_night(store, MONDAY, account("A-1", HIGH, data=1.0), starter={"departures": departures, "needed": 100})
    page = words(let_in(site(store, people), INES).get("/"))
    assert told in page
    assert "High risk" in page
    assert not {"1 in", "within", "Up:"} & {each for each in ("1 in", "within", "Up:") if each in page}


def test_accounts_of_one_parent_are_one_call(store: Engine, people: Engine) -> None:
    children = [
        account(f"A-{n}", HIGH if n else LOW, root_id="A-0", name="Harbour Group" if n == 0 else f"Harbour {n}")
        for n in range(3)
    ]
    publish_night(store, MONDAY, *children)
    page = words(let_in(site(store, people), INES).get("/"))
    assert "One of your 4 customers needs a call" in page
    assert "Harbour Group" in page
    assert "3 accounts, one call; odds and reasons are those of Harbour 1" in page


def test_a_name_leads_to_the_page_of_the_account(store: Engine, people: Engine) -> None:
    """Whatever its id is made of."""
    publish_night(store, MONDAY, account("A/1 ?#", HIGH))
    assert 'href="/accounts/A%2F1%20%3F%23"' in let_in(site(store, people), INES).get("/").text


def test_below_the_list_stands_who_takes_no_call_and_why(store: Engine, people: Engine) -> None:
    """Folded, each with its count: gave notice, payments, new customers, off the list since last week."""
    names = ("left", "better", "moved", "stays")
    publish_night(store, BEFORE, *(account(f"A-{name}", HIGH, name=f"Customer {name}") for name in names))
    young = account("A-young", HIGH, since=MONDAY - timedelta(days=5), name="Customer young")
    late = account("A-late", HIGH, families={"billing": 2.0}, name="Customer late")
    publish_night(
        store,
        MONDAY,
        account("A-better", LOW, data=LOW - HIGH, name="Customer better"),
        account("A-moved", HIGH, owner=TOM, name="Customer moved"),
        account("A-stays", HIGH, name="Customer stays"),
        leaving("A-going", name="Customer going"),
        leaving("A-sometime", last_day=None, name="Customer sometime", mrr=10.0),
        young,
        late,
    )
    ours = site(store, people)
    answer = let_in(ours, INES).get("/")
    page = words(answer)
    assert page.startswith("Monday 23 November One of your 5 customers needs a call this week")
    folded = page[page.index("Gave notice 2") :]
    told = [
        "Gave notice 2 They have said that they leave. They are in no list and in no forecast.",
        "Customer going last day 31 December MRR 1,000 USD",
        "Customer sometime last day not known MRR 10 USD",
        "Payments 1 At risk most of all over payment: a reminder, no call. "
        "Suggested: Remind of the payment, without a call Customer late",
        "New customers 1 Too young for a risk that means something. What is known of their beginning:",
        "Customer young Active on 6 of the last 28 days; 19 is normal for them. Four tickets",
        "Off the list since last week 3 They were on the list of 16 November.",
        "Customer better recovered",
        "Customer left left",
        f"Customer moved now belongs to {TOM}",
    ]
    places = [folded.index(each) for each in told]
    assert sorted(places[:7]) == places[:7]
    assert "1 in 4" not in folded
    assert 'details class="folded" open' not in answer.text
    chinese = words(let_in(ours, INES, **{"accept-language": "zh"}).get("/"))
    for each in (
        "已提出终止 2",
        "最后一天 12 月 31 日",
        "付款问题 1",
        "新客户 1",
        "上周在名单上、现在不在 3",
        "已好转",
    ):
        assert each in chinese


def test_of_many_new_customers_some_are_shown_and_all_counted(store: Engine, people: Engine) -> None:
    since = MONDAY - timedelta(days=3)
    publish_night(
        store, MONDAY, *(account(f"A-{number}", HIGH, since=since, mrr=float(number)) for number in range(30))
    )
    ours = site(store, people)
    for who in (INES, MARA):
        page = words(let_in(ours, who).get("/"))
        assert "New customers 30" in page
        assert "Customer A-29" in page
        assert "Customer A-4" not in page
        assert "5 more are not shown." in page


def test_who_waits_for_a_place_is_counted(store: Engine, people: Engine) -> None:
    publish_night(store, MONDAY, *(account(f"A-{number}", HIGH, mrr=1000.0 - number) for number in range(5)))
    page = words(let_in(site(store, people, calls_per_week=3), INES).get("/"))
    assert "3 of your 6 customers need a call this week" in page
    assert "2 more would take a call; each place that becomes free goes to the next of them." in page
    assert "Customer A-3" not in page


def test_a_suggestion_follows_from_the_reasons_that_are_said(store: Engine, people: Engine) -> None:
    """The play of the first one's family, with its steps folded."""
    publish_night(store, MONDAY, account("A-1", HIGH, usage=0.1))
    page = words(let_in(site(store, people), INES).get("/"))
    assert page.index("Four tickets in the last 28 days.") < page.index(
        "Suggested: Give their tickets one senior owner"
    )
    assert "Read their open tickets yourself before you call." in page


def test_all_books_are_as_they_are_each(store: Engine, people: Engine) -> None:
    """What a manager reads of all is what each reads of theirs, in one order, whoever writes an address how."""
    rows = [
        account(
            f"A-{number}",
            HIGH if number % 3 else MEDIUM,
            mrr=1000.0 - number,
            owner=(INES, "Ines@Example.com", TOM)[number % 3],
        )
        for number in range(12)
    ]
    publish_night(store, FRIDAY, *rows[:6])
    publish_night(store, MONDAY, *rows, account("A-free", HIGH, owner=None))
    ours = site(store, people, calls_per_week=2)
    mara = let_in(ours, MARA)

    def listed(path: str) -> list[str]:
        page = mara.get(path).text.partition('<div class="folds">')[0]
        return re.findall(r'<h2><a href="/accounts/([^"]*)"', page)

    of_each = {email: listed(f"/?owner={email}") for email in (INES, TOM)}
    assert {INES: 2, TOM: 2} == {email: len(found) for email, found in of_each.items()}
    every = listed("/")
    assert {"A-free", *of_each[INES], *of_each[TOM]} == set(every)
    for found in of_each.values():
        assert found == [each for each in every if each in found]
    page = words(mara.get("/"))
    assert page.startswith("Monday 23 November 5 of 14 customers need a call this week 1 new since Friday")
    assert f"By manager {INES} 2 calls {TOM} 2 calls" in page


def test_who_saw_a_list_is_written_down(store: Engine, people: Engine) -> None:
    nights(store)
    ours = site(store, people)
    let_in(ours, INES).get("/")
    assert [("list seen", INES)] == deeds(ours)


def test_what_customers_are_called_is_text(store: Engine, people: Engine) -> None:
    """A name with markup is shown, not obeyed."""
    nights(store)
    answer = let_in(site(store, people), INES).get("/")
    assert "&lt;b&gt;Söhne&lt;/b&gt;" in answer.text
    assert "<b>" not in answer.text


def test_signed_out_there_is_nothing_to_see(store: Engine, people: Engine) -> None:
    nights(store)
    answer = browser(site(store, people)).get("/?owner=ines@example.com")
    assert (303, "/sign-in?next=/%3Fowner%3Dines%40example.com") == (answer.status_code, answer.headers["location"])
    assert "A-new" not in answer.text


def test_a_last_look_of_a_week_ago_is_told_by_its_day(store: Engine, people: Engine) -> None:
    """On a Monday "since Monday" would be today."""
    publish_night(store, BEFORE, account("A-1", LOW))
    publish_night(store, MONDAY, account("A-1", HIGH, data=3.0))
    assert "1 new since 16 November · scored" in words(let_in(site(store, people), INES).get("/"))
