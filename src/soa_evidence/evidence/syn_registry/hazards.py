"""Hazards of syn-registry: revision by reason, death and re-revision, and times drawn from them.

Time t in years from the primary, for a person with case mix x at unit u of class c under surgeon s:

    H_r(t) = A_r (t / 10)^k_r exp( x'β_r + γ_rc + b_u + w_s + δ z )         cumulative hazard, reason r
    death:   hazard m(t) = m_70 exp( slope (age + t - 70) + effects )       Gompertz in attained age
    re-revision, v years after the first:  A' v^k' exp( effects + b_u + w_s + δ' z )

Reasons are independent given all that; the first to come is the revision. All of it ends at death.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from soa_evidence.evidence.registry.contract import REASON_GROUPS
from soa_evidence.evidence.registry.rows import code_of
from soa_evidence.evidence.syn_registry.layout import Layout
from soa_evidence.evidence.syn_registry.parameters import CLASSES, Parameters
from soa_evidence.evidence.syn_registry.people import HIP, KNEE, MALE, People

__all__ = ["REASONS", "Death", "class_effects", "death", "place_effects", "revision_scale", "revision_shape"]

FloatArray = NDArray[np.float64]
REASONS = tuple(REASON_GROUPS)
_HORIZON = 10.0  # years at which baseline cumulative hazards are stated


@dataclass(frozen=True, eq=False, kw_only=True)
class Death:
    """Gompertz hazards: `rate` (per year, at time 0) and `slope` (per year) for each person."""

    rate: FloatArray
    slope: FloatArray

    def time(self, exponential: FloatArray) -> FloatArray:
        """Return the times at which cumulative hazards reach `exponential`."""
        return np.log1p(self.slope * exponential / self.rate) / self.slope


def _covariates(people: People) -> dict[str, NDArray[Any]]:
    """Return the covariates of the revision hazards by their names in the table of parameters."""
    found: dict[str, NDArray[Any]] = {
        "age": (people.age - 70) / 10,
        "male": people.sex == MALE,
        "asa1": people.asa == 0,
        "asa3": people.asa == 2,
        "asa4": people.asa >= 3,
        "bmi": (people.bmi - 28) / 5,
        "deprivation": people.deprivation - 2.0,
    }
    hip, knee = people.joint == HIP, people.joint == KNEE
    resurfaced = people.procedure == code_of("procedure", "resurfacing")
    for name in ("cementless", "hybrid", "reverse hybrid"):
        # What holds a resurfaced hip is part of its own effect.
        found[f"hip.{name.replace(' ', '_')}"] = (
            hip & ~resurfaced & (people.fixation == code_of("fixation", name))
        )
    for name in ("ceramic on polyethylene", "ceramic on ceramic"):
        found[f"hip.{name.replace(' ', '_')}"] = hip & (people.bearing == code_of("bearing", name))
    found["hip.resurfacing"] = hip & resurfaced
    for name in ("cementless", "hybrid"):
        found[f"knee.{name}"] = knee & (people.fixation == code_of("fixation", name))
    found["knee.mobile"] = knee & (people.bearing == code_of("bearing", "mobile"))
    found["knee.unicompartmental"] = knee & (people.procedure == code_of("procedure", "unicompartmental"))
    return found


def revision_scale(p: Parameters, people: People) -> FloatArray:
    """Return A_r exp(x'β_r + δ z), shape (n, reasons): without class, unit and surgeon."""
    log_scale = np.empty((len(people), len(REASONS)))
    ten_year = {joint: p.row(f"baseline.{joint}.*.ten_year", REASONS) / 100 for joint in ("hip", "knee")}
    with np.errstate(divide="ignore"):  # a reason may be switched off
        base = np.where((people.joint == HIP)[:, None], np.log(ten_year["hip"]), np.log(ten_year["knee"]))
    log_scale[:] = base + p["hidden.revision"] * people.severity[:, None]
    for name, values in _covariates(people).items():
        effects = p.row(f"effect.{name}.*", REASONS)
        if effects.any():
            log_scale += np.asarray(values, dtype=float)[:, None] * effects
    return np.exp(log_scale)


def revision_shape(p: Parameters, joint: NDArray[np.int64]) -> FloatArray:
    """Return the powers of time k_r, shape (n, reasons)."""
    shapes = {name: p.row(f"baseline.{name}.*.shape", REASONS) for name in ("hip", "knee")}
    return np.where((joint == HIP)[:, None], shapes["hip"], shapes["knee"])


def class_effects(p: Parameters) -> FloatArray:
    """Return γ_rc, shape (classes, reasons); the reference class has none."""
    return np.array(
        [
            np.zeros(len(REASONS)) if name == "general_large" else p.row(f"class.{name}.*", REASONS)
            for name in CLASSES
        ]
    )


def place_effects(layout: Layout, people: People) -> FloatArray:
    """Return b_u + w_s for each person."""
    return layout.unit_effect[people.unit] + layout.surgeon_effect[people.surgeon]


def revision_times(
    p: Parameters, layout: Layout, people: People, exponential: FloatArray
) -> tuple[FloatArray, NDArray[np.int64]]:
    """Return the time to revision that would come if no one died, and its reason, from exponentials."""
    scale = revision_scale(p, people)
    scale *= np.exp(class_effects(p)[people.unit_class] + place_effects(layout, people)[:, None])
    with np.errstate(divide="ignore"):
        times = _HORIZON * (exponential / scale) ** (1 / revision_shape(p, people.joint))
    reason = times.argmin(axis=1)
    return times[np.arange(len(people)), reason], reason


def cumulative_hazard_power(p: Parameters, joint: str, time: FloatArray) -> FloatArray:
    """Return (t / 10)^k_r, shape (times, reasons), for ``"hip"`` or ``"knee"``."""
    return (np.asarray(time)[:, None] / _HORIZON) ** p.row(f"baseline.{joint}.*.shape", REASONS)


def death(p: Parameters, people: People) -> Death:
    """Return everyone's hazard of death."""
    male = people.sex == MALE
    slope = np.where(male, p["death.slope.male"], p["death.slope.female"])
    at_70 = np.where(male, p["death.hazard_at_70.male"], p["death.hazard_at_70.female"]) / 100
    asa = np.array([p["death.asa1"], 0.0, p["death.asa3"], p["death.asa4"], p["death.asa4"]])
    effects = (
        asa[people.asa]
        + p["death.deprivation"] * (people.deprivation - 2.0)
        + p["hidden.death"] * people.severity
    )
    return Death(rate=p["death.selection"] * at_70 * np.exp(slope * (people.age - 70) + effects), slope=slope)


def rerevision_hazard(
    p: Parameters, layout: Layout, people: People, infected: NDArray[np.bool_]
) -> FloatArray:
    """Return the cumulative hazard of re-revision one year after the first revision."""
    hip, knee = p["rerevision.hip.one_year"] / 100, p["rerevision.knee.one_year"] / 100
    effects = (
        p["rerevision.infection"] * infected
        + p["rerevision.age"] * (people.age - 70) / 10
        + p["rerevision.hidden"] * people.severity
        + place_effects(layout, people)
    )
    return np.asarray(np.where(people.joint == HIP, hip, knee) * np.exp(effects))


def rerevision_times(
    p: Parameters, layout: Layout, people: People, infected: NDArray[np.bool_], exponential: FloatArray
) -> FloatArray:
    """Return the time from first to second revision that would come if no one died."""
    hazard = rerevision_hazard(p, layout, people, infected)
    with np.errstate(divide="ignore"):
        return np.asarray((exponential / hazard) ** (1 / p["rerevision.shape"]))
