"""Estimates, Curve and Check: the only carriers of numbers.

A method returns its numbers in one of these. None of them can be made without an estimand, and none leaves
a method without its uncertainty and its checks. Values stay on the scale of the analysis, which the unit
names, and are transformed only when shown.
"""

from soa_evidence.results.arrays import FloatArray, Interval, Transform
from soa_evidence.results.basis import Basis, Counted, Member
from soa_evidence.results.checks import (
    Check,
    Verdict,
    checks_frame,
    combine_verdicts,
    none_missing,
    require_passed,
)
from soa_evidence.results.curves import CURVE_ESTIMANDS, Curve
from soa_evidence.results.estimates import TABLE_COLUMNS, Estimates

__all__ = [
    "CURVE_ESTIMANDS",
    "TABLE_COLUMNS",
    "Basis",
    "Check",
    "Counted",
    "Curve",
    "Estimates",
    "FloatArray",
    "Interval",
    "Member",
    "Transform",
    "Verdict",
    "checks_frame",
    "combine_verdicts",
    "none_missing",
    "require_passed",
]
