"""Small registries with a truth worked out beforehand, for the calibration of survival methods.

Each world is syn-registry with most of its complications switched off, and only those left that a method
claims to deal with. Hips only, two classes of unit, 15 years of entry and 16 of follow-up; death competes,
and brings older people's follow-up to an end.

    plain      two reasons of revision with hazards of different shape, age and sex bear on both and on death,
               referral depends on what is recorded, units are alike
    alike      the same, with classes alike in everything
    constant   one reason at a constant hazard, no case mix: what a rate describes whole
    clustered  plain, with units and surgeons that differ (log-normal, SD 0.3 and 0.2), 40 units a class
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from scipy.interpolate import CubicSpline

from soa_evidence.evidence import syn_registry
from soa_evidence.evidence.registry import analysis
from soa_evidence.evidence.registry.contract import REASON_GROUPS
from soa_evidence.evidence.syn_registry import Parameters
from soa_evidence.evidence.syn_registry.estimands import Truth
from soa_evidence.evidence.syn_registry.people import MALE

__all__ = ["GENERAL", "HORIZON", "SPECIALIST", "TIMES", "WORLDS", "World"]

SPECIALIST, GENERAL = "specialist orthopaedic", "NHS general, larger"
TIMES, HORIZON = (1.0, 5.0, 10.0), 10.0
COLUMNS = ("unit", "unit_class", "age", "sex", "time_years", "cause", "revised", "reason_cause")
#: Times, dense early, at which curves' limits are worked out; they hold `TIMES`.
_GRID = sorted({*TIMES, *(HORIZON * (np.arange(1, 13) / 12) ** 2)})
#: Rows over which truths without a closed form are averaged; their error is a few per cent of a replicate's.
TRUTH_ROWS = 120_000

_SIMPLE = {
    "second_joint.share": 0, "missing.*": 0, "hidden.*": 0, "spread.*": 0, "surgeon.volume": 0, "effect.*": 0,
    "joint.hip_share": 1, "resurfacing.base": -50, "units.share.specialist": 0.5,
    "units.share.general_large": 0.5, "units.share.general_small": 1e-12, "units.share.independent": 1e-12,
}  # fmt: skip
_NO_REVISION = {f"baseline.hip.{reason}.ten_year": 0.0 for reason in REASON_GROUPS}
_TWO_REASONS = {
    "baseline.hip.infection.ten_year": 12, "baseline.hip.infection.shape": 0.5,
    "baseline.hip.loosening.ten_year": 12, "baseline.hip.loosening.shape": 1.8,
    "effect.age.infection": 0.2, "effect.male.infection": 0.4,
    "effect.age.loosening": -0.3, "effect.male.loosening": 0.2, "class.specialist.*": -0.4,
}  # fmt: skip


@dataclass(frozen=True, eq=False, kw_only=True)
class World:
    """One way the world may be; `frame(seed)` is a replicate of `rows` rows."""

    name: str
    changed: Mapping[str, float]
    rows: int
    replicates: int

    @cached_property
    def parameters(self) -> Parameters:
        return syn_registry.of_scenario().changed(self.changed)

    def frame(self, seed: int, rows: int | None = None) -> pd.DataFrame:
        """Return one replicate, or one of another size."""
        made = syn_registry.generate(
            self.parameters, size=rows or self.rows, seed=seed, keep_people=False
        ).rows
        frame = analysis.frame(made, numbers=np.arange(len(made)), columns=COLUMNS)
        infection = next(code for code, name in analysis.REASON_CAUSES.items() if name == "infection")
        return frame.assign(
            # Recorded age is in whole years; half a year on is its middle.
            age=(frame["age"] + 0.5 - 70) / 10,
            male=(frame["sex"] == "male").astype(float),
            specialist=(frame["unit_class"] == SPECIALIST).astype(float),
            infection=(frame["reason_cause"] == infection).astype(int),
            unit_class=frame["unit_class"].astype(str),
        )

    @cached_property
    def truth(self) -> dict[tuple[str, str], float]:
        """True values by quantity and label: "class, t years", or a coefficient's name."""
        truth = Truth.of(self.parameters, 1, sample_rows=TRUTH_ROWS)
        table = truth.unadjusted("hip", times=_GRID)
        found: dict[tuple[str, str], float] = {}
        survived = {}
        for label in (SPECIALIST, GENERAL):
            mine = table[table["label"] == label].set_index("time")
            for time in TIMES:
                row, name = mine.loc[time], f"{label}, {time:g} years"
                found["survival", name] = 1 - row["kaplan_meier"]
                found["net failure", name] = row["kaplan_meier"]
                found["cumulative hazard", name] = -np.log1p(-row["kaplan_meier"])
                found["incidence of revision", name] = row["crude"]
            survived[label] = _mean_to_horizon(mine["kaplan_meier"].to_numpy())
            found["restricted mean", label] = survived[label]
        found["difference in restricted mean", SPECIALIST] = survived[SPECIALIST] - survived[GENERAL]
        found["log ratio of restricted means", SPECIALIST] = float(
            np.log(survived[SPECIALIST] / survived[GENERAL])
        )
        p = self.parameters
        for name, key in (("age", "effect.age"), ("male", "effect.male"), ("specialist", "class.specialist")):
            found["log hazard ratio", name] = p[f"{key}.infection"]
        for time in TIMES:
            hazard = (
                p["baseline.hip.infection.ten_year"] / 100 * (time / 10) ** p["baseline.hip.infection.shape"]
            )
            found["survival of a man of 70 at a general unit", f"{time:g} years"] = float(
                np.exp(-hazard * np.exp(p["effect.male.infection"]))
            )
        shape = p["baseline.hip.infection.shape"]
        for name in ("age", "male", "specialist"):
            found["log time ratio", name] = -found["log hazard ratio", name] / shape
        people = truth.sample
        log_risk = p["effect.age.infection"] * (people.age - 70) / 10 + p["effect.male.infection"] * (
            people.sex == MALE
        )
        hazards = p["baseline.hip.infection.ten_year"] / 100 * np.exp(log_risk)
        at_specialist = hazards * np.exp(p["class.specialist.infection"])
        found["difference in standardised survival", "specialist"] = float(
            np.mean(np.exp(-at_specialist) - np.exp(-hazards))
        )
        found["log subhazard ratio", "specialist"] = 0.0  # asked where classes are alike
        hazard = p["baseline.hip.infection.ten_year"] / 1000
        found["rate", GENERAL], ratio = 100 * hazard, np.exp(p["class.specialist.infection"])
        found["rate", SPECIALIST], found["log rate ratio", SPECIALIST] = (
            100 * hazard * ratio,
            float(np.log(ratio)),
        )
        return found


def _mean_to_horizon(failed: np.ndarray) -> float:
    """Area under survival from its values on the grid: smooth in the root of time, so read off there."""
    root = np.sqrt(np.concatenate([[0.0], _GRID]))
    smooth = CubicSpline(root, np.concatenate([[0.0], failed]))
    x, w = np.polynomial.legendre.leggauss(60)
    at = (x + 1) / 2 * root[-1]
    return float(np.sum(w / 2 * root[-1] * (1 - smooth(at)) * 2 * at))


WORLDS = {
    world.name: world
    for world in (
        World(name="plain", changed=_SIMPLE | _NO_REVISION | _TWO_REASONS, rows=1200, replicates=2000),
        World(
            name="alike",
            changed=_SIMPLE | _NO_REVISION | _TWO_REASONS | {"class.*": 0, "referral.*": 0},
            rows=1200,
            replicates=2000,
        ),
        World(
            name="constant",
            changed=_SIMPLE
            | _NO_REVISION
            | {
                "baseline.hip.infection.ten_year": 15,
                "baseline.hip.infection.shape": 1,
                "class.specialist.*": -0.4,
            },
            rows=400,
            replicates=2000,
        ),
        World(
            name="clustered",
            changed=_SIMPLE
            | _NO_REVISION
            | _TWO_REASONS
            | {"spread.unit.*": 0.3, "spread.surgeon": 0.2}
            | {"units.count.specialist": 40, "units.count.general_large": 40},
            rows=4000,
            replicates=1000,
        ),
    )
}
