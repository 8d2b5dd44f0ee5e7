"""Where a number comes from: the papers behind a report, each with its rows and a link to follow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from soa_evidence.errors import InputError, nearest
from soa_evidence.reporting import bundle as bundles
from soa_evidence.reporting import safe

__all__ = ["Citations", "citations"]

_NEEDED = ("label", "citation", "doi", "link", "read_at_level", "rows")


@dataclass(frozen=True, eq=False, kw_only=True)
class Citations(bundles.Shown):
    """A list of papers with the rows that were taken from each."""

    id: str
    title: str
    frame: pd.DataFrame

    def bundle(self) -> dict[str, Any]:
        """Return the MIME bundle: text, HTML, and the part the publisher collects."""
        rows: list[Any] = list(self.frame.itertuples(index=False))
        items = "".join(_item(row) for row in rows)
        html = (
            f'<div class="table" id="table-{self.id}"><details class="table" open>'
            f"<summary>{safe.escape(self.title)} ({len(self.frame):,} papers)</summary><ul>{items}</ul>"
            f"<p>{bundles.download_link(self.frame, self.id)}</p></details></div>"
        )
        text = "\n".join(f"{row.label}: {row.citation} [{row.rows}]" for row in rows)
        payload = {
            "kind": "table",
            "id": self.id,
            "title": self.title,
            "csv": safe.csv_text(self.frame),
            "units": {},
        }
        return bundles.bundle(text=text, html=html, payload=payload)


def citations(frame: pd.DataFrame, *, id: str, title: str) -> Citations:
    """List the papers of a frame, one a row.

    Parameters
    ----------
    frame : columns label, citation, doi, link, read_at_level, rows
        `link` is followed only when it is a web address; `rows` names the figures taken from the paper.
    """
    for column in _NEEDED:
        if column not in frame.columns:
            raise InputError(f"Citations '{id}' have no column {column!r}.{nearest(column, frame.columns)}")
    if frame.empty:
        raise InputError(f"Citations '{id}' are empty; a report rests on at least one paper.")
    if safe.slug(id) != id:
        raise InputError(f"Citations are called {id!r}; expected a name such as '{safe.slug(id)}'.")
    missing = frame["citation"].isna() | (frame["citation"].astype(str).str.strip() == "")
    if missing.any():
        raise InputError(f"Citations '{id}': {frame.loc[missing, 'label'].iloc[0]} cites nothing.")
    return Citations(id=id, title=safe.clean(title), frame=frame[list(_NEEDED)].reset_index(drop=True))


def _item(row: Any) -> str:
    label, citation = safe.escape(row.label), safe.escape(row.citation)
    end = "" if citation.endswith(".") else "."
    address = "" if pd.isna(row.link) else str(row.link)
    where = safe.escape(address) if pd.isna(row.doi) else f"doi:{safe.escape(row.doi)}"
    link = (
        f' <a href="{safe.escape(address)}" rel="noreferrer">{where}</a>.'
        if address.startswith(("https://", "http://"))
        else ""
    )
    level = safe.escape(row.read_at_level)
    return (
        f"<li><strong>{label}</strong>: {citation}{end}{link} "
        f'<span class="why">Rows {safe.escape(row.rows)}; read: {level}.</span></li>'
    )
