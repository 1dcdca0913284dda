"""What a person sees in the terminal: the night's list, one account, and how good the order has been."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final

from rich.cells import cell_len, set_cell_size
from sqlalchemy import Engine

from pipeline.amounts import plain_odds
from pipeline.schema import UNSCORED
from pipeline.skill import no_skill
from pipeline.store import AccountNight, Entry, Night, account, catalogue, most_at_stake, night, reading
from pipeline.wording import all_sentences, top_sentences, weight

__all__ = ["account_page", "account_record", "list_page", "list_record", "skill_line"]

_WIDEST_NAME: Final = 28
_OLD: Final = timedelta(hours=36)
_SIMPLE_LISTS: Final = {  # by their names in the backtest
    "days to renewal": "renewal date",
    "last use": "last use",
    "logistic model": "logistic regression",
}


def list_page(
    engine: Engine, config: str, as_of: date | None = None, limit: int = 5, now: datetime | None = None
) -> str:
    """The calls with most at stake in a published night (the newest), each with its two main reasons.

    `config` is the option that the proposed commands need to find the same settings. With `now`, the headline says
    when the night is an old one.
    """
    with reading(engine) as connection:
        shown = night(connection, as_of)
        if shown is None:
            return "No night is published yet. Run: churn score"
        words = catalogue(connection, shown)
        entries = most_at_stake(connection, shown, limit)
    lines = [_headline(shown, words, now), *_usage_end(shown), ""]
    if not entries:
        lines.append(f"No customer is above {_percent(words['bands']['medium'])}.")
    width = min(_WIDEST_NAME, max((cell_len(_title(entry)) for entry in entries), default=0))
    for place, entry in enumerate(entries, 1):
        lines += _entry(place, entry, words, shown, width)
    lines += ["", skill_line(shown.headline)]
    example = entries[0].worst.account_id if entries else "ACCOUNT"
    lines.append(f"One account: churn explain {example}{config} · Your own data: churn init FOLDER")
    return "\n".join(lines)


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
            "sentences": [
                found.text for found in top_sentences(entry.worst.reasons, words, entry.worst.facts, shown.as_of)
            ],
        }
        for entry in entries
    ]


def _headline(shown: Night, words: Mapping[str, Any], now: datetime | None) -> str:
    head, bands = shown.headline, words["bands"]
    demo = "Demo, night" if head["demo"] else "Night"
    day = f"{shown.as_of:%a} {shown.as_of.day} {shown.as_of:%b %Y}"
    if now is not None and not head["demo"] and now - datetime.combine(shown.as_of, time.min, UTC) > _OLD:
        days = (now.date() - shown.as_of).days
        day += f" ({days} day{'' if days == 1 else 's'} old)"
    apart = " and ".join(f"{head['states'][state]:,} {state}" for state in UNSCORED if head["states"].get(state))
    return (
        f"{demo} of {day} · {head['customers']:,} accounts{apart and f', besides {apart}'} · "
        f"{head['base_rate'] * 100:.0f} in 100 leave in {head['horizon_days']} days\n"
        f"Accounts at high risk ({_percent(bands['high'])} or more): {head['bands']['high']:,} · "
        f"at medium risk ({_percent(bands['medium'])} or more): {head['bands']['medium']:,}"
    )


def _usage_end(shown: Night) -> Iterator[str]:
    """One line where the usage table ends before yesterday: nobody should take the gap for a customer's silence."""
    end = shown.headline.get("usage_until")
    if end is not None and date.fromisoformat(end) < shown.as_of - timedelta(days=1):
        last = date.fromisoformat(end)
        yield f"Usage data end on {last.day} {last:%B}: what accounts did after that is not known."


def _title(entry: Entry) -> str:
    return entry.worst.entry_name or entry.worst.account_id


def _entry(place: int, entry: Entry, words: Mapping[str, Any], shown: Night, width: int) -> Iterator[str]:
    worst = entry.worst
    parts = [f"{place:>2}  {set_cell_size(_title(entry), width)}", f"{plain_odds(worst.risk or 0.0):<7}"]
    if entry.mrr is not None:
        parts += [f"MRR {entry.mrr:>7,.0f}", f"at stake {entry.value_at_risk or 0.0:>6,.0f}"]
    if worst.owner:
        parts.append(f"CSM {worst.owner}")
    yield "   ".join([*parts, worst.account_id])
    if entry.accounts > 1:
        named = worst.name or worst.account_id
        yield f"    {entry.accounts} accounts, one call; the odds and reasons are those of {named}."
    for found in top_sentences(worst.reasons, words["features"], worst.facts, shown.as_of):
        yield f"    {found.text}"


def skill_line(headline: Mapping[str, Any]) -> str:
    """How much of what later left the list had held, in one line, beside the lists one could make without a model.

    It speaks of MRR where there is one, else of accounts.
    """
    skill = headline["backtest"]
    if skill is None:
        return "How good is this? Not measured: the history is too short to test on dates the model has not seen."
    if not skill["enough"]:
        return f"How good is this? Not enough departures to say (n = {skill['departures']}).   churn backtest"
    if (chance := no_skill(skill.get("auc"))) is not None:  # absent from nights that an older churn published
        return f"How good is this? {chance}   churn backtest"
    kind, what = ("mrr_recall", "the MRR") if _share(skill["mrr_recall"]["model"]) is not None else ("recall", "those")
    shares = {name: _share(skill[kind].get(key)) for key, name in _SIMPLE_LISTS.items()}
    others = ", ".join(f"by {name} {_percent(share)}" for name, share in shares.items() if share is not None)
    found = _percent(_share(skill[kind]["model"]) or 0.0)
    calls = f"{skill['capacity']:,} account{'' if skill['capacity'] == 1 else 's'}"
    return (
        f"How good is this? It found {found} of {what} that later left, with {calls} on each list; a list {others}.   "
        "churn backtest"
    )


def _percent(share: float) -> str:
    return f"{share * 100:.0f} %"


def _share(figure: Mapping[str, Any] | None) -> float | None:
    return None if figure is None else figure["value"]


def account_page(engine: Engine, account_id: str, shown: Night) -> str | None:
    """One account of a night with its risk and all that can be said of it; None where it is not in the night."""
    with reading(engine) as connection:
        words = catalogue(connection, shown)
        found = account(connection, shown, account_id)
    if found is None:
        return None
    lines = [f"{found.name or found.account_id} ({found.account_id}) · night of {shown.as_of}", *_usage_end(shown)]
    facts = [f"state {found.state}"]
    if found.owner:
        facts.append(f"CSM {found.owner}")
    if found.mrr is not None:
        facts.append(f"MRR {found.mrr:,.0f}")
    lines.append(" · ".join(facts))
    if found.risk is None or found.log_odds is None:
        last = f", last day {found.last_day}" if found.last_day else ""
        return "\n".join([*lines, f"No risk is given: the account is {found.state}{last}."])
    bands, head = words["bands"], shown.headline
    lines.append(
        f"Of accounts like this {plain_odds(found.risk)} leave within {head['horizon_days']} days "
        f"({found.risk * 100:.1f} %); {head['base_rate'] * 100:.0f} in 100 is usual."
        + (
            f" Band {found.band} (medium from {_percent(bands['medium'])}, high from {_percent(bands['high'])})."
            if found.band
            else ""
        )
    )
    return "\n".join([*lines, "", *_reasons(found, words, shown)])


def account_record(engine: Engine, account_id: str, shown: Night) -> dict[str, Any]:
    """The same account as plain data; empty where it is not in the night."""
    with reading(engine) as connection:
        found = account(connection, shown, account_id)
    return {} if found is None else {"as_of": str(shown.as_of), "model_version": shown.model_version, **asdict(found)}


def _reasons(found: AccountNight, words: Mapping[str, Any], shown: Night) -> Iterator[str]:
    """The sentences of the list first, in its order and with its weights; every column of log-odds adds up."""
    log_odds, base = found.log_odds or 0.0, found.base_log_odds or 0.0
    said = all_sentences(found.reasons, words["features"], found.facts, shown.as_of)
    yield "  log-odds   without it   "
    for each in said:
        without = 1 / (1 + math.exp(-(log_odds - each.contribution)))
        kind = weight(each.contribution, said[0].contribution)
        yield f"  {each.contribution:+8.3f}   {without * 100:>8.1f} %   {kind:<18}   {each.text}"
    rest = log_odds - base - math.fsum(each.contribution for each in said)
    yield f"  {rest:+8.3f}                {'':<18}   other, taken together"
    yield f"  {base:+8.3f}                {'':<18}   where every account starts"
    yield f"  {log_odds:+8.3f}   {(found.risk or 0.0) * 100:>8.1f} %   {'':<18}   in all"
    families = sorted(found.families.items(), key=lambda family: -abs(family[1]))
    told = [f"{name} {contribution:+.3f}" for name, contribution in families if contribution]
    yield f"By family: {', '.join([*told, f'start {base:+.3f}'])}"
