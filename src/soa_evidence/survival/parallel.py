"""Pieces of work side by side on the processors there are, with the same numbers however many those are.

The pieces are cut by size of data, never by number of processors, and their results are joined in order; so a
sum has the same digits on a laptop and on a server. Threads gain because compiled sweeps and numpy let go of
the interpreter while they count.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

__all__ = ["side_by_side", "spans"]

MOST_THREADS = 8


def spans(size: int, piece: int) -> list[tuple[int, int]]:
    """Return the bounds that cut `size` rows in pieces."""
    return [(low, min(low + piece, size)) for low in range(0, size, piece)]


def side_by_side[A, B](work: Callable[[A], B], pieces: Sequence[A]) -> list[B]:
    """Return `work` of each piece, in order."""
    threads = min(len(pieces), os.cpu_count() or 1, MOST_THREADS)
    if threads < 2:
        return [work(piece) for piece in pieces]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(work, pieces))
