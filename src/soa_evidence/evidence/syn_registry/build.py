"""The package syn-registry put in order: what the generator yields written beside the published figures."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from soa_evidence.evidence.load import seal
from soa_evidence.evidence.syn_registry import targets
from soa_evidence.evidence.syn_registry.parameters import NAME, read

__all__ = ["build"]

_ROWS = 100_000


def build(folder: str | Path, *, rows: int = _ROWS) -> str:
    """Fill the column `generated` of ``data/targets.csv`` anew and seal the package; return its hash.

    Parameters
    ----------
    folder
        The folder of evidence packages.
    rows
        Primaries over which the generator's figures are averaged.
    """
    data = Path(folder) / NAME / "data"
    parameters = read(data / "truth.csv", "default")
    made = targets.filled(pd.read_csv(data / "targets.csv"), parameters, rows=rows)
    (data / "targets.csv").write_bytes(made.to_csv(index=False, lineterminator="\n").encode())
    return seal(data.parent)
