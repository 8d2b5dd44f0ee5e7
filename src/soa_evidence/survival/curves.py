"""What all step curves share: reading them at times, who is at risk, their checks and their display."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soa_evidence.errors import InputError
from soa_evidence.results import Check, Curve, checks_frame
from soa_evidence.survival.records import Records
from soa_evidence.survival.tallies import Tally

__all__ = ["as_html", "at", "checks", "numbers_at_risk"]

FEW_EVENTS = 10  # below this the normal approximation behind the limits is poor


def at(curves: Mapping[str, Curve], records: Records, times: Sequence[float]) -> pd.DataFrame:
    """Return every curve in force at `times`; at_risk is just before the time, events all those up to it."""
    times = [float(t) for t in times]
    tables = []
    for curve in curves.values():
        table = curve.at(times)
        so_far = np.concatenate([[0.0], np.cumsum(curve.events)])
        table["events"] = so_far[np.searchsorted(curve.time, times, side="right")]
        table["at_risk"] = _present(records, curve.label, times)
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def numbers_at_risk(records: Records, times: Sequence[float]) -> pd.DataFrame:
    """Return the weight under observation just before each of `times`: one row a group, one column a time."""
    times = [float(t) for t in times]
    if any(not t >= 0 for t in times):
        raise InputError(f"times holds {next(t for t in times if not t >= 0)}; expected times of 0 or later.")
    return pd.DataFrame(
        [_present(records, group, times) for group in records.groups],
        index=pd.Index(records.groups, name="label"),
        columns=pd.Index(times, name="time"),
    )


def _present(records: Records, group: str, times: Sequence[float]) -> NDArray[np.float64]:
    mine = records.group == records.groups.index(group)
    place = np.searchsorted(records.axis, times, side="left")
    size = len(records.axis)
    weight = None if records.weight is None else records.weight[mine]
    left = np.bincount(records.exit[mine], weights=weight, minlength=size)
    gone = np.concatenate([[0.0], np.cumsum(left)])[place]
    if records.entry is None:
        return np.asarray(left.sum() - gone)
    came = np.bincount(records.entry[mine], weights=weight, minlength=size)
    return np.asarray(np.concatenate([[0.0], np.cumsum(came)])[place] - gone)


def checks(records: Records, tallies: tuple[Tally, ...]) -> tuple[Check, ...]:
    """Check what a product-limit curve rests on: events, late entry, rounded times and weights."""
    fewest = min(tallies, key=lambda counted: counted.event_rows)
    found = [
        Check(
            name="events in the group with fewest",
            verdict="pass" if fewest.event_rows >= FEW_EVENTS else "warn",
            observed=f"{fewest.event_rows} ({fewest.label})",
            expected=f"at least {FEW_EVENTS}",
            why="with few events the limits, which are for large samples, are not to be trusted",
        )
    ]
    if records.entry is not None:
        found.append(_emptied(tallies))
    if records.merged:
        found.append(
            Check(
                name="times joined because they differ by rounding alone",
                verdict="pass",
                observed=str(records.merged),
                expected="any number",
                why="two computed times of one day must count as a tie",
            )
        )
    if records.weight is not None:
        found.append(
            Check(
                name="meaning of the weights",
                verdict="pass",
                observed=f"{records.weights_are}; sum {records.weight.sum():g} over {len(records)} rows",
                expected="frequency or robust, as chosen",
                why="a weight that stands for people and one that corrects a sample have different errors",
            )
        )
    return tuple(found)


def _emptied(tallies: tuple[Tally, ...]) -> Check:
    """Late entry can leave one person at risk early; their event sends the curve to 0 for good."""
    early = [
        (counted.label, float(counted.time[int(np.argmax(counted.exhausted))]))
        for counted in tallies
        if counted.exhausted[:-1].any()
    ]
    return Check(
        name="risk set emptied by events while others had still to enter",
        verdict="fail" if early else "pass",
        observed=f"{early[0][0]} at {early[0][1]:g}" if early else "never",
        expected="never",
        why="the curve is 0 for ever after, whatever happens to those who enter later; start it later",
    )


def as_html(curves: Mapping[str, Curve], checks: tuple[Check, ...]) -> str:
    """Show curves and checks in a notebook."""
    shown = "".join(curve._repr_html_() for curve in curves.values())
    return shown + checks_frame(checks).to_html(index=False)
