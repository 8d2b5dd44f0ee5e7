"""A negative-control outcome, which the class of unit can hardly change: a difference in it betrays bias.

The same two classes, units, patients and case mix are compared on the outcome and on the control (an allergy
to a drug is hardly the surgeon's doing), by logistic regression:

    b, b_c    log odds ratio of the specialist class for the outcome and for the control
    b - b_c   the outcome's, with the control's taken for bias of the same size on the log odds scale

with standard errors from units' influences on both at once, units being the sample (`units.class_contrast`).

When not to use it: as proof. A control without a difference shows no bias of the kind that would move the
control; bias tied to the outcome alone passes unseen. b - b_c is right only where the same bias, and as
strong on this scale, acts on both; it is shown beside the answer, never instead.

Sources: Lipsitch, Tchetgen Tchetgen & Cohen (2010), Epidemiology 21:383; Sofer, Richardson, Colicino,
Schwartz & Tchetgen Tchetgen (2016), Stat Sci 31:348, for the difference from the control.

Checked against: our own R code (glm, influences summed by unit) in tests/reference/unit_sensitivity.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from soa_evidence.errors import InputError
from soa_evidence.results import Check, Estimates, checks_frame
from soa_evidence.units.cells import prepare
from soa_evidence.units.class_contrast import (
    Tables,
    clustered_variance,
    influences,
    log_odds_ratio,
)
from soa_evidence.units.logistic import solve
from soa_evidence.units.sensitivity.leave_one_out import tables_of

__all__ = ["NegativeControlResult", "fit"]

METHOD = "units.sensitivity.negative_control"
OUTCOME, CONTROL, CORRECTED = "outcome", "negative control", "outcome less negative control"


@dataclass(frozen=True, eq=False, kw_only=True)
class NegativeControlResult:
    """The outcome beside its negative control.

    Attributes
    ----------
    log_odds_ratio : dict of str to Estimates
        ``"outcome"``, ``"negative control"`` and ``"outcome less negative control"``, one each, because each
        has degrees of freedom of its own.
    table : DataFrame
        label, events, trials, estimate, lower, upper (odds ratios).
    checks : tuple of Check
    """

    log_odds_ratio: dict[str, Estimates]
    table: pd.DataFrame
    checks: tuple[Check, ...]

    def __repr__(self) -> str:
        return f"Odds ratios, outcome and negative control\n{self.table.to_string(index=False)}"

    def _repr_html_(self) -> str:
        shown = self.table.to_html(index=False, float_format="{:.3g}".format)
        return (
            f"<p><strong>Odds ratios, outcome and negative control</strong></p>{shown}"
            f"{checks_frame(self.checks).to_html(index=False)}"
        )


def fit(
    frame: pd.DataFrame,
    *,
    events: str,
    trials: str,
    control_events: str,
    control_trials: str,
    unit: str,
    group: str,
    specialist: str,
    reference: str | Sequence[str],
    case_mix: Sequence[str] = (),
) -> NegativeControlResult:
    """Compare the classes on the outcome and on the control.

    Parameters
    ----------
    frame
        One row per unit and case-mix stratum.
    events, trials, control_events, control_trials
        Columns of counts.
    specialist, reference
        The class, and the class or classes together, that are compared.

    Raises
    ------
    InputError
        On a bad frame (see `units.cells.prepare`), the outcome as its own control, an unknown class, or
        classes that cannot be compared on one of the two.
    """
    if (events, trials) == (control_events, control_trials):
        raise InputError(
            f"The negative control is the outcome itself ('{events}'); expected another outcome."
        )
    found: dict[str, tuple[float, pd.Series[float], pd.Series[float], pd.Series[int]]] = {}
    totals = {}
    for name, happened, asked in ((OUTCOME, events, trials), (CONTROL, control_events, control_trials)):
        cells = prepare(frame, events=happened, trials=asked, unit=unit, group=group, case_mix=case_mix)
        tables = tables_of(cells, specialist, reference)
        if reason := tables.problem():
            raise InputError(f"The classes cannot be compared on the {name}: {reason}.")
        found[name] = _influences(tables, cells.units)
        compared = tables.role < 2
        totals[name] = (int(tables.events[compared].sum()), int(tables.trials[compared].sum()))
    estimates = {name: _estimates(name, *one) for name, one in found.items()}
    both = _together(found)
    estimates[CORRECTED] = _estimates(CORRECTED, *both)
    rows = []
    for name, one in estimates.items():
        row = one.table(transform="exp").iloc[0]
        seen, asked_of = totals.get(name, (np.nan, np.nan))
        rows.append((name, seen, asked_of, row["estimate"], row["lower"], row["upper"]))
    table = pd.DataFrame(rows, columns=["label", "events", "trials", "estimate", "lower", "upper"])
    checks = (_check(table),)
    return NegativeControlResult(log_odds_ratio=estimates, table=table, checks=checks)


def _influences(
    tables: Tables, units: tuple[str, ...]
) -> tuple[float, pd.Series[float], pd.Series[float], pd.Series[int]]:
    """Log odds ratio, and by unit its influence, its share of the class's information and its class."""
    model = solve(tables.design, *tables.by_class())
    if not model.converged:
        raise InputError("The logistic model did not converge; use fewer case-mix levels.")
    estimate, gradient = log_odds_ratio(model)
    influence, share = influences(tables, model, gradient)
    return (
        estimate,
        pd.Series(influence, index=list(units)),
        pd.Series(share, index=list(units)),
        pd.Series(tables.role, index=list(units)),
    )


def _together(
    found: dict[str, tuple[float, pd.Series[float], pd.Series[float], pd.Series[int]]],
) -> tuple[float, pd.Series[float], pd.Series[float], pd.Series[int]]:
    (b, own, share, role), (b_c, other, share_c, role_c) = found[OUTCOME], found[CONTROL]
    every = own.index.union(other.index)
    influence = own.reindex(every, fill_value=0.0) - other.reindex(every, fill_value=0.0)
    of_class = role.reindex(every).fillna(role_c.reindex(every)).astype(int)
    # The larger of the two leverages: the more careful.
    leverage = pd.Series(
        np.maximum(share.reindex(every, fill_value=0.0), share_c.reindex(every, fill_value=0.0)), index=every
    )
    return b - b_c, influence, leverage, of_class


def _estimates(
    name: str, estimate: float, influence: pd.Series[float], share: pd.Series[float], role: pd.Series[int]
) -> Estimates:
    found = clustered_variance(
        np.asarray(influence, dtype=float), np.asarray(share, dtype=float), np.asarray(role, dtype=np.int64)
    )
    if isinstance(found, str):
        raise InputError(f"The {name} has no standard error: {found}.")
    variance, dof = found
    check = Check(
        name=f"degrees of freedom, {name}",
        verdict="pass" if dof >= 4 else "warn",
        observed=f"{dof:.1f}",
        expected="at least 4",
        why="with few units in a class their spread is hardly known, and the interval is wide and rough",
    )
    return Estimates(
        estimand=f"log odds ratio, {name}, units as a kind", labels=(name,), unit="log odds ratio",
        method=METHOD, mean=np.array([estimate]), covariance=np.array([[variance]]), dof=dof,
        interval="confidence", checks=(check,),
    )  # fmt: skip


def _check(table: pd.DataFrame) -> Check:
    control = table.iloc[1]
    clear = control["lower"] > 1 or control["upper"] < 1
    return Check(
        name="negative control, odds ratio",
        verdict="warn" if clear else "pass",
        observed=f"{control['estimate']:.2f} ({control['lower']:.2f} to {control['upper']:.2f})",
        expected="an interval that holds 1",
        why="a difference in what units cannot change shows that patients, or their answers, differ",
    )
