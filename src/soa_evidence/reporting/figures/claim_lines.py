"""Claims on one screen: each claim's lines of evidence as intervals, all turned the same way."""

from __future__ import annotations

from typing import Any

import pandas as pd

from soa_evidence.errors import InputError
from soa_evidence.reporting import safe
from soa_evidence.reporting.evidence_lines import SIDES
from soa_evidence.reporting.figures import style
from soa_evidence.reporting.figures.figure import Figure, make, require_columns, rows_of
from soa_evidence.reporting.sentences import Sentence

__all__ = ["claim_lines"]

#: Beyond this many margins an interval is cut off, with an arrow head.
_FAR = 5.0
_PITCH = 11.0
_HEAD = 30.0
_GAP = 12.0
#: Hue, mark and filling of each side; the same hue never stands for two sides, nor the same mark.
_LOOK = {
    "for": style.Mark(family="for", hue="#0072b2", shape="o", filled=True, label="for"),
    "against": style.Mark(family="against", hue="#d55e00", shape="D", filled=True, label="against"),
    "cannot tell": style.Mark(
        family="cannot tell", hue="#767f8c", shape="o", filled=False, label="cannot tell"
    ),
    "small": style.Mark(
        family="small", hue="#009e73", shape="s", filled=True, label="any difference is small"
    ),
}
_SIGN = {"for": "●", "against": "◆", "cannot tell": "○", "small": "■"}


def claim_lines(lines: pd.DataFrame, *, id: str, title: str | Sentence, subtitle: str) -> Figure:
    """Draw one panel a claim; each line of evidence is an interval, right of the middle when for the claim.

    Parameters
    ----------
    lines : columns claim, label, direct (bool), side, estimate, lower, upper
        In the order drawn; values in margins (the smallest amount that matters is 1), positive for the claim.
        A side is "for", "against", "cannot tell" or "small". Indirect lines are drawn thin.
    """
    for name in ("claim", "direct", "side"):
        if name not in lines.columns:
            raise InputError(f"Figure '{id}': the frame of lines has no column {name!r}.")
    data = require_columns(lines, ("label", "estimate", "lower", "upper"), figure=id, what="lines")
    odd = next((side for side in data["side"] if side not in SIDES), None)
    if odd is not None:
        raise InputError(f"Figure '{id}': a line is on side {odd!r}; expected one of {', '.join(SIDES)}.")
    data["claim"] = data["claim"].map(safe.clean)
    groups = {str(name): own for name, own in data.groupby("claim", sort=False)}

    def height(size: style.Size) -> float:
        return _around(size) + sum(_HEAD + _GAP + _PITCH * len(own) for own in groups.values())

    return make(
        lambda canvas, size: _draw(canvas, size, groups, height(size)),
        id=id,
        title=title,
        subtitle=subtitle,
        description=_describe(groups),
        frame=data[["claim", "label", "direct", "side", "estimate", "lower", "upper"]],
        height=height,
        synthetic=False,
    )


def _around(size: style.Size) -> float:
    return 132.0 if size.narrow else 96.0


def _draw(canvas: Any, size: style.Size, groups: dict[str, pd.DataFrame], height: float) -> None:
    around = _around(size)
    axes = canvas.add_axes((0.012, (around - 30) / height, 0.976, 1 - around / height))
    tall = height - around
    axes.set_xlim(-_FAR - 0.25, _FAR + 0.25)
    axes.set_ylim(tall, 0)
    axes.set_yticks([])
    style.axis(axes, label="distance from no difference, in the smallest amounts that matter")
    axes.set_xticks([-5, -3, -1, 0, 1, 3, 5])
    axes.set_xticklabels(["5", "3", "1", "0", "1", "3", "5"])
    axes.axvspan(-1, 1, color=style.BAND, zorder=0)
    axes.axvline(0, color=style.INK, linewidth=1.2, linestyle=(0, (4, 3)), zorder=1)
    for text, ha, x in (("← against the claim", "left", 0.0), ("for the claim →", "right", 1.0)):
        axes.annotate(
            text, xy=(x, 1), xytext=(0, 14), textcoords="offset points", xycoords="axes fraction",
            ha=ha, va="center", fontsize=style.TEXT, weight="bold", color=style.INK,
        )  # fmt: skip
    _key(axes, size)
    at = 0.0
    for name, own in groups.items():
        at = _panel(axes, name, own, at, size)


def _panel(axes: Any, name: str, own: pd.DataFrame, at: float, size: style.Size) -> float:
    """Draw one claim from height `at` down; return the height beneath it."""
    axes.axhline(at + 2, color=style.GRID, linewidth=1, zorder=0.5)
    told = own["side"].value_counts()
    counts = f"{told.get('for', 0)} for, {told.get('against', 0)} against, of {len(own)}"
    style.row_head(axes, at + _HEAD / 2 + 2, name, counts, size)
    y = at + _HEAD + _PITCH / 2
    for row in rows_of(own):
        mark = _LOOK[row.side]
        wide = 3.4 if row.direct else 1.4
        low, high = max(row.lower, -_FAR), min(row.upper, _FAR)
        if low <= _FAR and high >= -_FAR:
            axes.plot([low, high], [y, y], color=mark.hue, linewidth=wide, zorder=4, solid_capstyle="butt")
        for limit, edge, shape in ((row.lower, -_FAR, "<"), (row.upper, _FAR, ">")):
            if abs(limit) > _FAR and limit * edge > 0:
                axes.plot(
                    [edge], [y], marker=shape, markersize=5.5, color=mark.hue, linestyle="none", zorder=4
                )
        if abs(row.estimate) <= _FAR:
            axes.plot(
                [row.estimate], [y], marker=mark.shape, markersize=6.2 if mark.shape != "D" else 5.4,
                markerfacecolor=mark.face, markeredgecolor=mark.hue, markeredgewidth=1.4,
                linestyle="none", zorder=5,
            )  # fmt: skip
        y += _PITCH
    return at + _HEAD + _GAP + _PITCH * len(own)


def _key(axes: Any, size: style.Size) -> None:
    """Name the marks beneath the axis, in two lines on a phone."""
    place: dict[str, Any] = {
        "xy": (0, 0), "xycoords": "axes fraction", "textcoords": "offset points", "va": "center",
        "fontsize": style.SMALL,
    }  # fmt: skip
    x, y = 0.0, -46.0
    for mark in _LOOK.values():
        if size.narrow and mark.family == "small":
            x, y = 0.0, -64.0
        axes.annotate(_SIGN[mark.family], **place, xytext=(x, y), color=mark.hue)
        axes.annotate(mark.label, **place, xytext=(x + 14, y), color=style.MUTED)
        x += 34 + 7.2 * len(mark.label)
    x = 0.0 if size.narrow else x
    y = -82.0 if size.narrow else y
    axes.annotate("thick: direct, thin: indirect", **place, xytext=(x, y), color=style.MUTED)


def _describe(groups: dict[str, pd.DataFrame]) -> str:
    parts = []
    for name, own in groups.items():
        told = own["side"].value_counts()
        said = ", ".join(f"{told.get(side, 0)} {words.lower()}" for side, words in SIDES.items())
        parts.append(f"{name}: {len(own)} lines of evidence, {said}")
    return f"{len(groups)} claims, each line of evidence an interval. {'. '.join(parts)}."
