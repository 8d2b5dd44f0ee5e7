"""How probable it is that each strategy is the best buy, as more is paid for a QALY."""

from __future__ import annotations

from typing import Any

import pandas as pd

from soa_evidence.errors import InputError
from soa_evidence.reporting import formats, safe
from soa_evidence.reporting.figures import style
from soa_evidence.reporting.figures.figure import Figure, make, require_columns
from soa_evidence.reporting.sentences import Sentence

__all__ = ["acceptability"]

_HEIGHT = 400
_HUES = (style.GENERAL.hue, style.SPECIALIST.hue, style.INDEPENDENT.hue, style.MUTED)


def acceptability(
    frame: pd.DataFrame,
    *,
    id: str,
    title: str | Sentence,
    subtitle: str,
    at: float | None = None,
    synthetic: bool = False,
) -> Figure:
    """Draw the acceptability curve of each strategy; the thick part is where its *mean* benefit is highest.

    Parameters
    ----------
    frame : columns threshold, strategy, probability, on_frontier
        From ``economics.decision``.
    at
        A threshold to mark, GBP per QALY.
    """
    data = require_columns(frame, ("threshold", "probability"), figure=id, what="thresholds")
    for column in ("strategy", "on_frontier"):
        if column not in data:
            raise InputError(f"Figure '{id}': the frame of thresholds has no column '{column}'.")
    if not data["probability"].between(0, 1).all():
        raise InputError(f"Figure '{id}': a probability lies outside 0 to 1.")
    data = data.assign(
        strategy=data["strategy"].map(safe.clean), on_frontier=data["on_frontier"].astype(bool)
    )
    if data["strategy"].nunique() > len(_HUES):
        raise InputError(
            f"Figure '{id}': {data['strategy'].nunique()} strategies; at most {len(_HUES)} are drawn."
        )

    def draw(canvas: Any, size: style.Size) -> None:
        _draw(canvas, size, data, at)

    return make(
        draw,
        id=id,
        title=title,
        subtitle=subtitle,
        description=_describe(data, at),
        frame=data[["threshold", "strategy", "probability", "on_frontier"]],
        height=lambda _: _HEIGHT,
        synthetic=synthetic,
    )


def _draw(canvas: Any, size: style.Size, data: pd.DataFrame, at: float | None) -> None:
    width = size.width
    right = 16 if size.narrow else 150
    axes = canvas.add_axes((54 / width, 60 / _HEIGHT, 1 - (54 + right) / width, 1 - 84 / _HEIGHT))
    axes.set_xlim(data["threshold"].min() / 1000, data["threshold"].max() / 1000)
    axes.set_ylim(0, 1)
    style.axis(axes, label="£ thousand paid for one QALY")
    axes.set_yticks([0, 0.25, 0.5, 0.75, 1], ["0%", "25%", "50%", "75%", "100%"])
    axes.grid(axis="y", color=style.GRID, linewidth=1, zorder=0)
    for hue, (name, rows) in zip(_HUES, data.groupby("strategy", sort=False), strict=False):
        rows = rows.sort_values("threshold")
        x, y = rows["threshold"] / 1000, rows["probability"]
        axes.plot(x, y, color=hue, linewidth=1.6, zorder=3)
        axes.plot(x, y.where(rows["on_frontier"]), color=hue, linewidth=5, zorder=4, solid_capstyle="round")
        place = (x.iloc[-1], y.iloc[-1])
        # on a phone the name stands on the line's free side
        offset = ((-4, -20) if y.iloc[-1] > 0.85 else (-4, 8)) if size.narrow else (7, 0)
        axes.annotate(safe.shorten(str(name), 22), place, xytext=offset, textcoords="offset points",
                      ha="right" if size.narrow else "left", va="bottom" if size.narrow else "center",
                      color=hue, fontsize=style.SMALL, fontweight="bold", annotation_clip=False)  # fmt: skip
    if at is not None:
        style.reference_line(axes, at / 1000, f"£{at:,.0f}")


def _describe(data: pd.DataFrame, at: float | None) -> str:
    wanted = [data["threshold"].min(), data["threshold"].max()] + ([] if at is None else [at])
    parts = []
    for name, rows in data.groupby("strategy", sort=False):
        shown = rows.drop_duplicates("threshold").set_index("threshold")["probability"]
        said = ", ".join(
            f"{formats.percent(float(shown[t]))} at £{t:,.0f}"
            for t in sorted(set(wanted))
            if t in shown.index
        )
        parts.append(f"{name}: {said}")
    listed = "; ".join(parts)
    return f"Probability of the highest net benefit. {listed} per QALY. Thick where the mean is highest."
