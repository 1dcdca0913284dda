"""docs/reasons.md: the page says what the catalogue says now."""

from render_reasons import PAGE, page


def test_the_page_is_not_stale() -> None:
    """After a change of a catalogue `make reasons` writes it anew, and the change is read there."""
    assert page() == PAGE.read_text(encoding="utf-8"), "docs/reasons.md is stale: run `make reasons`."


def test_every_sentence_has_its_values() -> None:
    """A sentence that names something which no feature holds would never be said."""
    assert "(no sentence)" not in page()
