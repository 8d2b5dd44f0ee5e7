"""Units compared on ordered answers: cumulative logit model with case mix and classes of unit.

The model, for the answer of a patient with case-mix pattern x at unit j (class g), levels ordered worst
first::

    P(answer above threshold k) = expit(x' case_mix + level_j - threshold_k)
    level_j ~ Normal(class_level_g, class_spread_g)
    class_level_g ~ Normal(common, .)          log class_spread_g ~ Normal(typical, .)
    log (threshold_k - threshold_{k-1}) ~ Normal(., .)

The threshold at the `cut` is 0, so `level_j` is unit j's log odds, for its average case mix, of an answer
at or above the cut. A unit, or a class, shifts answers at every threshold by the same log odds
(proportional odds): all levels of the answer then bear on one difference, which is sharper than a yes/no
outcome cut from it. A check sets each class's answers beside what this assumption makes of them.

What comes out (`OrdinalResult`): per class the share of patients at or above the cut and at each level,
standardised to one case mix; differences per 1,000, marginal odds ratio, and the common log odds ratio; on
*these units* and *units as a kind*; the spread between units, one more unit, and every unit with its rank
interval.

When not to use it
    - Classes move some thresholds and not others (the check warns): use `units.binomial` at single cuts.
    - The levels have no order.
    - Case mix that drives both referral and outcome is not recorded: standardisation cannot mend it.
    - A class of one unit: its level and its spread cannot be told apart; only *these units* has meaning.

Source: McCullagh (1980), JRSS B 42:109.

Checked against: the plain likelihood, R's ordinal::clmm and long runs of a textbook model
(tests/reference/units_outcomes).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd

from soa_evidence import priors as named_priors
from soa_evidence.errors import require_seed
from soa_evidence.sampling import Settings
from soa_evidence.units.binomial import events_check, likelihood
from soa_evidence.units.binomial_result import Question
from soa_evidence.units.collapse import Collapsed, collapse
from soa_evidence.units.coordinates import by_information, unit_levels, whitened
from soa_evidence.units.laplace import Laplace, climb
from soa_evidence.units.ordered import Ordered, density_of, prepare_ordered
from soa_evidence.units.ordinal_result import OrdinalResult, summarise
from soa_evidence.units.posterior import Engine, draws_of, require_engine

__all__ = ["OrdinalResult", "build", "fit"]


def build(
    ordered: Ordered, priors: named_priors.OrdinalPriors, *, near: Laplace, collapsed: Collapsed
) -> Any:
    """Return the PyMC model; `near` scales coordinates, `collapsed` is the likelihood."""
    import pymc as pm
    import pytensor.tensor as pt

    cells = ordered.stacked
    coords = {"unit": cells.units, "class": cells.groups, "term": cells.terms}
    many = len(ordered.cells.terms)
    thresholds = len(ordered.levels) - 1
    step = (np.eye(thresholds)[1:] - np.eye(thresholds)[:-1])[:, list(ordered.free)]
    with pm.Model(coords=coords) as model:
        near_units = by_information(near.unit_level, near.unit_information)
        unit = unit_levels(priors.levels, cells.group_of_unit, near_units)
        terms = pm.Flat(
            "case_mix", dims="term", default_transform=whitened(near.case_mix, near.case_mix_covariance)
        )
        gaps = pt.matmul(step, terms[many:])
        log = pt.log(pt.switch(gaps > 0, gaps, 1.0))
        inner = ordered.answers.sum(axis=0)[1:-1]
        prior = -0.5 * ((log - priors.log_gap.mean) / priors.log_gap.sd) ** 2 - log
        prior = prior + inner * pt.log(-pt.expm1(-pt.switch(gaps > 0, gaps, 1.0)))
        pm.Potential("thresholds", pt.switch((gaps > 0).all(), prior.sum(), -np.inf))
        shift = (terms[:many] - priors.case_mix.mean) / priors.case_mix.sd
        pm.Potential("case_mix_prior", -0.5 * (shift**2).sum())
        pm.Potential("log_likelihood", likelihood(collapsed, unit, terms))
    return model


def fit(
    frame: pd.DataFrame,
    *,
    levels: Sequence[str],
    cut: str,
    unit: str,
    group: str,
    reference: str | Sequence[str],
    seed: int,
    case_mix: Sequence[str] = (),
    reference_label: str | None = None,
    better: Literal["lower", "higher"] = "higher",
    margin_per_1000: float = 5.0,
    priors: str = "default",
    settings: Settings | None = None,
    engine: Engine = "direct",
) -> OrdinalResult:
    """Compare classes of unit, and units, on an ordered answer.

    Parameters
    ----------
    frame
        One row per unit and case-mix stratum, with a column of counts for every level of the answer.
    levels
        Those columns, worst answer first; at least three.
    cut
        The lowest level that counts as good: shares and differences are of answers at or above it.
    unit, group
        Columns: the unit; its class.
    reference
        The class, or classes taken together, that others are compared with.
    seed
        Recorded seed.
    case_mix
        Columns of case-mix factors; every value is a level, including 'unknown'.
    reference_label
        Name of the reference; needed when it joins several classes.
    better
        Whether answers higher or lower in order are better.
    margin_per_1000
        Difference, in patients per 1,000 at or above the cut, that would matter.
    priors
        A name from `priors.ORDINAL_PRIORS`.
    settings
        How many draws, and how the sampler is set where it is used.
    engine
        ``"direct"`` draws independently and hands over to the sampler where that is not sound; ``"sampler"``
        samples in any case.

    Returns
    -------
    OrdinalResult

    Raises
    ------
    InputError
        On a bad frame (see `ordered.prepare_ordered`), fewer than two classes, an unknown reference or
        prior, or a margin, seed or direction out of range.
    """
    chosen = named_priors.ordinal(priors)
    ordered = prepare_ordered(frame, levels=levels, cut=cut, unit=unit, group=group, case_mix=case_mix)
    cells = ordered.stacked
    question = Question.asked(
        cells.groups, reference=reference, reference_label=reference_label, better=better,
        margin_per_1000=margin_per_1000,
    )  # fmt: skip
    require_seed(seed)
    require_engine(engine)
    settings = settings or Settings()
    density = density_of(ordered, chosen)
    near = climb(cells, chosen, density, start=ordered.start())
    collapsed = collapse(cells, near)
    tree, engine_checks = draws_of(
        cells,
        chosen,
        near,
        collapsed,
        density,
        model=lambda: build(ordered, chosen, near=near, collapsed=collapsed),
        engine=engine,
        settings=settings,
        seed=seed,
    )
    return summarise(
        ordered,
        tree,
        question,
        collapsed=collapsed,
        density=density,
        priors=chosen,
        checks=(*engine_checks, events_check(ordered.cells)),
        seed=seed,
    )
