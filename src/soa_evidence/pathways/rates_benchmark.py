"""What each place is held against: all places, its peers, or the lowest of its peers.

When not to use it: by itself; `pathways.intervention_rates` calls it.

Checked against: values worked by hand, in tests/unit/test_pathways_rates.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from soa_evidence.pathways.rates_frame import peers_of

__all__ = ["FEWEST_PEERS", "Benchmark", "Held", "held_against"]

FloatArray = NDArray[np.float64]
Held = Literal["nation", "peers", "lowest five peers"]
#: A benchmark of fewer peers is more one place than a standard.
FEWEST_PEERS = 5
_LOWEST = 5


@dataclass(frozen=True, eq=False, kw_only=True)
class Benchmark:
    """Which places are judged, and against whom.

    Attributes
    ----------
    kind : str
    judged : shape (j,)
        Positions of the places judged.
    peers : shape (j, k), -1 where a place has fewer
        Positions of each one's peers; of no use for the nation.
    """

    kind: Held
    judged: NDArray[np.int64]
    peers: NDArray[np.int64]

    def of(self, ratio: FloatArray, expected: FloatArray) -> FloatArray:
        """Return the ratio each judged place is held against, shape (d, j), from ratios (d, n)."""
        if self.kind == "nation":
            average = ratio @ expected / expected.sum()
            return np.repeat(average[:, None], len(self.judged), axis=1)
        there = self.peers >= 0
        theirs = ratio[:, self.peers]
        if self.kind == "peers":
            weight = expected[self.peers] * there
            return np.asarray((theirs * weight).sum(axis=2) / weight.sum(axis=1))
        ordered = np.sort(np.where(there, theirs, np.inf), axis=2)
        return np.asarray(ordered[:, :, :_LOWEST].mean(axis=2))


def held_against(kind: Held, units: Sequence[str], peers: Mapping[str, Sequence[str]] | None) -> Benchmark:
    """Return the benchmark; places with fewer than five peers in the data are not judged against peers."""
    if kind == "nation":
        return Benchmark(
            kind=kind, judged=np.arange(len(units)), peers=np.full((len(units), 1), -1, dtype=np.int64)
        )
    judged, found = peers_of(units, peers, FEWEST_PEERS)
    table = np.full((len(judged), max(map(len, found))), -1, dtype=np.int64)
    for row, known in enumerate(found):
        table[row, : len(known)] = known
    return Benchmark(kind=kind, judged=judged, peers=table)
