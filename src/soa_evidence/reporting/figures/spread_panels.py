"""Small multiples of a spread: hospitals counted by their rate, beside what chance alone would give."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from soa_evidence.errors import InputError
from soa_evidence.reporting.figures import style
from soa_evidence.reporting.figures.figure import Figure, make, require_columns
from soa_evidence.reporting.sentences import Sentence

__all__ = ["spread_panels"]

_PANEL, _GAP, _HEAD, _FOOT, _KEY = 74.0, 30.0, 26.0, 54.0, 30.0
_SEEN, _CHANCE = "#7fb3d8", style.INK
#: Chance alone keeps nineteen in twenty within the bins that are told in words.
_MIDDLE = 0.95


def spread_panels(
    bins: pd.DataFrame,
    *,
    unit_text: str,
    id: str,
    title: str | Sentence,
    subtitle: str,
    synthetic: bool = False,
) -> Figure:
    """Draw one panel a group and label, all on one scale: bars for what is seen, a line for chance alone.

    Parameters
    ----------
    bins : columns label, group, from, to, seen, by_chance
        Every panel with the same bins, in order; the last is open and drawn as wide as the others. Counts of
        hospitals; each panel is drawn to its own number of them.
    unit_text
        What the bins are measured in.

    Raises
    ------
    InputError
        When panels have different bins, or a panel counts nobody.
    """
    data = require_columns(
        bins, ("label", "group", "from", "to", "seen", "by_chance"), figure=id, what="bins"
    )
    panels = {
        (str(group), str(label)): own for (group, label), own in data.groupby(["group", "label"], sort=False)
    }
    edges = next(iter(panels.values()))["from"].to_numpy(float)
    for (group, label), own in panels.items():
        if len(own) != len(edges) or not np.allclose(own["from"], edges):
            raise InputError(f"Figure '{id}': panel '{group}, {label}' has other bins than the first panel.")
        if not own["seen"].sum() > 0:
            raise InputError(f"Figure '{id}': panel '{group}, {label}' counts nobody.")
    groups = list(dict.fromkeys(group for group, _ in panels))

    def height(size: style.Size) -> float:
        return _KEY + _FOOT + sum(_group_height(panels, group, size) for group in groups)

    return make(
        lambda canvas, size: _draw(canvas, size, panels, groups, edges, unit_text, height(size)),
        id=id,
        title=title,
        subtitle=subtitle,
        description=_describe(panels, unit_text),
        frame=data[["group", "label", "from", "to", "seen", "by_chance"]],
        height=height,
        synthetic=synthetic,
    )


def _columns(size: style.Size) -> int:
    return 2 if size.narrow else 4


def _group_height(panels: dict[tuple[str, str], pd.DataFrame], group: str, size: style.Size) -> float:
    many = sum(name == group for name, _ in panels)
    return _HEAD + (_PANEL + _GAP) * -(-many // _columns(size))


def _draw(
    canvas: Any, size: style.Size, panels: dict[tuple[str, str], pd.DataFrame], groups: list[str],
    edges: np.ndarray[Any, Any], unit_text: str, height: float,
) -> None:  # fmt: skip
    _key(canvas, size, height)
    across, pitch = _columns(size), size.width / _columns(size)
    top = _KEY
    for group in groups:
        canvas.text(
            8 / size.width, 1 - (top + _HEAD / 2) / height, group, fontsize=style.TEXT, fontweight="bold",
            va="center", color=style.INK,
        )  # fmt: skip
        top += _HEAD
        own = [(label, data) for (name, label), data in panels.items() if name == group]
        for at, (label, data) in enumerate(own):
            row, column = divmod(at, across)
            y = top + row * (_PANEL + _GAP) + 18
            axes = canvas.add_axes(
                ((8 + column * pitch) / size.width, 1 - (y + _PANEL - 18) / height, (pitch - 18) / size.width,
                 (_PANEL - 18) / height)
            )  # fmt: skip
            _panel(axes, label, data, edges, last=group == groups[-1] and at >= len(own) - across)
        top += _group_height(panels, group, size) - _HEAD
    canvas.text(0.5, 20 / height, unit_text, fontsize=style.SMALL, ha="center", va="center", color=style.INK)


def _panel(axes: Any, label: str, data: pd.DataFrame, edges: np.ndarray[Any, Any], *, last: bool) -> None:
    width = float(edges[1] - edges[0]) if len(edges) > 1 else 1.0
    axes.bar(edges, data["seen"], width=width * 0.94, align="edge", color=_SEEN, zorder=3)
    axes.step(
        [*edges, edges[-1] + width], [*data["by_chance"], data["by_chance"].iloc[-1]], where="post",
        color=_CHANCE, linewidth=1.6, zorder=4,
    )  # fmt: skip
    axes.set(xlim=(0, float(edges[-1]) + width), yticks=[])
    axes.set_ylim(0, 1.08 * float(max(data["seen"].max(), data["by_chance"].max())))
    style.axis(axes)
    most = float(edges[-1])
    axes.set_xticks([0, most / 2, most], ["0", f"{most / 2:g}", f"{most:g}+"] if last else ["", "", ""])
    axes.set_title(label, loc="left", fontsize=style.SMALL, pad=4, color=style.INK)


def _key(canvas: Any, size: style.Size, height: float) -> None:
    axes = canvas.add_axes((0, 1 - _KEY / height, 1, _KEY / height))
    axes.set(xlim=(0, size.width), ylim=(_KEY, 0), xticks=[], yticks=[])
    axes.axis("off")
    from matplotlib.patches import Rectangle

    axes.add_patch(Rectangle((8, 6), 20, 12, facecolor=_SEEN, edgecolor="none"))
    axes.text(34, 12, "hospitals seen", fontsize=style.SMALL, va="center", color=style.MUTED)
    axes.plot([150, 172], [12, 12], color=_CHANCE, linewidth=1.6)
    axes.text(178, 12, "by chance alone", fontsize=style.SMALL, va="center", color=style.MUTED)


def _describe(panels: dict[tuple[str, str], pd.DataFrame], unit_text: str) -> str:
    told = []
    for (group, label), data in panels.items():
        low, high = _middle(data["by_chance"].to_numpy(float))
        seen, chance = (
            float(data[name].sum() - data[name].iloc[low : high + 1].sum()) for name in ("seen", "by_chance")
        )
        place = f"{data['from'].iloc[low]:g} to {data['to'].iloc[high]:g}"
        told.append(
            f"{group}, {label}: {seen:g} of {data['seen'].sum():g} hospitals lie outside {place}, where "
            f"chance alone would put {chance:.0f}"
        )
    return f"{len(panels)} panels on one scale ({unit_text}). {'. '.join(told)}."


def _middle(weights: np.ndarray[Any, Any]) -> tuple[int, int]:
    """Return the first and last of the fewest neighbouring bins that hold most of what chance would give."""
    needed, total = _MIDDLE * weights.sum(), np.concatenate([[0.0], np.cumsum(weights)])
    spans = [
        (high - low, low, high)
        for low in range(len(weights))
        for high in range(low, len(weights))
        if total[high + 1] - total[low] >= needed - 1e-9
    ]
    _, low, high = min(spans)
    return low, high
