"""Indirect standardisation: events observed in each unit over those its case mix would lead one to expect.

    expected E = Σ n R      n patients (or years) and R the reference rate of each stratum, or E as given
    ratio      = O / E      SMR for deaths, SRR for revisions
    limits     = limits of the Poisson count O, over E: exact (Garwood) or Byar's

The expected count is taken as known: its own error, from the reference's rates or from a case-mix model, is
not in the limits.

When not to use it: to compare two units with each other, since each ratio is weighted by its unit's own case
mix and two units alike in every stratum may have different ratios (use `units.direct_standardisation` or
`units.binomial`); with the reference made by the few units it is to judge; where events vary more than
Poisson (`units.funnel` has over-dispersion).

Sources: Breslow & Day (1987), Statistical Methods in Cancer Research II, chapter 2 (eq. 2.11 to 2.15);
Garwood (1936), Biometrika 28:437.

Checked against: R's poisson.test, epitools and our own R code, in tests/reference/standardisation.
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
from soa_evidence.units.standardisation_frame import Kind
from soa_evidence.units.standardisation_limits import byar, garwood

__all__ = ["IndirectResult", "fit"]

FloatArray = NDArray[np.float64]
METHOD = "units.indirect_standardisation"
Interval = Literal["exact", "byar"]
FEW_EXPECTED = 5
LARGEST_PART = 0.25  # of the reference's events in one unit, which then is compared with itself
COMMON = 0.1  # share of patients with an event from which Poisson limits are clearly too wide
Z95 = 1.959963984540054


@dataclass(frozen=True, eq=False, kw_only=True)
class IndirectResult:
    """Observed over expected events.

    Attributes
    ----------
    ratio : Estimates
        Per unit with any events expected; independent. With none observed its standard error is that which
        puts the upper normal limit at the exact one. For limits use `table`.
    table : DataFrame
        unit, observed, expected, ratio, lower, upper; NaN where nothing is expected.
    interval : str
    level : float
    checks : tuple of Check
    """

    ratio: Estimates
    table: pd.DataFrame
    interval: Interval
    level: float
    checks: tuple[Check, ...]

    def __repr__(self) -> str:
        shown = self.table.to_string(index=False, max_rows=20, float_format="{:.4g}".format)
        return f"Observed over expected events ({self.interval} {self.level:.4g} limits)\n{shown}"

    def _repr_html_(self) -> str:
        shown = self.table.to_html(index=False, float_format="{:.4g}".format, max_rows=20)
        heading = f"Observed over expected events ({self.interval} {self.level:.4g} limits)"
        return f"<p><strong>{heading}</strong></p>{shown}{checks_frame(self.checks).to_html(index=False)}"


def fit(
    frame: pd.DataFrame,
    *,
    unit: str | Sequence[str],
    events: str,
    expected: str | None = None,
    stratum: str | Sequence[str] | None = None,
    size: str | None = None,
    reference: str | pd.DataFrame | None = None,
    kind: Kind = "rate",
    interval: Interval = "exact",
    level: float = 0.95,
) -> IndirectResult:
    """Set each unit's events beside those expected.

    Parameters
    ----------
    frame
        Rows of a unit (and stratum) are added up.
    unit
        Columns naming the unit; several are joined by " · ".
    events
        Column of whole events.
    expected
        Column of expected events, such as a case-mix model's; then give no `stratum`, `size` or `reference`.
    stratum, size
        Columns of the strata, and of patients or time at risk in them.
    reference
        Rate of each stratum, per 1 of `size`: None for all units together; a column with one number a
        stratum; or a frame of the stratum columns and one of rates.
    kind
        Whether `size` counts patients, so that there cannot be more events, or is time.
    interval
        ``"exact"`` or ``"byar"``.
    level
        Coverage of the limits.

    Raises
    ------
    InputError
        Naming column and row: missing columns, numbers or names; counts that cannot be; both or neither way
        of expecting; a reference without one of the data's strata; events where none is expected.
    """
    strata.choose("kind", kind, get_args(Kind))
    strata.choose("interval", interval, get_args(Interval))
    level = strata.prepare_level(level)
    if expected is not None:
        if stratum is not None or size is not None or reference is not None:
            raise InputError("expected= says what is expected; leave out stratum=, size= and reference=.")
        table, crude = _given(frame, unit, events, expected), None
    else:
        if stratum is None or size is None:
            raise InputError("Give expected=, or both stratum= and size= to work it out from.")
        table, crude = _worked_out(frame, unit, stratum, events, size, reference, kind)
    observed, expects = table["observed"].to_numpy(), table["expected"].to_numpy()
    if (bad := (expects == 0) & (observed > 0)).any():
        at = int(np.argmax(bad))
        raise InputError(
            f"Unit {table['unit'].iloc[at]!r} has {observed[at]:.0f} events where none is expected."
        )
    some = expects > 0
    if not some.any():
        raise InputError("No unit has any events expected, so there is no ratio.")
    low, high = (garwood if interval == "exact" else byar)(observed, level)
    over = np.where(some, expects, np.nan)
    table = table.assign(ratio=observed / over, lower=low / over, upper=high / over)
    checks = _checks(table[some], expected is None and reference is None, kind, crude)
    _, upper = garwood(observed, 0.95)
    error = np.where(observed > 0, np.sqrt(observed), upper / Z95)
    return IndirectResult(
        ratio=Estimates(
            estimand="observed over expected events",
            labels=tuple(table["unit"][some]),
            unit="ratio",
            method=METHOD,
            mean=(observed / over)[some],
            covariance=np.diag((error / over)[some] ** 2),
            interval="confidence",
            checks=checks,
        ),
        table=table,
        interval=interval,
        level=level,
        checks=checks,
    )


def _given(frame: pd.DataFrame, unit: str | Sequence[str], events: str, expected: str) -> pd.DataFrame:
    if events == expected:
        raise InputError(f"events and expected are both '{events}'; expected two columns.")
    named = strata.labels(frame, unit, "unit")
    happened, expects = strata.counts(frame, events), strata.amounts(frame, expected)
    rows = pd.DataFrame({"unit": named, "observed": happened, "expected": expects})
    return rows.groupby("unit", sort=True).sum().reset_index()


def _worked_out(
    frame: pd.DataFrame,
    unit: str | Sequence[str],
    stratum: str | Sequence[str],
    events: str,
    size: str,
    reference: str | pd.DataFrame | None,
    kind: Kind,
) -> tuple[pd.DataFrame, float]:
    """Return the table, and the largest share of a unit's size that had an event."""
    cells = strata.read(frame, unit=unit, stratum=stratum, events=events, size=size, kind=kind)
    if reference is None:
        total = cells.size.sum(axis=0)
        rate = cells.events.sum(axis=0) / np.where(total > 0, total, 1.0)
    else:
        given = strata.by_stratum(frame, reference, stratum, name="reference")
        for name in cells.strata:
            if name not in given:
                raise InputError(f"The reference has no rate for stratum {name!r}, which the data have.")
        rate = np.array([given[name] for name in cells.strata])
        if kind == "proportion" and (rate > 1).any():
            at = int(np.argmax(rate > 1))
            raise InputError(
                f"The reference is {rate[at]:g} in stratum {cells.strata[at]!r}; a proportion is at most 1."
            )
    observed, at_risk = cells.events.sum(axis=1), cells.size.sum(axis=1)
    largest = float((observed / np.where(at_risk > 0, at_risk, 1.0)).max())
    return pd.DataFrame({"unit": cells.units, "observed": observed, "expected": cells.size @ rate}), largest


def _checks(table: pd.DataFrame, internal: bool, kind: Kind, crude: float | None) -> tuple[Check, ...]:
    few = table.iloc[int(np.argmin(table["expected"].to_numpy()))]
    checks = [
        Check(
            name="expected events in the unit with fewest",
            verdict="pass" if few["expected"] >= FEW_EXPECTED else "warn",
            observed=f"{few['expected']:.3g} ({few['unit']})",
            expected=f"at least {FEW_EXPECTED}",
            why="a ratio to few expected events is far from 1 by one event more or less",
        )
    ]
    if internal:
        most = table.iloc[int(np.argmax(table["observed"].to_numpy()))]
        part = float(most["observed"] / table["observed"].sum())
        checks.append(
            Check(
                name="events of the reference that are one unit's own, largest share",
                verdict="pass" if part <= LARGEST_PART else "warn",
                observed=f"{part:.0%} ({most['unit']})",
                expected=f"at most {LARGEST_PART:.0%}",
                why="a unit that makes up much of the reference is compared with itself and drawn to 1",
            )
        )
    if kind == "proportion" and crude is not None:
        checks.append(
            Check(
                name="share of patients with an event, largest",
                verdict="pass" if crude <= COMMON else "warn",
                observed=f"{crude:.1%}",
                expected=f"at most {COMMON:.0%}",
                why="the limits take counts as Poisson, which is too wide where events are common",
            )
        )
    return tuple(checks)
