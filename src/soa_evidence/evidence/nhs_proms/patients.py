"""Provider record files with everything asked before the operation, one row a patient, for a case-mix model.

The rows never leave the process that reads them: only a model's coefficients and providers' totals do.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from soa_evidence.errors import EvidenceError
from soa_evidence.evidence.nhs_proms import records
from soa_evidence.evidence.nhs_proms.packs import PackFile, read_columns
from soa_evidence.evidence.tables import numbers

__all__ = ["CONDITIONS", "ITEMS", "LEVELS", "NUMBERS", "read"]

UNKNOWN = records.UNKNOWN
CONDITIONS = records.CONDITIONS
#: Oxford questions by joint; two differ. The last of each follows from the others and the total.
ITEMS = {
    "hip": (
        "pain sudden_pain night_pain washing transport dressing shopping walking limping stairs standing work"
    ),
    "knee": (
        "pain night_pain washing transport walking standing limping kneeling confidence shopping stairs work"
    ),
}
_YES_NO = {"1": "yes", "2": "no", "9": UNKNOWN}
_HEALTH = {"1": "none", "2": "some", "3": "extreme", "9": UNKNOWN}
#: Our name of each answer given by level, the file's column, and its codes (rare ones joined).
_ANSWERS = {
    "assisted": ("pre_op_q_assisted", _YES_NO),
    "symptoms": (
        "pre_op_q_symptom_period",
        {"1": "under 1 year", "2": "1 to 5 years", "3": "6 to 10 years", "4": "over 10 years", "9": UNKNOWN},
    ),
    "previous_surgery": ("pre_op_q_previous_surgery", _YES_NO),
    "living": (
        "pre_op_q_living_arrangements",
        {"1": "with others", "2": "alone", "3": "elsewhere", "4": "elsewhere", "9": UNKNOWN},
    ),
    "disability": ("pre_op_q_disability", _YES_NO),
    "mobility": ("pre_op_q_mobility", {**_HEALTH, "3": "some"}),
    "self_care": ("pre_op_q_self_care", _HEALTH),
    "activity": ("pre_op_q_activity", _HEALTH),
    "discomfort": ("pre_op_q_discomfort", {**_HEALTH, "1": "some"}),
    "anxiety": ("pre_op_q_anxiety", _HEALTH),
}
LEVELS = (*CONDITIONS, *_ANSWERS, "oxford_items", "vas_given")
NUMBERS = ("oxford_total", "vas_before")


def read(
    files: Iterable[PackFile], *, by: str = "provider_code"
) -> tuple[pd.DataFrame, list[tuple[str, PackFile]]]:
    """Read provider record files with all that was asked before the operation.

    Parameters
    ----------
    files
        Files of kind ``"records"``, one a joint and year.
    by
        As in `records.read`.

    Returns
    -------
    patients : DataFrame
        The columns of `records.read`; `CONDITIONS` and the answers by level, "unknown" where not answered;
        ``item_<question>`` (0 worst to 4 best, the median of the joint where not answered), ``oxford_items``
        (complete or not), ``oxford_total`` and ``vas_before`` (median where missing), ``vas_given``.
    owners : list of (str, PackFile)
        Which file holds records of which year.

    Raises
    ------
    EvidenceError
        As `records.read`, and on an unknown code in these columns.
    """
    ordered = sorted(files, key=lambda file: file.hash)  # as `records.read` joins them
    tidy, owners = records.read(ordered, by=by)
    parts = [_asked(file) for file in ordered]
    asked = pd.concat(parts, ignore_index=True)
    return pd.concat([tidy, asked], axis=1), owners


def _asked(file: PackFile) -> pd.DataFrame:
    raw = read_columns(file)
    joint = "hip" if (raw["procedure"] == "Hip Replacement").all() else "knee"
    items = ITEMS[joint].split()
    wanted = [
        *CONDITIONS,
        *(column for column, _ in _ANSWERS.values()),
        *(f"pre_op_q_{item}" for item in items),
    ]
    missing = [name for name in (*wanted, "pre_op_q_eq_vas", "pre_op_q_score") if name not in raw.columns]
    if missing:
        raise EvidenceError(f"{file.name} lacks the column '{missing[0]}'; expected a provider record file.")
    columns: dict[str, object] = {
        name: _coded(file, raw[name], {"1": "ticked", "9": "not ticked"}) for name in CONDITIONS
    }
    columns |= {name: _coded(file, raw[column], codes) for name, (column, codes) in _ANSWERS.items()}
    answered = np.ones(len(raw), bool)
    for item in items:
        codes = {str(k): float(k) for k in range(5)} | {"9": np.nan}
        values = _coded(file, raw[f"pre_op_q_{item}"], codes).astype(float)
        answered &= values.notna().to_numpy()
        columns[f"item_{item}"] = values.fillna(values.median())
    total = numbers(raw["pre_op_q_score"])
    vas = numbers(raw["pre_op_q_eq_vas"])
    vas = vas.where((vas >= 0) & (vas <= 100))  # 999 is not answered
    columns |= {
        "oxford_items": np.where(answered & total.notna(), "complete", "incomplete"),
        "oxford_total": total.fillna(total.median()),
        "vas_given": np.where(vas.notna(), "yes", "no"),
        "vas_before": vas.fillna(vas.median()),
    }
    return pd.DataFrame(columns)


def _coded(file: PackFile, column: pd.Series[str], codes: Mapping[str, Any]) -> pd.Series[Any]:
    wrong = np.flatnonzero(~column.isin(list(codes)))
    if len(wrong):
        raise EvidenceError(
            f"{file.name}, row {wrong[0] + 1}, column '{column.name}': {column.iloc[wrong[0]]!r}; expected "
            f"one of: {', '.join(codes)}."
        )
    return column.map(codes)
