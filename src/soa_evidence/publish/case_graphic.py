"""A claim's lines of evidence as one small picture for the index: every line, on one scale.

Lines are measured in different units, so each is drawn in the smallest amount that matters of its own unit,
turned so that right is for the claim. The picture names itself from the same data.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from soa_evidence.publish.bundles import Item
from soa_evidence.reporting import safe

__all__ = ["describe", "draw"]

WIDTH, TOP, PITCH, FOOT = 320.0, 20.0, 7.0, 18.0
#: Beyond so many of the smallest amounts that matter an interval is cut off, with an arrow head.
FAR = 5.0
#: Hue, mark and words of each side, those for first; never told apart by colour alone.
SIDES = {
    "for": ("#0072b2", "circle", "for"),
    "small": ("#00785a", "square", "any difference is small"),
    "cannot tell": ("#6b7480", "ring", "cannot tell"),
    "against": ("#b34700", "diamond", "against"),
}


def describe(claim: Mapping[str, Any]) -> tuple[str, str]:
    """Return the title and the description of a claim's picture."""
    lines: Sequence[Item] = claim["lines"]
    counts = ", ".join(
        f"{sum(one['side'] == side for one in lines)} {words}" for side, (_, _, words) in SIDES.items()
    )
    title = f"{claim['name']}: {len(lines)} lines of evidence, {counts}"
    told = "; ".join(f"{one['what']}: {one['shown']}, {SIDES[one['side']][2]}" for one in _ordered(lines))
    return title, (
        "Each line of evidence with its interval, from no difference in the middle, on one scale: the "
        f"smallest amount that matters of its own unit, cut off at {FAR:g} of them. Right is for the claim. "
        f"{told}."
    )


def draw(claim: Mapping[str, Any]) -> str:
    """Return the picture as SVG, named and described."""
    lines = _ordered(claim["lines"])
    title, described = describe(claim)
    name = safe.slug(f"lines of {claim['id']}")
    bottom = TOP + PITCH * len(lines)
    low, high = _x(-1), _x(1)
    marks = "".join(_line(one, TOP + PITCH * (at + 0.5)) for at, one in enumerate(lines))
    return (
        f'<svg class="lines" viewBox="0 0 {WIDTH:g} {bottom + FOOT:g}" role="img" focusable="false" '
        f'aria-labelledby="{name}-title {name}-desc"><title id="{name}-title">{safe.escape(title)}</title>'
        f'<desc id="{name}-desc">{safe.escape(described)}</desc>'
        f'<rect x="{low:.1f}" y="{TOP - 3:g}" width="{high - low:.1f}" height="{bottom - TOP + 6:g}" '
        f'fill="#eef1f5"/><line x1="{_x(0):.1f}" x2="{_x(0):.1f}" y1="{TOP - 3:g}" y2="{bottom + 3:g}" '
        'stroke="#12284c" stroke-dasharray="4 3"/>'
        f'<text x="0" y="12" font-size="13" fill="#505a6b">← against</text>'
        f'<text x="{WIDTH:g}" y="12" font-size="13" text-anchor="end" fill="#505a6b">for →</text>'
        f'<text x="{_x(0):.1f}" y="{bottom + 15:g}" font-size="13" text-anchor="middle" fill="#505a6b">'
        f"shaded: too little to matter</text>{marks}</svg>"
    )


def _ordered(lines: Sequence[Item]) -> list[Item]:
    order = list(SIDES)
    return sorted(lines, key=lambda one: (order.index(one["side"]), -one["estimate"]))


def _x(value: float) -> float:
    return WIDTH / 2 + value / FAR * (WIDTH / 2 - 8)


def _line(one: Item, y: float) -> str:
    """Draw an interval, thick for a direct line, and the mark of its side; arrow heads where cut off."""
    hue, mark, _ = SIDES[one["side"]]
    low, high = (_x(max(-FAR, min(FAR, one[end]))) for end in ("lower", "upper"))
    drawn = (
        f'<line x1="{low:.1f}" x2="{high:.1f}" y1="{y:g}" y2="{y:g}" stroke="{hue}" '
        f'stroke-width="{2.6 if one["direct"] else 1.2}"/>'
    )
    for value, at, step in ((one["lower"], _x(-FAR), -5), (one["upper"], _x(FAR), 5)):
        if abs(value) > FAR and value * step > 0:
            drawn += f'<path d="M{at + step:.1f} {y:g}l{-step} -3v6z" fill="{hue}"/>'
    if abs(one["estimate"]) > FAR:
        return drawn
    x = _x(one["estimate"])
    shapes = {
        "circle": f'<circle cx="{x:.1f}" cy="{y:g}" r="3" fill="{hue}"/>',
        "ring": f'<circle cx="{x:.1f}" cy="{y:g}" r="2.6" fill="#fff" stroke="{hue}" stroke-width="1.2"/>',
        "square": f'<rect x="{x - 2.6:.1f}" y="{y - 2.6:g}" width="5.2" height="5.2" fill="{hue}"/>',
        "diamond": f'<path d="M{x:.1f} {y - 3.6:g}l3.6 3.6-3.6 3.6-3.6-3.6z" fill="{hue}"/>',
    }
    return drawn + shapes[mark]
