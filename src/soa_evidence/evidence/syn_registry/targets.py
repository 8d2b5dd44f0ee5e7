"""Published figures beside what the generator yields: how lifelike syn-registry is, and where it is not.

The published part of ``data/targets.csv`` is written by hand; the column `generated` is filled here.
Kaplan–Meier figures stand beside what 1 - Kaplan–Meier tends to in the generator, units as a kind;
re-revision and death beside averages over its people.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soa_evidence.evidence.registry.rows import NO_DATE, code_of
from soa_evidence.evidence.syn_registry import hazards
from soa_evidence.evidence.syn_registry.estimands import Truth
from soa_evidence.evidence.syn_registry.generate import Generated, generate
from soa_evidence.evidence.syn_registry.parameters import Parameters
from soa_evidence.evidence.syn_registry.people import People

__all__ = ["filled"]

_SEED = 2**40 + 7


def filled(targets: pd.DataFrame, parameters: Parameters, *, rows: int) -> pd.DataFrame:
    """Return `targets` with the column `generated`, in per cent, as the generator with `parameters` gives it.

    Parameters
    ----------
    targets
        With the columns quantity (free of revision, revised, revised again, died), joint, procedure, years.
    rows
        Primaries over which the generator's figures are averaged.
    """
    made = generate(parameters, size=rows, seed=_SEED)
    truth = Truth.of(parameters, _SEED, sample_rows=rows)
    yields = [_yield(truth, made, row) for row in targets.to_dict("records")]
    return targets.assign(generated=np.round(yields, 2))


def _yield(truth: Truth, made: Generated, row: Mapping[Any, Any]) -> float:
    joint, years = str(row["joint"]), float(str(row["years"]))
    match row["quantity"]:
        case "died":
            dying = hazards.death(truth.parameters, _of(joint, truth.sample))
            return 100 * float(-np.expm1(-dying.rate / dying.slope * np.expm1(dying.slope * years)).mean())
        case "revised again":
            return 100 * _rerevised(truth.parameters, made, joint, years)
        case quantity:
            procedure = str(row["procedure"])
            failed = truth.kaplan_meier(joint, times=[years], procedure=procedure, units="as a kind")
            share = 100 * float(failed[0])
            return share if quantity == "revised" else 100 - share


def _of(joint: str, people: People) -> People:
    return people.take(people.joint == code_of("joint", joint))


def _rerevised(p: Parameters, made: Generated, joint: str, years: float) -> float:
    """Return the mean probability of re-revision over those with a first revision, if no one died."""
    revised: NDArray[np.bool_] = made.rows.revision_date != NO_DATE
    revised &= made.rows.joint == code_of("joint", joint)
    infection = 1 << code_of("revision_reasons", "infection")
    infected = (made.rows.revision_reasons[revised] & infection) != 0
    hazard = hazards.rerevision_hazard(p, made.layout, made.people.take(revised), infected)
    return float(-np.expm1(-hazard * years ** p["rerevision.shape"]).mean())
