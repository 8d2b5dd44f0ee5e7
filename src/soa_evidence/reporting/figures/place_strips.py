"""Places by the part of a country they lie in: a strip an area, a dot a place, faded where it may be chance.

Stands where a map would, without its faults: a large empty place weighs no more than a crowded one, and how
sure one may be of a place is seen with its value.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soa_evidence.errors import InputError, nearest
from soa_evidence.reporting import formats, safe
from soa_evidence.reporting.figures import style
from soa_evidence.reporting.figures.figure import Figure, make, require_columns
from soa_evidence.reporting.figures.forest import log_axis
from soa_evidence.reporting.sentences import Sentence

__all__ = ["place_strips"]

_TOP, _FOOT, _REGION, _HEAD, _LEVEL, _STRIP, _NAMED = 72.0, 78.0, 30.0, 22.0, 9.0, 18.0, 19.0
_ABOVE, _BELOW, _FADED = style.SPECIALIST.hue, style.GENERAL.hue, "#9aa3b2"
#: Diameter of a dot in pixels, with its edge; dots of a strip keep as far apart.
_DOT = 9.0


def place_strips(
    places: pd.DataFrame,
    *,
    unit_text: str,
    reference: float,
    reference_label: str,
    sides: tuple[str, str],
    id: str,
    title: str | Sentence,
    subtitle: str,
    named: Sequence[str] = (),
    places_text: str = "places",
    decimals: int = 2,
    synthetic: bool = False,
) -> Figure:
    """Draw one strip an area under the heading of its region, all on one scale of ratios.

    Parameters
    ----------
    places : columns label, area, region, estimate, lower, upper
        One row a place, its values above 0; areas are drawn in the order in which they come
        first, and the middle of each is written beside its name.
    unit_text
        What the ratio is of.
    reference, reference_label
        Value of the nation, above 0, and its name.
    sides
        What lies to the left and right of the nation.
    named
        Labels of places that are ringed and named in their strip.
    places_text
        What a dot is, in the plural.

    Raises
    ------
    InputError
        On a missing column, a number that is not finite or not above 0, an interval without its estimate, an
        area in two regions, or the name of no place.
    """
    data = _checked(places, reference, named, id)
    areas = list(dict.fromkeys(data["area"]))
    levels = {
        size.name: {area: _stacked(data[data["area"] == area], data, reference, size) for area in areas}
        for size in style.SIZES
    }

    def height(size: style.Size) -> float:
        return _TOP + _FOOT + sum(room for *_, room in _rows(data, areas, levels[size.name], named))

    return make(
        lambda canvas, size: _draw(
            canvas, size, data, areas, levels[size.name], height(size), unit_text, reference,
            reference_label, sides, named, decimals,
        ),
        id=id,
        title=title,
        subtitle=subtitle,
        description=_describe(data, areas, unit_text, reference, reference_label, places_text, decimals),
        frame=data[["label", "area", "region", "estimate", "lower", "upper"]],
        height=height,
        synthetic=synthetic,
    )  # fmt: skip


def _checked(places: pd.DataFrame, reference: float, named: Sequence[str], figure: str) -> pd.DataFrame:
    data = require_columns(places, ("label", "estimate", "lower", "upper"), figure=figure, what="places")
    for column in ("area", "region"):
        if column not in places.columns:
            raise InputError(
                f"Figure '{figure}': the frame of places has no column '{column}'."
                f"{nearest(column, places.columns)}"
            )
        data[column] = [safe.clean(value) for value in places[column]]
    if not (reference > 0 and (data[["estimate", "lower", "upper"]] > 0).to_numpy().all()):
        raise InputError(f"Figure '{figure}' has a scale of ratios; it needs values and a reference above 0.")
    wrong = ~data["estimate"].between(data["lower"], data["upper"])
    if wrong.any():
        raise InputError(
            f"Figure '{figure}': the interval of '{data['label'][wrong].iloc[0]}' does not hold its estimate."
        )
    for area, regions in data.groupby("area", sort=False)["region"].unique().items():
        if len(regions) > 1:
            raise InputError(f"Figure '{figure}': area '{area}' lies in regions {' and '.join(regions)}.")
    for name in named:
        if name not in set(data["label"]):
            raise InputError(f"Figure '{figure}': there is no place '{name}'.{nearest(name, data['label'])}")
    return data


def _stacked(own: pd.DataFrame, data: pd.DataFrame, reference: float, size: style.Size) -> NDArray[np.int64]:
    """Return each dot's level, 0 on the line and 1, -1, 2, ... beside it, so that no two cover each other."""
    low = min(float(data["lower"].min()), reference)
    high = max(float(data["upper"].max()), reference)
    wide = 0.976 * size.width / 1.1
    across = wide * np.log(own["estimate"].to_numpy(float) / low) / np.log(high / low)
    level = np.zeros(len(own), dtype=np.int64)
    done: list[int] = []
    for at in np.argsort(across, kind="stable"):
        for k in range(2 * len(own) + 1):
            tried = (k + 1) // 2 * (1 if k % 2 else -1)
            if all(np.hypot(across[at] - across[b], (tried - level[b]) * _LEVEL) >= _DOT for b in done):
                break
        level[at] = tried
        done.append(int(at))
    return level


def _rows(
    data: pd.DataFrame, areas: list[str], levels: dict[str, NDArray[np.int64]], named: Sequence[str]
) -> list[tuple[str, bool, float]]:
    """Return the rows in order: name, whether it is an area (else a region's heading), and its pixels."""
    rows: list[tuple[str, bool, float]] = []
    region = None
    for area in areas:
        own = data[data["area"] == area]
        if own["region"].iloc[0] != region:
            region = str(own["region"].iloc[0])
            rows.append((region, False, _REGION))
        spread = int(levels[area].max() - levels[area].min())
        below = _NAMED if own["label"].isin(list(named)).any() else 0.0
        rows.append((area, True, _HEAD + _STRIP + _LEVEL * spread + below))
    return rows


def _draw(
    canvas: Any, size: style.Size, data: pd.DataFrame, areas: list[str],
    levels: dict[str, NDArray[np.int64]], height: float, unit_text: str, reference: float,
    reference_label: str, sides: tuple[str, str], named: Sequence[str], decimals: int,
) -> None:  # fmt: skip
    axes = canvas.add_axes((0.012, _FOOT / height, 0.976, 1 - (_FOOT + _TOP) / height))
    log_axis(axes, data, reference, size)
    axes.set_ylim(height - _FOOT - _TOP, 0)
    axes.set_yticks([])
    style.axis(axes, label=unit_text)
    style.reference_line(axes, reference, reference_label)
    style.sides(axes, sides)
    _key(canvas, size, height, reference_label)
    top = 0.0
    for name, is_area, room in _rows(data, areas, levels, named):
        if is_area:
            own = data[data["area"] == name]
            middle = float(own["estimate"].median())
            style.row_head(axes, top + _HEAD / 2 + 2, name, formats.fixed(middle, decimals), size)
            line = top + _HEAD + _STRIP / 2 - _LEVEL * float(levels[name].min())
            heights = np.asarray(line + _LEVEL * levels[name], dtype=np.float64)
            _strip(axes, own, heights, line, middle, reference)
            _names(axes, own, heights, top + room - _NAMED / 2, named)
        else:
            _heading(axes, top + _REGION / 2 + 3, name)
        top += room


def _heading(axes: Any, at: float, region: str) -> None:
    from matplotlib.transforms import blended_transform_factory

    place = blended_transform_factory(axes.transAxes, axes.transData)
    paper = {"facecolor": "#ffffff", "edgecolor": "none", "pad": 2}
    axes.text(
        0, at, region.upper(), transform=place, fontsize=style.SMALL, va="center", color=style.MUTED,
        bbox=paper, zorder=6,
    )  # fmt: skip


def _strip(
    axes: Any, own: pd.DataFrame, heights: NDArray[np.float64], line: float, middle: float, reference: float
) -> None:
    axes.plot([middle, middle], [line - 11, line + 11], color=style.INK, linewidth=2.4, zorder=4)
    above, below = (own["lower"] > reference).to_numpy(), (own["upper"] < reference).to_numpy()
    for kind, hue, face, shape in (
        (~above & ~below, _FADED, "#ffffff", "o"),
        (above, _ABOVE, _ABOVE, "^"),
        (below, _BELOW, _BELOW, "v"),
    ):
        axes.plot(
            own["estimate"].to_numpy()[kind], heights[kind], linestyle="none", marker=shape, markersize=7,
            markerfacecolor=face, markeredgecolor=hue, markeredgewidth=1.3, zorder=5,
        )  # fmt: skip


def _names(
    axes: Any, own: pd.DataFrame, heights: NDArray[np.float64], at: float, named: Sequence[str]
) -> None:
    for label, x, y in zip(own["label"], own["estimate"], heights, strict=True):
        if label in named:
            axes.plot(
                [x], [y], marker="o", markersize=13, markerfacecolor="none", markeredgecolor=style.INK,
                markeredgewidth=1.6, linestyle="none", zorder=8,
            )  # fmt: skip
            axes.text(
                x, at, safe.shorten(label, 30), fontsize=style.SMALL, ha="center", va="center", zorder=8,
                bbox={"facecolor": "#ffffff", "edgecolor": "none", "pad": 1},
            )  # fmt: skip


def _key(canvas: Any, size: style.Size, height: float, nation: str) -> None:
    """Name the marks above the picture, in two lines."""
    axes = canvas.add_axes((0, 1 - 46 / height, 1, 46 / height))
    axes.set(xlim=(0, size.width), ylim=(46, 0), xticks=[], yticks=[])
    axes.axis("off")
    marks = (
        (10, 11, "^", _ABOVE, _ABOVE, "interval wholly above"),
        (size.width / 2 if size.narrow else 200, 11, "v", _BELOW, _BELOW, "wholly below"),
        (10, 33, "o", "#ffffff", _FADED, f"interval holds {safe.shorten(nation, 12)}"),
    )
    for x, y, shape, face, hue, text in marks:
        axes.plot(
            [x], [y], marker=shape, markersize=7, markerfacecolor=face, markeredgecolor=hue,
            markeredgewidth=1.3, linestyle="none",
        )  # fmt: skip
        axes.text(x + 11, y, text, fontsize=style.SMALL, va="center", color=style.MUTED)
    at = size.width / 2 if size.narrow else 200
    axes.plot([at, at], [25, 41], color=style.INK, linewidth=2.4)
    axes.text(at + 11, 33, "middle of the area", fontsize=style.SMALL, va="center", color=style.MUTED)


def _describe(
    data: pd.DataFrame,
    areas: list[str],
    unit_text: str,
    reference: float,
    name: str,
    what: str,
    decimals: int,
) -> str:
    told = []
    for area in areas:
        own = data[data["area"] == area]
        low, middle, high = (formats.fixed(float(own["estimate"].quantile(q)), decimals) for q in (0, 0.5, 1))
        told.append(
            f"{area} ({own['region'].iloc[0]}): {len(own)}, from {low} to {high}, the middle {middle}; "
            f"{int((own['lower'] > reference).sum())} wholly above {name}, "
            f"{int((own['upper'] < reference).sum())} wholly below"
        )
    above, below = int((data["lower"] > reference).sum()), int((data["upper"] < reference).sum())
    return (
        f"{len(data)} {what} in {len(areas)} areas, in {unit_text}; {name} is "
        f"{formats.fixed(reference, decimals)}. {'. '.join(told)}. In all, {above} lie wholly above {name}, "
        f"{below} wholly below, and {len(data) - above - below} have intervals that hold it."
    )
