"""What is true of syn-registry: the answers its methods should find, by integration, with a stated error.

Standardised risks give every class the case mix of all primaries of the joint, hidden severity included, so
they are free of referral. Two populations of units: ``"these"`` units, with the effects they have under this
seed, weighted by volume; and units ``"as a kind"``, a new unit of the class. `unadjusted` is what curves by
class tend to when nothing is adjusted for: referral and case mix are in it.

Integrals are exact to about 1e-9; the case mix is averaged over a large sample of people, and `mc_error` is
the standard error of that average alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soa_evidence.errors import InputError, nearest
from soa_evidence.evidence.registry.rows import code_of
from soa_evidence.evidence.syn_registry import hazards, quadrature
from soa_evidence.evidence.syn_registry.generate import generate, layout_of
from soa_evidence.evidence.syn_registry.layout import Layout
from soa_evidence.evidence.syn_registry.parameters import CLASSES, REFERENCE, Parameters
from soa_evidence.evidence.syn_registry.people import People

__all__ = ["HORIZONS", "Truth"]

FloatArray = NDArray[np.float64]
Population = Literal["these", "as a kind"]
HORIZONS = (1.0, 3.0, 5.0, 10.0)
#: Sample of primaries over whose case mix truths are averaged, from a seed that is no registry's.
SAMPLE_ROWS, SAMPLE_SEED = 60_000, 2**40 + 1
_BATCHES = 60
_HERMITE = 9
_SIMULATED_UNITS = 2000


@dataclass(frozen=True, eq=False, kw_only=True)
class Truth:
    """The truth behind one synthetic registry.

    Attributes
    ----------
    parameters : Parameters
    seed : int
        Seed of the registry; it decides the units' and surgeons' true effects.
    layout : Layout
    sample_rows : int
        Primaries (both joints) whose case mix is averaged over.
    """

    parameters: Parameters
    seed: int
    layout: Layout = field(repr=False)
    sample_rows: int = SAMPLE_ROWS

    @classmethod
    def of(cls, parameters: Parameters, seed: int, *, sample_rows: int = SAMPLE_ROWS) -> Truth:
        """Return the truth that belongs to parameters and a seed."""
        return cls(
            parameters=parameters, seed=seed, layout=layout_of(parameters, seed), sample_rows=sample_rows
        )

    @property
    def scenario(self) -> str:
        """Name of the scenario."""
        return self.parameters.scenario

    @property
    def table(self) -> pd.DataFrame:
        """Every generating parameter: parameter, value, unit, meaning, why, source."""
        return self.parameters.table.copy()

    def hazard_ratios(self) -> pd.DataFrame:
        """Return the true hazard ratio of each class for each reason, at the same case mix.

        Returns
        -------
        DataFrame
            label (class), reason, log_hazard_ratio and hazard_ratio against the reference class, of an
            average unit of each class at the same hidden severity. They hold at every time after the primary.
        """
        effects = hazards.class_effects(self.parameters)
        rows = [
            (label, reason, effects[k, r])
            for k, label in enumerate(CLASSES.values())
            for r, reason in enumerate(hazards.REASONS)
        ]
        table = pd.DataFrame(rows, columns=["label", "reason", "log_hazard_ratio"])
        return table.assign(hazard_ratio=np.exp(table["log_hazard_ratio"]))

    def spreads(self) -> pd.DataFrame:
        """Return true spreads (SD of log hazard ratio): of units within each class, and of surgeons.

        Returns
        -------
        DataFrame
            label, spread (the generating one), realised (among these units).
        """
        rows = []
        for k, (name, label) in enumerate(CLASSES.items()):
            mine = self.layout.unit_effect[self.layout.unit_class == k]
            rows.append((label, self.parameters[f"spread.unit.{name}"], float(mine.std(ddof=1))))
        surgeons = self.layout.surgeon_effect
        rows.append(
            ("surgeons within a unit", self.parameters["spread.surgeon"], float(surgeons.std(ddof=1)))
        )
        return pd.DataFrame(rows, columns=["label", "spread", "realised"])

    def units(self, joint: str = "hip", *, time: float = 5.0, procedure: str | None = None) -> pd.DataFrame:
        """Return every unit's truth.

        Returns
        -------
        DataFrame
            unit, unit_class, log_effect (against the average unit of its class), and net and crude, the
            standardised probability of revision by `time` years at that unit, by its own surgeons.
        """
        people = self._standard(joint, procedure)
        grid = np.exp(np.linspace(-2.0, 2.0, 13))
        rows = []
        for k, label in enumerate(CLASSES.values()):
            effects = hazards.class_effects(self.parameters)[k]
            at = [
                quadrature.risks(self.parameters, people, effects, (np.array([m]), np.ones(1)), [time])
                for m in grid
            ]
            net, crude = ([float(getattr(r, kind).mean()) for r in at] for kind in ("net", "crude"))
            for unit in np.flatnonzero(self.layout.unit_class == k):
                mine = self.layout.surgeon_unit == unit
                log_m = self.layout.unit_effect[unit] + self.layout.surgeon_effect[mine]
                share = self.layout.surgeon_share[mine]
                rows.append(
                    (
                        self.layout.units[unit],
                        label,
                        self.layout.unit_effect[unit],
                        *(float(share @ _between(np.log(grid), values, log_m)) for values in (net, crude)),
                    )
                )
        return pd.DataFrame(rows, columns=["unit", "unit_class", "log_effect", "net", "crude"])

    def surgeons(self) -> pd.DataFrame:
        """Return every surgeon's true log hazard ratio against the average of their unit, as log_effect."""
        unit = np.array(self.layout.units)[self.layout.surgeon_unit]
        return pd.DataFrame(
            {"surgeon": self.layout.surgeons, "unit": unit, "log_effect": self.layout.surgeon_effect}
        )

    def standardised(
        self,
        joint: str = "hip",
        *,
        times: Sequence[float] = HORIZONS,
        units: Population = "these",
        procedure: str | None = None,
    ) -> pd.DataFrame:
        """Return the true probability of first revision by class, every class given the case mix of all.

        Parameters
        ----------
        joint, procedure
            Whose primaries: ``"hip"`` or ``"knee"``; one procedure, or all of the joint.
        times
            Years from the primary, increasing.
        units
            ``"these"`` or ``"as a kind"``.

        Returns
        -------
        DataFrame
            label, time, then net (if no one could die) and crude (death competes), each with its mc_error;
            and unrevised_years and event_free_years, the true restricted means to that time.
        """
        by_class = self._by_class(joint, procedure, times, units)
        rows = []
        for label, found in by_class.items():
            for t, time in enumerate(times):
                row: dict[str, object] = {"label": label, "time": float(time)}
                for kind in _KINDS:
                    values = getattr(found, kind)[:, t]
                    row |= {kind: float(values.mean()), f"{kind}_mc_error": _error(values)}
                rows.append(row)
        return pd.DataFrame(rows)

    def differences(
        self,
        joint: str = "hip",
        *,
        times: Sequence[float] = HORIZONS,
        units: Population = "these",
        procedure: str | None = None,
        reference: str = REFERENCE,
    ) -> pd.DataFrame:
        """Return true differences between classes in standardised revision, per 1,000 primaries.

        Returns
        -------
        DataFrame
            label, time, net and crude (more than 0 is more revisions than the reference class) with mc_error,
            and unrevised_months, the difference in revision-free months to that time.
        """
        by_class = self._by_class(joint, procedure, times, units)
        if reference not in by_class:
            raise InputError(
                f"There is no class {reference!r}.{nearest(reference, by_class)} "
                f"Expected one of: {', '.join(by_class)}."
            )
        rows = []
        for label, found in by_class.items():
            for t, time in enumerate(times) if label != reference else ():
                row: dict[str, object] = {"label": label, "time": float(time)}
                for kind, name, per in _CONTRASTS:
                    gap = per * (getattr(found, kind)[:, t] - getattr(by_class[reference], kind)[:, t])
                    row |= {name: float(gap.mean()), f"{name}_mc_error": _error(gap)}
                rows.append(row)
        return pd.DataFrame(rows)

    def unadjusted(
        self, joint: str = "hip", *, times: Sequence[float] = HORIZONS, procedure: str | None = None
    ) -> pd.DataFrame:
        """Return what crude curves by class tend to as the registry grows, referral and case mix included.

        Returns
        -------
        DataFrame
            label, time, crude (what cumulative incidence tends to) with mc_error, and kaplan_meier: what
            1 - Kaplan–Meier tends to, deaths taken as censoring, which is not the net risk where what brings
            death (age) also bears on revision.
        """
        everyone = self._standard(joint, procedure)
        rows = []
        for k, label in enumerate(CLASSES.values()):
            people = everyone.take(everyone.unit_class == k)
            if not len(people):  # a class may be switched off
                continue
            effects, multiplier = hazards.class_effects(self.parameters)[k], self._multiplier(k, "these")
            found = quadrature.risks(self.parameters, people, effects, multiplier, times)
            rule = quadrature.time_rule(times)
            product_limit = _limit([_presence(self.parameters, people, effects, multiplier, rule)], rule)
            for t, time in enumerate(times):
                crude = found.crude[:, t]
                rows.append((label, float(time), crude.mean(), _error(crude), product_limit[t]))
        return pd.DataFrame(rows, columns=["label", "time", "crude", "crude_mc_error", "kaplan_meier"])

    def kaplan_meier(
        self,
        joint: str = "hip",
        *,
        times: Sequence[float] = HORIZONS,
        procedure: str | None = None,
        units: Population = "these",
    ) -> FloatArray:
        """Return what 1 - Kaplan–Meier of all classes together tends to at `times`."""
        everyone, rule = self._standard(joint, procedure), quadrature.time_rule(times)
        effects = hazards.class_effects(self.parameters)
        parts = [
            _presence(
                self.parameters,
                everyone.take(everyone.unit_class == k),
                effects[k],
                self._multiplier(k, units),
                rule,
            )
            for k in range(len(CLASSES))
        ]
        return _limit(parts, rule)

    @cached_property
    def sample(self) -> People:
        """The people over whose case mix truths are averaged, all classes and both joints."""
        return generate(self.parameters, size=self.sample_rows, seed=SAMPLE_SEED).people

    def _standard(self, joint: str, procedure: str | None) -> People:
        if joint not in ("hip", "knee"):
            raise InputError(f"joint is {joint!r}; syn-registry has 'hip' and 'knee'.")
        chosen = self.sample.joint == code_of("joint", joint)
        if procedure is not None:
            known = {"hip": ("total", "resurfacing"), "knee": ("total", "unicompartmental")}[joint]
            if procedure not in known:
                raise InputError(
                    f"procedure is {procedure!r}.{nearest(procedure, known)} "
                    f"Of the {joint}, syn-registry has: {', '.join(known)}."
                )
            chosen &= self.sample.procedure == code_of("procedure", procedure)
        return self.sample.take(chosen)

    def _by_class(
        self, joint: str, procedure: str | None, times: Sequence[float], units: Population
    ) -> dict[str, quadrature.Risks]:
        if units not in get_args(Population):
            raise InputError(f"units is {units!r}; expected 'these' or 'as a kind'.")
        if not len(times) or not (np.diff([0.0, *times]) > 0).all():
            raise InputError(f"times is {list(times)}; expected increasing years above 0.")
        people, effects = self._standard(joint, procedure), hazards.class_effects(self.parameters)
        return {
            label: quadrature.risks(self.parameters, people, effects[k], self._multiplier(k, units), times)
            for k, label in enumerate(CLASSES.values())
        }

    def _multiplier(self, position: int, units: Population) -> tuple[FloatArray, FloatArray]:
        """Return values and weights of exp(unit + surgeon effect) in a class."""
        if units == "these":
            of = self.layout.surgeon_unit
            mine = self.layout.unit_class[of] == position
            log_m = self.layout.unit_effect[of] + self.layout.surgeon_effect
            weight = self.layout.unit_share[of] * self.layout.surgeon_share
            return quadrature.compress(np.exp(log_m[mine]), weight[mine])
        p, name = self.parameters, list(CLASSES)[position]
        x, w = np.polynomial.hermite_e.hermegauss(_HERMITE)
        spread = np.hypot(p[f"spread.unit.{name}"], p["spread.surgeon"])
        slopes, share = _volume_effects(p)
        values = np.exp(np.add.outer(spread * x, slopes)).ravel()
        return quadrature.compress(values, np.multiply.outer(w / w.sum(), share).ravel())


_KINDS = ("net", "crude", "unrevised_years", "event_free_years")
_CONTRASTS = (
    ("net", "net", 1000.0),
    ("crude", "crude", 1000.0),
    ("unrevised_years", "unrevised_months", 12.0),
)


def _volume_effects(p: Parameters) -> tuple[FloatArray, FloatArray]:
    """Return log effects of surgeons' volume alone, and shares of patients, over many units."""
    names = {f"units.count.{name}": float(_SIMULATED_UNITS // 4) for name in CLASSES}
    alone = p.changed({**names, "spread.surgeon": 0.0})
    layout = layout_of(alone, SAMPLE_SEED)
    share = layout.surgeon_share / layout.surgeon_share.sum()
    values, weights = quadrature.compress(np.exp(layout.surgeon_effect), share)
    return np.log(values), weights


def _between(x: list[float] | FloatArray, y: list[float], at: FloatArray) -> FloatArray:
    from scipy.interpolate import CubicSpline

    # Risk is nearly in proportion to the multiplier: on log scales the spline has little to bend.
    return np.asarray(np.exp(CubicSpline(x, np.log(y))(at)))


def _error(values: FloatArray) -> float:
    """Return the standard error of the mean from batches: both sides of a person stand together."""
    batches = np.array([part.mean() for part in np.array_split(values, _BATCHES)])
    return float(batches.std(ddof=1) / np.sqrt(_BATCHES))


def _limit(parts: Iterable[tuple[FloatArray, FloatArray]], rule: quadrature.TimeRule) -> FloatArray:
    """Return what 1 - Kaplan–Meier tends to: 1 - exp(-integral of the hazard among those still there)."""
    failing, present = (np.sum(part, axis=0) for part in zip(*parts, strict=True))
    return np.asarray(-np.expm1(-rule.cumulated((failing / present)[None])[0]))


def _presence(
    p: Parameters,
    people: People,
    effects: FloatArray,
    multiplier: tuple[FloatArray, FloatArray],
    rule: quadrature.TimeRule,
) -> tuple[FloatArray, FloatArray]:
    """Return, at the nodes of time, the sums of hazard among those still there, and of those still there."""
    joint = "hip" if people.joint[0] == code_of("joint", "hip") else "knee"
    shape = p.row(f"baseline.{joint}.*.shape", hazards.REASONS)
    power = hazards.cumulative_hazard_power(p, joint, rule.node)
    failing, present = np.zeros(len(rule.node)), np.zeros(len(rule.node))
    for some in people.pieces():
        scale = hazards.revision_scale(p, some) * np.exp(effects)
        dying = hazards.death(p, some)
        alive = np.exp(-(dying.rate / dying.slope)[:, None] * np.expm1(dying.slope[:, None] * rule.node))
        cumulative, hazard = scale @ power.T, scale @ (shape * power / rule.node[:, None]).T
        for m, weight in zip(*multiplier, strict=True):
            here = weight * np.exp(-m * cumulative) * alive
            failing += (m * hazard * here).sum(axis=0)
            present += here.sum(axis=0)
    return failing, present
