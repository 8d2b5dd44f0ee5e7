"""nhs-proms-units: record files counted by provider, year, operation and case-mix stratum."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from soa_evidence.evidence.nhs_proms import records

__all__ = ["DECIMALS", "EVENT_UP_TO", "GRADES", "KEY", "PER_UNIT", "cells"]

KEY = ("provider_code", "year", "joint", "procedure", "age_band", "sex", "comorbidities", "oxford_pre_band")
#: The two graded answers with their levels, and the last level (1 is best) that counts as the event.
GRADES = {"satisfaction": records.SATISFACTION, "success": records.SUCCESS}
EVENT_UP_TO = {"satisfaction": 3, "success": 2}
#: How many of the files' smallest steps make one unit of a score: EQ-5D is given to 3 decimals.
PER_UNIT = {"oxford": 1, "eq5d": 1000}
#: Decimals kept of sums that are not whole, few enough to keep the package small: the mean excess of even the
#: smallest provider is out by at most 0.0012 Oxford points or 0.0003 of the index, and a standard deviation
#: (from 30 records) by 0.15 %. EQ-5D sums are exact at 3.
DECIMALS = {"oxford": {"sum": 2, "sumsq": 1}, "eq5d": {"sum": 3, "sumsq": 3}}
_MICRO = 1_000_000


def cells(tidy: pd.DataFrame) -> pd.DataFrame:
    """Count records and outcomes, and sum scores, in every stratum that has a record.

    Sums are made of whole numbers (EQ-5D in thousandths, predictions in millionths) and only then divided, so
    the order of the records cannot change a digit.

    Parameters
    ----------
    tidy
        One row a record, as `records.read` returns it.

    Returns
    -------
    DataFrame
        One row a stratum with the columns of the descriptor.
    """
    parts: dict[str, Any] = {"records": np.ones(len(tidy), dtype=np.int64)}
    for name in records.OUTCOMES:
        parts[f"{name}_events"] = (tidy[name] == 1).to_numpy(np.int64)
        parts[f"{name}_valid"] = tidy[name].notna().to_numpy(np.int64)
    for name, grades in GRADES.items():
        parts[f"{name}_events"] = (tidy[name] <= EVENT_UP_TO[name]).to_numpy(np.int64)
        parts[f"{name}_valid"] = tidy[name].notna().to_numpy(np.int64)
        for code, grade in enumerate(grades, start=1):
            parts[f"{name}_{grade}"] = (tidy[name] == code).to_numpy(np.int64)
    for score, per_unit in PER_UNIT.items():
        parts |= _score_parts(tidy, score, per_unit)
    keyed = pd.DataFrame({**{name: tidy[name] for name in KEY}, **parts})
    summed = keyed.groupby(list(KEY), sort=False, observed=True).sum().reset_index()
    return _to_units(summed)


def _score_parts(tidy: pd.DataFrame, score: str, per_unit: int) -> dict[str, Any]:
    pre, post = (np.rint(tidy[f"{score}_{when}"].to_numpy() * per_unit) for when in ("pre", "post"))
    pair = np.isfinite(pre) & np.isfinite(post)
    gain = np.where(pair, post - pre, 0).astype(np.int64)
    post_paired = np.where(pair, post, 0).astype(np.int64)
    with_prediction = pair & tidy[f"{score}_predicted"].notna().to_numpy()
    excess = (tidy[f"{score}_post"] - tidy[f"{score}_predicted"]).to_numpy() * _MICRO
    excess = np.rint(np.where(with_prediction, excess, 0)).astype(np.int64)
    return {
        f"{score}_pairs": pair.astype(np.int64),
        f"{score}_post_sum": post_paired,
        f"{score}_post_sumsq": post_paired**2,
        f"{score}_gain_sum": gain,
        f"{score}_gain_sumsq": gain**2,
        f"{score}_predicted": with_prediction.astype(np.int64),
        f"{score}_excess_sum": excess,
        f"{score}_excess_sumsq": excess**2,
    }


def _to_units(summed: pd.DataFrame) -> pd.DataFrame:
    """Divide whole sums into the units of the score, rounded as `DECIMALS` says."""
    for score, per_unit in PER_UNIT.items():
        for value, scale in (("post", per_unit), ("gain", per_unit), ("excess", _MICRO)):
            if scale > 1:
                for kind, whole in (("sum", scale), ("sumsq", scale**2)):
                    column, kept = f"{score}_{value}_{kind}", DECIMALS[score][kind]
                    # rounded while whole, so that the quotient is the float nearest to the decimal number
                    step = whole // 10**kept
                    summed[column] = (summed[column] + step // 2) // step / 10**kept
    return summed
