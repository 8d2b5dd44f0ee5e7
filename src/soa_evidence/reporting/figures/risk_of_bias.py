"""Judgements on risk of bias, study by study and domain by domain, by shape, letter and colour."""

from __future__ import annotations

from typing import Any

import pandas as pd

from soa_evidence.errors import InputError, nearest
from soa_evidence.reporting import safe
from soa_evidence.reporting.figures import style
from soa_evidence.reporting.figures.figure import Figure, make
from soa_evidence.reporting.sentences import Sentence

__all__ = ["risk_of_bias"]

#: Shape, letter and hue of every judgement: no two share shape and letter.
JUDGEMENTS: dict[str, tuple[str, str, str]] = {
    "low": ("o", "L", "#009e73"),
    "moderate": ("s", "M", "#8a6d00"),
    "some concerns": ("s", "C", "#8a6d00"),
    "serious": ("D", "S", "#d55e00"),
    "high": ("D", "H", "#d55e00"),
    "critical": ("X", "!", "#7b1f4f"),
    "no information": ("o", "?", style.MUTED),
}
_ALL = "overall"


def risk_of_bias(
    domains: pd.DataFrame,
    overall: pd.DataFrame,
    *,
    id: str,
    title: str | Sentence,
    subtitle: str,
    labels: pd.Series[str] | None = None,
) -> Figure:
    """Draw one row a study, one mark a domain and one overall.

    Parameters
    ----------
    domains : columns study, domain, name, judgement
    overall : columns study, judgement
        Studies are drawn in this order.
    labels
        What to call each study, by its name in `overall`.
    """
    for frame, needed in (
        (domains, ("study", "domain", "name", "judgement")),
        (overall, ("study", "judgement")),
    ):
        for column in needed:
            if column not in frame.columns:
                raise InputError(f"Figure '{id}' has no column {column!r}.{nearest(column, frame.columns)}")
        if frame.empty:
            raise InputError(f"Figure '{id}': no study was judged.")
        for name in frame["judgement"]:
            if name not in JUDGEMENTS:
                raise InputError(
                    f"Figure '{id}' has no mark for {name!r}.{nearest(name, JUDGEMENTS)} "
                    f"Known: {', '.join(JUDGEMENTS)}."
                )
    names = domains.drop_duplicates("domain").set_index("domain")["name"]
    wide = domains.pivot_table(index="study", columns="domain", values="judgement", aggfunc="first")
    grid = wide[list(names.index)]
    grid = grid.loc[list(overall["study"])]
    grid[_ALL] = list(overall["judgement"])
    told = (
        grid.index if labels is None else labels.reindex(grid.index).fillna(pd.Series(grid.index, grid.index))
    )
    grid.insert(0, "label", [safe.clean(text) for text in told])

    def height(size: style.Size) -> float:
        row = 50 if size.narrow else 32
        return 34 + row * len(grid) + 14 + 22 * _key_rows(grid, size) + 20 * (len(names) + 1)

    def draw(canvas: Any, size: style.Size) -> None:
        _draw(canvas, size, grid, names)

    frame = grid.rename(columns={d: f"{d} {names[d]}" for d in names.index})
    return make(
        draw,
        id=id,
        title=title,
        subtitle=subtitle,
        description=_describe(grid, names),
        frame=frame.reset_index(drop=True),
        height=height,
        synthetic=False,
    )


def _present(grid: pd.DataFrame) -> list[str]:
    found = set(grid.drop(columns="label").to_numpy().ravel())
    return [name for name in JUDGEMENTS if name in found]


def _key_rows(grid: pd.DataFrame, size: style.Size) -> int:
    per_row = 2 if size.narrow else 4
    return -(-len(_present(grid)) // per_row)


def _draw(canvas: Any, size: style.Size, grid: pd.DataFrame, names: pd.Series[str]) -> None:
    height, width = canvas.get_figheight() * 72, size.width
    axes = canvas.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(height, 0), xticks=[], yticks=[])
    columns = [c for c in grid.columns if c != "label"]
    left = 16 if size.narrow else 250
    step = (width - left - 20) / (len(columns) - 0.4)
    at = {column: left + step * (i + (0.35 if column == _ALL else 0)) for i, column in enumerate(columns)}
    row_height, top = (50, 34) if size.narrow else (32, 34)
    for column, x in at.items():
        axes.text(x, 14, "all" if column == _ALL else column, ha="center", va="center", fontsize=style.SMALL,
                  color=style.MUTED, fontweight="bold")  # fmt: skip
    for place, (_, row) in enumerate(grid.iterrows()):
        y = top + row_height * place + row_height / 2
        shown = safe.shorten(row["label"], 44 if size.narrow else 30)
        axes.text(4, y - 14 if size.narrow else y, shown, va="center", fontsize=style.SMALL)
        if place % 2 == 0:
            axes.axhspan(y - row_height / 2, y + row_height / 2, color=style.BAND, zorder=0, linewidth=0)
        for column, x in at.items():
            _mark(axes, x, y + (9 if size.narrow else 0), str(row[column]))
    _legend(axes, size, grid, names, top + row_height * len(grid) + 22)


def _mark(axes: Any, x: float, y: float, judgement: str) -> None:
    shape, letter, hue = JUDGEMENTS[judgement]
    empty = judgement == "no information"
    wide = {"o": 19, "s": 17, "D": 15, "X": 20}[shape]
    face = "#ffffff" if empty else hue
    axes.plot([x], [y], marker=shape, markersize=wide, markerfacecolor=face, markeredgecolor=hue,
              markeredgewidth=1.4, linestyle="none", zorder=3)  # fmt: skip
    axes.text(x, y + 0.5, letter, ha="center", va="center", fontsize=style.TINY, fontweight="bold",
              color=hue if empty else "#ffffff", zorder=4)  # fmt: skip


def _legend(axes: Any, size: style.Size, grid: pd.DataFrame, names: pd.Series[str], top: float) -> None:
    per_row, wide = (2, size.width / 2) if size.narrow else (4, size.width / 4)
    for place, judgement in enumerate(_present(grid)):
        x, y = 16 + wide * (place % per_row), top + 22 * (place // per_row)
        _mark(axes, x, y, judgement)
        axes.text(x + 16, y, judgement, va="center", fontsize=style.SMALL, color=style.MUTED)
    y = top + 22 * _key_rows(grid, size) + 4
    for place, (number, name) in enumerate(names.items()):
        axes.text(4, y + 20 * place, f"{number}  {name}", va="center", fontsize=style.TINY, color=style.MUTED)


def _describe(grid: pd.DataFrame, names: pd.Series[str]) -> str:
    counts = grid[_ALL].value_counts()
    overall = ", ".join(f"{count} {name}" for name, count in counts.items())
    text = f"Risk of bias of {len(grid)} studies in {len(names)} domains. Overall: {overall}."
    for number, name in names.items():
        worst = grid[number].value_counts()
        text += f" {name[:1].upper()}{name[1:]}: {', '.join(f'{n} {j}' for j, n in worst.items())}."
    return text
