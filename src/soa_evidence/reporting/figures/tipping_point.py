"""What unrecorded severity would have to be for a comparison to say something else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from soa_evidence.errors import InputError
from soa_evidence.reporting import formats, safe
from soa_evidence.reporting.figures import style
from soa_evidence.reporting.figures.figure import Figure, make, require_columns, rows_of
from soa_evidence.reporting.sentences import Sentence

__all__ = ["tipping_point"]

_HEIGHT = 440
#: What an interval says of the specialist units' events, its colour, and its words.
#: Case-mix factors whose columns are named in fewer words than a reader needs.
_FACTORS = {"age_band": "age", "oxford_pre_band": "joint score before", "comorbidities": "other conditions"}
_SAYS = (
    ("lower", "#cfe3f3", "fewer"),
    ("cannot tell", "#f3f4f7", "cannot tell"),
    ("higher", "#f8dcc4", "more"),
)


def tipping_point(
    surface: pd.DataFrame,
    *,
    id: str,
    title: str | Sentence,
    subtitle: str,
    benchmarks: pd.DataFrame | None = None,
    imbalance_text: str = "extra severe patients in every 100 at the specialist units",
    ratio_text: str = "risk of a severe patient, times that of others",
    group_text: str = "events at the specialist units",
    synthetic: bool = False,
) -> Figure:
    """Draw which conclusion would be right at each imbalance and strength of what was not recorded.

    Parameters
    ----------
    surface : columns risk_ratio, imbalance, estimate, lower, upper
        A full grid; imbalance as a share of patients. Colours say what the corrected interval would; the line
        is where the corrected difference is none.
    benchmarks : columns label, risk_ratio, imbalance, optional
        Recorded case-mix levels, drawn as marks on the same scales.
    """
    numeric = ("risk_ratio", "imbalance", "estimate", "lower", "upper")
    data = require_columns(surface, numeric, figure=id, what="the surface")
    ratios, steps = np.unique(data["risk_ratio"]), np.unique(data["imbalance"])
    if len(data) != len(ratios) * len(steps) or len(ratios) < 2 or len(steps) < 2:
        raise InputError(
            f"Figure '{id}': the surface is no grid of at least two risk ratios and two imbalances."
        )
    marks = None
    if benchmarks is not None and len(benchmarks):
        marks = require_columns(
            benchmarks, ("label", "risk_ratio", "imbalance"), figure=id, what="benchmarks"
        )
        marks["label"] = marks["label"].map(_in_words)
    grid = {
        name: data.sort_values(["risk_ratio", "imbalance"])[name].to_numpy().reshape(len(ratios), len(steps))
        for name in numeric[2:]
    }

    def draw(canvas: Any, size: style.Size) -> None:
        _draw(canvas, size, ratios, 100 * steps, grid, marks, imbalance_text, ratio_text, group_text)

    return make(
        draw,
        id=id,
        title=title,
        subtitle=subtitle,
        description=_describe(data, marks, group_text),
        frame=data[list(numeric)],
        height=lambda _: _HEIGHT,
        synthetic=synthetic,
    )


def _in_words(label: str) -> str:
    """Return a recorded level, "age_band: under 50", as a reader knows it."""
    factor, colon, level = label.partition(": ")
    return f"{_FACTORS.get(factor, factor.replace('_', ' '))}{colon}{level}"


def _draw(
    canvas: Any,
    size: style.Size,
    ratios: Any,
    percent: Any,
    grid: dict[str, Any],
    marks: pd.DataFrame | None,
    imbalance_text: str,
    ratio_text: str,
    group_text: str,
) -> None:
    width = size.width
    lines = len(style.wrapped(f"{group_text}, at the same severity:", size.letters + 3, most=3))
    head = (
        (86 if size.narrow else 66) + 17 * lines + 17 * (len(style.wrapped(ratio_text, size.letters + 3)) - 1)
    )
    axes = canvas.add_axes((40 / width, 76 / _HEIGHT, 1 - 52 / width, 1 - (76 + head) / _HEIGHT))
    style.axis(axes)
    axes.set_xlim(percent[0], percent[-1])
    axes.set_ylim(1.0, ratios[-1])
    axes.set_facecolor(_SAYS[1][1])
    # At a risk ratio of 1 nothing is hidden, whatever the imbalance: the surface begins at what was observed.
    middle = int(np.abs(percent).argmin())
    rows = np.concatenate([[1.0], ratios])
    lower, upper, estimate = (
        np.vstack([np.full(len(percent), grid[name][0, middle]), grid[name]])
        for name in ("lower", "upper", "estimate")
    )
    axes.contourf(percent, rows, upper, levels=[-1e9, 0], colors=[_SAYS[0][1]], zorder=0)
    axes.contourf(percent, rows, lower, levels=[0, 1e9], colors=[_SAYS[2][1]], zorder=0)
    if estimate.min() < 0 < estimate.max():
        axes.contour(percent, rows, estimate, levels=[0], colors=[style.INK], linewidths=2.2, zorder=3)
    axes.axvline(0, color=style.MUTED, linewidth=1.2, linestyle=(0, (4, 3)), zorder=2)
    if marks is not None:
        _benchmarks(axes, size, marks, percent, ratios)
    axes.set_xlabel(imbalance_text, fontsize=style.SMALL, labelpad=6)
    style.above(axes, ratio_text, size, gap=8)
    _legend(canvas, size, group_text, marks is not None)
    axes.locator_params(axis="x", nbins=5 if size.narrow else 9)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:+g}".replace("-", "−") if value else "0")


def _legend(canvas: Any, size: style.Size, group_text: str, marked: bool) -> None:
    width, lines = size.width, style.wrapped(f"{group_text}, at the same severity:", size.letters + 3, most=3)
    down = 18.0
    for line in lines:
        canvas.text(8 / width, 1 - down / _HEIGHT, line, fontsize=style.SMALL)
        down += 17
    left = 8.0
    for _, hue, word in _SAYS:
        box = canvas.add_axes((left / width, 1 - (down + 9) / _HEIGHT, 18 / width, 14 / _HEIGHT))
        box.set(xticks=[], yticks=[], facecolor=hue)
        box.patch.set_visible(True)
        canvas.text((left + 24) / width, 1 - (down + 7) / _HEIGHT, word, fontsize=style.SMALL)
        left += 46 + 8.0 * len(word)
    more = "— no difference" + ("   ○ recorded" if marked else "")
    place = (left, down + 7) if not size.narrow else (8.0, down + 26)
    canvas.text(place[0] / width, 1 - place[1] / _HEIGHT, more, fontsize=style.SMALL)


def _benchmarks(axes: Any, size: style.Size, marks: pd.DataFrame, percent: Any, ratios: Any) -> None:
    inside = marks[
        (marks["risk_ratio"] <= ratios[-1]) & marks["imbalance"].between(percent[0] / 100, percent[-1] / 100)
    ]
    axes.plot(
        100 * inside["imbalance"], inside["risk_ratio"], linestyle="none", marker="o", markersize=7,
        markerfacecolor="#ffffff", markeredgecolor=style.SPECIALIST.hue, markeredgewidth=1.8, zorder=5,
        clip_on=False,
    )  # fmt: skip
    # Only the three that could do most are named; the table has them all.
    strength = (inside["risk_ratio"] - 1) * inside["imbalance"].abs()
    taken: list[float] = []
    for row in rows_of(inside.loc[strength.sort_values(ascending=False).index[:3]]):
        if any(abs(row.risk_ratio - other) < 0.07 * (ratios[-1] - 1) for other in taken):
            continue
        taken.append(row.risk_ratio)
        left = row.imbalance > (percent[0] + percent[-1]) / 200
        axes.annotate(
            safe.shorten(row.label, 26 if size.narrow else 40), (100 * row.imbalance, row.risk_ratio),
            xytext=(-8 if left else 8, 4), textcoords="offset points", ha="right" if left else "left",
            fontsize=style.TINY, zorder=6,
            bbox={"facecolor": "#ffffff", "edgecolor": "none", "pad": 0.5, "alpha": 0.75},
        )  # fmt: skip


def _describe(data: pd.DataFrame, marks: pd.DataFrame | None, group_text: str) -> str:
    told = []
    for ratio in np.unique(data["risk_ratio"]):
        part = data[data["risk_ratio"] == ratio]
        lower, higher = part[part["upper"] < 0]["imbalance"], part[part["lower"] > 0]["imbalance"]
        says = []
        if len(lower):
            says.append(f"fewer from {formats.fixed(100 * lower.min(), 0)} in 100 more severe")
        if len(higher):
            says.append(f"more up to {formats.fixed(100 * higher.max(), 0)} in 100")
        told.append(f"at {formats.fixed(float(ratio), 2)} times the risk: {', '.join(says) or 'cannot tell'}")
    text = (
        f"Which conclusion on {group_text} would be right, over how many more of the specialist units' "
        f"patients are severe and how many times the risk severe patients have; {'; '.join(told)}."
    )
    if marks is not None:
        strongest = marks.iloc[int(((marks["risk_ratio"] - 1) * marks["imbalance"].abs()).argmax())]
        text += (
            f" Of {len(marks)} recorded levels the one that could do most is {strongest['label']}: "
            f"{formats.fixed(float(strongest['risk_ratio']), 2)} times the risk, "
            f"{formats.fixed(100 * float(strongest['imbalance']), 1)} in 100."
        )
    return text
