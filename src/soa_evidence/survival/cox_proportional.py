"""Do hazard ratios change with time? The score test for b(t) = b + c g(t), and Schoenfeld residuals.

    U    = sum over events of g(t) (x - mean x at risk)         score for c, at c = 0 and b as fitted
    chi² = (0, U)' I⁻¹ (0, U)                                   I the information for (b, c) together

g(t) is 1 - S(t-) of all rows, weighted ("km", default, robust to a few long follow-ups), t ("identity"),
log t or the rank of t, centred on the events. The test is exact in form, as in R's survival since 3.0; older
versions approximated I.

When not to use it: as proof that ratios are constant; with few events it finds little, with very many it
finds what does not matter. Look at the residuals against time.

Sources: Grambsch & Therneau (1994), Biometrika 81:515; Schoenfeld (1982), Biometrika 69:239.

Checked against: R survival::cox.zph in tests/reference/survival.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soa_evidence.results import Check
from soa_evidence.survival.cox_sweep import information
from soa_evidence.survival.records import choice
from soa_evidence.survival.tallies import tally

if TYPE_CHECKING:
    from soa_evidence.survival.cox import CoxResult

__all__ = ["ProportionalResult", "of"]

FloatArray = NDArray[np.float64]
TRANSFORMS = ("km", "identity", "log", "rank")
UNLIKELY = 0.05


@dataclass(frozen=True, eq=False, kw_only=True)
class ProportionalResult:
    """Test of proportional hazards.

    Attributes
    ----------
    table : DataFrame
        covariate (and "all together"), statistic, degrees_of_freedom, p_value.
    schoenfeld : DataFrame
        One row an event, in order of stratum and time: time, then x - mean x at risk for each coefficient.
    transform : str
    checks : tuple of Check
    """

    table: pd.DataFrame
    schoenfeld: pd.DataFrame
    transform: str
    checks: tuple[Check, ...]


def of(result: CoxResult, transform: str) -> ProportionalResult:
    """Return the test for a fitted model."""
    choice("transform", transform, TRANSFORMS)
    rows = result.sorted_rows
    g = _transformed(result, transform)
    events = np.flatnonzero(rows.died)
    at = rows.group[events]
    g = g - g[at].mean()
    found = result.sweep(g)
    residual = rows.Z[events] - found.means[at, 2]
    u = (rows.weight[events] * g[at]) @ residual
    blocks = [information(rows, found, power) for power in range(3)]
    table = _table(result, u, blocks)
    schoenfeld = pd.DataFrame(residual * rows.scale, columns=list(result.design.terms))
    schoenfeld.insert(0, "time", rows.time[at])
    return ProportionalResult(table=table, schoenfeld=schoenfeld, transform=transform, checks=_checks(table))


def _transformed(result: CoxResult, transform: str) -> FloatArray:
    """Return g at the time of each group of rows."""
    rows, records = result.sorted_rows, result.records
    if transform == "identity":
        return rows.time
    if transform == "log":
        return np.log(rows.time)
    if transform == "rank":
        left = np.bincount(records.exit, weights=records.weight, minlength=len(records.axis))
        middle = np.cumsum(left) - left / 2
        return np.asarray(middle[np.searchsorted(records.axis, rows.time)])
    zero = np.zeros(len(records), dtype=np.int64)
    (counted,) = tally(records, group=zero, labels=("all",))
    before = np.concatenate([[1.0], counted.survival()])
    return np.asarray(1 - before[np.searchsorted(counted.time, rows.time, side="left")])


def _table(result: CoxResult, u: FloatArray, blocks: list[FloatArray]) -> pd.DataFrame:
    from scipy.stats import chi2

    p = len(u)
    joint = np.block([[blocks[0], blocks[1]], [blocks[1], blocks[2]]])
    groups = [
        [j for j, s in enumerate(result.design.source) if s == name] for name in result.design.covariates
    ]
    groups.append(list(range(p)))
    rows = []
    for name, members in zip([*result.design.covariates, "all together"], groups, strict=True):
        used = [*range(p), *(p + j for j in members)]
        full = np.concatenate([np.zeros(p), u[members]])
        statistic = float(full @ np.linalg.solve(joint[np.ix_(used, used)], full))
        rows.append((name, statistic, len(members), float(chi2.sf(statistic, len(members)))))
    return pd.DataFrame(rows, columns=["covariate", "statistic", "degrees_of_freedom", "p_value"])


def _checks(table: pd.DataFrame) -> tuple[Check, ...]:
    least = table.iloc[int(np.argmin(table["p_value"]))]
    # The smallest of several p-values is small by chance alone: Bonferroni.
    limit = UNLIKELY / len(table)
    return (
        Check(
            name="hazard ratios constant in time",
            verdict="pass" if least["p_value"] >= limit else "warn",
            observed=f"smallest p {least['p_value']:.2g} ({least['covariate']})",
            expected=f"at least {limit:.2g}",
            why="where a ratio changes with time, one number is an average that depends on follow-up",
        ),
    )
