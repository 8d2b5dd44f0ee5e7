"""Every hospital in order of its estimate, with intervals; and how far the order can be trusted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from soa_evidence.errors import InputError, nearest
from soa_evidence.reporting import formats, safe
from soa_evidence.reporting.figures import style
from soa_evidence.reporting.figures.figure import Figure, make, require_columns, rows_of
from soa_evidence.reporting.sentences import Sentence

__all__ = ["caterpillar", "ordinal"]

_RANK_ROW = 58
_TOP = 330


def caterpillar(
    units: pd.DataFrame,
    *,
    unit_text: str,
    id: str,
    title: str | Sentence,
    subtitle: str,
    highlight: Sequence[str] = (),
    reference: float | None = None,
    reference_label: str = "average",
    rank_text: str = "position, lowest first",
    synthetic: bool = False,
) -> Figure:
    """Draw all units in order, and the rank intervals of those in `highlight`.

    Parameters
    ----------
    units : columns label, group, estimate, lower, upper, rank_lower, rank_upper
        One row a hospital; ranks count from 1, the lowest estimate first.
    highlight
        Labels of hospitals to name.
    unit_text, reference, reference_label
        Unit of the vertical axis and a named line across it.
    """
    numeric = ("label", "group", "estimate", "lower", "upper", "rank_lower", "rank_upper")
    ordered = require_columns(units, numeric, figure=id, what="units")
    ordered = ordered.sort_values("estimate", kind="stable").reset_index(drop=True)
    named = [safe.clean(name) for name in highlight]
    for name in named:
        if name not in set(ordered["label"]):
            raise InputError(f"Figure '{id}': no unit is called {name!r}.{nearest(name, ordered['label'])}")
    chosen = ordered[ordered["label"].isin(named)]

    def height(size: style.Size) -> float:
        return _TOP + (64 + _rank_row(chosen, size) * len(chosen) if len(chosen) else 0)

    def draw(canvas: Any, size: style.Size) -> None:
        _draw_order(canvas, size, ordered, chosen, unit_text, reference, reference_label)
        if len(chosen):
            _draw_ranks(canvas, size, chosen, len(ordered), rank_text)

    return make(
        draw,
        id=id,
        title=title,
        subtitle=subtitle,
        description=_describe(ordered, chosen, unit_text, reference, reference_label),
        frame=ordered[list(numeric)],
        height=height,
        synthetic=synthetic,
    )


def _draw_order(
    canvas: Any,
    size: style.Size,
    ordered: pd.DataFrame,
    chosen: pd.DataFrame,
    unit_text: str,
    reference: float | None,
    reference_label: str,
) -> None:
    height, width = canvas.get_figheight() * 72, size.width
    style.legend(canvas, ordered["group"], top=22)
    more = 17 * (len(style.wrapped(unit_text, size.letters + 3, most=3)) - 1)
    axes = canvas.add_axes(
        (46 / width, 1 - (_TOP - 30) / height, 1 - 54 / width, (_TOP - 82 - more) / height)
    )
    style.axis(axes, left=True)
    style.above(axes, unit_text, size, gap=8)
    axes.set_xticks([])
    axes.set_xlim(-2, len(ordered) + 1)
    axes.set_xlabel("hospitals, lowest estimate first", fontsize=style.SMALL, labelpad=4)
    thin = max(0.7, min(5.0, 0.55 * (width - 54) / len(ordered)))
    for group, members in ordered.groupby("group", sort=True):
        mark = style.mark_of(group)
        # one path a class, not one a hospital: the pen lifts at each missing value
        at = np.repeat(members.index.to_numpy(float), 3)
        ends = np.column_stack([members["lower"], members["upper"], np.full(len(members), np.nan)]).ravel()
        axes.plot(at, ends, color=mark.hue, linewidth=thin, alpha=0.32, zorder=2, solid_capstyle="butt")
        _points(axes, members, mark, 3.4 if size.narrow else 4.4)
    if reference is not None:
        axes.axhline(reference, color=style.INK, linewidth=1.2, linestyle=(0, (4, 3)), zorder=3)
        # the low end of the order lies beneath the line, so its left is free
        axes.text(0, reference, reference_label, fontsize=style.SMALL, va="bottom", zorder=7)
    for place, row in zip(chosen.index, rows_of(chosen), strict=True):
        mark = style.mark_of(row.group)
        axes.plot([place, place], [row.lower, row.upper], color=mark.hue, linewidth=3, zorder=6)
        axes.plot(
            [place],
            [row.estimate],
            marker=mark.shape,
            markersize=9,
            markerfacecolor=mark.face,
            markeredgecolor=mark.hue,
            markeredgewidth=2,
            zorder=7,
        )


def _points(axes: Any, members: pd.DataFrame, mark: style.Mark, wide: float) -> None:
    axes.plot(
        members.index,
        members["estimate"],
        linestyle="none",
        marker=mark.shape,
        markersize=wide,
        markerfacecolor=mark.face,
        markeredgecolor=mark.hue,
        markeredgewidth=0.9,
        zorder=4,
    )


def _between(row: Any) -> str:
    return f"{ordinal(row.rank_lower)} to {ordinal(row.rank_upper)}"


def _rank_row(chosen: pd.DataFrame, size: style.Size) -> float:
    return _RANK_ROW + style.head_room([(row.label, _between(row)) for row in rows_of(chosen)], size)


def _draw_ranks(canvas: Any, size: style.Size, chosen: pd.DataFrame, total: int, rank_text: str) -> None:
    height = canvas.get_figheight() * 72
    inset = 15 / size.width
    axes = canvas.add_axes(
        (inset, 52 / height, 1 - 2 * inset, (_rank_row(chosen, size) * len(chosen) - 4) / height)
    )
    axes.set_xlim(1, total)
    axes.set_ylim(len(chosen) - 0.5, -0.72)
    axes.set_yticks([])
    axes.set_xticks([1, *(round(total * k / 4) for k in (1, 2, 3)), total])
    style.axis(axes, label=f"{rank_text}, of {total}")
    for at, row in enumerate(rows_of(chosen)):
        mark = style.mark_of(row.group)
        style.bar(axes, row.rank_lower, row.rank_upper, at, mark.hue)
        style.row_head(axes, at - 0.46, row.label, _between(row), size)


def ordinal(rank: float) -> str:
    """Return a rank in words: 1st, 2nd, 11th."""
    whole = round(rank)
    ending = "th" if 10 <= whole % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(whole % 10, "th")
    return f"{whole:,}{ending}"


def _describe(
    ordered: pd.DataFrame,
    chosen: pd.DataFrame,
    unit_text: str,
    reference: float | None,
    reference_label: str,
) -> str:
    places = formats.decimals_for(0.0, float((ordered["upper"] - ordered["lower"]).median()))
    low, high = ordered.iloc[0], ordered.iloc[-1]
    text = (
        f"{len(ordered):,} hospitals in order of their estimate, in {unit_text}: from "
        f"{formats.fixed(low['estimate'], places)} ({low['label']}) to "
        f"{formats.fixed(high['estimate'], places)} ({high['label']})."
    )
    if reference is not None:
        above, below = (ordered["lower"] > reference).sum(), (ordered["upper"] < reference).sum()
        text += (
            f" The interval lies wholly above {reference_label} for {above:,} hospitals and wholly below it "
            f"for {below:,}."
        )
    for row in rows_of(chosen):
        text += (
            f" {row.label}: {formats.fixed(row.estimate, places)} ({formats.fixed(row.lower, places)} to "
            f"{formats.fixed(row.upper, places)}), position between {ordinal(row.rank_lower)} and "
            f"{ordinal(row.rank_upper)} of {len(ordered):,}."
        )
    return text
