"""How the probability of a better outcome falls as more is asked of the difference."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from soa_evidence.errors import InputError
from soa_evidence.reporting import formats, words
from soa_evidence.reporting.figures import style
from soa_evidence.reporting.figures.figure import Figure, make, require_columns, rows_of
from soa_evidence.reporting.sentences import Sentence

__all__ = ["probability_curve"]

_HEIGHT = 380


def probability_curve(
    frame: pd.DataFrame,
    *,
    margin_text: str,
    id: str,
    title: str | Sentence,
    subtitle: str,
    at: float | None = None,
    at_label: str = "margin that matters",
    synthetic: bool = False,
) -> Figure:
    """Draw the probability of a difference of at least each margin, on the yardstick's bands.

    Parameters
    ----------
    frame : columns margin, probability
        Probability (0 to 1) that the difference is at least the margin.
    margin_text
        Unit of the horizontal axis, e.g. ``"at least this many fewer per 1,000 patients"``.
    at, at_label
        A margin to mark on the curve.
    """
    data = require_columns(frame, ("margin", "probability"), figure=id, what="margins")
    data = data.sort_values("margin", kind="stable").reset_index(drop=True)
    if len(data) < 2:
        raise InputError(f"Figure '{id}': a curve needs at least two margins.")
    if not data["probability"].between(0, 1).all():
        raise InputError(f"Figure '{id}': a probability lies outside 0 to 1.")

    def draw(canvas: Any, size: style.Size) -> None:
        _draw(canvas, size, data, margin_text, at, at_label)

    return make(
        draw,
        id=id,
        title=title,
        subtitle=subtitle,
        description=_describe(data, margin_text, at, at_label),
        frame=data[["margin", "probability"]],
        height=lambda _: _HEIGHT,
        synthetic=synthetic,
    )


def _draw(
    canvas: Any, size: style.Size, data: pd.DataFrame, margin_text: str, at: float | None, at_label: str
) -> None:
    width = size.width
    right = 150 if size.narrow else 165
    axes = canvas.add_axes((46 / width, 56 / _HEIGHT, 1 - (46 + right) / width, 1 - 78 / _HEIGHT))
    axes.set_xlim(float(data["margin"].min()), float(data["margin"].max()))
    axes.set_ylim(0, 1)
    # on a phone the yardstick's words leave no room beside the mark: the axis says what the dashed line is
    beneath = f" (dashed: {at_label})" if size.narrow and at is not None else ""
    style.axis(axes, label=f"{margin_text}{beneath}")
    axes.set_yticks([0, 0.25, 0.5, 0.75, 1], ["0%", "25%", "50%", "75%", "100%"])
    axes.locator_params(axis="x", nbins=4 if size.narrow else 7)
    below = 0.0
    for count, (upper, word) in enumerate(words.YARDSTICK):
        if count % 2 == 0:
            axes.axhspan(below, upper, color=style.BAND, zorder=0)
        axes.annotate(
            word,
            (1, (below + upper) / 2),
            xycoords="axes fraction",
            xytext=(6, 0),
            textcoords="offset points",
            va="center",
            fontsize=style.TINY if size.narrow else style.SMALL,
            color=style.MUTED,
        )
        below = upper
    axes.plot(data["margin"], data["probability"], color=style.SPECIALIST.hue, linewidth=3, zorder=4)
    if at is not None:
        _mark(axes, data, at, at_label, size)


def _mark(axes: Any, data: pd.DataFrame, at: float, at_label: str, size: style.Size) -> None:
    p = float(np.interp(at, data["margin"], data["probability"]))
    axes.plot([at, at], [0, p], color=style.INK, linewidth=1.2, linestyle=(0, (4, 3)), zorder=3)
    axes.plot([at], [p], marker="o", markersize=10, color=style.SPECIALIST.hue, zorder=5)
    low, high = axes.get_xlim()
    left = (at - low) / (high - low) > 0.45
    axes.annotate(
        formats.percent(p) if size.narrow else f"{at_label}: {formats.percent(p)}",
        (at, p),
        # beneath a falling line to its left, above it to its right; never on the axis
        xytext=(-9 if left else 9, -14 if left and p > 0.2 else 12),
        va="top" if left and p > 0.2 else "bottom",
        textcoords="offset points",
        ha="right" if left else "left",
        fontsize=style.SMALL,
        fontweight="bold",
        zorder=6,
    )


def _describe(data: pd.DataFrame, margin_text: str, at: float | None, at_label: str) -> str:
    rows = rows_of(data.iloc[np.unique(np.linspace(0, len(data) - 1, 6).round().astype(int))])
    places = formats.significant_decimals(float(data["margin"].abs().max()), 2)
    listed = "; ".join(
        f"{formats.fixed(row.margin, places)}: {words.probability(row.probability)}" for row in rows
    )
    text = f"Probability by margin ({margin_text}): {listed}."
    if at is not None:
        p = float(np.interp(at, data["margin"], data["probability"]))
        text += f" At the {at_label}, {formats.fixed(at, places)}, it is {words.probability(p)}."
    return text
