"""What a comparison found of every unit, in one frame that other reports can read, such as units' profiles.

    nation     mean over units of the standardised value, each unit weighted by its patients, draw by draw
    class      the same over the units of a class (`these units`)

All values are at the case mix of all patients, so a unit, its class and the nation stand side by side.

When not to use it: to compare two units. Their intervals say little of their difference; use the draws.

Checked against: arithmetic in tests/unit.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from soa_evidence.errors import InputError, require_columns
from soa_evidence.units.binomial_result import BinomialResult
from soa_evidence.units.gaussian_result import GaussianResult

__all__ = ["COLUMNS", "apart_from", "table"]

#: Columns of the frame; counts of patients first, then values in the outcome's unit, then ranks.
COLUMNS = (
    "unit", "group", "patients", "events", "crude", "estimate", "lower", "upper", "class_estimate",
    "class_lower", "class_upper", "nation", "nation_lower", "nation_upper", "probability_better",
    "rank_lower", "rank_upper", "ranked", "probability_best_fifth", "probability_worst_fifth", "better",
    "measured_in",
)  # fmt: skip
_SIZES = {"trials": "patients", "crude_risk": "crude", "crude_mean": "crude"}
_LEVEL = 0.95


def table(result: BinomialResult | GaussianResult) -> pd.DataFrame:
    """Return one row a unit: its own value, its class's and the nation's, and between which ranks it lies.

    Parameters
    ----------
    result
        What `units.binomial.fit` or `units.gaussian.fit` found.

    Returns
    -------
    DataFrame
        Columns `COLUMNS`. Risks are per 1,000 patients, means in the outcome's unit; `events` is missing for
        means. `probability_better` is that of being better than the nation; `ranked` the number of units
        ranked, rank 1 the best; `better` says whether a lower or a higher value is.

    Raises
    ------
    InputError
        On a result of another method.
    """
    if isinstance(result, BinomialResult):
        scale, own, classes, unit = 1000.0, result.unit_risk, result.these_units.risk, "per 1,000 patients"
    elif isinstance(result, GaussianResult):
        scale, own, classes = 1.0, result.unit_mean, result.these_units.mean
        unit = result.question.outcome_unit
    else:
        raise InputError(
            f"every_unit.table() was given {type(result).__name__}; expected what units.binomial.fit or "
            "units.gaussian.fit returned."
        )
    rows = result.units.rename(columns=_SIZES)
    rows = rows.assign(ranked=len(rows))
    if "events" not in rows.columns:
        rows = rows.assign(events=np.nan)
    levels = classes.table(_LEVEL).set_index("label")
    for name in ("estimate", "lower", "upper"):
        rows[f"class_{name}"] = levels[name].reindex(rows["group"]).to_numpy()
    sizes = rows.set_index("unit")["patients"].reindex(list(own.labels)).to_numpy(dtype=float)
    draws = np.column_stack([own.of(label) for label in own.labels])
    nation = draws @ (sizes / sizes.sum())
    tail = (1 - _LEVEL) / 2
    rows["nation"] = nation.mean()
    rows["nation_lower"], rows["nation_upper"] = np.quantile(nation, [tail, 1 - tail])
    sign = -1 if result.question.better == "lower" else 1
    better = (sign * (draws - nation[:, None]) > 0).mean(axis=0)
    rows["probability_better"] = rows["unit"].map(dict(zip(own.labels, better, strict=True)))
    shown = ("crude", "estimate", "lower", "upper", "class", "nation")
    scaled = [name for name in COLUMNS if name.startswith(shown)]
    rows[scaled] *= scale
    rows = rows.assign(better=result.question.better, measured_in=unit)
    return rows[list(COLUMNS)]


def apart_from(units: pd.DataFrame, value: float) -> pd.DataFrame:
    """Return the rows of `units` whose interval, columns lower and upper, leaves `value` out.

    Raises
    ------
    InputError
        When one of the columns is missing.
    """
    require_columns(units.columns, ("lower", "upper"), what="The table of units")
    return units[(units["lower"] > value) | (units["upper"] < value)]
