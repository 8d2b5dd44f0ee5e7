"""Two sets of figures for the same things: the difference of each pair against their mean."""

from __future__ import annotations

from typing import Any

import pandas as pd

from soa_evidence.errors import InputError
from soa_evidence.reporting import formats
from soa_evidence.reporting.figures import style
from soa_evidence.reporting.figures.figure import Figure, make, require_columns
from soa_evidence.reporting.sentences import Sentence

__all__ = ["agreement"]

_HEIGHT = 430


def agreement(
    frame: pd.DataFrame,
    *,
    bias: float,
    limits: tuple[float, float],
    mean_text: str,
    difference_text: str,
    id: str,
    title: str | Sentence,
    subtitle: str,
    synthetic: bool = False,
) -> Figure:
    """Draw differences against means, with the mean difference and the limits of agreement.

    Parameters
    ----------
    frame : columns label, group, mean, difference
        One row a pair; `group` is the class, which gives hue and mark.
    bias, limits
        Mean difference, and the lower and upper limit of agreement.
    mean_text, difference_text
        Units of the two axes.
    """
    data = require_columns(frame, ("label", "group", "mean", "difference"), figure=id, what="pairs")
    low, high = limits
    if not low <= bias <= high:
        raise InputError(f"Figure '{id}': the limits {low:g} to {high:g} do not enclose the bias {bias:g}.")

    def draw(canvas: Any, size: style.Size) -> None:
        _draw(canvas, size, data, bias, limits, mean_text, difference_text)

    return make(
        draw,
        id=id,
        title=title,
        subtitle=subtitle,
        description=_describe(data, bias, limits, mean_text, difference_text),
        frame=data[["label", "group", "mean", "difference"]],
        height=lambda _: _HEIGHT,
        synthetic=synthetic,
    )


def _draw(
    canvas: Any,
    size: style.Size,
    data: pd.DataFrame,
    bias: float,
    limits: tuple[float, float],
    mean_text: str,
    difference_text: str,
) -> None:
    width = size.width
    style.legend(canvas, data["group"], top=22)
    axes = canvas.add_axes((50 / width, 56 / _HEIGHT, 1 - 64 / width, 1 - 112 / _HEIGHT))
    style.axis(axes, left=True)
    style.axis(axes, label=mean_text)
    axes.text(0, 1.03, difference_text, transform=axes.transAxes, fontsize=style.SMALL, color=style.MUTED)
    style.margins(axes, data["mean"], share=0.06)
    axes.locator_params(axis="x", nbins=4 if size.narrow else 7)
    axes.axhspan(*limits, color=style.BAND, zorder=0)
    axes.axhline(0, color=style.MUTED, linewidth=1, zorder=1)
    places = formats.decimals_for(*limits)
    paper = {"facecolor": "#ffffff", "edgecolor": "none", "alpha": 0.85, "pad": 1}
    right = axes.get_xlim()[1]
    for at, name in ((limits[1], "upper limit"), (bias, "mean"), (limits[0], "lower limit")):
        axes.axhline(at, color=style.INK, linewidth=1.2, linestyle=(0, (4, 3)), zorder=2)
        axes.text(
            right,
            at,
            f"{name} {formats.fixed(at, places)}",
            ha="right",
            va="top" if name == "lower limit" else "bottom",
            fontsize=style.SMALL,
            bbox=paper,
            zorder=6,
        )
    for group, members in data.groupby("group", sort=True):
        mark = style.mark_of(group)
        axes.plot(
            members["mean"],
            members["difference"],
            linestyle="none",
            marker=mark.shape,
            markersize=3.6 if size.narrow else 4.4,
            markerfacecolor=mark.face,
            markeredgecolor=mark.hue,
            markeredgewidth=1.1,
            alpha=0.7,
            zorder=5 if mark is style.SPECIALIST else 4,
        )
    style.thousands(axes.xaxis)
    style.thousands(axes.yaxis)


def _describe(
    data: pd.DataFrame, bias: float, limits: tuple[float, float], mean_text: str, difference_text: str
) -> str:
    places = formats.decimals_for(*limits)
    low, high, middle = (formats.fixed(value, places) for value in (*limits, bias))
    inside = data["difference"].between(*limits).mean()
    furthest = data.iloc[int(data["difference"].abs().to_numpy().argmax())]
    return (
        f"{len(data):,} pairs: {difference_text} against {mean_text}. Mean difference {middle}, limits of "
        f"agreement {low} to {high}, which hold {formats.percent(inside)} of the pairs. Furthest apart: "
        f"{furthest['label']}, {formats.fixed(furthest['difference'], places)}."
    )
