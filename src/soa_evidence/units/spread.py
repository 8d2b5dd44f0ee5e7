"""Spread between units over the years: whether they diverged, converged, or both.

The model, for the published mean y of unit j in year t, from n records of standard deviation s::

    y_jt ~ Normal(mean_t + standing_jt, s_t^2 / n_jt)
    standing_j ~ Normal(0, spread_s spread_t c(|s - t|)),   c(0) = 1, c(d) = kept carried^d

The spread of *observed* means mixes chance with difference; here the chance is taken out, year by year. What
a unit keeps from year to year is estimated with it, so that coming nearer to the middle by chance (regression
to the mean) is not taken for improvement. The log spread is constant, steadily rising or falling, or has a
turning point in one of the inner years; each way is weighed by its evidence, one third beforehand each, and
the numbers are averaged over the ways. Parameters of rates are told in `priors.of_spread`.

When not to use it
    - The means are not adjusted for case mix, or adjusted differently in different years: a change in the
      spread may then be about patients or about the adjustment.
    - Only units of a certain standing are published, or leave because of it.
    - The standard deviation of a record is unknown: the spread left over takes its error.

Sources: Hardy and Thompson (1996), Statistics in Medicine 15:619, for the spread beside known sampling error;
Goldstein and Spiegelhalter (1996), JRSS A 159:385, for why observed tables mislead; Kass and Raftery (1995),
JASA 90:773, for the comparison of ways.

Checked against: metafor's rma.uni and rma.mv (tests/reference/spread), a grid over all parameters
(tests/unit), simulation with known truth, a constant spread among them (tests/calibration/units_spread.py).
"""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soa_evidence import priors as named_priors
from soa_evidence.errors import InputError
from soa_evidence.results import Check, Estimates, checks_frame
from soa_evidence.units import spread_posterior, spread_worst, weights
from soa_evidence.units.spread_frame import Panel, read
from soa_evidence.units.spread_posterior import Weighted

__all__ = ["PATTERNS", "SpreadResult", "fit", "side_by_side"]

FloatArray = NDArray[np.float64]
METHOD = "units.spread"
DRAWS = 1500  # of each way
PATTERNS = (
    "no change",
    "wider throughout",
    "narrower throughout",
    "wider, then narrower",
    "narrower, then wider",
)
FITS_WORSE = np.log(20.0)  # how much better a spread of its own for every year may fit before it is told


@dataclass(frozen=True, eq=False, kw_only=True)
class SpreadResult:
    """Spread between units by year.

    Attributes
    ----------
    spread : Estimates
        Standard deviation between units' true means, one label a year, averaged over the ways.
    yearly : Estimates
        The same with a spread of its own for every year, tied to no trend.
    change : Estimates
        Last over first year's spread, as a log ratio.
    patterns : Estimates
        Posterior probability of each of `PATTERNS`.
    turning : DataFrame
        year, probability, prior: where the turning point lies, given that there is one.
    ways : DataFrame
        way, prior, probability, log_evidence.
    carried_over : Estimates
        Correlation of units' true standing between successive years, and between the first and the last.
    share_real : Estimates
        Share of the variance of published means that is real difference, for the median unit, by year.
    observed : Estimates
        Observed change from first to last year against the average unit, by standing in the first year.
    beyond : Estimates
        Observed change from first to last year, less what regression to the mean predicts, by group.
    worst : DataFrame
        What stands behind it; see `spread_worst.beyond`.
    years : DataFrame
        year, units, observed_sd, median_sampling_sd.
    panel : Panel
    priors : SpreadPriors
    checks : tuple of Check
    """

    spread: Estimates
    yearly: Estimates
    change: Estimates
    patterns: Estimates
    turning: pd.DataFrame
    ways: pd.DataFrame
    carried_over: Estimates
    share_real: Estimates
    observed: Estimates
    beyond: Estimates
    worst: pd.DataFrame
    years: pd.DataFrame
    panel: Panel
    priors: named_priors.SpreadPriors
    checks: tuple[Check, ...]

    @property
    def trend(self) -> pd.DataFrame:
        """Both spreads by year, averaged and free: label, group, estimate, lower, upper."""
        both = [
            self.spread.table().assign(group="averaged over the ways it may change"),
            self.yearly.table().assign(group="every year by itself"),
        ]
        return pd.concat(both, ignore_index=True)[["label", "group", "estimate", "lower", "upper"]]

    def __repr__(self) -> str:
        return f"{self.spread!r}\n{self.patterns!r}"

    def _repr_html_(self) -> str:
        shown = self.spread.table().to_html(index=False, float_format="{:.4g}".format)
        checks = checks_frame(self.checks).to_html(index=False)
        return f"<p><strong>{html.escape(self.spread.estimand)}</strong></p>{shown}{checks}"


def fit(
    frame: pd.DataFrame,
    *,
    value: str,
    size: str,
    record_sd: str,
    unit: str,
    year: str,
    seed: int,
    better: Literal["higher", "lower"] = "higher",
    measured_in: str = "points",
    priors: str = "default",
    draws: int = DRAWS,
) -> SpreadResult:
    """Estimate the spread between units in each year, and how it changed.

    Parameters
    ----------
    frame
        One row per unit and year; rows without a `value` are units not published that year.
    value, size, record_sd, unit, year
        Columns: the unit's (case-mix adjusted) mean; the records behind it; the standard deviation of one
        record that year; the unit; the year, whose text sorts in time.
    seed
        Recorded seed.
    better
        Whether a higher or a lower mean is better: which end is the worst.
    measured_in
        Unit of `value`, for the tables.
    priors
        A name from `priors.SPREAD_PRIORS`.
    draws
        Draws of each way, and of the average over them; at least 100.

    Returns
    -------
    SpreadResult

    Raises
    ------
    InputError
        On a bad frame (see `spread_frame.read`), an unknown prior or direction, a bad seed, or no unit seen
        in both the first and the last year.
    """
    chosen = named_priors.spread(priors)
    if better not in ("higher", "lower"):
        raise InputError(f"better={better!r}: expected 'higher' or 'lower'.")
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**32:
        raise InputError(f"seed={seed!r}: expected a whole number from 0 to {2**32 - 1}.")
    if draws < 100:
        raise InputError(f"draws={draws}: expected at least 100.")
    panel = read(frame, value=value, size=size, record_sd=record_sd, unit=unit, year=year)
    if (panel.seen[:, 0] & panel.seen[:, -1]).sum() < 5:
        raise InputError(
            f"Fewer than 5 units have a mean both in {panel.years[0]} and in {panel.years[-1]}; whether the "
            "worst improved cannot be asked."
        )
    drawn = [
        spread_posterior.draw(panel, way, draws=draws, seed=seed + at)
        for at, way in enumerate(spread_posterior.ways(panel, chosen))
    ]
    return _summarise(panel, drawn, chosen, higher=better == "higher", measured_in=measured_in, seed=seed)


def side_by_side(results: Mapping[str, SpreadResult]) -> pd.DataFrame:
    """Return one row a named result: choice, ratio of last to first year (estimate, lower, upper), patterns.

    Raises
    ------
    InputError
        When there is no result.
    """
    if not results:
        raise InputError("There is no result to lay side by side; give at least one.")
    rows = []
    for name, result in results.items():
        ratio = result.change.table(transform="exp").iloc[0]
        chance = result.patterns.table().set_index("label")["estimate"]
        rows.append({"choice": name, **ratio[["estimate", "lower", "upper"]], **chance[list(PATTERNS)]})
    return pd.DataFrame(rows)


def _summarise(
    panel: Panel,
    drawn: list[Weighted],
    priors: named_priors.SpreadPriors,
    *,
    higher: bool,
    measured_in: str,
    seed: int,
) -> SpreadResult:
    *compared, free = drawn
    draws = len(free.parameters)
    evidence = np.array([one.log_evidence for one in compared])
    prior = np.array([one.way.share for one in compared])
    probability = prior * np.exp(evidence - evidence.max())
    probability /= probability.sum()
    parts = np.floor(np.concatenate([[0.0], np.cumsum(probability)]) * draws + 0.5).astype(int)
    rows = [(one, np.arange(b - a)) for one, a, b in zip(compared, parts[:-1], parts[1:], strict=True)]
    log_spread = np.vstack([one.log_spread[at] for one, at in rows])
    kept = np.concatenate([one.kept[at] for one, at in rows])
    carried = np.concatenate([one.carried[at] for one, at in rows])
    table, change, gap = spread_worst.beyond(panel, compared[0], higher_is_better=higher, seed=seed)
    patterns = _patterns(compared, probability)
    checks = (
        _weights_check(drawn),
        _fit_check(free, evidence, prior),
        _both_ends_check(panel),
    )
    shared: dict[str, Any] = {"method": METHOD, "interval": "credible", "checks": checks}
    made: dict[str, Any] = {
        "spread": Estimates(
            estimand="standard deviation between units' true means, averaged over the ways it may change",
            labels=panel.years,
            unit=measured_in,
            draws=np.exp(log_spread),
            **shared,
        ),
        "yearly": Estimates(
            estimand="standard deviation between units' true means, every year by itself",
            labels=panel.years,
            unit=measured_in,
            draws=np.exp(free.log_spread),
            **shared,
        ),
        "change": Estimates(
            estimand="log ratio of the spread in the last year to that in the first",
            labels=("last over first year",),
            unit="log ratio",
            draws=log_spread[:, -1:] - log_spread[:, :1],
            **shared,
        ),
        "patterns": _probabilities("probability of how the spread changed", patterns, checks, draws),
        "carried_over": Estimates(
            estimand="correlation of units' true standing between two years",
            labels=("successive years", "first and last year"),
            unit="correlation",
            draws=np.column_stack([kept * carried, kept * carried ** (len(panel.years) - 1)]),
            **shared,
        ),
        "share_real": _share_real(panel, log_spread, checks),
        "observed": Estimates(
            estimand="change from the first to the last year against the average unit",
            labels=spread_worst.GROUPS,
            unit=measured_in,
            draws=change,
            **shared,
        ),
        "beyond": Estimates(
            estimand="change from the first to the last year, less what regression to the mean predicts",
            labels=spread_worst.GROUPS,
            unit=measured_in,
            draws=gap,
            **shared,
        ),
    }
    return SpreadResult(
        **made,
        turning=_turning(panel, compared, probability),
        ways=_ways(compared, probability),
        worst=table,
        years=_years(panel),
        panel=panel,
        priors=priors,
        checks=checks,
    )


def _patterns(compared: list[Weighted], probability: FloatArray) -> dict[str, float]:
    found = dict.fromkeys(PATTERNS, 0.0)
    for one, p in zip(compared, probability, strict=True):
        first, last = one.parameters[:, 1], one.parameters[:, 2]
        if one.way.name == "constant":
            found[PATTERNS[0]] += p
        elif one.way.name == "steady":
            found[PATTERNS[1]] += p * float(np.mean(first > 0))
            found[PATTERNS[2]] += p * float(np.mean(first <= 0))
        else:
            found[PATTERNS[3]] += p * float(np.mean((first > 0) & (last < 0)))
            found[PATTERNS[4]] += p * float(np.mean((first < 0) & (last > 0)))
            # Same direction on both sides of the turn, at another pace.
            found[PATTERNS[1]] += p * float(np.mean((first >= 0) & (last >= 0)))
            found[PATTERNS[2]] += p * float(
                np.mean(((first <= 0) & (last < 0)) | ((first < 0) & (last == 0)))
            )
    return found


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


def _turning(panel: Panel, compared: list[Weighted], probability: FloatArray) -> pd.DataFrame:
    """Where the turn from wider to narrower lies, given that there was one."""
    rows = []
    for one, p in zip(compared, probability, strict=True):
        if one.way.name == "turning":
            up_down = float(np.mean((one.parameters[:, 1] > 0) & (one.parameters[:, 2] < 0)))
            rows.append((panel.years[one.way.turn], p * up_down, p))
    table = pd.DataFrame(rows, columns=["year", "wider_then_narrower", "any_turn"])
    for column in ("wider_then_narrower", "any_turn"):
        total = table[column].sum()
        table[column] = table[column] / total if total > 0 else 1 / len(table)
    return table.assign(prior=1 / len(table))


def _ways(compared: list[Weighted], probability: FloatArray) -> pd.DataFrame:
    table = pd.DataFrame(
        {
            "way": [one.way.name for one in compared],
            "prior": [one.way.share for one in compared],
            "probability": probability,
            "log_evidence": [one.log_evidence for one in compared],
        }
    )
    best = table.groupby("way", sort=False).agg(
        prior=("prior", "sum"), probability=("probability", "sum"), log_evidence=("log_evidence", "max")
    )
    return best.reset_index()


def _share_real(panel: Panel, log_spread: FloatArray, checks: tuple[Check, ...]) -> Estimates:
    typical = np.array([np.median(column[np.isfinite(column)]) for column in panel.variance.T])
    tau2 = np.exp(2 * log_spread)
    return Estimates(
        estimand="share of the variance of published means that is real difference, median unit",
        labels=panel.years,
        unit="probability",
        method=METHOD,
        draws=tau2 / (tau2 + typical),
        interval="credible",
        checks=checks,
    )


def _years(panel: Panel) -> pd.DataFrame:
    rows = []
    for t, year in enumerate(panel.years):
        seen = panel.seen[:, t]
        error = float(np.sqrt(np.median(panel.variance[seen, t])))
        rows.append((year, int(seen.sum()), float(panel.value[seen, t].std(ddof=1)), error))
    return pd.DataFrame(rows, columns=["year", "units", "observed_sd", "median_sampling_sd"])


def _weights_check(drawn: list[Weighted]) -> Check:
    worst = max(one.pareto_k for one in drawn)
    return Check(
        name=f"independent draws of the spread, {len(drawn)} ways it may change: largest Pareto k",
        verdict="pass" if worst < weights.PARETO_K_LIMIT else "fail",
        observed=f"{worst:.2f}",
        expected=f"below {weights.PARETO_K_LIMIT}",
        why="draws are weighted by the exact density; the weights must be even enough to be sound",
    )


def _fit_check(free: Weighted, evidence: FloatArray, prior: FloatArray) -> Check:
    averaged = float(evidence.max() + np.log(np.sum(prior * np.exp(evidence - evidence.max()))))
    gap = free.log_evidence - averaged
    return Check(
        name="shape of the trend, against a spread of its own for every year",
        verdict="pass" if gap < FITS_WORSE else "warn",
        observed=f"log evidence of the free spread higher by {gap:.1f}",
        expected=f"at most {FITS_WORSE:.1f} (twenty to one)",
        why="if years differed in a way that no trend or turn describes, the trend would be misleading",
    )


def _both_ends_check(panel: Panel) -> Check:
    first, last = panel.seen[:, 0], panel.seen[:, -1]
    share = float((first & last).sum()) / max(float(first.sum()), 1.0)
    return Check(
        name="units of the first year that are still published in the last",
        verdict="pass" if share >= 0.8 else "warn",
        observed=f"{share:.0%}",
        expected="at least 80%",
        why="units that merged or closed are left out of the question whether the worst improved",
    )
