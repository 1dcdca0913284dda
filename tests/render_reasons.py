"""docs/reasons.md: every sentence that the catalogue can say, in both languages, with values that might stand in it.

`make reasons` writes the page. Read it after every change of a catalogue: a sentence that reads badly here reads badly
to a customer success manager.
"""

from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path

from features.catalogue import CASES, Case, Feature, read_catalogue
from pipeline.wording import sentence

__all__ = ["FAMILIES", "PAGE", "page"]

PAGE = Path(__file__).resolve().parent.parent / "docs" / "reasons.md"
FAMILIES = ("usage", "people", "habits", "onboarding", "support", "pages", "tenure", "market")
NIGHT = date(2026, 11, 2)
GROUP = "pricing"

Value = float | str | None

LOW_HIGH: Mapping[str, tuple[Value, Value]] = {
    "days": (3.0, 19.0),
    "days in 28": (6.0, 19.0),
    "habits": (2.0, 3.0),
    "hours": (2.0, 31.0),
    "kinds of activity": (3.0, 9.0),
    "months": (3.0, 12.0),
    "people": (3.0, 14.0),
    "quantity": (66.0, 240.0),
    "quantity a person": (12.0, 48.0),
    "quantity a seat": (3.0, 12.0),
    "quantity in 28 days": (66.0, 240.0),
    "share": (0.12, 0.62),
    "log ratio": (-0.8, 0.8),
    "money": (240.0, 1240.0),
    "money a month": (240.0, 1240.0),
    "seats": (14.0, 50.0),
    "tickets": (2.0, 4.0),
    "times": (2.0, 5.0),
    "visits": (2.0, 5.0),
    "word": ("standard", "standard"),
    "1 to 5": (2.1, 4.6),
    "−1 to 1": (-0.6, 0.4),
    "0 to 10": (4.0, 9.0),
}
"""A low and a high value of each unit."""


def page() -> str:
    """The page as Markdown."""
    lines = [
        "# What a reason says",
        "",
        "Every sentence of every feature, with made-up values, as `make reasons` writes it from the catalogue. It is",
        "chosen by case: whether the feature raises or lowers the risk of this account, and whether its value is",
        "missing, nothing or one. Features without a sentence of a case use the one for its direction.",
    ]
    features = [feature for family in FAMILIES for feature in read_catalogue(family)]
    features = [feature.for_group(GROUP) if "GROUP" in feature.name else feature for feature in features]
    by_name = {feature.name: feature for feature in features}
    for feature in features:
        about = [feature.meaning, feature.unit, feature.family.value, *([] if feature.quotable else ["for us alone"])]
        lines += ["", f"## {feature.name}", "", " · ".join(about), ""]
        for case, english, chinese in _sentences(feature, by_name):
            lines += [f"- *{case}*: {english}", f"  {chinese}"]
    return "\n".join(lines) + "\n"


def _sentences(feature: Feature, by_name: Mapping[str, Feature]) -> Iterator[tuple[Case, str, str]]:
    record = feature.as_record()
    for case in CASES:
        if case not in feature.words:
            continue
        contribution = -0.4 if case == "lowers" else 0.4
        reason = {"value": _value(feature, case), "contribution": contribution, "contradicts": False}
        facts = {name: _value(other, "lowers" if case == "lowers" else "raises") for name, other in by_name.items()}
        said = [sentence(record, reason, facts, NIGHT, language) for language in ("en", "zh")]
        yield case, *(text or "(no sentence)" for text in said)


def _value(feature: Feature, case: Case) -> Value:
    if case in ("missing", "zero", "one"):
        return {"missing": None, "zero": 0.0, "one": 1.0}[case]
    low, high = LOW_HIGH.get(feature.unit, (2.0, 7.0))
    if feature.name.endswith("_7") and feature.unit == "days":
        low, high = 2.0, 5.0
    rises_with = feature.direction or 1
    return high if (case == "raises") == (rises_with > 0) else low


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
