"""What a regression of rates refuses by name, and what it rests on."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soa_evidence.errors import InputError
from soa_evidence.results import Check
from soa_evidence.survival import columns
from soa_evidence.survival.cox_rows import Design
from soa_evidence.survival.likelihood_checks import clusters_check
from soa_evidence.survival.rate_likelihood import Counts, Maximum

__all__ = ["checks", "refuse_levels_without_events", "standardise"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
DETERMINED = 1e-10  # smallest eigenvalue of the columns' correlation below which they are collinear
CONVERGED = 1e-9
DISPERSED = 1.5
FEW_EVENTS = 10
FEW_EXPECTED = 1.0  # mean expected events a row below which Pearson's statistic says little


def refuse_levels_without_events(
    frame: pd.DataFrame, design: Design, encoded: list[FloatArray], events: FloatArray
) -> None:
    """Refuse a level, or one side of a two-valued number, without events: its rate ratio is 0 or infinite."""
    for name in design.levels:
        codes, labels = columns.factorise(frame, [name])
        happened = np.bincount(codes, weights=events)
        if (happened == 0).any():
            raise InputError(
                f"There are no events at level '{labels[int(np.argmin(happened))]}' of '{name}'; its rate "
                "ratio would be 0 or infinite. Merge the level with another, or leave those rows out and say "
                "so."
            )
    for term, source, column in zip(design.terms, design.source, encoded, strict=True):
        values = np.unique(column)
        if source not in design.levels and len(values) == 2:
            for value in values:
                if events[column == value].sum() == 0:
                    raise InputError(
                        f"There are no events where '{term}' is {value:g}; its rate ratio would be 0 or "
                        "infinite. Leave it out, or leave those rows out and say so."
                    )


def standardise(terms: tuple[str, ...], encoded: list[FloatArray]) -> tuple[FloatArray, FloatArray]:
    """Return the design with intercept, columns centred and scaled, and the matrix back to their own scale.

    Raises
    ------
    InputError
        On a column without variation and on columns that determine one another.
    """
    raw = np.column_stack(encoded)
    centre, scale = raw.mean(axis=0), raw.std(axis=0)
    for j, term in enumerate(terms):
        if scale[j] <= 1e-12 * max(abs(centre[j]), 1e-300):
            raise InputError(
                f"Covariate '{term}' is {raw[0, j]:g} in every row, so it explains nothing; leave it out."
            )
    Z = (raw - centre) / scale
    values, vectors = np.linalg.eigh(Z.T @ Z / len(Z))
    if values[0] < DETERMINED:
        involved = [term for term, share in zip(terms, np.abs(vectors[:, 0]), strict=True) if share > 0.01]
        raise InputError(
            f"Covariates determine one another: {', '.join(repr(term) for term in involved)}. Leave one out; "
            "their separate coefficients do not exist."
        )
    if len(raw) < raw.shape[1] + 1:
        raise InputError(
            f"There are {len(raw)} rows for {raw.shape[1] + 1} coefficients; expected at least as many rows."
        )
    back = np.diag(np.concatenate([[1.0], 1 / scale]))
    back[0, 1:] = -centre / scale
    return np.column_stack([np.ones(len(Z)), Z]), back


def checks(
    counts: Counts,
    top: Maximum,
    pearson: float,
    dof: int,
    clusters: IntArray | None,
    limits: tuple[float, float] | None,
) -> tuple[Check, ...]:
    """Check the maximum, the spread of the counts, and how much there is to learn from."""
    each = float(counts.events.sum()) / (counts.X.shape[1] - 1)
    ratio = pearson / dof if dof else np.inf
    expected = float(top.mu.mean())
    found = [
        Check(
            name="likelihood still to be gained at the maximum",
            verdict="pass" if top.left <= CONVERGED * max(1.0, abs(top.likelihood)) else "fail",
            observed=f"{top.left:.1e}",
            expected=f"at most {CONVERGED:g} of the log likelihood",
            why="coefficients short of the maximum are not the model's",
        ),
        Check(
            name="dispersion: Pearson's chi² over its degrees of freedom",
            verdict="pass" if ratio <= DISPERSED and expected >= FEW_EXPECTED else "warn",
            observed=f"{ratio:.2f}, at {expected:.2g} expected events a row"
            if dof
            else "unknown: as many coefficients as rows",
            expected=f"at most {DISPERSED:g}, with at least {FEW_EXPECTED:g} expected a row for it to say "
            "much",
            why="counts that vary more than the model says have wider limits than it gives: use "
            "negative_binomial or cluster",
        ),
        Check(
            name="events for each coefficient",
            verdict="pass" if each >= FEW_EVENTS else "warn",
            observed=f"{each:.1f}",
            expected=f"at least {FEW_EVENTS}",
            why="with few events coefficients are biased away from 0 and their limits too narrow",
        ),
    ]
    if limits is not None:
        found.append(
            Check(
                name="over-dispersion above 0, with an upper limit",
                verdict="pass" if top.alpha > 0 and np.isfinite(limits[1]) else "warn",
                observed=f"{top.alpha:.3g} ({limits[0]:.3g} to {limits[1]:.3g})",
                expected="above 0, with finite limits",
                why="at 0 the model is Poisson's: rows differ no more than chance would have it, which does "
                "not show that they are alike",
            )
        )
    if clusters is not None:
        found.append(clusters_check(clusters))
    return tuple(found)
