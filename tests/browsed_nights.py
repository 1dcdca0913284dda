"""Nights to be looked at: every state that an account can be in, names too long for their place, and what was done."""

from datetime import date, timedelta

import sample_evidence
from console import FRIDAY
from digest_nights import (
    BEFORE,
    HEADLINE,
    HIGH,
    INES,
    LOW,
    MEDIUM,
    MONDAY,
    TOM,
    account,
    leaving,
    publish_night,
)
from pandas import DataFrame
from sample_nights import BANDS, CATALOGUE, NOW, make_book, publish, run

from pipeline.console.site import Site
from pipeline.people.connection import writing
from pipeline.people.deeds import Called, Form, Later, NotARisk, record, record_note, record_outcome
from pipeline.people.schema import new_id
from pipeline.people.users import Role, add, deactivate, find
from pipeline.store.making import prepare
from pipeline.store.packed_weeks import week_of

LONG = (
    "Vereinigte Süddeutsche Schienenfahrzeuginstandhaltungsgesellschaft und Söhne, Niederlassung Garmisch-Partenkirchen"
)
LONG_ID = "0f7c1a9e-5b1d-4c33-9e9b-" + "d2b8a0e67f41" * 5
LONG_CHINESE = "北京晨光科技有限公司上海浦东新区张江高科技园区第三分公司客户成功与长期合作伙伴关系管理中心"
NORA, GONE = "nora@example.com", "gone@example.com"
DONE = "d" * 32
"""The id of the call that Ines has just made."""


def accounts() -> list[dict[str, object]]:
    """Ines has six to call and two for each fold; Tom and nobody have one each."""
    full = account("A-new", HIGH, data=3.0, owner=INES, name="北京晨光科技有限公司", renews_on=date(2026, 12, 31))
    full |= {"segment": "Mid-market", "plan": "Professional", "horizons": {30: 0.1, 60: 0.269, 90: 0.34}}
    full["facts"] |= {"days_to_renewal": 38.0}
    young = {"since": MONDAY - timedelta(days=10)}
    return [
        full,
        account("A-old", MEDIUM, data=0.2, name="Café Zürich & <b>Söhne</b>", mrr=12345.6),
        account(LONG_ID, HIGH, name=LONG, mrr=1234567.0, segment=LONG[:40], plan=LONG[:30]),
        account("A-long-zh", HIGH, data=-0.5, name=LONG_CHINESE, mrr=2000.0),
        account("A-early", HIGH, data=2.0, mrr=900.0),
        account("A-done", HIGH, mrr=800.0),
        account("A-later", HIGH, mrr=700.0),
        account("A-none", HIGH, mrr=600.0),
        account("A-fine", LOW, mrr=None),
        account("A-late", HIGH, involuntary=0.8),
        leaving("A-going"),
        leaving("A-going-sometime", None),
        account("A-young", LOW, **young),
        account("A-lapsed", state="lapsed", last_day=date(2026, 11, 20)),
        account("T-1", HIGH, owner=TOM),
        account("N-1", MEDIUM, owner=None),
        *(account(f"B-{number:02}", LOW, mrr=100.0 + number, owner=TOM) for number in range(60)),
    ]


def usual(of: Site) -> None:
    """Five nights with a change of the model, the last one with all that an account's page can show."""
    earlier = [account(each["account_id"], LOW, owner=each["owner"]) for each in accounts()]  # type: ignore[arg-type]
    gone = account("A-gone", MEDIUM)
    for weeks in (4, 3):
        publish_night(of.store, MONDAY - timedelta(weeks=weeks), *earlier, gone, model_digest="m0")
    publish_night(of.store, BEFORE, *earlier, gone)
    publish_night(of.store, FRIDAY, *earlier)
    frame = DataFrame([*accounts(), account("A-quiet", LOW)])
    book = make_book(frame, bands=BANDS, new_days=28, as_of=MONDAY)
    last = week_of(MONDAY - timedelta(days=1))
    used = {week: (300.0 - 9 * (week - last + 20), 5, week % 3) for week in range(last - 20, last + 1)}
    tickets = [sample_evidence.ticket(MONDAY - timedelta(days=5 + 9 * number)) for number in range(15)]
    seen = sample_evidence.made(MONDAY, {"A-new": used}, happened={"A-new": tickets})
    headline = HEADLINE | {"compared_with": str(BEFORE), "base_rate": 0.05}
    publish(of.store, run("r1", as_of=MONDAY, **headline), book, CATALOGUE, finished_at=NOW, evidence=seen)
    _done(of)


def _done(of: Site) -> None:
    """What the people of the site have done, among them one who has gone and one who has no customers."""
    people: list[tuple[str, Role]] = [(NORA, "csm"), (GONE, "csm")]
    with writing(of.people) as connection:
        for email, role in people:
            add(connection, email, role, of.clock())
        gone, ines = find(connection, GONE), find(connection, INES)
        assert gone is not None
        assert ines is not None
        deactivate(connection, gone, of.clock())

    def form(account_id: str, form_id: str = "", as_of: date = MONDAY) -> Form:
        return Form(form_id or new_id(), ines.user_id, account_id, as_of, of.clock(), MONDAY)

    def write(sent: Form, deed: Called | Later | NotARisk) -> None:
        record(of.people, sent, deed, rest_days=14, families=("contract", "support"))

    write(form("A-done", DONE), Called(True, "support", "Send the offer for two years", MONDAY + timedelta(days=9)))
    write(form("A-later"), Later(MONDAY + timedelta(days=20)))
    write(form("A-none"), NotARisk("seasonal"))
    write(form("A-early", as_of=BEFORE), Called(False))
    record_outcome(of.people, form("A-done"), "stays", DONE)
    record_note(of.people, form("A-done"), f"They move.\n{LONG}\nhttps://crm.example.com/{LONG_ID}")


def by_rules(of: Site) -> None:
    """A night that rules order, on which two sources were out."""
    outages = {"usage": ["2026-11-20", "2026-11-22"], "page_visits": ["2026-11-22", "2026-11-22"]}
    few = {"departures": 40, "needed": 100}
    publish_night(of.store, MONDAY, *accounts(), starter=few, outages=outages)


def nothing(of: Site) -> None:
    """No night yet, in a store that was made."""
    prepare(of.store)


def no_store(_: Site) -> None:
    """Not even a store."""


def many(of: Site, each: int = 5_000) -> None:
    """A book of so many accounts for one manager."""
    book = [account(f"A-{number:05}", (HIGH, MEDIUM, LOW, LOW, LOW)[number % 5]) for number in range(each)]
    publish_night(of.store, BEFORE, *book)
    publish_night(of.store, MONDAY, *book)
