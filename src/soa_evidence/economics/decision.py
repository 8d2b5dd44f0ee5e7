r"""Which strategy gives most for what is spent: frontier, net benefit, acceptability, value of certainty.

Net monetary benefit at :math:`\lambda` pounds per QALY is :math:`\lambda E - C`, net health benefit
:math:`E - C/\lambda`. A strategy is *dominated* when another costs no more and gives no less (one of them
strictly), and *extendedly dominated* when a mixture of two others does; the rest is the frontier, along which
each ICER is the difference in cost over that in effect against the one before.

The acceptability curve is the share of draws in which a strategy has the highest net benefit. It is not the
criterion: that is the highest *mean*, whose strategy the acceptability *frontier* follows.
:math:`\mathrm{EVPI} = E\max_s \mathrm{NB}_s - \max_s E\,\mathrm{NB}_s`.

When not to use it: an ICER where costs or effects are not clearly different; its draws have no mean.

Checked against: published frontiers of HIV and bowel cancer screening, R on the same draws
(tests/reference/economics), the closed form of EVPI for a normal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from soa_evidence.economics.outcomes import Outcomes
from soa_evidence.errors import InputError
from soa_evidence.results import Check, Estimates, checks_frame

__all__ = ["Decision", "analyse", "frontier"]

FloatArray = NDArray[np.float64]
METHOD = "economics.decision"
ON = "on the frontier"
STRICT = "dominated"
EXTENDED = "extendedly dominated"


def frontier(costs: ArrayLike, effects: ArrayLike, labels: Sequence[str]) -> pd.DataFrame:
    """Return every strategy's place on the frontier.

    Parameters
    ----------
    costs, effects : arrays of shape (strategies,)
        Means.

    Returns
    -------
    DataFrame
        strategy, cost, effect, status, extra_cost, extra_effect, icer; by cost. The ICER and the differences
        are against the strategy before it on the frontier; missing for the cheapest and for those not on it.
    """
    c, e = np.array(costs, dtype=float), np.array(effects, dtype=float)
    if c.ndim != 1 or not len(c) == len(e) == len(labels) or not len(c):
        raise InputError(
            f"A frontier was given {c.size} costs, {e.size} effects and {len(labels)} labels; "
            f"expected as many of "
            "each, at least one."
        )
    if not (np.isfinite(c).all() and np.isfinite(e).all()):
        raise InputError("A frontier needs finite costs and effects.")
    if len(set(labels)) != len(labels):
        raise InputError("Strategies on a frontier repeat a label; each needs its own.")
    order = np.lexsort((-e, c))
    status = dict.fromkeys(range(len(c)), STRICT)
    kept: list[int] = []
    for at in order:
        if kept and e[at] <= e[kept[-1]]:
            continue
        status[at] = ON
        kept.append(at)
    hull: list[int] = []
    for at in kept:
        # the ICER must rise along the frontier: a step dearer per unit than the next is left out
        while len(hull) > 1 and _icer(c, e, hull[-2], hull[-1]) >= _icer(c, e, hull[-1], at):
            status[hull.pop()] = EXTENDED
        hull.append(at)
    before = {at: hull[k - 1] for k, at in enumerate(hull) if k}
    rows = []
    for at in order:
        ref = before.get(int(at))
        extra_c, extra_e = (np.nan, np.nan) if ref is None else (c[at] - c[ref], e[at] - e[ref])
        rows.append((labels[at], c[at], e[at], status[int(at)], extra_c, extra_e, extra_c / extra_e))
    names = ["strategy", "cost", "effect", "status", "extra_cost", "extra_effect", "icer"]
    return pd.DataFrame(rows, columns=names)


@dataclass(frozen=True, eq=False, kw_only=True)
class Decision:
    """What follows from a set of draws of costs and effects.

    Attributes
    ----------
    threshold : float
        Pounds per QALY at which the single values hold.
    frontier : DataFrame
        Of mean costs and effects; see `frontier`.
    extra_cost, extra_effect : Estimates
        Each other strategy minus the reference.
    net_benefit, net_health : Estimates
        Incremental net monetary (GBP) and health (QALY) benefit at the threshold, against the reference.
    acceptability : DataFrame
        threshold, strategy, probability (of being best), on_frontier (has the highest mean).
    evpi : DataFrame
        threshold, evpi (GBP per patient).
    best : str
        The strategy with the highest mean net benefit at the threshold.
    checks : tuple of Check
    """

    threshold: float
    reference: str
    frontier: pd.DataFrame
    extra_cost: Estimates
    extra_effect: Estimates
    net_benefit: Estimates
    net_health: Estimates
    acceptability: pd.DataFrame
    evpi: pd.DataFrame
    best: str
    checks: tuple[Check, ...]

    def plane(self) -> pd.DataFrame:
        """Return the plane, one row a draw and strategy: label, extra_effect, extra_cost."""
        e, c = self.extra_effect.draws, self.extra_cost.draws
        if e is None or c is None:
            raise InputError("The plane needs draws.")
        return pd.concat(
            [
                pd.DataFrame({"label": label, "extra_effect": e[:, at], "extra_cost": c[:, at]})
                for at, label in enumerate(self.extra_cost.labels)
            ],
            ignore_index=True,
        )

    def evpi_at(self, threshold: float) -> float:
        """Return the EVPI per patient at a threshold of the table; another is an error."""
        rows = self.evpi[np.isclose(self.evpi["threshold"], threshold)]
        if rows.empty:
            raise InputError(f"EVPI was not computed at {threshold:g}; thresholds are in the table evpi.")
        return float(rows["evpi"].iloc[0])

    def __repr__(self) -> str:
        return (
            f"Decision at {self.threshold:,g} per QALY: {self.best}\n{self.frontier.to_string(index=False)}"
        )

    def _repr_html_(self) -> str:
        head = f"<p><strong>Decision at {self.threshold:,g} per QALY</strong></p>"
        return head + self.frontier.to_html(index=False) + checks_frame(self.checks).to_html(index=False)


def analyse(
    outcomes: Outcomes,
    *,
    threshold: float,
    thresholds: Sequence[float] = tuple(range(0, 50001, 1000)),
    reference: str | None = None,
) -> Decision:
    """Work out frontier, net benefit, acceptability and EVPI from draws of outcomes.

    Parameters
    ----------
    threshold
        Pounds a QALY is held to be worth, above 0.
    thresholds
        Those of the curves; `threshold` is added.
    reference
        The strategy that others are compared with; the first by default.

    Raises
    ------
    InputError
        On fewer than two strategies or draws, or a threshold that is not above 0.
    """
    if not (np.isfinite(threshold) and threshold > 0):
        raise InputError(f"The threshold is {threshold}; expected pounds per QALY, above 0.")
    if len(outcomes.strategies) < 2 or outcomes.draws < 2:
        raise InputError(
            f"A decision needs two strategies and two draws; there are {len(outcomes.strategies)} "
            f"and {outcomes.draws}."
        )
    if min(thresholds, default=0) < 0:
        raise InputError(f"A threshold of the curves is {min(thresholds)}; expected 0 or more.")
    base = outcomes.strategies[0] if reference is None else reference
    cost = outcomes.incremental("costs", reference=base)
    effect = outcomes.incremental("qalys", reference=base)
    gain = outcomes.net_benefit(threshold)
    own = outcomes.position(base)
    others = [at for at in range(len(outcomes.strategies)) if at != own]
    drawn = gain[:, others] - gain[:, [own]]
    money = Estimates(
        estimand="incremental net monetary benefit",
        labels=cost.labels,
        unit="GBP per patient",
        method=METHOD,
        draws=drawn,
        interval="credible",
        checks=outcomes.checks,
    )
    health = Estimates(
        estimand="incremental net health benefit",
        labels=cost.labels,
        unit="QALYs per patient",
        method=METHOD,
        draws=drawn / threshold,
        interval="credible",
        checks=outcomes.checks,
    )
    accepted, certainty = _curves(outcomes, sorted({*map(float, thresholds), float(threshold)}))
    best = outcomes.strategies[int(gain.mean(axis=0).argmax())]
    return Decision(
        threshold=float(threshold),
        reference=base,
        extra_cost=cost,
        extra_effect=effect,
        net_benefit=money,
        net_health=health,
        best=best,
        acceptability=accepted,
        evpi=certainty,
        frontier=frontier(outcomes.costs.mean(axis=0), outcomes.qalys.mean(axis=0), outcomes.strategies),
        checks=(*outcomes.checks, *_checks(gain, accepted, certainty)),
    )


def _icer(c: FloatArray, e: FloatArray, first: int, second: int) -> float:
    return float((c[second] - c[first]) / (e[second] - e[first]))


def _curves(outcomes: Outcomes, thresholds: list[float]) -> tuple[pd.DataFrame, pd.DataFrame]:
    rows, certainty = [], []
    for threshold in thresholds:
        gain = outcomes.net_benefit(threshold)
        top = gain.max(axis=1, keepdims=True)
        ties = gain == top
        share = (ties / ties.sum(axis=1, keepdims=True)).mean(axis=0)
        mean = gain.mean(axis=0)
        rows += [
            (threshold, name, float(share[at]), at == int(mean.argmax()))
            for at, name in enumerate(outcomes.strategies)
        ]
        certainty.append((threshold, float(top.mean() - mean.max())))
    return (
        pd.DataFrame(rows, columns=["threshold", "strategy", "probability", "on_frontier"]),
        pd.DataFrame(certainty, columns=["threshold", "evpi"]),
    )


def _checks(gain: FloatArray, accepted: pd.DataFrame, certainty: pd.DataFrame) -> tuple[Check, ...]:
    total = accepted.groupby("threshold")["probability"].sum()
    means = np.sort(gain.mean(axis=0))
    order = np.argsort(gain.mean(axis=0))
    gap = gain[:, order[-1]] - gain[:, order[-2]]
    error = float(gap.std(ddof=1) / np.sqrt(len(gap)))
    clear = means[-1] - means[-2] > 2 * error or error == 0
    return (
        Check(
            name="probabilities of being best add up to 1",
            verdict="pass" if (total - 1).abs().max() < 1e-9 else "fail",
            observed=f"largest gap {(total - 1).abs().max():.1e}",
            expected="0",
            why="one strategy is best in every draw",
        ),
        Check(
            name="value of certainty is not negative",
            verdict="pass" if certainty["evpi"].min() > -1e-9 else "fail",
            observed=f"smallest {certainty['evpi'].min():.3g} GBP",
            expected="0 or more",
            why="knowing more cannot make the best choice worse",
        ),
        Check(
            name="the best strategy is not a matter of the draws",
            verdict="pass" if clear else "warn",
            observed=f"lead of {means[-1] - means[-2]:.3g} GBP, Monte Carlo error {error:.2g}",
            expected="a lead of more than two errors",
            why="a lead within the error may turn with another seed",
        ),
    )
