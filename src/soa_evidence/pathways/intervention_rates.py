"""Use of an operation by place: drawn together by what chance explains, held against a benchmark, in £.

    O_i ~ Poisson(E_i r_i),   r_i ~ Gamma(shape 1/s², mean exp(b_0 + x_i b))     E_i expected at the place's
    ages
    ratio     q_i = r_i / exp(x_i b)          use beside expected, covariates allowed for
    variance    v_i = (q_i - benchmark_i) E_i exp(x_i b) c / k     £; c unit cost, k share of operations
    counted
    excess      Σ max(0, v_i)

    apparent      the same with O_i / E_i in place of q_i: what a league table of observed ratios shows
    chance alone  the apparent excess of simulated counts of places that are all alike

Where only a share of operations is counted and that share differs between places (log sd w, known from
elsewhere),

    log q_i = log u_i + log k_i,  Var log q = ψ'(1/s²),  Var log k = w²,  Var log u = max(0, Var log q - w²)

what is left for use u is the rest; log u given log q is normal with the mean drawn in by Var log u / Var log
q. If w
is as large as the whole spread, the counts cannot tell places apart in use at all.

When not to use it: to say that a place does too many or too few: a ratio is not need, and 1 is not right. On
counts
that are not whole, unless w is stated.

Sources: Clayton & Kaldor (1987), Biometrics 43:671 (gamma-Poisson); Spiegelhalter (2005), Stat Med 24:1185.

Checked against: as `rates_posterior`; chance alone against a closed form, in
tests/properties/test_rates_laws.py.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

from soa_evidence.errors import InputError, nearest
from soa_evidence.pathways import rates_frame as columns
from soa_evidence.pathways.rates_benchmark import Benchmark, Held, held_against
from soa_evidence.pathways.rates_posterior import Posterior, posterior
from soa_evidence.priors import RatePriors, rates
from soa_evidence.results import Check, Estimates, checks_frame

__all__ = ["ALIKE", "BEYOND_CHANCE", "BEYOND_COMPLETION", "InterventionRates", "fit"]

FloatArray = NDArray[np.float64]
METHOD = "pathways.intervention_rates"
FEWEST_PLACES, FEW_EXPECTED, LARGEST_EDGE = 5, 5.0, 0.01
ALIKE, BEYOND_CHANCE = "if all places were alike", "beyond chance"
BEYOND_COMPLETION = "beyond chance and completion"


@dataclass(frozen=True, eq=False, kw_only=True)
class InterventionRates:
    """Ratios, variances and what is left of an apparent excess.

    Attributes
    ----------
    table : DataFrame
        unit, observed, expected (covariates allowed for), ratio, benchmark, apparent_gbp; the last two of the
        ratios as observed, missing for places not judged.
    ratio, use_ratio : Estimates
        q, and u where completion differs (else q again), by place; draws.
    level : Estimates
        "average ratio", exp(b_0), and "coefficient of variation" between places, s; draws.
    spread : Estimates
        Standard deviation of log ratio "between places" and "left for use"; draws.
    completion_share : Estimates
        Share of the variance between places that completion could make, at most 1; draws.
    chance_sd : float
        Typical standard deviation of a log ratio by chance alone.
    slopes : Estimates or None
        Change of log ratio for one standard deviation of each covariate; draws.
    variance_gbp : Estimates
        v of u by judged place, £; draws.
    excess_gbp : Estimates
        Sum over judged places above their benchmark, £, labelled `ALIKE`, `BEYOND_CHANCE` and
        `BEYOND_COMPLETION`; draws.
    apparent_gbp : float
        The same sum of ratios as observed.
    priors : RatePriors
    checks : tuple of Check
    """

    table: pd.DataFrame
    ratio: Estimates
    use_ratio: Estimates
    level: Estimates
    spread: Estimates
    completion_share: Estimates
    chance_sd: float
    slopes: Estimates | None
    variance_gbp: Estimates
    excess_gbp: Estimates
    apparent_gbp: float
    priors: RatePriors
    checks: tuple[Check, ...]

    def __repr__(self) -> str:
        shown = self.excess_gbp.table()[["label", "estimate", "lower", "upper"]].to_string(index=False)
        apparent = f"apparent excess £{self.apparent_gbp:,.0f}"
        return f"Use of an operation in {len(self.table)} places; {apparent}\n{shown}"

    def _repr_html_(self) -> str:
        body = self.excess_gbp.table()[["label", "estimate", "lower", "upper"]].to_html(
            index=False, float_format="{:,.0f}".format
        )
        heading = (
            f"Use of an operation in {len(self.table)} places; apparent excess £{self.apparent_gbp:,.0f}"
        )
        return f"<p><strong>{heading}</strong></p>{body}{checks_frame(self.checks).to_html(index=False)}"


def fit(
    frame: pd.DataFrame,
    *,
    unit: str = "unit",
    observed: str = "observed",
    expected: str = "expected",
    covariates: Sequence[str] = (),
    benchmark: Held = "nation",
    peers: Mapping[str, Sequence[str]] | None = None,
    unit_cost_gbp: float = 1.0,
    counted_share: float = 1.0,
    completion_log_sd: float = 0.0,
    priors: str = "default",
    draws: int = 4000,
    seed: int,
) -> InterventionRates:
    """Compare places.

    Parameters
    ----------
    frame
        One row a place.
    unit, observed, expected
        Columns: name; whole count; expected count, above 0.
    covariates
        Columns of numbers allowed for, such as deprivation; each is centred and scaled.
    benchmark
        ``"nation"``, ``"peers"`` (their average) or ``"lowest five peers"`` (as RightCare's packs do).
    peers
        For the last two: the names of each place's peers; a place with fewer than five in the data is not
        judged.
    unit_cost_gbp
        Cost of one operation, £.
    counted_share
        Share of all operations that the counts hold, above 0 to 1: £ are for all operations.
    completion_log_sd
        w, 0 to 2.
    priors
        Name of a set of `soa_evidence.priors.rates`.
    draws, seed
        Number of joint draws, 100 or more, and their seed.

    Raises
    ------
    InputError
        Naming column and row: missing columns or names, a place twice, counts that are not whole, expected
        counts not above 0, fewer than five places, a covariate that does not vary, unknown names, numbers out
        of range, a benchmark without peers.
    """
    prior = rates(priors)
    _require_choices(benchmark, unit_cost_gbp, counted_share, completion_log_sd, draws)
    columns.require_columns(frame, [unit, observed, expected, *covariates], "the places")
    units = columns.labels(frame, [unit])
    if len(set(units)) < len(units):
        raise InputError(
            f"{next(u for u in units if units.count(u) > 1)!r} is there twice; expected one row a place."
        )
    if len(units) < FEWEST_PLACES:
        raise InputError(f"There are {len(units)} places; their spread needs at least {FEWEST_PLACES}.")
    happened, expects = columns.counts(frame, observed), columns.amounts(frame, expected, zero=False)
    if not happened.any():
        raise InputError(f"Column '{observed}' is 0 everywhere, so there is no use to compare.")
    X = np.column_stack([np.ones(len(units)), *(_standardised(frame, name) for name in covariates)])
    held = held_against(benchmark, units, peers)
    found = posterior(happened, expects, X, priors=prior, draws=draws, seed=seed)
    factor = np.exp(found.coefficients[:, 1:] @ X[:, 1:].T)
    quotient = found.ratio / factor
    rng = np.random.default_rng([seed, 1])
    use, left = _use(quotient, found, expects, completion_log_sd, rng)
    between = np.sqrt(_log_variance(found.spread))
    price = unit_cost_gbp / counted_share
    adjusted = expects * factor.mean(axis=0)
    table = pd.DataFrame(
        {"unit": units, "observed": happened, "expected": adjusted, "ratio": happened / adjusted}
    )
    seen = held.of(table["ratio"].to_numpy()[None, :], adjusted)[0]
    apparent = (table["ratio"].to_numpy()[held.judged] - seen) * adjusted[held.judged] * price
    table.loc[held.judged, "benchmark"] = seen
    table.loc[held.judged, "apparent_gbp"] = apparent
    checks = _checks(table, found, held, completion_log_sd, between)
    level = float(np.exp(found.coefficients[:, 0].mean()))
    imagined = rng.poisson(adjusted * level, (draws, len(units))) / adjusted

    def carry(estimand: str, labels: Sequence[str], label_unit: str, values: FloatArray) -> Estimates:
        return Estimates(
            estimand=estimand, labels=tuple(labels), unit=label_unit, method=METHOD, interval="credible",
            checks=checks, draws=values,
        )  # fmt: skip

    def variance(ratio: FloatArray) -> FloatArray:
        mine = ratio[:, held.judged] - held.of(ratio, adjusted)
        return np.asarray(mine * adjusted[held.judged] * price)

    of_use = variance(use)
    sums = {ALIKE: variance(imagined), BEYOND_CHANCE: variance(quotient)}
    if completion_log_sd > 0:
        sums[BEYOND_COMPLETION] = of_use
    share = np.minimum(1.0, completion_log_sd**2 / between**2)
    return InterventionRates(
        table=table,
        ratio=carry("observed over expected, chance allowed for", units, "ratio", quotient),
        use_ratio=carry("use over expected, chance and completion allowed for", units, "ratio", use),
        level=carry(
            "average and coefficient of variation of the ratio",
            ("average ratio", "coefficient of variation"),
            "ratio",
            np.column_stack([np.exp(found.coefficients[:, 0]), found.spread]),
        ),
        spread=carry("standard deviation of log ratio", ("between places", "left for use"), "log ratio",
                     np.column_stack([between, left])),
        completion_share=carry("share of the variance between places that completion could "
                               "make", ("completion",),
                               "probability", share[:, None]),
        chance_sd=float(np.sqrt(np.mean(1 / (adjusted * level)))),
        slopes=carry("change of log ratio for one standard deviation", list(covariates), "log ratio",
                     found.coefficients[:, 1:]) if covariates else None,
        variance_gbp=carry("expenditure above the benchmark", [units[at] for at in held.judged], "GBP a "
        "year", of_use),
        excess_gbp=carry("expenditure of places above their benchmark", tuple(sums), "GBP a year",
                         np.column_stack([np.maximum(0.0, v).sum(axis=1) for v in sums.values()])),
        apparent_gbp=float(np.maximum(0.0, apparent).sum()),
        priors=prior,
        checks=checks,
    )  # fmt: skip


def _log_variance(spread: FloatArray) -> FloatArray:
    """Return the variance of the log of a gamma ratio with this coefficient of variation."""
    return np.asarray(special.polygamma(1, 1 / spread**2), dtype=float)


def _use(
    quotient: FloatArray, found: Posterior, expected: FloatArray, w: float, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """Return use by place and its spread, once differences in completion are taken out."""
    total = _log_variance(found.spread)
    rest = np.maximum(0.0, total - w**2)
    if w == 0:
        return quotient, np.sqrt(rest)
    kept = (rest / (rest + w**2))[:, None]
    logs = np.log(quotient)
    centre = (logs @ expected / expected.sum())[:, None]
    drawn = centre + kept * (logs - centre) + np.sqrt(kept) * w * rng.standard_normal(logs.shape)
    return np.exp(drawn), np.sqrt(rest)


def _standardised(frame: pd.DataFrame, name: str) -> FloatArray:
    values = columns.amounts(frame, name, signed=True)
    spread = float(values.std())
    if not spread > 1e-12 * max(1.0, float(np.abs(values).max())):
        raise InputError(f"Covariate '{name}' is {values[0]:g} everywhere; leave it out.")
    return np.asarray((values - values.mean()) / spread)


def _require_choices(kind: str, cost: float, share: float, w: float, draws: int) -> None:
    if kind not in get_args(Held):
        raise InputError(
            f"benchmark is {kind!r}.{nearest(kind, get_args(Held))} Expected one of: "
            f"{', '.join(get_args(Held))}."
        )
    if not (math.isfinite(cost) and cost > 0):
        raise InputError(f"unit_cost_gbp is {cost}; expected £ above 0.")
    if not (math.isfinite(share) and 0 < share <= 1):
        raise InputError(f"counted_share is {share}; expected a share above 0 and at most 1.")
    if not (math.isfinite(w) and 0 <= w <= 2):
        raise InputError(
            f"completion_log_sd is {w}; expected a standard deviation of log completion from 0 to 2."
        )
    if isinstance(draws, bool) or not isinstance(draws, int) or draws < 100:
        raise InputError(f"draws is {draws!r}; expected a whole number of at least 100.")


def _checks(
    table: pd.DataFrame, found: Posterior, held: Benchmark, w: float, between: FloatArray
) -> tuple[Check, ...]:
    least = table.iloc[int(np.argmin(table["expected"].to_numpy()))]
    could = min(1.0, w**2 / float(np.mean(between**2)))
    return (
        Check(
            name="expected events in the place with fewest",
            verdict="pass" if least["expected"] >= FEW_EXPECTED else "warn",
            observed=f"{least['expected']:.3g} ({least['unit']})",
            expected=f"at least {FEW_EXPECTED:g}",
            why="with few expected, chance is nearly all that is seen",
        ),
        Check(
            name="places judged",
            verdict="pass" if len(held.judged) == len(table) else "warn",
            observed=f"{len(held.judged)} of {len(table)}",
            expected="all",
            why="places without five peers in the data are held against nothing",
        ),
        Check(
            name="weight of the widest spread considered",
            verdict="pass" if found.edge_weight <= LARGEST_EDGE else "fail",
            observed=f"{found.edge_weight:.2g}",
            expected=f"at most {LARGEST_EDGE:g}",
            why="an answer at the edge of the grid is not an answer",
        ),
        Check(
            name="share of the variance between places that completion could make",
            verdict="warn" if could > 0.5 else "pass",
            observed=f"{could:.0%}",
            expected="at most 50%",
            why="what differs between places may be how many questionnaires are filled in, not how many "
            "operations "
            "are done",
        ),
    )
