"""Time to revision, complication and death. One method a file, each with one `fit`: frame in, result out.

Importing this package compiles nothing; numba is loaded by the methods that need it, when they are called.
"""

from soa_evidence.survival import (
    cox,
    cumulative_incidence,
    frailty,
    gray,
    kaplan_meier,
    logrank,
    multistate,
    nelson_aalen,
    rate_regression,
    rates,
)

__all__ = [
    "cox",
    "cumulative_incidence",
    "frailty",
    "gray",
    "kaplan_meier",
    "logrank",
    "multistate",
    "nelson_aalen",
    "rate_regression",
    "rates",
]
