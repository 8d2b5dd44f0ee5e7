"""Every specification's estimate in order, over the choices that made it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from soa_evidence.errors import InputError
from soa_evidence.reporting import formats, safe
from soa_evidence.reporting.figures import style
from soa_evidence.reporting.figures.figure import Figure, make, require_columns, rows_of
from soa_evidence.reporting.sentences import Sentence

__all__ = ["specification_curve"]

_TOP = 330
_LEFT = {"wide": 246, "narrow": 46}  # both panels begin here, so that places match
_MOST_INTERVALS = 300
_HEAD = 30
_BINS = 60
_CLEAR, _OPEN = "#b3531a", "#7f93b2"


def specification_curve(
    specifications: pd.DataFrame,
    *,
    choices: Mapping[str, Sequence[str]],
    unit_text: str,
    id: str,
    title: str | Sentence,
    subtitle: str,
    headline: float | None = None,
    headline_label: str = "headline",
    names: Mapping[str, str] | None = None,
    synthetic: bool = False,
) -> Figure:
    """Draw the estimates in order with their intervals, and beneath, where each option's lie.

    The lower panel does not draw a cell for each specification, which no phone could show: it has a strip for
    each option, as high as the share of the specifications at that place which use it.

    Parameters
    ----------
    specifications : columns estimate, lower, upper and one for each choice
    choices
        Choice to its options, top to bottom; choices of one option are not drawn.
    headline, headline_label
        The headline's own estimate, a named line.
    names
        What to write instead of the name of a choice or an option.
    """
    ordered = require_columns(
        specifications, ("estimate", "lower", "upper"), figure=id, what="specifications"
    )
    varied = {choice: list(options) for choice, options in choices.items() if len(options) > 1}
    for choice, options in varied.items():
        if choice not in ordered.columns:
            raise InputError(f"Figure '{id}': the specifications have no column {choice!r}.")
        odd = set(ordered[choice].astype(str)) - set(map(str, options))
        if odd:
            raise InputError(f"Figure '{id}': choice {choice!r} has no option {sorted(odd)[0]!r}.")
    ordered = ordered.sort_values("estimate", kind="stable").reset_index(drop=True)
    wording = names or {}
    shown = {
        name: wording.get(name, name.replace("_", " "))
        for choice, options in varied.items()
        for name in (choice, *options)
    }
    rows = sum(map(len, varied.values()))

    def draw(canvas: Any, size: style.Size) -> None:
        _draw_curve(canvas, size, ordered, unit_text, headline, headline_label)
        _draw_choices(canvas, size, ordered, varied, shown)

    return make(
        draw,
        id=id,
        title=title,
        subtitle=subtitle,
        description=_describe(ordered, varied, shown, unit_text, headline, headline_label),
        frame=_by_option(ordered, varied, shown),
        height=lambda size: _TOP + _HEAD * len(varied) + _row(size) * rows + 10,
        synthetic=synthetic,
    )


def _row(size: style.Size) -> float:
    return 34 if size.narrow else 24


def _clear(ordered: pd.DataFrame) -> Any:
    return ((ordered["lower"] > 0) | (ordered["upper"] < 0)).to_numpy()


def _draw_curve(
    canvas: Any, size: style.Size, ordered: pd.DataFrame, unit_text: str, headline: float | None, label: str
) -> None:
    height, width, left = canvas.get_figheight() * 72, size.width, _LEFT[size.name]
    unit = style.wrapped(unit_text, size.letters)
    below = 14 * (len(unit) - 1)  # what stands beneath the unit makes way for each further line of it
    head = (58 if size.narrow else 16) + below
    axes = canvas.add_axes(
        (left / width, 1 - (_TOP - 16) / height, 1 - (left + 6) / width, (_TOP - 26 - head) / height)
    )
    style.axis(axes, left=True)
    canvas.text(8 / width, 1 - 8 / height, "\n".join(unit), fontsize=style.SMALL, color=style.MUTED, va="top")
    axes.set_xticks([])
    axes.set_xlim(-0.01 * len(ordered), 1.01 * len(ordered))
    clear = _clear(ordered)
    drawn = ordered.index % -(-len(ordered) // _MOST_INTERVALS) == 0
    for of, hue, name, down in (
        (~clear, _OPEN, "interval includes no difference", 33),
        (clear, _CLEAR, "interval excludes no difference", 50 if size.narrow else 70),
    ):
        said = "\n".join(style.wrapped(f"● {name}", 42 if size.narrow else 20))
        canvas.text(
            8 / width, 1 - (down + below) / height, said, fontsize=style.TINY, color=hue, fontweight="bold",
            va="top" if "\n" in said else "baseline",
        )  # fmt: skip
        for part, ends, thick, alpha in (
            (
                ordered[of & drawn],
                ("lower", "upper"),
                max(0.5, min(3.0, 0.5 * (width - left) / int(drawn.sum()))),
                0.32,
            ),
            (ordered[of], ("estimate", "estimate"), 3.2 if len(ordered) > 200 else 7.0, 1.0),
        ):
            # one path for all: the pen lifts at each missing value
            side = 0.45 if ends[0] == ends[1] else 0.0  # an estimate is a dash, an interval a line
            at_x = (part.index.to_numpy(float)[:, None] + np.array([-side, side, 0.0])).ravel()
            at_y = np.column_stack([part[ends[0]], part[ends[1]], np.full(len(part), np.nan)]).ravel()
            axes.plot(
                at_x,
                at_y,
                color=hue,
                linewidth=thick,
                alpha=alpha,
                zorder=2 + 2 * (alpha == 1),
                solid_capstyle="round",
            )
    # A few intervals on one or two degrees of freedom would press all others flat; they are cut off.
    estimate = ordered["estimate"]
    room = 1.2 * max(
        float(estimate.max() - estimate.min()), float((ordered["upper"] - ordered["lower"]).median()) / 2
    )
    low = min(max(float(ordered["lower"].min()), float(estimate.min()) - room), 0.0)
    high = max(min(float(ordered["upper"].max()), float(estimate.max()) + room), 0.0)
    axes.set_ylim(low - 0.03 * (high - low), high + 0.03 * (high - low))
    axes.axhline(0, color=style.INK, linewidth=1.4, zorder=3)
    style.thousands(axes.yaxis)
    if headline is not None:
        axes.axhline(headline, color=style.INK, linewidth=1.2, linestyle=(0, (4, 3)), zorder=5)
        right = float(ordered["estimate"].iloc[-1]) < headline
        axes.annotate(
            label, (1 if right else 0, headline), xycoords=("axes fraction", "data"), xytext=(0, 3),
            textcoords="offset points", ha="right" if right else "left", fontsize=style.SMALL, zorder=7,
            bbox={"facecolor": "#ffffff", "edgecolor": "none", "pad": 0.5, "alpha": 0.75},
        )  # fmt: skip
    axes.set_xlabel(
        f"{len(ordered):,} specifications, lowest estimate first", fontsize=style.SMALL, labelpad=4
    )


def _shares(ordered: pd.DataFrame, choice: str, option: str) -> Any:
    """Share of the specifications at each place, of a few dozen, that use an option."""
    bins = max(1, min(_BINS, len(ordered) // 4))
    places = np.minimum(np.arange(len(ordered)) * bins // len(ordered), bins - 1)
    uses = (ordered[choice].astype(str) == str(option)).to_numpy(float)
    return np.bincount(places, weights=uses, minlength=bins) / np.bincount(places, minlength=bins)


def _draw_choices(
    canvas: Any, size: style.Size, ordered: pd.DataFrame, varied: dict[str, list[str]], shown: dict[str, str]
) -> None:
    height, width = canvas.get_figheight() * 72, size.width
    left, top, step = _LEFT[size.name], float(_TOP), _row(size)
    hues = (style.GENERAL.hue, style.INDEPENDENT.hue)
    for at, (choice, options) in enumerate(varied.items()):
        middle = 1 - (top + 19) / height
        canvas.text(8 / width, middle, shown[choice], fontsize=style.SMALL, fontweight="bold", va="center")
        top += _HEAD
        for option in options:
            share = _shares(ordered, choice, option)
            tall = 14 if size.narrow else step - 5
            box = (left / width, 1 - (top + step - 3) / height, 1 - (left + 6) / width, tall / height)
            axes = canvas.add_axes(box)
            axes.set(xlim=(-0.01 * len(share), 1.01 * len(share)), ylim=(0, 1), xticks=[], yticks=[])
            axes.axhspan(0, 1, color=style.BAND, zorder=0)
            edges = np.repeat(np.arange(len(share) + 1), 2)[1:-1]
            axes.fill_between(
                edges, np.repeat(share, 2), color=hues[at % 2], alpha=0.62, linewidth=0, zorder=1
            )
            text = safe.shorten(shown[option], 46 if size.narrow else 36)
            down = top + (8 if size.narrow else step / 2)
            canvas.text(
                (12 if size.narrow else 16) / width, 1 - down / height, text, fontsize=style.TINY, va="center"
            )
            top += step


def _by_option(ordered: pd.DataFrame, varied: dict[str, list[str]], shown: dict[str, str]) -> pd.DataFrame:
    clear = _clear(ordered)
    rows = []
    for choice, options in varied.items():
        for option in options:
            uses = (ordered[choice].astype(str) == str(option)).to_numpy()
            part = ordered.loc[uses, "estimate"]
            if len(part):
                rows.append(
                    (
                        shown[choice],
                        shown[option],
                        len(part),
                        part.min(),
                        part.mean(),
                        part.max(),
                        int(clear[uses].sum()),
                    )
                )
    names = ["choice", "option", "specifications", "smallest", "mean", "largest", "leave_none_out"]
    if not rows:
        rows = [
            (
                "none",
                "all",
                len(ordered),
                *(getattr(ordered["estimate"], f)() for f in ("min", "mean", "max")),
                int(clear.sum()),
            )
        ]
    return pd.DataFrame(rows, columns=names)


def _describe(
    ordered: pd.DataFrame,
    varied: dict[str, list[str]],
    shown: dict[str, str],
    unit_text: str,
    headline: float | None,
    label: str,
) -> str:
    places = formats.decimals_for(0.0, float((ordered["upper"] - ordered["lower"]).median()))
    estimate, clear = ordered["estimate"], _clear(ordered)
    low, middle, high = (
        formats.fixed(float(v), places) for v in (estimate.min(), estimate.median(), estimate.max())
    )
    text = (
        f"{len(ordered):,} specifications in order of their estimate, in {unit_text}: from {low} to {high}, "
        f"median {middle}. {int((estimate < 0).sum()):,} lie below no difference and "
        f"{int((estimate > 0).sum()):,} above it; the interval of {int(clear.sum()):,} excludes it."
    )
    if headline is not None:
        text += f" The {label} is {formats.fixed(headline, places)}."
    means = [
        f"{row.choice}, {row.option}: {formats.fixed(row.mean, places)}"
        for row in rows_of(_by_option(ordered, varied, shown))
    ]
    return f"{text} Mean estimate by option: {'; '.join(means)}."
