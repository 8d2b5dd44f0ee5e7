"""Units compared on a measured outcome, from sums: hierarchical normal model with case mix and classes.

The model, for outcome y of patient i with case-mix pattern x at unit j (class g), in standard deviations::

    y_i ~ Normal(x' case_mix + level_j, residual_j)
    level_j ~ Normal(class_level_g, class_spread_g)
    class_level_g ~ Normal(common, .)          log class_spread_g ~ Normal(typical, .)
    residual_j² ~ scaled inverse chi-square(nu, residual²)
    differ = 1 / sqrt(2 nu)                    log differ ~ Normal(., .)

`x` is centred on the reference population (all patients of all units), so `level_j` is unit j's mean for
the average case mix and is what standardisation gives. Units' patients may differ among themselves by more
at one unit than at another: `residual_j` is the standard deviation between like patients of unit j, and
`differ` about the share of itself by which it differs between units. Patients are needed only as sums: how
many, the total and the total of squares, per unit and case-mix stratum. Priors are in standard deviations
of the outcome between all patients (`scale`) and are in `priors`.

What comes out (`GaussianResult`): each class's mean standardised to one case mix, its difference from a
reference and the posterior probability of being better, on the two estimands of `units.binomial`, *these
units* and *units as a kind*; the spread between units, the prediction for one more unit, and every unit
with its rank interval.

When not to use it
    - The outcome of single patients is what is asked for (how many gained little): a mean hides it.
    - Units with a handful of patients and an outcome that is far from normal: a mean of few is not normal.
    - A floor or ceiling that many patients reach: differences between means then shrink by themselves.
    - Case mix that drives both referral and outcome is not recorded: standardisation cannot mend it.
    - A class of one unit: its level and its spread cannot be told apart; only *these units* has meaning.

Sources: Lindley and Smith (1972), JRSS B 34:1, for the model; Goldstein and Spiegelhalter (1996), JRSS A
159:385, for units compared by it.

Checked against: quadrature, lme4 and long runs of a textbook model (tests/reference/units_outcomes).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soa_evidence import priors as named_priors
from soa_evidence.errors import InputError, require_seed
from soa_evidence.results import Check
from soa_evidence.results.comparison import fewest_check, reference_classes, require_better
from soa_evidence.results.predictive import predictive_check
from soa_evidence.sampling import Settings, convergence_checks, sample
from soa_evidence.units import gaussian_direct, gaussian_predictive
from soa_evidence.units.collapse import resample
from soa_evidence.units.coordinates import by_information, whitened
from soa_evidence.units.gaussian_direct import Near
from soa_evidence.units.gaussian_result import (
    GaussianResult,
    MeanComparison,
    MeanQuestion,
    class_table,
    log_prior_of,
    rescaled,
    summarise,
)
from soa_evidence.units.posterior import Engine, draw_tree, refusal, require_engine, sampled_draws
from soa_evidence.units.sums import Sums, prepare

__all__ = ["GaussianResult", "MeanComparison", "build", "fit"]

FloatArray = NDArray[np.float64]

FEW_PATIENTS = 50  # a class with fewer says little by itself, whatever the model
PARAMETERS = (
    "common", "typical_log_spread", "class_level", "class_log_spread", "level", "case_mix",
    "log_residual", "log_residual_spread",
)  # fmt: skip


def build(sums: Sums, priors: named_priors.GaussianPriors, *, near: Near) -> Any:
    """Return the PyMC model, units' variances integrated out; `near` scales coordinates."""
    import pymc as pm
    import pytensor.tensor as pt

    levels = priors.levels
    coords = {"unit": sums.units, "class": sums.groups, "term": sums.terms}
    with pm.Model(coords=coords) as model:
        common = pm.Normal("common", levels.common.mean, levels.common.sd)
        typical = pm.Normal("typical_log_spread", levels.log_spread.mean, levels.log_spread.sd)
        class_level = pm.Normal("class_level", common, levels.class_sd, dims="class")
        log_spread = pm.Normal("class_log_spread", typical, levels.class_log_spread_sd, dims="class")
        residual = pm.Normal("log_residual", priors.log_residual.mean, priors.log_residual.sd)
        differ = pm.Normal(
            "log_residual_spread", priors.log_residual_spread.mean, priors.log_residual_spread.sd
        )
        group = sums.group_of_unit
        level = pm.Normal(
            "level",
            class_level[group],
            pt.exp(log_spread)[group],
            dims="unit",
            default_transform=by_information(
                sums.adjusted(near.case_mix[None])[0], sums.count / near.variance
            ),
        )
        left, mean = pt.as_tensor_variable(sums.within_outcome), pt.as_tensor_variable(sums.mean)
        if sums.terms:
            inverse = 1 / near.variance
            precision = np.einsum("j,jkl->kl", inverse, sums.within_case_mix)
            precision = precision + np.eye(len(sums.terms)) / priors.case_mix.sd**2
            case_mix = pm.Normal(
                "case_mix",
                priors.case_mix.mean,
                priors.case_mix.sd,
                dims="term",
                default_transform=whitened(near.case_mix, np.linalg.inv(precision)),
            )
            # One long product and a sum: all pairs of a single term would leave a loop without inputs, which
            # Numba cannot compile.
            rows = pt.matmul(sums.within_case_mix.reshape(-1, len(sums.terms)), case_mix)
            twisted = rows.reshape((len(sums.units), len(sums.terms)))
            left = left - 2 * pt.matmul(sums.within_cross, case_mix)
            left = left + pt.matmul(twisted, case_mix)
            mean = mean - pt.matmul(sums.case_mix_mean, case_mix)
        prior = 0.5 * pt.exp(-2 * differ)
        dof = prior + sums.count
        left = left + prior * pt.exp(2 * residual) + sums.count * (mean - level) ** 2
        by_unit = pt.gammaln(dof / 2) - pt.gammaln(prior / 2) + 0.5 * prior * pt.log(prior) + prior * residual
        pm.Potential("log_likelihood", (by_unit - 0.5 * dof * pt.log(left)).sum())
    return model


def fit(
    frame: pd.DataFrame,
    *,
    count: str,
    total: str,
    squares: str,
    unit: str,
    group: str,
    reference: str | Sequence[str],
    margin: float,
    seed: int,
    case_mix: Sequence[str] = (),
    reference_label: str | None = None,
    better: Literal["lower", "higher"] = "higher",
    outcome_unit: str = "points",
    scale: float | None = None,
    priors: str = "default",
    settings: Settings | None = None,
    engine: Engine = "direct",
) -> GaussianResult:
    """Compare classes of unit, and units, on the mean of a measured outcome.

    Parameters
    ----------
    frame
        One row per unit and case-mix stratum; strata may repeat and are added up.
    count, total, squares, unit, group
        Columns: patients with the outcome, the sum of their outcomes, the sum of the squares; the unit; its
        class.
    reference
        The class, or classes taken together, that others are compared with.
    margin
        Difference, in the outcome's unit, that would matter.
    seed
        Recorded seed.
    case_mix
        Columns of case-mix factors; every value is a level, including 'unknown'.
    reference_label
        Name of the reference; needed when it joins several classes.
    better
        Whether a higher or a lower mean is better.
    outcome_unit
        The outcome's unit, in words.
    scale
        Standard deviation of the outcome between patients, in which priors are set; that of these patients
        unless given.
    priors
        A name from `priors.GAUSSIAN_PRIORS`.
    settings
        How many draws, and how the sampler is set where it is used.
    engine
        ``"direct"`` draws independently and hands over to the sampler where that is not sound (see
        `units.gaussian_direct`); ``"sampler"`` samples in any case.

    Returns
    -------
    GaussianResult

    Raises
    ------
    InputError
        On a bad frame (see `sums.prepare`), fewer than two classes, an unknown reference or prior, or a
        margin, scale, seed or direction out of range.
    """
    chosen = named_priors.gaussian(priors)
    sums = prepare(
        frame,
        count=count,
        total=total,
        squares=squares,
        unit=unit,
        group=group,
        case_mix=case_mix,
        scale=scale,
    )
    classes, label = reference_classes(sums.groups, reference, reference_label)
    _require_choices(better, margin, seed, engine)
    question = MeanQuestion(
        reference=classes, reference_label=label, better=better, margin=margin, outcome_unit=outcome_unit
    )
    settings = settings or Settings()
    near = gaussian_direct.approximate(sums, chosen)
    draws, engine_checks, stats = _draws(sums, chosen, near, engine=engine, settings=settings, seed=seed)
    log_prior = log_prior_of(draw_tree(draws, sums, settings.chains), chosen)
    tree = draw_tree(rescaled(draws, sums.scale), sums, settings.chains)
    if stats is not None:
        tree["sample_stats"] = stats
    patients = fewest_check(
        class_table(sums), "patients", name="patients in the class with fewest", least=FEW_PATIENTS
    )
    predicted = gaussian_predictive.replicate(sums, draws, seed=seed)
    return summarise(
        sums,
        draws,
        question,
        chains=settings.chains,
        priors=chosen,
        predictive=predicted,
        checks=(*engine_checks, predictive_check(predicted), patients),
        tree=tree,
        log_prior=log_prior,
        seed=seed,
    )


def _draws(
    sums: Sums,
    priors: named_priors.GaussianPriors,
    near: Near,
    *,
    engine: Engine,
    settings: Settings,
    seed: int,
) -> tuple[dict[str, FloatArray], tuple[Check, ...], Any]:
    """Draws by name, the checks they rest on, and the sampler's statistics if any."""
    refused: tuple[Check, ...] = ()
    if engine == "direct":
        found = gaussian_direct.draw(sums, priors, near, draws=settings.chains * settings.draws, seed=seed)
        if found is not None and found.check.verdict == "pass":
            rows = resample(found.log_weight, chains=settings.chains, seed=seed)
            return {name: getattr(found, name)[rows] for name in PARAMETERS}, (found.check,), None
        refused = (refusal(None if found is None else found.check),)
    sampled = sample(build(sums, priors, near=near), seed=seed, settings=settings)
    checks = (*refused, *convergence_checks(sampled))
    return sampled_draws(sampled, PARAMETERS), checks, sampled["sample_stats"]


def _require_choices(better: str, margin: float, seed: int, engine: str) -> None:
    require_better(better)
    if not (isinstance(margin, int | float) and 0 <= margin < np.inf):
        raise InputError(f"margin={margin!r}: expected a difference in the outcome's unit, from 0 up.")
    require_seed(seed)
    require_engine(engine)
