"""Fit case-mix models to NHS Digital's record files, and write what they expect as an evidence package.

Reading is the evidence's, fitting is a method's, writing is the evidence's again; they meet here because
neither may import the other. Patients are read, used and forgotten: totals, coefficients, accuracy stay.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from soa_evidence.errors import EvidenceError
from soa_evidence.evidence.nhs_proms import case_mix as described
from soa_evidence.evidence.nhs_proms import packs
from soa_evidence.evidence.nhs_proms import patients as asked
from soa_evidence.evidence.nhs_proms.credits import sources
from soa_evidence.evidence.nhs_proms.units import EVENT_UP_TO
from soa_evidence.evidence.write import Written, package
from soa_evidence.results import checks_frame
from soa_evidence.units import case_mix, prediction_accuracy

__all__ = ["build", "covariates_of", "tables", "with_outcome"]

SCORES = ("oxford", "eq5d")
STRATA = ("age_band", "sex", "comorbidities", "oxford_pre_band")
DECIMALS = 4
_KEPT = ["provider_code", "year", "joint", "procedure"]


def build(paths: Iterable[str | Path], out_folder: str | Path) -> Written:
    """Build nhs-proms-case-mix from the packs found at `paths`, into ``out_folder``.

    Raises
    ------
    EvidenceError
        When no provider record file is found, or one does not hold what it should.
    """
    files, _ = packs.find(paths)
    used = [file for file in files if file.kind == "records"]
    if not used:
        raise EvidenceError(
            "No provider record file is among the paths; a case-mix model needs patients' records."
        )
    people, owners = asked.read(used)
    years = tuple(sorted(set(people["year"])))
    return package(Path(out_folder), described.descriptor(years, sources(owners)), tables(people))


def tables(people: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Fit every model to `people` (as `patients.read` returns them), and return the package's tables."""
    parts: dict[str, list[pd.DataFrame]] = {name: [] for name in described.TABLES}
    names = [name for name in people.columns if people[name].dtype == object]
    people = people.astype(dict.fromkeys(names, "category"))
    for (joint, procedure), group in people.groupby(["joint", "procedure"], sort=True, observed=True):
        for outcome in described.OUTCOMES:
            here = with_outcome(group, outcome)
            for name, table in _one(here, str(joint), outcome).items():
                parts[name].append(table.assign(joint=str(joint), procedure=str(procedure), outcome=outcome))
    return {name: pd.concat(found, ignore_index=True) for name, found in parts.items()}


def with_outcome(group: pd.DataFrame, outcome: str) -> pd.DataFrame:
    """Return the patients who have this outcome, with it as column ``y``."""
    if outcome in SCORES:
        both = group[f"{outcome}_post"].notna() & group[f"{outcome}_pre"].notna()
        kept = group[both]
        y = kept[f"{outcome}_post"]
    else:
        kept = group[group[outcome].notna()]
        y = kept[outcome]
        if outcome in EVENT_UP_TO:
            y = (y <= EVENT_UP_TO[outcome]).astype(float)
    return kept.assign(y=y).reset_index(drop=True)


def covariates_of(here: pd.DataFrame, joint: str, outcome: str) -> tuple[list[str], dict[str, int]]:
    """Everything asked before the operation that varies, and the knots of what may bend."""
    items = [f"item_{name}" for name in asked.ITEMS[joint].split()[:-1]]
    more = ["eq5d_pre"] if outcome == "eq5d" else []
    named = ["age_band", "sex", *asked.LEVELS, *asked.NUMBERS, *items, *more]
    varies = [name for name in named if len(here[name].unique()) > 1]
    knots = {name: 4 for name in asked.NUMBERS if name in varies}
    return varies, {**knots, **dict.fromkeys(more, 4)}


def _one(here: pd.DataFrame, joint: str, outcome: str) -> dict[str, pd.DataFrame]:
    kind: Any = "value" if outcome in SCORES else "events"
    wide, knots = covariates_of(here, joint, outcome)
    whole = case_mix.fit(
        here,
        outcome="y",
        kind=kind,
        covariates=["year", *wide],
        splines=knots,
        unit="provider_code",
        covariance="unit",
    )
    here = here.assign(expected=whole.fitted)
    coefficients = whole.coefficients.table()[["label", "estimate", "std_error"]]
    judged = [_judge(here, "expected", kind, "patients", "fitted")]
    strata = [name for name in STRATA if len(here[name].unique()) > 1]
    plain = case_mix.fit(here, outcome="y", kind=kind, covariates=["year", *strata])
    here = here.assign(other=plain.fitted)
    judged.append(_judge(here, "other", kind, "strata", "fitted"))
    for name, covariates, splines in (("patients", wide, knots), ("strata", strata, {})):
        judged.append(
            _judge(_other_years(here, covariates, splines, kind), "other", kind, name, "other years")
        )
    if outcome in SCORES:
        official = here[here[f"{outcome}_predicted"].notna()]
        judged.append(_judge(official, f"{outcome}_predicted", kind, "NHS Digital", "other years"))
    return {
        "checks": checks_frame(whole.checks).rename(columns={"name": "check"}),
        "providers": _providers(here, outcome),
        "coefficients": coefficients.rename(columns={"label": "term"}),
        "accuracy": pd.concat([summary for summary, _ in judged], ignore_index=True),
        "calibration": pd.concat([groups for _, groups in judged], ignore_index=True),
    }


def _other_years(
    here: pd.DataFrame, covariates: Sequence[str], splines: dict[str, int], kind: Any
) -> pd.DataFrame:
    """Expect each year's outcomes by a model fitted to the others."""
    expected = np.full(len(here), np.nan)
    for year in sorted(set(here["year"])):
        mine = (here["year"] == year).to_numpy()
        model = case_mix.fit(here[~mine], outcome="y", kind=kind, covariates=covariates, splines=splines)
        expected[mine] = model.expected(here[mine])
    return here.assign(other=expected)


def _judge(
    here: pd.DataFrame, expected: str, kind: Any, model: str, judged_on: str
) -> tuple[pd.DataFrame, pd.DataFrame]:
    found = prediction_accuracy.fit(here, outcome="y", expected=expected, kind=kind)
    of = {"model": model, "judged_on": judged_on}
    summary = found.summary[["measure", "estimate", "std_error"]].assign(**of)
    return summary, found.groups.assign(**of)


def _providers(here: pd.DataFrame, outcome: str) -> pd.DataFrame:
    y, e = here["y"].to_numpy(), here["expected"].to_numpy()
    parts: dict[str, Any] = {
        "records": 1,
        "observed": y,
        "expected": e,
        "residual_sumsq": (y - e) ** 2,
    }
    if outcome in SCORES:
        before, theirs = here[f"{outcome}_pre"].to_numpy(), here[f"{outcome}_predicted"].to_numpy()
        has = np.isfinite(theirs)
        theirs = np.where(has, theirs, 0.0)
        parts |= {
            "before": before,
            "official_records": has.astype(int),
            "official_observed": y * has,
            "official_expected": e * has,
            "official_before": before * has,
            "official_prediction": theirs,
            "official_difference_sumsq": ((e - theirs) * has) ** 2,
        }
    keyed = pd.DataFrame({**{name: here[name] for name in _KEPT}, **parts})
    summed = (
        keyed.groupby(_KEPT, sort=True, observed=True)
        .sum()
        .reset_index()
        .drop(columns=["joint", "procedure"])
    )
    summed = summed.astype({"provider_code": object, "year": object})
    fields = {
        f["name"]: f["type"]
        for f in described.descriptor(("2000/01",), [])["resources"][0]["schema"]["fields"]
    }
    for name, kind in fields.items():
        if name not in summed and name not in ("joint", "procedure", "outcome"):
            summed[name] = np.nan
        elif kind == "number":
            summed[name] = summed[name].round(DECIMALS)
    return summed
