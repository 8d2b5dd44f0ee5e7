"""What a cohort came to: costs, QALYs, life years and revisions per patient, by draw and strategy.

When not to use it: by itself; `economics.cohort` makes it.
"""

from __future__ import annotations

import html
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soa_evidence.errors import InputError, nearest
from soa_evidence.results import Check, Estimates, checks_frame

__all__ = ["MEASURES", "STATES", "Outcomes"]

FloatArray = NDArray[np.float64]
STATES = ("operation", "not revised", "revision", "revised", "revised again", "re-revised", "dead")
#: Measures and their units.
MEASURES = {
    "costs": "GBP per patient",
    "qalys": "QALYs per patient",
    "life_years": "years per patient",
    "first_revisions": "first revisions per patient",
    "revisions": "revisions per patient",
}
METHOD = "economics.cohort"


@dataclass(frozen=True, eq=False, kw_only=True)
class Outcomes:
    """Outcomes of every draw and strategy.

    Attributes
    ----------
    strategies : tuple of str
        The first is the reference.
    costs, qalys : arrays of shape (draws, strategies)
        Discounted.
    life_years, first_revisions, revisions : arrays of shape (draws, strategies)
        Not discounted.
    trace : array of shape (cycles + 1, states, strategies)
        Share of the cohort in each of `STATES` at the cycles' ends, mean over draws.
    counting : str
    checks : tuple of Check
    """

    strategies: tuple[str, ...]
    costs: FloatArray
    qalys: FloatArray
    life_years: FloatArray
    first_revisions: FloatArray
    revisions: FloatArray
    trace: FloatArray
    counting: str
    checks: tuple[Check, ...]

    def __post_init__(self) -> None:
        for name in (*MEASURES, "trace"):
            values = np.ascontiguousarray(getattr(self, name), dtype=float)
            values.setflags(write=False)
            object.__setattr__(self, name, values)

    @property
    def draws(self) -> int:
        """Number of draws."""
        return len(self.costs)

    def of(self, measure: str) -> FloatArray:
        """Return a measure by name, shape (draws, strategies)."""
        if measure not in MEASURES:
            raise InputError(
                f"There is no measure '{measure}'.{nearest(measure, MEASURES)} Known: {', '.join(MEASURES)}."
            )
        return np.asarray(getattr(self, measure))

    def position(self, strategy: str) -> int:
        """Return the column of a strategy; an unknown one is an error naming the nearest."""
        if strategy not in self.strategies:
            raise InputError(
                f"There is no strategy '{strategy}'.{nearest(strategy, self.strategies)} "
                f"Known: {', '.join(self.strategies)}."
            )
        return self.strategies.index(strategy)

    def estimates(self, measure: str) -> Estimates:
        """Return a measure for every strategy as joint draws."""
        return Estimates(
            estimand=measure.replace("_", " "),
            labels=self.strategies,
            unit=MEASURES.get(measure, ""),
            method=METHOD,
            draws=self.of(measure),
            interval="credible",
            checks=self.checks,
        )

    def incremental(self, measure: str, *, reference: str | None = None) -> Estimates:
        """Return a measure minus that of the reference (the first by default), as joint draws."""
        values, base = self.of(measure), self.position(reference or self.strategies[0])
        others = [at for at in range(len(self.strategies)) if at != base]
        if not others:
            raise InputError("There is one strategy; a difference needs two.")
        return Estimates(
            estimand=f"difference in {measure.replace('_', ' ')}",
            labels=tuple(f"{self.strategies[at]} minus {self.strategies[base]}" for at in others),
            unit=MEASURES[measure],
            method=METHOD,
            draws=values[:, others] - values[:, [base]],
            interval="credible",
            checks=self.checks,
        )

    def net_benefit(self, threshold: float) -> FloatArray:
        """Return ``threshold * qalys - costs``, shape (draws, strategies)."""
        if not (np.isfinite(threshold) and threshold >= 0):
            raise InputError(f"The threshold is {threshold}; expected pounds per QALY, 0 or more.")
        return np.asarray(threshold * self.qalys - self.costs)

    def table(self) -> pd.DataFrame:
        """Return the mean of every measure, one row a strategy."""
        means = {measure: self.of(measure).mean(axis=0) for measure in MEASURES}
        return pd.DataFrame({"strategy": list(self.strategies), **means})

    def occupancy(self) -> pd.DataFrame:
        """Return the trace as a long frame: strategy, year, state, share."""
        rows = [
            {"strategy": strategy, "year": t, "state": state, "share": self.trace[t, k, at]}
            for at, strategy in enumerate(self.strategies)
            for t in range(len(self.trace))
            for k, state in enumerate(STATES)
        ]
        return pd.DataFrame(rows)

    def __repr__(self) -> str:
        table = self.table().to_string(index=False)
        return f"Outcomes of {self.draws} draw(s), counted at: {self.counting}\n{table}"

    def _repr_html_(self) -> str:
        title = html.escape(f"Outcomes of {self.draws:,} draw(s)")
        body = self.table().to_html(index=False, float_format="{:.6g}".format)
        return f"<p><strong>{title}</strong></p>{body}" + checks_frame(self.checks).to_html(index=False)
