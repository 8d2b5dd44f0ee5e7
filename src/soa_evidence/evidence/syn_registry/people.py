"""People of syn-registry: case mix with its correlations, hidden severity, and where they are referred.

What no extract holds, and what decides the class of unit:

    hidden severity  z ~ Normal(0, 1), in no extract
    class            multinomial: log odds = log share + referral effects on ASA, BMI, age, deprivation and z
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from soa_evidence.evidence.registry.rows import code_of
from soa_evidence.evidence.syn_registry.layout import Layout
from soa_evidence.evidence.syn_registry.parameters import CLASSES, Parameters

__all__ = ["HIP", "KNEE", "MALE", "People", "draw"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
HIP, KNEE = code_of("joint", "hip"), code_of("joint", "knee")
MALE = code_of("sex", "male")
_FIXATIONS = ("cemented", "cementless", "hybrid", "reverse hybrid")
_HARD = ("metal on polyethylene", "ceramic on polyethylene", "ceramic on ceramic")


@dataclass(frozen=True, eq=False, kw_only=True)
class People:
    """Case mix and place of treatment, column by column, each an array of shape (n,).

    `age` is exact, `bmi` and `deprivation` complete; the extract holds whole years and gaps. `severity` is
    the hidden one. Codes are positions in the contract's lists, places positions in the layout's.
    """

    age: FloatArray
    sex: IntArray
    joint: IntArray
    side: IntArray
    bmi: FloatArray
    deprivation: IntArray
    asa: IntArray
    procedure: IntArray
    fixation: IntArray
    bearing: IntArray
    severity: FloatArray
    unit_class: IntArray
    unit: IntArray
    surgeon: IntArray

    def __len__(self) -> int:
        return len(self.age)

    def take(self, which: NDArray[np.intp] | NDArray[np.bool_] | slice) -> People:
        """Return some of the people."""
        return People(**{f.name: getattr(self, f.name)[which] for f in fields(self)})

    def pieces(self, size: int = 4096) -> Iterator[People]:
        """Yield the people a few thousand at a time, so that work on them needs little memory."""
        for start in range(0, len(self), size):
            yield self.take(slice(start, start + size))

    def replace(self, **changed: NDArray[np.float64] | IntArray) -> People:
        """Return a copy with some columns exchanged."""
        return People(**{f.name: changed.get(f.name, getattr(self, f.name)) for f in fields(self)})


def draw(parameters: Parameters, layout: Layout, rng: np.random.Generator, count: int) -> People:
    """Draw `count` people at their first replacement."""
    p = parameters
    u = rng.random((9, count))
    z = rng.standard_normal((3, count))
    joint = np.where(u[0] < p["joint.hip_share"], HIP, KNEE)
    hip = joint == HIP

    def by_joint(name: str) -> FloatArray:
        return np.where(hip, p[f"{name}.hip"], p[f"{name}.knee"])

    age = by_joint("age.mean") + by_joint("age.sd") * z[0]
    age = np.clip(age, p["age.least"], p["age.most"] + 0.999)
    decades = (age - 70) / 10
    share = by_joint("female.share")
    female = u[1] < _expit(np.log(share / (1 - share)) + p["female.age"] * decades)
    deprivation = np.searchsorted(np.cumsum(p.row("deprivation.share.*", "1234")), u[2], side="right")
    fifths = deprivation - 2.0  # from the third
    log_bmi = np.log(by_joint("bmi.median")) + p["bmi.age"] * decades + p["bmi.deprivation"] * fifths
    bmi = np.clip(np.exp(log_bmi + p["bmi.log_sd"] * z[1]), 14, 65)
    unfit = p["asa.age"] * decades + p["asa.bmi"] * (bmi - 28) / 5 + p["asa.deprivation"] * fifths
    asa = (np.log(u[3] / (1 - u[3])) + unfit > p.row("asa.cut.*", "123")[:, None]).sum(axis=0)
    procedure = _procedure(p, hip, ~female, decades, u[4])
    fixation = _fixation(p, hip, procedure, decades, u[5])
    bearing = _bearing(p, hip, procedure, decades, u[6])
    severity = z[2]
    unit_class = _referral(p, asa, bmi, decades, fifths, severity, u[7])
    unit = layout.pick_unit(unit_class, u[8])
    places = rng.random((2, count))
    return People(
        age=age,
        sex=np.where(female, code_of("sex", "female"), MALE),
        joint=joint,
        side=(places[0] < 0.5).astype(np.int64),
        bmi=bmi,
        deprivation=deprivation,
        asa=asa,
        procedure=procedure,
        fixation=fixation,
        bearing=bearing,
        severity=severity,
        unit_class=unit_class,
        unit=unit,
        surgeon=layout.pick_surgeon(unit, places[1]),
    )


def _expit(x: FloatArray) -> FloatArray:
    return np.asarray(1 / (1 + np.exp(-x)))


def _choose(odds: Sequence[FloatArray], u: FloatArray) -> IntArray:
    """Return a category for each person from log odds against the first category."""
    weights = np.exp(np.stack([np.zeros_like(u), *np.broadcast_arrays(*odds)]))
    edges = np.cumsum(weights, axis=0)
    return np.asarray((u * edges[-1] >= edges[:-1]).sum(axis=0), dtype=np.int64)


def _procedure(
    p: Parameters, hip: NDArray[np.bool_], male: NDArray[np.bool_], decades: FloatArray, u: FloatArray
) -> IntArray:
    resurfaced = u < _expit(
        p["resurfacing.base"] + p["resurfacing.male"] * male + p["resurfacing.age"] * decades
    )
    partial = u < _expit(p["unicompartmental.base"] + p["unicompartmental.age"] * decades)
    names = {name: code_of("procedure", name) for name in ("total", "resurfacing", "unicompartmental")}
    other = np.where(hip, names["resurfacing"], names["unicompartmental"])
    return np.where(np.where(hip, resurfaced, partial), other, names["total"])


def _fixation(
    p: Parameters, hip: NDArray[np.bool_], procedure: IntArray, decades: FloatArray, u: FloatArray
) -> IntArray:
    codes = np.array([code_of("fixation", name) for name in _FIXATIONS])

    def odds(joint: str, names: Sequence[str]) -> list[FloatArray]:
        return [
            p[f"fixation.{joint}.{name}.base"] + p[f"fixation.{joint}.{name}.age"] * decades for name in names
        ]

    hips = codes[_choose(odds("hip", ("cementless", "hybrid", "reverse_hybrid")), u)]
    # A resurfaced hip has a cemented head and a cementless cup.
    hips = np.where(procedure == code_of("procedure", "resurfacing"), code_of("fixation", "hybrid"), hips)
    return np.where(hip, hips, codes[_choose(odds("knee", ("cementless", "hybrid")), u)])


def _bearing(
    p: Parameters, hip: NDArray[np.bool_], procedure: IntArray, decades: FloatArray, u: FloatArray
) -> IntArray:
    codes = np.array([code_of("bearing", name) for name in _HARD])
    slugs = [name.replace(" ", "_") for name in _HARD[1:]]
    odds = [p[f"bearing.hip.{name}.base"] + p[f"bearing.hip.{name}.age"] * decades for name in slugs]
    resurfaced = procedure == code_of("procedure", "resurfacing")
    hips = np.where(resurfaced, code_of("bearing", "metal on metal"), codes[_choose(odds, u)])
    partial = procedure == code_of("procedure", "unicompartmental")
    mobile = _expit(
        np.where(partial, p["bearing.knee.mobile.unicompartmental"], p["bearing.knee.mobile.total"])
    )
    knees = np.where(u < mobile, code_of("bearing", "mobile"), code_of("bearing", "fixed"))
    return np.where(hip, hips, knees)


def _referral(
    p: Parameters,
    asa: IntArray,
    bmi: FloatArray,
    decades: FloatArray,
    fifths: FloatArray,
    severity: FloatArray,
    u: FloatArray,
) -> IntArray:
    names = list(CLASSES)
    odds = []
    for name in names:
        log_share = np.log(p[f"units.share.{name}"] / p["units.share.general_large"])
        effects = (
            (0.0,) * 5
            if name == "general_large"
            else p.row(f"referral.{name}.*", ("asa", "bmi", "age", "deprivation", "hidden"))
        )
        of = (asa >= 2, bmi >= 35, decades, fifths, severity)
        odds.append(log_share + sum(effect * x for effect, x in zip(effects, of, strict=True)))
    return _choose([other - odds[0] for other in odds[1:]], u)
