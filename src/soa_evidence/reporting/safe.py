"""Text from data made inert: in HTML, in a figure, in an identifier and in a CSV file.

Names of hospitals and titles of studies are written by others. Until they have passed through here they may
hold markup, a spreadsheet formula, a right-to-left override or five hundred letters without a space.
"""

from __future__ import annotations

import csv
import hashlib
import html
import io
import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import quote

import pandas as pd

__all__ = ["clean", "csv_text", "download_uri", "escape", "shorten", "slug", "verbatim"]

# Controls that move the reading direction or hide text: they could make a name read as another one.
_DIRECTION = dict.fromkeys([0x200E, 0x200F, 0x061C, *range(0x202A, 0x202F), *range(0x2066, 0x206A)])
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")
_NUMERIC = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def clean(text: object) -> str:
    """Return `text` on one line, without control characters and direction overrides."""
    moved = str(text).translate(_DIRECTION)
    kept = "".join(" " if unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") else c for c in moved)
    return " ".join(kept.split())


def escape(text: object) -> str:
    """Return `text` cleaned and escaped for HTML, in content or in a quoted attribute."""
    return html.escape(clean(text), quote=True)


def verbatim(text: object) -> str:
    """Return `text` escaped for HTML with its lines and spaces kept, for code and printed output."""
    lines = str(text).translate(_DIRECTION).expandtabs(4).splitlines()
    kept = ("".join(c for c in line if unicodedata.category(c) not in ("Cc", "Cs")) for line in lines)
    return html.escape("\n".join(kept), quote=True)


def shorten(text: object, length: int) -> str:
    """Return `text` cleaned and cut to `length` characters, the cut shown by an ellipsis."""
    whole = clean(text)
    return whole if len(whole) <= length else whole[: length - 1].rstrip() + "…"


def slug(text: object) -> str:
    """Return `text` as a lower-case identifier of letters, digits and hyphens, never empty.

    A label with no Latin letter or digit gets a short hash of itself, so that it still has a stable name.
    """
    plain = unicodedata.normalize("NFKD", str(text)).encode("ascii", "ignore").decode().lower()
    parts = re.findall(r"[a-z0-9]+", plain)
    if parts:
        return "-".join(parts)[:80].rstrip("-")
    return "x" + hashlib.sha256(str(text).encode("utf-8", "replace")).hexdigest()[:8]


def _cell(value: Any) -> str:
    if value is None or (isinstance(value, float) and value != value):
        return ""
    text = format(value, ".10g") if isinstance(value, float) else str(value)
    if text.startswith(_FORMULA) and not _NUMERIC.fullmatch(text):
        return "'" + text
    return text


def csv_text(frame: pd.DataFrame) -> str:
    """Return the frame as CSV in which no cell can run as a formula.

    A cell that starts with ``= + - @`` (also full-width), a tab or a carriage return and is not a number is
    preceded by an apostrophe. Numbers keep ten significant digits; missing values are empty.
    """
    sheet = io.StringIO()
    writer = csv.writer(sheet, lineterminator="\r\n")
    writer.writerow([_cell(str(column)) for column in frame.columns])
    writer.writerows(_rows(frame))
    return sheet.getvalue()


def _rows(frame: pd.DataFrame) -> Iterable[Sequence[str]]:
    for row in frame.itertuples(index=False, name=None):
        yield [_cell(float(v) if _is_float(v) else None if v is pd.NA else v) for v in row]


def _is_float(value: object) -> bool:
    return isinstance(value, float) or type(value).__name__.startswith("float")


def download_uri(csv_content: str) -> str:
    """Return a data: address that saves `csv_content` as a file, with no request to anywhere."""
    return f"data:text/csv;charset=utf-8,{quote(csv_content, safe=',.:;/()-_~!*')}"
