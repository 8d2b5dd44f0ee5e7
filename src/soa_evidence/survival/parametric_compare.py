"""Distributions side by side: how well each fits, and what each says where there are no data.

Survival is averaged over the people in the data (their own covariates and weights), so that models with
covariates are compared on one curve each. Two distributions may fit the data alike and part company soon
after.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soa_evidence.errors import InputError
from soa_evidence.results import Check, Curve, checks_frame
from soa_evidence.survival.parametric import ParametricResult, fit

__all__ = ["Comparison", "of"]

FloatArray = NDArray[np.float64]
CLOSE = 4.0  # of AIC: a model within this of the best is not ruled out (Burnham & Anderson 2002, ch. 2)
AGREE = 0.05  # difference in survival between such models that would matter to a reader


@dataclass(frozen=True, eq=False, kw_only=True)
class Comparison:
    """Distributions fitted to the same rows.

    Attributes
    ----------
    fits : dict of ParametricResult
        Those that have a maximum, best AIC first.
    failed : dict of str
        Those that have none, and what was said of them.
    curves : dict of Curve
        Survival averaged over the people in the data, at the times asked for.
    last_time : float
    checks : tuple of Check
        Among them how far models of nearly the best AIC differ beyond the data.
    """

    fits: dict[str, ParametricResult]
    failed: dict[str, str]
    curves: dict[str, Curve]
    last_time: float
    checks: tuple[Check, ...]

    def table(self) -> pd.DataFrame:
        """Return one row a distribution and time, best AIC first.

        Returns
        -------
        DataFrame
            distribution, parameters, log_likelihood, aic, aic_above_best, bic, time, survival, lower, upper,
            level, beyond_data, failure (why it has no fit; the numbers are then missing).
        """
        best = min(found.aic for found in self.fits.values())
        rows = []
        for name, found in self.fits.items():
            of_fit = {
                "distribution": name,
                "parameters": len(found.coefficients),
                "log_likelihood": found.log_likelihood,
                "aic": found.aic,
                "aic_above_best": found.aic - best,
                "bic": found.bic,
            }
            curve = self.curves[name]
            for time, survival, low, high in zip(
                curve.time, curve.estimate, curve.lower, curve.upper, strict=True
            ):
                rows.append(
                    of_fit
                    | {
                        "time": time,
                        "survival": survival,
                        "lower": low,
                        "upper": high,
                        "level": curve.level,
                        "beyond_data": time > self.last_time,
                        "failure": "",
                    }
                )
        rows += [{"distribution": name, "failure": why} for name, why in self.failed.items()]
        return pd.DataFrame(rows)

    def __repr__(self) -> str:
        return self.table().to_string(index=False)

    def _repr_html_(self) -> str:
        return self.table().to_html(index=False) + checks_frame(self.checks).to_html(index=False)


def of(
    frame: pd.DataFrame, times: Sequence[float], distributions: Sequence[str], arguments: Mapping[str, object]
) -> Comparison:
    """Fit each distribution; see `parametric.compare`."""
    chosen = list(distributions)
    if not chosen or len(set(chosen)) != len(chosen):
        raise InputError("distributions must name at least one distribution, each once.")
    given: dict[str, Any] = dict(arguments)
    fits, failed, first = {}, {}, None
    for name in chosen:
        try:
            fits[name] = fit(frame, distribution=name, **given)
        except InputError as error:
            first = first or error
            failed[name] = str(error)
    if not fits:
        raise first or InputError("No distribution could be fitted.")
    fits = dict(sorted(fits.items(), key=lambda pair: pair[1].aic))
    curves = {name: _average(found, name, times) for name, found in fits.items()}
    last = next(iter(fits.values())).last_time
    return Comparison(
        fits=fits, failed=failed, curves=curves, last_time=last, checks=_checks(fits, failed, curves)
    )


def _average(found: ParametricResult, name: str, times: Sequence[float]) -> Curve:
    """Survival averaged over the people in the data."""
    model = found.model
    time = model.times(times)
    share = model.pattern_weight / model.pattern_weight.sum()
    survival, slope = model.average(model.patterns, share, time)
    return model.curve_of_survival(name, time, survival, slope, None)


def _checks(
    fits: dict[str, ParametricResult], failed: dict[str, str], curves: dict[str, Curve]
) -> tuple[Check, ...]:
    best = min(found.aic for found in fits.values())
    near = [name for name, found in fits.items() if found.aic - best <= CLOSE]
    survival = np.array([curves[name].estimate for name in near])
    gap = survival.max(axis=0) - survival.min(axis=0)
    worst = int(np.argmax(gap))
    return (
        Check(
            name=f"survival by distributions within {CLOSE:g} of the best AIC, largest difference",
            verdict="pass" if gap[worst] <= AGREE else "warn",
            observed=f"{gap[worst]:.3f} at {curves[near[0]].time[worst]:g} ({', '.join(near)})",
            expected=f"at most {AGREE:g}",
            why="where models that fit alike differ, the choice between them makes the number, not the data",
        ),
        Check(
            name="distributions without a maximum",
            verdict="warn" if failed else "pass",
            observed=", ".join(failed) or "none",
            expected="none",
            why="a distribution that cannot be fitted to these data is no evidence for the others",
        ),
        next(iter(curves.values())).checks[-1],
    )
