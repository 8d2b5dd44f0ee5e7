"""Units compared on a yes/no outcome: hierarchical binomial model with case mix and classes of unit.

The model, for y events among n patients of unit j (class g) with case-mix pattern x::

    y_jx ~ Binomial(n_jx, p_jx)
    logit p_jx = x' case_mix + level_j
    level_j ~ Normal(class_level_g, class_spread_g)
    class_level_g ~ Normal(common, .)          log class_spread_g ~ Normal(typical, .)

`x` is centred on the reference population (all patients of all units), so `level_j` is the log odds of unit j
for its average case mix. Every class has a spread of its own, drawn towards what is typical of the classes:
a class with many units learns its own, a class with three stays honestly wide. The priors are in `priors`.

What comes out (`BinomialResult`): each class's risk standardised to one case mix (g-computation), its
difference per 1,000 patients and odds ratio against a reference, and the posterior probability of being
better, on two estimands that are never mixed: *these units* as they are, and *units as a kind*. Further the
spread between units, the prediction for one more unit of each class, and every unit with its rank interval.

When not to use it
    - The time to the event matters or follow-up differs: use a survival model.
    - Case mix that drives both referral and outcome is not recorded: standardisation cannot mend it, and the
      difference may be about the patients. Say so beside the answer.
    - A class of one unit: its level and its spread cannot be told apart; only *these units* has meaning.

Sources: Normand, Glickman and Gatsonis (1997), JASA 92:803, for the model; Robins (1986), Mathematical
Modelling 7:1393, for standardisation by g-computation.

Checked against: OpenBUGS's published Surgical example and a deterministic twin by quadrature
(tests/reference/binomial), simulation with known truth (tests/calibration).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soa_evidence import priors as named_priors
from soa_evidence.errors import require_seed
from soa_evidence.results import Check
from soa_evidence.results.comparison import fewest_check
from soa_evidence.results.predictive import predictive_check
from soa_evidence.sampling import Settings
from soa_evidence.units import predictive
from soa_evidence.units.binomial_result import BinomialResult, Draws, Question, class_table, summarise
from soa_evidence.units.cells import Cells, prepare
from soa_evidence.units.collapse import Collapsed, collapse
from soa_evidence.units.coordinates import by_information, unit_levels, whitened
from soa_evidence.units.direct_classes import normal_terms
from soa_evidence.units.laplace import Laplace, approximate
from soa_evidence.units.posterior import Engine, draws_of, require_engine

__all__ = ["BinomialResult", "build", "events_check", "fit", "likelihood"]

FloatArray = NDArray[np.float64]

FEW_EVENTS = 10  # a class with fewer says little by itself, whatever the model


def build(cells: Cells, priors: named_priors.BinomialPriors, *, near: Laplace, collapsed: Collapsed) -> Any:
    """Return the PyMC model of the module docstring.

    Parameters
    ----------
    near
        Where the posterior lies, roughly: scales the sampler's coordinates, nothing else.
    collapsed
        The likelihood's cells.
    """
    import pymc as pm

    terms = priors.case_mix_log_odds
    coords = {"unit": cells.units, "class": cells.groups, "term": cells.terms}
    with pm.Model(coords=coords) as model:
        near_units = by_information(near.unit_level, near.unit_information)
        unit = unit_levels(priors.levels, cells.group_of_unit, near_units)
        terms_drawn = None
        if cells.terms:
            terms_drawn = pm.Normal(
                "case_mix",
                terms.mean,
                terms.sd,
                dims="term",
                default_transform=whitened(near.case_mix, near.case_mix_covariance),
            )
        pm.Potential("log_likelihood", likelihood(collapsed, unit, terms_drawn))
    return model


def likelihood(collapsed: Collapsed, unit: Any, case_mix: Any | None) -> Any:
    """Collapsed log likelihood in PyTensor, of units' levels and case-mix terms (None: no terms)."""
    import pytensor.tensor as pt

    # collapse.py: totals of events, less what the bins lost at the mode, less the binned sum over trials.
    eta = unit[collapsed.unit]
    seen = pt.matmul(collapsed.events_by_unit - collapsed.lost_by_unit, unit)
    if case_mix is not None:
        eta = eta + pt.matmul(collapsed.design, case_mix)
        step = case_mix - collapsed.mode_case_mix
        seen = seen + pt.matmul(collapsed.events_by_term - collapsed.lost_by_term, case_mix)
        seen = seen - 0.5 * pt.matmul(step, pt.matmul(collapsed.lost_curvature, step))
    return seen - pt.matmul(collapsed.trials, pt.softplus(eta))


def fit(
    frame: pd.DataFrame,
    *,
    events: str,
    trials: str,
    unit: str,
    group: str,
    reference: str | Sequence[str],
    seed: int,
    case_mix: Sequence[str] = (),
    reference_label: str | None = None,
    better: Literal["lower", "higher"] = "lower",
    margin_per_1000: float = 5.0,
    priors: str = "default",
    settings: Settings | None = None,
    engine: Engine = "direct",
) -> BinomialResult:
    """Compare classes of unit, and units, on a yes/no outcome.

    Parameters
    ----------
    frame
        One row per unit and case-mix stratum; strata may repeat and are added up.
    events, trials, unit, group
        Columns: counts of patients with the outcome and with a valid answer; the unit; its class.
    reference
        The class, or classes taken together, that others are compared with.
    seed
        Recorded seed.
    case_mix
        Columns of case-mix factors; every value is a level, including 'unknown'.
    reference_label
        Name of the reference; needed when it joins several classes.
    better
        Whether a lower or a higher risk of the event is better.
    margin_per_1000
        Difference, in events per 1,000 patients, that would matter.
    priors
        A name from `priors.BINOMIAL_PRIORS`.
    settings
        How many draws, and how the sampler is set where it is used.
    engine
        ``"direct"`` draws independently and hands over to the sampler where that is not sound (see
        `units.direct`); ``"sampler"`` samples in any case.

    Returns
    -------
    BinomialResult

    Raises
    ------
    InputError
        On a bad frame (see `cells.prepare`), fewer than two classes, an unknown reference or prior, or a
        margin, seed or direction out of range.
    """
    chosen = named_priors.binomial(priors)
    cells = prepare(frame, events=events, trials=trials, unit=unit, group=group, case_mix=case_mix)
    question = Question.asked(
        cells.groups, reference=reference, reference_label=reference_label, better=better,
        margin_per_1000=margin_per_1000,
    )  # fmt: skip
    require_seed(seed)
    require_engine(engine)
    settings = settings or Settings()

    near = approximate(cells, chosen)
    collapsed = collapse(cells, near)
    tree, engine_checks = draws_of(
        cells,
        chosen,
        near,
        collapsed,
        normal_terms(chosen.case_mix_log_odds, len(cells.terms)),
        model=lambda: build(cells, chosen, near=near, collapsed=collapsed),
        engine=engine,
        settings=settings,
        seed=seed,
    )
    draws = Draws.of(tree, cells, chosen)
    predicted = predictive.replicate(cells, draws.case_mix, draws.class_level, draws.class_spread, seed=seed)
    checks = (
        *engine_checks,
        predictive_check(predicted),
        events_check(cells),
    )
    return summarise(
        cells,
        draws,
        question,
        collapsed=collapsed,
        priors=chosen,
        predictive=predicted,
        checks=checks,
        tree=tree,
        seed=seed,
    )


def events_check(cells: Cells) -> Check:
    """Check that no class has too few events, or patients without."""
    table = class_table(cells)
    # Where nearly everyone has the event, those without it are what tells classes apart.
    table["rarer"] = np.minimum(table["events"], table["trials"] - table["events"])
    return fewest_check(
        table, "rarer", name="events, or patients without, in the class with fewest", least=FEW_EVENTS
    )
