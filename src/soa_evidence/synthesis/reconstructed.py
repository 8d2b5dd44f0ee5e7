r"""Rebuilt individual data, in replicates, with the curve they give; and how results over replicates combine.

Replicate 0 is the reconstruction of the published figures as they stand. The others rebuild the same study
from figures moved within their error. An estimate made on each replicate combines by Rubin's rules:

.. math:: T = \bar W + (1 + 1/m) B

with W the estimate's own variance and B its variance over the m replicates. The curve itself keeps the
estimate of replicate 0 and takes its variance from both.

When not to use it: for covariates other than the curves' own groups. Nobody's age is in a curve.

Sources: Rubin (1987), Multiple Imputation for Nonresponse in Surveys; Greenwood (1926).

Checked against: `survival.kaplan_meier` on the same rows (tests/unit), arithmetic.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from soa_evidence.errors import InputError
from soa_evidence.results import Check, Curve, Estimates, checks_frame

__all__ = ["Reconstruction", "Steps", "combine", "named", "steps"]

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False, kw_only=True)
class Steps:
    """A product-limit curve: arrays over its distinct event times."""

    time: FloatArray
    survival: FloatArray
    at_risk: FloatArray
    events: FloatArray
    log_variance: FloatArray

    def read(self, times: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return survival and the variance of its logarithm at `times`."""
        place = np.searchsorted(self.time, times, side="right")
        return (
            np.concatenate([[1.0], self.survival])[place],
            np.concatenate([[0.0], self.log_variance])[place],
        )


def steps(rows: pd.DataFrame) -> Steps:
    """Return the curve of rows with columns time, event, weight."""
    time = rows["time"].to_numpy(dtype=float)
    weight = rows["weight"].to_numpy(dtype=float)
    dead = rows["event"].to_numpy() == 1
    axis = np.unique(time[dead])
    events = np.bincount(np.searchsorted(axis, time[dead]), weights=weight[dead], minlength=len(axis))
    order = np.argsort(time, kind="stable")
    gone = np.concatenate([[0.0], np.cumsum(weight[order])])
    at_risk = gone[-1] - gone[np.searchsorted(time[order], axis, side="left")]
    with np.errstate(divide="ignore"):
        terms = events / (at_risk * (at_risk - events))
    return Steps(
        time=axis,
        survival=np.cumprod(1 - events / at_risk),
        at_risk=at_risk,
        events=events,
        log_variance=np.cumsum(terms),
    )


@dataclass(frozen=True, eq=False, kw_only=True)
class Reconstruction:
    """Individual data rebuilt from a publication.

    Attributes
    ----------
    label, time_unit, method : str
    curve : Curve
        Survival rebuilt from the figures as published; limits carry sampling and reading error.
    published : DataFrame
        time, published, reconstructed, difference: survival at every published point.
    at_risk : DataFrame
        time, published, reconstructed: numbers at risk just before each time.
    replicates : DataFrame
        replicate, people, events, largest_difference (from the published points).
    rows : DataFrame
        replicate, time, event (1 or 0), weight (people).
    checks : tuple of Check
    """

    label: str
    time_unit: str
    method: str
    curve: Curve
    published: pd.DataFrame
    at_risk: pd.DataFrame
    replicates: pd.DataFrame
    rows: pd.DataFrame
    checks: tuple[Check, ...]

    def counted(self, replicate: int = 0) -> pd.DataFrame:
        """Return one replicate with identical people counted together: time, event, weight."""
        mine = self.rows[self.rows["replicate"] == replicate]
        if mine.empty:
            raise InputError(
                f"There is no replicate {replicate!r}; expected a whole number from 0 (as published) to "
                f"{int(self.replicates['replicate'].max())}."
            )
        return mine[["time", "event", "weight"]].reset_index(drop=True)

    def people(self, replicate: int = 0) -> pd.DataFrame:
        """Return one replicate, one row a person: time, event."""
        mine = self.counted(replicate)
        again = mine.index.repeat(mine["weight"])
        return mine.loc[again, ["time", "event"]].reset_index(drop=True)

    def survival(self, times: Sequence[float]) -> pd.DataFrame:
        """Return the rebuilt curve in force at `times`, as `Curve.at` does."""
        return self.curve.at(times)

    def covariance(self, times: Sequence[float]) -> tuple[FloatArray, FloatArray]:
        """Return survival at `times` and its covariance, of sampling and of reading together.

        Sampling: Greenwood's variance of log survival at the earlier of two times is their covariance,
        because what happens later is independent of it.
        """
        at = np.asarray(list(times), dtype=float)
        last = float(self.rows.loc[self.rows["replicate"] == 0, "time"].max())
        outside = [t for t in at if not 0 <= t <= last]
        if outside:
            raise InputError(
                f"The reconstruction of {self.label!r} reaches from 0 to {last:g} {self.time_unit}; "
                f"{outside[0]:g} lies outside."
            )
        survival, variance = steps(self.counted(0)).read(at)
        within = np.outer(survival, survival) * np.minimum.outer(variance, variance)
        return survival, np.where(np.isfinite(within), within, 0.0) + between(self.rows, at)

    def __repr__(self) -> str:
        mine = self.replicates.iloc[0]
        return (
            f"Reconstruction of {self.label}: {mine['people']:,.0f} people, {mine['events']:,.0f} events, "
            f"{len(self.replicates) - 1} replicates ({self.method})"
        )

    def _repr_html_(self) -> str:
        parts = [self.published, self.at_risk, checks_frame(self.checks)]
        shown = "".join(
            part.to_html(index=False, float_format="{:.4g}".format, max_rows=20) for part in parts
        )
        return f"<p><strong>{self!r}</strong></p>{shown}"


def named(checks: tuple[Check, ...], label: str) -> tuple[Check, ...]:
    """Say in each check which study it is of, so that those of several studies are told apart."""
    return tuple(replace(check, observed=f"{label}: {check.observed}") for check in checks)


def between(rows: pd.DataFrame, times: FloatArray) -> FloatArray:
    """Return (1 + 1/m) times the covariance over replicates of survival at `times`, shape (k, k)."""
    moved = [steps(mine).read(times)[0] for replicate, mine in rows.groupby("replicate") if replicate != 0]
    spread = np.atleast_2d(np.cov(np.stack(moved), rowvar=False)) if len(times) else np.zeros((0, 0))
    return np.asarray((1 + 1 / len(moved)) * spread)


def as_curve(
    rows: pd.DataFrame, *, label: str, time_unit: str, method: str, level: float, checks: tuple[Check, ...]
) -> Curve:
    """Return the curve of replicate 0 with log-log limits from sampling and reading together."""
    own = rows[rows["replicate"] == 0]
    found = _to_the_end(steps(own), own)
    reading = np.diag(between(rows, found.time)) if len(found.time) <= _MANY else _diagonal(rows, found.time)
    s = found.survival
    with np.errstate(divide="ignore", invalid="ignore"):
        error = np.where(s > 0, np.sqrt(s**2 * np.where(s > 0, found.log_variance, 0.0) + reading), np.nan)
        reach = stats.norm.ppf(1 - (1 - level) / 2) * error / (s * -np.log(s))
        lower, upper = s ** np.exp(reach), s ** np.exp(-reach)
    return Curve(
        estimand="survival",
        label=label,
        time_unit=time_unit,
        method=method,
        time=found.time,
        estimate=s,
        lower=lower,
        upper=upper,
        std_error=error,
        at_risk=found.at_risk,
        events=found.events,
        level=level,
        interval="confidence",
        checks=checks,
    )


def _to_the_end(found: Steps, rows: pd.DataFrame) -> Steps:
    """Return the curve with a last row, without events, where observation ends after the last event."""
    end = float(rows["time"].max())
    if end <= found.time[-1]:
        return found
    present = float(rows.loc[rows["time"] >= end, "weight"].sum())
    return Steps(
        time=np.append(found.time, end),
        survival=np.append(found.survival, found.survival[-1]),
        at_risk=np.append(found.at_risk, present),
        events=np.append(found.events, 0.0),
        log_variance=np.append(found.log_variance, found.log_variance[-1]),
    )


_MANY = 400  # times beyond which the whole covariance is not wanted for its diagonal


def _diagonal(rows: pd.DataFrame, times: FloatArray) -> FloatArray:
    moved = [steps(mine).read(times)[0] for replicate, mine in rows.groupby("replicate") if replicate != 0]
    return np.asarray((1 + 1 / len(moved)) * np.var(np.stack(moved), axis=0, ddof=1))


def combine(estimates: Sequence[Estimates]) -> Estimates:
    """Combine one estimate made on each replicate (not on replicate 0) by Rubin's rules.

    Parameters
    ----------
    estimates
        At least two, of one estimand, unit and set of labels, each with a mean and covariance, or with draws.

    Returns
    -------
    Estimates
        Mean over replicates, total covariance, and the smallest degrees of freedom (Rubin 1987, eq. 3.1.6)
        over components; none where replicates do not differ.

    Raises
    ------
    InputError
        On fewer than two, or on estimates of different things.
    """
    if len(estimates) < 2:
        raise InputError(
            f"combine() was given {len(estimates)} estimate(s); the error of reading shows between "
            "replicates, so give one for each of at least two."
        )
    first = estimates[0]
    for at, other in enumerate(estimates):
        if (other.estimand, other.labels, other.unit) != (first.estimand, first.labels, first.unit):
            raise InputError(
                f"Estimate {at} is of '{other.estimand}' for {', '.join(other.labels)} ({other.unit}), the "
                f"first of '{first.estimand}' for {', '.join(first.labels)} ({first.unit}); combine like "
                "with like."
            )
    means = np.stack([_mean(each) for each in estimates])
    within = np.mean([_covariance(each) for each in estimates], axis=0)
    m = len(estimates)
    spread = (1 + 1 / m) * np.atleast_2d(np.cov(means, rowvar=False))
    own, extra = np.diag(within), np.diag(spread)
    with np.errstate(divide="ignore"):
        dof = (m - 1) * np.square(1 + np.where(extra > 0, own / np.where(extra > 0, extra, 1.0), np.inf))
    smallest = float(dof.min())
    share = float((extra / np.where(own + extra > 0, own + extra, 1.0)).max())
    check = Check(
        name="share of the variance that comes from reading the publication",
        verdict="pass" if share <= _LARGE_SHARE else "warn",
        observed=f"{share:.0%} over {m} replicates",
        expected=f"at most {_LARGE_SHARE:.0%}",
        why="where reading dominates, the published figure is too coarse for the question",
    )
    return Estimates(
        estimand=first.estimand,
        labels=first.labels,
        unit=first.unit,
        method=f"{first.method}, over {m} replicates of a reconstruction",
        mean=means.mean(axis=0),
        covariance=within + spread,
        dof=smallest if np.isfinite(smallest) else None,
        interval="confidence",
        checks=(*first.checks, check),
    )


_LARGE_SHARE = 0.5


def _mean(each: Estimates) -> FloatArray:
    return np.asarray(each.mean if each.draws is None else each.draws.mean(axis=0))


def _covariance(each: Estimates) -> FloatArray:
    if each.draws is None:
        return np.asarray(each.covariance)
    return np.atleast_2d(np.cov(each.draws, rowvar=False))
