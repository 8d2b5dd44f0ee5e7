"""Curves made ready for drawing: one horizon, few enough points, a hue and a dash each, names at the ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from soa_evidence.errors import InputError
from soa_evidence.reporting import formats, safe
from soa_evidence.reporting.figures import style
from soa_evidence.results import Curve

__all__ = [
    "Line",
    "Lines",
    "apart",
    "dashes",
    "draw",
    "frame_axes",
    "label_ends",
    "prepare",
    "read",
    "readings",
    "told_apart",
]

_POINTS = 240  # more steps than this cannot be told apart at the width of a page
_READINGS = 11
_VALUE_HEIGHT, _LINE_HEIGHT = 20, 16  # pixels of a value beneath a name, and of each line of the name
_DASHES: tuple[Any, ...] = (
    "solid",
    (0, (6, 3)),
    (0, (1.5, 2)),
    (0, (8, 2, 1.5, 2)),
    (0, (12, 4)),
    (0, (3, 1.2)),
)


@dataclass(frozen=True, eq=False, kw_only=True)
class Line:
    """One curve on the horizon's points: `time`, `estimate`, `lower`, `upper`, arrays of one length."""

    label: str
    mark: style.Mark
    curve: Curve
    time: Any
    estimate: Any
    lower: Any
    upper: Any


@dataclass(frozen=True, eq=False, kw_only=True)
class Lines:
    """Curves of one estimand on one time axis."""

    lines: tuple[Line, ...]
    estimand: str
    time_unit: str
    horizon: float
    smooth: bool

    @property
    def is_probability(self) -> bool:
        """Whether values are shares, shown as percentages."""
        return self.estimand != "cumulative hazard"

    @property
    def start(self) -> float:
        """Value at time 0."""
        return 1.0 if self.estimand == "survival" else 0.0


def prepare(curves: Sequence[Curve], *, figure: str, horizon: float | None, smooth: bool) -> Lines:
    """Check that curves may share axes, and thin them to what a page can show."""
    if not curves:
        raise InputError(f"Figure '{figure}': no curves were given; expected at least one.")
    first = curves[0]
    for curve in curves:
        if (curve.estimand, curve.time_unit) != (first.estimand, first.time_unit):
            raise InputError(
                f"Figure '{figure}': curve {curve.label!r} shows {curve.estimand} in {curve.time_unit}, "
                f"curve {first.label!r} {first.estimand} in {first.time_unit}; one figure shows one estimand "
                "on one axis."
            )
    labels = [safe.clean(curve.label) for curve in curves]
    if len(set(labels)) != len(labels):
        twice = next(label for label in labels if labels.count(label) > 1)
        raise InputError(f"Figure '{figure}': two curves are called {twice!r}; give each its own label.")
    longest = max(float(curve.time[-1]) if len(curve.time) else 0.0 for curve in curves)
    last = longest if horizon is None else float(horizon)
    if not 0 < last <= longest * (1 + 1e-9):
        raise InputError(
            f"Figure '{figure}': the horizon is {last:g}; the curves are known to {longest:g} "
            f"{first.time_unit}. Choose one within that."
        )
    return Lines(
        lines=tuple(_line(curve, label, last, smooth) for curve, label in zip(curves, labels, strict=True)),
        estimand=first.estimand,
        time_unit=first.time_unit,
        horizon=last,
        smooth=smooth,
    )


def _line(curve: Curve, label: str, horizon: float, smooth: bool) -> Line:
    end = min(horizon, float(curve.time[-1]))
    time = np.concatenate([[0.0], curve.time[(curve.time > 0) & (curve.time < end)], [end]])
    if len(time) > _POINTS:
        time = np.linspace(0, end, _POINTS)
    return Line(
        label=label, mark=style.mark_of(label), curve=curve, time=time, **read(curve, time, smooth=smooth)
    )


def read(curve: Curve, times: Any, *, smooth: bool) -> dict[str, Any]:
    """Return estimate and limits of a curve at times: the step in force, or the point on the joined line."""
    start = 1.0 if curve.estimand == "survival" else 0.0
    found = {}
    for name in ("estimate", "lower", "upper"):
        known = np.asarray(getattr(curve, name), float)
        if smooth:
            first = [] if len(curve.time) and curve.time[0] == 0 else [0.0]
            at, of = np.concatenate([first, curve.time]), np.concatenate([[start] * len(first), known])
            found[name] = np.interp(times, at, of)
        else:
            found[name] = np.concatenate([[start], known])[np.searchsorted(curve.time, times, side="right")]
    return found


def dashes(lines: Lines) -> list[Any]:
    """Return a dash for each line, so that two of one hue are told apart."""
    seen: dict[str, int] = {}
    found = []
    for line in lines.lines:
        at = seen.setdefault(line.mark.hue, 0)
        found.append(_DASHES[at % len(_DASHES)])
        seen[line.mark.hue] += 1
    return found


def draw(axes: Any, line: Line, dash: Any, *, smooth: bool) -> None:
    """Draw a line over its band of limits."""
    known = np.isfinite(line.lower) & np.isfinite(line.upper)
    axes.fill_between(
        line.time,
        line.lower,
        line.upper,
        where=known,
        step=None if smooth else "post",
        color=line.mark.hue,
        alpha=0.16,
        linewidth=0,
        zorder=2,
    )
    axes.plot(
        line.time,
        line.estimate,
        color=line.mark.hue,
        linewidth=2.4,
        linestyle=dash,
        drawstyle="default" if smooth else "steps-post",
        zorder=4,
    )


def frame_axes(axes: Any, lines: Lines, size: style.Size) -> None:
    """Set limits and ticks; say so where the vertical axis does not start at nought."""
    style.axis(axes, left=True)
    axes.set_xlim(0, lines.horizon)
    axes.locator_params(axis="x", nbins=5 if size.narrow else 10, integer=lines.horizon >= 4)
    axes.set_xlabel(lines.time_unit, fontsize=style.SMALL, labelpad=5)
    values = np.concatenate([np.concatenate([line.estimate, line.lower, line.upper]) for line in lines.lines])
    values = values[np.isfinite(values)]
    low, high = (float(values.min()), 1.0) if lines.start == 1.0 else (0.0, float(values.max()))
    room = 0.05 * (high - low or 0.1)
    if lines.start == 1.0:
        low = 0.0 if low < 0.5 else low - room
        axes.set_ylim(max(0.0, low), 1.0)
    else:
        axes.set_ylim(0.0, min(1.0, high + room) if lines.is_probability else high + room)
    if lines.is_probability:
        style_percent(axes)
    cut = axes.get_ylim()[0] > 0
    text = lines.estimand + (f" (axis starts at {formats.percent(axes.get_ylim()[0])})" if cut else "")
    style.above(axes, text, size, gap=10)


def style_percent(axes: Any) -> None:
    """Write shares as percentages along the vertical axis, with as many decimals as its steps need."""
    ticks = 100 * np.asarray(axes.get_yticks())
    places = next((p for p in (0, 1, 2) if np.allclose(ticks, np.round(ticks, p), atol=1e-6)), 2)
    axes.yaxis.set_major_formatter(lambda value, _: formats.percent(value, places))


def label_ends(axes: Any, lines: Lines, size: style.Size) -> None:
    """Name each line beside its end, moved apart where ends are close; a thin lead joins name and end."""
    low, high = axes.get_ylim()
    tall = axes.get_position().height * axes.figure.get_figheight() * 72
    ends = [float(line.estimate[-1]) for line in lines.lines]
    beside = lines.horizon * 1.02
    names = ["\n".join(style.wrapped(line.label, 14 if size.narrow else 24)) for line in lines.lines]
    if len(set(names)) < len(names):
        names = told_apart([line.label for line in lines.lines], 14 if size.narrow else 24)
    deepest = max(name.count("\n") + 1 for name in names)
    places = apart(ends, (_VALUE_HEIGHT + _LINE_HEIGHT * deepest) * (high - low) / tall, highest=high)
    for line, name, end, place in zip(lines.lines, names, ends, places, strict=True):
        value = formats.percent(end, 1) if lines.is_probability else formats.fixed(end, 2)
        axes.text(
            beside,
            place,
            f"{name}\n{value}",
            fontsize=style.TINY if size.narrow else style.SMALL,
            color=line.mark.hue,
            va="center",
        )
        lead = {"color": line.mark.hue, "linewidth": 0.8, "clip_on": False, "zorder": 3}
        axes.plot([float(line.time[-1]), beside], [end, place], **lead)


def told_apart(names: Sequence[str], length: int) -> list[str]:
    """Return names cut to `length`; those that would then read the same keep their last words instead."""
    cut = [safe.shorten(name, length) for name in names]
    return [
        _ending(name, length) if cut.count(one) > 1 else one for name, one in zip(names, cut, strict=True)
    ]


def _ending(name: str, length: int) -> str:
    words = safe.clean(name).split()
    while len(words) > 1 and len(" ".join(words)) > length - 2:
        words = words[1:]
    return safe.shorten(f"… {' '.join(words)}", length)


def apart(ends: Sequence[float], gap: float, *, highest: float) -> list[float]:
    """Return a place for each name: in the order of the ends, at least `gap` apart, none above `highest`."""
    order = np.argsort(ends, kind="stable")
    places = np.asarray(ends, float)
    for below, k in pairwise(order):
        places[k] = max(places[k], places[below] + gap)
    limit = highest
    for k in order[::-1]:
        places[k] = min(places[k], limit)
        limit = places[k] - gap
    return [float(place) for place in places]


def readings(lines: Lines) -> pd.DataFrame:
    """Return what a reader can read off: each line at round times, with its limits."""
    tables = []
    for line in lines.lines:
        times = np.linspace(0, lines.horizon, _READINGS)
        times = np.unique(np.append(times[times <= line.time[-1]], line.time[-1]))
        found = read(line.curve, times, smooth=lines.smooth)
        tables.append(pd.DataFrame({"label": line.label, "time": times, **found}))
    return pd.concat(tables, ignore_index=True)
