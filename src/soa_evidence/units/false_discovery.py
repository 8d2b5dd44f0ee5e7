"""False discovery: of many units looked at on many outcomes, how many flags would be false.

    q value of a p value: the smallest false discovery rate at which it would be flagged
    (Benjamini & Hochberg 1995; Benjamini & Yekutieli 2001 under any dependence), by statsmodels.

When not to use it: for one outcome planned beforehand at one unit; or to excuse a unit that is watched for
safety, where a missed alarm costs more than a false one.

Sources: Jones, Ohlssen & Spiegelhalter (2008), J Clin Epidemiol 61:232, on providers of health care.

Checked against: R's p.adjust in tests/reference/funnel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import pandas as pd

from soa_evidence.errors import InputError, nearest, require_columns
from soa_evidence.results import Check

__all__ = ["FalseDiscoveryResult", "fit"]

Method = Literal["benjamini_hochberg", "benjamini_yekutieli"]
_STATSMODELS = {"benjamini_hochberg": "fdr_bh", "benjamini_yekutieli": "fdr_by"}


@dataclass(frozen=True, eq=False, kw_only=True)
class FalseDiscoveryResult:
    """Flags at a false discovery rate.

    Attributes
    ----------
    table : DataFrame
        The rows given, with `p_value`, `q_value` and `flagged`.
    rate : float
        Share of flags that may be false on average.
    flagged, looked_at : int
    expected_false : float
        At most this many of the flags are false on average.
    outside : int
        Rows whose own p value is below `rate`, as if each were the only one.
    by_chance : float
        How many would be so on average if none differed: `rate` of those looked at.
    checks : tuple of Check
    """

    table: pd.DataFrame
    rate: float
    flagged: int
    looked_at: int
    expected_false: float
    outside: int
    by_chance: float
    checks: tuple[Check, ...]

    def counted(self, by: Sequence[str], *, split: str | None = None) -> pd.DataFrame:
        """Count flags by group of rows.

        Parameters
        ----------
        by
            Columns whose values make the groups, in the order they first appear.
        split
            A column by whose values the flagged are counted apart, one column each: flagged_<value>.

        Returns
        -------
        DataFrame
            The columns of `by`, looked_at, outside, by_chance, flagged, and those of `split`.

        Raises
        ------
        InputError
            On an unknown column.
        """
        keys = list(by)
        require_columns(self.table.columns, [*keys, "p_value", *([split] if split else [])])
        rows = self.table.assign(outside=self.table["p_value"] < self.rate)
        if split:
            for value in sorted(map(str, rows[split].unique())):
                rows[f"flagged_{value}"] = rows["flagged"] & (rows[split].astype(str) == value)
        counts = [
            name for name in rows.columns if name in ("outside", "flagged") or name.startswith("flagged_")
        ]
        grouped = rows.groupby(keys, sort=False)
        found = grouped[counts].sum().astype(int)
        found["looked_at"] = grouped.size()
        found["by_chance"] = self.rate * found["looked_at"]
        apart = [name for name in counts if name.startswith("flagged_")]
        return found[["looked_at", "outside", "by_chance", "flagged", *apart]].reset_index()


def fit(
    frame: pd.DataFrame,
    *,
    p_value: str = "p_value",
    rate: float = 0.05,
    method: Method = "benjamini_hochberg",
) -> FalseDiscoveryResult:
    """Flag rows (units × outcomes) so that no more than `rate` of the flags are false on average.

    Parameters
    ----------
    frame
        One row a unit and outcome.
    p_value
        Column of two-sided p values.

    Raises
    ------
    InputError
        On an unknown method or column, a rate outside 0 to 1, no rows, or a p value outside 0 to 1.
    """
    if method not in get_args(Method):
        raise InputError(
            f"method={method!r}.{nearest(str(method), get_args(Method))} "
            f"Expected one of: {', '.join(get_args(Method))}."
        )
    if not 0 < rate < 1:
        raise InputError(f"rate={rate}; expected a false discovery rate above 0 and below 1, such as 0.05.")
    require_columns(frame.columns, [p_value])
    if frame.empty:
        raise InputError("The frame has no rows, so there is nothing to flag.")
    values = pd.to_numeric(frame[p_value], errors="coerce").to_numpy(float)
    bad = ~((values >= 0) & (values <= 1))
    if bad.any():
        at = int(np.argmax(bad))
        raise InputError(
            f"Column '{p_value}', row {at}: {frame[p_value].iloc[at]}; expected a p value from 0 to 1."
        )
    from statsmodels.stats.multitest import multipletests

    flagged, q, *_ = multipletests(values, alpha=rate, method=_STATSMODELS[method])
    table = frame.assign(p_value=values, q_value=q, flagged=flagged)
    count = int(flagged.sum())
    check = Check(
        name="flags and how many of them may be false",
        verdict="pass",
        observed=f"{count} of {len(table)} flagged; at most {rate * count:.1f} false on average",
        expected=f"a false discovery rate of at most {rate:g} ({method.replace('_', '–')})",
        why="of many units looked at on many outcomes, some stand out by chance alone",
    )
    return FalseDiscoveryResult(
        table=table,
        rate=rate,
        flagged=count,
        looked_at=len(table),
        expected_false=rate * count,
        outside=int((values < rate).sum()),
        by_chance=rate * len(table),
        checks=(check,),
    )
