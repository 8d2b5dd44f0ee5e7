"""Units compared on time to revision, death competing: hierarchical survival model with classes of unit.

The model, for a procedure at unit j (of class g) on a patient with case-mix pattern x, in time band b::

    log hazard of revision = level_j + shape_b + departure_g,period(b) + x' case_mix
    level_j         ~ Normal(class_level_g, class_spread_g)
    class_level_g   ~ Normal(common, .)            log class_spread_g ~ Normal(typical, .)
    shape_b+1 - shape_b ~ Normal(0, smoothing^2 * (log m_b+1 - log m_b))       m_b the middle of band b
    departure_g,p   ~ Normal(0, period_spread^2)
    log hazard of death    = death_level_g + death_shape_b + x' death_case_mix

Hazards are constant within a band, so that a million procedures are, exactly, the events and the person-years
of their cells. The shape is a random walk over bands whose steps grow with the log of time: hazards after
surgery change fast in the first months and slowly after years, the walk leaves neighbouring bands to smooth
one another where events are few, and unlike a spline it has closed-form integrals and its bands are those
that registries print. `departure` lets the ratio between classes change with time, shrunk towards a constant
ratio. `x` is centred on all patients, `shape` has mean 0 over the years, so `level_j` is unit j's mean log
hazard a year for the average case mix. The priors are in `priors`.

What comes out (`HierarchicalResult`), for *these units* as they are and for *units as a kind*, which are
never mixed, all at the case mix of all patients (g-computation): the *net* probability of no revision by each
horizon, were nobody to die, with differences per 1,000 and the probability of being better; the *crude*
cumulative incidence of revision where death may come first; months free of revision; hazard ratios by period;
every unit with its rank interval; the prediction for one more unit; curves.

When not to use it
    - Case mix that drives both referral and outcome is not recorded: standardisation cannot mend it.
    - Dying and being revised depend on each other beyond the case mix given: then the net probability means
      little; the crude one keeps its meaning.
    - A class of one unit: its level and its spread cannot be told apart; only *these units* has meaning.
    - Two joints of one patient, or several revisions of one joint: procedures are taken as independent given
      unit and case mix, and observation ends at the first revision.

Sources: Holford (1980), Biometrics 36:299, and Laird and Olivier (1981), JASA 76:231, for the likelihood of
cells; Fahrmeir and Lang (2001), Applied Statistics 50:201, for random-walk baselines; Normand, Glickman and
Gatsonis (1997), JASA 92:803, for units by class; Robins (1986), Mathematical Modelling 7:1393, for
standardisation.

Checked against: a deterministic twin by quadrature and JAGS (tests/reference/hierarchical), simulation with
known truth (tests/calibration).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soa_evidence import priors as named_priors
from soa_evidence.errors import InputError, require_seed
from soa_evidence.results import Check, Estimates, power_scaling
from soa_evidence.results.comparison import reference_classes, require_margin_per_1000
from soa_evidence.results.predictive import predictive_check
from soa_evidence.sampling import Settings, convergence_checks, sample
from soa_evidence.survival import hierarchical_predictive as predictive
from soa_evidence.survival.hierarchical_cells import Cells, prepare
from soa_evidence.survival.hierarchical_contrasts import (
    Averages,
    Maker,
    averages,
    class_table,
    compare,
    sensitivity,
    unit_table,
    units_at,
)
from soa_evidence.survival.hierarchical_curves import curves_for
from soa_evidence.survival.hierarchical_draws import Draws, draws_of
from soa_evidence.survival.hierarchical_layout import death_block, period_of_band, revision_block
from soa_evidence.survival.hierarchical_model import build, data_for
from soa_evidence.survival.hierarchical_normal import death_peak, revision_peak
from soa_evidence.survival.hierarchical_result import ClassComparison, HierarchicalResult, Question

__all__ = ["HierarchicalResult", "fit"]

FloatArray = NDArray[np.float64]

BREAKS = (0, 0.25, 0.5, 1, 2, 3, 5, 7, 10, 15, 20, 25, 30, 40, 50)  # years; the usual bands of registries
PERIODS = (1, 5)  # years at which a new period of the class effect begins, where nothing else is said
FEW_EVENTS = 10  # a class with fewer says little by itself, whatever the model
FEW_AT_RISK = 40  # registries mark a curve as unreliable below it
NAMES = {1: "revision", 2: "death"}


def fit(
    frame: pd.DataFrame,
    *,
    time: str,
    event: str,
    unit: str,
    group: str,
    reference: str | Sequence[str],
    seed: int,
    case_mix: Sequence[str] = (),
    breaks: Sequence[float] | None = None,
    periods: Sequence[float] | None = None,
    entry: str | None = None,
    causes: Mapping[int, str] | None = None,
    horizons: Sequence[float] = (1, 3, 5, 10),
    reference_label: str | None = None,
    margin_per_1000: float = 5.0,
    priors: str = "default",
    settings: Settings | None = None,
) -> HierarchicalResult:
    """Compare classes of unit, and units, on time to revision with death competing.

    Parameters
    ----------
    frame
        One row a procedure.
    time, event
        Years from the procedure to the end of observation, and what ended it: 0 censored, 1 revision,
        2 death.
    unit, group
        The unit, and its class.
    reference
        The class, or classes taken together, that others are compared with.
    seed
        Recorded seed.
    case_mix
        Columns of case-mix factors; every value is a level, including 'unknown'.
    breaks
        Years, from 0 to at least the longest horizon, between which hazards are constant; by default
        0, 0.25, 0.5, 1, 2, 3, 5, 7, 10, … up to the longest horizon. Later follow-up is left out.
    periods
        Breaks at which a new period of the class effect begins; by default those of 1 and 5 years that are
        breaks. An empty list keeps the ratio between classes constant.
    entry
        Years at which observation starts, where later than 0 (delayed entry).
    causes
        Names of the events, by default ``{1: "revision", 2: "death"}``.
    horizons
        Years at which classes and units are compared.
    reference_label
        Name of the reference; needed when it joins several classes.
    margin_per_1000
        Difference, in revisions per 1,000 patients, that would matter.
    priors
        A name from `priors.HIERARCHICAL_PRIORS`.
    settings
        Sampler settings.

    Returns
    -------
    HierarchicalResult

    Raises
    ------
    InputError
        On a bad frame (see `hierarchical_cells.prepare`), breaks or horizons out of order or beyond what was
        observed, fewer than two classes, an unknown reference or prior, or a margin or seed out of range.
    """
    chosen = named_priors.hierarchical(priors)
    require_margin_per_1000(margin_per_1000, of="revisions per 1,000 patients")
    require_seed(seed)
    asked = _horizons(horizons)
    edges = _edges(breaks, asked[-1])
    names = _names(causes)
    cells = prepare(
        frame, time=time, event=event, unit=unit, group=group, case_mix=_listed(case_mix), breaks=edges,
        grid=_grid(edges, asked), entry=entry, causes=names,
    )  # fmt: skip
    _require_at_risk(cells, asked)
    classes, label = reference_classes(cells.groups, reference, reference_label)
    question = Question(
        reference=classes, reference_label=label, horizons=asked, margin_per_1000=margin_per_1000
    )
    begins = _periods(periods, edges)
    revision = revision_block(cells, period_of_band(edges, begins), chosen)
    death = death_block(cells, chosen)
    data = data_for(
        cells, revision, death, revision_peak(cells, revision, chosen), death_peak(cells, death, chosen)
    )
    competing = death if cells.deaths.any() else None
    tree = sample(build(cells, data, revision, competing, chosen), seed=seed, settings=settings or Settings())
    draws = draws_of(tree, cells, revision, competing)
    replicated = predictive.replicate(cells, draws, seed=seed)
    checks = (*convergence_checks(tree), predictive_check(replicated), *_data_checks(cells, question))
    return _summarise(cells, draws, question, begins, chosen, replicated, checks, tree, seed)


def _summarise(
    cells: Cells,
    draws: Draws,
    question: Question,
    begins: tuple[float, ...],
    priors: named_priors.HierarchicalPriors,
    replicated: pd.DataFrame,
    checks: tuple[Check, ...],
    tree: object,
    seed: int,
) -> HierarchicalResult:
    """Turn posterior draws into the result; `seed` draws the new units."""
    rng = np.random.default_rng(seed)
    new_level = draws.class_level + draws.class_spread * rng.standard_normal(draws.class_level.shape)
    curves = curves_for(cells, draws, new_level)
    these = averages("these units", cells, draws, curves, question)
    kind = averages("units as a kind", cells, draws, curves, question)
    scaled = sensitivity(draws, (these, kind), question.horizons[-1])
    checks = (*checks, power_scaling.check(scaled))
    make = Maker(checks=checks)
    edges = (0.0, *begins, float(cells.breaks[-1]))
    period_names = tuple(f"{low:g} to {high:g} years" for low, high in pairwise(edges))

    def compared(average: Averages) -> ClassComparison:
        return compare(
            average, cells, question, period_names=period_names, chains=draws.chains, checks=checks
        )

    unit_risk, new_unit_risk = units_at(cells, draws, curves, new_level, question, make)
    bands = [f"{low:g} to {high:g} years" for low, high in pairwise(cells.breaks)]
    baseline = draws.class_level[:, :, None] + draws.log_time
    mix = "log hazard ratio of a case-mix level"

    def of_terms(cause: str, values: FloatArray) -> Estimates:
        return make(f"{mix}, {cause}", cells.terms, "log hazard ratio", values)

    return HierarchicalResult(
        these_units=compared(these),
        as_a_kind=compared(kind),
        spread=make(
            "standard deviation between units of a class", cells.groups, "log hazard", draws.class_spread
        ),
        unit_risk=unit_risk,
        new_unit_risk=new_unit_risk,
        units=unit_table(cells, unit_risk),
        case_mix=of_terms(cells.causes[0], draws.case_mix) if cells.terms else None,
        case_mix_death=(
            of_terms(cells.causes[1], draws.death_case_mix) if cells.terms and cells.deaths.any() else None
        ),
        baseline=make(
            f"log hazard of {cells.causes[0]} a year, the average unit of a class",
            tuple(f"{g}, {band}" for g in cells.groups for band in bands),
            "log hazard a year", baseline.reshape(len(draws), -1),
        ),
        classes=class_table(cells), predictive=replicated, sensitivity=scaled, priors=priors,
        question=question, checks=checks, tree=tree,
    )  # fmt: skip


def _data_checks(cells: Cells, question: Question) -> tuple[Check, ...]:
    table = class_table(cells).sort_values("revisions")
    fewest = table.iloc[0]
    size = table.sort_values("units").iloc[0]
    last = int(np.abs(cells.grid - question.horizons[-1]).argmin())
    thin = int(cells.at_risk[:, last].argmin())
    deaths, inside = int(cells.deaths.sum()), int(cells.revisions.sum())
    return (
        Check(
            name="revisions in the class with fewest",
            verdict="pass" if fewest["revisions"] >= FEW_EVENTS else "warn",
            observed=f"{fewest['revisions']} ({fewest['group']})",
            expected=f"at least {FEW_EVENTS}",
            why="with very few revisions a class's estimate leans on the other classes and on the prior",
        ),
        Check(
            name="units in the class with fewest",
            verdict="pass" if size["units"] > 1 else "warn",
            observed=f"{size['units']} ({size['group']})",
            expected="at least 2",
            why="with one unit a class's level and spread cannot be told apart: only these units has meaning",
        ),
        Check(
            name="at risk at the longest horizon, in the class with fewest",
            verdict="pass" if cells.at_risk[thin, last] >= FEW_AT_RISK else "warn",
            observed=f"{cells.at_risk[thin, last]:.0f} ({cells.groups[thin]}) at "
            f"{question.horizons[-1]:g} years",
            expected=f"at least {FEW_AT_RISK}",
            why="where few are left, a class's curve is carried on by the shape that all classes share",
        ),
        Check(
            name="deaths recorded",
            verdict="pass" if deaths else "warn",
            observed=f"{deaths:,}",
            expected="some, unless nobody can die",
            why="without deaths in the data the cumulative incidence is that of a world without death",
        ),
        Check(
            name="revisions within the bands",
            verdict="pass",
            observed=f"{inside:,}; {cells.beyond:,} later than {cells.breaks[-1]:g} years are left out",
            expected="stated",
            why="what happens after the last break does not enter the fit",
        ),
    )


def _horizons(horizons: Sequence[float]) -> tuple[float, ...]:
    found = _numbers("horizons", horizons)
    if not found or min(found) <= 0 or list(found) != sorted(set(found)):
        raise InputError(f"horizons={list(horizons)!r}: expected years above 0 in increasing order.")
    return found


def _edges(breaks: Sequence[float] | None, longest: float) -> FloatArray:
    if breaks is None:
        return np.array([*[b for b in BREAKS if b < longest - 1e-9], longest], dtype=float)
    found = _numbers("breaks", breaks)
    if len(found) < 2 or found[0] != 0 or list(found) != sorted(set(found)):
        raise InputError(
            f"breaks={list(breaks)!r}: expected increasing years that start at 0, such as [0, 1, 3, 5, 10]."
        )
    if longest > found[-1]:
        raise InputError(
            f"horizons= reaches {longest:g} years but the last break is {found[-1]:g}; give breaks up to the "
            "longest horizon."
        )
    return np.array(found)


def _periods(periods: Sequence[float] | None, edges: FloatArray) -> tuple[float, ...]:
    if periods is None:
        return tuple(float(at) for at in PERIODS if np.isclose(edges[1:-1], at).any())
    found = _numbers("periods", periods)
    if list(found) != sorted(set(found)):
        raise InputError(f"periods={list(periods)!r}: expected increasing years, each once.")
    period_of_band(edges, found)
    return found


def _numbers(name: str, values: Sequence[float]) -> tuple[float, ...]:
    try:
        found = tuple(float(value) for value in values)
    except (TypeError, ValueError):
        raise InputError(f"{name}={values!r}: expected a list of years.") from None
    if not np.isfinite(found).all():
        raise InputError(f"{name}={list(values)!r}: every value must be a finite number of years.")
    return found


def _grid(edges: FloatArray, horizons: tuple[float, ...]) -> FloatArray:
    """Return the times of curves: breaks, their middles and horizons, up to the longest horizon."""
    times = np.unique(np.concatenate([edges[1:], (edges[1:] + edges[:-1]) / 2, horizons]).round(9))
    return times[times <= horizons[-1] + 1e-9]


def _names(causes: Mapping[int, str] | None) -> dict[int, str]:
    names = dict(NAMES if causes is None else causes)
    if set(names) != {1, 2}:
        raise InputError(
            f"causes= names the codes {sorted(names)}; expected names for 1 (the event of interest) and "
            "2 (death)."
        )
    return names


def _listed(case_mix: Sequence[str]) -> list[str]:
    return [case_mix] if isinstance(case_mix, str) else list(case_mix)


def _require_at_risk(cells: Cells, horizons: tuple[float, ...]) -> None:
    total = cells.at_risk.sum(axis=0)
    if total[-1] < 1:
        last = cells.grid[total >= 1]
        raise InputError(
            f"Nobody is under observation at the horizon of {horizons[-1]:g} years; the last time looked at "
            f"with anyone at risk is {last[-1] if len(last) else 0:g} years. Choose horizons= up to there."
        )
