r"""A cohort with a new joint, year by year: not revised, revised, revised again, dead; its costs and QALYs.

States: *operation*, *not revised*, *revision* and *revised again* (the years in which these operations are
done), *revised*, *re-revised*, *dead*. In cycle t a joint that is not revised is revised with probability
:math:`p_t = 1 - \exp[-\rho_t\{H(t+1) - H(t)\}]`, H the cumulative hazard of the revision law and
:math:`\rho_t` the strategy's hazard ratio (1 once its effect has ended); background death has probability
:math:`d_t`; an operation adds its own mortality. After a revision the joint is revised again with a constant
yearly probability.

Effects are the sum over cycles of occupancy times utility times :math:`(1 + r_e)^{-\tau}`, costs that of
operations times their cost times :math:`(1 + r_c)^{-\tau}`. *When within a cycle* is a choice that is stated
(``counting``): occupancy at the cycle's ``end``, its ``start``, or ``half-cycle``, the mean of both, with
:math:`\tau` at the end, the start or the middle. Operations happen when they happen: at the end of the cycle,
or in its middle under the half-cycle correction.

`run` is pure: the same model and values give the same outcomes, for one set of values or for many draws.

When not to use it: where the risk of a second revision depends on time since the first (`survival.multistate`
estimates that); for two joints of one patient; to compare strategies that differ in mortality or pain without
giving them parameters of their own.

Checked against: the total hip model of Briggs, Claxton and Sculpher (Decision modelling for health economic
evaluation, 2006, chapters 2 and 3) to every printed digit; an R loop by transition matrices
(tests/reference/economics).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from soa_evidence.economics.outcomes import STATES, Outcomes
from soa_evidence.economics.revision_laws import RevisionLaw, require_names
from soa_evidence.errors import InputError, nearest
from soa_evidence.results import Check

__all__ = ["FALLBACKS", "ROLES", "Model", "Strategy", "run"]

FloatArray = NDArray[np.float64]
Counting = Literal["end", "start", "half-cycle"]
#: Parameters every model needs, by the name they have among the inputs.
ROLES = (
    "cost_primary",
    "cost_revision",
    "death_primary",
    "death_revision",
    "re_revision",
    "utility_primary",
    "utility_revision_year",
    "utility_revised",
)
#: Parameters that may be left out, and the one that then takes their place.
FALLBACKS = {
    "cost_re_revision": "cost_revision",
    "death_re_revision": "death_revision",
    "further_revision": "re_revision",
    "utility_primary_year": "utility_primary",
    "utility_re_revision_year": "utility_revision_year",
    "utility_re_revised": "utility_revised",
}
_ROUNDING = 1e-10
_STILL_ALIVE = 0.01


@dataclass(frozen=True, eq=False, kw_only=True)
class Strategy:
    """What is done, and how it differs from the revision law and the costs that all share.

    Parameters
    ----------
    label
        Its name in every table.
    log_hazard_ratio
        Name of the parameter with the log hazard ratio of revision against the model's law; None: the law.
    extra_cost
        Name of the parameter with the cost at the first operation beyond ``cost_primary``; None: nothing.
    """

    label: str
    log_hazard_ratio: str | None = None
    extra_cost: str | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class Model:
    """What is compared and how it is counted; everything but the values of the parameters.

    Parameters
    ----------
    strategies
        The first is the reference.
    revision
        The law of first revision.
    death : array of shape (cycles,)
        Probability of background death in each yearly cycle.
    discount_costs, discount_effects
        Yearly rates, such as 0.035.
    counting
        ``"end"``, ``"start"`` or ``"half-cycle"``.
    utility_by_age : array of shape (cycles + 1,), optional
        What all utilities are multiplied by at the cycles' ends; 1 throughout by default.
    effect_years
        Years after which a strategy's hazard ratio is 1 again; None: it lasts.
    first_cycle
        ``"full"``: in the year of the operation patients may also die of other causes and be revised;
        ``"operation only"``: only operative death, as in the textbook's model.
    """

    strategies: tuple[Strategy, ...]
    revision: RevisionLaw
    death: FloatArray
    discount_costs: float
    discount_effects: float
    counting: Counting
    utility_by_age: FloatArray | None = None
    effect_years: float | None = None
    first_cycle: Literal["full", "operation only"] = "full"

    def __post_init__(self) -> None:
        labels = [strategy.label for strategy in self.strategies]
        if not labels or len(set(labels)) != len(labels):
            raise InputError(f"Strategies are {labels}; expected at least one, each with a name of its own.")
        death = np.array(self.death, dtype=float)
        if death.ndim != 1 or len(death) < 1 or not ((death >= 0) & (death <= 1)).all():
            raise InputError("death must be one probability from 0 to 1 for each cycle, at least one.")
        death.setflags(write=False)
        object.__setattr__(self, "death", death)
        for name in ("discount_costs", "discount_effects"):
            rate = getattr(self, name)
            if not (np.isfinite(rate) and 0 <= rate < 1):
                raise InputError(
                    f"{name} is {rate}; expected a yearly rate from 0 to below 1, such as 0.035."
                )
        if self.counting not in get_args(Counting):
            raise InputError(
                f"counting is {self.counting!r}.{nearest(self.counting, get_args(Counting))} "
                f"Expected one of: "
                f"{', '.join(get_args(Counting))}."
            )
        if self.first_cycle not in ("full", "operation only"):
            raise InputError(f"first_cycle is {self.first_cycle!r}; expected 'full' or 'operation only'.")
        if self.effect_years is not None and not self.effect_years >= 0:
            raise InputError(f"effect_years is {self.effect_years}; expected 0 or more, or None.")
        ageing = (
            np.ones(len(death) + 1) if self.utility_by_age is None else np.array(self.utility_by_age, float)
        )
        if ageing.shape != (len(death) + 1,) or not (np.isfinite(ageing) & (ageing >= 0)).all():
            raise InputError(
                f"utility_by_age has shape {ageing.shape}; expected {len(death) + 1} values from "
                f"0: one at each "
                "cycle's start and one at the last one's end."
            )
        ageing.setflags(write=False)
        object.__setattr__(self, "utility_by_age", ageing)

    @property
    def cycles(self) -> int:
        """Number of yearly cycles."""
        return len(self.death)

    @property
    def names(self) -> tuple[str, ...]:
        """Every parameter the model reads, those with a fall-back left out."""
        own = [n for s in self.strategies for n in (s.log_hazard_ratio, s.extra_cost) if n]
        shift = getattr(self.revision, "shift", None)
        return tuple(dict.fromkeys([*self.revision.names, *([shift] if shift else []), *ROLES, *own]))

    def changed(self, **changes: Any) -> Model:
        """Return the same model with some attributes exchanged, e.g. ``changed(effect_years=10)``."""
        unknown = next((name for name in changes if name not in self.__dataclass_fields__), None)
        if unknown is not None:
            raise InputError(f"A model has no '{unknown}'.{nearest(unknown, self.__dataclass_fields__)}")
        return replace(self, **changes)


def run(model: Model, values: Mapping[str, FloatArray]) -> Outcomes:
    """Run the cohort for every draw and strategy.

    Parameters
    ----------
    model
        What is compared and how it is counted.
    values : mapping of name to array of shape (draws,) or (1,)
        From ``Inputs.values()`` (one set) or ``Inputs.draw()``.

    Returns
    -------
    Outcomes
        Costs, QALYs, life years and revisions per patient, by draw and strategy.

    Raises
    ------
    InputError
        On a missing parameter (naming the nearest), arrays of unequal length, a probability outside 0 to 1,
        or probabilities of one state that add up to more than 1.
    """
    v = _read(model, values)
    n, shape = len(v["cost_primary"]), (len(model.strategies), len(v["cost_primary"]))
    risk = _revision_risk(model, v, shape)
    extra = [v[s.extra_cost] if s.extra_cost else np.zeros(n) for s in model.strategies]
    ageing, trace = np.asarray(model.utility_by_age), np.zeros((model.cycles + 1, len(STATES), len(extra)))
    at_start: tuple[FloatArray, ...] = (np.ones(shape), *(np.zeros(shape) for _ in STATES[1:]))
    trace[0] = [state.mean(axis=1) for state in at_start]
    costs = v["cost_primary"] + np.stack(extra)
    qalys, years, first, every = (np.zeros(shape) for _ in range(4))
    worst, lost = 0.0, 0.0
    for t, death in enumerate(model.death):
        at_end, revised, again, leaving = _step(at_start, risk[t], float(death), v, model, t == 0)
        worst, lost = max(worst, leaving), max(lost, float(np.abs(sum(at_end) - 1.0).max()))
        weight, moment = {"end": (1.0, t + 1.0), "start": (0.0, float(t)), "half-cycle": (0.5, t + 0.5)}[
            model.counting
        ]
        when = t + (0.5 if model.counting == "half-cycle" else 1.0)
        costs += (revised * v["cost_revision"] + again * v["cost_re_revision"]) / (
            1 + model.discount_costs
        ) ** when
        lived = np.zeros(shape)
        for share, states, age in ((weight, at_end, t + 1), (1 - weight, at_start, t)):
            if share:
                qalys += _utility(v, states) * (share * ageing[age] / (1 + model.discount_effects) ** moment)
                lived += share * (1 - states[-1])
        years += lived
        first += revised
        every += revised + again
        at_start = at_end
        trace[t + 1] = [state.mean(axis=1) for state in at_end]
    return Outcomes(
        strategies=tuple(s.label for s in model.strategies),
        costs=costs.T,
        qalys=qalys.T,
        life_years=years.T,
        first_revisions=first.T,
        revisions=every.T,
        trace=trace,
        counting=model.counting,
        checks=_checks(worst, lost, float(1 - trace[-1, -1].min()), model.cycles),
    )


def _read(model: Model, values: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
    require_names(model.names, values)
    v = {name: np.atleast_1d(np.asarray(values[name], dtype=float)) for name in model.names}
    v |= {
        name: np.atleast_1d(np.asarray(values[name], dtype=float)) if name in values else v[instead]
        for name, instead in FALLBACKS.items()
    }
    n = max(len(array) for array in v.values())
    for name, array in v.items():
        if array.ndim != 1 or len(array) not in (1, n):
            raise InputError(
                f"Parameter '{name}' has {array.shape} values while others have {n}; every "
                f"parameter needs one "
                "value a draw, of the same draws."
            )
        if not np.isfinite(array).all():
            raise InputError(f"Parameter '{name}' holds values that are not finite.")
        if name.startswith(("death_", "re_revision", "further_")) and ((array < 0) | (array > 1)).any():
            worst = float(array[np.argmax(np.abs(array - 0.5))])
            raise InputError(f"Parameter '{name}' is {worst:.4g}; a probability lies from 0 to 1.")
        if name.startswith("utility_") and (array > 1).any():
            raise InputError(
                f"Parameter '{name}' is {array.max():.4g}; full health is 1, nothing is above it."
            )
        if name.startswith("cost_") and (array < 0).any():
            raise InputError(f"Parameter '{name}' is {array.min():.4g}; a cost is 0 or more.")
        v[name] = np.broadcast_to(array, (n,))
    return v


def _revision_risk(model: Model, v: Mapping[str, FloatArray], shape: tuple[int, int]) -> FloatArray:
    """Probability of a first revision in each cycle, shape (cycles, strategies, draws)."""
    ends = np.arange(model.cycles + 1, dtype=float)
    hazard = np.diff(model.revision.cumulative(v, ends), axis=1).T
    none = np.zeros(shape[1])
    ratio = np.exp(
        np.stack([v[s.log_hazard_ratio] if s.log_hazard_ratio else none for s in model.strategies])
    )
    lasting = (
        np.ones(model.cycles) if model.effect_years is None else np.clip(model.effect_years - ends[:-1], 0, 1)
    )
    by_year = lasting[:, None, None] * ratio + (1 - lasting)[:, None, None]
    return np.asarray(-np.expm1(-hazard[:, None, :] * by_year))


def _step(
    states: tuple[FloatArray, ...],
    p: FloatArray,
    d: float,
    v: Mapping[str, FloatArray],
    model: Model,
    first: bool,
) -> tuple[tuple[FloatArray, ...], FloatArray, FloatArray, float]:
    """One cycle: states at its end, first revisions, later ones, and the largest probability of leaving."""
    operation, intact, revision, revised, again, re_revised, dead = states
    only = first and model.first_cycle == "operation only"
    op_death = v["death_primary"] + (0.0 if only else d)
    op_revised = 0.0 if only else p
    to_dead_1, to_dead_2 = v["death_revision"] + d, v["death_re_revision"] + d
    leaving = max(
        float(np.max(op_death + op_revised)) if first else 0.0,
        float(np.max(p)) + d if not first else 0.0,
        *(float(np.max(x)) for x in (to_dead_1, to_dead_2, v["re_revision"] + d, v["further_revision"] + d)),
    )
    if leaving > 1 + _ROUNDING:
        raise InputError(
            f"In one year {leaving:.3f} of those in a state would leave it, by revision and by "
            f"death; at most 1 "
            "can. Look at the hazard of revision and the life table at high ages."
        )
    new = op_revised * operation + p * intact
    later = v["re_revision"] * revised + v["further_revision"] * re_revised
    return (
        (
            np.zeros_like(operation),
            operation * (1 - op_death - op_revised) + intact * (1 - p - d),
            new,
            revision * (1 - to_dead_1) + revised * (1 - v["re_revision"] - d),
            later,
            again * (1 - to_dead_2) + re_revised * (1 - v["further_revision"] - d),
            dead
            + operation * op_death
            + d * (intact + revised + re_revised)
            + revision * to_dead_1
            + again * to_dead_2,
        ),
        new,
        later,
        leaving,
    )


def _utility(v: Mapping[str, FloatArray], states: tuple[FloatArray, ...]) -> FloatArray:
    operation, intact, revision, revised, again, re_revised, _ = states
    return np.asarray(
        operation * v["utility_primary_year"]
        + intact * v["utility_primary"]
        + revision * v["utility_revision_year"]
        + revised * v["utility_revised"]
        + again * v["utility_re_revision_year"]
        + re_revised * v["utility_re_revised"]
    )


def _checks(worst: float, lost: float, alive: float, cycles: int) -> tuple[Check, ...]:
    return (
        Check(
            name="nobody is lost or made: states add up to 1 in every cycle",
            verdict="pass" if lost < _ROUNDING else "fail",
            observed=f"largest gap {lost:.1e}",
            expected=f"below {_ROUNDING:.0e}",
            why="a row of the transition matrix that does not add up to 1 makes patients or loses them",
        ),
        Check(
            name="probabilities of leaving a state in one year",
            verdict="pass" if worst <= 1 + _ROUNDING else "fail",
            observed=f"largest {worst:.3f}",
            expected="at most 1",
            why="revision and death compete within a year; beyond 1 they would take the same patient twice",
        ),
        Check(
            name="still alive when the model ends",
            verdict="pass" if alive <= _STILL_ALIVE else "warn",
            observed=f"{alive:.2%} after {cycles} years",
            expected=f"at most {_STILL_ALIVE:.0%}",
            why="what happens to them afterwards is not counted",
        ),
    )
