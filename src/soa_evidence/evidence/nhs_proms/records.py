"""Provider record files read into one tidy table, one row a patient, codes checked and named.

The rows never leave this process: only the counts made from them do.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from soa_evidence.errors import EvidenceError
from soa_evidence.evidence.nhs_proms.packs import PackFile, read_columns
from soa_evidence.evidence.tables import numbers

__all__ = [
    "AGE_BANDS",
    "COMORBIDITIES",
    "CONDITIONS",
    "OUTCOMES",
    "OXFORD_BANDS",
    "SATISFACTION",
    "SEXES",
    "SUCCESS",
    "read",
]

UNKNOWN = "unknown"
SEXES = ("female", "male", UNKNOWN)
AGE_BANDS = ("under 50", "50 to 59", "60 to 69", "70 to 79", "80 and over", UNKNOWN)
COMORBIDITIES = ("0", "1", "2", "3", "4 or more")
OXFORD_BANDS = ("0 to 9", "10 to 14", "15 to 19", "20 to 24", "25 to 29", "30 to 48", UNKNOWN)
#: Our name of each yes/no outcome, and the file's column for it.
OUTCOMES = {
    "wound": "post_op_q_wound",
    "bleeding": "post_op_q_bleeding",
    "urine": "post_op_q_urine",
    "allergy": "post_op_q_allergy",
    "readmission": "post_op_q_readmitted",
    "further_surgery": "post_op_q_further_surgery",
}
#: Levels of the two graded answers, best first, in the order of the codes 1 to 5.
SATISFACTION = ("excellent", "very_good", "good", "fair", "poor")
SUCCESS = ("much_better", "a_little_better", "about_the_same", "a_little_worse", "much_worse")

#: Conditions that patients could tick beside the joint.
CONDITIONS = (
    "heart_disease",
    "high_bp",
    "stroke",
    "circulation",
    "lung_disease",
    "diabetes",
    "kidney_disease",
    "nervous_system",
    "liver_disease",
    "cancer",
    "depression",
    "arthritis",
)
_SOURCE_AGES = {
    "20 to 29": "under 50",
    "30 to 39": "under 50",
    "40 to 49": "under 50",
    "50 to 59": "50 to 59",
    "60 to 69": "60 to 69",
    "70 to 79": "70 to 79",
    "80 to 89": "80 and over",
    "90 to 120": "80 and over",
    "*": UNKNOWN,
}
_SOURCE_AGES |= dict.fromkeys(("0 to 9", "10 to 19"), "under 50")
_OXFORD_EDGES = [-1, 9, 14, 19, 24, 29, 48]
_GRADED = ("post_op_q_satisfaction", "post_op_q_success")
_SCORES = {
    "oxford_pre": ("pre_op_q_score", 0, 48),
    "oxford_post": ("post_op_q_score", 0, 48),
    "oxford_predicted": ("oxford_post_op_q_predicted", 0, 48),
    "eq5d_pre": ("pre_op_q_eq5d_index", -0.594, 1),
    "eq5d_post": ("post_op_q_eq5d_index", -0.594, 1),
    "eq5d_predicted": ("eq5d_index_post_op_q_predicted", -0.594, 1),
}
_COLUMNS = (
    "provider_code",
    "procedure",
    "revision_flag",
    "year",
    "age_band",
    "gender",
    *CONDITIONS,
    *OUTCOMES.values(),
    *_GRADED,
    *(column for column, _, _ in _SCORES.values()),
)


#: Whose code stands in a record file's first column, and what it looks like.
_CODES = {
    "provider_code": (
        r"[A-Z][A-Z0-9]{2,4}",
        "a provider's code: a letter, then two to four letters or digits",
    ),
    "commissioner": (r"[0-9][0-9A-Z]{2}", "a commissioner's code: a digit, then two letters or digits"),
}


def read(
    files: Iterable[PackFile], *, by: str = "provider_code"
) -> tuple[pd.DataFrame, list[tuple[str, PackFile]]]:
    """Read provider record files into one table.

    Parameters
    ----------
    files
        Files of kind ``"records"``, one a joint and year.
    by
        ``"commissioner"`` for files by commissioner, which hold the same patients: the first column is then
        called that. Never read both into one table, nor match their rows.

    Returns
    -------
    tidy : DataFrame
        provider_code, year, joint, procedure, age_band, sex, comorbidities, oxford_pre_band; one column an
        outcome (1 yes, 0 no, NaN not answered); satisfaction and success (1 best to 5, NaN not answered);
        oxford_* in points and eq5d_* as index, each pre, post and predicted (NaN missing).
    owners : list of (str, PackFile)
        Which file holds records of which year.

    Raises
    ------
    EvidenceError
        On an unknown code or a value out of range (with file, row and column), a code that is a
        commissioner's, or two different files for one joint and year.
    """
    frames: list[pd.DataFrame] = []
    owner: dict[tuple[str, str], PackFile] = {}
    for file in sorted(files, key=lambda f: f.hash):
        frame = _read_one(file, by)
        for joint, year in frame[["joint", "year"]].drop_duplicates().itertuples(index=False):
            if (joint, year) in owner:
                raise EvidenceError(
                    f"{owner[joint, year].name} and {file.name} both hold {joint} records of {year}, and "
                    "they differ; give only the final release."
                )
            owner[joint, year] = file
        frames.append(frame)
    return pd.concat(frames, ignore_index=True), [(year, file) for (_, year), file in owner.items()]


def _read_one(file: PackFile, by: str) -> pd.DataFrame:
    raw = read_columns(file, _COLUMNS)
    pattern, words = _CODES[by]
    bad = ~raw["provider_code"].str.fullmatch(pattern)
    if bad.any():
        _refuse(file, raw["provider_code"], bad, words)
    out = pd.DataFrame({by: raw["provider_code"]})
    bad = ~raw["year"].str.fullmatch(r"20\d\d/\d\d")
    if bad.any():
        _refuse(file, raw["year"], bad, "a financial year such as 2018/19")
    out["year"] = raw["year"]
    out["joint"] = _coded(file, raw["procedure"], {"Hip Replacement": "hip", "Knee Replacement": "knee"})
    out["procedure"] = _coded(file, raw["revision_flag"], {"0": "primary", "1": "revision"})
    out["age_band"] = _coded(file, raw["age_band"], _SOURCE_AGES)
    out["sex"] = _coded(
        file, raw["gender"], {"1": "male", "2": "female", "*": UNKNOWN, "9": UNKNOWN, "0": UNKNOWN}
    )
    ticked = sum(_coded(file, raw[tick], {"1": 1, "9": 0}).astype(int) for tick in CONDITIONS)
    out["comorbidities"] = np.array(COMORBIDITIES, dtype=object)[np.minimum(ticked, len(COMORBIDITIES) - 1)]
    for name, column in OUTCOMES.items():
        out[name] = _coded(file, raw[column], {"1": 1.0, "2": 0.0, "9": np.nan})
    for column in _GRADED:
        grades = {str(grade): float(grade) for grade in range(1, 6)} | {"9": np.nan}
        out[column.removeprefix("post_op_q_")] = _coded(file, raw[column], grades)
    for name, (column, low, high) in _SCORES.items():
        out[name] = _score(file, raw[column], low, high)
    bands = pd.cut(out["oxford_pre"], _OXFORD_EDGES, labels=OXFORD_BANDS[:-1])
    out.insert(7, "oxford_pre_band", bands.astype(object).fillna(UNKNOWN))
    return out


def _coded(file: PackFile, column: pd.Series[str], codes: dict[str, Any]) -> pd.Series[Any]:
    unknown = ~column.isin(list(codes))
    if unknown.any():
        _refuse(file, column, unknown, f"one of: {', '.join(codes)}")
    return column.map(codes)


def _score(file: PackFile, column: pd.Series[str], low: float, high: float) -> pd.Series[float]:
    values = numbers(column)
    wrong = (values.isna() & (column != "")) | (values < low) | (values > high)
    if wrong.any():
        _refuse(file, column, wrong, f"a number from {low} to {high}, or nothing where it is missing")
    return values


def _refuse(file: PackFile, column: pd.Series[str], wrong: pd.Series[bool], expected: str) -> None:
    rows: Sequence[int] = np.flatnonzero(wrong.to_numpy()).tolist()
    also = f" ({len(rows):,} rows)" if len(rows) > 1 else ""
    raise EvidenceError(
        f"{file.name}, row {rows[0] + 1}, column '{column.name}': {column.iloc[rows[0]]!r}{also}; expected "
        f"{expected}."
    )
