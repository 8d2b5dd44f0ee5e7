"""What is asked of each survival method in each world: one function a method, each yielding what it claims.

To add a method: write a function from a frame to `Claim`s and put it into `METHODS` beside the worlds it is
for; add its true values to `World.truth` where they are new. `make calibrate` makes its rows of the table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import get_args

import numpy as np
import pandas as pd

from soa_evidence import survival
from soa_evidence.errors import InputError
from soa_evidence.survival.intervals import IncidenceInterval, SurvivalInterval
from tests.calibration.survival_worlds import GENERAL, HORIZON, SPECIALIST, TIMES, World

__all__ = ["METHODS", "SIZE", "Claim", "claims"]

#: Tests reject a true hypothesis this often.
SIZE = 0.05
FAMILIES = ("logrank", "gehan_breslow", "tarone_ware", "peto_peto", "fleming_harrington")
COVARIATES = ["age", "male", "specialist"]
BY = {"time": "time_years", "by": "unit_class"}


@dataclass(frozen=True, kw_only=True)
class Claim:
    """An estimate with its interval, or the p value of a test of something true.

    `estimate`, `lower`, `upper`: on the scale of the truth. `p_value` is for tests only.
    """

    method: str
    quantity: str
    label: str
    interval: str
    estimate: float = np.nan
    lower: float = np.nan
    upper: float = np.nan
    p_value: float | None = None


def kaplan_meier(frame: pd.DataFrame) -> Iterator[Claim]:
    for interval in get_args(SurvivalInterval):
        table = survival.kaplan_meier.fit(frame, event="revised", interval=interval, **BY).at(TIMES)
        yield from _at_times("kaplan_meier", "survival", interval, table)


def restricted_mean(frame: pd.DataFrame) -> Iterator[Claim]:
    found = survival.kaplan_meier.fit(frame, event="revised", **BY).restricted_mean(HORIZON)
    for quantity, estimates in (
        ("restricted mean", found.mean),
        ("difference in restricted mean", found.difference(GENERAL)),
        ("log ratio of restricted means", found.log_ratio(GENERAL)),
    ):
        yield from _estimates("kaplan_meier.restricted_mean", quantity, "normal", estimates)


def cumulative_incidence(frame: pd.DataFrame) -> Iterator[Claim]:
    name = "cumulative_incidence"
    for interval in get_args(IncidenceInterval):
        found = survival.cumulative_incidence.fit(frame, event="cause", interval=interval, **BY)
        yield from _at_times(name, "incidence of revision", interval, found.at(TIMES, "cause 1"))
    net = pd.concat([curve.at(TIMES) for curve in found.net("cause 1").values()])
    yield from _at_times(f"{name}.net", "net failure", "log-log", net)


def nelson_aalen(frame: pd.DataFrame) -> Iterator[Claim]:
    for interval in ("log", "plain"):
        table = survival.nelson_aalen.fit(frame, event="revised", interval=interval, **BY).at(TIMES)
        yield from _at_times("nelson_aalen", "cumulative hazard", interval, table)


def rates(frame: pd.DataFrame) -> Iterator[Claim]:
    found = survival.rates.fit(frame, years="time_years", events="revised", by="unit_class", per=100)
    for interval, table in (("exact", found.table()), ("normal", found.rate.table())):
        yield from _table("rates", "rate", interval, table)
    for interval in ("exact", "wald"):
        table = found.ratio(GENERAL, interval=interval)
        table[["estimate", "lower", "upper"]] = np.log(table[["estimate", "lower", "upper"]])
        yield from _table("rates.ratio", "log rate ratio", interval, table)


def cox(frame: pd.DataFrame) -> Iterator[Claim]:
    model = {"time": "time_years", "event": "infection", "covariates": COVARIATES}
    for ties in ("efron", "breslow"):
        fitted = survival.cox.fit(frame, ties=ties, **model)
        yield from _estimates("cox", "log hazard ratio", f"Wald, {ties}", fitted.log_hazard_ratio)
    by_sex = survival.cox.fit(frame, strata="male", **(model | {"covariates": ["age", "specialist"]}))
    yield from _estimates("cox", "log hazard ratio", "Wald, stratified", by_sex.log_hazard_ratio)
    man = pd.DataFrame({"age": [0.0], "male": [1.0], "specialist": [0.0]})
    (curve,) = survival.cox.fit(frame, **model).survival(man).values()
    for row in curve.at(TIMES).itertuples():
        yield Claim(
            method="cox.survival",
            quantity="survival of a man of 70 at a general unit",
            label=f"{row.time:g} years",
            interval="log-log",
            estimate=row.estimate,
            lower=row.lower,
            upper=row.upper,
        )


def smooth(frame: pd.DataFrame) -> Iterator[Claim]:
    """Smooth hazards of infection, whose true shape is Weibull: with it, with a spline, with steps."""
    model = {"time": "time_years", "event": "infection", "covariates": COVARIATES}
    weibull = survival.parametric.fit(frame, distribution="weibull", **model)
    spline = survival.royston_parmar.fit(frame, df=3, **model)
    steps = survival.piecewise_exponential.fit(frame, breaks=[0.25, 1, 4], **model)
    yield from _estimates("parametric", "log time ratio", "Wald, Weibull", weibull.effects)
    for name, fitted in (("royston_parmar", spline), ("piecewise_exponential", steps)):
        yield from _estimates(name, "log hazard ratio", "Wald", fitted.effects)
    for name, fitted in (
        ("parametric", weibull),
        ("royston_parmar", spline),
        ("piecewise_exponential", steps),
    ):
        groups = fitted.standardised("specialist", [0.0, 1.0])
        found = groups.difference(groups.groups[0], time=HORIZON).table().assign(label="specialist")
        yield from _table(f"{name}.standardised", "difference in standardised survival", "delta", found)


def fine_gray(frame: pd.DataFrame) -> Iterator[Claim]:
    """Where classes are alike the subdistribution hazards are proportional, in the ratio 1."""
    fitted = survival.fine_gray.fit(frame, time="time_years", event="cause", covariates=["specialist"])
    yield from _estimates("fine_gray", "log subhazard ratio", "Wald, robust", fitted.log_hazard_ratio)


def cox_robust(frame: pd.DataFrame) -> Iterator[Claim]:
    model = {"time": "time_years", "event": "infection", "covariates": COVARIATES}
    for interval, cluster in (("Wald, model", None), ("Wald, robust by unit", "unit")):
        fitted = survival.cox.fit(frame, cluster=cluster, **model)
        yield from _estimates("cox", "log hazard ratio", interval, fitted.log_hazard_ratio)


def multistate(frame: pd.DataFrame) -> Iterator[Claim]:
    """Who is still in the first state is who has survived."""
    stays = frame[["time_years", "unit_class"]].assign(
        person=range(len(frame)), state="primary", to=frame["revised"].map({0: None, 1: "revised"})
    )
    found = survival.multistate.fit(
        stays,
        id="person",
        time="time_years",
        from_state="state",
        to_state="to",
        by="unit_class",
        start="primary",
    )
    for variance in ("robust", "greenwood"):
        table = found.at(TIMES, variance=variance).query("state == 'primary'")
        yield from _at_times("multistate", "survival", variance, table.assign(label=table["group"]))


def frailty(frame: pd.DataFrame) -> Iterator[Claim]:
    """Units' and surgeons' effects are log-normal; both families are asked."""
    for distribution in ("gamma", "log_normal"):
        fitted = survival.frailty.fit(
            frame, time="time_years", event="infection", unit="unit", covariates=COVARIATES,
            distribution=distribution,
        )  # fmt: skip
        yield from _estimates("frailty", "log hazard ratio", distribution, fitted.log_hazard_ratio)


def rate_regression(frame: pd.DataFrame) -> Iterator[Claim]:
    fitted = survival.rate_regression.fit(
        frame, events="revised", years="time_years", covariates=["unit_class"],
        reference={"unit_class": GENERAL},
    )  # fmt: skip
    table = fitted.log_rate_ratio.table().assign(label=SPECIALIST)
    yield from _table("rate_regression", "log rate ratio", "Poisson", table)


def tests_of_nothing(frame: pd.DataFrame) -> Iterator[Claim]:
    """Tests of classes that are alike, and of hazards that are proportional."""
    for family in FAMILIES:
        found = survival.logrank.fit(frame, event="revised", family=family, **BY)
        yield _test("logrank", family, found.p_value)
    stratified = survival.logrank.fit(frame, event="revised", strata="sex", **BY)
    yield _test("logrank", "logrank, stratified", stratified.p_value)
    yield _test("gray", "rho = 0", survival.gray.fit(frame, event="cause", cause=1, **BY).p_value)
    fitted = survival.cox.fit(frame, time="time_years", event="infection", covariates=COVARIATES)
    for transform in ("km", "identity", "log", "rank"):
        table = fitted.proportional_hazards(transform).table
        together = table[table["covariate"] == "all together"].iloc[0]
        yield _test("cox.proportional_hazards", transform, float(together["p_value"]))


#: Which methods are asked in which world.
METHODS: dict[str, tuple[Callable[[pd.DataFrame], Iterator[Claim]], ...]] = {
    "plain": (
        kaplan_meier,
        restricted_mean,
        cumulative_incidence,
        nelson_aalen,
        cox,
        smooth,
        multistate,
    ),
    "alike": (tests_of_nothing, fine_gray),
    "constant": (rates, rate_regression),
    "clustered": (cox_robust, frailty),
}


def claims(world: World, seed: int) -> list[Claim]:
    """Return everything claimed about one replicate of a world; a method that refuses it claims nothing."""
    frame, found = world.frame(seed), []
    for method in METHODS[world.name]:
        try:
            found += list(method(frame))
        except InputError:  # too few events in a band, say: counted in the table
            continue
    return found


def _at_times(method: str, quantity: str, interval: str, table: pd.DataFrame) -> Iterator[Claim]:
    for row in table.itertuples():
        yield Claim(
            method=method,
            quantity=quantity,
            label=f"{row.label}, {row.time:g} years",
            interval=interval,
            estimate=row.estimate,
            lower=row.lower,
            upper=row.upper,
        )


def _estimates(method: str, quantity: str, interval: str, estimates: object) -> Iterator[Claim]:
    yield from _table(method, quantity, interval, estimates.table())  # type: ignore[attr-defined]


def _table(method: str, quantity: str, interval: str, table: pd.DataFrame) -> Iterator[Claim]:
    for row in table.itertuples():
        yield Claim(
            method=method,
            quantity=quantity,
            label=str(row.label),
            interval=interval,
            estimate=row.estimate,
            lower=row.lower,
            upper=row.upper,
        )


def _test(method: str, which: str, p_value: float) -> Claim:
    return Claim(method=method, quantity="rejects what is true", label="all", interval=which, p_value=p_value)
