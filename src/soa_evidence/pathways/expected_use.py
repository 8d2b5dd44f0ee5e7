"""How many operations each place would have at the age-specific rates of all places together.

    rate     R = c C / Σ P        c events of a stratum whose age is known, over its people in all places P,
                                  scaled by C so that expected and observed add up to the same
    expected E = Σ P R            over the strata of one place
    ratio      = O / E

Indirect standardisation. Only the ages of all events together are needed, never those of one place: where
ages are
suppressed in small cells, which are small places' cells, the count of a place is still whole.

When not to use it: to compare two places with each other, since each is held against its own people; where
the age
of events is missing in places unlike the rest, for then the rates are wrong for all.

Source: Breslow & Day (1987), Statistical Methods in Cancer Research II, eq. 2.11.

Checked against: R and `units.indirect_standardisation`, in tests/reference/intervention_rates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from soa_evidence.errors import InputError, nearest
from soa_evidence.pathways.rates_frame import amounts, counts, labels, require_columns
from soa_evidence.results import Check, checks_frame

__all__ = ["ExpectedUse", "fit"]

LARGEST_PART = 0.25
LEAST_KNOWN = 0.80


@dataclass(frozen=True, eq=False, kw_only=True)
class ExpectedUse:
    """Observed and expected events.

    Attributes
    ----------
    table : DataFrame
        unit, people, observed, expected, ratio, crude_per_100000.
    rates : DataFrame
        stratum, people, events, rate_per_100000: the rates of all places together.
    checks : tuple of Check
    """

    table: pd.DataFrame
    rates: pd.DataFrame
    checks: tuple[Check, ...]

    def __repr__(self) -> str:
        return f"Observed and expected\n{self.table.to_string(index=False, max_rows=20)}"

    def _repr_html_(self) -> str:
        body = self.table.to_html(index=False, float_format="{:.4g}".format, max_rows=20)
        checks = checks_frame(self.checks).to_html(index=False)
        return f"<p><strong>Observed and expected</strong></p>{body}{checks}"


def fit(
    people: pd.DataFrame,
    ages: pd.DataFrame,
    totals: pd.DataFrame,
    *,
    unit: str,
    stratum: str | Sequence[str],
    size: str = "people",
    events: str = "completed",
    observed: str = "completed",
) -> ExpectedUse:
    """Work out what would be expected.

    Parameters
    ----------
    people
        One row a place and stratum: columns `unit`, `stratum`, `size`; rows of one cell are added up.
    ages
        One row a stratum: columns `stratum`, `events`, of all places together. A stratum of the people
        without
        a row had no events.
    totals
        One row a place: columns `unit`, `observed`, whole numbers.
    unit, stratum, size, events, observed
        Names of columns.

    Raises
    ------
    InputError
        Naming column and row: missing columns or names, numbers below 0, events in a stratum without people,
        a
        place of `totals` without people or there twice, a stratum there twice, no event at all.
    """
    by = [stratum] if isinstance(stratum, str) else list(stratum)
    if not by:
        raise InputError("stratum names no column; give at least one, such as the age band.")
    require_columns(people, [unit, *by, size], "people")
    require_columns(ages, [*by, events], "ages")
    require_columns(totals, [unit, observed], "totals")
    cells = pd.DataFrame(
        {"unit": labels(people, [unit]), "stratum": labels(people, by), "people": amounts(people, size)}
    ).pivot_table(index="unit", columns="stratum", values="people", aggfunc="sum", fill_value=0.0)
    known = pd.Series(counts(ages, events), index=labels(ages, by))
    if known.index.has_duplicates:
        raise InputError(f"ages= has stratum {known.index[known.index.duplicated()][0]!r} more than once.")
    for name, number in known.items():
        if number > 0 and (name not in cells.columns or cells[name].sum() == 0):
            raise InputError(
                f"There are {number:g} events in stratum {name!r} and no "
                f"people.{nearest(name, cells.columns)}"
            )
    whose, count = labels(totals, [unit]), counts(totals, observed)
    if len(set(whose)) < len(whose):
        raise InputError(f"totals= has {next(w for w in whose if whose.count(w) > 1)!r} more than once.")
    for name in whose:
        if name not in cells.index or cells.loc[name].sum() == 0:
            raise InputError(f"{name!r} has a count and no people.{nearest(name, cells.index)}")
    if known.sum() == 0 or count.sum() == 0:
        raise InputError("There is no event at all, so no rate to expect any from.")
    cells = cells.loc[whose]
    strata = [str(name) for name in cells.columns]
    everyone, happened = cells.sum().to_numpy(float), known.reindex(strata).fillna(0.0).to_numpy(float)
    rate = np.where(everyone > 0, happened / np.where(everyone > 0, everyone, 1.0), 0.0)
    rate *= count.sum() / float(everyone @ rate)
    expected, size_of = cells.to_numpy(float) @ rate, cells.to_numpy(float).sum(axis=1)
    table = pd.DataFrame(
        {
            "unit": whose,
            "people": size_of,
            "observed": count,
            "expected": expected,
            "ratio": count / np.where(expected > 0, expected, np.nan),
            "crude_per_100000": 1e5 * count / size_of,
        }
    )
    rates = pd.DataFrame(
        {"stratum": strata, "people": everyone, "events": happened, "rate_per_100000": 1e5 * rate}
    )
    return ExpectedUse(table=table, rates=rates, checks=_checks(table, float(known.sum())))


def _checks(table: pd.DataFrame, known: float) -> tuple[Check, ...]:
    share = known / float(table["observed"].sum())
    most = table.iloc[int(np.argmax(table["observed"].to_numpy()))]
    part = float(most["observed"] / table["observed"].sum())
    return (
        Check(
            name="events whose age and sex are known",
            verdict="pass" if share >= LEAST_KNOWN else "warn",
            observed=f"{share:.0%}",
            expected=f"at least {LEAST_KNOWN:.0%}",
            why="rates by age are made from these and taken to hold for the rest",
        ),
        Check(
            name="events of one place, largest share of all",
            verdict="pass" if part <= LARGEST_PART else "warn",
            observed=f"{part:.0%} ({most['unit']})",
            expected=f"at most {LARGEST_PART:.0%}",
            why="a place that makes up much of the whole is compared with itself",
        ),
    )
