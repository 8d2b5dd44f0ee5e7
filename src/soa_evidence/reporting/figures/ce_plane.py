"""The cost-effectiveness plane: where draws of extra effect and extra cost lie, and a threshold's line."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from soa_evidence.errors import InputError
from soa_evidence.reporting import formats
from soa_evidence.reporting.figures import style
from soa_evidence.reporting.figures.figure import Figure, make, require_columns
from soa_evidence.reporting.sentences import Sentence

__all__ = ["ce_plane"]

_HEIGHT = 460
_SHOWN = 1000


def ce_plane(
    frame: pd.DataFrame,
    *,
    threshold: float,
    id: str,
    title: str | Sentence,
    subtitle: str,
    scale: float = 1000,
    effect_text: str = "extra QALYs per 1,000 patients",
    cost_text: str = "extra cost, £ thousand per 1,000 patients",
    synthetic: bool = False,
) -> Figure:
    """Draw one dot a draw, the mean, and the line on which a gain costs just what it is held to be worth.

    Parameters
    ----------
    frame : columns extra_effect, extra_cost
        Per patient, one row a draw. At most 1,000 dots are drawn, evenly spread over the rows.
    threshold
        GBP per QALY, above 0; below the line the strategy is worth its cost.
    scale
        Patients that both axes count.
    """
    data = require_columns(frame, ("extra_effect", "extra_cost"), figure=id, what="draws")
    if len(data) < 2:
        raise InputError(f"Figure '{id}': a plane needs at least two draws.")
    if not threshold > 0:
        raise InputError(f"Figure '{id}': the threshold is {threshold}; expected GBP per QALY, above 0.")
    worth = float((threshold * data["extra_effect"] >= data["extra_cost"]).mean())
    shown = data.iloc[np.unique(np.linspace(0, len(data) - 1, min(len(data), _SHOWN)).round().astype(int))]
    drawn = pd.DataFrame({"x": shown["extra_effect"] * scale, "y": shown["extra_cost"] * scale / 1000})
    centre = (float(data["extra_effect"].mean()) * scale, float(data["extra_cost"].mean()) * scale / 1000)
    slope = threshold / 1000

    def draw(canvas: Any, size: style.Size) -> None:
        _draw(canvas, size, drawn, centre, slope, (effect_text, cost_text))

    return make(
        draw,
        id=id,
        title=title,
        subtitle=subtitle,
        description=_describe(data, worth, centre, threshold, effect_text),
        frame=data[["extra_effect", "extra_cost"]]
        .describe(percentiles=[0.025, 0.5, 0.975])
        .reset_index(names="statistic"),
        height=lambda _: _HEIGHT,
        synthetic=synthetic,
    )


def _draw(
    canvas: Any, size: style.Size, drawn: pd.DataFrame, centre: tuple[float, float], slope: float,
    texts: tuple[str, str],
) -> None:  # fmt: skip
    width = size.width
    axes = canvas.add_axes((74 / width, 62 / _HEIGHT, 1 - 92 / width, 1 - 96 / _HEIGHT))
    x = np.append(drawn["x"].to_numpy(), 0.0)
    y = np.append(drawn["y"].to_numpy(), 0.0)
    for values, limit in ((x, axes.set_xlim), (y, axes.set_ylim)):
        room = 0.08 * (values.max() - values.min()) or 1.0
        limit(values.min() - room, values.max() + room)
    style.axis(axes, label=texts[0])
    axes.grid(axis="y", color=style.GRID, linewidth=1, zorder=0)
    axes.set_ylabel(texts[1], fontsize=style.SMALL)
    axes.locator_params(axis="x", nbins=4 if size.narrow else 7)
    for axis in (axes.xaxis, axes.yaxis):
        style.thousands(axis)
    axes.axhline(0, color=style.INK, linewidth=1.2, zorder=2)
    axes.axvline(0, color=style.INK, linewidth=1.2, zorder=2)
    low, high = axes.get_xlim()
    bottom, top = axes.get_ylim()
    axes.plot([low, high], [slope * low, slope * high], color=style.MUTED, linewidth=1.5,
              linestyle=(0, (4, 3)), zorder=3)  # fmt: skip
    axes.set_xlim(low, high)
    axes.set_ylim(bottom, top)
    axes.plot(drawn["x"], drawn["y"], ".", color=style.SPECIALIST.hue, markersize=4, alpha=0.35, zorder=4)
    axes.plot([centre[0]], [centre[1]], marker="o", markersize=11, color=style.INK, zorder=6)
    axes.annotate("mean", centre, xytext=(9, 9), textcoords="offset points", fontsize=style.SMALL,
                  fontweight="bold", zorder=7)  # fmt: skip
    axes.fill_between([low, high], [slope * low, slope * high], bottom, color=style.BAND, zorder=0)
    small = {"fontsize": style.TINY, "color": style.MUTED, "zorder": 5}
    axes.text(0.99, 0.01, "worth its cost", transform=axes.transAxes, ha="right", va="bottom", **small)
    axes.text(0.01, 0.99, f"not worth its cost at £{1000 * slope:,.0f} a QALY", transform=axes.transAxes,
              ha="left", va="top", **small)  # fmt: skip


def _describe(
    data: pd.DataFrame, worth: float, centre: tuple[float, float], threshold: float, effect_text: str
) -> str:
    cost = formats.currency("£", formats.fixed(centre[1], 0))
    return (
        f"{len(data):,} draws. Mean: {formats.fixed(centre[0], 1)} {effect_text}, for "
        f"{cost} thousand. {formats.percent(worth)} of draws are worth their cost at "
        f"£{threshold:,.0f} per QALY; {formats.percent(float((data['extra_effect'] > 0).mean()))} gain "
        f"QALYs and {formats.percent(float((data['extra_cost'] < 0).mean()))} save money."
    )
