"""One broken rule of the contract, as a person reads it."""

from dataclasses import dataclass
from typing import Any

from features.contract import Severity
from pipeline.files import SAYS

__all__ = ["Violation"]


@dataclass(frozen=True)
class Violation:
    """What is wrong, where, in how many rows, for example in which, and what to do."""

    table: str
    column: str | None
    rule: str
    failing: int | None
    rows: int | None
    examples: tuple[str, ...]
    remedy: str
    severity: Severity

    @property
    def place(self) -> str:
        """`table.column`, or the table alone where no column is to blame."""
        return self.table if self.column is None else f"{self.table}.{self.column}"

    def told(self, *, by_example: bool = True) -> str:
        """The violation in two or three lines. What is kept goes without examples, which are ids and values,
        and without the words of engine or warehouse, which may quote one.
        """
        lines = [f"{self.place}  {self.rule}"]
        if self.failing is not None and self.rows:
            share = self.failing / self.rows
            percent = f"{share:.1%}" if share >= 0.001 else "under 0.1%"
            example = f", e.g. {', '.join(self.examples)}" if self.examples and by_example else ""
            lines.append(f"    {self.failing:,} of {self.rows:,} rows ({percent}){example}")
        said = self.remedy.startswith(SAYS) and not by_example
        lines.append(f"    {'Look at what is said of it: churn check.' if said else self.remedy}")
        return "\n".join(lines)

    def as_record(self) -> dict[str, Any]:
        """The violation as plain data, for `--json` and the store."""
        return {
            "place": self.place,
            "rule": self.rule,
            "failing": self.failing,
            "rows": self.rows,
            "examples": list(self.examples),
            "remedy": self.remedy,
            "severity": self.severity.value,
        }
