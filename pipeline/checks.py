"""The check at the door: every rule of the contract against every table, before anything is computed or written.

All rules of a table are counted in one pass inside the engine; only for those that fail are example keys looked up. One
message names all that is wrong.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import ibis
import ibis.expr.types as ir

from features.contract import CONTRACT, RECORDED_AT, Rule, Severity, Table, required_tables
from pipeline.casts import cast
from pipeline.deliveries import delivered_amiss
from pipeline.errors import RefusedError
from pipeline.habits import suspicious_habits
from pipeline.our_names import Unreadable
from pipeline.settings import Settings
from pipeline.sources import Opened
from pipeline.violation import Violation

__all__ = ["check_contract", "refuse_fatal"]

_EXAMPLES = 2
_BEGAN = "_began_on"
_OF_A_CUSTOMER = ("usage", "tickets", "page_visits")  # tables of what an account does once it is one
_MOST_BEFORE = 0.2  # of their rows; trials leave a few before the account's beginning


@dataclass(frozen=True)
class _Test:
    """A rule made concrete: where it fails, and what to say then."""

    column: str
    rule: str
    fails: ir.BooleanValue
    severity: Severity
    remedy: str
    fatal_throughout: bool = False  # wrong in every single row, it stops the run however mild it is
    tolerated: float = 0.0  # up to this share of the rows nothing is said


def check_contract(opened: Opened, settings: Settings) -> list[Violation]:
    """All violations, fatal ones first."""
    found = [_unreadable(reason) for reason in opened.unreadable]
    for name, raw in opened.raw.items():
        found += _check_table(opened, CONTRACT[name], raw, settings)
    found += delivered_amiss(opened, settings)
    if not found or all(violation.severity is Severity.WARN for violation in found):
        found += suspicious_habits(opened, settings)
    return sorted(found, key=lambda violation: violation.severity is Severity.WARN)


def refuse_fatal(violations: Iterable[Violation]) -> None:
    """Raise one error that tells every fatal violation.

    Raises
    ------
    RefusedError
        When at least one rule that may not be broken is.
    """
    fatal = [violation for violation in violations if violation.severity is Severity.FATAL]
    if fatal:
        rules = "1 rule" if len(fatal) == 1 else f"{len(fatal)} rules"
        begin = f"The tables break {rules} of the contract; nothing was written."
        told, kept = (
            "\n\n".join([begin, *(each.told(by_example=by_example) for each in fatal)]) for by_example in (True, False)
        )
        raise RefusedError(told, kept)


def _unreadable(reason: Unreadable) -> Violation:
    return Violation(reason.table, reason.column, reason.rule, None, None, (), reason.remedy, Severity.FATAL)


def _check_table(opened: Opened, contract: Table, raw: ir.Table, settings: Settings) -> Iterator[Violation]:
    dated = _with_beginnings(contract, raw, opened, settings)
    tests = [*_type_tests(contract, dated), *_null_tests(contract, dated), *_rule_tests(contract, dated)]
    tests += [*_orphan_tests(contract, dated, opened), *_early_tests(contract, dated, settings)]
    marked = dated.mutate(**{f"_{place}": test.fails.fill_null(False) for place, test in enumerate(tests)})
    counts = marked.aggregate(
        rows=marked.count(), **{f"n_{place}": marked[f"_{place}"].sum().fill_null(0) for place in range(len(tests))}
    )
    counted = counts.execute().iloc[0]
    rows = int(counted["rows"])
    if rows == 0:
        yield _empty(contract, settings)
        return
    for place, test in enumerate(tests):
        failing = int(counted[f"n_{place}"])
        if failing > test.tolerated * rows:
            severity = Severity.FATAL if test.fatal_throughout and failing == rows else test.severity
            examples = _examples(marked, contract, test.column, f"_{place}")
            yield Violation(contract.name, test.column, test.rule, failing, rows, examples, test.remedy, severity)
    yield from _repeated_keys(contract, raw, rows)
    yield from _mixed_currencies(contract, raw, rows)


def _empty(contract: Table, settings: Settings) -> Violation:
    needed = contract.name in required_tables(settings.churn.definition)
    remedy = f"Check the source of [data] {contract.name}; its rows are what the product works on."
    if not needed:
        remedy = f"Take [data] {contract.name} out of the settings if there is nothing to read: its features are void."
    return Violation(
        contract.name, None, "table is empty", 0, 0, (), remedy, Severity.FATAL if needed else Severity.WARN
    )


def _type_tests(contract: Table, raw: ir.Table) -> Iterator[_Test]:
    """Values that are there but do not fit the column's type."""
    types = {column.name: column.type for column in contract.columns} | {RECORDED_AT: "instant"}
    kinds = {"date": "a date (2026-11-02)", "instant": "a time (2026-11-02 09:30:00)", "number": "a number"}
    for name in raw.columns:
        type_ = types.get(name, "text")
        if type_ == "text":
            continue
        value = raw[name]
        present = cast(value, "text").notnull() if value.type().is_string() else value.notnull()
        kind = kinds.get(type_, {"whole": "a whole number", "boolean": "true or false"}.get(type_, type_))
        remedy = f"Correct the values, or convert them in [data] {contract.name} = {{ sql = … }}."
        fails = cast(value, type_).isnull()
        if type_ == "whole":  # the engine rounds
            fails = fails | (cast(value, "number") != cast(value, "whole"))
        yield _Test(name, f"is not {kind}", present & fails, Severity.FATAL, remedy)


def _null_tests(contract: Table, raw: ir.Table) -> Iterator[_Test]:
    needed = list(contract.never_null)
    if contract.key and RECORDED_AT in raw.columns and contract.key in raw.columns and contract.key not in needed:
        needed.append(contract.key)
    for name in needed:
        value = raw[name]
        missing = cast(value, "text").isnull() if value.type().is_string() else value.isnull()
        yield _Test(name, "is missing", missing, Severity.FATAL, f"Leave rows without {name} out, or fill it in.")
    if contract.name == "accounts" and raw["account_id"].type().is_string():
        remedy = "No PostgreSQL can keep such an id: take the character out of it, in all tables."
        yield _Test("account_id", "holds a NUL character", raw["account_id"].re_search(r"\x00"), Severity.FATAL, remedy)


def _rule_tests(contract: Table, raw: ir.Table) -> Iterator[_Test]:
    tests = (_rule_test(rule, contract, raw) for rule in contract.rules if rule.column in raw.columns)
    yield from filter(None, tests)


def _rule_test(rule: Rule, contract: Table, raw: ir.Table) -> _Test | None:
    column = contract.column(rule.column)
    assert column is not None, rule
    value = cast(raw[rule.column], column.type)
    match rule.kind, rule.bound:
        case "finite", None:
            text, fails = "is not a finite number", value.isnan() | value.isinf()
        case "finite", float(most):
            text, fails = f"is no number within ±{most:g}", ~(value.abs() <= most)
        case "at_least", float(least):
            text, fails = f"is below {least:g}", value < least
        case "between", (float(low), float(high)):
            text, fails = f"is outside {low:g} … {high:g}", ~value.between(low, high)
        case "one_of", tuple(words):
            text, fails = f"is none of {', '.join(map(str, words))}", ~value.isin(list(words))
        case "not_before", str(other):
            if other not in raw.columns:
                return None
            earlier = contract.column(other)
            assert earlier is not None, rule
            text, fails = f"lies before {other}", value < cast(raw[other], earlier.type)
        case _:
            raise AssertionError(rule)
    return _Test(rule.column, text, fails, rule.severity, rule.remedy)


def _orphan_tests(contract: Table, raw: ir.Table, opened: Opened) -> Iterator[_Test]:
    """Rows of accounts, or messages of tickets, that the table of these does not know."""
    column, table, one = "account_id", "accounts", "an account"
    if contract.name == "ticket_messages":
        column, table, one = "ticket_id", "tickets", "a ticket"
    if contract.name == table or column not in raw.columns or table not in opened.tables:
        return
    ids = opened.tables[table][column]
    remedy = f"Rows without {one} are not used. If most are such, the ids differ in form (spaces, leading zeros)."
    known = cast(raw[column], "text").isin(ids)
    yield _Test(column, f"is not in {table}", ~known, Severity.WARN, remedy, fatal_throughout=True)


def _with_beginnings(contract: Table, raw: ir.Table, opened: Opened, settings: Settings) -> ir.Table:
    """The rows of what customers do, each with the day on which its account began: its first term, or its opening."""
    source = "accounts" if settings.churn.definition == "inactivity" else "subscriptions"
    if contract.name not in _OF_A_CUSTOMER or source not in opened.tables:
        return raw
    of = opened.tables[source]
    began = of.group_by(_of="account_id").agg(**{_BEGAN: of[CONTRACT[source].event_time].min().cast("date")})
    return raw.left_join(began, cast(raw["account_id"], "text") == began["_of"]).drop("_of")


def _early_tests(contract: Table, raw: ir.Table, settings: Settings) -> Iterator[_Test]:
    """Many rows before their account began: its start is another day, or the rows are of another account."""
    if _BEGAN not in raw.columns:
        return
    happened = cast(raw[contract.event_time], "instant").date()
    if settings.churn.definition == "inactivity":
        rule, start = "lies before the account was opened", "created_at the day of a migration or of an export"
    else:
        rule, start = "lies before the account's first term", "started_on the day of a migration or of the newest term"
    remedy = f"Is {start}? Does account_id name the account itself? If customers try the product before, ignore this."
    yield _Test(contract.event_time, rule, happened < raw[_BEGAN], Severity.WARN, remedy, tolerated=_MOST_BEFORE)


def _examples(marked: ir.Table, contract: Table, column: str, mark: str) -> tuple[str, ...]:
    """Up to two keys of rows that fail, each with the value seen."""
    names = [name for name in (contract.key, "account_id") if name is not None and name in marked.columns]
    label = names[0] if names else column
    shown = marked.filter(marked[mark]).select(key=marked[label].cast("string"), value=marked[column].cast("string"))
    rows = shown.order_by("key", "value").limit(_EXAMPLES).execute()
    return tuple(
        f"{row.key}" if label == column else f"{row.key} ({'empty' if row.value != row.value else row.value})"
        for row in rows.itertuples()
    )


def _repeated_keys(contract: Table, raw: ir.Table, rows: int) -> Iterator[Violation]:
    """One key, two rows: in accounts never allowed; elsewhere only as a repeated delivery of the same row."""
    key = contract.key
    if key is None or key not in raw.columns:
        return
    by = [key] + ([RECORDED_AT] if RECORDED_AT in raw.columns else [])
    # As they will be read: one instant written in two ways is one, and which of the versions counted would be chance.
    raw = raw.mutate(**{name: cast(raw[name], "text" if name == key else "instant") for name in by})
    counted = raw if contract.name == "accounts" else raw.distinct()
    groups = counted.filter(counted[key].notnull()).group_by(by).agg(n=ibis._.count()).filter(ibis._["n"] > 1)
    found = groups.aggregate(n=groups["n"].sum().fill_null(0), first=groups[key].cast("string").min()).execute().iloc[0]
    if not found["n"]:
        return
    examples = groups.select(k=groups[key].cast("string")).order_by("k").limit(_EXAMPLES).execute()["k"]
    both = " and recorded_at" if len(by) > 1 else ""
    remedy = f"Each {key}{both} may stand once. Remove the copies, or choose one of each in [data] {contract.name}."
    if len(by) == 1 and contract.changes:
        remedy += " If they are versions of a row, the table needs recorded_at."
    yield Violation(
        contract.name,
        key,
        f"is not unique{both and ' with' + both.removeprefix(' and')}",
        int(found["n"]),
        rows,
        tuple(examples),
        remedy,
        Severity.FATAL,
    )


def _mixed_currencies(contract: Table, raw: ir.Table, rows: int) -> Iterator[Violation]:
    if "currency" not in raw.columns:
        return
    kinds = raw.group_by("currency").agg(n=ibis._.count()).filter(ibis._["currency"].notnull()).order_by(ibis.desc("n"))
    seen = kinds.execute()
    if len(seen) > 1:
        remedy = "Convert the money in sql, at a fixed rate, or exchange rates become price rises."
        others = int(seen["n"].iloc[1:].sum())
        examples = tuple(seen["currency"].head(3))
        yield Violation(
            contract.name, "currency", "has more than one value", others, rows, examples, remedy, Severity.FATAL
        )
