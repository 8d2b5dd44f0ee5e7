"""Critical mass: how the outcome goes with volume, between units and within them, and thresholds.

The model, for y events among n patients of unit j, year t, case-mix pattern x::

    y_jtx ~ Binomial(n_jtx, p_jtx)
    logit p_jtx = x' case_mix + year_t + level + f(m_j) + within (v_jt - m_j) + u_j + e_jt
    u_j ~ Normal(0, unit_spread^2),   e_jt ~ Normal(0, year_spread^2)

v is log2 of operations done, m_j its mean over the unit's years. f compares units of different volume
(*between*): hospitals that differ in more than volume. *within* holds a unit against itself in its busier and
quieter years; whatever is lasting about the hospital and its patients drops out, so of the two only it has a
claim to cause. e_jt is over-dispersion: without it a busy year would count for more than it knows.

f is straight (the slopes reported), or a smooth curve (shape="spline"). Beside these, shapes are compared by
their evidence: none; straight; a step at a threshold; a slope up to a threshold and none beyond it (plateau).
One third of the probability beforehand is on none, one third on straight, one third on thresholds, spread
evenly over kinds and places.

When not to use it
    - Volume is counted from the patients who answered: it would go with the answering.
    - One year of data: there is no within-unit effect then.
    - The surgeon's volume is the question: a unit's volume says little about one surgeon's.

Sources: Mundlak (1978), Econometrica 46:69, and Neuhaus and Kalbfleisch (1998), Biometrics 54:638, for
splitting the effect; Kass and Raftery (1995), JASA 90:773, for evidence.

Checked against: lme4's glmer (tests/reference/volume), a grid over all parameters (tests/unit), simulation
with known truth, a world without a within-unit effect among them (tests/calibration/units_volume.py).
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from soa_evidence import priors as named_priors
from soa_evidence.errors import InputError
from soa_evidence.results import Check, Estimates, checks_frame
from soa_evidence.units import volume_moving, volume_posterior, volume_shapes
from soa_evidence.units.volume_frame import VolumeCells, read
from soa_evidence.units.volume_posterior import Drawn

__all__ = ["VolumeResult", "fit"]

FloatArray = NDArray[np.float64]
METHOD = "units.volume"
BETWEEN, WITHIN = "between units", "within a unit"
EVIDENCE_ERROR = 0.3  # how far the two ways of working out evidence may differ, log
TELLING = 0.8  # posterior over prior standard deviation beyond which the data hardly speak
CURVE_POINTS = 25


@dataclass(frozen=True, eq=False, kw_only=True)
class VolumeResult:
    """Relation of outcome to volume.

    Attributes
    ----------
    slopes : Estimates
        Log odds ratio when volume doubles: between units, within a unit, and the difference of the two.
    lower_with_volume : Estimates
        Posterior probability that risk falls as volume grows: between units, within a unit.
    curve : Estimates
        Standardised risk by volume (labels are operations a year), by the shape asked for.
    shapes : DataFrame
        shape, threshold, prior, probability, log_evidence, effect, std_error.
    threshold : DataFrame
        volume, probability, prior: where a threshold lies, given that there is one.
    threshold_probability : Estimates
        Probability of each of: no relation, straight, threshold; and of a threshold with less risk above it.
    per_1000, per_year : Estimates
        Further events if operations below `cut` moved to the other units, per 1,000 moved and for all of a
        year's; between units and within a unit. See `volume_moving` for what either means.
    moving : DataFrame
        The same for a range of cuts.
    spread : Estimates
        Standard deviation in log odds between units, and between years of a unit.
    units : DataFrame
        unit, volume, trials, events, crude_risk, changes (SD of log2 volume over its years).
    cut : float
    data : VolumeCells
    priors : VolumePriors
    checks : tuple of Check
    """

    slopes: Estimates
    lower_with_volume: Estimates
    curve: Estimates
    shapes: pd.DataFrame
    threshold: pd.DataFrame
    threshold_probability: Estimates
    per_1000: Estimates
    per_year: Estimates
    moving: pd.DataFrame
    spread: Estimates
    units: pd.DataFrame
    cut: float
    data: VolumeCells
    priors: named_priors.VolumePriors
    checks: tuple[Check, ...]

    @property
    def curve_table(self) -> pd.DataFrame:
        """The curve with its volumes as numbers: volume, estimate, lower, upper."""
        table = self.curve.table()
        return table.assign(volume=table["label"].astype(float))[["volume", "estimate", "lower", "upper"]]

    def __repr__(self) -> str:
        return f"{self.slopes!r}\n{self.threshold_probability!r}"

    def _repr_html_(self) -> str:
        shown = self.slopes.table(transform="exp").to_html(index=False, float_format="{:.4g}".format)
        checks = checks_frame(self.checks).to_html(index=False)
        return f"<p><strong>{html.escape(self.slopes.estimand)}</strong></p>{shown}{checks}"


def fit(
    frame: pd.DataFrame,
    *,
    events: str,
    trials: str,
    unit: str,
    year: str,
    volume: str,
    cut: float,
    seed: int,
    case_mix: Sequence[str] = (),
    shape: Literal["linear", "spline"] = "linear",
    priors: str = "default",
) -> VolumeResult:
    """Relate a yes/no outcome to units' volume, between and within units.

    Parameters
    ----------
    frame
        One row per unit, year and case-mix stratum.
    events, trials, unit, year, volume
        Columns: patients with the outcome and with a valid answer; the unit; the year; operations that the
        unit did that year (the same in all of its rows).
    cut
        Volume below which moving operations is asked about, operations a year.
    seed
        Recorded seed.
    case_mix
        Columns of case-mix factors; every value is a level. Years are always in the model.
    shape
        How units of different volume compare in `curve`, `per_1000` and `per_year`.
    priors
        A name from `priors.VOLUME_PRIORS`.

    Returns
    -------
    VolumeResult

    Raises
    ------
    InputError
        On a bad frame (see `volume_frame.read`), an unknown shape or prior, a bad seed, one year only, or a
        cut with no unit on one side.
    """
    chosen = named_priors.volume(priors)
    if shape not in ("linear", "spline"):
        raise InputError(f"shape={shape!r}: expected 'linear' or 'spline'.")
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**32:
        raise InputError(f"seed={seed!r}: expected a whole number from 0 to {2**32 - 1}.")
    data = read(frame, events=events, trials=trials, unit=unit, year=year, volume=volume, case_mix=case_mix)
    if len(data.years) < 2 or np.ptp(data.within) < 1e-9:
        raise InputError(
            "No unit's volume changes from one year to another, so nothing can be said within units; give "
            "two or more years."
        )
    mean_volume = data.volume_of_unit
    if not (np.isfinite(cut) and mean_volume.min() < cut <= mean_volume.max()):
        raise InputError(
            f"cut={cut}: units do from {mean_volume.min():g} to {mean_volume.max():g} operations a year; "
            "expected a cut with units on both sides."
        )
    straight = volume_posterior.draw(data, chosen, volume_shapes.shape_of(data, chosen, "linear"), seed=seed)
    shown = (
        straight
        if shape == "linear"
        else volume_posterior.draw(data, chosen, volume_shapes.shape_of(data, chosen, shape), seed=seed + 1)
    )
    return _summarise(data, chosen, straight, shown, float(cut))


def _summarise(
    data: VolumeCells, priors: named_priors.VolumePriors, straight: Drawn, shown: Drawn, cut: float
) -> VolumeResult:
    between, within = straight.own[:, straight.shape.between.start], straight.own[:, -1]
    drawn = (straight,) if shown is straight else (straight, shown)
    checks = (
        *(one.check for one in drawn),
        *(_evidence_check(one) for one in drawn),
        _telling_check(within, priors),
        _reach_check(data, cut),
    )
    shapes, threshold, kinds = _compare(data, priors, straight)
    credible: dict[str, Any] = {"method": METHOD, "interval": "credible", "checks": checks}
    risk = volume_moving.risk_of(data, shown)
    first, last = (float(at) for at in np.quantile(data.mean_log2, [0.01, 0.99]))
    grid = np.linspace(first, last, CURVE_POINTS)
    columns = volume_shapes.between(data, shown.shape.form, float("nan"), grid)
    volumes = data.volume_of_unit
    places = np.unique(np.ceil(np.quantile(volumes, [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7])))
    places = places[(places > volumes.min()) & (places <= volumes.max())]
    inner = shown.own[:, -1]
    main = volume_moving.moved(data, shown, risk, inner, cut)
    many = [volume_moving.moved(data, shown, risk, inner, float(at)) for at in places]
    labels = (BETWEEN, WITHIN)
    return VolumeResult(
        slopes=Estimates(
            estimand="log odds ratio when volume doubles",
            labels=(*labels, "between less within"),
            unit="log odds ratio",
            draws=np.column_stack([between, within, between - within]),
            **credible,
        ),
        lower_with_volume=_probabilities(
            "probability that risk is lower where volume is higher",
            dict(zip(labels, (float(np.mean(between < 0)), float(np.mean(within < 0))), strict=True)),
            checks,
            len(between),
        ),
        curve=Estimates(
            estimand="standardised risk by the unit's volume",
            labels=_labels(2**grid),
            unit="probability",
            draws=risk.at(risk.terms @ columns.T),
            **credible,
        ),
        shapes=shapes,
        threshold=threshold,
        threshold_probability=_probabilities(
            "probability of the kind of relation to volume, between units", kinds, checks, len(between)
        ),
        per_1000=Estimates(
            estimand="further events per 1,000 operations moved",
            labels=labels,
            unit="per 1,000 operations",
            draws=main.per_1000,
            **credible,
        ),
        per_year=Estimates(
            estimand="further events a year if all operations below the cut moved",
            labels=labels,
            unit="events a year",
            draws=main.per_year,
            **credible,
        ),
        moving=volume_moving.table(many),
        spread=Estimates(
            estimand="standard deviation in log odds",
            labels=("between units", "between years of a unit"),
            unit="log odds",
            draws=np.exp(straight.log_sd),
            **credible,
        ),
        units=_units(data),
        cut=cut,
        data=data,
        priors=priors,
        checks=checks,
    )


def _compare(
    data: VolumeCells, priors: named_priors.VolumePriors, straight: Drawn
) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, float]]:
    listed = volume_shapes.candidates(data, priors)
    evidence, effect, error = volume_posterior.compare(data, priors, listed, straight)
    n = len(listed) - 2
    prior = np.array([1 / 3, 1 / 3, *[1 / 3 / n] * n])
    probability = prior * np.exp(evidence - evidence.max())
    probability /= probability.sum()
    table = pd.DataFrame(
        {
            "shape": [one.form for one in listed],
            "threshold": [one.threshold for one in listed],
            "prior": prior,
            "probability": probability,
            "log_evidence": evidence,
            "effect": effect,
            "std_error": error,
        }
    )
    with_one = table[table["shape"].isin(["step", "plateau"])]
    threshold = with_one.groupby("threshold")[["probability", "prior"]].sum().reset_index()
    threshold[["probability", "prior"]] /= threshold[["probability", "prior"]].sum()
    # "Less risk above it" is what a critical mass would mean; a threshold may also run the other way.
    towards = with_one["effect"].where(with_one["shape"] == "step", -with_one["effect"])
    good = stats.norm.cdf(towards / with_one["std_error"].clip(lower=1e-12))
    kinds = {
        "no relation": float(probability[0]),
        "straight": float(probability[1]),
        "threshold": float(with_one["probability"].sum()),
        "threshold with less risk above it": float((with_one["probability"] * good).sum()),
    }
    return table, threshold.rename(columns={"threshold": "volume"}), kinds


def _probabilities(
    estimand: str, found: dict[str, float], checks: tuple[Check, ...], draws: int
) -> Estimates:
    p = np.clip(np.array(list(found.values())), 0.0, 1.0)
    return Estimates(
        estimand=estimand,
        labels=tuple(found),
        unit="probability",
        method=METHOD,
        mean=p,
        covariance=np.diag(np.maximum(p * (1 - p), 1e-8) / draws),
        interval="Monte Carlo",
        checks=checks,
    )


def _labels(volumes: FloatArray) -> tuple[str, ...]:
    return tuple(f"{volume:.4g}" for volume in volumes)


def _units(data: VolumeCells) -> pd.DataFrame:
    n, y = data.cells.by_unit(data.cells.trials), data.cells.by_unit(data.cells.events)
    trials, events = np.bincount(data.unit, n), np.bincount(data.unit, y)
    changes = np.sqrt(np.bincount(data.unit, data.within**2) / np.bincount(data.unit))
    return pd.DataFrame(
        {
            "unit": list(data.units),
            "volume": data.volume_of_unit,
            "trials": trials,
            "events": events,
            "crude_risk": events / trials,
            "changes": changes,
        }
    )


def _evidence_check(drawn: Drawn) -> Check:
    gap = abs(drawn.log_evidence - drawn.laplace_evidence)
    return Check(
        name=f"evidence of the shape '{drawn.shape.form}', two ways",
        verdict="pass" if gap < EVIDENCE_ERROR else "warn",
        observed=f"log evidence by weights and by expansion differ by {gap:.2f}",
        expected=f"below {EVIDENCE_ERROR}",
        why="shapes are compared by the expansion; were it rough, their probabilities would be too",
    )


def _telling_check(within: FloatArray, priors: named_priors.VolumePriors) -> Check:
    share = float(within.std() / priors.doubling.sd)
    return Check(
        name="within-unit effect, what the data add to the prior",
        verdict="pass" if share < TELLING else "warn",
        observed=f"posterior standard deviation is {share:.0%} of the prior's",
        expected=f"below {TELLING:.0%}",
        why="units' volumes change little from year to year; where the data say little, the answer is "
        "the prior's",
    )


def _reach_check(data: VolumeCells, cut: float) -> Check:
    volume = data.volume_of_unit
    low = volume < cut
    towards = float(np.average(data.mean_log2[~low], weights=volume[~low]))
    needed = float(np.average(towards - data.mean_log2[low], weights=volume[low]))
    seen = float(np.quantile(np.abs(data.within), 0.95))
    return Check(
        name="moving operations, how far beyond the changes seen",
        verdict="pass" if needed <= 2 * seen else "warn",
        observed=f"needs {needed:.1f} doublings; 95% of yearly changes are below {seen:.1f}",
        expected="at most twice the changes seen",
        why="what a small change did need not hold for a large one",
    )
