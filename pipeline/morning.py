"""What a person sees in the terminal: the night's list, one account, and how good the order has been."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import date
from typing import Any, Final

from rich.cells import cell_len, set_cell_size
from sqlalchemy import Engine

from pipeline.amounts import plain_odds
from pipeline.store import AccountNight, Night, account, catalogue, most_at_stake, night, reading
from pipeline.wording import sentence, top_sentences, weight

__all__ = ["account_page", "account_record", "list_page", "skill_line"]

_WIDEST_NAME: Final = 28
_SIMPLE_LISTS: Final = {"days to renewal": "renewal date", "last use": "last use"}  # by their names in the backtest


def list_page(engine: Engine, config: str, as_of: date | None = None, limit: int = 5) -> str:
    """The accounts with most at stake in a published night (the newest), each with its two main reasons.

    `config` is the option that the proposed commands need to find the same settings.
    """
    with reading(engine) as connection:
        shown = night(connection, as_of)
        if shown is None:
            return "No night is published yet. Run: churn score"
        words = catalogue(connection, shown)
        entries = most_at_stake(connection, shown, limit)
    lines = [_headline(shown, words), ""]
    if not entries:
        lines.append(f"No customer is above {_percent(words['bands']['medium'])}.")
    width = min(_WIDEST_NAME, max((cell_len(_title(entry)) for entry in entries), default=0))
    for place, entry in enumerate(entries, 1):
        lines += _entry(place, entry, words, shown, width)
    lines += ["", skill_line(shown.headline)]
    example = entries[0].account_id if entries else "ACCOUNT"
    lines.append(f"One account: churn explain {example}{config} · Your own data: churn init FOLDER")
    return "\n".join(lines)


def _headline(shown: Night, words: Mapping[str, Any]) -> str:
    head, bands = shown.headline, words["bands"]
    demo = "Demo, night" if head["demo"] else "Night"
    day = f"{shown.as_of:%a} {shown.as_of.day} {shown.as_of:%b %Y}"
    return (
        f"{demo} of {day} · {head['customers']:,} customers · {head['horizon_days']} days · "
        f"{head['base_rate'] * 100:.0f} in 100 leave · {head['bands']['high']:,} high ({_percent(bands['high'])} or "
        f"more), {head['bands']['medium']:,} medium ({_percent(bands['medium'])})"
    )


def _title(entry: AccountNight) -> str:
    return entry.entry_name or entry.name or entry.account_id


def _entry(place: int, entry: AccountNight, words: Mapping[str, Any], shown: Night, width: int) -> Iterator[str]:
    parts = [f"{place:>2}  {set_cell_size(_title(entry), width)}", f"{plain_odds(entry.risk or 0.0):<7}"]
    if entry.mrr is not None:
        parts += [f"MRR {entry.mrr:>7,.0f}", f"at stake {entry.value_at_risk or 0.0:>6,.0f}"]
    if entry.owner:
        parts.append(f"CSM {entry.owner}")
    yield "   ".join(parts)
    for found in top_sentences(entry.reasons, words["features"], entry.facts, shown.as_of):
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
    kind, what = ("mrr_recall", "the MRR") if _share(skill["mrr_recall"]["model"]) is not None else ("recall", "those")
    shares = {name: _share(skill[kind].get(key)) for key, name in _SIMPLE_LISTS.items()}
    others = ", ".join(f"a list by {name} {_percent(share)}" for name, share in shares.items() if share is not None)
    found = _percent(_share(skill[kind]["model"]) or 0.0)
    return f"How good is this? It found {found} of {what} that later left; {others}.   churn backtest"


def _percent(share: float) -> str:
    return f"{share * 100:.0f} %"


def _share(figure: Mapping[str, Any] | None) -> float | None:
    return None if figure is None else figure["value"]


def account_page(engine: Engine, account_id: str, shown: Night, language: str = "en") -> str | None:
    """One account of a night with its risk and every reason that can be worded; None where it is not in the night."""
    with reading(engine) as connection:
        words = catalogue(connection, shown)
        found = account(connection, shown, account_id)
    if found is None:
        return None
    lines = [f"{found.name or found.account_id} ({found.account_id}) · night of {shown.as_of}"]
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
        f"About {plain_odds(found.risk)} such accounts leave within {head['horizon_days']} days "
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
    log_odds = found.log_odds or 0.0
    heaviest = max((abs(reason["contribution"]) for reason in found.reasons), default=0.0)
    unworded = 0.0
    yield "  log-odds   without it   "
    for reason in found.reasons:
        record = words["features"].get(reason["feature"])
        said = None if record is None else sentence(record, reason, found.facts, shown.as_of)
        if said is None:
            unworded += reason["contribution"]
            continue
        without = 1 / (1 + math.exp(-(log_odds - reason["contribution"])))
        kind = weight(reason["contribution"], heaviest)
        yield f"  {reason['contribution']:+8.3f}   {without * 100:>8.1f} %   {kind:<18} {said}"
    yield f"  {unworded:+8.3f}                {'':<18} other, taken together"
    yield f"  {found.base_log_odds or 0.0:+8.3f}                {'':<18} where every account starts"
    yield f"  {log_odds:+8.3f}   {(found.risk or 0.0) * 100:>8.1f} %   {'':<18} in all"
