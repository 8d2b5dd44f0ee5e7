"""Difference in differences: whether units in a programme changed more than units outside it.

With W_i the mean of unit i's years after the start less the mean of its years before:

    effect = sum_k w_k W_k (took part, weights adding to 1) - mean of W_i (did not)

which for a whole panel and equal weights is the two-way fixed-effects estimate, and needs no model of how a
unit's years hang together. Event study: the same with one year against the last year before the start.

Uncertainty and p value come from placebo groups (`pathways.placebo`): as many units that took no part, drawn
again and again. The interval is the effect less the placebo effects. Cluster-robust errors stand beside it;
with few units that took part they are too small.

When not to use it
    - Trends were not parallel before, or something else happened to those that took part.
    - Those outside the programme were touched by it as well.
    - Units joined because of a bad (or good) year: see `pathways.regression_to_mean`.

Checked against: R's lm with sandwich's vcovCL (tests/reference/programmes); worlds without an effect, and
with one (tests/calibration/programmes.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soa_evidence.pathways import placebo, programme_panel
from soa_evidence.pathways.programme_panel import Panel
from soa_evidence.results import Check, Estimates, checks_frame

__all__ = ["DifferenceResult", "fit"]

FloatArray = NDArray[np.float64]
METHOD = "pathways.difference_in_differences"


@dataclass(frozen=True, eq=False, kw_only=True)
class DifferenceResult:
    """Whether those that took part changed more.

    Attributes
    ----------
    effect : Estimates
        Labels ``"those that took part"``: the effect, interval from placebo groups.
    cluster_robust : Estimates
        The same with cluster-robust error and a t distribution.
    by_year : Estimates
        Event study: each year against the last before the start (which is not among the labels).
    p_value : float
        Place of the effect among placebo groups.
    place : Estimates
        The same as a number to publish, with its Monte Carlo error.
    placebo_groups : array
        Their effects.
    placebo_years : DataFrame
        start, effect, p_value: programmes pretended to have started earlier, on years before the real one.
    trend_p_value : float
        Of parallel trends: the largest lead, standardised, among placebo groups (1 with one year before).
    units : DataFrame
        unit, before, after, change of each that took part.
    panel : Panel
    checks : tuple of Check
    """

    effect: Estimates
    cluster_robust: Estimates
    by_year: Estimates
    p_value: float
    place: Estimates
    placebo_groups: FloatArray
    placebo_years: pd.DataFrame
    trend_p_value: float
    units: pd.DataFrame
    panel: Panel
    checks: tuple[Check, ...]

    def __repr__(self) -> str:
        return f"{self.effect!r}\np = {self.p_value:.3f} among {len(self.placebo_groups)} placebo groups"

    def _repr_html_(self) -> str:
        shown = self.effect.table().to_html(index=False, float_format="{:.4g}".format)
        return f"{shown}{checks_frame(self.checks).to_html(index=False)}"


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
    unit_text: str = "points",
    placebos: int = 1999,
) -> DifferenceResult:
    """Estimate what those that took part changed beyond the others.

    Parameters
    ----------
    frame
        One row a unit and year.
    unit, year, value
        Columns; years must sort in order.
    treated
        Units that took part.
    start
        First year after the start.
    seed
        Recorded seed.
    leave_out
        Years not used, such as that in which the programme began.
    size
        Column of the number behind each value; scales placebo groups to the sizes of those that took part.
    record_sd
        Column of the standard deviation of one record: how much chance there is in a value is then known,
        and not estimated from few units.
    weights
        Of those that took part, in the order of `treated`; equal when not given.
    unit_text
        What values are measured in.
    placebos
        Placebo groups; all there are, when fewer.

    Raises
    ------
    InputError
        As `pathways.programme_panel`, on weights that are not one a unit and above 0, on too few placebos.
    """
    placebo.require_count(placebos)
    panel = programme_panel.read(
        frame, unit=unit, year=year, value=value, treated=treated, start=start, leave_out=leave_out,
        size=size, record_sd=record_sd,
    )  # fmt: skip
    weight = programme_panel.weights_of(panel, treated, weights)
    among = int((~panel.treated).sum())
    drawn = placebo.groups(among, int(panel.treated.sum()), placebos, seed=seed, ordered=size is not None)

    def contrast(of: FloatArray) -> tuple[float, FloatArray]:
        w, q = panel.outcome @ of, panel.chance @ of**2
        inside, outside = panel.treated, ~panel.treated
        effect = float(w[inside] @ weight - w[outside].mean())
        return effect, placebo.effects(w[outside], q[outside], q[inside], weight, drawn, panel.chance_known)

    coded = panel.after / panel.after.sum() - panel.before / panel.before.sum()
    effect, groups = contrast(coded)
    p = placebo.p_value(effect, groups)
    event, leads = _event_study(panel, contrast)
    trend = _trend(leads)
    earlier = _earlier(panel, contrast)
    checks = (
        *panel.checks(),
        Check(
            name="parallel trends before the start",
            verdict="warn" if trend < 0.1 or not leads else "pass",
            observed=f"p = {trend:.2f}" if leads else "one year before: cannot be seen",
            expected="p of 0.1 or more",
            why="those that were changing already would have gone on without the programme",
        ),
        Check(
            name="placebo in time",
            verdict="pass" if len(earlier) and earlier["p_value"].min() >= 0.05 else "warn",
            observed=", ".join(f"{r.start}: p = {r.p_value:.2f}" for r in earlier.itertuples()) or "no year",
            expected="no effect before the programme",
            why="a method that finds effects where there was no programme cannot be believed",
        ),
        placebo.told(p, len(groups)),
    )
    label = "those that took part"

    def made(estimand: str, labels: Sequence[str], draws: FloatArray) -> Estimates:
        return Estimates(
            estimand=estimand, labels=tuple(labels), unit=unit_text, method=METHOD, draws=draws,
            interval="confidence", checks=checks,
        )  # fmt: skip

    error, dof = _robust(panel, coded, weight)
    w = panel.outcome[panel.treated]
    return DifferenceResult(
        effect=made("change beyond that of units outside the programme", [label], _around(effect, groups)),
        cluster_robust=Estimates(
            estimand="change beyond that of units outside the programme, cluster-robust",
            labels=(label,), unit=unit_text, method=METHOD, mean=np.array([effect]),
            covariance=np.array([[error**2]]), dof=dof, interval="confidence", checks=checks,
        ),
        by_year=made(
            "difference from units outside the programme, against the last year before it",
            [str(name) for name in event],
            np.hstack([_around(*pair) for pair in event.values()]),
        ),
        p_value=p,
        place=placebo.place(p, len(groups), METHOD, checks),
        placebo_groups=groups,
        placebo_years=earlier,
        trend_p_value=trend,
        units=pd.DataFrame(
            {
                "unit": [u for u, t in zip(panel.units, panel.treated, strict=True) if t],
                "before": w[:, panel.before].mean(axis=1),
                "after": w[:, panel.after].mean(axis=1),
                "change": w @ coded,
            }
        ),
        panel=panel,
        checks=checks,
    )  # fmt: skip


def _around(effect: float, groups: FloatArray) -> FloatArray:
    # Placebo effects average 0 but for the draw; centring them keeps the estimate where it was made.
    return np.asarray(effect - (groups - groups.mean()))[:, None]


def _event_study(panel: Panel, contrast):  # type: ignore[no-untyped-def]
    last = int(np.flatnonzero(panel.before)[-1])
    event, leads = {}, []
    for at, year in enumerate(panel.years):
        if at == last:
            continue
        coded = np.zeros(len(panel.years))
        coded[at], coded[last] = 1.0, -1.0
        event[year] = contrast(coded)
        if panel.before[at]:
            leads.append(event[year])
    return event, leads


def _trend(leads: list[tuple[float, FloatArray]]) -> float:
    if not leads:
        return 1.0
    spread = np.array([groups.std() for _, groups in leads])
    spread = np.where(spread > 0, spread, 1.0)
    seen = np.abs([effect for effect, _ in leads]) / spread
    chance = np.abs(np.column_stack([groups for _, groups in leads])) / spread
    return placebo.p_value(float(seen.max()), chance.max(axis=1))


def _earlier(panel: Panel, contrast) -> pd.DataFrame:  # type: ignore[no-untyped-def]
    rows, before = [], np.flatnonzero(panel.before)
    for at in before[1:]:
        coded = np.zeros(len(panel.years))
        late, early = before[before >= at], before[before < at]
        coded[late], coded[early] = 1 / len(late), -1 / len(early)
        effect, groups = contrast(coded)
        rows.append((panel.years[at], effect, placebo.p_value(effect, groups)))
    return pd.DataFrame(rows, columns=["start", "effect", "p_value"])


def _robust(panel: Panel, coded: FloatArray, weight: FloatArray) -> tuple[float, float]:
    """Cluster-robust error of the collapsed comparison, with the correction of a fixed-effects regression."""
    w = panel.outcome @ coded
    inside, outside = w[panel.treated], w[~panel.treated]
    units, years = panel.outcome.shape
    small = units / (units - 1) * (units * years - 1) / (units * years - units - years)
    variance = (weight**2 * (inside - inside @ weight) ** 2).sum()
    variance += ((outside - outside.mean()) ** 2).sum() / len(outside) ** 2
    return float(np.sqrt(small * variance)), float(units - 1)
