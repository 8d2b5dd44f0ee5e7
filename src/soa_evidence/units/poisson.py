"""Units compared on counts beside expected counts: hierarchical Poisson model by class of unit.

The model, for y events where E were expected, of unit j (class g) in period t::

    y_jt ~ Poisson(E_jt exp(level_j) moved_jt)
    moved_jt ~ Gamma(mean 1, standard deviation period_spread)
    level_j ~ Normal(class_level_g, class_spread_g)
    class_level_g ~ Normal(common, .)          log class_spread_g ~ Normal(typical, .)
    log period_spread ~ Normal(., .)

`exp(level_j)` is unit j's ratio of events to what was expected of its patients. Counts vary more than a
Poisson law allows in two ways that are told apart: units differ for good (`class_spread`), and a unit moves
from period to period (`moved`, without which a unit's years would count as more than they say). The second
needs periods; with one count a unit the two cannot be told apart and `level_j` carries both. `moved` is
gamma and not log-normal because it then drops out exactly, leaving negative binomial counts and one integral
a unit.

Where only counts of at least `at_least` are published, units enter by having been published: the likelihood
is of y given y >= at_least, the unit's level integrated out above and below the line,

    P(y_j | g) / P(y_j >= at_least | g),     P(. | g) = integral over level_j of P(. | level_j),

so that classes and spreads are of all units, those hidden too, and not of the published alone.

What comes out (`PoissonResult`): each class's ratio, its rate per 1,000 procedures were they of the average
expected rate, difference and rate ratio against a reference and the probability of being better, on the two
estimands of `units.binomial`. *These units*: the named units' events over their expected events. *Units as a
kind*: the typical unit of the class, `exp(class_level)`; a mean over the kind has no finite expectation while
its spread is uncertain. Further the spreads, the prediction for one more unit, every unit with its ranks.

When not to use it
    - Case mix is at hand by stratum: `units.binomial` adjusts by itself and carries that uncertainty, which
      expected counts taken as known hide.
    - Events are common (over one procedure in ten): counts then vary less than Poisson.
    - Expected counts were made by a model that was told the unit's own result: ratios are drawn to 1.
    - A class of one unit: its level and its spread cannot be told apart; only *these units* has meaning.
    - `at_least` far above what is expected: then hardly anything but the cut-off is seen.

Sources: Christiansen and Morris (1997), JASA 92:618, for hierarchical Poisson models of units; Lawless
(1987), Canadian Journal of Statistics 15:209, for gamma-mixed counts; Heckman (1979), Econometrica 47:153, on
being seen as part of the likelihood.

Checked against: R's integrate, lme4 and MASS, NUTS on the whole model (tests/reference/poisson), a grid
over all parameters (tests/unit/test_units_poisson.py), simulation (tests/calibration/units_poisson.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import pandas as pd

from soa_evidence import priors as named_priors
from soa_evidence.errors import require_seed
from soa_evidence.results import Check
from soa_evidence.results.comparison import fewest_check
from soa_evidence.results.predictive import predictive_check
from soa_evidence.sampling import Settings
from soa_evidence.units import poisson_posterior, poisson_predictive
from soa_evidence.units.binomial_result import Question
from soa_evidence.units.poisson_frame import Counts, prepare
from soa_evidence.units.poisson_result import PoissonResult, RateComparison, class_table, summarise

__all__ = ["PoissonResult", "RateComparison", "fit"]

FEW_EVENTS = 10  # a class with fewer says little by itself, whatever the model
COMMON = 0.1  # share of procedures with an event from which counts vary clearly less than Poisson
LEAST_SEEN = 0.5  # share of units that a cut-off should leave in sight, as the units shown are expected to do


def fit(
    frame: pd.DataFrame,
    *,
    events: str,
    expected: str,
    trials: str,
    unit: str,
    group: str,
    reference: str | Sequence[str],
    seed: int,
    period: str | None = None,
    at_least: int | None = None,
    reference_label: str | None = None,
    better: Literal["lower", "higher"] = "lower",
    margin_per_1000: float = 5.0,
    priors: str = "default",
    settings: Settings | None = None,
) -> PoissonResult:
    """Compare classes of unit, and units, on counts beside expected counts.

    Parameters
    ----------
    frame
        One row a unit, or with `period` a row a unit and period. Without `period` a unit's rows are added up.
    events, expected, trials, unit, group
        Columns: events seen; events expected, above 0 (for a time at risk: time × a reference rate);
        procedures; the unit; its class.
    reference
        The class, or classes taken together, that others are compared with.
    seed
        Recorded seed.
    period
        Column of periods, between which a unit's ratio may move.
    at_least
        The smallest count that the publisher gives; one row a unit, and no `period`.
    reference_label
        Name of the reference; needed when it joins several classes.
    better
        Whether fewer or more events are better.
    margin_per_1000
        Difference, in events per 1,000 procedures, that would matter.
    priors
        A name from `priors.POISSON_PRIORS`.
    settings
        How many draws; they are independent and laid out in as many chains, for tools that expect them.

    Returns
    -------
    PoissonResult

    Raises
    ------
    InputError
        On a bad frame (see `poisson_frame.prepare`), fewer than two classes, an unknown reference or prior,
        or a margin, seed or direction out of range.
    """
    chosen = named_priors.poisson(priors)
    counts = prepare(
        frame,
        events=events,
        expected=expected,
        trials=trials,
        unit=unit,
        group=group,
        period=period,
        at_least=at_least,
    )
    question = Question.asked(
        counts.groups, reference=reference, reference_label=reference_label, better=better,
        margin_per_1000=margin_per_1000, margin_of="events per 1,000 procedures",
    )  # fmt: skip
    require_seed(seed)
    settings = settings or Settings()
    drawn = poisson_posterior.draw(counts, chosen, draws=settings.chains * settings.draws, seed=seed)
    predicted = poisson_predictive.replicate(counts, drawn, seed=seed)
    return summarise(
        counts,
        drawn,
        question,
        chains=settings.chains,
        priors=chosen,
        predictive=predicted,
        checks=(drawn.check, predictive_check(predicted), *_data_checks(counts)),
        seed=seed,
    )


def _data_checks(counts: Counts) -> tuple[Check, ...]:
    """Check that no class has too few events, that events are rare, and what a cut-off leaves in sight."""
    common = float(counts.events.sum() / counts.trials.sum())
    found = [
        fewest_check(class_table(counts), "events", name="events in the class with fewest", least=FEW_EVENTS),
        Check(
            name="procedures with an event",
            verdict="pass" if common <= COMMON else "warn",
            observed=f"{common:.1%}",
            expected=f"at most {COMMON:.0%}",
            why="counts are taken as Poisson; common events vary less, and intervals are then too wide",
        ),
    ]
    if counts.least:
        from scipy.special import gammainc

        # What a unit like each of these would have had a chance of, had it done as expected.
        seen = float(gammainc(counts.least, counts.expected).mean())
        found.append(
            Check(
                name="chance of being published, had units done as expected",
                verdict="pass" if seen >= LEAST_SEEN else "warn",
                observed=f"{seen:.0%} on average; counts below {counts.least} are hidden",
                expected=f"at least {LEAST_SEEN:.0%}",
                why="the more a cut-off hides, the more the answer rests on the model of who is seen",
            )
        )
    return tuple(found)
