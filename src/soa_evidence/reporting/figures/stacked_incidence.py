"""Kinds of event stacked over time, one panel a group: together they are all who had any."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from soa_evidence.errors import InputError
from soa_evidence.reporting import formats, safe
from soa_evidence.reporting.figures import curve_lines, style
from soa_evidence.reporting.figures.figure import Figure, make, rows_of
from soa_evidence.reporting.sentences import Sentence
from soa_evidence.results import Curve

__all__ = ["stacked_incidence"]

_PANEL = 300
_POINTS = 80  # more steps cannot be told apart at a panel's width
#: Hues of Okabe and Ito, each with a hatch of its own so that colour is never needed alone.
_FILLS = (
    ("#0072b2", ""),
    ("#e69f00", "////"),
    ("#009e73", "----"),
    ("#cc79a7", "\\\\\\\\"),
    ("#56b4e9", "xxxx"),
    ("#d55e00", "||||"),
    ("#505a6b", "oo"),
    ("#f0e442", "++++"),
)


def stacked_incidence(
    curves: Sequence[Curve],
    *,
    id: str,
    title: str | Sentence,
    subtitle: str,
    horizon: float | None = None,
    order: Sequence[str] = (),
    synthetic: bool = False,
) -> Figure:
    """Stack the cumulative incidences of all causes, one panel a group, all on one scale.

    Parameters
    ----------
    curves
        Cumulative incidences of every cause for every group; `Curve.cause` names the cause.
    horizon
        Last time drawn; the shortest group's last time when not given.
    order
        Causes from the bottom up; as first met when not given.

    Raises
    ------
    InputError
        When a curve is no cumulative incidence, a group lacks a cause, or causes outnumber the patterns.
    """
    panels, causes = _panels(curves, order, id)
    longest = min(float(curve.time[-1]) for by_cause in panels.values() for curve in by_cause.values())
    last = longest if horizon is None else horizon
    lines = {
        group: curve_lines.prepare(
            [_named(by_cause[cause], cause) for cause in causes], figure=id, horizon=last, smooth=False
        )
        for group, by_cause in panels.items()
    }
    frame = _frame(lines)

    def height(size: style.Size) -> float:
        return _PANEL * _rows(size, len(panels)) + 8

    def draw(canvas: Any, size: style.Size) -> None:
        _draw(canvas, size, lines, causes)

    return make(
        draw,
        id=id,
        title=title,
        subtitle=subtitle,
        description=_describe(frame, last, curves[0].time_unit),
        frame=frame,
        height=height,
        synthetic=synthetic,
    )


def _panels(
    curves: Sequence[Curve], order: Sequence[str], figure: str
) -> tuple[dict[str, dict[str, Curve]], tuple[str, ...]]:
    panels: dict[str, dict[str, Curve]] = {}
    for curve in curves:
        if curve.estimand != "cumulative incidence" or curve.cause is None:
            raise InputError(
                f"Figure '{figure}': the curve of {curve.label!r} is a {curve.estimand}; only cumulative "
                "incidences, each with its cause, add up and may be stacked."
            )
        panels.setdefault(safe.clean(curve.label), {})[safe.clean(curve.cause)] = curve
    if not panels:
        raise InputError(f"Figure '{figure}': no curves were given; expected one for each group and cause.")
    met = dict.fromkeys(cause for by_cause in panels.values() for cause in by_cause)
    causes = tuple(safe.clean(cause) for cause in order) or tuple(met)
    for group, by_cause in panels.items():
        if set(by_cause) != set(causes):
            odd = sorted(set(by_cause) ^ set(causes))[0]
            raise InputError(
                f"Figure '{figure}': cause {odd!r} is not there for every group (see {group!r}) or not in "
                f"the order given; expected {', '.join(causes)} for each."
            )
    if len(causes) > len(_FILLS):
        raise InputError(
            f"Figure '{figure}': {len(causes)} causes cannot be told apart; join some, to {len(_FILLS)}."
        )
    return panels, causes


def _named(curve: Curve, cause: str) -> Curve:
    return replace(curve, label=cause)


def _frame(lines: dict[str, curve_lines.Lines]) -> pd.DataFrame:
    read = [
        curve_lines.readings(panel).rename(columns={"label": "cause"}).assign(label=group)
        for group, panel in lines.items()
    ]
    return pd.concat(read, ignore_index=True)[["label", "cause", "time", "estimate", "lower", "upper"]]


def _rows(size: style.Size, panels: int) -> int:
    return panels if size.narrow else -(-panels // 2)


def _draw(
    canvas: Any, size: style.Size, lines: dict[str, curve_lines.Lines], causes: tuple[str, ...]
) -> None:
    height, width = canvas.get_figheight() * 72, size.width
    across = 1 if size.narrow or len(lines) == 1 else 2
    wide = width / across
    stacks = {group: _stack(panel) for group, panel in lines.items()}
    top = 1.06 * max(float(stack[-1, -1]) for _, stack in stacks.values())
    for at, (group, (time, stack)) in enumerate(stacks.items()):
        row, column = divmod(at, across)
        left = column * wide + 44
        right = 150 if across == 1 else 104
        axes = canvas.add_axes(
            (left / width, 1 - ((row + 1) * _PANEL - 40) / height, (wide - 44 - right) / width, 206 / height)
        )
        _panel(axes, group, time, stack, causes, top, lines[group], narrow=across == 2)


def _stack(panel: curve_lines.Lines) -> tuple[Any, Any]:
    """Return common times and the sums of the causes up to each; shape (causes + 1, times)."""
    time = np.linspace(0, panel.horizon, _POINTS)
    values = [curve_lines.read(line.curve, time, smooth=False)["estimate"] for line in panel.lines]
    return time, np.vstack([np.zeros(len(time)), np.cumsum(values, axis=0)])


def _panel(
    axes: Any,
    group: str,
    time: Any,
    stack: Any,
    causes: tuple[str, ...],
    top: float,
    panel: curve_lines.Lines,
    *,
    narrow: bool,
) -> None:
    style.axis(axes, left=True)
    axes.set(xlim=(0, panel.horizon), ylim=(0, top))
    axes.locator_params(axis="x", nbins=5, integer=panel.horizon >= 4)
    axes.locator_params(axis="y", nbins=5)
    axes.set_xlabel(panel.time_unit, fontsize=style.SMALL, labelpad=5)
    curve_lines.style_percent(axes)
    axes.set_title(safe.shorten(group, 34), fontsize=style.TEXT, fontweight="bold", loc="left", pad=10)
    middles = []
    for k, (hue, hatch) in enumerate(_FILLS[: len(causes)]):
        axes.fill_between(
            time, stack[k], stack[k + 1], step="post", facecolor=hue, edgecolor=style.INK, hatch=hatch,
            alpha=0.55, linewidth=0, zorder=2,
        )  # fmt: skip
        axes.plot(time, stack[k + 1], color=style.INK, linewidth=0.8, drawstyle="steps-post", zorder=4)
        middles.append(float(stack[k, -1] + stack[k + 1, -1]) / 2)
    gap = 17 * top / 206
    for cause, middle, place in zip(
        causes, middles, curve_lines.apart(middles, gap, highest=top), strict=True
    ):
        axes.text(
            panel.horizon * 1.06,
            place,
            safe.shorten(cause, 14 if narrow else 18),
            fontsize=style.TINY,
            va="center",
        )
        axes.plot(
            [panel.horizon, panel.horizon * 1.05],
            [middle, place],
            color=style.MUTED,
            linewidth=0.8,
            clip_on=False,
        )


def _describe(frame: pd.DataFrame, horizon: float, unit: str) -> str:
    parts = []
    for group, rows in frame.groupby("label", sort=False):
        last = rows.groupby("cause", sort=False).tail(1)
        listed = ", ".join(f"{row.cause} {formats.percent(row.estimate, 1)}" for row in rows_of(last))
        parts.append(f"{group}: {listed}; together {formats.percent(float(last['estimate'].sum()), 1)}")
    return f"Cumulative incidence by cause at {horizon:g} {unit}. " + ". ".join(parts) + "."
