"""Fit what the public fields foresee of NHS Digital's predictions, and write what is left over by area.

Record files by commissioner give the areas, those by provider the providers. They hold the same patients and
are kept apart: each file has a model of its own, and only totals leave either.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from soa_evidence.errors import EvidenceError
from soa_evidence.evidence.nhs_proms import deprivation, packs
from soa_evidence.evidence.nhs_proms import patients as asked
from soa_evidence.evidence.nhs_proms.case_mix import OUTCOMES
from soa_evidence.evidence.nhs_proms.credits import sources
from soa_evidence.evidence.write import Written, package
from soa_evidence.publish.case_mix_package import DECIMALS, SCORES, covariates_of, with_outcome
from soa_evidence.units import case_mix

__all__ = ["areas", "build", "providers"]


def build(
    packs_of: Iterable[str | Path],
    populations: str | Path,
    deprived: str | Path,
    out_folder: str | Path,
) -> Written:
    """Build nhs-proms-deprivation.

    Parameters
    ----------
    packs_of
        NHS Digital's PROMs packs, with files by provider and by commissioner.
    populations, deprived
        Folders (or files) of commissioners' mergers and of their deprivation.
    out_folder
        Folder of evidence packages.

    Raises
    ------
    EvidenceError
        When one of the two kinds of record file is missing, or a file does not hold what it should.
    """
    tried = list(packs_of)
    places = deprivation.read_places(populations, deprived)
    by_area = packs.commissioner_files(tried)
    by_provider = [file for file in packs.find(tried)[0] if file.kind == "records"]
    if not by_provider:
        raise EvidenceError("No provider record file is among the paths; expected those of the same years.")
    people, _ = asked.read(by_area, by="commissioner")
    outcomes = areas(_first(people), places)
    years = tuple(sorted(set(people["year"])))
    del people
    treated, owners = asked.read(by_provider)
    if (other := tuple(sorted(set(treated["year"])))) != years:
        raise EvidenceError(
            f"Files by provider are of {', '.join(other)}, by commissioner of {', '.join(years)}."
        )
    frames = {
        "areas": places.areas[places.areas["commissioner"].isin(outcomes["commissioner"])],
        "outcomes": outcomes,
        "providers": providers(_first(treated)),
    }
    used = [{"name": file.name, "hash": file.hash} for file in by_area]
    return package(
        Path(out_folder), deprivation.descriptor(years, sources(owners), used, places.files), frames
    )


def _first(people: pd.DataFrame) -> pd.DataFrame:
    first = people[people["procedure"] == "primary"]
    names = [name for name in first.columns if first[name].dtype == object]
    return first.astype(dict.fromkeys(names, "category"))


def areas(people: pd.DataFrame, places: deprivation.Places) -> pd.DataFrame:
    """Return the table of outcomes by area; models are fitted to every patient, of whatever area."""
    parts = []
    for joint, group in people.groupby("joint", sort=True, observed=True):
        for outcome in OUTCOMES:
            here = with_outcome(group, outcome)
            kind: Any = "value" if outcome in SCORES else "events"
            wide, knots = covariates_of(here, str(joint), outcome)
            model = case_mix.fit(here, outcome="y", kind=kind, covariates=["year", *wide], splines=knots)
            y, e = here["y"].to_numpy(float), model.fitted
            columns = {"records": 1, "observed": y, "expected": e, "residual_sumsq": (y - e) ** 2}
            if outcome in SCORES:
                columns |= _beyond(here, str(joint), outcome)
            code = places.of(here["commissioner"].astype(object))
            parts.append(_summed(here, "commissioner", code, columns, str(joint), outcome))
    return _whole(parts, deprivation.AREA_KEY)


def providers(people: pd.DataFrame) -> pd.DataFrame:
    """Return the table of predictions by provider."""
    parts = []
    for joint, group in people.groupby("joint", sort=True, observed=True):
        for outcome in SCORES:
            here = with_outcome(group, outcome)
            columns = _beyond(here, str(joint), outcome)
            code = here["provider_code"].astype(object)
            parts.append(_summed(here, "provider_code", code, columns, str(joint), outcome))
    return _whole(parts, deprivation.PROVIDER_KEY)


def _beyond(here: pd.DataFrame, joint: str, outcome: str) -> dict[str, Any]:
    """NHS Digital's prediction, and what the public fields foresee of it; 0 for patients without one."""
    theirs = here[f"{outcome}_predicted"].to_numpy(float)
    has = np.isfinite(theirs)
    predicted = here[has].reset_index(drop=True)
    wide, knots = covariates_of(predicted, joint, outcome)
    model = case_mix.fit(
        predicted, outcome=f"{outcome}_predicted", kind="value", covariates=["year", *wide], splines=knots
    )
    foreseen = np.zeros(len(here))
    foreseen[has] = model.fitted
    theirs = np.where(has, theirs, 0.0)
    return {
        "official_records": has.astype(int),
        "official_prediction": theirs,
        "official_foreseen": foreseen,
        "unexplained_sumsq": (theirs - foreseen) ** 2,
    }


def _summed(
    here: pd.DataFrame, owner: str, code: pd.Series[Any], columns: dict[str, Any], joint: str, outcome: str
) -> pd.DataFrame:
    keyed = pd.DataFrame({owner: code, "year": here["year"].astype(object), **columns}).dropna(subset=[owner])
    summed = keyed.groupby([owner, "year"], sort=True).sum().reset_index()
    size = "records" if "records" in columns else "official_records"
    return summed[summed[size] >= deprivation.FEWEST].assign(joint=joint, outcome=outcome)


def _whole(parts: list[pd.DataFrame], key: tuple[str, ...]) -> pd.DataFrame:
    table = pd.concat(parts, ignore_index=True)
    counts = [name for name in ("records", "official_records") if name in table]
    numbers = [str(name) for name in table if name not in (*key, *counts)]
    table[numbers] = table[numbers].round(DECIMALS)
    return table.astype(dict.fromkeys(counts, "Int64")).sort_values(list(key), ignore_index=True)
