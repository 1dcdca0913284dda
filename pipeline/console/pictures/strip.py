"""A strip: one bar of a row, as long as its share of the longest, with a mark where a limit lies."""

from markupsafe import Markup

__all__ = ["strip"]

WIDTH, HEIGHT = 100, 8


def strip(share: float, limit: float | None = None) -> Markup:
    """The bar of a share from 0 to 1, stretched to the width of its place. The figures stand beside it as text.

    What lies beyond the `limit` has a class of its own.
    """
    length = WIDTH * min(max(share, 0.0), 1.0)
    within = length if limit is None else min(length, WIDTH * limit)
    parts = [f'<rect class="track" width="{WIDTH}" height="{HEIGHT}"/>']
    parts.append(f'<rect class="filled" width="{within:.1f}" height="{HEIGHT}"/>')
    if length > within:
        parts.append(f'<rect class="beyond" x="{within:.1f}" width="{length - within:.1f}" height="{HEIGHT}"/>')
    if limit is not None:
        parts.append(f'<rect class="limit" x="{min(WIDTH * limit, WIDTH - 0.5):.1f}" width="0.5" height="{HEIGHT}"/>')
    return Markup(
        f'<svg class="strip" viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none" aria-hidden="true">'
        f"{''.join(parts)}</svg>"
    )
