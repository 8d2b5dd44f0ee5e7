r"""Dose-response meta-analysis: how the ratio changes with the amount, over studies that report it by level.

Model: the log ratios of study i against its reference level,
:math:`L_i \sim N(X_i \beta_i, S_i)`, :math:`\beta_i \sim N(\beta, \Psi)`, with
:math:`X_i = f(dose) - f(dose_{ref})`. f is the dose itself, or a restricted cubic spline (a line beyond the
outer knots). S comes from counts (Greenland & Longnecker) or from an assumed correlation (`dose_covariance`).

One stage: the likelihood of all log ratios at once, so that studies with few levels still count. Two stages:
a trend for each study, then the trends pooled; the same where every study can tell its own trend.
:math:`\Psi` by REML or ML through its Cholesky factor; ``"common"`` sets it to 0.

When not to use it: where levels are ranks of no common unit (fifths of different populations: give each the
amount it stands for); beyond the doses seen; as if units had been assigned their volume.

Sources: Greenland & Longnecker 1992, Am J Epidemiol 135:1301; Crippa et al. 2019, Stat Methods Med Res
28:1579; Harrell 2015 for the spline.

Checked against: the formulas written out in R and metafor's rma.mv (tests/reference/synthesis_models).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import linalg, stats

from soa_evidence.errors import InputError
from soa_evidence.results import Check, Estimates, checks_frame
from soa_evidence.synthesis.dose_studies import DoseStudy, read_doses
from soa_evidence.synthesis.maximum import Maximum, maximise, maximum_check
from soa_evidence.synthesis.studies import FloatArray, require_choice, require_level

__all__ = ["DoseResponseResult", "fit", "sensitivity", "spline"]

METHOD = "synthesis.dose_response"
METHODS = ("common", "REML", "ML")
STAGES = ("one", "two")
FEW_STUDIES = 5


@dataclass(frozen=True, eq=False, kw_only=True)
class DoseResponseResult:
    """A dose-response trend.

    Attributes
    ----------
    coefficients : Estimates
        ``dose`` (log ratio per unit), and ``spline 1``, ... if there are knots.
    between : array of shape (p, p)
        Covariance of true trends between studies.
    tests : DataFrame
        test, statistic, dof, p_value: no trend, no departure from a line, no departure from the trends (Q).
    studies : DataFrame
        study, levels, covariance (how it was made).
    knots : tuple of float
    method, stage : str
    checks : tuple of Check
    """

    coefficients: Estimates
    between: FloatArray
    tests: pd.DataFrame
    studies: pd.DataFrame
    knots: tuple[float, ...]
    method: str
    stage: str
    checks: tuple[Check, ...]

    def curve(self, doses: Sequence[float], *, against: float, level: float = 0.95) -> pd.DataFrame:
        """Return log ratios of doses against one dose: dose, estimate, std_error, lower, upper, level."""
        require_level(level)
        at = np.asarray(list(doses), dtype=float)
        x = _basis(at, self.knots) - _basis(np.array([against]), self.knots)
        mean = x @ np.asarray(self.coefficients.mean)
        error = np.sqrt(np.einsum("ij,jk,ik->i", x, np.asarray(self.coefficients.covariance), x))
        reach = stats.norm.ppf(1 - (1 - level) / 2) * error
        return pd.DataFrame(
            {
                "dose": at,
                "estimate": mean,
                "std_error": error,
                "lower": mean - reach,
                "upper": mean + reach,
                "level": level,
            }
        )

    def _repr_html_(self) -> str:
        parts = [self.coefficients.table(), self.tests, self.studies, checks_frame(self.checks)]
        return "".join(part.to_html(index=False, float_format="{:.4g}".format) for part in parts)


def fit(
    frame: pd.DataFrame,
    *,
    study: str = "study",
    dose: str = "dose",
    estimate: str = "estimate",
    std_error: str = "std_error",
    cases: str | None = "cases",
    size: str | None = "size",
    design: str | None = "design",
    correlation: float | None = None,
    knots: Sequence[float] = (),
    method: str = "REML",
    stage: str = "one",
    estimand: str = "log ratio per unit of dose",
    unit: str = "log ratio",
) -> DoseResponseResult:
    """Fit a trend to a frame of log ratios, one row a level, the reference of each study included.

    Parameters
    ----------
    dose
        Column: the amount that the level stands for.
    estimate, std_error
        Columns: the log ratio against the study's reference, and its error; both 0 in the reference's row.
    cases, size, design
        Columns for Greenland & Longnecker: events, and how many (or how long) of which ``design``:
        ``"case_control"``, ``"rate"`` or ``"risk"``.
    correlation
        Instead of counts: an assumed correlation of a study's log ratios. See `sensitivity`.
    knots
        None for a line; three or more for a restricted cubic spline.
    stage
        ``"one"`` or ``"two"``.

    Raises
    ------
    InputError
        As `dose_studies.read_doses`; on unknown choices, knots out of order, two stages where a study has too
        few levels, or more coefficients than can be told.
    """
    require_choice(method, METHODS, "method")
    require_choice(stage, STAGES, "stage")
    places = _knots(knots)
    studies = read_doses(
        frame,
        study=study,
        dose=dose,
        estimate=estimate,
        std_error=std_error,
        counts=None if correlation is not None else (cases, size, design),
        correlation=correlation,
    )
    blocks = [_block(each, places) for each in studies]
    p = blocks[0][1].shape[1]
    _require_identified(studies, blocks, p, method)
    used = (
        [_first_stage(each, block, p) for each, block in zip(studies, blocks, strict=True)]
        if stage == "two"
        else blocks
    )
    psi, best = _between(used, p, method)
    mean, covariance = _pool(used, psi)
    names = ("dose", *(f"spline {j}" for j in range(1, p)))
    checks = _checks(studies, best, correlation)
    return DoseResponseResult(
        coefficients=Estimates(
            estimand=estimand,
            labels=names,
            unit=unit,
            method=f"{METHOD} ({stage} stage, {method})",
            mean=mean,
            covariance=covariance,
            interval="confidence",
            checks=checks,
        ),
        between=psi,
        tests=_tests(blocks, mean, covariance),
        studies=pd.DataFrame(
            {
                "study": [each.label for each in studies],
                "levels": [len(each.estimate) + 1 for each in studies],
                "covariance": [each.source for each in studies],
            }
        ),
        knots=places,
        method=method,
        stage=stage,
        checks=checks,
    )


def sensitivity(
    frame: pd.DataFrame, *, correlations: Sequence[float] = (0.0, 0.3, 0.5, 0.7), **options: object
) -> pd.DataFrame:
    """Refit under several assumed correlations: correlation, then the columns of the coefficients' table.

    Raises
    ------
    InputError
        As `fit`, and on no correlations.
    """
    if len(correlations) == 0:
        raise InputError("sensitivity() was given no correlations; name at least one.")
    tables = []
    for value in correlations:
        result = fit(frame, correlation=float(value), **options)  # type: ignore[arg-type]
        table = result.coefficients.table()
        table.insert(0, "correlation", float(value))
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def spline(dose: FloatArray, knots: Sequence[float]) -> FloatArray:
    """Return the curved terms of a restricted cubic spline, shape (n, knots - 2), in units of the dose."""
    t = np.asarray(knots, dtype=float)
    last, before, width = t[-1], t[-2], t[-1] - t[0]

    def cube(at: float) -> FloatArray:
        return np.asarray(np.clip(dose - at, 0.0, None) ** 3)

    terms = [
        (
            cube(at)
            - cube(before) * (last - at) / (last - before)
            + cube(last) * (before - at) / (last - before)
        )
        / width**2
        for at in t[:-2]
    ]
    return np.column_stack(terms)


Block = tuple[FloatArray, FloatArray, FloatArray]


def _knots(knots: Sequence[float]) -> tuple[float, ...]:
    places = tuple(float(at) for at in knots)
    if places and (len(places) < 3 or not np.isfinite(places).all() or (np.diff(places) <= 0).any()):
        raise InputError(f"knots is {list(knots)}; expected none, or three or more rising doses.")
    return places


def _basis(dose: FloatArray, knots: tuple[float, ...]) -> FloatArray:
    return np.column_stack([dose, spline(dose, knots)]) if knots else dose[:, None]


def _block(study: DoseStudy, knots: tuple[float, ...]) -> Block:
    x = _basis(study.dose, knots) - _basis(np.array([study.reference]), knots)
    return study.estimate, x, study.covariance


def _first_stage(study: DoseStudy, block: Block, p: int) -> Block:
    y, x, s = block
    if np.linalg.matrix_rank(x) < p:
        raise InputError(
            f"Study {study.label!r} has {len(y) + 1} levels, too few for its own trend of {p} coefficients; "
            f"use "
            "stage='one'."
        )
    inverse = np.linalg.inv(s)
    covariance = np.linalg.inv(x.T @ inverse @ x)
    return covariance @ (x.T @ inverse @ y), np.eye(p), (covariance + covariance.T) / 2


def _require_identified(studies: list[DoseStudy], blocks: list[Block], p: int, method: str) -> None:
    if np.linalg.matrix_rank(np.vstack([block[1] for block in blocks])) < p:
        raise InputError(
            f"The doses of these studies cannot tell {p} coefficients; use fewer knots, or knots within the "
            f"doses."
        )
    if method != "common" and len(studies) < 2:
        raise InputError(
            f"There is one study ({studies[0].label}); the spread of trends needs at least two. Use "
            f"method='common'."
        )


def _between(blocks: list[Block], p: int, method: str) -> tuple[FloatArray, Maximum | None]:
    """Return the covariance of trends by maximum likelihood over its Cholesky factor."""
    if method == "common":
        return np.zeros((p, p)), None
    unit = np.array(
        [
            np.sqrt(1 / max(np.mean([(b[1][:, j] ** 2 / np.diag(b[2])).mean() for b in blocks]), 1e-300))
            for j in range(p)
        ]
    )
    at = np.tril_indices(p)

    def factor(values: FloatArray) -> FloatArray:
        root = np.zeros((p, p))
        root[at] = values
        return np.asarray(root * unit[:, None])

    def log_l(values: FloatArray) -> float:
        root = factor(values)
        return _log_likelihood(blocks, root @ root.T, restricted=method == "REML")

    starts = []
    for size in (0.1, 1.0):
        start = np.zeros((p, p))
        np.fill_diagonal(start, size)
        starts.append(start[at])
    best = maximise(log_l, starts, np.full(len(at[0]), 0.5))
    root = factor(best.point)
    return root @ root.T, best


def _log_likelihood(blocks: list[Block], psi: FloatArray, *, restricted: bool) -> float:
    value, information, score, squares = 0.0, 0.0, 0.0, 0.0
    for y, x, s in blocks:
        try:
            root = linalg.cholesky(s + x @ psi @ x.T, lower=True)
        except linalg.LinAlgError:
            return -np.inf
        wx, wy = linalg.solve_triangular(root, x, lower=True), linalg.solve_triangular(root, y, lower=True)
        value -= float(np.log(np.diag(root)).sum())
        information, score, squares = information + wx.T @ wx, score + wx.T @ wy, squares + float(wy @ wy)
    best = np.linalg.solve(information, score)
    value -= 0.5 * (squares - float(score @ best))
    return value - 0.5 * float(np.linalg.slogdet(information)[1]) if restricted else value


def _pool(blocks: list[Block], psi: FloatArray) -> tuple[FloatArray, FloatArray]:
    p = psi.shape[0]
    information, score = np.zeros((p, p)), np.zeros(p)
    for y, x, s in blocks:
        inverse = np.linalg.inv(s + x @ psi @ x.T)
        information += x.T @ inverse @ x
        score += x.T @ inverse @ y
    covariance = np.linalg.inv(information)
    return covariance @ score, (covariance + covariance.T) / 2


def _tests(blocks: list[Block], mean: FloatArray, covariance: FloatArray) -> pd.DataFrame:
    p = len(mean)
    whole = float(mean @ np.linalg.solve(covariance, mean))
    rows = [("no trend", whole, p, float(stats.chi2.sf(whole, p)))]
    if p > 1:
        bend = float(mean[1:] @ np.linalg.solve(covariance[1:, 1:], mean[1:]))
        rows.append(("no departure from a line", bend, p - 1, float(stats.chi2.sf(bend, p - 1))))
    common, _ = _pool(blocks, np.zeros((p, p)))
    q = sum(float((y - x @ common) @ np.linalg.solve(s, y - x @ common)) for y, x, s in blocks)
    dof = sum(len(y) for y, _, _ in blocks) - p
    rows.append(
        ("one common trend fits all levels (Q)", q, dof, float(stats.chi2.sf(q, dof)) if dof else np.nan)
    )
    return pd.DataFrame(rows, columns=["test", "statistic", "dof", "p_value"])


def _checks(studies: list[DoseStudy], best: Maximum | None, correlation: float | None) -> tuple[Check, ...]:
    checks = [
        Check(
            name="studies with a trend",
            verdict="pass" if len(studies) >= FEW_STUDIES else "warn",
            observed=str(len(studies)),
            expected=f"at least {FEW_STUDIES}",
            why="how far trends differ is hardly known from fewer",
        ),
        Check(
            name="covariance of levels that share a reference",
            verdict="pass" if correlation is None else "warn",
            observed="from counts" if correlation is None else f"assumed, correlation {correlation:g}",
            expected="from counts",
            why="an assumed correlation changes errors and, a little, trends: sensitivity() shows how much",
        ),
    ]
    return (*checks, maximum_check(best)) if best is not None else tuple(checks)
