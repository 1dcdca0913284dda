"""What a person sees of a night in the terminal: its list, and one account."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import date, datetime, timedelta
from typing import Any, Final, Literal

from rich.cells import cell_len, set_cell_size
from sqlalchemy import Engine

from pipeline.amounts import STYLES, Language, money_word, plain_odds
from pipeline.headline import by_rules
from pipeline.night_age import is_old
from pipeline.retention import NIGHTS_WITH_REASONS
from pipeline.skill import skill_line
from pipeline.standing import change_of, risk_at
from pipeline.store.connection import reading
from pipeline.store.nights import AccountNight, Entry, Night, account, catalogue, most_at_stake, night
from pipeline.store.schema import UNSCORED
from pipeline.wording import all_sentences, top_sentences, weight

__all__ = ["account_page", "account_record", "list_page", "list_record"]

_WIDEST_NAME: Final = 28


def list_page(
    engine: Engine,
    config: str,
    as_of: date | None = None,
    limit: int = 5,
    now: datetime | None = None,
    arrival_hours: int = 0,
) -> str:
    """The calls with most at stake in a published night (the newest), each with its two main reasons.

    `config` is the option that the proposed commands need to find the same settings. With `now`, the headline says
    when the night is an old one; it could start `arrival_hours` after midnight.
    """
    with reading(engine) as connection:
        shown = night(connection, as_of)
        if shown is None:
            return "No night is published yet. Run: churn score"
        words = catalogue(connection, shown)
        entries = most_at_stake(connection, shown, limit)
    is_late = now is not None and is_old(shown, now, arrival_hours)
    lines = [_headline(shown, words, now if is_late else None), *_usage_end(shown)]
    nobody = "No customer is in the medium or high band."
    if by_rules(shown.headline) is None:
        nobody = f"No customer is above {_percent(words['bands']['medium'])}."
    lines += [_order(entries, shown), ""] if entries else ["", nobody]
    for title, entry in zip(_titles(entries, shown), entries, strict=True):
        lines += [title, *_below(entry, words, shown)]
    example = entries[0].worst.account_id if entries else "ACCOUNT"
    onward = " · Your own data: churn init FOLDER" if shown.headline["demo"] else ""
    return "\n".join([*lines, "", skill_line(shown.headline), f"One account: churn explain {example}{config}{onward}"])


def list_record(engine: Engine, as_of: date | None = None, limit: int = 5) -> list[dict[str, Any]]:
    """The same calls as plain data, each with the sentences shown."""
    with reading(engine) as connection:
        shown = night(connection, as_of)
        if shown is None:
            return []
        words = catalogue(connection, shown)["features"]
        entries = most_at_stake(connection, shown, limit)
    return [
        {
            **asdict(entry),
            **({"value_at_risk": None} if by_rules(shown.headline) else {}),
            "worst": _plain(entry.worst, shown),
            "sentences": [
                found.text for found in top_sentences(entry.worst.reasons, words, entry.worst.facts, shown.as_of)
            ],
        }
        for entry in entries
    ]


def _headline(shown: Night, words: Mapping[str, Any], old_at: datetime | None) -> str:
    head, bands = shown.headline, words["bands"]
    demo = "Demo, night" if head["demo"] else "Night"
    day = f"{shown.as_of:%a} {shown.as_of.day} {shown.as_of:%b %Y}"
    if old_at is not None:
        day += f" ({STYLES['months']((old_at.date() - shown.as_of).days, shown.as_of, 'en')} old)"
    apart = " and ".join(f"{head['states'][state]:,} {state}" for state in UNSCORED if head["states"].get(state))
    accounts = "1 account" if head["customers"] == 1 else f"{head['customers']:,} accounts"
    who = f"{demo} of {day} · {accounts}{apart and f', besides {apart}'}"
    if (rules := by_rules(head)) is not None:
        return f"{who}\n{rules}\nHigh: {head['bands']['high']:,} · medium: {head['bands']['medium']:,}"
    return (
        f"{who} · {head['base_rate'] * 100:.0f} in 100 leave in {head['horizon_days']} days\n"
        f"Accounts at high risk ({_percent(bands['high'])} or more): {head['bands']['high']:,} · "
        f"at medium risk ({_percent(bands['medium'])} or more): {head['bands']['medium']:,}"
    )


def _usage_end(shown: Night) -> Iterator[str]:
    """One line where the usage table ends before yesterday: nobody should take the gap for a customer's silence."""
    end = shown.headline.get("usage_until")
    if end is not None and date.fromisoformat(end) < shown.as_of - timedelta(days=1):
        last = date.fromisoformat(end)
        yield f"Usage data end on {last.day} {last:%B}: what accounts did after that is not known."


def _order(entries: Sequence[Entry], shown: Night) -> str:
    """What the list is sorted by, in which currency, and who is not on it although as much may be at stake there."""
    head, money = shown.headline, _money(shown)
    per = " in 30 days" if money == "orders" else ""
    order = f"Most {money} at stake first (risk × {money}{per}, {head['currency']})."
    if by_rules(head) is not None:
        order = f"Most {money} at stake first, as far as rules can tell ({head['currency']}{per})."
    if entries[0].value_at_risk is None:
        order = "Highest risk first."
    absent = {"new": "new", "payment": "to be reminded of payment"}
    counted = [f"{head['states'][state]:,} {who}" for state, who in absent.items() if head["states"].get(state)]
    return f"{order} Not listed: {', '.join(['accounts at low risk', *counted])}."


def _titles(entries: Sequence[Entry], shown: Night) -> list[str]:
    """A line for each entry, in columns; columns that nobody has anything in are left out."""
    worst, money = [entry.worst for entry in entries], _money(shown)
    names = [entry.worst.entry_name or "" for entry in entries]
    # What rules make of an account is an order: as a number it would look like more than it is.
    numbers = by_rules(shown.headline) is None
    columns = (
        _column("", [str(place) for place, _ in enumerate(entries, 1)], "right", at_least=2),
        _column("", [set_cell_size(name, min(cell_len(name), _WIDEST_NAME)) for name in names]),
        _column("", [plain_odds(each.risk or 0.0) if numbers else "" for each in worst]),
        _column("", [each.band or "" for each in worst]),
        _column(f"{money} ", [_amount(entry.mrr) for entry in entries], "right"),
        _column("at stake ", [_amount(entry.value_at_risk) if numbers else "" for entry in entries], "right"),
        _column("CSM ", [each.owner or "" for each in worst]),
        _column("", [each.account_id for each in worst]),
    )
    return ["  ".join(cells).rstrip() for cells in zip(*filter(None, columns), strict=True)]


def _column(
    label: str, texts: Sequence[str], side: Literal["left", "right"] = "left", at_least: int = 0
) -> list[str] | None:
    """The texts behind their label, as wide as the widest on a terminal; None where all are empty."""
    if not any(texts):
        return None
    width = max(at_least, *map(cell_len, texts))
    blanks = [" " * (width - cell_len(text)) for text in texts]
    labels = [label if text else " " * len(label) for text in texts]
    parts = zip(labels, blanks, texts, strict=True)
    return [lead + (blank + text if side == "right" else text + blank) for lead, blank, text in parts]


def _amount(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}"


def _money(shown: Night) -> str:
    return money_word(shown.headline.get("definition"))  # absent from nights that an older churn published


def _below(entry: Entry, words: Mapping[str, Any], shown: Night) -> Iterator[str]:
    """What stands below an entry's title: which account is spoken of where there are several, and the main reasons."""
    worst = entry.worst
    if entry.accounts > 1:
        of = "both" if entry.accounts == 2 else f"all {entry.accounts}"
        rules = by_rules(shown.headline) is not None
        sums = f"{_money(shown)} is of {of}; " if rules else f"{_money(shown)} and at stake are of {of}; "
        told = "reasons" if rules else "odds and reasons"
        summed = "" if entry.mrr is None else sums
        yield f"    {entry.accounts} accounts, one call: {summed}{told} are those of {worst.name or worst.account_id}."
    for found in top_sentences(worst.reasons, words["features"], worst.facts, shown.as_of):
        yield f"    {found.text}"


def _percent(share: float) -> str:
    """Where a band begins; below 10 % with one decimal, for there a half of one is much."""
    return f"{share * 100:.1f} %" if share < 0.0995 else f"{share * 100:.0f} %"


def account_page(engine: Engine, account_id: str, shown: Night, language: Language = "en") -> str | None:
    """One account of a night with its risk and all that can be said of it; None where it is not in the night.

    The reasons and their weights are told in the language.
    """
    with reading(engine) as connection:
        words = catalogue(connection, shown)
        found = account(connection, shown, account_id)
    if found is None:
        return None
    titled = f"{found.name} ({found.account_id})" if found.name else found.account_id
    lines = [f"{titled} · night of {shown.as_of}", *_usage_end(shown)]
    facts = [f"state {found.state}"]
    if found.owner:
        facts.append(f"CSM {found.owner}")
    if found.mrr is not None:
        per = " in 30 days" if _money(shown) == "orders" else ""
        facts.append(f"{_money(shown)} {_amount(found.mrr)} {shown.headline['currency']}{per}")
    rules = by_rules(shown.headline)
    if found.value_at_risk is not None and rules is None:
        facts.append(f"at stake {_amount(found.value_at_risk)}")
    lines.append(" · ".join(facts))
    if found.risk is None or found.log_odds is None:
        last = f", last day {found.last_day}" if found.last_day else ""
        return "\n".join([*lines, f"No risk is given: the account is {found.state}{last}."])
    bands, head = words["bands"], shown.headline
    lines.append(
        rules
        or f"Of accounts like this {plain_odds(found.risk)} leave within {head['horizon_days']} days "
        f"({found.risk * 100:.1f} %); {head['base_rate'] * 100:.0f} in 100 is usual."
    )
    if rules is None and len(found.horizons) > 1:
        told = [f"{days}: {plain_odds(risk)}" for days, risk in found.horizons.items()]
        lines.append(f"Within {', '.join(told).replace(':', ' days', 1)}.")
    if found.band:
        begin = f"; medium begins at {_percent(bands['medium'])}, high at {_percent(bands['high'])}"
        lines.append(f"Band {found.band}{'' if rules else begin}.")
    if found.state == "payment":
        likely = found.involuntary is not None and found.involuntary > 0.5
        why = (
            "If they leave, it will most likely be over payment" if likely else "What raises their risk most is billing"
        )
        lines.append(f"{why}: dunning, no call.")
    lines += [
        *_changes(found, shown),
        "",
        *_reasons(found, words, shown, language),
        "What the words mean: churn explain --help",
    ]
    return "\n".join(lines)


def account_record(engine: Engine, account_id: str, shown: Night, language: Language = "en") -> dict[str, Any]:
    """The same account as plain data; empty where it is not in the night.

    `sentences` are those of the page with the log-odds of each, in the language.
    """
    with reading(engine) as connection:
        words = catalogue(connection, shown)
        found = account(connection, shown, account_id)
    if found is None:
        return {}
    said = all_sentences(found.reasons, words["features"], found.facts, shown.as_of, language)
    return {
        "as_of": str(shown.as_of),
        "model_version": shown.model_version,
        "ordered_by": "a model" if by_rules(shown.headline) is None else "rules",
        **_plain(found, shown),
        "sentences": [{"text": each.text, "contribution": each.contribution} for each in said],
    }


def _plain(found: AccountNight, shown: Night) -> dict[str, Any]:
    """What is stored of an account, less the figures that an order by rules has no right to."""
    withheld: dict[str, Any] = (
        {} if by_rules(shown.headline) is None else {"risk": None, "value_at_risk": None, "horizons": {}}
    )
    return asdict(found) | withheld


def _changes(found: AccountNight, shown: Night) -> Iterator[str]:
    """One line on how the account moved since a week before, and by what."""
    moved = change_of(found, shown)
    if moved is None:
        return
    parts = {"what happened": moved.data, "time": moved.time, "another model": moved.model}
    told = ", ".join(f"{name} {part:+.3f}" for name, part in parts.items() if round(part, 3))
    risks = ""
    if by_rules(shown.headline) is None and found.risk is not None:
        risks = f"from {100 * risk_at(moved.before):.1f} % to {100 * found.risk:.1f} %, "
    day = moved.since
    yield f"Since {day.day} {day:%B}: {risks}log-odds {moved.whole:+.3f}" + (f" ({told})." if told else ".")


def _reasons(found: AccountNight, words: Mapping[str, Any], shown: Night, language: Language) -> Iterator[str]:
    """The sentences of the list first, in its order and with its weights; every column of log-odds adds up."""
    log_odds, base = found.log_odds or 0.0, found.base_log_odds or 0.0
    said = all_sentences(found.reasons, words["features"], found.facts, shown.as_of, language)
    numbers = by_rules(shown.headline) is None
    if not found.facts:
        yield f"Reasons are kept for {NIGHTS_WITH_REASONS} nights; of this one there is left what they add up to."

    def percent(log_odds: float) -> str:
        return f"  {100 / (1 + math.exp(-log_odds)):>8.1f} %" if numbers else ""

    blank = " " * len(percent(0.0))
    yield f"log-odds{'  without it' if numbers else ''}"
    for each in said:
        kind = set_cell_size(weight(each.contribution, said[0].contribution, language), 18)
        yield f"{each.contribution:+8.3f}{percent(log_odds - each.contribution)}  {kind}  {each.text}"
    rest = log_odds - base - math.fsum(each.contribution for each in said)
    yield f"{rest:+8.3f}{blank}{'':<22}other, taken together"
    yield f"{base:+8.3f}{blank}{'':<22}where every account starts"
    yield f"{log_odds:+8.3f}{percent(log_odds)}{'':<22}in all"
    families = sorted(found.families.items(), key=lambda family: -abs(family[1]))
    told = [f"{name} {contribution:+.3f}" for name, contribution in families if contribution]
    yield f"By family: {', '.join([*told, f'start {base:+.3f}'])}"
