"""A hospital's spells and costs by HRG: England's by name, a hospital's own by path.

The file is a CSV, one row an HRG and kind of admission; docs/case-mix-file.md describes it. What an own file
is
called and where it lies is told nowhere: it stands in reports under one fixed name, with its hash.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from soa_evidence.errors import EvidenceError, InputError, nearest
from soa_evidence.evidence import orthopaedic_hrgs as hrgs
from soa_evidence.evidence import tables
from soa_evidence.evidence.load import CAUTIOUS_SMALLEST_COUNT
from soa_evidence.evidence.load import load as load_package
from soa_evidence.evidence.registry.load import OWN_NAME
from soa_evidence.results import Basis, Check

__all__ = ["COLUMNS", "NATIONAL_NAME", "CaseMix", "load"]

NATIONAL_NAME = "orthopaedic-unit-costs"
ADMISSIONS = ("elective", "non-elective")
#: Column, whether it must be there, and what it holds.
COLUMNS = {
    "hrg": (True, "HRG code, such as HN81C"),
    "admission": (True, "elective or non-elective"),
    "spells": (True, "whole number of spells in the year, above 0"),
    "cost_gbp": (True, "total cost of these spells, £, above 0"),
    "cost_sd_gbp": (False, "standard deviation of cost between these spells, £"),
    "long_stay_days": (False, "days beyond the trim point, in all these spells together"),
    "top_up_spells": (False, "of these spells, how many are eligible for the specialist top-up"),
}
_WHOLE = ("spells", "long_stay_days", "top_up_spells")


@dataclass(frozen=True, eq=False, kw_only=True)
class CaseMix:
    """Spells and costs, with what a report says of their source.

    Attributes
    ----------
    frame : DataFrame
        hrg, admission, spells, cost_gbp, cost_sd_gbp, long_stay_days, top_up_spells; missing deviations are
        NaN,
        missing days and eligible spells 0.
    whose : str
        Whose case mix it is, for a sentence.
    own : bool
        Whether it is a file and not England's.
    basis : Basis
        The rows it was made from, for the ledger.
    """

    name: str
    title: str
    kind: str
    licence: str
    sources: tuple[Mapping[str, Any], ...]
    hash: str
    smallest_count: int
    caveats: tuple[str, ...]
    frame: pd.DataFrame
    whose: str
    own: bool
    checks: tuple[Check, ...]
    basis: Basis


def load(source: str | Path, *, folder: str | Path | None = None) -> CaseMix:
    """Open a case mix: ``"orthopaedic-unit-costs"`` for England's, or the path of a CSV.

    Raises
    ------
    InputError
        On a name that is neither.
    EvidenceError
        On a file that cannot be read, a column that is missing or unknown, an HRG that is not of hip or knee
        replacement, a row twice, or a number that cannot be; column and row are named.
    """
    if str(source) == NATIONAL_NAME:
        return _national(folder)
    path = Path(source)
    if path.suffix.lower() != ".csv" or not path.is_file():
        raise InputError(
            f"There is no case mix {path.name!r}.{nearest(path.name, [NATIONAL_NAME])} Expected "
            f"'{NATIONAL_NAME}', or the path of a .csv file; docs/case-mix-file.md describes it."
        )
    try:
        raw = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except (ValueError, OSError) as error:
        raise EvidenceError(f"The case-mix file cannot be read: {str(error).splitlines()[0]}") from None
    frame = _checked(raw)
    digest = tables.digest(path)
    return CaseMix(
        name=OWN_NAME,
        title=f"Own case-mix file: {len(frame)} rows",
        kind="own data",
        licence="Not published; held by those who ran the report",
        sources=({"title": f"Case-mix file of {len(frame)} rows, {digest}"},),
        hash=digest,
        smallest_count=CAUTIOUS_SMALLEST_COUNT,
        caveats=("Own data: only its hash and size are recorded.",),
        frame=frame,
        whose="this hospital",
        own=True,
        checks=(
            Check(
                name="rows of the case-mix file",
                verdict="pass",
                observed=f"{len(frame)}, all of known HRGs",
                expected="at least one",
                why="an HRG that is not known has no price",
            ),
        ),
        basis=Basis(holder=OWN_NAME, table="spells", file="", where="", rows=len(frame), total=len(frame)),
    )


def _national(folder: str | Path | None) -> CaseMix:
    package = load_package(NATIONAL_NAME, folder)
    chosen = package.select("cost_collection", admission="elective inpatient", counted="activity")
    rows = chosen.frame
    frame = pd.DataFrame(
        {
            "hrg": rows["hrg"],
            "admission": "elective",
            "spells": rows["activity"].astype(float),
            "cost_gbp": rows["activity"] * rows["unit_cost_gbp"],
            "cost_sd_gbp": float("nan"),
            "long_stay_days": 0.0,
            "top_up_spells": 0.0,
        }
    ).reset_index(drop=True)
    return CaseMix(
        name=package.name,
        title=package.title,
        kind=package.kind,
        licence=package.licence,
        sources=tuple(package.sources),
        hash=package.hash,
        smallest_count=package.smallest_count,
        caveats=tuple(package.caveats),
        frame=frame,
        whose="England, taken as if it were one hospital",
        own=False,
        checks=(),
        basis=chosen.basis,
    )


def _checked(raw: pd.DataFrame) -> pd.DataFrame:
    for column in raw.columns:
        if column not in COLUMNS:
            raise EvidenceError(
                f"The case-mix file has the column '{column}', which is not known.{nearest(column, COLUMNS)} "
                f"Known: {', '.join(COLUMNS)}."
            )
    for column, (needed, holds) in COLUMNS.items():
        if needed and column not in raw.columns:
            raise EvidenceError(f"The case-mix file has no column '{column}' ({holds}).")
    if raw.empty:
        raise EvidenceError("The case-mix file has no rows.")
    frame = pd.DataFrame(
        {"hrg": raw["hrg"].str.strip().str.upper(), "admission": raw["admission"].str.strip()}
    )
    for at, hrg in enumerate(frame["hrg"]):
        if not hrgs.known(hrg):
            raise EvidenceError(
                f"Row {at + 1}: HRG '{hrg}' is not of hip or knee replacement; expected one of the families "
                f"{', '.join(hrgs.FAMILIES)}. Leave other work out."
            )
    for at, word in enumerate(frame["admission"]):
        if word not in ADMISSIONS:
            raise EvidenceError(
                f"Row {at + 1}: admission is '{word}'.{nearest(word, ADMISSIONS)} Expected elective or "
                f"non-elective."
            )
    if (twice := frame.duplicated()).any():
        raise EvidenceError(
            f"Row {int(twice.to_numpy().argmax()) + 1} repeats an HRG and admission; add them up."
        )
    for column, (needed, holds) in COLUMNS.items():
        if column not in frame.columns:
            frame[column] = _numbers(raw, column, needed, holds)
    if (more := frame["top_up_spells"] > frame["spells"]).any():
        raise EvidenceError(
            f"Row {int(more.to_numpy().argmax()) + 1}: more spells are eligible for the top-up than there "
            f"are."
        )
    return frame


def _numbers(raw: pd.DataFrame, column: str, needed: bool, holds: str) -> pd.Series[Any]:
    absent = float("nan") if column == "cost_sd_gbp" else 0.0
    if column not in raw.columns:
        return pd.Series(absent, index=raw.index)
    told = raw[column].str.strip()
    values = tables.numbers(told)
    empty = (told == "") & (not needed)
    bad = ~empty & ~((values > 0) if needed else (values >= 0))
    bad |= ~empty & (values == float("inf"))
    if column in _WHOLE:
        bad |= ~empty & (values != values.round())
    if bad.any():
        at = int(bad.to_numpy().argmax())
        raise EvidenceError(f"Row {at + 1}, column '{column}': '{told.iloc[at]}'; expected the {holds}.")
    return values.where(~empty, absent)
