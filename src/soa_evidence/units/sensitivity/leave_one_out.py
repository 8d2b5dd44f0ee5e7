"""Leave one unit out, to see whether a single hospital decides.

Each unit in turn is left out and the two classes are compared again, by the logistic g-computation of
`units.class_contrast` (*these units*), refitted in full from the last maximum. With three specialist units,
leaving one out is leaving out a third of the answer.

When not to use it: as a test of outliers: a unit that moves the answer need not be wrong, and several wrong
ones may hide each other. `units.funnel` asks which units are unusual.

Sources: Cook & Weisberg (1982), Residuals and Influence in Regression, chapter 3.

Checked against: the same comparison fitted afresh without the unit (tests/unit), and R's glm in
tests/reference/unit_sensitivity.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from soa_evidence.errors import InputError
from soa_evidence.results import Check, checks_frame
from soa_evidence.units.cells import Cells, prepare
from soa_evidence.units.class_contrast import Contrast, Tables, contrasts
from soa_evidence.units.logistic import Logistic

__all__ = ["LeaveOneOutResult", "fit", "tables_of"]

Z95 = 1.959963984540054


@dataclass(frozen=True, eq=False, kw_only=True)
class LeaveOneOutResult:
    """The comparison without each unit.

    Attributes
    ----------
    table : DataFrame
        unit, class, trials, estimate, lower, upper (difference per 1,000 without it), change (from all);
        largest change first.
    everything : tuple of float
        Estimate, lower, upper with all units.
    not_fitted : DataFrame
        unit, reason: without these nothing is left to compare.
    checks : tuple of Check
    """

    table: pd.DataFrame
    everything: tuple[float, float, float]
    not_fitted: pd.DataFrame
    checks: tuple[Check, ...]

    def __repr__(self) -> str:
        return f"{_heading(self)}\n{self.table.head(10).to_string(index=False)}"

    def _repr_html_(self) -> str:
        shown = self.table.head(20).to_html(index=False, float_format="{:.3g}".format)
        return (
            f"<p><strong>{_heading(self)}</strong></p>{shown}{checks_frame(self.checks).to_html(index=False)}"
        )


def fit(
    frame: pd.DataFrame,
    *,
    events: str,
    trials: str,
    unit: str,
    group: str,
    specialist: str,
    reference: str | Sequence[str],
    case_mix: Sequence[str] = (),
) -> LeaveOneOutResult:
    """Compare the classes without each of their units in turn.

    Parameters
    ----------
    frame
        One row per unit and case-mix stratum.
    specialist, reference
        The class, and the class or classes together, that are compared; units of other classes only inform
        the case mix and are not left out.

    Raises
    ------
    InputError
        On a bad frame (see `units.cells.prepare`), an unknown class, a class on both sides, or classes
        that cannot be compared.
    """
    cells = prepare(frame, events=events, trials=trials, unit=unit, group=group, case_mix=case_mix)
    tables = tables_of(cells, specialist, reference)
    if reason := tables.problem():
        raise InputError(f"The classes cannot be compared: {reason}.")
    whole, start = _compare(tables, None)
    if isinstance(whole, str) or start is None:
        raise InputError(f"The classes cannot be compared: {whole}.")
    groups = np.array(cells.groups, dtype=object)[cells.group_of_unit]
    size = tables.trials.sum(axis=1)
    rows, broken = [], []
    for j in np.flatnonzero((tables.role < 2) & (size > 0)):
        left = np.arange(len(tables.role)) != j
        rest = replace(tables, events=tables.events[left], trials=tables.trials[left], role=tables.role[left])
        found, _ = _compare(rest, start)
        if isinstance(found, str):
            broken.append((cells.units[j], found))
            continue
        estimate, lower, upper = _interval(found)
        change = estimate - 1000 * whole.estimate
        rows.append((cells.units[j], groups[j], int(size[j]), estimate, lower, upper, change))
    names = ["unit", "class", "trials", "estimate", "lower", "upper", "change"]
    table = pd.DataFrame(rows, columns=names)
    table = table.sort_values("change", key=np.abs, ascending=False, kind="stable").reset_index(drop=True)
    everything = _interval(whole)
    return LeaveOneOutResult(
        table=table,
        everything=everything,
        not_fitted=pd.DataFrame(broken, columns=["unit", "reason"]),
        checks=(_check(table, everything),),
    )


def tables_of(cells: Cells, specialist: str, reference: str | Sequence[str]) -> Tables:
    """Return the counts by unit and pattern with the two classes as 0 and 1 and all others after them."""
    others = (reference,) if isinstance(reference, str) else tuple(reference)
    for name in (specialist, *others):
        if name not in cells.groups:
            raise InputError(f"There is no class {name!r}. There are: {', '.join(cells.groups)}.")
    if specialist in others:
        raise InputError(f"{specialist!r} is both the class compared and part of the reference.")
    code = {specialist: 0, **dict.fromkeys(others, 1)}
    further = [name for name in cells.groups if name not in code]
    code |= {name: 2 + at for at, name in enumerate(further)}
    cell = cells.unit * len(cells.design) + cells.pattern
    shape = (len(cells.units), len(cells.design))
    events, trials = (
        np.bincount(cell, weights=values, minlength=shape[0] * shape[1]).reshape(shape)
        for values in (cells.events, cells.trials)
    )
    role = np.array([code[name] for name in cells.groups], dtype=np.int64)[cells.group_of_unit]
    # A further class in which nothing, or everything, happened informs nothing: its counts are taken out.
    for at in range(2, int(role.max()) + 1):
        inside = role == at
        if events[inside].sum() in (0, trials[inside].sum()):
            events[inside], trials[inside], role[inside] = 0.0, 0.0, 1
    order = {code: at for at, code in enumerate([0, 1, *sorted(set(role[role > 1].tolist()))])}
    role = np.array([order[code] for code in role.tolist()], dtype=np.int64)
    return Tables(design=cells.design, events=events, trials=trials, role=role)


def _compare(tables: Tables, start: Logistic | None) -> tuple[Contrast | str, Logistic | None]:
    if reason := tables.problem():
        return reason, None
    found, model = contrasts(tables, ("g_computation",), start=start)
    return found["g_computation"], model


def _interval(found: Contrast) -> tuple[float, float, float]:
    reach = Z95 * found.std_error
    return 1000 * found.estimate, 1000 * (found.estimate - reach), 1000 * (found.estimate + reach)


def _conclusion(lower: float, upper: float) -> str:
    return "lower" if upper < 0 else "higher" if lower > 0 else "cannot tell"


def _check(table: pd.DataFrame, everything: tuple[float, float, float]) -> Check:
    signs = np.sign(table["estimate"]) != np.sign(everything[0])
    said = _conclusion(everything[1], everything[2])
    turned = [
        _conclusion(low, high) != said for low, high in zip(table["lower"], table["upper"], strict=True)
    ]
    changed = int((signs | np.array(turned, dtype=bool)).sum())
    most = (
        f"; most by {table.iloc[0]['unit']}, {table.iloc[0]['change']:+.1f} per 1,000" if len(table) else ""
    )
    return Check(
        name="units without which the sign or the conclusion changes",
        verdict="pass" if changed == 0 else "warn",
        observed=f"{changed} of {len(table)}{most}",
        expected="none",
        why="an answer that one hospital decides is about that hospital",
    )


def _heading(result: LeaveOneOutResult) -> str:
    estimate, lower, upper = result.everything
    return f"Leave one unit out: with all, {estimate:.3g} ({lower:.3g} to {upper:.3g}) per 1,000"
