"""Time to revision, complication and death. One method a file, each with one `fit`: frame in, result out.

Importing this package compiles nothing; numba is loaded by the methods that need it, when they are called.
"""

from typing import TYPE_CHECKING

from soa_evidence import lazy

if TYPE_CHECKING:
    from soa_evidence.survival import (
        cause_specific,
        cox,
        cumulative_incidence,
        exposure,
        fine_gray,
        frailty,
        gray,
        hierarchical,
        kaplan_meier,
        logrank,
        multistate,
        nelson_aalen,
        parametric,
        piecewise_exponential,
        rate_regression,
        rates,
        royston_parmar,
        scores,
    )

__all__ = [
    "cause_specific",
    "cox",
    "cumulative_incidence",
    "exposure",
    "fine_gray",
    "frailty",
    "gray",
    "hierarchical",
    "kaplan_meier",
    "logrank",
    "multistate",
    "nelson_aalen",
    "parametric",
    "piecewise_exponential",
    "rate_regression",
    "rates",
    "royston_parmar",
    "scores",
]

lazy.on_use(__name__)
