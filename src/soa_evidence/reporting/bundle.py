"""The envelope in which everything shown by a notebook travels to the publisher."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from soa_evidence.reporting.safe import csv_text, download_uri, escape

__all__ = ["MIME", "Shown", "bundle", "download_link", "region"]

MIME = "application/vnd.soa-evidence.v1+json"


class Shown(ABC):
    """Something a notebook can show: it says in `bundle` how."""

    @abstractmethod
    def bundle(self) -> dict[str, Any]:
        """Return the MIME bundle: text, HTML, and the part the publisher collects."""

    def _repr_mimebundle_(self, **_asked: object) -> dict[str, Any]:
        return self.bundle()


def bundle(*, text: str, html: str, payload: dict[str, Any] | list[dict[str, Any]]) -> dict[str, Any]:
    """Return a Jupyter MIME bundle: plain text, HTML for people, `payload` for the publisher."""
    return {"text/plain": text, "text/html": html, MIME: payload}


def download_link(frame: Any, name: str, label: str = "Download these numbers (CSV)") -> str:
    """Return a link that saves `frame` as ``<name>.csv``; the data travel inside the page."""
    uri = download_uri(csv_text(frame))
    return f'<a class="download" download="{escape(name)}.csv" href="{uri}">{escape(label)}</a>'


def region(table: str, label: str) -> str:
    """Wrap a table so that it scrolls by itself and can be reached and scrolled from the keyboard."""
    return f'<div class="scroll" role="region" tabindex="0" aria-label="{escape(label)}">{table}</div>'
