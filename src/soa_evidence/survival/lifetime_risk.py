"""Lifetime risk: the share of people operated on at an age who are revised before they die.

With whole years k since the operation at age a, hazards constant within a year:

    revision  l(k) = revisions / years at risk, in the year k, of the age band and sex
    death     m(a + k) = deaths / years at risk at that age and sex;  or -log(1 - q) from a life table
    risk      = sum over k of S(k) l / (l + m) (1 - exp(-(l + m)))
    S(k)      = exp(- sum of l + m over the years before k)

Beyond the years observed the revision hazard is that of the last `tail_years` observed together, taken to
stay (``tail="constant"``), or the sum ends there (``tail="stop"``: the risk within the years observed). The
share of the risk that rests on the assumption is a check. Limits: delta method, counts independent and
Poisson; a life table is taken as known.

When not to use it: to forecast for implants or people unlike those observed; the hazard of a generation of
implants is assumed for the years that none has reached yet.

Sources: the risk is the cumulative incidence with piecewise-constant hazards (Andersen et al 1993, IV.4);
years at risk by age and time: Clayton & Hills (1993), Statistical Models in Epidemiology, chapter 6.

Checked against: the closed form for constant hazards, and Aalen-Johansen, in tests/unit and tests/properties.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soa_evidence.errors import InputError
from soa_evidence.results import Check, Estimates, checks_frame
from soa_evidence.survival import columns
from soa_evidence.survival import lifetime_hazards as hazards
from soa_evidence.survival.intervals import limits
from soa_evidence.survival.records import choice, prepare_level

__all__ = ["LifetimeRiskResult", "Tail", "lifetime_risk"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
METHOD = "survival.multistate.lifetime_risk"
Tail = Literal["constant", "stop"]
FEW_EVENTS = 10
MOSTLY_ASSUMED = 0.2  # share of the risk beyond the years observed


@dataclass(frozen=True, eq=False, kw_only=True)
class LifetimeRiskResult:
    """Lifetime risk of revision by sex and age at operation.

    Attributes
    ----------
    risk : Estimates
        Probability, labels ``"sex, age"``, with joint covariance. For limits use `table` (log-log scale).
    parts : DataFrame
        label, sex, age, risk, risk_in_years_observed, years_observed, share_assumed.
    revisions : DataFrame
        sex, band, year, events, years, rate: revision hazards by year since the operation.
    deaths : DataFrame
        sex, age, rate (and events, years where they come from the data).
    death_source : str
    checks : tuple of Check
    """

    risk: Estimates
    parts: pd.DataFrame
    revisions: pd.DataFrame
    deaths: pd.DataFrame
    death_source: str
    checks: tuple[Check, ...]

    def table(self, level: float = 0.95) -> pd.DataFrame:
        """Return risks with log-log limits, in the shape of `Estimates.table`."""
        error = np.sqrt(np.diag(np.asarray(self.risk.covariance)))
        lower, upper = limits(np.asarray(self.risk.mean), error, prepare_level(level), "log-log")
        return self.risk.table(level).assign(lower=lower, upper=upper)

    def __repr__(self) -> str:
        table = self.table()[["label", "estimate", "std_error", "lower", "upper"]].to_string(index=False)
        return f"{self.risk.estimand}; death from: {self.death_source}\n{table}"

    def _repr_html_(self) -> str:
        return self.table().to_html(index=False) + checks_frame(self.checks).to_html(index=False)


def lifetime_risk(
    frame: pd.DataFrame,
    *,
    time: str,
    event: str,
    age: str,
    sex: str,
    ages: Sequence[int] = (50, 60, 70, 80),
    bands: Sequence[float] = (0, 55, 65, 75, 120),
    until_age: int = 100,
    tail: Tail = "constant",
    tail_years: int = 5,
    life_table: pd.DataFrame | None = None,
    life_table_source: str | None = None,
) -> LifetimeRiskResult:
    """Estimate the lifetime risk of revision.

    Parameters
    ----------
    frame
        One row a primary.
    time, event
        Years from the operation to its revision (1), death (2) or the end of observation (0).
    age, sex
        Age at the operation in years, and sex.
    ages
        Whole ages at operation for which the risk is given.
    bands
        Edges of the bands of age within which revision hazards are alike; a band holds its lower edge.
    until_age
        Age at which the sum ends.
    tail, tail_years
        What is assumed of the revision hazard beyond the years observed, and from how many years.
    life_table
        Columns age (whole), sex, qx (probability of dying within the year); death from the data where not
        given.
    life_table_source
        Where it is from; required with it.

    Raises
    ------
    InputError
        On a missing column or value, a life table without source, an age without a band or hazard of death,
        or a band and sex in which no one is observed.
    """
    choice("tail", tail, get_args(Tail))
    columns.require(frame, [time, event, age, sex])
    years = columns.numbers(frame, time, "years to the end of observation")
    columns.refuse(frame, time, years < 0, "years of observation cannot be negative")
    outcome = columns.numbers(frame, event, "0 censored, 1 revised, 2 died")
    columns.refuse(frame, event, ~np.isin(outcome, (0, 1, 2)), "expected 0 censored, 1 revised or 2 died")
    start = columns.numbers(frame, age, "an age in years")
    columns.refuse(frame, age, (start < 0) | (start > 130), "expected an age from 0 to 130 years")
    edges = _edges(bands)
    wanted = _ages(ages, edges, until_age)
    if tail_years < 1:
        raise InputError(f"tail_years is {tail_years}; expected at least 1.")
    code, sexes = columns.factorise(frame, [sex])
    deaths, source = hazards.of_death(years, outcome, start, code, sexes, life_table, life_table_source)
    band = np.searchsorted(edges, start, side="right") - 1
    names = [f"{low:g} to under {high:g}" for low, high in itertools.pairwise(edges)]
    columns.refuse(frame, age, (band < 0) | (band >= len(names)), "outside every band of bands=")
    cells = {}
    for s, label in enumerate(sexes):
        for b in np.unique(np.searchsorted(edges, wanted, side="right") - 1):
            mine = (code == s) & (band == b)
            if not mine.any() or years[mine].max() <= 0:
                raise InputError(f"No one of sex '{label}' aged {names[b]} is observed, so no risk is known.")
            cells[s, int(b)] = hazards.by_whole_year(
                np.zeros(int(mine.sum())), years[mine], outcome[mine] == 1
            )
    return _result(cells, deaths, source, sexes, edges, names, wanted, until_age, tail, tail_years)


def _edges(bands: Sequence[float]) -> FloatArray:
    edges = np.asarray(bands, dtype=float)
    if len(edges) < 2 or not (np.diff(edges) > 0).all():
        raise InputError(f"bands is {list(bands)}; expected at least two increasing ages.")
    return edges


def _ages(ages: Sequence[int], edges: FloatArray, until_age: int) -> IntArray:
    for value in ages:
        if value != int(value) or not edges[0] <= value < edges[-1] or value >= until_age:
            raise InputError(
                f"ages holds {value}; expected whole ages within bands= ({edges[0]:g} to under "
                f"{edges[-1]:g}) and below until_age ({until_age})."
            )
    if len(set(ages)) != len(ages) or not len(ages):
        raise InputError(f"ages is {list(ages)}; expected at least one age, each once.")
    return np.asarray(ages, dtype=np.int64)


def _result(
    cells: dict[tuple[int, int], tuple[FloatArray, FloatArray]],
    deaths: list[pd.DataFrame],
    source: str,
    sexes: tuple[str, ...],
    edges: FloatArray,
    names: list[str],
    wanted: IntArray,
    until_age: int,
    tail: Tail,
    tail_years: int,
) -> LifetimeRiskResult:
    labels, parts, by_revisions, by_deaths = [], [], [], []
    for s, label in enumerate(sexes):
        for value in wanted:
            b = int(np.searchsorted(edges, value, side="right") - 1)
            events, at_risk = cells[s, b]
            mortality = hazards.at_ages(deaths[s], label, int(value), until_age)
            risk, observed, of_revisions, of_mortality = _risk(events, at_risk, mortality, tail, tail_years)
            labels.append(f"{label}, {value}")
            parts.append((labels[-1], label, int(value), risk, observed, min(len(events), len(mortality))))
            by_revisions.append({(s, b, k): slope for k, slope in enumerate(of_revisions)})
            by_deaths.append({(s, int(value) + k): slope for k, slope in enumerate(of_mortality)})
    covariance = _covariance(
        by_revisions, {(s, b, k): d for (s, b), (d, _) in cells.items() for k, d in enumerate(d)}
    )
    if "events" in deaths[0]:
        known = {
            (s, int(age)): (d, t)
            for s, table in enumerate(deaths)
            for age, d, t in zip(table["age"], table["events"], table["years"], strict=True)
        }
        of_counts = [{key: slope / known[key][1] for key, slope in row.items()} for row in by_deaths]
        covariance = covariance + _covariance(of_counts, {key: d for key, (d, _) in known.items()})
    table = pd.DataFrame(
        parts, columns=["label", "sex", "age", "risk", "risk_in_years_observed", "years_observed"]
    )
    table["share_assumed"] = 1 - table["risk_in_years_observed"] / table["risk"].where(table["risk"] > 0, 1.0)
    table.loc[table["risk"] == 0, "share_assumed"] = 0.0
    checks = _checks(cells, table, sexes, names, source, tail)
    revisions = pd.concat(
        [
            pd.DataFrame(
                {
                    "sex": sexes[s],
                    "band": names[b],
                    "year": np.arange(len(d)),
                    "events": d,
                    "years": t,
                    "rate": d / t,
                }
            )
            for (s, b), (d, t) in cells.items()
        ],
        ignore_index=True,
    )
    return LifetimeRiskResult(
        risk=Estimates(
            estimand=f"risk of revision before death or age {until_age}",
            labels=tuple(labels),
            unit="probability",
            method=METHOD,
            mean=table["risk"].to_numpy(),
            covariance=covariance,
            interval="confidence",
            checks=checks,
        ),
        parts=table,
        revisions=revisions,
        deaths=pd.concat(deaths, ignore_index=True),
        death_source=source,
        checks=checks,
    )


def _risk(
    events: FloatArray, at_risk: FloatArray, mortality: FloatArray, tail: Tail, tail_years: int
) -> tuple[float, float, FloatArray, FloatArray]:
    """Return risk, the part in years observed, and its slopes in the counts of revisions and in mortality."""
    years = len(mortality) if tail == "constant" else min(len(mortality), len(events))
    seen = min(len(events), years)
    window = slice(max(len(events) - tail_years, 0), len(events))
    rate = np.full(years, events[window].sum() / at_risk[window].sum())
    rate[:seen] = events[:seen] / at_risk[:seen]
    death = mortality[:years]
    h = rate + death
    safe = np.maximum(h, 1e-12)
    leave = -np.expm1(-h)
    gained = np.where(h > 1e-12, rate / safe * leave, rate)
    by_rate = np.where(h > 1e-12, death / safe**2 * leave + rate / safe * np.exp(-h), 1.0)
    by_death = np.where(h > 1e-12, -rate / safe**2 * leave + rate / safe * np.exp(-h), 0.0)
    still = np.exp(-np.concatenate([[0.0], np.cumsum(h)[:-1]]))
    ahead = np.cumsum((still * gained)[::-1])[::-1]  # risk of this year and later, from the start
    later = np.append(ahead[1:], 0.0)
    slope = still * by_rate - later
    of_events = np.zeros(len(events))
    of_events[:seen] = slope[:seen] / at_risk[:seen]
    of_events[window] += slope[seen:].sum() / at_risk[window].sum()
    return (
        float(ahead[0]),
        float(ahead[0] - (ahead[seen] if seen < years else 0.0)),
        of_events,
        still * by_death - later,
    )


def _covariance[Key](slopes: Sequence[Mapping[Key, float]], variance: Mapping[Key, float]) -> FloatArray:
    """Return the covariance of smooth functions of independent counts with Poisson variance."""
    keys = {key: at for at, key in enumerate(variance)}
    J = np.zeros((len(slopes), len(keys)))
    for row, found in enumerate(slopes):
        for key, slope in found.items():
            J[row, keys[key]] = slope
    return np.asarray((J * np.array(list(variance.values()))) @ J.T)


def _checks(
    cells: dict[tuple[int, int], tuple[FloatArray, FloatArray]],
    table: pd.DataFrame,
    sexes: tuple[str, ...],
    names: list[str],
    source: str,
    tail: Tail,
) -> tuple[Check, ...]:
    (s, b), (fewest, _) = min(cells.items(), key=lambda item: float(item[1][0].sum()))
    most = table.iloc[int(table["share_assumed"].to_numpy().argmax())]
    return (
        Check(
            name="revisions in the band with fewest",
            verdict="pass" if fewest.sum() >= FEW_EVENTS else "warn",
            observed=f"{fewest.sum():.0f} ({sexes[s]}, {names[b]})",
            expected=f"at least {FEW_EVENTS}",
            why="with few events the limits, which are for large samples, are not to be trusted",
        ),
        Check(
            name="share of the risk that lies beyond the years observed",
            verdict="pass" if most["share_assumed"] <= MOSTLY_ASSUMED else "warn",
            observed=f"at most {most['share_assumed']:.0%} ({most['label']})"
            if tail == "constant"
            else "0 %: the sum ends with the years observed, so it is not for life",
            expected=f"at most {MOSTLY_ASSUMED:.0%}",
            why="beyond the years observed the hazard of revision is assumed, not seen",
        ),
        Check(
            name="where death comes from",
            verdict="pass",
            observed=source,
            expected="the same data, or a life table with its source",
            why="people who live longer have longer to be revised in; patients may live longer than all "
            "people do",
        ),
    )
