"""What a method found beside what is true, where a registry is synthetic and its truth known.

When not to use it: on a researcher's own extract nobody knows the truth; the table is then empty and says so.

Checked against: tests/unit/test_registry_truth.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import pandas as pd

from soa_evidence.errors import InputError, nearest
from soa_evidence.evidence.registry.extract import Registry
from soa_evidence.results import Check, Estimates

__all__ = ["Quantity", "TruthTable", "against_truth"]

Quantity = Literal[
    "revision-free, these units",
    "revision-free, units as a kind",
    "revised, these units",
    "revised, units as a kind",
    "difference, these units",
    "difference, units as a kind",
    "unadjusted revised",
]
COLUMNS = ["quantity", "label", "estimate", "lower", "upper", "truth", "holds"]
LEVEL = 0.95
#: Below this share the intervals together say that something is not adjusted for (or the method is wrong).
FEW_HOLD = 0.8
WHY = "on synthetic data the truth is known, so a reader can see what the methods find and what they cannot"


@dataclass(frozen=True, eq=False, kw_only=True)
class TruthTable:
    """Estimates beside the truth.

    Attributes
    ----------
    table : DataFrame
        quantity, label, estimate, lower, upper and truth per 1,000 patients, holds (whether the interval
        holds the truth); without rows for own data.
    known : bool
        Whether the truth is known.
    checks : tuple of Check
    """

    table: pd.DataFrame
    known: bool
    checks: tuple[Check, ...]

    def _repr_html_(self) -> str:
        return self.table.to_html(index=False)


def against_truth(
    registry: Registry, found: Mapping[Quantity, Estimates], *, joint: str, years: float
) -> TruthTable:
    """Set estimates beside the truth of a synthetic registry.

    Parameters
    ----------
    found
        Estimates by quantity, their labels classes of unit. ``revision-free`` and ``difference`` (per 1,000)
        are net, were nobody to die; ``revised`` is crude, death competing; ``unadjusted revised`` is what raw
        curves of cumulative incidence tend to, referral and case mix included.
    joint, years
        Of which joint, and by when.

    Raises
    ------
    InputError
        On an unknown quantity, or a label that is no class of the registry.
    """
    for quantity in found:
        if quantity not in get_args(Quantity):
            raise InputError(
                f"There is no quantity {quantity!r}.{nearest(quantity, get_args(Quantity))} "
                f"Expected: {', '.join(get_args(Quantity))}."
            )
    if registry.truth is None:
        check = Check(
            name="intervals that hold the truth",
            verdict="pass",
            observed="not known: the registry is not synthetic",
            expected="known of synthetic data only",
            why=WHY,
        )
        return TruthTable(table=pd.DataFrame(columns=COLUMNS), known=False, checks=(check,))
    rows = [_beside(registry, quantity, estimates, joint, years) for quantity, estimates in found.items()]
    table = pd.concat(rows, ignore_index=True)[COLUMNS]
    share = float(table["holds"].mean())
    check = Check(
        name="intervals that hold the truth",
        verdict="pass" if share >= FEW_HOLD else "warn",
        observed=f"{int(table['holds'].sum())} of {len(table)}",
        expected=f"about {LEVEL:.0%} where nothing is hidden; they hang together, so at least {FEW_HOLD:.0%}",
        why=WHY,
    )
    return TruthTable(table=table, known=True, checks=(check,))


def _beside(
    registry: Registry, quantity: Quantity, estimates: Estimates, joint: str, years: float
) -> pd.DataFrame:
    truth = _truth(registry, quantity, joint, years)
    for label in estimates.labels:
        if label not in truth.index:
            raise InputError(
                f"'{quantity}' has a label {label!r} that is no class of the registry."
                f"{nearest(label, truth.index)} Classes: {', '.join(truth.index)}."
            )
    shown = estimates.table(LEVEL)[["label", "estimate", "lower", "upper"]]
    true = truth.loc[list(shown["label"])].to_numpy(float)
    holds = (shown["lower"].to_numpy() <= true) & (true <= shown["upper"].to_numpy())
    per = 1.0 if quantity.startswith("difference") else 1000.0  # differences come per 1,000 already
    shown[["estimate", "lower", "upper"]] *= per
    return shown.assign(quantity=quantity, truth=per * true, holds=np.asarray(holds))


def _truth(registry: Registry, quantity: Quantity, joint: str, years: float) -> pd.Series[float]:
    """Return the true values by class."""
    truth = registry.truth
    if truth is None:
        raise InputError("Own data have no truth to be compared with.")
    if quantity == "unadjusted revised":
        return truth.unadjusted(joint, times=[years]).set_index("label")["crude"]
    units: Literal["these", "as a kind"] = "these" if "these units" in quantity else "as a kind"
    if quantity.startswith("difference"):
        return truth.differences(joint, times=[years], units=units).set_index("label")["net"]
    standardised = truth.standardised(joint, times=[years], units=units).set_index("label")
    return standardised["crude"] if quantity.startswith("revised") else 1 - standardised["net"]
