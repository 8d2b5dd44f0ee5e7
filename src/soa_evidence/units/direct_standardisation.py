"""Direct standardisation: what each unit's rate would be if its patients were mixed as the standard's are.

With d events of n patients (or years) in stratum k of a unit, and c of the standard population there:

    rate     = Σ w d,   w = (c / Σ c) / n
    variance = Σ w² d (rate)   or   Σ (c / Σ c)² p (1 - p) / n, p = d / n (proportion)

Limits are Fay and Feuer's gamma limits unless another kind is chosen (`units.standardisation_limits`); they
treat counts as Poisson. `interval="normal"` is rate ± z standard errors, cut at 0 (and 1).

A unit without patients in a stratum has no rate there. Its rate is then over the strata it has, weights
rescaled; a unit whose strata hold less than `least_covered` of the standard gets none.

When not to use it: where strata are many and units small, so that one event may carry a great weight (use
`units.indirect_standardisation` against a reference, or the hierarchical `units.binomial` between units); as
proof of like with like, since only what the strata hold is levelled.

Sources: Breslow & Day (1987), Statistical Methods in Cancer Research II, chapter 2; Fay & Feuer (1997), Stat
Med 16:791; see also `units.standardisation_limits`.

Checked against: R's epitools, our own R code, and Fay and Feuer's published example, in
tests/reference/standardisation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soa_evidence.errors import InputError
from soa_evidence.results import Check, Estimates, checks_frame
from soa_evidence.units import standardisation_frame as strata
from soa_evidence.units.standardisation_frame import Cells, Kind
from soa_evidence.units.standardisation_limits import garwood, weighted_sum

__all__ = ["DirectResult", "fit"]

FloatArray = NDArray[np.float64]
METHOD = "units.direct_standardisation"
Interval = Literal["fay_feuer", "tiwari", "dobson", "byar", "normal"]
FEW_EVENTS = 10  # below which a directly standardised rate is usually not published
LARGEST_STEP = 0.25  # of the rate, by one event more; beyond, limits but the gamma ones hold too little
COMMON = 0.1  # share of patients with an event from which Poisson limits are clearly too wide
Z95 = 1.959963984540054


@dataclass(frozen=True, eq=False, kw_only=True)
class DirectResult:
    """Directly standardised rates or proportions.

    Attributes
    ----------
    rate : Estimates
        Per unit that has one; independent. With no events its standard error is that which puts the upper
        normal limit at Dobson's. For limits use `table`.
    table : DataFrame
        unit, events, size, crude, rate, std_error, lower, upper, covered (share of the standard in strata the
        unit has); rate and limits are NaN where too little is covered, normal limits where nothing varies.
    standard : DataFrame
        stratum, share.
    interval : str
    level : float
    checks : tuple of Check
    """

    rate: Estimates
    table: pd.DataFrame
    standard: pd.DataFrame
    interval: Interval
    level: float
    checks: tuple[Check, ...]

    def __repr__(self) -> str:
        shown = self.table.to_string(index=False, max_rows=20, float_format="{:.4g}".format)
        return f"{_heading(self)}\n{shown}"

    def _repr_html_(self) -> str:
        shown = self.table.to_html(index=False, float_format="{:.4g}".format, max_rows=20)
        return (
            f"<p><strong>{_heading(self)}</strong></p>{shown}{checks_frame(self.checks).to_html(index=False)}"
        )


def fit(
    frame: pd.DataFrame,
    *,
    unit: str | Sequence[str],
    stratum: str | Sequence[str],
    events: str,
    size: str,
    kind: Kind,
    standard: str | pd.DataFrame | None = None,
    interval: Interval = "fay_feuer",
    level: float = 0.95,
    per: float = 1.0,
    least_covered: float = 0.9,
) -> DirectResult:
    """Standardise each unit to one population.

    Parameters
    ----------
    frame
        One row a unit and stratum, or several, which are added up.
    unit, stratum
        Columns naming them; several are joined by " · ".
    events, size
        Columns of whole events and of patients (``kind="proportion"``) or time at risk (``kind="rate"``).
    standard
        The standard population: None for all units' sizes together; a column with one number a stratum; or a
        frame of the stratum columns and one of numbers. Only shares matter.
    interval
        ``"fay_feuer"``, ``"tiwari"``, ``"dobson"``, ``"byar"`` (Dobson's with Byar's limits of the count) or
        ``"normal"``.
    level
        Coverage of the limits.
    per
        Rates are per so much time; 1 for proportions.
    least_covered
        Share of the standard in strata where the unit has patients, from which on it gets a rate.

    Raises
    ------
    InputError
        Naming column and row: missing columns, numbers or names; counts that cannot be; a standard with
        several numbers in a stratum, without one of the data's strata, or of 0; no unit that covers enough.
    """
    strata.choose("kind", kind, get_args(Kind))
    strata.choose("interval", interval, get_args(Interval))
    level = strata.prepare_level(level)
    if not (np.isfinite(per) and per > 0):
        raise InputError(f"per is {per}; expected a number above 0, such as 1000.")
    if kind == "proportion" and per != 1:
        raise InputError(f"per is {per:g}; a proportion is per patient, so leave per= out.")
    if not 0 < least_covered <= 1:
        raise InputError(f"least_covered is {least_covered}; expected a share above 0, at most 1.")
    given = None if standard is None else strata.by_stratum(frame, standard, stratum, name="standard")
    cells = strata.read(
        frame, unit=unit, stratum=stratum, events=events, size=size, kind=kind, more_strata=given
    )
    share = _shares(cells, given)
    covered = np.where(cells.size > 0, share, 0.0).sum(axis=1)
    enough = covered >= least_covered - 1e-12
    if not enough.any():
        best = int(np.argmax(covered))
        raise InputError(
            f"No unit has patients in strata that hold {least_covered:.0%} of the standard; the nearest is "
            f"{cells.units[best]!r} with {covered[best]:.0%}. Use fewer, wider strata."
        )
    some = Cells(
        units=tuple(name for name, kept in zip(cells.units, enough, strict=True) if kept),
        strata=cells.strata,
        events=cells.events[enough],
        size=cells.size[enough],
    )
    part = np.where(some.size > 0, share, 0.0) / covered[enough, None]
    found = _standardise(some, part, kind, interval, level)
    found = found * per
    total_events, total = cells.events.sum(axis=1), cells.size.sum(axis=1)
    with np.errstate(invalid="ignore"):
        crude = total_events / total * per
    table = pd.DataFrame({"unit": cells.units, "events": total_events, "size": total, "crude": crude})
    table = table.join(found.set_index(np.flatnonzero(enough))[["rate", "std_error", "lower", "upper"]])
    table["covered"] = covered
    step = found["one_event"].to_numpy() / np.maximum(found["rate"].to_numpy(), 1e-300)
    checks = _checks(table, enough, step, kind, interval, least_covered)
    return DirectResult(
        rate=Estimates(
            estimand=f"directly standardised {kind}",
            labels=some.units,
            unit="probability" if kind == "proportion" else f"events per {per:,g} of time at risk",
            method=METHOD,
            mean=found["rate"].to_numpy(),
            covariance=np.diag(found["never_zero"].to_numpy() ** 2),
            interval="confidence",
            checks=checks,
        ),
        table=table,
        standard=pd.DataFrame({"stratum": cells.strata, "share": share}),
        interval=interval,
        level=level,
        checks=checks,
    )


def _shares(cells: Cells, given: dict[str, float] | None) -> FloatArray:
    if given is None:
        population = cells.size.sum(axis=0)
    else:
        for name in cells.strata:
            if name not in given:
                raise InputError(
                    f"The standard lacks stratum {name!r}, which the data have; give 0 to leave it out."
                )
        population = np.array([given[name] for name in cells.strata])
    if not population.sum() > 0:
        raise InputError("The standard is 0 in every stratum; expected a population.")
    return np.asarray(population / population.sum())


def _standardise(
    cells: Cells, share: FloatArray, kind: Kind, interval: Interval, level: float
) -> pd.DataFrame:
    """Rate, standard error, limits and an error that is never zero, a row each."""
    n = np.where(cells.size > 0, cells.size, 1.0)
    weight = share / n
    rate = (weight * cells.events).sum(axis=1)
    of_cell = cells.events * (1 - cells.events / n) if kind == "proportion" else cells.events
    error = np.sqrt((weight**2 * of_cell).sum(axis=1))
    if interval == "normal":
        from scipy import stats

        reach = np.where(error > 0, error, np.nan) * stats.norm.isf((1 - level) / 2)
        lower, upper = np.maximum(rate - reach, 0.0), rate + reach
    else:
        lower, upper = weighted_sum(cells.events, weight, cells.size, interval=interval, level=level)
    if kind == "proportion":
        upper = np.minimum(upper, 1.0)
    _, highest = garwood(np.zeros(1), 0.95)
    used = np.where(weight > 0, cells.size, 0.0)
    even = np.sqrt((weight**2 * used).sum(axis=1) / used.sum(axis=1))
    never_zero = np.where(error > 0, error, even * highest / Z95)
    return pd.DataFrame(
        {
            "rate": rate,
            "std_error": error,
            "lower": lower,
            "upper": upper,
            "never_zero": never_zero,
            "one_event": weight.max(axis=1),
        }
    )


def _heading(result: DirectResult) -> str:
    what, limits = result.rate.estimand.capitalize(), f"{result.interval} {result.level:.4g} limits"
    return f"{what} ({result.rate.unit}; {limits})"


def _checks(
    table: pd.DataFrame,
    enough: NDArray[np.bool_],
    step: FloatArray,
    kind: Kind,
    interval: Interval,
    least_covered: float,
) -> tuple[Check, ...]:
    kept = table[enough]
    thin = kept.iloc[int(np.argmin(kept["covered"].to_numpy()))]
    few = kept.iloc[int(np.argmin(kept["events"].to_numpy()))]
    steep = int(np.argmax(step))
    share = f"{step[steep]:.0%} of the rate" if step[steep] < 100 else "the rate is 0, or nearly"
    empty, without = int((kept["covered"] < 1 - 1e-12).sum()), int((~enough).sum())
    checks = [
        Check(
            name="standard population covered by a unit, least",
            verdict="pass" if not empty else "warn",
            observed=f"{thin['covered']:.1%} ({thin['unit']}); {empty} units with empty strata",
            expected="100 %",
            why="a rate over only some strata is of another population than the rates beside it",
        ),
        Check(
            name="units without a rate",
            verdict="pass" if not without else "warn",
            observed=f"{without} of {len(table)}",
            expected=f"none with less than {least_covered:.0%} of the standard covered",
            why="units left out may differ from those shown",
        ),
        Check(
            name="events in the unit with fewest",
            verdict="pass" if few["events"] >= FEW_EVENTS else "warn",
            observed=f"{few['events']:.0f} ({few['unit']})",
            expected=f"at least {FEW_EVENTS}",
            why="with few events one of them in a thin stratum moves the standardised rate a long way",
        ),
        Check(
            name="what one event more in the thinnest stratum would add to a unit's rate, most",
            verdict="pass" if step[steep] <= LARGEST_STEP else "warn",
            observed=f"{share} ({kept['unit'].iloc[steep]})",
            expected=f"at most {LARGEST_STEP:.0%}",
            why="where one event weighs so much, Dobson's, Byar's and normal limits hold too little",
        ),
    ]
    if kind == "proportion" and interval != "normal":
        common = float((kept["events"] / kept["size"]).max())
        checks.append(
            Check(
                name="share of patients with an event, largest",
                verdict="pass" if common <= COMMON else "warn",
                observed=f"{common:.1%}",
                expected=f"at most {COMMON:.0%}",
                why="the limits take counts as Poisson, which is too wide where events are common",
            )
        )
    return tuple(checks)
