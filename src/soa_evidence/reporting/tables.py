"""A frame shown as an accessible table, with its numbers as a file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from soa_evidence.errors import InputError, nearest
from soa_evidence.reporting import bundle as bundles
from soa_evidence.reporting import formats, safe

__all__ = ["Table", "html_table", "stack", "table"]

_INTERVAL = ("estimate", "lower", "upper")
_BRIEF = 24  # letters that may stand on one line in a column of texts


@dataclass(frozen=True, eq=False, kw_only=True)
class Table(bundles.Shown):
    """A table for readers; `frame` keeps full precision for the CSV."""

    id: str
    title: str
    frame: pd.DataFrame
    units: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    decimals: Mapping[str, int] = field(default_factory=dict)
    fold: bool = False

    def bundle(self) -> dict[str, Any]:
        """Return the MIME bundle: text, HTML, and the part the publisher collects."""
        body = html_table(
            self.frame, self.title, units=self.units, labels=self.labels, decimals=self.decimals
        )
        body = bundles.region(body, self.title) + f"<p>{bundles.download_link(self.frame, self.id)}</p>"
        if self.fold:
            summary = f"{safe.escape(self.title)} ({len(self.frame):,} rows)"
            body = f'<details class="table"><summary>{summary}</summary>{body}</details>'
        return bundles.bundle(
            text=f"{self.title}\n{self.frame.to_string(index=False, max_rows=20)}",
            html=f'<div class="table" id="table-{self.id}">{body}</div>',
            payload={
                "kind": "table",
                "id": self.id,
                "title": self.title,
                "csv": safe.csv_text(self.frame),
                "units": dict(self.units),
            },
        )


def table(
    frame: pd.DataFrame,
    *,
    id: str,
    title: str,
    units: Mapping[str, str] | None = None,
    labels: Mapping[str, str] | None = None,
    decimals: Mapping[str, int] | None = None,
    fold: bool | None = None,
) -> Table:
    """Show a frame as a table with a caption, units in the header and a CSV download.

    Parameters
    ----------
    frame
        One row a line. Columns ``estimate``, ``lower``, ``upper`` become one cell, "44 (37 to 53)".
    id
        The table's name on the page and of its file.
    title
        The caption.
    units, labels, decimals
        By column: the unit written in the header, the heading instead of the column's name, the decimals
        instead of those chosen from the values.
    fold
        Whether the table starts closed; by default when it has more than 25 rows.
    """
    if safe.slug(id) != id:
        raise InputError(
            f"A table is called {id!r}; expected lower-case letters, digits and '-', "
            f"such as '{safe.slug(id)}'."
        )
    if frame.empty:
        raise InputError(f"Table '{id}' has no rows.")
    for given in (units, labels, decimals):
        for column in given or {}:
            if column not in frame.columns:
                raise InputError(f"Table '{id}' has no column {column!r}.{nearest(column, frame.columns)}")
    return Table(
        id=id,
        title=safe.clean(title),
        frame=frame.reset_index(drop=True).copy(),
        units=dict(units or {}),
        labels=dict(labels or {}),
        decimals=dict(decimals or {}),
        fold=len(frame) > 25 if fold is None else fold,
    )


def stack(frames: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """Return frames under one another as one; columns are those of all, in the order they come."""
    listed = list(frames)
    if not listed:
        raise InputError("stack() was given no frame; expected at least one.")
    return pd.concat(listed, ignore_index=True)


def html_table(
    frame: pd.DataFrame,
    caption: str,
    *,
    units: Mapping[str, str] | None = None,
    labels: Mapping[str, str] | None = None,
    decimals: Mapping[str, int] | None = None,
) -> str:
    """Return the HTML of a table: first column as row headers, figures right-aligned."""
    units, labels, decimals = units or {}, labels or {}, decimals or {}
    cells = _columns(frame, decimals)
    heads = []
    for column, (_, numeric) in cells.items():
        text = labels.get(column, column.replace("_", " "))
        text = f"{text[:1].upper()}{text[1:]}" + (f" ({units[column]})" if column in units else "")
        heads.append(f'<th scope="col"{_figure(numeric)}>{safe.escape(text)}</th>')
    rows = []
    for at in range(len(frame)):
        row = []
        for place, (values, numeric) in enumerate(cells.values()):
            shown = safe.escape(values[at])
            row.append(
                f'<th scope="row">{shown}</th>'
                if place == 0
                else f"<td{_figure(numeric) or _brief(values)}>{shown}</td>"
            )
        rows.append(f"<tr>{''.join(row)}</tr>")
    return (
        f"<table><caption>{safe.escape(caption)}</caption><thead><tr>{''.join(heads)}</tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table>"
    )


def _brief(values: list[str]) -> str:
    """Keep a column of short texts, such as ranks, on one line."""
    return ' class="brief"' if max(map(len, values)) <= _BRIEF else ""


def _figure(numeric: bool) -> str:
    return ' class="figure"' if numeric else ""


def _columns(frame: pd.DataFrame, decimals: Mapping[str, int]) -> dict[str, tuple[list[str], bool]]:
    """Return each column shown: its cells as text, and whether they are figures."""
    merged = all(name in frame.columns for name in _INTERVAL)
    shown: dict[str, tuple[list[str], bool]] = {}
    for name in frame.columns:
        if merged and name in ("lower", "upper"):
            continue
        column = frame[name]
        if merged and name == "estimate":
            shown["estimate"] = (_interval_cells(frame, decimals.get("estimate")), True)
        elif pd.api.types.is_bool_dtype(column):
            shown[str(name)] = (["yes" if value else "no" for value in column], False)
        elif pd.api.types.is_numeric_dtype(column):
            shown[str(name)] = (_number_cells(column, decimals.get(name)), True)
        else:
            shown[str(name)] = (["" if pd.isna(value) else str(value) for value in column], False)
    return shown


def _interval_cells(frame: pd.DataFrame, decimals: int | None) -> list[str]:
    widths = (frame["upper"] - frame["lower"]).dropna()
    places = decimals
    if places is None:
        # one number of decimals a column, from the typical width, so that the points line up
        places = formats.decimals_for(0.0, float(widths.median())) if len(widths) else 1
    cells = []
    for estimate, lower, upper in zip(frame["estimate"], frame["lower"], frame["upper"], strict=True):
        if pd.isna(estimate):
            cells.append("")
        elif pd.isna(lower):
            cells.append(formats.fixed(estimate, places))
        else:
            cells.append(formats.with_limits(estimate, lower, upper, places))
    return cells


def _number_cells(column: pd.Series[Any], decimals: int | None) -> list[str]:
    values = column.dropna().astype(float)
    places = decimals
    if places is None:
        largest = float(values.abs().max()) if len(values) else 0.0
        whole = bool((values == values.round()).all())
        places = 0 if whole else formats.significant_decimals(largest)
    return ["" if pd.isna(value) else formats.fixed(float(value), places) for value in column]
