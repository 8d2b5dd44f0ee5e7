"""Agreement of two sets of figures for the same things: how well, and where not, why.

With d = ours - theirs for each row, and rows of one unit alike (a provider in several years):

    bias = mean d;   sd² = within + between variance of d over units (one-way analysis of variance)
    limits of agreement = bias ± z sd                           (Bland and Altman 1999, 2007)
    correlation r, limits by Fisher's z with as many degrees of freedom as there are units, if given
    concordance = 2 r s_x s_y / (s_x² + s_y² + bias²)           (Lin 1989)

`explain` walks from one figure to the other through figures in between that differ in one respect each
(their formula on our records, our model on their records, …). The steps add up to d exactly; the cause of a
large difference is the step that goes furthest in its direction, and "several together" where that step is
less than half of it.

When not to use it: on figures made from different patients, to say that one is right; correlation alone as
agreement; for differences that grow with the figure (take logs first; a check looks).

Sources: Bland & Altman (1999), Stat Methods Med Res 8:135; (2007), J Biopharm Stat 17:571; Lin (1989),
Biometrics 45:255.

Checked against: R's cor.test, aov and our own R code in tests/reference/case_mix.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soa_evidence.errors import InputError
from soa_evidence.results import Check, Estimates, checks_frame
from soa_evidence.units import case_mix_design as made

__all__ = ["AgreementResult", "coefficient", "compare", "explain", "fit"]

FloatArray = NDArray[np.float64]
METHOD = "units.agreement"
FEWEST = 10
SLOPED = 0.3  # correlation of difference with mean that makes limits of agreement wrong at both ends


@dataclass(frozen=True, eq=False, kw_only=True)
class AgreementResult:
    """How well two sets of figures agree.

    Attributes
    ----------
    bias : Estimates
        Mean difference, ours less theirs; its error allows for units.
    correlation, concordance : Estimates
        On the scale of Fisher's z; `table(transform=coefficient)` gives the coefficient.
    limits : Estimates
        Lower and upper limit of agreement, at `level`.
    within, between : float
        Standard deviations of differences within and between units (all within, without units).
    rows : DataFrame
        The rows given, with columns ours, theirs, mean, difference.
    level : float
    checks : tuple of Check
    """

    bias: Estimates
    correlation: Estimates
    concordance: Estimates
    limits: Estimates
    within: float
    between: float
    rows: pd.DataFrame
    level: float
    checks: tuple[Check, ...]

    def __repr__(self) -> str:
        low, high = self.limits.table()["estimate"]
        r = np.tanh(self.correlation.table()["estimate"].iloc[0])
        bias = self.bias.table()["estimate"].iloc[0]
        return (
            f"Agreement of {len(self.rows):,} pairs: correlation {r:.3f}, bias {bias:.4g}, "
            f"{self.level:.0%} limits of agreement {low:.4g} to {high:.4g}"
        )

    def _repr_html_(self) -> str:
        return f"<p><strong>{self!r}</strong></p>{checks_frame(self.checks).to_html(index=False)}"


def fit(
    frame: pd.DataFrame, *, ours: str, theirs: str, unit: str | None = None, level: float = 0.95
) -> AgreementResult:
    """Compare two columns of figures.

    Parameters
    ----------
    frame
        One row a pair.
    ours, theirs
        Columns of figures in the same units.
    unit
        Column of what rows have in common (a provider's years); without it rows are taken as independent.
    level
        Of the limits of agreement.

    Raises
    ------
    InputError
        On missing columns or figures, fewer than three pairs, or figures that do not vary.
    """
    if not 0 < level < 1:
        raise InputError(f"level is {level}; expected a number above 0 and below 1, such as 0.95.")
    if ours == theirs:
        raise InputError(f"ours and theirs are both '{ours}'; expected two columns.")
    frame = made.numbered(frame)
    x, y = made.numbers(frame, ours), made.numbers(frame, theirs)
    if len(x) < 3:
        raise InputError(f"{len(x)} pairs were given; agreement needs at least three.")
    for name, values in ((ours, x), (theirs, y)):
        if np.ptp(values) == 0:
            raise InputError(
                f"Column '{name}' is {values[0]:g} in every row; agreement needs figures that vary."
            )
    codes = np.arange(len(x)) if unit is None else made.coded(frame, unit)[0]
    groups = int(codes.max()) + 1
    if groups < 4:
        raise InputError(f"There are {groups} units; limits of a correlation need at least four.")
    from scipy import stats

    d = x - y
    bias = float(d.mean())
    within, between = _components(d, codes)
    sd = float(np.sqrt(within + between))
    by_unit = np.bincount(codes, weights=d - bias)
    bias_variance = groups / (groups - 1) * float(by_unit @ by_unit) / len(d) ** 2
    z = float(stats.norm.isf((1 - level) / 2))
    r = float(np.clip(np.corrcoef(x, y)[0, 1], -1 + 1e-15, 1 - 1e-15))
    spread_x, spread_y = float(x.std()), float(y.std())
    lin = 2 * r * spread_x * spread_y / (spread_x**2 + spread_y**2 + bias**2)
    checks = _checks(d, (x + y) / 2, groups)

    def carrier(
        estimand: str,
        unit_text: str,
        value: float | FloatArray,
        variance: float | FloatArray,
        dof: float | None,
        labels: tuple[str, ...] = ("ours and theirs",),
    ) -> Estimates:
        return Estimates(
            estimand=estimand,
            labels=labels,
            unit=unit_text,
            method=METHOD,
            mean=np.atleast_1d(value),
            covariance=np.atleast_2d(variance),
            interval="confidence",
            dof=dof,
            checks=checks,
        )

    return AgreementResult(
        bias=carrier("mean difference", "units of the figures", bias, bias_variance, float(groups - 1)),
        correlation=carrier("correlation, Fisher's z", "z", float(np.arctanh(r)), 1 / (groups - 3), None),
        concordance=carrier(
            "concordance, Fisher's z",
            "z",
            float(np.arctanh(lin)),
            _concordance_variance(r, lin, bias**2 / (spread_x * spread_y), groups),
            None,
        ),
        limits=carrier(
            "limits of agreement",
            "units of the figures",
            np.array([bias - z * sd, bias + z * sd]),
            bias_variance + z**2 * sd**2 / (2 * (groups - 1)) * np.array([[1, -1], [-1, 1]]),
            None,
            ("lower limit", "upper limit"),
        ),
        within=float(np.sqrt(within)),
        between=float(np.sqrt(between)),
        rows=frame.assign(ours=x, theirs=y, mean=(x + y) / 2, difference=d),
        level=level,
        checks=checks,
    )


def coefficient(z: FloatArray) -> FloatArray:
    """Return the correlation, or concordance, from Fisher's z; for `Estimates.table(transform=...)`."""
    return np.asarray(np.tanh(z))


def compare(results: Mapping[str, AgreementResult]) -> pd.DataFrame:
    """Return one row a result: compared, correlation, concordance, bias, lower, upper, within, between.

    Raises
    ------
    InputError
        When no result is given.
    """
    if not results:
        raise InputError("compare() was given no results; name at least one.")
    rows = []
    for name, result in results.items():
        r, lin = (
            each.table(transform=coefficient)["estimate"].iloc[0]
            for each in (result.correlation, result.concordance)
        )
        low, high = result.limits.table()["estimate"]
        bias = result.bias.table()["estimate"].iloc[0]
        rows.append((name, r, lin, bias, low, high, result.within, result.between))
    heads = ["compared", "correlation", "concordance", "bias", "lower", "upper", "within", "between"]
    return pd.DataFrame(rows, columns=heads)


def explain(frame: pd.DataFrame, *, path: Sequence[str], causes: Sequence[str], above: float) -> pd.DataFrame:
    """Say which step makes each large difference between the first figure of `path` and the last.

    Parameters
    ----------
    frame
        One row a pair, a column for each figure of `path`.
    path
        Columns from theirs to ours, each differing from the one before in one respect.
    causes
        What that respect is, one fewer than `path`.
    above
        Size of difference (absolute) from which on a row is explained.

    Returns
    -------
    DataFrame
        The rows whose difference is above, largest first, with `difference`, one column a cause (its step),
        `cause`, and `share` (the cause's step as a share of the difference).

    Raises
    ------
    InputError
        On missing columns or figures, a path and causes that do not fit, or a size below 0.
    """
    if len(path) < 2 or len(causes) != len(path) - 1 or len(set(causes)) != len(causes):
        raise InputError(
            f"{len(path)} figures on the path have {len(path) - 1} steps between them; {len(causes)} causes "
            "were given. Expected one cause, with a name of its own, for each step."
        )
    if not above >= 0:
        raise InputError(f"above is {above}; expected a size, 0 or more.")
    frame = made.numbered(frame)
    figures = np.column_stack([made.numbers(frame, name) for name in path])
    steps = np.diff(figures, axis=1)
    difference = figures[:, -1] - figures[:, 0]
    towards = steps * np.sign(difference)[:, None]
    first = towards.argmax(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = towards[np.arange(len(frame)), first] / np.abs(difference)
    told = frame.assign(difference=difference, **dict(zip(causes, steps.T, strict=True)))
    told["cause"] = np.where(share >= 0.5, np.array(causes, dtype=object)[first], "several together")
    told["share"] = share
    large = told[np.abs(difference) > above]
    return large.iloc[np.argsort(-large["difference"].abs().to_numpy(), kind="stable")].reset_index(drop=True)


def _components(d: FloatArray, codes: NDArray[np.int64]) -> tuple[float, float]:
    """Variance within and between units, by one-way analysis of variance, neither below 0."""
    count = np.bincount(codes).astype(float)
    groups, n = len(count), float(len(d))
    if groups == len(d):
        return float(d.var(ddof=1)), 0.0
    means = np.bincount(codes, weights=d) / count
    inside = float(((d - means[codes]) ** 2).sum() / (n - groups))
    across = float((count * (means - d.mean()) ** 2).sum() / (groups - 1))
    typical = (n - float((count**2).sum()) / n) / (groups - 1)
    return inside, max((across - inside) / typical, 0.0)


def _concordance_variance(r: float, lin: float, shift: float, n: int) -> float:
    """Lin's variance of Fisher's z of the concordance, `shift` the squared bias over both spreads."""
    r2, c2 = max(r**2, 1e-300), lin**2
    rest = (1 - r2) * c2 / ((1 - c2) * r2)
    rest += 2 * lin**3 * (1 - lin) * shift / (r * (1 - c2) ** 2) - lin**4 * shift**2 / (
        2 * r2 * (1 - c2) ** 2
    )
    return max(rest, 0.0) / (n - 2)


def _checks(d: FloatArray, mean: FloatArray, groups: int) -> tuple[Check, ...]:
    slope = float(np.corrcoef(np.abs(d - d.mean()), mean)[0, 1]) if np.ptp(d) and np.ptp(mean) else 0.0
    return (
        Check(
            name="pairs (or units) behind the agreement",
            verdict="pass" if groups >= FEWEST else "warn",
            observed=str(groups),
            expected=f"at least {FEWEST}",
            why="limits of agreement from few pairs are themselves unsure",
        ),
        Check(
            name="size of differences against the figures' size, correlation",
            verdict="warn" if abs(slope) > SLOPED else "pass",
            observed=f"{slope:.2f}",
            expected=f"between -{SLOPED:g} and {SLOPED:g}",
            why="where differences grow with the figure, limits of agreement are too narrow at one end",
        ),
    )
