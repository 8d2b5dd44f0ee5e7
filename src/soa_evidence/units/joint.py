"""Several outcomes of the same units together, so that "better" is a statement over all of them.

The model, for unit j of class g, with level t_jo on outcome o (log odds, or a score on that scale)::

    data_j ~ likelihood of `units.summaries`, outcomes' sampling errors correlated (`joint_draws`)
    t_j ~ MultivariateNormal(m_g, D_g Sigma D_g)
    m_go ~ Normal(common_o, .)      Sigma ~ Huang-Wand      log D_go ~ Normal(0, .)

Sigma holds the spread between units of every outcome and the correlation between outcomes over units: whether
a unit that is good at one is good at another. D_g lets a class be tighter or wider on an outcome.

What comes out (`JointResult`), for one class against a reference and on two estimands (*these units*, *units
as a kind*): the difference on each outcome, jointly; the probability of being better on each, on at least
m and on all; an average with stated weights, and what other weights would say; what would look better by
chance alone; whether "no difference on anything" lies in the joint region.

Negative controls are fitted with the rest, and are kept out of every statement about being better.

When not to use it
    - For one outcome: `units.binomial`, which treats the case mix exactly too. Here its coefficients are
      held at their mode and their uncertainty added to first order.
    - Outcomes that are one question in two wordings: count it once. A check fails when chance alone
      correlates two above 0.95.
    - Every unit with very few events and few units: the normal part of the likelihood of several outcomes is
      then poor. Single outcomes are exact; what ties them is normal.
    - To hide one bad outcome in an average. The table of all comes first.

Sources: Huang and Wand (2013), Bayesian Analysis 8:439, for the prior of Sigma; van Houwelingen, Arends and
Stijnen (2002), Statistics in Medicine 21:589, for the normal part.

Checked against: metafor::rma.mv by REML (tests/reference/joint), a twin by quadrature, `units.binomial`
outcome by outcome, and simulation-based calibration (tests/calibration).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soa_evidence import priors as named_priors
from soa_evidence.errors import InputError, nearest, require_columns, require_seed
from soa_evidence.results import Check, Estimates
from soa_evidence.results.comparison import reference_classes
from soa_evidence.results.ranking import rank_table
from soa_evidence.sampling import Settings
from soa_evidence.units.joint_draws import JointDraws, Layers, draw, layers
from soa_evidence.units.joint_result import METHOD, JointResult, composites, levels_of_classes, state
from soa_evidence.units.summaries import Events, Outcome, Score, summarise, tally

__all__ = ["Events", "JointResult", "Score", "fit"]

FloatArray = NDArray[np.float64]
SETTINGS = Settings(draws=1000, tune=500, chains=4)
THIN = 6  # sweeps a draw: spreads that may be nought need some thirty for one worth an independent draw
FEWEST_UNITS = 3  # of the class asked about; with fewer its spread cannot be seen


def fit(
    frame: pd.DataFrame,
    *,
    outcomes: Sequence[Outcome],
    unit: str,
    group: str,
    focus: str,
    reference: str | Sequence[str],
    seed: int,
    case_mix: Sequence[str] = (),
    reference_label: str | None = None,
    weights: Mapping[str, float] | None = None,
    priors: str = "default",
    settings: Settings | None = None,
) -> JointResult:
    """Compare one class of unit with a reference on several outcomes at once.

    Parameters
    ----------
    frame
        One row per unit and case-mix stratum; strata may repeat and are added up.
    outcomes
        `Events` (counts) and `Score` (sums); at least two that are no controls.
    unit, group
        Columns: the unit and its class.
    focus
        The class that the question is about.
    reference, reference_label
        The class, or classes taken together, that it is compared with, and their name.
    seed
        Recorded seed.
    case_mix
        Columns of case-mix factors; every value is a level.
    weights
        Outcome label to weight in the average; equal when None. All outcomes but controls, or an error.
    priors
        A name from `priors.JOINT_PRIORS`.
    settings
        Chains, sweeps to settle, and draws kept (every sixth sweep).

    Raises
    ------
    InputError
        On a bad frame (see `cells.prepare` and `summaries.summarise`), fewer than two outcomes, labels that
        repeat, weights that do not fit or are negative, an unknown class or prior, a class without data on
        an outcome, or a bad seed.
    """
    chosen = named_priors.joint(priors)
    told = _require_outcomes(outcomes)
    share = _weights(told, weights)
    keys = [unit, group, *([case_mix] if isinstance(case_mix, str) else case_mix)]
    require_columns(frame.columns, [*keys, *(column for one in outcomes for column in one.columns)])
    require_seed(seed)
    # every outcome is checked before any is added up, so that an error names the caller's row
    shared: dict[str, Any] = {"unit": unit, "group": group, "case_mix": keys[2:]}
    _require_counts(frame, outcomes, keys)
    tallied = tally(frame, outcomes, keys)
    laid = layers(tallied, [summarise(tallied, one, **shared) for one in outcomes])
    classes, label = reference_classes(laid.groups, reference, reference_label)
    if focus not in laid.groups or focus in classes:
        raise InputError(
            f"focus={focus!r}: expected a class with data that is not part of the reference."
            f"{nearest(focus, laid.groups)} Present: {', '.join(laid.groups)}."
        )
    _require_data(laid, {focus: [focus], label: classes})
    drawn = draw(laid, chosen, settings=settings or SETTINGS, seed=seed, thin=THIN)
    checks = (*drawn.checks, _units_check(laid, focus))
    these, kind = (
        state(
            laid, drawn, focus=focus, reference=classes, reference_label=label, weights=share, kind=what,
            checks=checks, seed=seed,
        )
        for what in ("these units", "units as a kind")
    )  # fmt: skip
    names = [s.outcome.label for s in laid.summaries]
    sign = np.array([1.0 if s.outcome.better == "higher" else -1.0 for s in laid.summaries])
    turned = drawn.correlation * np.outer(sign, sign)
    upper = np.triu_indices(len(names), 1)

    def estimates(what: str, labels: Sequence[str], in_unit: str, values: FloatArray) -> Estimates:
        return Estimates(
            estimand=what, labels=tuple(labels), unit=in_unit, method=METHOD, draws=values,
            interval="credible", checks=checks,
        )  # fmt: skip

    own = [o for o, s in enumerate(laid.summaries) if not s.outcome.control]
    first = np.linalg.eigvalsh(drawn.correlation[:, own][:, :, own])[:, -1:] / len(own)
    return JointResult(
        these_units=these,
        as_a_kind=kind,
        correlation=estimates(
            "correlation between outcomes over units, turned so that higher is better",
            [f"{names[a]} with {names[b]}" for a, b in zip(*upper, strict=True)],
            "correlation",
            turned[:, upper[0], upper[1]],
        ),
        chance_correlation=pd.DataFrame(laid.chance * np.outer(sign, sign), index=names, columns=names),
        spread=estimates(
            "standard deviation between units of a class, root mean square over units",
            names,
            "log odds",
            drawn.of_units(laid.group_of_unit),
        ),
        class_spread=pd.DataFrame(drawn.spread.mean(axis=0), columns=names).assign(group=laid.groups)[
            ["group", *names]
        ],
        common_share=estimates("share of variance held by one direction", ["all outcomes"], "share", first),
        units=_units(laid, drawn, share, classes),
        outcomes=_outcomes(laid, share),
        draws=drawn,
        priors=chosen,
        checks=checks,
    )


def _units(laid: Layers, drawn: JointDraws, weights: FloatArray, reference: Sequence[str]) -> pd.DataFrame:
    own = [o for o, s in enumerate(laid.summaries) if not s.outcome.control]
    at_reference = levels_of_classes(laid, drawn, reference, kind="these units")
    turned = composites(laid, weights)
    value = np.zeros(drawn.level.shape[:2])
    for o, weight in zip(own, turned, strict=True):
        s = laid.summaries[o]
        base = at_reference[o]
        if s.curve is None:
            value += weight * (drawn.level[:, :, o] - ((base - s.centre) * s.per_point)[:, None])
        else:
            risk = s.natural(drawn.level[:, :, o])
            value += weight * (np.log(risk / (1 - risk)) - np.log(base / (1 - base))[:, None])
    lower, upper = np.quantile(value, [0.025, 0.975], axis=0)
    table = pd.DataFrame(
        {
            "unit": laid.units,
            "group": np.array(laid.groups, dtype=object)[laid.group_of_unit],
            "patients": laid.patients.max(axis=1).astype(int),
            "estimate": value.mean(axis=0),
            "lower": lower,
            "upper": upper,
        }
    )
    return table.merge(rank_table(value, laid.units, better="higher"), on="unit")


def _outcomes(laid: Layers, weights: FloatArray) -> pd.DataFrame:
    held = iter(weights / weights.sum())
    rows = [
        (
            s.outcome.label,
            s.outcome.better,
            s.outcome.control,
            len(s.cells.units),
            int(s.patients.sum()),
            int(s.totals.sum()) if isinstance(s.outcome, Events) else None,
            0.0 if s.outcome.control else next(held),
        )
        for s in laid.summaries
    ]
    return pd.DataFrame(
        rows, columns=["outcome", "better", "control", "units", "patients", "events", "weight"]
    )


def _require_outcomes(outcomes: Sequence[Outcome]) -> list[str]:
    for one in outcomes:
        if not isinstance(one, Events | Score):
            raise InputError(f"outcomes holds {one!r}; expected units.joint.Events(...) or Score(...).")
    labels = [one.label for one in outcomes]
    repeated = sorted({label for label in labels if labels.count(label) > 1})
    if repeated:
        raise InputError(f"Two outcomes are labelled {repeated[0]!r}; give each a label of its own.")
    told = [one.label for one in outcomes if not one.control]
    if len(told) < 2:
        raise InputError(
            f"{len(told)} outcome besides controls: a joint statement needs at least two. For one "
            f"outcome use "
            "units.binomial."
        )
    return told


def _weights(told: list[str], weights: Mapping[str, float] | None) -> FloatArray:
    if weights is None:
        return np.full(len(told), 1 / len(told))
    for label in weights:
        if label not in told:
            raise InputError(
                f"weights names {label!r}.{nearest(label, told)} Expected the outcomes, controls left out: "
                f"{', '.join(told)}."
            )
    for label in told:
        value = weights.get(label)
        if not isinstance(value, int | float) or not np.isfinite(value) or value < 0:
            raise InputError(f"The weight of outcome {label!r} is {value!r}; expected a number from 0 up.")
    found = np.array([float(weights[label]) for label in told])
    if found.sum() <= 0:
        raise InputError("All weights are 0; at least one outcome must count.")
    return np.asarray(found / found.sum())


def _require_counts(frame: pd.DataFrame, outcomes: Sequence[Outcome], keys: list[str]) -> None:
    if frame.empty:
        raise InputError("The frame of counts is empty; expected at least one row with patients.")
    for key in keys:
        missing = frame[key].isna().to_numpy()
        if missing.any():
            raise InputError(
                f"Column '{key}', row {int(np.argmax(missing))}: missing. Name it as a level of its "
                f"own, such as "
                "'unknown', so that it is seen."
            )
    for one in outcomes:
        counts = one.columns if isinstance(one, Events) else (one.patients,)
        for column in one.columns:
            values = pd.to_numeric(frame[column], errors="coerce").to_numpy(float, na_value=np.nan)
            bad = ~np.isfinite(values)
            if column in counts:
                bad |= (values < 0) | (values != np.round(values))
            if bad.any():
                at = int(np.argmax(bad))
                wanted = "a whole-number count from 0 up" if column in counts else "a sum"
                raise InputError(
                    f"Column '{column}' of outcome '{one.label}', row {at}: "
                    f"{frame[column].iloc[at]!r}; expected "
                    f"{wanted}."
                )
        if isinstance(one, Events):
            above = frame[one.events].to_numpy(float) > frame[one.trials].to_numpy(float)
            if above.any():
                raise InputError(
                    f"Outcome '{one.label}', row {int(np.argmax(above))}: more events than patients. Are "
                    f"'{one.events}' and '{one.trials}' exchanged?"
                )


def _require_data(laid: Layers, sides: Mapping[str, Sequence[str]]) -> None:
    for name, groups in sides.items():
        inside = np.isin(laid.group_of_unit, [laid.groups.index(group) for group in groups])
        none = np.flatnonzero(laid.patients[inside].sum(axis=0) == 0)
        if len(none):
            raise InputError(
                f"'{name}' has no patient with an answer on outcome "
                f"'{laid.summaries[none[0]].outcome.label}'; leave that outcome out."
            )


def _units_check(laid: Layers, focus: str) -> Check:
    many = int((laid.group_of_unit == laid.groups.index(focus)).sum())
    return Check(
        name="units in the class asked about",
        verdict="pass" if many >= FEWEST_UNITS else "warn",
        observed=str(many),
        expected=f"at least {FEWEST_UNITS}",
        why="what may be said of units as a kind rests on how many there are to judge by",
    )
