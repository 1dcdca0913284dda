"""`churn.toml`: read once at the edge, with what the environment overrides; all mistakes are told at once.

Unknown keys are refused, in the file and in the environment alike: a misspelt `grace_day` that is silently ignored
changes every label.
"""

import os
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from pydantic import SecretStr, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import SettingsError

from pipeline.errors import UsageError
from pipeline.sections import Section, closest, nearest
from pipeline.settings import ENV_PREFIX, Settings

__all__ = ["read_settings"]

_FROM_ELSEWHERE: Final = frozenset({"folder", "refresh"})
"""What settings have that is no key of the file."""

_SOURCE: Final = frozenset({"str", "SqlSource"})
_BY_ENVIRONMENT: Final = "environment"
_BY_FILE: Final = "file"

Mistake = tuple[str, str, str]
"""Where it was made, which key or variable is wrong, and the line that tells it."""


def read_settings(path: Path) -> Settings:
    """The settings of a file, overridden by `CHURN__SECTION__KEY` variables.

    Raises
    ------
    UsageError
        For a missing or unreadable file, an unknown key or variable, a value of the wrong type; it names all of them,
        except where a variable is no JSON and has to be.
    """
    if not path.is_file():
        raise UsageError(
            f"No settings at {path}. `churn init` writes them from your tables, `churn demo` shows a company."
        )
    content = _parsed(path)
    mistakes = [*_unknown_variables(), *_worded_booleans(content), *_secrets(content)]
    kept = {name: value for name, value in content.items() if name not in _FROM_ELSEWHERE}
    mistakes += [_unknown_section(name) for name in content if name in _FROM_ELSEWHERE]
    settings = None
    try:
        settings = Settings(**kept, folder=path.parent.resolve())
    except ValidationError as error:
        mistakes += _explained(error)
    except SettingsError as error:  # after which nothing else is looked at
        field = str(error).partition('"')[2].partition('"')[0]
        mistakes.append((_BY_ENVIRONMENT, field, _not_json(field, error)))
    if settings is None or mistakes:
        raise UsageError(_told(path, mistakes))
    return settings


def _parsed(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not TOML: {error}. Save it as UTF-8.") from error
    except tomllib.TOMLDecodeError as error:
        again = re.match(r"Cannot declare \((.*)\) twice \(at (line \d+)", str(error))
        if again:
            section = ".".join(re.findall(r"'([^']*)'", again[1]))
            raise UsageError(
                f"{path} has the section [{section}] twice, the second time at {again[2]}. Move its keys under the "
                "first."
            ) from error
        raise UsageError(
            f"{path} is not TOML: {error}. Text values need quotes; sections stand in [brackets]; a key is set once."
        ) from error


def _told(path: Path, mistakes: list[Mistake]) -> str:
    """All mistakes by where they were made; of one key, the first."""
    lines = []
    for place, title in ((_BY_FILE, str(path)), (_BY_ENVIRONMENT, "The environment")):
        found: dict[str, str] = {}
        for where, name, line in mistakes:
            if where == place:
                found.setdefault(name, line)
        if found:
            lines += [f"{title} cannot be used:", *(f"  {line}" for line in found.values())]
    assert lines, f"{path} cannot be used, and nothing is told of it"
    return "\n".join(lines)


def _unknown_variables() -> Iterator[Mistake]:
    """pydantic-settings ignores variables it cannot place, so a typo would silently do nothing.

    One underscore where two belong is such a typo; what else begins with CHURN_ may be another program's.
    """
    known = [_variable(section, key) for section, key, _ in _known_keys()]
    plain = {_plainly(name): name for name in known}
    sections = "|".join(Settings.model_fields).upper()
    ours = re.compile(rf"{ENV_PREFIX}|CHURN_({sections})__")
    pages = f"{ENV_PREFIX}PAGES"
    for name in sorted(os.environ):
        upper = name.upper()
        if not ours.match(upper) and _plainly(name) not in plain:
            continue
        if upper in known or upper == pages or upper.startswith(f"{pages}__"):
            continue
        yield _BY_ENVIRONMENT, upper, f"{name} names no setting{_probably_meant(upper, plain)}"


def _probably_meant(variable: str, plain: dict[str, str]) -> str:
    """What to add on an unknown variable: section and key are looked up each by itself, so that neither drags along."""
    if right := plain.get(_plainly(variable)):
        return f"; did you mean {right}?"
    section, _, key = re.sub("^CHURN_+", "", variable).lower().partition("__")
    keys: dict[str, list[str]] = {}
    for known, name, _ in _known_keys():
        keys.setdefault(known, []).append(name)
    meant = section if section in keys else closest(section, keys)
    if meant is None or not key:
        return nearest(variable, plain.values())
    right = key if key in keys[meant] else closest(key, keys[meant])
    if right:
        return f"; did you mean {_variable(meant, right)}?"
    return nearest("", [_variable(meant, name) for name in keys[meant]])


def _variable(section: str, key: str) -> str:
    return f"{ENV_PREFIX}{section}__{key}".upper()


def _plainly(name: str) -> str:
    return name.upper().replace("__", "_")


def _worded_booleans(content: dict[str, Any]) -> Iterator[Mistake]:
    """In the environment all is text, so pydantic takes "no" for false; in the file it is a mistake, as "two" is."""
    for section, key, kind in _known_keys():
        if kind is bool and isinstance(content.get(section), dict):
            value = content[section].get(key, True)
            if not isinstance(value, bool):
                place = f"[{section}] {key}"
                yield _BY_FILE, place, f"{place} = {value!r}: write true or false, without quotes"


def _secrets(content: dict[str, Any]) -> Iterator[Mistake]:
    """A file is copied, shown and kept under version control; the environment is not."""
    for section, key, kind in _known_keys():
        if kind is SecretStr and isinstance(content.get(section), dict) and key in content[section]:
            place = f"[{section}] {key}"
            yield _BY_FILE, place, f"{place} is secret: give it in the environment, as {_variable(section, key)}"
    connection = data.get("connection") if isinstance(data := content.get("data"), dict) else None
    if isinstance(connection, str) and re.search(r"://[^/@]*:.*@|(?i:[?&]\w*password=)", connection):
        remedy = f"Take it out, and give the whole address in the environment: {ENV_PREFIX}DATA__CONNECTION."
        yield _BY_FILE, "[data] connection", f"[data] connection holds a password. {remedy}"


def _known_keys() -> Iterator[tuple[str, str, Any]]:
    """Section, key and type of each setting."""
    for section, field in Settings.model_fields.items():
        annotation = field.annotation
        if isinstance(annotation, type) and issubclass(annotation, Section):
            for key, described in annotation.model_fields.items():
                yield section, key, described.annotation


def _explained(error: ValidationError) -> Iterator[Mistake]:
    """Each problem as: where, what was seen, what is expected."""
    variables = {name.upper() for name in os.environ}
    for problem in error.errors():
        if _is_source(problem) and problem["loc"][2] == "str" and isinstance(problem["input"], dict):
            continue  # a table given by a query: what is wrong with the query comes next
        where = [str(part) for place, part in enumerate(problem["loc"]) if not (place == 2 and _is_source(problem))]
        variable = next((each for each in _variables(where) if each in variables), None)
        if len(where) == 1 and problem["type"] == "extra_forbidden":
            yield _unknown_section(where[0])
        elif variable is not None:
            yield _BY_ENVIRONMENT, variable, _line(".".join([variable, *where[2:]]), problem)
        else:
            place = f"[{where[0]}] {'.'.join(where[1:])}" if len(where) > 1 else "".join(where)
            yield _BY_FILE, place or problem["msg"], _line(place, problem)


def _is_source(problem: ErrorDetails) -> bool:
    """Whether it is of a table in [data], which is a path or a query: which of them stands third in its place."""
    section, *_, kind = (*problem["loc"], "", "")[:3]
    return section == "data" and kind in _SOURCE


def _variables(where: list[str]) -> list[str]:
    """The variables that may have given what stands there: that of the key, and that of the whole section."""
    return (
        [_variable(*where[:2]), f"{ENV_PREFIX}{where[0]}".upper()]
        if len(where) > 1
        else [f"{ENV_PREFIX}{each}".upper() for each in where]
    )


def _unknown_section(name: str) -> Mistake:
    known = [section for section in Settings.model_fields if section not in _FROM_ELSEWHERE]
    return _BY_FILE, name, f"{name}: unknown key{nearest(name, known)}"


def _line(place: str, problem: ErrorDetails) -> str:
    if problem["type"] == "extra_forbidden":
        section, name = str(problem["loc"][0]), str(problem["loc"][-1])
        known = getattr(Settings.model_fields[section].annotation, "model_fields", ())
        return f"{place}: unknown key{nearest(name, ('sql',) if _is_source(problem) else known)}"
    if not place or problem["type"] == "value_error":
        return f"{place}: {problem['msg'].removeprefix('Value error, ')}".removeprefix(": ")
    return f"{place} = {problem['input']!r}: {_expected(problem)}"


_EXPECTED: Final = {
    "int_": "write a whole number",
    "float_": "write a number",
    "bool_": "write true or false",
    "datetime_": "write a time, such as 2026-01-31T06:00:00Z",
    "date_": "write a day, such as 2026-01-31",
    "string_type": "write text, in quotes",
    "string_too_short": "write something, or take it out",
    "tuple_type": "write a list, such as [30, 60]",
    "dict_type": "write a section in [brackets], with keys under it",
    "model_type": "write a section in [brackets], with keys under it",
    "literal_error": "write {expected}",
    "greater_than_equal": "write {ge} or more",
    "greater_than": "write more than {gt}",
    "less_than_equal": "write {le} or less",
    "less_than": "write less than {lt}",
}
"""What belongs there, by how pydantic's kind of error begins; the first that fits."""


def _expected(problem: ErrorDetails) -> str:
    """What belongs there, in a user's words; pydantic's for a kind that has none."""
    if _is_source(problem) and (problem["type"] == "missing" or problem["loc"][-1] != "sql"):
        return 'write a path in quotes, or { sql = "SELECT …" }'
    if problem["loc"][0] == "pages" and problem["type"] == "tuple_type":
        return 'write a list of patterns, such as ["/pricing*"]'
    told = next((told for kind, told in _EXPECTED.items() if problem["type"].startswith(kind)), None)
    return problem["msg"] if told is None else told.format(**problem.get("ctx", {}))


def _not_json(field: str, error: SettingsError) -> str:
    return (
        f"{ENV_PREFIX}{field.upper()}… cannot be read: {error.__cause__}. Lists and tables are written as JSON there, "
        """such as CHURN__BOOK__VALUE_EVENTS='["order"]'."""
    )
