r"""Do small studies say something else than large ones? Tests of an asymmetric funnel.

Slopes of the effect on a measure of how small a study is, by weighted least squares:

==============  =================================  ===================  =================================
test            effect on                          weights              p-value
==============  =================================  ===================  =================================
egger           its standard error                 1/v                  t, k - 2, residual scale
egger_random    its standard error                 1/(v + tau2)         regression of this package
harbord         1/√V, of Z/V                       V                    t, k - 2, residual scale
peters          1/n                                events x non-events  t, k - 2, residual scale
                                                   / n
==============  =================================  ===================  =================================

Z is observed less expected events and V their hypergeometric variance. *begg* is Kendall's rank correlation
of standardised effects with their variances, exact without ties. For odds ratios the standard error depends
on the effect itself, which makes egger find too much: use harbord or peters there.

An asymmetric funnel is not proof of publication bias: small studies may be worse done, do other things to
other patients, or measure something else.

When not to use it: with fewer than about ten studies (a check says so); where all are of one size; to decide
whether to believe the pooled result.

Sources: Egger et al. 1997, BMJ 315:629; Begg & Mazumdar 1994, Biometrics 50:1088; Harbord, Egger & Sterne
2006, Stat Med 25:3443; Peters et al. 2006, JAMA 295:676; Sterne et al. 2011, BMJ 343:d4002 for the use.

Checked against: metafor 3.8-1 for egger and begg; the papers' formulas in R's lm for harbord and peters
(tests/reference/synthesis_models).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from soa_evidence.errors import InputError
from soa_evidence.results import Check, checks_frame
from soa_evidence.synthesis import regression, tables_by_study
from soa_evidence.synthesis.effect_counts import hypergeometric
from soa_evidence.synthesis.studies import FloatArray, Studies, read, require_choice

__all__ = ["FEW_STUDIES", "SmallStudyResult", "WeightedLine", "fit", "weighted_line"]

METHOD = "synthesis.small_study"
TESTS = ("egger", "egger_random", "begg", "harbord", "peters")
FEW_STUDIES = 10  # Sterne et al. 2011
SUSPECT = 0.10


@dataclass(frozen=True, kw_only=True)
class WeightedLine:
    """A straight line by weighted least squares, scaled by its residuals; t with `dof`."""

    intercept: float
    intercept_error: float
    slope: float
    slope_error: float
    dof: int

    @property
    def p_value(self) -> float:
        """Two-sided p-value of the slope."""
        return _two_sided(self.slope, self.slope_error, self.dof)

    @property
    def intercept_p_value(self) -> float:
        """Two-sided p-value of the intercept."""
        return _two_sided(self.intercept, self.intercept_error, self.dof)


@dataclass(frozen=True, eq=False, kw_only=True)
class SmallStudyResult:
    """Tests of an asymmetric funnel.

    Attributes
    ----------
    tests : DataFrame
        test, asymmetry (the slope; Kendall's tau for begg), std_error, statistic, dof, p_value, limit (the
        effect the line reaches in a study of no error, missing where it has none), limit_std_error.
    checks : tuple of Check
    """

    tests: pd.DataFrame
    checks: tuple[Check, ...]

    def _repr_html_(self) -> str:
        parts = [self.tests, checks_frame(self.checks)]
        return "".join(part.to_html(index=False, float_format="{:.4g}".format) for part in parts)


def fit(
    frame: pd.DataFrame,
    *,
    tests: Sequence[str] = ("egger", "egger_random", "begg"),
    estimate: str = "estimate",
    std_error: str = "std_error",
    label: str = "label",
    method: str = "REML",
    interval: str = "hartung_knapp",
    **counts: str,
) -> SmallStudyResult:
    """Test the funnel of the studies of a frame, one row a study.

    Parameters
    ----------
    tests
        Any of egger, egger_random, begg, harbord, peters.
    method, interval
        Of egger_random: see `regression`.
    counts
        For harbord and peters: the columns events_1, n_1, events_2, n_2 where they are not of that name.
        `estimate` is then a log odds ratio.

    Raises
    ------
    InputError
        As `studies.read`; on an unknown test, fewer than three studies, or studies that are all of one size.
    """
    if isinstance(tests, str) or not tests:
        raise InputError(f"tests is {tests!r}; expected a list of one or more of: {', '.join(TESTS)}.")
    for name in tests:
        require_choice(name, TESTS, "test")
    studies = read(frame, estimate=estimate, std_error=std_error, label=label)
    require_slope(studies)
    rows = []
    for name in tests:
        if name == "egger_random":
            rows.append(_random(studies, method, interval))
        elif name == "begg":
            rows.append(_begg(studies))
        elif name == "egger":
            error = np.sqrt(studies.variance)
            rows.append(_row(name, weighted_line(studies.estimate, error, 1 / studies.variance)))
        else:
            _, data = tables_by_study.read(frame, label=label, rates=False, columns=counts)
            line = _harbord(data) if name == "harbord" else _peters(studies, data)
            rows.append(_row(name, line))
    table = pd.DataFrame(rows)
    return SmallStudyResult(tests=table, checks=asymmetry_checks(len(studies), table))


def weighted_line(y: FloatArray, x: FloatArray, w: FloatArray) -> WeightedLine:
    """Fit y = intercept + slope x with weights w."""
    total = w.sum()
    centre_x, centre_y = (w * x).sum() / total, (w * y).sum() / total
    squares = (w * (x - centre_x) ** 2).sum()
    slope = (w * (x - centre_x) * (y - centre_y)).sum() / squares
    intercept = centre_y - slope * centre_x
    dof = len(y) - 2
    scale = (w * (y - intercept - slope * x) ** 2).sum() / dof
    return WeightedLine(
        intercept=float(intercept),
        intercept_error=float(np.sqrt(scale * (1 / total + centre_x**2 / squares))),
        slope=float(slope),
        slope_error=float(np.sqrt(scale / squares)),
        dof=dof,
    )


def require_slope(studies: Studies) -> None:
    """Refuse studies through which no line can be drawn."""
    if len(studies) < 3:
        raise InputError(f"There are {len(studies)} studies; a line with its error needs at least 3.")
    if np.ptp(studies.variance) <= 1e-12 * studies.variance.max():
        raise InputError(
            f"All {len(studies)} studies have the standard error {np.sqrt(studies.variance[0]):g}; whether "
            f"small "
            "studies differ from large ones cannot be seen where all are of one size."
        )


def asymmetry_checks(size: int, table: pd.DataFrame) -> tuple[Check, ...]:
    """Say when there are too few studies, and what an asymmetry does not prove."""
    least = float(table["p_value"].min())
    return (
        Check(
            name="studies in the funnel",
            verdict="pass" if size >= FEW_STUDIES else "warn",
            observed=str(size),
            expected=f"at least {FEW_STUDIES}",
            why="with fewer studies these tests seldom find an asymmetry that is there: no finding is no "
            "comfort",
        ),
        Check(
            name="asymmetry is not proof of bias",
            verdict="pass" if least > SUSPECT else "warn",
            observed=f"smallest p {least:.3f}",
            expected=f"above {SUSPECT:g}",
            why="small studies may be worse done, of other patients or of other operations; look before "
            "blaming "
            "selective publication",
        ),
    )


def _row(name: str, line: WeightedLine, *, limit: bool = True) -> dict[str, object]:
    limit = limit and name != "harbord"
    return {
        "test": name,
        "asymmetry": line.slope,
        "std_error": line.slope_error,
        "statistic": line.slope / line.slope_error if line.slope_error > 0 else np.nan,
        "dof": line.dof,
        "p_value": line.p_value,
        "limit": line.intercept if limit else np.nan,
        "limit_std_error": line.intercept_error if limit else np.nan,
    }


def _two_sided(value: float, error: float, dof: int) -> float:
    if error == 0:
        return float(value == 0)
    return float(2 * stats.t.sf(abs(value) / error, dof))


def _random(studies: Studies, method: str, interval: str) -> dict[str, object]:
    frame = pd.DataFrame(
        {"label": studies.labels, "estimate": studies.estimate, "std_error": np.sqrt(studies.variance)}
    ).assign(standard_error=np.sqrt(studies.variance))
    line = regression.fit(frame, moderators=["standard_error"], method=method, interval=interval).line
    error = np.sqrt(np.diag(line.covariance))
    value = float(line.coefficients[1] / error[1])
    tail = stats.t.sf(abs(value), line.dof) if np.isfinite(line.dof) else stats.norm.sf(abs(value))
    return {
        "test": "egger_random",
        "asymmetry": line.coefficients[1],
        "std_error": error[1],
        "statistic": value,
        "dof": line.dof,
        "p_value": float(2 * tail),
        "limit": line.coefficients[0],
        "limit_std_error": error[0],
    }


def _begg(studies: Studies) -> dict[str, object]:
    y, v = studies.estimate, studies.variance
    total = (1 / v).sum()
    standardised = (y - (y / v).sum() / total) / np.sqrt(v - 1 / total)
    tied = len(np.unique(standardised)) < len(y) or len(np.unique(v)) < len(y)
    found = stats.kendalltau(standardised, v, method="asymptotic" if tied else "exact")
    return {
        "test": "begg",
        "asymmetry": float(found.statistic),
        "std_error": np.nan,
        "statistic": float(found.statistic),
        "dof": np.nan,
        "p_value": float(found.pvalue),
        "limit": np.nan,
        "limit_std_error": np.nan,
    }


def _harbord(data: dict[str, FloatArray]) -> WeightedLine:
    z, v = hypergeometric(data)
    keep = v > 0  # a study without events in either arm has neither score nor information
    _require_counts(int(keep.sum()), "harbord")
    z, v = z[keep], v[keep]
    return weighted_line(z / v, 1 / np.sqrt(v), v)


def _peters(studies: Studies, data: dict[str, FloatArray]) -> WeightedLine:
    n, events = data["n_1"] + data["n_2"], data["events_1"] + data["events_2"]
    w = events * (n - events) / n
    keep = w > 0
    _require_counts(int(keep.sum()), "peters")
    return weighted_line(studies.estimate[keep], 1 / n[keep], w[keep])


def _require_counts(left: int, test: str) -> None:
    if left < 3:
        raise InputError(
            f"{left} studies have both events and non-events; the {test} test needs at least 3 such."
        )
