"""From joint draws to statements over all outcomes: nothing here fits.

Sources: Chinn (2000), Statistics in Medicine 19:3127, for scores and yes/no outcomes on one scale.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import logit

from soa_evidence.priors import JointPriors
from soa_evidence.results import Check, Estimates
from soa_evidence.results.comparison import probability_of
from soa_evidence.units.joint_draws import JointDraws, Layers
from soa_evidence.units.summaries import Events

__all__ = ["METHOD", "JointResult", "Statement", "composites", "levels_of_classes", "state"]

FloatArray = NDArray[np.float64]
METHOD = "units.joint"
QUADRATURE = 15
BY_CHANCE = 20_000  # worlds without a difference, for what would look better by chance
WEIGHTINGS = 2_000
CLEAR = 1.959964  # standard deviations from 0 that a 95 % interval reaches


@dataclass(frozen=True, eq=False, kw_only=True)
class Statement:
    """What is said of one class against the reference, over all outcomes, on one estimand.

    Advantages are differences turned so that above 0 is better, in log odds for every outcome.

    Attributes
    ----------
    estimand_kind
        ``"these units"`` or ``"units as a kind"``.
    differences : tuple of Estimates
        One an outcome, controls last: events per 1,000 patients, or points; not turned.
    advantage : Estimates
        Per outcome, with joint draws; controls left out.
    control : Estimates or None
        Advantage on the negative controls.
    probability_better : Estimates
        Per outcome, controls left out.
    at_least : Estimates
        Probability of being better on at least m of the k outcomes; labels "at least 1" to "all k".
    number_better : Estimates
        On how many outcomes it is better: a posterior, whose mean is the sum of `probability_better`.
    composite, composite_better : Estimates
        Weighted average advantage, and the probability that it is above 0.
    weightings : DataFrame
        weighting, estimate, lower, upper, probability_better: the weights asked for, every outcome by itself,
        and the least and most favourable of many weightings drawn evenly from all there are.
    by_chance : DataFrame
        outcomes (m), better (posterior probability on at least m), look_better and clearly_better: the chance
        that at least m estimates would lie on the better side, and at least m 95 % intervals wholly, if the
        class differed on none.
    by_luck : Estimates
        Its column look_better as probabilities with their Monte Carlo error, labels as `at_least`.
    no_difference : Estimates
        Share of the posterior that lies nearer to its centre than "no difference on any outcome" does, in
        units of its own spread: above 0.95 that point is outside the joint 95 % region.
    """

    estimand_kind: Literal["these units", "units as a kind"]
    differences: tuple[Estimates, ...]
    advantage: Estimates
    control: Estimates | None
    probability_better: Estimates
    at_least: Estimates
    number_better: Estimates
    composite: Estimates
    composite_better: Estimates
    weightings: pd.DataFrame
    by_chance: pd.DataFrame
    by_luck: Estimates
    no_difference: Estimates

    def table(self) -> pd.DataFrame:
        """Every outcome, controls last: outcome, unit, estimate, lower, upper, probability_better (None)."""
        likely = self.probability_better.table().set_index("label")["estimate"]
        rows = []
        for found in self.differences:
            row = found.table().iloc[0]
            better = likely.get(row["label"])
            rows.append((row["label"], found.unit, row["estimate"], row["lower"], row["upper"], better))
        columns = ["outcome", "unit", "estimate", "lower", "upper", "probability_better"]
        return pd.DataFrame(rows, columns=columns)

    def advantages(self, group: str) -> pd.DataFrame:
        """Return the advantages as rows of a figure, controls last: label, group, estimate, lower, upper."""
        shown = [self.advantage.table().assign(group=group)]
        if self.control is not None:
            named = self.control.table().assign(group="negative control")
            shown.append(named.assign(label="negative control: " + named["label"]))
        return pd.concat(shown, ignore_index=True)[["label", "group", "estimate", "lower", "upper"]]


@dataclass(frozen=True, eq=False, kw_only=True)
class JointResult:
    """What `units.joint.fit` found.

    Attributes
    ----------
    these_units, as_a_kind : Statement
    correlation : Estimates
        Between outcomes over units, each turned so that higher is better; labels "a with b".
    chance_correlation : DataFrame
        The same of sampling errors, because the same patients answer (square, by label).
    spread : Estimates
        Standard deviation between units of a class, log odds, per outcome; root mean square over units.
    class_spread : DataFrame
        group, then one column an outcome: posterior mean of the class's spread, log odds.
    common_share : Estimates
        Share of the outcomes' standardised variance between units that one direction holds; 1 over the number
        of outcomes if they have nothing in common, 1 if a unit is good at everything or at nothing.
    units : DataFrame
        One row a unit: unit, group, patients (most that answered any question), estimate, lower, upper of its
        composite advantage against the reference, rank_median, rank_lower, rank_upper, rank_expected,
        rank_loss, probability_best_fifth, probability_worst_fifth.
    outcomes : DataFrame
        outcome, better, control, units, patients, events (or None), weight.
    draws : JointDraws
    priors : JointPriors
    checks : tuple of Check
    """

    these_units: Statement
    as_a_kind: Statement
    correlation: Estimates
    chance_correlation: pd.DataFrame
    spread: Estimates
    class_spread: pd.DataFrame
    common_share: Estimates
    units: pd.DataFrame
    outcomes: pd.DataFrame
    draws: JointDraws
    priors: JointPriors
    checks: tuple[Check, ...]

    def __repr__(self) -> str:
        return f"units.joint\n{self.these_units.advantage!r}\n{self.these_units.at_least!r}"

    def _repr_html_(self) -> str:
        return self.these_units.advantage._repr_html_() + self.these_units.at_least._repr_html_()


def levels_of_classes(
    laid: Layers, drawn: JointDraws, groups: Sequence[str], *, kind: Literal["these units", "units as a kind"]
) -> tuple[FloatArray, ...]:
    """Draws (S,) of the standardised risk or score of `groups` taken together, one array an outcome.

    These units are weighted by their patients; units as a kind by the number of units of each class.
    """
    inside = np.isin(laid.group_of_unit, [laid.groups.index(group) for group in groups])
    found = []
    for o, summary in enumerate(laid.summaries):
        if kind == "these units":
            weight = np.where(inside, laid.patients[:, o], 0.0)
            held = np.flatnonzero(weight)
            value = summary.natural(drawn.level[:, held, o]) @ (weight[held] / weight.sum())
        else:
            size = np.bincount(laid.group_of_unit[inside], minlength=len(laid.groups)).astype(float)
            value = _mean_of_kind(summary.natural, drawn, o) @ (size / size.sum())
        found.append(np.asarray(value))
    return tuple(found)


def _mean_of_kind(natural: object, drawn: JointDraws, o: int) -> FloatArray:
    nodes, weights = np.polynomial.hermite_e.hermegauss(QUADRATURE)
    spread, total = drawn.spread[:, :, o], np.zeros(drawn.class_level.shape[:2])
    for node, weight in zip(nodes, weights / weights.sum(), strict=True):
        total += weight * natural(drawn.class_level[:, :, o] + node * spread)  # type: ignore[operator]
    return total


def composites(laid: Layers, weights: FloatArray) -> FloatArray:
    """Weights over all outcomes, turned so that above 0 is better and 0 for controls; sums to 1 in size."""
    sign = np.array([1.0 if s.outcome.better == "higher" else -1.0 for s in laid.summaries])
    told = np.array([not s.outcome.control for s in laid.summaries])
    return np.asarray(sign[told] * weights / weights.sum())


def state(
    laid: Layers,
    drawn: JointDraws,
    *,
    focus: str,
    reference: Sequence[str],
    reference_label: str,
    weights: FloatArray,
    kind: Literal["these units", "units as a kind"],
    checks: tuple[Check, ...],
    seed: int,
) -> Statement:
    """Everything that is said of `focus` against the reference on one estimand."""
    ours = levels_of_classes(laid, drawn, [focus], kind=kind)
    theirs = levels_of_classes(laid, drawn, reference, kind=kind)
    labels = [s.outcome.label for s in laid.summaries]
    told = [o for o, s in enumerate(laid.summaries) if not s.outcome.control]
    controls = [o for o, s in enumerate(laid.summaries) if s.outcome.control]
    against = f"against {reference_label}, {kind}"

    def estimates(what: str, names: Sequence[str], unit: str, draws: FloatArray) -> Estimates:
        return Estimates(
            estimand=what, labels=tuple(names), unit=unit, method=METHOD, draws=draws,
            interval="credible", checks=checks,
        )  # fmt: skip

    def probability(what: str, names: Sequence[str], statements: NDArray[np.bool_]) -> Estimates:
        found = [probability_of(column, chains=drawn.chains) for column in statements.T]
        return Estimates(
            estimand=what, labels=tuple(names), unit="probability", method=METHOD,
            mean=np.array([likely for likely, _ in found]),
            covariance=np.diag(np.square([error for _, error in found])),
            interval="Monte Carlo", checks=checks,
        )  # fmt: skip

    differences, turned = [], []
    for o, summary in enumerate(laid.summaries):
        scale = 1000.0 if isinstance(summary.outcome, Events) else 1.0
        draws = (ours[o] - theirs[o])[:, None] * scale
        differences.append(
            estimates(f"difference in {labels[o]} {against}", [labels[o]], summary.outcome.unit, draws)
        )
        sign = 1.0 if summary.outcome.better == "higher" else -1.0
        if summary.curve is None:
            turned.append(sign * (ours[o] - theirs[o]) * summary.per_point)
        else:
            turned.append(sign * (logit(ours[o]) - logit(theirs[o])))
    all_turned = np.column_stack(turned)
    advantage = all_turned[:, told]
    count = (advantage > 0).sum(axis=1)
    k = len(told)
    composite = advantage @ (weights / weights.sum())
    table = _by_chance(advantage, count, seed)
    luck = table["look_better"].to_numpy()
    names = [*(f"at least {m}" for m in range(1, k)), f"all {k}"]
    return Statement(
        estimand_kind=kind,
        differences=tuple(differences[o] for o in [*told, *controls]),
        advantage=estimates(
            f"advantage {against}, turned so that above 0 is better",
            [labels[o] for o in told], "log odds", advantage,
        ),
        control=estimates(
            f"advantage on a negative control {against}",
            [labels[o] for o in controls], "log odds", all_turned[:, controls],
        ) if controls else None,
        probability_better=probability(
            f"probability of being better {against}", [labels[o] for o in told], advantage > 0
        ),
        at_least=probability(
            f"probability of being better on so many of {k} outcomes {against}", names,
            count[:, None] >= np.arange(1, k + 1),
        ),
        number_better=estimates(
            f"outcomes on which it is better {against}", [focus], "outcomes", count[:, None].astype(float)
        ),
        composite=estimates(f"average advantage {against}", [focus], "log odds", composite[:, None]),
        composite_better=probability(
            f"probability that the average advantage is above 0 {against}", [focus], composite[:, None] > 0
        ),
        weightings=_weightings(advantage, weights, [labels[o] for o in told], seed),
        by_chance=table,
        by_luck=Estimates(
            estimand="chance that so many would look better if the class differed on none",
            labels=tuple(names), unit="probability", method=METHOD, mean=luck,
            covariance=np.diag(luck * (1 - luck) / BY_CHANCE), interval="Monte Carlo", checks=checks,
        ),
        no_difference=probability(
            f"share of the posterior nearer its centre than no difference on any outcome {against}", [focus],
            _nearer(advantage)[:, None],
        ),
    )  # fmt: skip


def _weightings(advantage: FloatArray, weights: FloatArray, labels: list[str], seed: int) -> pd.DataFrame:
    k = len(labels)
    drawn = np.random.default_rng(seed).dirichlet(np.ones(k), WEIGHTINGS)
    # probabilities of many weightings from a thousand draws: what is asked is their range
    few = advantage[np.linspace(0, len(advantage) - 1, min(1000, len(advantage))).astype(int)]
    likely = (few @ drawn.T > 0).mean(axis=0)
    rows = {"as asked": weights / weights.sum()}
    rows |= {f"{label} alone": np.eye(k)[o] for o, label in enumerate(labels)}
    rows["least favourable of all weightings tried"] = drawn[int(np.argmin(likely))]
    rows["most favourable of all weightings tried"] = drawn[int(np.argmax(likely))]
    found = []
    for name, one in rows.items():
        value = advantage @ one
        lower, upper = np.quantile(value, [0.025, 0.975])
        found.append((name, value.mean(), lower, upper, (value > 0).mean()))
    return pd.DataFrame(found, columns=["weighting", "estimate", "lower", "upper", "probability_better"])


def _by_chance(advantage: FloatArray, count: NDArray[np.int64], seed: int) -> pd.DataFrame:
    k = advantage.shape[1]
    correlation = np.atleast_2d(np.corrcoef(advantage, rowvar=False))
    values, vectors = np.linalg.eigh(correlation)
    noise = np.random.default_rng(seed).standard_normal((BY_CHANCE, k))
    looks = noise * np.sqrt(np.clip(values, 0, None)) @ vectors.T
    at = np.arange(1, k + 1)
    return pd.DataFrame(
        {
            "outcomes": at,
            "better": [(count >= m).mean() for m in at],
            "look_better": [((looks > 0).sum(axis=1) >= m).mean() for m in at],
            "clearly_better": [((looks > CLEAR).sum(axis=1) >= m).mean() for m in at],
        }
    )


def _nearer(advantage: FloatArray) -> NDArray[np.bool_]:
    """Which draws lie nearer to the centre than no difference on anything does."""
    centre = advantage.mean(axis=0)
    inverse = np.linalg.pinv(np.atleast_2d(np.cov(advantage, rowvar=False)))
    apart = advantage - centre
    distance = np.einsum("sa,ab,sb->s", apart, inverse, apart)
    return np.asarray(distance < centre @ inverse @ centre)
