r"""Subgroups of studies, each with its own mean, and a test of whether the means differ.

Studies i of group g: :math:`y_i \sim N(\mu_g, v_i + \tau_g^2)`. With ``spread="shared"`` all groups have one
tau2 (a regression on the group without an intercept); with ``"separate"`` each has its own.

Test of no difference between the groups:

- shared: Wald test of the group in the regression: chi-square, or F with k - G for the t-type intervals
- separate, Wald: :math:`\sum w_g (\hat\mu_g - \bar\mu)^2`, :math:`w_g = 1/se_g^2`, chi-square with G - 1
- separate, t-type intervals: Welch's F (1951), whose second degrees of freedom come from those of the groups

When not to use it: to claim an effect in one group because its own interval excludes 0 and another's does not
(only the test compares them); with groups formed after looking; separate spreads with fewer than about five
studies a group.

Sources: Borenstein & Higgins 2013, Prev Sci 14:134; Welch 1951, Biometrika 38:330.

Checked against: metafor 3.8-1; R's oneway.test for Welch's F (tests/reference/synthesis_models).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from soa_evidence.errors import InputError
from soa_evidence.results import Check, Estimates, checks_frame
from soa_evidence.synthesis import regression
from soa_evidence.synthesis.design import read_design
from soa_evidence.synthesis.pooling import INTERVALS
from soa_evidence.synthesis.studies import (
    Studies,
    read,
    require_choice,
    require_columns,
)

__all__ = ["SubgroupResult", "fit"]

METHOD = "synthesis.subgroup"
SPREADS = ("shared", "separate")
FEW_STUDIES = 5


@dataclass(frozen=True, eq=False, kw_only=True)
class SubgroupResult:
    """Means by subgroup.

    Attributes
    ----------
    pooled : tuple of Estimates
        One an entry of `groups`, in order; each with its own degrees of freedom.
    groups : DataFrame
        group, studies, estimate, std_error, dof, tau2, q (no difference within), q_p_value.
    test : DataFrame
        One row: test, statistic, dof, dof_2 (infinite for chi-square), p_value.
    spread, method, interval : str
    checks : tuple of Check
    """

    pooled: tuple[Estimates, ...]
    groups: pd.DataFrame
    test: pd.DataFrame
    spread: str
    method: str
    interval: str
    checks: tuple[Check, ...]

    def _repr_html_(self) -> str:
        means = pd.concat([each.table() for each in self.pooled])
        parts = [means, self.groups, self.test, checks_frame(self.checks)]
        return "".join(part.to_html(index=False, float_format="{:.4g}".format) for part in parts)


def fit(
    frame: pd.DataFrame,
    *,
    group: str,
    estimate: str = "estimate",
    std_error: str = "std_error",
    label: str = "label",
    spread: str = "shared",
    method: str = "REML",
    interval: str = "hartung_knapp_floor",
    estimand: str = "pooled effect",
    unit: str = "scale of the studies",
) -> SubgroupResult:
    """Pool the studies by group and test whether the groups differ, one row a study.

    Parameters
    ----------
    group
        Column of the group of each study.
    spread
        ``"shared"``: one tau2 for all; ``"separate"``: one a group.
    method, interval
        As in `regression`.

    Raises
    ------
    InputError
        As `studies.read`; on a missing group, fewer than two groups, as many groups as studies, or a group of
        one study where spreads are separate.
    """
    require_choice(spread, SPREADS, "spread")
    require_choice(method, regression.METHODS, "method")
    require_choice(interval, INTERVALS, "interval")
    require_columns(frame, [group, label])
    studies = read(frame, estimate=estimate, std_error=std_error, label=label)
    if frame[group].isna().any():
        at = int(np.argmax(frame[group].isna().to_numpy()))
        raise InputError(
            f"Column '{group}', row {at} ({studies.labels[at]}): missing; every study needs its group."
        )
    of = frame[group].astype(str).to_numpy()
    names = sorted(set(of))
    if len(names) < 2:
        raise InputError(f"Column '{group}' is {names[0]!r} in every row; expected at least two groups.")
    chosen = interval if method != "common" else "wald"
    fitter = _shared if spread == "shared" else _separate
    lines, test = fitter(studies, of, names, method, chosen, group)
    rows, sizes = [], {name: int((of == name).sum()) for name in names}
    for name, line in zip(names, lines, strict=True):
        part = _part(studies, of == name)
        q = _q(part)
        rows.append(
            {
                "group": name,
                "studies": sizes[name],
                "estimate": line.coefficients[0],
                "std_error": np.sqrt(line.covariance[0, 0]),
                "dof": line.dof,
                "tau2": line.tau2,
                "q": q,
                "q_p_value": float(stats.chi2.sf(q, len(part) - 1)) if len(part) > 1 else np.nan,
            }
        )
    checks = _checks(sizes, lines, spread)
    pooled = tuple(
        Estimates(
            estimand=estimand,
            labels=(name,),
            unit=unit,
            method=f"{METHOD} ({spread} spread, {method}, {chosen})",
            mean=line.coefficients,
            covariance=line.covariance,
            dof=line.dof if np.isfinite(line.dof) else None,
            interval="confidence",
            checks=checks,
        )
        for name, line in zip(names, lines, strict=True)
    )
    return SubgroupResult(
        pooled=pooled,
        groups=pd.DataFrame(rows),
        test=pd.DataFrame([test], columns=["test", "statistic", "dof", "dof_2", "p_value"]),
        spread=spread,
        method=method,
        interval=chosen,
        checks=checks,
    )


Test = tuple[str, float, float, float, float]


def _shared(
    studies: Studies, of: NDArray[np.object_], names: list[str], method: str, interval: str, group: str
) -> tuple[list[regression.Line], Test]:
    frame = pd.DataFrame({group: pd.Categorical(of, categories=names)})
    design = read_design(frame, moderators=[group], labels=studies.labels)
    line = regression.fit_line(studies, design.matrix, method=method, interval=interval)
    contrast = np.eye(len(names))
    contrast[1:, 0] = 1.0  # a group's mean is the first group's and the difference from it
    lines = [
        regression.Line(
            coefficients=row @ line.coefficients[:, None],
            covariance=np.array([[row @ line.covariance @ row]]),
            dof=line.dof,
            scale=line.scale,
            tau2=line.tau2,
            converged=line.converged,
        )
        for row in contrast
    ]
    return lines, ("the groups do not differ", *regression.wald_test(line, range(1, len(names))))


def _separate(
    studies: Studies, of: NDArray[np.object_], names: list[str], method: str, interval: str, group: str
) -> tuple[list[regression.Line], Test]:
    lines = []
    for name in names:
        part = _part(studies, of == name)
        if len(part) < 2:
            raise InputError(
                f"Group {name!r} of column '{group}' has one study ({part.labels[0]}), which says nothing "
                "about a spread of its own. Use spread='shared', or leave the group out on purpose."
            )
        lines.append(regression.fit_line(part, np.ones((len(part), 1)), method=method, interval=interval))
    mean = np.array([line.coefficients[0] for line in lines])
    w = 1 / np.array([line.covariance[0, 0] for line in lines])
    between = float((w * (mean - (w * mean).sum() / w.sum()) ** 2).sum())
    g = len(names)
    if interval == "wald":
        return lines, ("the groups do not differ", between, g - 1, np.inf, stats.chi2.sf(between, g - 1))
    loss = float(((1 - w / w.sum()) ** 2 / np.array([line.dof for line in lines])).sum())
    statistic = between / (g - 1) / (1 + 2 * (g - 2) / (g**2 - 1) * loss)
    dof = (g**2 - 1) / (3 * loss)
    p = float(stats.f.sf(statistic, g - 1, dof))
    return lines, ("the groups do not differ (Welch)", statistic, g - 1, dof, p)


def _part(studies: Studies, keep: NDArray[np.bool_]) -> Studies:
    return Studies(
        labels=tuple(name for name, kept in zip(studies.labels, keep, strict=True) if kept),
        estimate=studies.estimate[keep],
        variance=studies.variance[keep],
    )


def _q(part: Studies) -> float:
    batch = part.batch()
    return float(batch.spread(batch.weights(np.zeros(1)))[0])


def _checks(sizes: dict[str, int], lines: list[regression.Line], spread: str) -> tuple[Check, ...]:
    least = min(sizes, key=lambda name: sizes[name])
    ended = all(line.converged for line in lines)
    return (
        Check(
            name="studies in the smallest group",
            verdict="pass" if sizes[least] >= FEW_STUDIES else "warn",
            observed=f"{sizes[least]} ({least})",
            expected=f"at least {FEW_STUDIES}",
            why="a group of few studies has a mean, but hardly a spread of its own"
            if spread == "separate"
            else "a difference from a group of few studies rests on them alone",
        ),
        Check(
            name="search for the variance between studies",
            verdict="pass" if ended else "fail",
            observed="ended" if ended else "did not end",
            expected="ended",
            why="an estimate taken half-way depends on where the search began",
        ),
    )
