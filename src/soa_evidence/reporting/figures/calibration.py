"""Observed against expected, by groups of patients from those of whom least was expected to those of most."""

from __future__ import annotations

from typing import Any

import pandas as pd

from soa_evidence.errors import InputError
from soa_evidence.reporting import formats
from soa_evidence.reporting.figures import style
from soa_evidence.reporting.figures.figure import Figure, make, require_columns, rows_of
from soa_evidence.reporting.sentences import Sentence

__all__ = ["calibration"]

_HEIGHT = 440
_SERIES = (
    (style.SPECIALIST.hue, "o", True),
    (style.GENERAL.hue, "s", False),
    (style.INDEPENDENT.hue, "D", True),
)


def calibration(
    frame: pd.DataFrame,
    *,
    unit_text: str,
    id: str,
    title: str | Sentence,
    subtitle: str,
    synthetic: bool = False,
) -> Figure:
    """Draw observed against expected with limits, one series a model, beside the line of perfect calibration.

    Parameters
    ----------
    frame : columns group, expected, observed, lower, upper
        `group` names the model; at most three.
    unit_text
        Unit of both axes.
    """
    data = require_columns(
        frame, ("group", "expected", "observed", "lower", "upper"), figure=id, what="groups of patients"
    )
    models = list(dict.fromkeys(data["group"]))
    if len(models) > len(_SERIES):
        raise InputError(
            f"Figure '{id}': {len(models)} models are too many to tell apart; give at most three."
        )
    outside = (data["observed"] < data["lower"] - 1e-9) | (data["observed"] > data["upper"] + 1e-9)
    if outside.any():
        raise InputError(
            f"Figure '{id}': row {int(outside.to_numpy().argmax()) + 1}: limits leave out the observed."
        )

    def draw(canvas: Any, size: style.Size) -> None:
        _draw(canvas, size, data, models, unit_text)

    return make(
        draw,
        id=id,
        title=title,
        subtitle=subtitle,
        description=_describe(data, models, unit_text),
        frame=data[["group", "expected", "observed", "lower", "upper"]],
        height=lambda _: _HEIGHT,
        synthetic=synthetic,
    )


def _draw(canvas: Any, size: style.Size, data: pd.DataFrame, models: list[str], unit_text: str) -> None:
    width = size.width
    axes = canvas.add_axes((54 / width, 60 / _HEIGHT, 1 - 74 / width, 1 - 116 / _HEIGHT))
    style.axis(axes, left=True)
    style.axis(axes, label=f"expected, {unit_text}")
    axes.text(
        0, 1.11, f"observed, {unit_text}", transform=axes.transAxes, fontsize=style.SMALL, color=style.MUTED
    )
    low = float(min(data["expected"].min(), data["lower"].min()))
    high = float(max(data["expected"].max(), data["upper"].max()))
    room = 0.05 * (high - low or 1.0)
    axes.set_xlim(low - room, high + room)
    axes.set_ylim(low - room, high + room)
    axes.plot(
        [low - room, high + room],
        [low - room, high + room],
        color=style.INK,
        linewidth=1.2,
        linestyle=(0, (4, 3)),
    )
    for axis in (axes.xaxis, axes.yaxis):
        style.thousands(axis)
    axes.locator_params(nbins=5 if size.narrow else 7)
    at = 0.0
    for model, (hue, shape, filled) in zip(models, _SERIES, strict=False):
        face = hue if filled else "#ffffff"
        for row in rows_of(data[data["group"] == model]):
            axes.plot([row.expected] * 2, [row.lower, row.upper], color=hue, linewidth=2, zorder=3)
            axes.plot([row.expected], [row.observed], marker=shape, markersize=7, markerfacecolor=face,
                      markeredgecolor=hue, markeredgewidth=1.6, linestyle="none", zorder=4)  # fmt: skip
        place = {"transform": axes.transAxes, "clip_on": False, "zorder": 6}
        axes.plot(
            [at + 0.015],
            [1.06],
            marker=shape,
            markersize=7,
            markerfacecolor=face,
            markeredgecolor=hue,
            **place,
        )
        axes.text(at + 0.04, 1.06, model, fontsize=style.SMALL, va="center", color=style.MUTED, **place)
        at += 0.09 + len(model) * (0.023 if size.narrow else 0.0118)


def _describe(data: pd.DataFrame, models: list[str], unit_text: str) -> str:
    text = f"Observed against expected, {unit_text}, by groups of patients."
    for model in models:
        own = data[data["group"] == model].sort_values("expected")
        places = formats.decimals_for(float(own["lower"].min()), float(own["upper"].max())) + 1
        ends = [
            f"{formats.fixed(row.observed, places)} observed, {formats.fixed(row.expected, places)} expected"
            for row in rows_of(own.iloc[[0, -1]])
        ]
        within = int(((own["expected"] >= own["lower"]) & (own["expected"] <= own["upper"])).sum())
        text += (
            f" {model}: {ends[0]}, to {ends[1]}; limits of {within} of {len(own)} groups hold the expected."
        )
    return text
