"""The measures of effect: what each is in words, on which scale, from which columns."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["MEANS", "MEASURES", "Measure"]

RISKS, RATES = ("events_1", "n_1", "events_2", "n_2"), ("events_1", "time_1", "events_2", "time_2")
MEANS, ONE = ("mean_1", "sd_1", "n_1", "mean_2", "sd_2", "n_2"), ("events", "n")


@dataclass(frozen=True, kw_only=True)
class Measure:
    """A measure: what it is in words, the scale of its values, the columns it needs."""

    estimand: str
    unit: str
    needs: tuple[str, ...]
    corrects_zeros: bool = False
    drops_both_zero: bool = False


MEASURES: dict[str, Measure] = {
    "OR": Measure(
        estimand="log odds ratio",
        unit="log odds ratio",
        needs=RISKS,
        corrects_zeros=True,
        drops_both_zero=True,
    ),
    "RR": Measure(
        estimand="log risk ratio",
        unit="log risk ratio",
        needs=RISKS,
        corrects_zeros=True,
        drops_both_zero=True,
    ),
    "RD": Measure(estimand="risk difference", unit="probability", needs=RISKS, corrects_zeros=True),
    "PETO": Measure(
        estimand="log odds ratio (Peto)", unit="log odds ratio", needs=RISKS, drops_both_zero=True
    ),
    "CLOGLOG": Measure(
        estimand="log hazard ratio from risks",
        unit="log hazard ratio",
        needs=RISKS,
        corrects_zeros=True,
        drops_both_zero=True,
    ),
    "AS": Measure(estimand="difference of arcsine square root risks", unit="radians", needs=RISKS),
    "IRR": Measure(
        estimand="log rate ratio",
        unit="log rate ratio",
        needs=RATES,
        corrects_zeros=True,
        drops_both_zero=True,
    ),
    "IRD": Measure(
        estimand="rate difference", unit="events per unit of time", needs=RATES, corrects_zeros=True
    ),
    "MD": Measure(estimand="mean difference", unit="unit of the means", needs=MEANS),
    "SMD": Measure(estimand="standardised mean difference", unit="standard deviations", needs=MEANS),
    "PR": Measure(estimand="proportion", unit="probability", needs=ONE, corrects_zeros=True),
    "PLO": Measure(estimand="log odds", unit="log odds", needs=ONE, corrects_zeros=True),
    "PFT": Measure(estimand="double arcsine of the proportion", unit="radians", needs=ONE),
    "RATIO": Measure(estimand="log ratio as published", unit="log ratio", needs=()),
    "DIFFERENCE": Measure(estimand="difference as published", unit="unit of the difference", needs=()),
}
