"""From rows and designs to the fitted distribution: search, certify, put back on the scale of the data."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from soa_evidence.errors import InputError
from soa_evidence.survival.likelihood_checks import robust_covariance
from soa_evidence.survival.newton import Maximum, maximise
from soa_evidence.survival.observations import EXACT, Observations
from soa_evidence.survival.orthogonal import orthogonalise, refuse_no_events
from soa_evidence.survival.parametric_design import ParameterDesigns
from soa_evidence.survival.parametric_laws import Distribution
from soa_evidence.survival.parametric_likelihood import Likelihood

__all__ = ["Fitted", "search"]

FloatArray = NDArray[np.float64]
MANY = 20_000  # distinct rows, above which the starts are tried on rounded times
ROUGH = 2_000  # times that the longest is divided into for that


@dataclass(frozen=True, eq=False, kw_only=True)
class Fitted:
    """A maximum put back on the scale of the data.

    Attributes
    ----------
    beta : array of shape (p,)
    covariance, robust : arrays of shape (p, p)
        Inverse information, and the robust one where asked for.
    log_likelihood, log_likelihood_without_covariates : float
    found : Maximum
    """

    beta: FloatArray
    covariance: FloatArray
    robust: FloatArray | None
    log_likelihood: float
    log_likelihood_without_covariates: float
    found: Maximum


def search(
    law: Distribution, rows: Observations, designs: ParameterDesigns, X: tuple[FloatArray, ...]
) -> Fitted:
    """Find the maximum, for designs `X` of each parameter.

    Raises
    ------
    InputError
        On fewer events than parameters, a level without events, columns that determine one another, or a
        likelihood without a maximum.
    """
    names = tuple(chain.from_iterable(designs.names))
    happened = int(rows.happened.sum())
    if happened < len(names):
        raise InputError(
            f"There are {happened} events for {len(names)} parameters ({', '.join(names[:6])}); expected "
            "more events than that. Choose a simpler distribution or fewer covariates."
        )
    for part, terms in zip(X, designs.names, strict=True):
        refuse_no_events(part[:, 1:], [term.split(": ", 1)[1] for term in terms[1:]], rows.happened)
    unit = rows.last
    null = _without_covariates(law, rows, unit)
    found, likelihood, back = _with_covariates(law, rows, X, designs, null, unit)
    robust = None
    if rows.cluster is not None:
        robust = robust_covariance(likelihood.scores(found.at), rows.cluster, found.covariance)
        robust = back @ robust @ back.T
    # The density of time is that of time in `unit`, divided by it.
    shift = float(rows.weight[rows.kind == EXACT].sum()) * np.log(unit)
    return Fitted(
        beta=back @ found.at + _shift(law, designs, unit),
        covariance=back @ found.covariance @ back.T,
        robust=robust,
        log_likelihood=found.log_likelihood - shift,
        log_likelihood_without_covariates=null.log_likelihood - shift,
        found=found,
    )


def _without_covariates(law: Distribution, rows: Observations, unit: float) -> Maximum:
    """Return the best of the maxima reached from each start, with a single value of every parameter."""
    time = float(rows.weight @ np.maximum(rows.middle() - rows.entry, 0.0)) / unit
    shift = np.array([p.shift for p in law.parameters]) * np.log(max(time, 1e-12) / rows.events)
    merged = rows.merged()
    # With many distinct times the search is on rounded ones; the maximum returned is of the times themselves.
    rough = merged if len(merged) <= MANY else rows.rounded(unit / ROUGH).merged()
    best: Maximum | None = None
    failure: InputError | None = None
    for start in law.starts:
        try:
            found = maximise(_alone(law, rough, unit).evaluate, np.array(start) + shift, law.names)
        except InputError as error:
            failure = failure or error
            continue
        if best is None or found.log_likelihood > best.log_likelihood:
            best = found
    if best is None:
        raise failure or InputError("The search for a maximum has nowhere to start.")
    return best if rough is merged else maximise(_alone(law, merged, unit).evaluate, best.at, law.names)


def _alone(law: Distribution, rows: Observations, unit: float) -> Likelihood:
    one = np.ones((len(rows), 1))
    return Likelihood(distribution=law, rows=rows, designs=(one,) * len(law.names), unit=unit)


def _with_covariates(
    law: Distribution,
    rows: Observations,
    X: tuple[FloatArray, ...],
    designs: ParameterDesigns,
    null: Maximum,
    unit: float,
) -> tuple[Maximum, Likelihood, FloatArray]:
    """Return the maximum, the likelihood on orthogonal columns, and the matrix that leads back."""
    R = [orthogonalise(part, terms) for part, terms in zip(X, designs.names, strict=True)]
    W = tuple(np.linalg.solve(r.T, part.T).T for r, part in zip(R, X, strict=True))
    likelihood = Likelihood(distribution=law, rows=rows, designs=W, unit=unit)
    start = np.concatenate([r[:, 0] * value for r, value in zip(R, null.at, strict=True)])
    inverse = _block_diagonal([np.linalg.inv(r) for r in R])
    size = np.concatenate([np.sqrt(np.mean(part**2, axis=0)) for part in X])
    names = list(chain.from_iterable(designs.names))
    found = maximise(likelihood.evaluate, start, names, lambda step: (inverse @ step) * size)
    found = replace(found, steps=null.steps + found.steps)
    per_time = [
        np.full(len(terms), 1 / unit if parameter.per_time else 1.0)
        for parameter, terms in zip(law.parameters, designs.names, strict=True)
    ]
    return found, likelihood, np.concatenate(per_time)[:, None] * inverse


def _shift(law: Distribution, designs: ParameterDesigns, unit: float) -> FloatArray:
    """Return what is added to each coefficient when time is no longer divided by `unit`."""
    parts = [np.zeros(len(terms)) for terms in designs.names]
    for part, parameter in zip(parts, law.parameters, strict=True):
        part[0] = parameter.shift * np.log(unit)
    return np.concatenate(parts)


def _block_diagonal(blocks: list[FloatArray]) -> FloatArray:
    from scipy.linalg import block_diag

    return np.asarray(block_diag(*blocks))
