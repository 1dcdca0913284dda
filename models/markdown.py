"""Markdown: the two forms that the model card is made of."""

from collections.abc import Iterable, Sequence

__all__ = ["bullets", "table"]


def bullets(lines: Iterable[str]) -> str:
    """A list, a line each."""
    return "\n".join(f"- {line}" for line in lines)


def table(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; all columns but the first to the right.

    >>> print(table(["list", "churns"], [["a|b", "3"]]))
    | list | churns |
    | - | -: |
    | a\\|b | 3 |
    """
    ruler = ["-", *("-:" for _ in heading[1:])]
    cells = [[cell.replace("|", "\\|") for cell in row] for row in (heading, *rows)]
    lines = [cells[0], ruler, *cells[1:]]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
