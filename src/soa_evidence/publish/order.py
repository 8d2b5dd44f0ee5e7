"""Which report to build first: the one with the longest way still to go.

Two cores are both busy until the end when the long reports, and those on which others wait, start first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from statistics import median

__all__ = ["urgency"]


def urgency(after: Mapping[str, Sequence[str]], seconds: Mapping[str, float]) -> dict[str, float]:
    """Return, for each report, the seconds from its start to the end of the longest chain that waits for it.

    Parameters
    ----------
    after
        For each report to be built, the reports that it comes after; those not to be built do not count.
    seconds
        How long reports took the last time; one that never ran is taken to be like most (the median).
    """
    usual = median(seconds.values()) if seconds else 1.0
    waiting: dict[str, list[str]] = {report: [] for report in after}
    for report, feeders in after.items():
        for feeder in feeders:
            if feeder in waiting:
                waiting[feeder].append(report)

    @cache
    def to_go(report: str) -> float:
        return seconds.get(report, usual) + max(map(to_go, waiting[report]), default=0.0)

    return {report: to_go(report) for report in after}
