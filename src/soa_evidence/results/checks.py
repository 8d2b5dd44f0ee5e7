"""A diagnostic as a value, tabled with its result and able to stop its publication."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from soa_evidence.errors import CheckFailedError, InputError

__all__ = ["Check", "Verdict", "checks_frame", "combine_verdicts", "none_missing", "require_passed"]

Verdict = Literal["pass", "warn", "fail"]


@dataclass(frozen=True, kw_only=True)
class Check:
    """A diagnostic as a value: tabled with the result, and able to stop its publication.

    Parameters
    ----------
    name
        What was checked, e.g. ``"R-hat, largest"``.
    verdict
        ``"pass"``, ``"warn"`` (published with the warning shown) or ``"fail"`` (not published).
    observed, expected
        What was seen and what would have been acceptable, as short text for a reader.
    why
        Why the check matters, in one sentence.
    """

    name: str
    verdict: Verdict
    observed: str
    expected: str
    why: str

    def __post_init__(self) -> None:
        if self.verdict not in ("pass", "warn", "fail"):
            raise InputError(
                f"Check '{self.name}' has verdict {self.verdict!r}; use 'pass', 'warn' or 'fail'."
            )


def none_missing(values: pd.Series[Any], *, name: str, why: str) -> Check:
    """Return a check, called `name`, that fails when any of `values` is missing."""
    missing = int(values.isna().sum())
    return Check(
        name=name,
        verdict="fail" if missing else "pass",
        observed=f"{missing} without",
        expected="none without",
        why=why,
    )


def combine_verdicts(checks: Iterable[Check]) -> Verdict:
    """Return the worst verdict among `checks` ('pass' when there are none to worsen it)."""
    verdicts = {check.verdict for check in checks}
    return "fail" if "fail" in verdicts else "warn" if "warn" in verdicts else "pass"


def checks_frame(checks: Iterable[Check]) -> pd.DataFrame:
    """Table the checks, one a row: name, verdict, observed, expected, why."""
    rows = [(c.name, c.verdict, c.observed, c.expected, c.why) for c in checks]
    return pd.DataFrame(rows, columns=["name", "verdict", "observed", "expected", "why"])


def require_passed(checks: Iterable[Check], what: str) -> None:
    """Raise CheckFailedError naming every failed check of `what`."""
    failed = [c for c in checks if c.verdict == "fail"]
    if failed:
        reasons = "; ".join(f"{c.name}: observed {c.observed}, expected {c.expected}" for c in failed)
        raise CheckFailedError(f"{what} may not be published. Failed: {reasons}.")
