"""How records were found, left out and used, in boxes that add up."""

from __future__ import annotations

import textwrap
from typing import Any

import pandas as pd

from soa_evidence.errors import InputError, nearest
from soa_evidence.reporting import formats, safe
from soa_evidence.reporting.figures import style
from soa_evidence.reporting.figures.figure import Figure, make
from soa_evidence.reporting.sentences import Sentence

__all__ = ["prisma_flow"]

_LINE, _PAD, _GAP = 19, 12, 26


def prisma_flow(
    steps: pd.DataFrame,
    *,
    id: str,
    title: str | Sentence,
    subtitle: str,
    noun: str = "records",
) -> Figure:
    """Draw the steps downwards; what leaves the flow stands at the side with its reasons.

    Parameters
    ----------
    steps : columns box, count, role, details
        In order. `role` is ``"main"`` or ``"out"`` (leaves after the main box before it); `details` is a list
        of (reason, count) shown inside the box, possibly empty.
    noun
        What is counted.
    """
    for column in ("box", "count", "role", "details"):
        if column not in steps.columns:
            raise InputError(f"Figure '{id}' has no column {column!r}.{nearest(column, steps.columns)}")
    odd = [role for role in steps["role"] if role not in ("main", "out")]
    if odd or steps.empty or steps["role"].iloc[0] != "main":
        raise InputError(
            f"Figure '{id}': the flow begins with a box of role 'main', and roles are 'main' or 'out'"
            + (f", not {odd[0]!r}." if odd else ".")
        )
    rows = [{str(k): v for k, v in row.items()} for row in steps.to_dict("records")]

    def height(size: style.Size) -> float:
        return _place(rows, size, noun)[1] + 8

    def draw(canvas: Any, size: style.Size) -> None:
        _draw(canvas, size, rows, noun)

    flat = [
        (row["box"], row["role"], reason, count)
        for row in rows
        for reason, count in [("", row["count"]), *row["details"]]
    ]
    return make(
        draw,
        id=id,
        title=title,
        subtitle=subtitle,
        description=_describe(rows, noun),
        frame=pd.DataFrame(flat, columns=["box", "role", "reason", noun]),
        height=height,
        synthetic=False,
    )


def _lines(row: dict[str, Any], letters: int, noun: str) -> list[tuple[str, bool]]:
    """Return the lines of a box and whether each is bold."""
    head = f"{row['box'][:1].upper()}{row['box'][1:]}: {formats.fixed(row['count'], 0)} {noun}"
    lines = [(line, True) for line in textwrap.wrap(safe.clean(head), letters)]
    for reason, count in row["details"]:
        text = safe.clean(f"{formats.fixed(count, 0)}  {reason}")
        lines += [(line, False) for line in textwrap.wrap(text, letters, subsequent_indent="     ")]
    return lines


def _place(
    rows: list[dict[str, Any]], size: style.Size, noun: str
) -> tuple[list[tuple[float, float, float, float, list[tuple[str, bool]]]], float]:
    """Return x, y, width, height and lines of every box, and the height of all."""
    placed, y = [], 4.0
    for at, row in enumerate(rows):
        out = row["role"] == "out"
        if size.narrow:
            x, width = (34.0, size.width - 38.0) if out else (4.0, size.width - 8.0)
        else:
            x, width = (size.width * 0.43, size.width * 0.57 - 4) if out else (4.0, size.width * 0.37)
        letters = int((width - 2 * _PAD) / 7.4)
        lines = _lines(row, letters, noun)
        tall = float(_LINE * len(lines) + 2 * _PAD)
        placed.append((x, y, width, tall, lines))
        beside = not size.narrow and at + 1 < len(rows) and not out and rows[at + 1]["role"] == "out"
        if beside:
            continue
        bottom = y + tall
        if not size.narrow and out:
            bottom = max(bottom, placed[-2][1] + placed[-2][3])
        y = bottom + _GAP
    return placed, y - _GAP + 4


def _draw(canvas: Any, size: style.Size, rows: list[dict[str, Any]], noun: str) -> None:
    from matplotlib.patches import Rectangle

    tall, width = canvas.get_figheight() * 72, size.width
    axes = canvas.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(tall, 0), xticks=[], yticks=[])
    placed, _ = _place(rows, size, noun)
    before = None
    for row, (x, y, wide, high, lines) in zip(rows, placed, strict=True):
        out = row["role"] == "out"
        axes.add_patch(
            Rectangle((x, y), wide, high, facecolor="#ffffff" if out else style.BAND,
                      edgecolor=style.MUTED if out else style.INK, linewidth=1.2, zorder=2)
        )  # fmt: skip
        for at, (text, bold) in enumerate(lines):
            axes.text(x + _PAD, y + _PAD + _LINE * (at + 0.5), text, va="center", fontsize=style.SMALL,
                      fontweight="bold" if bold else "normal", zorder=3)  # fmt: skip
        arrow = {"arrowstyle": "-|>", "color": style.MUTED, "linewidth": 1.4}
        if before is not None and not out:
            bx, by, bwide, bhigh = before
            middle = bx + (30 if size.narrow else bwide / 2)
            axes.annotate("", (middle, y), (middle, by + bhigh), arrowprops=arrow, zorder=1)
        if before is not None and out and not size.narrow:
            bx, by, bwide, bhigh = before
            level = y + min(high, bhigh) / 2
            axes.annotate("", (x, level), (bx + bwide, level), arrowprops=arrow, zorder=1)
        if out and size.narrow and before is not None:
            axes.annotate("", (x, y + 20), (before[0] + 14, y + 20), arrowprops=arrow, zorder=1)
            axes.plot([before[0] + 14] * 2, [before[1] + before[3], y + 20], color=style.MUTED, linewidth=1.4)
        if not out:
            before = (x, y, wide, high)


def _describe(rows: list[dict[str, Any]], noun: str) -> str:
    parts = []
    for row in rows:
        reasons = "; ".join(f"{count} {reason}" for reason, count in row["details"])
        leaves = "Left out there, " if row["role"] == "out" else ""
        told = f"{leaves}{row['box']}: {row['count']} {noun}" + (f" ({reasons})" if reasons else "")
        parts.append(f"{told[:1].upper()}{told[1:]}.")
    return " ".join(parts)
