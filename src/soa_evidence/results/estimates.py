"""Estimates: one estimand for several labels, with joint uncertainty."""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
import pandas as pd

from soa_evidence.errors import InputError, nearest
from soa_evidence.results.arrays import FloatArray, Interval, Transform, read_only
from soa_evidence.results.checks import Check, checks_frame, combine_verdicts

__all__ = ["TABLE_COLUMNS", "Estimates"]

TABLE_COLUMNS = ["estimand", "label", "estimate", "std_error", "lower", "upper", "level", "interval"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Estimates:
    """One estimand for several labels, with joint uncertainty.

    Give either joint `draws` or `mean` with `covariance`.

    Parameters
    ----------
    estimand
        What is estimated, in full words, e.g. ``"standardised risk of readmission"``.
    labels
        What each component is about, e.g. the unit classes; length k, unique.
    unit
        Unit of the values, e.g. ``"probability"``, ``"log odds ratio"``, ``"per 1,000 patients"``.
    method
        The method that made them, e.g. ``"units.binomial"``.
    draws : array of shape (n, k), optional
        Joint draws; row i is the same state of the world in every `Estimates` of one result.
    mean : array of shape (k,), optional
    covariance : array of shape (k, k), optional
    dof
        Degrees of freedom of a t reference distribution, where one applies.
    interval
        ``"credible"``, ``"confidence"`` or ``"Monte Carlo"``.
    checks
        The checks that the numbers rest on; at least one.
    centre
        Which summary of draws is the estimate: ``"mean"`` or ``"median"``.

    Raises
    ------
    InputError
        On wrong shapes, repeated labels, values that are not finite, an asymmetric or negative covariance,
        or no checks.
    """

    estimand: str
    labels: tuple[str, ...]
    unit: str
    method: str
    interval: Interval
    checks: tuple[Check, ...]
    draws: FloatArray | None = None
    mean: FloatArray | None = None
    covariance: FloatArray | None = None
    dof: float | None = None
    centre: Literal["mean", "median"] = "mean"

    def __post_init__(self) -> None:
        object.__setattr__(self, "labels", tuple(str(label) for label in self.labels))
        object.__setattr__(self, "checks", tuple(self.checks))
        if len(set(self.labels)) != len(self.labels):
            repeated = sorted({label for label in self.labels if self.labels.count(label) > 1})
            raise InputError(
                f"Estimates of '{self.estimand}' repeat the label {repeated[0]!r}; labels must be unique."
            )
        if not self.checks:
            raise InputError(
                f"Estimates of '{self.estimand}' carry no checks; a result must say how it was checked."
            )
        if self.interval not in get_args(Interval):
            raise InputError(
                f"interval is {self.interval!r}; expected one of {', '.join(get_args(Interval))}."
            )
        if self.centre not in ("mean", "median"):
            raise InputError(f"centre is {self.centre!r}; expected 'mean' or 'median'.")
        if self.dof is not None and not self.dof > 0:
            raise InputError(f"dof is {self.dof}; degrees of freedom must be above 0.")
        if (self.draws is None) == (self.mean is None):
            raise InputError(f"Estimates of '{self.estimand}' need either draws, or mean with covariance.")
        if self.draws is not None:
            self._check_draws()
        else:
            self._check_moments()

    def _check_draws(self) -> None:
        draws = read_only(self.draws, f"draws of '{self.estimand}'", 2)
        if draws.shape[1] != len(self.labels) or len(draws) == 0:
            raise InputError(
                f"draws of '{self.estimand}' have {len(draws)} rows and {draws.shape[1]} columns; expected "
                f"at least one row, and a column for each of {len(self.labels)} labels."
            )
        if not np.isfinite(draws).all():
            bad = self.labels[int(np.argmax(~np.isfinite(draws).all(axis=0)))]
            raise InputError(f"draws of '{self.estimand}' for {bad!r} hold values that are not finite.")
        object.__setattr__(self, "draws", draws)

    def _check_moments(self) -> None:
        k = len(self.labels)
        mean = read_only(self.mean, f"mean of '{self.estimand}'", 1)
        if self.covariance is None:
            raise InputError(f"Estimates of '{self.estimand}' give a mean without a covariance.")
        covariance = read_only(self.covariance, f"covariance of '{self.estimand}'", 2)
        if mean.shape != (k,) or covariance.shape != (k, k):
            raise InputError(
                f"'{self.estimand}': mean {mean.shape} and covariance {covariance.shape} do not fit "
                f"{k} labels."
            )
        if not (np.isfinite(mean).all() and np.isfinite(covariance).all()):
            raise InputError(f"'{self.estimand}': mean or covariance holds values that are not finite.")
        scale = max(float(np.abs(covariance).max(initial=0.0)), 1e-300)
        if np.abs(covariance - covariance.T).max(initial=0.0) > 1e-8 * scale:
            raise InputError(f"covariance of '{self.estimand}' is not symmetric.")
        if np.linalg.eigvalsh(covariance).min(initial=0.0) < -1e-8 * scale:
            raise InputError(
                f"covariance of '{self.estimand}' has a negative eigenvalue: no distribution has it."
            )
        object.__setattr__(self, "mean", mean)
        object.__setattr__(self, "covariance", covariance)

    def _moments(self) -> tuple[FloatArray, FloatArray]:
        if self.mean is None or self.covariance is None:
            raise InputError(f"'{self.estimand}' holds draws, not a mean and covariance.")
        return self.mean, self.covariance

    def __len__(self) -> int:
        return len(self.labels)

    def position(self, label: str) -> int:
        """Return the column of `label`; an unknown one is an error naming the nearest."""
        try:
            return self.labels.index(label)
        except ValueError:
            raise InputError(
                f"'{self.estimand}' has no label {label!r}.{nearest(label, self.labels)} "
                f"Known: {', '.join(self.labels[:8])}{', …' if len(self.labels) > 8 else ''}."
            ) from None

    def select(self, labels: Sequence[str]) -> Estimates:
        """Return the same estimates for `labels` only, in that order."""
        at = [self.position(label) for label in labels]
        return replace(
            self,
            labels=tuple(labels),
            draws=None if self.draws is None else self.draws[:, at],
            mean=None if self.mean is None else self.mean[at],
            covariance=None if self.covariance is None else self.covariance[np.ix_(at, at)],
        )

    def of(self, label: str) -> FloatArray:
        """Return the draws of one label, shape (n,)."""
        if self.draws is None:
            raise InputError(f"'{self.estimand}' holds a mean and covariance, not draws; use sample().")
        return self.draws[:, self.position(label)]

    def sample(self, n: int, *, seed: int) -> FloatArray:
        """Return `n` joint draws, shape (n, k), whichever method made the estimates.

        Draws are returned in their own order when `n` is what there is; fewer are spread evenly over them;
        more are drawn with replacement. Moments are sampled as multivariate normal (or t with `dof`).
        """
        if n < 1:
            raise InputError(f"sample() was asked for {n} draws; ask for at least 1.")
        if self.draws is not None:
            have = len(self.draws)
            if n <= have:
                rows = np.linspace(0, have - 1, n).round().astype(int)
            else:
                rows = np.random.default_rng(seed).integers(0, have, n)
            return np.asarray(self.draws[rows])
        mean, covariance = self._moments()
        rng = np.random.default_rng(seed)
        values, vectors = np.linalg.eigh(covariance)
        noise = rng.standard_normal((n, len(self))) * np.sqrt(np.clip(values, 0, None)) @ vectors.T
        if self.dof is not None:
            noise /= np.sqrt(rng.chisquare(self.dof, (n, 1)) / self.dof)
        return np.asarray(mean + noise)

    def table(self, level: float = 0.95, transform: Transform | None = None) -> pd.DataFrame:
        """Tidy table: estimand, label, estimate, std_error, lower, upper, level, interval.

        Parameters
        ----------
        level
            Coverage of the equal-tailed interval, above 0 and below 1.
        transform
            Monotone increasing function applied when shown, or ``"exp"``, which turns a log ratio into the
            ratio, in name too. With draws every summary is of the transformed draws; with moments the limits
            are transformed and the standard error stays on the analysis scale.
        """
        estimand = self.estimand
        if transform == "exp":
            estimand, transform = estimand.removeprefix("log "), np.exp
        if not 0 < level < 1:
            raise InputError(f"level is {level}; expected a number above 0 and below 1, such as 0.95.")
        tail = (1 - level) / 2
        shown: Callable[[FloatArray], FloatArray] = transform if callable(transform) else np.asarray
        if self.draws is not None:
            draws = shown(self.draws)
            estimate = draws.mean(axis=0) if self.centre == "mean" else np.median(draws, axis=0)
            error = draws.std(axis=0, ddof=1) if len(draws) > 1 else np.full(len(self), np.nan)
            lower, upper = np.quantile(draws, [tail, 1 - tail], axis=0)
        else:
            from scipy import stats

            mean, covariance = self._moments()
            error = np.sqrt(np.diag(covariance))
            factor = stats.norm.ppf(1 - tail) if self.dof is None else stats.t.ppf(1 - tail, self.dof)
            estimate = shown(mean)
            lower, upper = shown(mean - factor * error), shown(mean + factor * error)
            if self.interval == "Monte Carlo":  # of a computed probability, which cannot lie beyond 0 or 1
                lower, upper = np.clip(lower, 0, 1), np.clip(upper, 0, 1)
        return pd.DataFrame(
            {
                "estimand": estimand,
                "label": list(self.labels),
                "estimate": estimate,
                "std_error": error,
                "lower": lower,
                "upper": upper,
                "level": level,
                "interval": self.interval,
            },
            columns=TABLE_COLUMNS,
        )

    def probability(self, label: str, *, above: float | None = None, below: float | None = None) -> float:
        """Return the posterior probability that `label` lies above (or below) a value."""
        draws = self.of(label)
        if above is not None and below is None:
            return float(np.mean(draws > above))
        if below is not None and above is None:
            return float(np.mean(draws < below))
        raise InputError("probability() needs exactly one of above= or below=.")

    def __repr__(self) -> str:
        table = self.table().drop(columns=["estimand", "level", "interval"]).to_string(index=False)
        return f"{self.estimand} ({self.unit}; {self.interval} 95 %; {self.method})\n{table}"

    def _repr_html_(self) -> str:
        body = self.table().drop(columns=["estimand"]).to_html(index=False, float_format="{:.4g}".format)
        verdict = combine_verdicts(self.checks)
        caption = f"{self.estimand} ({self.unit}); {self.method}; checks: {verdict}"
        checks = checks_frame(self.checks).to_html(index=False)
        return f"<p><strong>{html.escape(caption)}</strong></p>{body}{checks}"
