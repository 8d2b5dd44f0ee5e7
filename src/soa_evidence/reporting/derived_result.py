"""A derived result: a frame or estimates that a report publishes for others to read, in full precision.

It is a file beside the report's page, not part of it: every unit's posterior, once fitted, serves the
profiles of all units. What it counts is subject to the same limit on small counts as any table.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from io import BytesIO
from typing import Any

import pandas as pd

from soa_evidence.errors import InputError, nearest
from soa_evidence.reporting import bundle as bundles
from soa_evidence.reporting import safe
from soa_evidence.results import Check, Estimates

__all__ = ["Derived", "derived", "read"]

#: Key under which a file says what it holds.
ABOUT = b"soa_evidence"
LARGEST_BYTES = 20_000_000
_ESTIMATES = ("estimand", "unit", "method", "interval", "dof", "centre")


@dataclass(frozen=True, eq=False, kw_only=True)
class Derived(bundles.Shown):
    """A derived result ready to be published: its name, what it is, and its file."""

    id: str
    title: str
    content: bytes
    shape: tuple[int, int]
    units: Mapping[str, str] = field(default_factory=dict)

    def bundle(self) -> dict[str, Any]:
        """Return the MIME bundle: text, HTML, and the part the publisher collects."""
        rows, columns = self.shape
        text = f"{self.title} ({rows:,} rows, {columns:,} columns), published for other reports as {self.id}."
        return bundles.bundle(
            text=text,
            html=f'<p class="derived" id="derived-{self.id}">{safe.escape(text)}</p>',
            payload={
                "kind": "derived",
                "id": self.id,
                "title": self.title,
                "units": dict(self.units),
                "parquet": base64.b64encode(self.content).decode(),
            },
        )


def derived(
    result: pd.DataFrame | Estimates, *, id: str, title: str, units: Mapping[str, str] | None = None
) -> Derived:
    """Publish a frame or estimates for other reports to read with ``from_report(...).derived(id)``.

    Parameters
    ----------
    result
        A frame with named columns, or `Estimates` (draws, or mean and covariance, kept exactly).
    id
        Its name, which is that of its file.
    title
        What it is, for a reader.
    units
        By column of a frame: its unit. "patients", "operations" and the like mark counts of people.

    Raises
    ------
    InputError
        On a wrong id, an empty frame, units of unknown columns, or a result above 20 MB.
    """
    if safe.slug(id) != id:
        raise InputError(
            f"A derived result is called {id!r}; expected lower-case letters, digits and '-', "
            f"such as '{safe.slug(id)}'."
        )
    frame, about = _told(result)
    if frame.empty:
        raise InputError(f"Derived result '{id}' has no rows.")
    for column in units or {}:
        if column not in frame.columns:
            raise InputError(
                f"Derived result '{id}' has no column {column!r}.{nearest(column, frame.columns)}"
            )
    content = _written(frame, about)
    if len(content) > LARGEST_BYTES:
        raise InputError(
            f"Derived result '{id}' takes {len(content) / 1e6:.0f} MB; expected at most "
            f"{LARGEST_BYTES / 1e6:.0f}. Publish summaries, or fewer draws."
        )
    return Derived(
        id=id, title=safe.clean(title), content=content, shape=frame.shape, units=dict(units or {})
    )


def read(content: bytes) -> pd.DataFrame | Estimates:
    """Return the frame or estimates that `content`, a file made here, holds."""
    import pyarrow.parquet as pq

    table = pq.read_table(BytesIO(content))
    about = json.loads((table.schema.metadata or {}).get(ABOUT, b"{}"))
    frame: pd.DataFrame = table.to_pandas()
    if about.get("kind") != "estimates":
        return frame
    values = frame.to_numpy()
    held = {"draws": values} if about["holds"] == "draws" else {"mean": values[0], "covariance": values[1:]}
    checks = tuple(Check(**check) for check in about["checks"])
    return Estimates(
        labels=tuple(about["labels"]), checks=checks, **{key: about[key] for key in _ESTIMATES}, **held
    )


def _told(result: pd.DataFrame | Estimates) -> tuple[pd.DataFrame, dict[str, Any]]:
    if isinstance(result, pd.DataFrame):
        return result.reset_index(drop=True), {"kind": "frame"}
    if not isinstance(result, Estimates):
        raise InputError(f"derived() was given {type(result).__name__}; expected a frame or Estimates.")
    about = {
        "kind": "estimates",
        "holds": "mean" if result.draws is None else "draws",
        "labels": list(result.labels),
        "checks": [asdict(check) for check in result.checks],
        **{key: getattr(result, key) for key in _ESTIMATES},
    }
    if result.draws is not None:
        return pd.DataFrame(result.draws, columns=list(result.labels)), about
    both = [list(result.mean), *map(list, result.covariance)]  # type: ignore[arg-type]
    return pd.DataFrame(both, columns=list(result.labels)), about


def _written(frame: pd.DataFrame, about: dict[str, Any]) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.Table.from_pandas(frame, preserve_index=False)
    kept = {**(table.schema.metadata or {}), ABOUT: json.dumps(about, sort_keys=True).encode()}
    file = BytesIO()
    pq.write_table(table.replace_schema_metadata(kept), file, compression="zstd")
    return file.getvalue()
