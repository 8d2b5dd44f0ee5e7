"""What may be wrong with a case-mix model: separation, collinearity, rare levels, too many coefficients.

When not to use it: by itself; `units.case_mix` and `units.g_computation` call it.

Sources: Albert & Anderson (1984), Biometrika 71:1 (separation); Fox & Monette (1992), JASA 87:178
(generalised variance inflation); van Houwelingen & le Cessie (1990), Stat Med 9:1303 (shrinkage).

Checked against: arithmetic in tests/unit/test_units_case_mix.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soa_evidence.results import Check, Verdict
from soa_evidence.units.case_mix_design import Design, Kind, Patients, levels_of
from soa_evidence.units.case_mix_solve import Solution

__all__ = ["checks_of"]

FloatArray = NDArray[np.float64]
RARE = 10.0  # events, or patients of a value, below which a level's coefficient is little more than noise
CERTAIN = 1e-8  # a fitted risk this near to 0 or 1 is one that no finite coefficient gives
INFLATED = 10.0  # generalised variance inflation of one coefficient
LEAST_SLOPE = 0.9  # calibration slope to expect in new patients
FEWEST_UNITS = 30  # for a covariance by unit


def checks_of(
    frame: pd.DataFrame,
    patients: Patients,
    design: Design,
    solved: Solution,
    correlation: FloatArray,
    kind: Kind,
    *,
    units: int | None,
) -> tuple[Check, ...]:
    """Return the checks of one fit; `units` is how many a covariance by unit rests on."""
    levels = _levels(frame, patients, design, kind)
    found = [_convergence(solved)]
    if kind == "events":
        found.append(_separation(levels, solved))
    found += [
        _aliased(design),
        _rare(levels, kind),
        _collinear(design, correlation),
        _slope(design, solved, patients, kind),
    ]
    if units is not None:
        found.append(
            Check(
                name="units behind the covariance",
                verdict="pass" if units >= FEWEST_UNITS else "warn",
                observed=str(units),
                expected=f"at least {FEWEST_UNITS}",
                why="with few units a covariance by unit is too small and itself unsure",
            )
        )
    return tuple(found)


def _levels(frame: pd.DataFrame, patients: Patients, design: Design, kind: Kind) -> pd.DataFrame:
    """Patients and what the coefficient rests on, by level of each categorical covariate."""
    parts: list[Any] = []
    for name, levels in design.levels.items():
        codes = levels_of(frame, name, levels)
        n = np.bincount(codes, weights=patients.size, minlength=len(levels))
        total = np.bincount(codes, weights=patients.total, minlength=len(levels))
        rests = np.minimum(total, n - total) if kind == "events" else n
        parts += [(name, level, n[k], total[k], rests[k]) for k, level in enumerate(levels)]
    return pd.DataFrame(parts, columns=["covariate", "level", "patients", "total", "rests"])


def _convergence(solved: Solution) -> Check:
    return Check(
        name="convergence of the case-mix model",
        verdict="pass" if solved.converged else "fail",
        observed=f"{'settled' if solved.converged else 'not settled'} after {solved.steps} steps",
        expected="settled",
        why="coefficients that still move are not the ones of the model",
    )


def _separation(levels: pd.DataFrame, solved: Solution) -> Check:
    none = levels[levels["rests"] == 0]
    edge = bool((np.minimum(solved.fitted, 1 - solved.fitted) < CERTAIN).any())
    if len(none):
        first = none.iloc[0]
        all_or_none = "no patient" if first["total"] == 0 else "every patient"
        observed = f"{all_or_none} with {first['covariate']} '{first['level']}' has the event"
    else:
        observed = "expected risks of 0 or 1" if edge else "none"
    return Check(
        name="separation",
        verdict="fail" if len(none) or edge else "pass",
        observed=observed,
        expected="events and non-events at every level",
        why="a coefficient would have to be infinite, and its standard error means nothing; join levels",
    )


def _aliased(design: Design) -> Check:
    again = design.left_out_terms
    return _check(
        "levels that others already determine",
        "warn" if again else "pass",
        f"left out: {', '.join(again)}" if again else "none",
        "none",
        "their effect is part of the others' coefficients; expected values do not suffer",
    )


def _rare(levels: pd.DataFrame, kind: Kind) -> Check:
    counted = "events (or non-events)" if kind == "events" else "patients"
    if levels.empty:
        return _check("rarest level", "pass", "no levels", f"at least {RARE:g} {counted}", "")
    first = levels.iloc[int(levels["rests"].to_numpy().argmin())]
    return _check(
        "rarest level",
        "warn" if first["rests"] < RARE else "pass",
        f"{first['covariate']} '{first['level']}': {first['rests']:g} {counted}",
        f"at least {RARE:g} {counted}",
        "",
    )


def _check(name: str, verdict: Verdict, observed: str, expected: str, why: str) -> Check:
    why = why or "a coefficient that rests on a handful is mostly chance"
    return Check(name=name, verdict=verdict, observed=observed, expected=expected, why=why)


def _collinear(design: Design, correlation: FloatArray) -> Check:
    """Fox and Monette's generalised variance inflation of each covariate, per coefficient."""
    owner = np.array(design.owner[1:], dtype=object)
    largest, which = 1.0, "none"
    _, whole = np.linalg.slogdet(correlation)
    for name in design.covariates if len(design.covariates) > 1 else ():
        mine = owner == name
        if not mine.any():
            continue
        _, own = np.linalg.slogdet(correlation[np.ix_(mine, mine)])
        _, others = np.linalg.slogdet(correlation[np.ix_(~mine, ~mine)])
        inflation = float(np.exp((own + others - whole) / mine.sum()))
        if inflation > largest:
            largest, which = inflation, name
    return _check(
        "collinearity, largest inflation of a covariate's variance",
        "warn" if largest > INFLATED else "pass",
        f"{largest:.1f} ({which})",
        f"at most {INFLATED:g}",
        "covariates that say nearly the same cannot be told apart; expected values do not suffer from it",
    )


def _slope(design: Design, solved: Solution, patients: Patients, kind: Kind) -> Check:
    """Heuristic shrinkage (model chi-squared less its degrees of freedom, over itself)."""
    columns = len(design.terms) - 1
    if kind == "events":
        chi = solved.null_deviance - solved.deviance
    else:
        n = patients.size.sum()
        chi = (
            float(n * np.log(solved.null_deviance / max(solved.deviance, 1e-300)))
            if solved.null_deviance
            else 0.0
        )
    slope = 1.0 if columns == 0 else (max(chi - columns, 0.0) / chi if chi > 0 else 0.0)
    return _check(
        "calibration slope to expect in new patients",
        "pass" if slope >= LEAST_SLOPE else "warn",
        f"{slope:.3f}",
        f"at least {LEAST_SLOPE:g}",
        "with many coefficients and few patients, differences expected between patients are too large",
    )
