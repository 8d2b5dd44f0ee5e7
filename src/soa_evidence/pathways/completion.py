"""How far hospitals differ in the share of operations for which a questionnaire is completed.

    l = log(a / n)                                        a answers, n operations of a hospital
    w² = Σ n (l - l_)² / Σ n × m / (m - 1) - Σ n v / Σ n,   v = (1/a - 1/n), the error of l by chance
    m  = (Σ n)² / Σ n²                                    the effective number of hospitals

w is the standard deviation of log completion, weighted by operations; its limits are normal on the log
scale, with
standard error 1 / √(2 m). A place whose patients are spread evenly over h hospitals differs by w / √h.

When not to use it: to correct a count of one place; how its own patients' questionnaires were handled is not
known.

Source: moments of a one-way layout, as in Searle, Casella & McCulloch (1992), ch. 3.

Checked against: arithmetic and simulation, in tests/unit/test_pathways_rates.py.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from soa_evidence.errors import InputError
from soa_evidence.pathways.rates_frame import counts, labels, require_columns
from soa_evidence.results import Check, Estimates

__all__ = ["Completion", "fit"]

METHOD = "pathways.completion"
LARGEST_DROPPED = 0.05


@dataclass(frozen=True, eq=False, kw_only=True)
class Completion:
    """Completion and its spread.

    Attributes
    ----------
    log_sd : Estimates
        log w, labelled "between hospitals"; show it with ``transform="exp"``.
    share : float
        Answers of all hospitals over their operations.
    table : DataFrame
        unit, operations, answers, share.
    checks : tuple of Check
    """

    log_sd: Estimates
    share: float
    table: pd.DataFrame
    checks: tuple[Check, ...]


def fit(frame: pd.DataFrame, *, unit: str, operations: str, answers: str, smallest: int = 30) -> Completion:
    """Measure completion and its spread.

    Parameters
    ----------
    frame
        One row a hospital.
    unit, operations, answers
        Columns: name; whole numbers.
    smallest
        Hospitals with fewer operations are left out: theirs is mostly chance.

    Raises
    ------
    InputError
        Naming column and row: missing columns or names, a hospital twice, counts that are not whole, or fewer
        than three hospitals left.
    """
    require_columns(frame, [unit, operations, answers], "the hospitals")
    named = labels(frame, [unit])
    if len(set(named)) < len(named):
        raise InputError(
            f"{next(n for n in named if named.count(n) > 1)!r} is there twice; expected one row each."
        )
    done, told = counts(frame, operations), counts(frame, answers)
    keep = (done >= smallest) & (told > 0)
    if keep.sum() < 3:
        raise InputError(
            f"{keep.sum()} hospitals have {smallest} operations and an answer; their spread needs at least "
            f"three."
        )
    n, a = done[keep], told[keep]
    logs, weight = np.log(a / n), n / n.sum()
    effective = 1 / float((weight**2).sum())
    total = float(weight @ (logs - weight @ logs) ** 2) * effective / (effective - 1)
    variance = total - float(weight @ np.maximum(0.0, 1 / a - 1 / n))
    if variance <= 0:
        raise InputError("Completion differs between hospitals by no more than chance; take its spread as 0.")
    lost = 1 - float(n.sum() / done.sum())
    above = float((a > n).mean())
    checks = (
        Check(
            name="operations of hospitals left out",
            verdict="pass" if lost <= LARGEST_DROPPED else "warn",
            observed=f"{lost:.1%}",
            expected=f"at most {LARGEST_DROPPED:.0%}",
            why=f"hospitals with under {smallest} operations or no answer do not count",
        ),
        Check(
            name="hospitals with more answers than operations",
            verdict="pass" if above == 0 else "warn",
            observed=f"{above:.0%}",
            expected="none",
            why="answers count where a questionnaire was handed out, operations where they were done",
        ),
    )
    return Completion(
        log_sd=Estimates(
            estimand="log standard deviation of log completion",
            labels=("between hospitals",),
            unit="log of a standard deviation",
            method=METHOD,
            interval="confidence",
            checks=checks,
            mean=np.array([0.5 * float(np.log(variance))]),
            covariance=np.array([[1 / (2 * effective)]]),
        ),
        share=float(a.sum() / n.sum()),
        table=pd.DataFrame({"unit": np.array(named)[keep], "operations": n, "answers": a, "share": a / n}),
        checks=checks,
    )
