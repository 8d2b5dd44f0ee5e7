r"""Several results from one study or registry: random effects at every level.

:math:`y_i = x_i'\beta + \sum_j u_{j[i]} + e_i` with :math:`u_j \sim N(0, \sigma_j^2)` for every unit of level
j (registry, study within registry, result within study) and sampling errors e whose covariance within a
cluster is :math:`\rho\, se_i\, se_k`: results of the same patients share their luck. :math:`\rho` is seldom
published; it is stated, and varied.

Variances by REML or ML; their limits by profile likelihood. Intervals of the mean: ``"wald"`` (normal) or
``"t"`` with the number of outermost units less the number of coefficients.

When not to use it: with fewer than about five outermost units (variances between them are a guess); for
results of overlapping patients with rho = 0; follow it with `robust`, which does not need the covariance to
be right.

Sources: Konstantopoulos 2011, Res Synth Methods 2:61; Van den Noortgate et al. 2013, Behav Res Methods
45:576.

Checked against: metafor 3.8-1's rma.mv (tests/reference/synthesis_models).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from soa_evidence.errors import InputError
from soa_evidence.results import Check, Estimates, checks_frame
from soa_evidence.synthesis.design import Design, read_design
from soa_evidence.synthesis.studies import (
    FloatArray,
    Studies,
    read,
    require_choice,
    require_columns,
    require_level,
)
from soa_evidence.synthesis.variance_components import (
    Components,
    Estimated,
    maximise,
    profile_limits,
    scaled,
)

__all__ = ["MultilevelResult", "fit"]

METHOD = "synthesis.multilevel"
METHODS = ("REML", "ML")
INTERVALS = ("wald", "t")
FEW_UNITS = 5


@dataclass(frozen=True, eq=False, kw_only=True)
class MultilevelResult:
    """Results pooled at several levels.

    Attributes
    ----------
    coefficients : Estimates
        One label a coefficient; ``intercept`` is the pooled mean where there are no moderators.
    new_study : Estimates or None
        True effect of one result in a new outermost unit; None with moderators.
    components : DataFrame
        level, units, variance, sd, lower, upper (of the variance), share_percent (of all variation but that
        of the coefficients; sampling error has the rest), confidence.
    tests : DataFrame
        test, statistic, dof, p_value.
    results : DataFrame
        label, estimate, std_error, fitted.
    design : Design
    marginal : array of shape (n, n)
        Covariance of the results under the model.
    method, interval : str
    checks : tuple of Check
    """

    coefficients: Estimates
    new_study: Estimates | None
    components: pd.DataFrame
    tests: pd.DataFrame
    results: pd.DataFrame
    design: Design
    marginal: FloatArray
    method: str
    interval: str
    checks: tuple[Check, ...]

    def _repr_html_(self) -> str:
        parts = [self.coefficients.table(), self.components, self.tests, checks_frame(self.checks)]
        return "".join(part.to_html(index=False, float_format="{:.4g}".format) for part in parts)


def fit(
    frame: pd.DataFrame,
    *,
    levels: Sequence[str],
    moderators: Sequence[str] = (),
    estimate: str = "estimate",
    std_error: str = "std_error",
    label: str = "label",
    correlation: float = 0.0,
    correlated_within: str | None = None,
    method: str = "REML",
    interval: str = "t",
    limits: bool = True,
    level: float = 0.95,
    estimand: str = "pooled effect",
    unit: str = "scale of the studies",
) -> MultilevelResult:
    """Pool results at several levels, one row a result.

    Parameters
    ----------
    levels
        Columns from the outermost (e.g. registry) inwards; each is read within those before it. Name the
        column of results last to let results differ truly within a study.
    correlation, correlated_within
        Correlation of sampling errors of results that agree in the column `correlated_within`.
    limits
        Whether to search the profile limits of the variances, which takes most of the time.

    Raises
    ------
    InputError
        As `studies.read` and `design.read_design`; on no levels, a level in which every row or no row is a
        unit of its own, a correlation outside 0 to 1, or one without its column.
    """
    require_choice(method, METHODS, "method")
    require_choice(interval, INTERVALS, "interval")
    require_level(level)
    studies = read(frame, estimate=estimate, std_error=std_error, label=label)
    units = read_levels(frame, levels, studies.labels)
    design = read_design(frame, moderators=moderators, labels=studies.labels)
    known = sampling_covariance(frame, studies, correlation, correlated_within)
    basis, triangle = np.linalg.qr(design.matrix)
    pieces = tuple((codes[:, None] == codes[None, :]).astype(float) for codes in units)
    model = Components(
        estimate=studies.estimate, matrix=basis, known=known, pieces=pieces, restricted=method == "REML"
    )
    by = float(np.sqrt(np.mean(studies.variance)))
    model = scaled(model, by)
    crude = max(float(np.var(model.estimate)), 0.1)
    starts = [np.full(len(pieces), share * crude / len(pieces)) for share in (0.02, 1.0)]
    found = maximise(model, starts)
    back = np.linalg.inv(triangle)
    mean, covariance = model.coefficients(found.value)
    mean, covariance = by * back @ mean, by**2 * back @ covariance @ back.T
    outermost = int(units[0].max()) + 1
    dof = float(outermost - len(design.terms))
    checks = _checks(outermost, found, dof, interval)
    kind = f"{METHOD} ({method}, {interval}, sampling correlation {correlation:g})"

    def carrier(what: str, labels: tuple[str, ...], values: FloatArray, spread: FloatArray) -> Estimates:
        return Estimates(
            estimand=what,
            labels=labels,
            unit=unit,
            method=kind,
            mean=values,
            covariance=(spread + spread.T) / 2,
            dof=max(dof, 1.0) if interval == "t" else None,
            interval="confidence",
            checks=checks,
        )

    variances = by**2 * found.value
    alone = design.terms == ("intercept",)
    return MultilevelResult(
        coefficients=carrier(estimand, design.terms, mean, covariance),
        new_study=carrier(
            f"{estimand}, true effect of a result in a new {levels[0]}",
            ("new study",),
            mean,
            covariance + variances.sum(),
        )
        if alone
        else None,
        components=_components(model, found, units, levels, by, level, limits=limits),
        tests=_tests(model, design, mean, covariance, dof, interval),
        results=pd.DataFrame(
            {
                "label": list(studies.labels),
                "estimate": studies.estimate,
                "std_error": np.sqrt(studies.variance),
                "fitted": design.matrix @ mean,
            }
        ),
        design=design,
        marginal=by**2 * model.marginal(found.value),
        method=method,
        interval=interval,
        checks=checks,
    )


def read_levels(frame: pd.DataFrame, levels: Sequence[str], labels: Sequence[str]) -> list[FloatArray]:
    """Return unit numbers (n,) at every level, each within the ones before it."""
    if isinstance(levels, str) or not levels:
        raise InputError(
            f"levels is {levels!r}; expected a list of columns from the outermost inwards, such as "
            "['registry', 'study']."
        )
    require_columns(frame, list(levels))
    units: list[FloatArray] = []
    for depth, name in enumerate(levels):
        missing = frame[name].isna().to_numpy()
        if missing.any():
            at = int(np.argmax(missing))
            raise InputError(
                f"Column '{name}', row {at} ({labels[at]}): missing; every result needs its unit."
            )
        keys = pd.MultiIndex.from_frame(frame[list(levels[: depth + 1])].astype(str))
        codes = pd.factorize(keys)[0]
        count = int(codes.max()) + 1
        if count == 1:
            raise InputError(
                f"Level '{name}' has one unit only ({frame[name].iloc[0]!r}); its variance cannot be told."
            )
        if units and count == int(units[-1].max()) + 1:
            raise InputError(
                f"Level '{name}' has the same {count} units as '{levels[depth - 1]}'; two variances for the "
                f"same "
                "units cannot be told apart. Leave one out."
            )
        units.append(codes.astype(float))
    return units


def sampling_covariance(
    frame: pd.DataFrame, studies: Studies, correlation: float, within: str | None
) -> FloatArray:
    """Return the covariance of sampling errors: one correlation within the units of a column."""
    if not 0 <= correlation < 1:
        raise InputError(f"correlation is {correlation}; expected a number from 0 up to, not including, 1.")
    if (correlation > 0) != (within is not None):
        raise InputError(
            f"correlation is {correlation:g} and correlated_within is {within!r}; give both or neither."
        )
    known = np.diag(studies.variance)
    if within is None:
        return known
    require_columns(frame, [within])
    of = frame[within].astype(str).to_numpy()
    error = np.sqrt(studies.variance)
    same = (of[:, None] == of[None, :]) & ~np.eye(len(of), dtype=bool)
    return np.asarray(known + correlation * np.outer(error, error) * same)


def _components(
    model: Components,
    found: Estimated,
    units: list[FloatArray],
    levels: Sequence[str],
    by: float,
    level: float,
    *,
    limits: bool,
) -> pd.DataFrame:
    inverse = np.linalg.inv(model.known)
    right = inverse @ model.matrix
    projection = inverse - right @ np.linalg.solve(model.matrix.T @ right, right.T)
    typical = (len(model.estimate) - model.matrix.shape[1]) / float(np.trace(projection))
    step = max(1.0, float(found.value.sum()))
    rows = []
    for j, name in enumerate(levels):
        low, high = profile_limits(model, found, j, level=level, step=step) if limits else (np.nan, np.nan)
        rows.append(
            {
                "level": name,
                "units": int(units[j].max()) + 1,
                "variance": by**2 * found.value[j],
                "sd": by * np.sqrt(found.value[j]),
                "lower": by**2 * low,
                "upper": by**2 * high,
                "share_percent": 100 * found.value[j] / (found.value.sum() + typical),
                "confidence": level,
            }
        )
    return pd.DataFrame(rows)


def _tests(
    model: Components, design: Design, mean: FloatArray, covariance: FloatArray, dof: float, interval: str
) -> pd.DataFrame:
    inverse = np.linalg.inv(model.known)
    right = inverse @ model.matrix
    projection = inverse - right @ np.linalg.solve(model.matrix.T @ right, right.T)
    q, left = float(model.estimate @ projection @ model.estimate), len(model.estimate) - len(design.terms)
    at = design.tested
    wald = float(mean[at] @ np.linalg.solve(covariance[np.ix_(at, at)], mean[at]))
    if interval == "t" and dof >= 1:
        p = float(stats.f.sf(wald / len(at), len(at), dof))
        last = ("no moderator matters" if design.moderators else "the pooled mean is 0", wald / len(at))
    else:
        p = float(stats.chi2.sf(wald, len(at)))
        last = ("no moderator matters" if design.moderators else "the pooled mean is 0", wald)
    rows = [
        ("no differences between results (Q)", q, left, float(stats.chi2.sf(q, left))),
        (*last, len(at), p),
    ]
    return pd.DataFrame(rows, columns=["test", "statistic", "dof", "p_value"])


def _checks(outermost: int, found: Estimated, dof: float, interval: str) -> tuple[Check, ...]:
    return (
        Check(
            name="outermost units",
            verdict="pass" if outermost >= FEW_UNITS else "warn",
            observed=str(outermost),
            expected=f"at least {FEW_UNITS}",
            why="the variance between few registries or studies is hardly known, and the mean leans on it",
        ),
        Check(
            name="highest point of the likelihood",
            verdict="pass" if found.certified else "fail",
            observed=f"one more step would add {found.breach:.1e}",
            expected="nothing",
            why="a search that stopped elsewhere gives the search's answer, not that of the data",
        ),
        Check(
            name="degrees of freedom of the interval",
            verdict="pass" if dof >= 1 or interval == "wald" else "fail",
            observed=f"{dof:g}",
            expected="at least 1",
            why="with as many coefficients as outermost units no t-interval is left",
        ),
    )
