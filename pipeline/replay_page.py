"""What a replay found, as a person reads it."""

from collections.abc import Iterator
from datetime import date
from typing import Any, Final

from pipeline.replay import Finding, Replay

__all__ = ["replay_page"]

_FEATURES_NAMED: Final = 10
_ACCOUNTS_NAMED: Final = 5
_PAID_FOR: Final = frozenset({"subscriptions.mrr", "subscriptions.plan", "subscriptions.seats"})


def replay_page(found: Replay) -> str:
    """The replay in lines: who was there, which columns differ and what that means, what it does to the risk."""
    lines = [
        f"Night of {found.as_of}, scored {found.scored_at:%Y-%m-%d %H:%M} UTC by model version {found.model_version}, "
        f"built again from the tables of {found.today}."
    ]
    if found.is_equal:
        lines.append(f"Nothing differs: {found.accounts:,} accounts with {found.columns} values each are as they were.")
        return "\n".join([*lines, *_rows(found)])
    lines += [*_accounts(found), *_rows(found)]
    edited = [finding for finding in found.findings if finding.edited]
    features = [finding for finding in found.findings if not finding.edited]
    for finding in edited:
        lines += ["", *_edited(finding, found)]
    if features:
        lines += ["", *_features(features, found)]
    return "\n".join([*lines, "", *_effect(found)])


def _accounts(found: Replay) -> Iterator[str]:
    equal = found.columns - len(found.findings)
    yield f"{found.accounts:,} accounts then and now: {equal} of {found.columns} columns are equal."
    for accounts, when in ((found.only_then, "only then"), (found.only_now, "only now")):
        if accounts:
            more = ", …" if len(accounts) > _ACCOUNTS_NAMED else ""
            yield f"{len(accounts):,} accounts {when}: {', '.join(accounts[:_ACCOUNTS_NAMED])}{more}"


def _rows(found: Replay) -> Iterator[str]:
    for table, (then, now) in found.rows_known.items():
        change = f"{abs(now - then):,} {'more' if now > then else 'fewer'}"
        why = _why(found, table, now > then)
        yield f"{table}: {then:,} rows were known that night, {now:,} are now, {change}. {why}"


def _why(found: Replay, table: str, more: bool) -> str:
    if not more:
        return "Rows were removed since, or their time was changed."
    if table in found.recorded:
        return "Their recorded_at says that they had arrived; they had not. Let it be the time of arrival."
    return "They came late, after the night."


def _edited(finding: Finding, found: Replay) -> Iterator[str]:
    """An edited column: what happened to it, whom that marks, whether the model reads it, what to do."""
    each = finding.difference
    whom = _of(each.accounts, found.accounts)
    yield f"{each.column} {_happened(finding)} since, for {whom}, e.g. {_example(finding)}"
    yield f"    {_left(finding)}{_marked(finding)}"
    yield f"    {_remedy(finding, found)}"


def _happened(finding: Finding) -> str:
    each = finding.difference
    if each.filled == each.accounts:
        return "was filled in"
    if each.emptied == each.accounts:
        return "was emptied"
    return "was moved on" if each.column == "subscriptions.renews_on" else "was rewritten"


def _marked(finding: Finding) -> str:
    if finding.marks is not None:
        whom = "left" if finding.marks == "left" else "stayed"
        harm = "a leak" if finding.read_by or not finding.edited else "a leak to whatever reads it"
        return f" It marks those who {whom}: {harm}."
    return " Nobody knew it that night, and the model reads it: a leak." if finding.is_leak else ""


def _left(finding: Finding) -> str:
    each = finding.difference
    them = f"{each.left:,} of these {each.accounts:,} {'has' if each.left == 1 else 'have'} left since"
    if not each.others:
        return f"{them}."
    due = " whose renewal came due" if each.column == "subscriptions.renews_on" else ""
    return f"{them}, {each.others_left:,} of the other {each.others:,}{due}."


def _remedy(finding: Finding, found: Replay) -> str:
    column, table = finding.difference.column, finding.tables[0]
    if finding.versioned:
        return (
            "The table keeps versions, and what they say of that night has changed: one was edited, removed, or "
            "entered with a recorded_at before its time. Add versions, and leave those that are there."
        )
    versions = f"keep versions of {table}, each with its recorded_at"
    if column == "subscriptions.renews_on":
        return f"While there are no versions, only a term's first renewal is believed. To use all, {versions}."
    if not finding.read_by:
        return f"The model does not read it, and rightly. To use it, {versions}."
    read = f"{len(finding.read_by)} features are made of it ({', '.join(finding.read_by[:3])}…)"
    if len(finding.read_by) <= 3:
        read = f"The model reads it ({', '.join(finding.read_by)})"
    if column in found.constant:
        return f"{read}. Take it out of [data] constant, or {versions}; then train again."
    if column in _PAID_FOR:
        without = "set [data] subscription_history = false, which leaves mrr, plan and seats out"
        return f"{read}. {versions[0].upper()}{versions[1:]}, or {without}; then train again."
    return f"{read}. {versions[0].upper()}{versions[1:]}, or leave the column out of the source; then train again."


def _features(findings: list[Finding], found: Replay) -> Iterator[str]:
    """The features that differ, leaks and the most frequent first."""
    yield f"{len(findings)} {'feature differs' if len(findings) == 1 else 'features differ'}:"
    order = sorted(findings, key=lambda each: (not each.is_leak, -each.difference.accounts, each.difference.column))
    for finding in order[:_FEATURES_NAMED]:
        each, tables = finding.difference, " and ".join(finding.tables)
        yield f"  {each.column} (from {tables}) for {_of(each.accounts, found.accounts)}, e.g. {_example(finding)}"
        yield f"    {_left(finding)}{_marked(finding)}"
    if len(order) > _FEATURES_NAMED:
        yield f"  and {len(order) - _FEATURES_NAMED} more: churn replay --as-of {found.as_of} --json names them."


def _effect(found: Replay) -> Iterator[str]:
    effect = found.effect
    if effect.largest is None:
        yield f"The risk of none of the {effect.scored:,} accounts scored then and now changes."
        return
    account, then, now = effect.largest
    yield (
        f"The risk of {_of(effect.accounts, effect.scored)} changes, most that of {account}: "
        f"{then * 100:.1f} % then, {now * 100:.1f} % now."
    )
    changed = [f"{count:,} from {then} to {now}" for (then, now), count in effect.bands.items()]
    yield f"Change of band: {', '.join(changed) or 'none'}."


def _of(accounts: int, every: int) -> str:
    return f"{accounts:,} of {every:,} accounts"


def _example(finding: Finding) -> str:
    account, then, now = finding.difference.example
    return f"{account}: {_said(then, now)} → {_said(now, then)}"


def _said(value: Any, other: Any) -> str:
    """A value as short as it may be said while it differs from the other."""
    if value is None:
        return "empty"
    if isinstance(value, float):
        short = f"{value:,.4g}"
        return repr(value) if isinstance(other, float) and short == f"{other:,.4g}" else short
    return value.isoformat() if isinstance(value, date) else str(value)
