"""How much of the spread between units is chance, case mix, class of unit, and the unit itself.

The crude rate of unit j is taken apart, draw by draw of the posterior (the model of `units.joint` with one
outcome), into parts that add up to it exactly::

    crude_j - overall = [m_j - overall] + [c_j - m_j] + [p_j - c_j] + [crude_j - p_j]
                           case mix         class         unit          chance

m_j is what unit j's own patients would have at the level of all units, c_j at their class's average level,
and p_j at the unit's own. With units weighted by their patients, a part's share of the observed variance
is its covariance with the crude rate over that variance: the shares add up to 1, and what two parts have
in common is split evenly. A share may be a little below 0 where a part runs against the rest.

Further: tau, the standard deviation between units of a class; the median odds ratio exp(sqrt(2) z tau) with
z = 0.6745, which is how much the odds differ between two units taken at random, the worse over the better;
reliability tau^2 / (tau^2 + 1 / I_j), the share of signal in a unit's own rate; the patients a unit needs for
reliability 0.7; and what would be gained if the worst fifth of units had the average of all.

The worst fifth, three ways, none of which is the others:

- *as counted*: crude standardised excess of the units that look worst, as if no part of it were chance;
- *the same units, allowing for chance*: what acting on those units could be expected to gain;
- *whichever are truly worst*: the worst fifth of every draw, did one but know them.

When not to use it
    - To say why units differ: what was not recorded of patients counts as the unit here.
    - For single units: ranks and funnels are for that.
    - Fewer than ten units: the spread is then mostly prior.

Sources: Gelman and Pardoe (2006), Technometrics 48:241, for variances of the units at hand, draw by draw;
Larsen and Merlo (2005), Am J Epidemiol 161:81, for the median odds ratio; Adams (2009), RAND TR-653, for
reliability.

Checked against: lme4::glmer (tests/reference/joint), simulation with known parts (tests/unit).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from soa_evidence import priors as named_priors
from soa_evidence.errors import InputError, require_seed
from soa_evidence.priors import JointPriors
from soa_evidence.results import Check, Estimates
from soa_evidence.sampling import Settings
from soa_evidence.units import variation_direct
from soa_evidence.units.joint_draws import JointDraws, Layers, draw, layers
from soa_evidence.units.posterior import refusal
from soa_evidence.units.summaries import PER_SD, Events, Outcome, Score, Summary, summarise, tally
from soa_evidence.units.variation_bins import bins
from soa_evidence.units.variation_tables import flags, mostly_chance, table, worst_checks

__all__ = [
    "PARTS",
    "WAYS",
    "Events",
    "Score",
    "VariationResult",
    "bins",
    "fit",
    "flags",
    "mostly_chance",
    "table",
    "worst_checks",
]

FloatArray = NDArray[np.float64]
METHOD = "units.variation"
INDEPENDENT = 2000  # draws, when they are independent
SETTINGS = Settings(draws=800, tune=300, chains=4)  # of the sweeps
PARTS = ("chance", "case mix", "class of unit", "the unit itself")
RELIABLE = 0.7
FEWEST_UNITS = 10
MOST_PATIENTS = 1e7  # needed for reliability: beyond any unit; a spread of nought needs infinitely many
WAYS = ("as counted", "the same units, allowing for chance", "whichever are truly worst")


@dataclass(frozen=True, eq=False, kw_only=True)
class VariationResult:
    """What `units.variation.fit` found.

    Attributes
    ----------
    shares : Estimates
        Share of the observed variance, per part of `PARTS`; each draw adds up to 1.
    observed_sd, expected_by_chance_sd : float
        Standard deviation of crude rates (probability, or points), weighted by patients; and what chance
        alone would give units that do not differ but in case mix and level, from the binomial formula.
    part_sd : Estimates
        Standard deviation of each part over units, same unit.
    spread : Estimates
        tau of a unit taken at random, log odds (for a score in standard deviations between patients).
    median_odds_ratio : Estimates
        Log of it; for a score exp is the median ratio of odds that its spread is worth.
    reliability : Estimates
        Of the median unit; and patient-weighted over units.
    patients_needed : Estimates
        Log of the patients a unit of usual case mix needs for reliability 0.7.
    worst_fifth : Estimates
        Events (or points) a year, in the three ways of `WAYS`, that would be spared (gained) if the worst
        fifth of units had the average.
    worst_units, worst_patients : int
        How many units the worst fifth is, and patients a year at those that look worst.
    units : DataFrame
        unit, group, patients, crude, expected (case mix alone), estimate, reliability, side (better, worse or
        as expected), p_value (two-sided: how often chance alone would put the crude rate as far from what is
        expected; binomial mid-p, or normal for a score).
    outcome : Events or Score
    priors : JointPriors
    checks : tuple of Check
    """

    shares: Estimates
    observed_sd: float
    expected_by_chance_sd: float
    part_sd: Estimates
    spread: Estimates
    median_odds_ratio: Estimates
    reliability: Estimates
    patients_needed: Estimates
    worst_fifth: Estimates
    worst_units: int
    worst_patients: float
    units: pd.DataFrame
    outcome: Outcome
    priors: JointPriors
    checks: tuple[Check, ...]

    def __repr__(self) -> str:
        return f"units.variation, {self.outcome.label}\n{self.shares!r}\n{self.worst_fifth!r}"

    def _repr_html_(self) -> str:
        return self.shares._repr_html_() + self.worst_fifth._repr_html_()


def fit(
    frame: pd.DataFrame,
    *,
    outcome: Outcome,
    unit: str,
    group: str,
    years: float,
    seed: int,
    case_mix: Sequence[str] = (),
    priors: str = "default",
    settings: Settings | None = None,
) -> VariationResult:
    """Take the spread between units apart.

    Parameters
    ----------
    frame
        One row per unit and case-mix stratum.
    outcome
        `Events` (counts) or `Score` (sums).
    unit, group
        Columns: the unit and its class.
    years
        Over how many years the frame counts, for results a year.
    seed
        Recorded seed.
    case_mix
        Columns of case-mix factors.
    priors
        A name from `priors.JOINT_PRIORS`.
    settings
        Chains and draws: so many independent draws (`variation_direct`), or where they cannot be had (a
        score, classes of one spread) or are not sound, sweeps.

    Raises
    ------
    InputError
        On a bad frame (see `cells.prepare`, `summaries.summarise`), fewer than three units, years that are
        not above 0, an unknown prior or a bad seed.
    """
    chosen = named_priors.joint(priors)
    if not isinstance(outcome, Events | Score):
        raise InputError(f"outcome is {outcome!r}; expected units.variation.Events(...) or Score(...).")
    if isinstance(years, bool) or not isinstance(years, int | float) or not 0 < years < np.inf:
        raise InputError(f"years={years!r}: expected the number of years that were counted, above 0.")
    require_seed(seed)
    keys = [case_mix] if isinstance(case_mix, str) else list(case_mix)
    summary = summarise(frame, outcome, unit=unit, group=group, case_mix=keys)
    if len(summary.cells.units) < 3:
        raise InputError(
            f"{len(summary.cells.units)} unit{'s have' if len(summary.cells.units) != 1 else ' has'} data on "
            f"'{outcome.label}'; a spread between units needs at least three."
        )
    laid = layers(tally(frame, [outcome], [unit, group, *keys]), [summary])
    drawn, checks = _draws(laid, chosen, settings=settings, seed=seed)
    checks = (*checks, _units_check(summary))
    return _describe(summary, drawn, years=float(years), priors=chosen, checks=checks)


def _draws(
    laid: Layers, priors: JointPriors, *, settings: Settings | None, seed: int
) -> tuple[JointDraws, tuple[Check, ...]]:
    """Independent draws where they can be had and are sound; else sweeps, and why."""
    refused: tuple[Check, ...] = ()
    if laid.exact.all() and priors.class_log_spread_sd > 0:
        many = settings.chains * settings.draws if settings else INDEPENDENT
        found, check = variation_direct.draw(laid, priors, draws=many, seed=seed)
        if found is not None:
            return found, found.checks
        refused = (
            replace(refusal(check), observed=f"not used: {check.observed}; Gibbs sweeps stand instead"),
        )
    drawn = draw(laid, priors, settings=settings or SETTINGS, seed=seed, thin=12)
    return drawn, (*refused, *drawn.checks[:3])


def _describe(
    summary: Summary, drawn: JointDraws, *, years: float, priors: JointPriors, checks: tuple[Check, ...]
) -> VariationResult:
    cells, patients = summary.cells, summary.patients
    level = drawn.level[:, :, 0]
    weight = patients / patients.sum()
    crude = summary.totals / patients
    overall = float(weight @ crude)
    middle = (level @ weight)[:, None]
    # a class's level is that of the units seen, so that what is left sums to nothing within it
    inside = np.equal.outer(cells.group_of_unit, np.arange(len(cells.groups))) * patients[:, None]
    of_class = (level @ (inside / inside.sum(axis=0)))[:, cells.group_of_unit]
    # levels are told for everybody's case mix; a unit's own patients go with the case mix of the same draw
    mixed = drawn.case_mix[0] if drawn.case_mix else np.zeros((len(level), len(summary.case_mix)))
    by_mix = summary.own(np.broadcast_to(middle, level.shape), mixed)
    by_class, by_unit = summary.own(of_class, mixed), summary.own(level, mixed)
    parts = np.stack([crude - by_unit, by_mix - overall, by_class - by_mix, by_unit - by_class])
    apart = crude - overall
    variance = float(weight @ apart**2)
    if not variance > 0:
        raise InputError(
            f"'{summary.outcome.label}': every unit has the same crude rate, so there is no spread "
            f"to take apart."
        )
    share = np.einsum("psj,j->sp", parts, weight * apart) / variance
    centred = parts - np.einsum("psj,j->ps", parts, weight)[:, :, None]
    sd = np.sqrt(np.einsum("psj,j->sp", centred**2, weight))
    tau = drawn.of_units(cells.group_of_unit)[:, 0]
    information = summary.information
    reliability = tau[:, None] ** 2 / (tau[:, None] ** 2 + 1 / information)
    per_patient = float(information.sum() / patients.sum())
    needed = RELIABLE / (1 - RELIABLE) / (per_patient * np.maximum(tau**2, 1e-12))
    middle_unit = int(np.argsort(information)[len(information) // 2])
    gain, look_worst = _worst_fifth(summary, level, middle, by_unit, by_mix)

    def estimates(what: str, labels: Sequence[str], in_unit: str, values: FloatArray) -> Estimates:
        return Estimates(
            estimand=what, labels=tuple(labels), unit=in_unit, method=METHOD, draws=values,
            interval="credible", checks=checks,
        )  # fmt: skip

    events = isinstance(summary.outcome, Events)
    label = summary.outcome.label
    in_unit = "probability" if events else summary.outcome.unit
    return VariationResult(
        shares=estimates(f"share of the observed variance between units, {label}", PARTS, "share", share),
        observed_sd=float(np.sqrt(variance)),
        expected_by_chance_sd=_by_chance(summary, by_unit.mean(axis=0)),
        part_sd=estimates(f"standard deviation over units, {label}", PARTS, in_unit, sd),
        spread=estimates(
            f"standard deviation between units of a class, {label}", [label],
            "log odds" if events else "standard deviations between patients",
            tau[:, None] if events else tau[:, None] / PER_SD,
        ),
        median_odds_ratio=estimates(
            f"log median odds ratio, {label}", [label], "log odds ratio",
            np.sqrt(2) * stats.norm.ppf(0.75) * tau[:, None],
        ),
        reliability=estimates(
            f"reliability of a unit's own rate, {label}", ["median unit", "all units, by patients"], "share",
            np.column_stack([reliability[:, middle_unit], reliability @ weight]),
        ),
        patients_needed=estimates(
            f"log patients needed for reliability {RELIABLE}, {label}", [label], "log patients",
            np.log(np.minimum(needed, MOST_PATIENTS))[:, None],
        ),
        worst_fifth=estimates(
            f"gained a year if the worst fifth of units had the average, {label}", WAYS,
            "patients a year" if events else f"{summary.outcome.unit} a year", gain / years,
        ),
        worst_units=len(look_worst),
        worst_patients=float(patients[look_worst].sum() / years),
        units=pd.DataFrame(
            {
                "unit": cells.units,
                "group": np.array(cells.groups, dtype=object)[cells.group_of_unit],
                "patients": patients.astype(int),
                "crude": crude,
                "expected": by_mix.mean(axis=0),
                "estimate": by_unit.mean(axis=0),
                "reliability": reliability.mean(axis=0),
                **_against_chance(summary, by_mix.mean(axis=0)),
            }
        ),
        outcome=summary.outcome,
        priors=priors,
        checks=checks,
    )  # fmt: skip


def _against_chance(summary: Summary, expected: FloatArray) -> dict[str, NDArray[np.object_] | FloatArray]:
    """Side of every unit, and how often chance alone would put it as far from what is expected."""
    apart = summary.totals / summary.patients - expected
    good = apart if summary.outcome.better == "higher" else -apart
    if isinstance(summary.outcome, Events):
        law = stats.binom(summary.patients, expected)
        half = 0.5 * law.pmf(summary.totals)
        tail = np.minimum(law.cdf(summary.totals - 1) + half, law.sf(summary.totals) + half)
    else:
        tail = stats.norm.sf(np.abs(apart) * np.sqrt(summary.information) * summary.per_point)
    side = np.select([good > 0, good < 0], ["better", "worse"], "as expected").astype(object)
    return {"side": side, "p_value": np.minimum(1.0, 2 * tail)}


def _by_chance(summary: Summary, mean: FloatArray) -> float:
    """Return the standard deviation that chance alone gives crude rates about what is expected."""
    patients = summary.patients
    weight = patients / patients.sum()
    if isinstance(summary.outcome, Events):
        variance = mean * (1 - mean) / patients
    else:
        variance = 1 / (summary.information * summary.per_point**2)
    return float(np.sqrt((weight * (1 - weight) * variance).sum()))


def _worst_fifth(
    summary: Summary, level: FloatArray, middle: FloatArray, by_unit: FloatArray, by_mix: FloatArray
) -> tuple[FloatArray, NDArray[np.int64]]:
    """Gains (S, 3) in the three ways, over all years, and which units look worst."""
    sign = -1.0 if summary.outcome.better == "higher" else 1.0
    patients = summary.patients
    many = max(1, len(patients) // 5)
    expected = by_mix.mean(axis=0)
    # which look worst: the crude rate against what case mix alone would give
    look = sign * (summary.totals / patients - expected)
    worst = np.argsort(-look, kind="stable")[:many]
    counted = np.broadcast_to((look[worst] * patients[worst]).sum(), (len(level),))
    excess = sign * (by_unit - by_mix) * patients
    truly = np.argsort(-sign * (level - middle), axis=1, kind="stable")[:, :many]
    gain = np.column_stack(
        [counted, excess[:, worst].sum(axis=1), np.take_along_axis(excess, truly, axis=1).sum(axis=1)]
    )
    return gain, np.asarray(worst)


def _units_check(summary: Summary) -> Check:
    many = len(summary.cells.units)
    return Check(
        name="units to judge a spread by",
        verdict="pass" if many >= FEWEST_UNITS else "warn",
        observed=str(many),
        expected=f"at least {FEWEST_UNITS}",
        why="with few units the spread between them is mostly what was presumed of it",
    )
