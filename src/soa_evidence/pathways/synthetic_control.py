"""Synthetic control: those that took part beside a mixture of others that ran alongside them before.

Weights v of units outside the programme, 0 or more and adding to 1, minimise over the years before

    sum_t (treated_t - sum_j v_j y_jt)^2 + ridge sum_j v_j^2

with `treated` the weighted mean of those that took part. Each series may first lose its own mean before the
start (`shift`), so that only movement is matched. The effect is the mean gap after the start. The programme
of weights is solved exactly: with B_tj = y_jt - treated_t, the minimum of |Bv|^2 over the simplex is that of
|Bu|^2 + (1'u - 1)^2 over u >= 0, scaled to add to 1, a non-negative least-squares problem.

Placebo in place: as many units outside the programme, drawn again and again, are given their own synthetic
control from the rest. The interval is the effect less the placebo effects, scaled to the sizes of those that
took part where sizes are known. Placebo in time: an earlier start, on years before the real one.

When not to use it
    - Few years before: many mixtures then fit by chance. The ridge picks the broadest of them.
    - Those that took part lie outside the others and `shift` is off: the fit is poor (told as a check).

Source: Abadie, Diamond and Hainmueller (2010), JASA 105:493; Ferman and Pinto (2021), Quantitative Economics
12:1197, for the shift; Lawson and Hanson (1974), chapter 23, for the solver.

Checked against: R's quadprog (tests/reference/programmes); the conditions of a minimum (tests/properties).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soa_evidence.errors import InputError
from soa_evidence.pathways import placebo, programme_panel
from soa_evidence.pathways.programme_panel import Panel
from soa_evidence.results import Check, Estimates, checks_frame

__all__ = ["SyntheticResult", "fit", "simplex_weights"]

FloatArray = NDArray[np.float64]
METHOD = "pathways.synthetic_control"


@dataclass(frozen=True, eq=False, kw_only=True)
class SyntheticResult:
    """Those that took part beside their synthetic control.

    Attributes
    ----------
    effect : Estimates
        Mean gap after the start.
    by_year : Estimates
        Gap in each year.
    p_value : float
        Place of the effect among placebo groups.
    place : Estimates
        The same as a number to publish, with its Monte Carlo error.
    placebo_groups : array
    placebo_years : DataFrame
        start, effect: earlier starts, on years before the real one.
    donors : DataFrame
        unit, weight: those with any, largest first.
    series : DataFrame
        year, treated, synthetic.
    misfit : float
        Root mean square of the gap before the start.
    panel : Panel
    checks : tuple of Check
    """

    effect: Estimates
    by_year: Estimates
    p_value: float
    place: Estimates
    placebo_groups: FloatArray
    placebo_years: pd.DataFrame
    donors: pd.DataFrame
    series: pd.DataFrame
    misfit: float
    panel: Panel
    checks: tuple[Check, ...]

    def __repr__(self) -> str:
        return f"{self.effect!r}\np = {self.p_value:.3f} among {len(self.placebo_groups)} placebo groups"

    def _repr_html_(self) -> str:
        shown = self.effect.table().to_html(index=False, float_format="{:.4g}".format)
        return f"{shown}{checks_frame(self.checks).to_html(index=False)}"


def simplex_weights(target: FloatArray, donors: FloatArray, ridge: float) -> FloatArray:
    """Return the weights, shape (m,), of `donors` (m, years) nearest to `target` (years,)."""
    from scipy.optimize import nnls

    apart = (donors - target).T
    scale = max(float(np.abs(apart).max(initial=0.0)), np.sqrt(ridge), 1e-300)
    m = len(donors)
    rows = [apart / scale, *([np.sqrt(ridge) / scale * np.eye(m)] if ridge > 0 else []), np.ones((1, m))]
    wanted = np.zeros(sum(len(r) for r in rows))
    wanted[-1] = 1.0
    found, _ = nnls(np.vstack(rows), wanted)
    return np.asarray(found / found.sum())


def fit(
    frame: pd.DataFrame,
    *,
    unit: str,
    year: str,
    value: str,
    treated: Sequence[str],
    start: object,
    seed: int,
    leave_out: Sequence[object] = (),
    size: str | None = None,
    record_sd: str | None = None,
    weights: Sequence[float] | None = None,
    shift: bool = False,
    ridge: float = 0.01,
    unit_text: str = "points",
    placebos: int = 299,
) -> SyntheticResult:
    """Set those that took part beside their synthetic control.

    Parameters
    ----------
    frame, unit, year, value, treated, start, seed, leave_out, size, record_sd, weights, unit_text
        As in `pathways.difference_in_differences`.
    shift
        Whether each series first loses its mean before the start.
    ridge
        Penalty on uneven weights, as a share of the variance between units before the start; 0 for none.
    placebos
        Placebo groups, each with its own synthetic control.

    Raises
    ------
    InputError
        As `pathways.difference_in_differences`, and on a negative ridge.
    """
    placebo.require_count(placebos)
    if not (np.isfinite(ridge) and ridge >= 0):
        raise InputError(f"ridge={ridge!r}: expected a number, 0 or more.")
    panel = programme_panel.read(
        frame, unit=unit, year=year, value=value, treated=treated, start=start, leave_out=leave_out,
        size=size, record_sd=record_sd,
    )  # fmt: skip
    weight = programme_panel.weights_of(panel, treated, weights)
    others = panel.outcome[~panel.treated]
    target = weight @ panel.outcome[panel.treated]
    gap, found, synthetic = _gap(target, others, panel.before, shift, ridge)
    effect = float(gap[panel.after].mean())
    drawn = placebo.groups(len(others), len(weight), placebos, seed=seed)
    factor = _factors(panel, weight, drawn)
    gaps = np.empty((len(drawn), len(gap)))
    for at, group in enumerate(drawn):
        rest = np.delete(others, group, axis=0)
        gaps[at] = factor[at] * _gap(weight @ others[group], rest, panel.before, shift, ridge)[0]
    groups = gaps[:, panel.after].mean(axis=1)
    p = placebo.p_value(effect, groups)
    misfit = float(np.sqrt((gap[panel.before] ** 2).mean()))
    usual = np.sqrt((gaps[:, panel.before] ** 2).mean(axis=1))
    rank = float((usual >= misfit).mean())
    checks = (
        *panel.checks(),
        Check(
            name="fit before the start",
            verdict="pass" if rank > 0.1 else "warn",
            observed=f"misfit {misfit:.3g}; {100 * rank:.0f}% of placebo groups fit no better",
            expected="more than 10%",
            why="a control that did not run alongside before says nothing of after",
        ),
        placebo.told(p, len(groups)),
    )
    outside = np.array(panel.units)[~panel.treated]
    order = np.argsort(-found, kind="stable")
    order = order[found[order] > 1e-6]

    def made(estimand: str, labels: Sequence[str], mean: FloatArray, chance: FloatArray) -> Estimates:
        return Estimates(
            estimand=estimand, labels=tuple(labels), unit=unit_text, method=METHOD,
            draws=mean - (chance - chance.mean(axis=0)), interval="confidence", checks=checks,
        )  # fmt: skip

    return SyntheticResult(
        effect=made(
            "gap to the synthetic control", ["those that took part"], np.array([effect]), groups[:, None]
        ),
        by_year=made("gap to the synthetic control", [str(y) for y in panel.years], gap, gaps),
        p_value=p,
        place=placebo.place(p, len(groups), METHOD, checks),
        placebo_groups=groups,
        placebo_years=_earlier(panel, target, others, shift, ridge),
        donors=pd.DataFrame({"unit": outside[order], "weight": found[order]}),
        series=pd.DataFrame({"year": panel.years, "treated": target, "synthetic": synthetic}),
        misfit=misfit,
        panel=panel,
        checks=checks,
    )


def _gap(
    target: FloatArray, others: FloatArray, before: NDArray[np.bool_], shift: bool, ridge: float
) -> tuple[FloatArray, FloatArray, FloatArray]:
    level = target[before].mean() if shift else 0.0
    base = others - others[:, before].mean(axis=1, keepdims=True) if shift else others
    past = base[:, before]
    penalty = ridge * float(past.var(axis=0).sum())
    found = simplex_weights(target[before] - level, past, penalty)
    synthetic = found @ base + level
    return np.asarray(target - synthetic), found, np.asarray(synthetic)


def _factors(panel: Panel, weight: FloatArray, drawn: NDArray[np.int64]) -> FloatArray:
    """How much more chance there is in those that took part than in each placebo group."""
    coded = panel.after / panel.after.sum() - panel.before / panel.before.sum()
    w, q = panel.outcome @ coded, panel.chance @ coded**2
    outside = ~panel.treated
    own, wanted = placebo.scales(
        w[outside] - w[outside].mean(), q[outside], q[panel.treated], panel.chance_known
    )
    return np.asarray(np.sqrt((weight**2 @ wanted**2) / np.maximum((own[drawn] ** 2) @ weight**2, 1e-300)))


def _earlier(panel: Panel, target: FloatArray, others: FloatArray, shift: bool, ridge: float) -> pd.DataFrame:
    rows, past = [], np.flatnonzero(panel.before)
    for at in past[1:]:
        gap = _gap(target[past], others[:, past], past < at, shift, ridge)[0]
        rows.append((panel.years[at], float(gap[past >= at].mean())))
    return pd.DataFrame(rows, columns=["start", "effect"])
