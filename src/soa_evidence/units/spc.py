"""XmR chart: whether a unit's series of values is one steady process, and where it leaves it.

With x the values in order and mR the mean of the absolute differences of neighbours over the baseline,

    natural process limits: mean ± 2.66 mR;    limit of a moving range: 3.268 mR.

Five rules mark points (`units.spc_rules`, with their sources). Each rule has its own chance of speaking
falsely, and so have all together; on a short chart with limits from its own points they differ from the
textbook's, so that they are simulated for charts of the unit's own length and baseline, and stated.

Parameters in words: `baseline`, how many first points of a unit set its limits.

When not to use it: for single procedures or rare events (`units.cusum`); where values rest on few or very
different numbers of patients (`units.funnel`); for values that follow each other (seasons, running means),
whose moving ranges are too small; with fewer than about 12 baseline points.

Sources: Wheeler (1993), Understanding Variation; Shewhart (1931), Economic Control of Quality.

Checked against: arithmetic in tests/unit; closed forms and R's spc in tests/reference/monitoring.
"""

from __future__ import annotations

import html
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soa_evidence.errors import InputError
from soa_evidence.results import Check, checks_frame
from soa_evidence.units import spc_rules
from soa_evidence.units.cusum_frame import ordered, present

__all__ = ["SpcResult", "fit"]

FloatArray = NDArray[np.float64]
FEWEST = 12  # baseline points below which limits are too unsure to be shown without a warning
FAR = 3.0  # standard errors


@dataclass(frozen=True, eq=False, kw_only=True)
class SpcResult:
    """Charts, and how often their rules speak falsely.

    Attributes
    ----------
    units : DataFrame
        unit, points, baseline, mean, mean_range, lower, upper, range_limit, one column of counts a rule,
        marked (points marked by any), expected_marked (by chance alone) and chance_of_any (that a steady
        process is marked at all).
    points : DataFrame
        unit, order, value, moving_range, mean, lower, upper, range_limit, one column a rule, rules (in
        words).
    false_alarms : DataFrame
        rule, per_point, per_chart, their Monte Carlo errors, points, baseline; by simulation.
    known_limits : DataFrame
        rule, per_point: the chance far from the start, mean and sigma known.
    checks : tuple of Check
    """

    units: pd.DataFrame
    points: pd.DataFrame
    false_alarms: pd.DataFrame
    known_limits: pd.DataFrame
    checks: tuple[Check, ...]

    def __repr__(self) -> str:
        return (
            f"XmR charts of {len(self.units)} units, {len(self.points)} points: "
            f"{int(self.units['marked'].sum())} marked, {self.units['expected_marked'].sum():.1f} "
            "expected by chance"
        )

    def _repr_html_(self) -> str:
        tables = "".join(
            table.to_html(index=False, float_format="{:.4g}".format, max_rows=20)
            for table in (self.units, self.false_alarms, checks_frame(self.checks))
        )
        return f"<p><strong>{html.escape(repr(self))}</strong></p>{tables}"


def fit(
    frame: pd.DataFrame,
    *,
    unit: str,
    order: str,
    value: str,
    baseline: int | None = None,
    charts: int = 2000,
    seed: int = 0,
) -> SpcResult:
    """Draw an XmR chart for every unit.

    Parameters
    ----------
    frame
        One row a unit and point in time.
    unit, order, value
        Columns: the unit; date or number, unique within the unit; the value charted.
    baseline
        How many first points of each unit set its limits; all of them unless given.
    charts
        Charts simulated for each length of chart there is.
    seed
        Of the simulation.

    Raises
    ------
    InputError
        Naming column and row: what is missing, repeated or no number; a unit with too few points.
    """
    present(frame, [unit, order, value])
    if isinstance(charts, bool) or not isinstance(charts, int | np.integer) or charts < 100:
        raise InputError(f"charts={charts!r}; expected a whole number, at least 100.")
    labels, when = ordered(frame, unit, order)
    values = pd.to_numeric(frame[value], errors="coerce").to_numpy(float)
    if not np.isfinite(values).all():
        at = int(np.argmax(~np.isfinite(values)))
        shown = frame[[value]].astype(object).iloc[at, 0]
        raise InputError(
            f"Column '{value}', row {at}: {shown!r}; expected a finite number. Leave out a "
            "point that is not known."
        )
    table = pd.DataFrame({"unit": labels.to_numpy(), "order": when.to_numpy(), "value": values})
    table = table.sort_values(["unit", "order"], kind="stable", ignore_index=True)
    twice = table.duplicated(["unit", "order"])
    if twice.any():
        row = table[twice].iloc[0]
        raise InputError(f"Unit {row['unit']!r} has more than one value at {row['order']}; expected one.")
    counts = table.groupby("unit").size()
    _choose(baseline, counts)
    parts, units, rates = [], [], {}
    for name, own in table.groupby("unit", sort=True):
        n = len(own)
        used = n if baseline is None else int(baseline)
        if n not in rates:
            rates[n] = spc_rules.simulate(n, used, charts=charts, seed=seed)
        chart, summary = _chart(str(name), own, used, rates[n])
        parts.append(chart)
        units.append(summary)
    summaries = pd.DataFrame(units)
    known = spc_rules.chance_with_known_limits()
    points = pd.concat(parts, ignore_index=True)
    return SpcResult(
        units=summaries,
        points=points,
        false_alarms=pd.concat([rates[n] for n in sorted(rates)], ignore_index=True),
        known_limits=pd.DataFrame({"rule": list(known), "per_point": list(known.values())}),
        checks=_checks(summaries, points),
    )


def _choose(baseline: int | None, counts: pd.Series) -> None:
    whole = isinstance(baseline, int | np.integer) and not isinstance(baseline, bool)
    if baseline is not None and not (whole and baseline >= 3):
        raise InputError(f"baseline={baseline!r}; expected a whole number of points, at least 3.")
    needed = baseline or 3
    if (counts < needed).any():
        short = counts.index[int(np.argmax(counts < needed))]
        raise InputError(
            f"Unit {short!r} has {counts[short]} points; limits need {needed}. Leave the unit out or lower "
            "baseline=."
        )


def _chart(
    name: str, own: pd.DataFrame, used: int, rates: pd.DataFrame
) -> tuple[pd.DataFrame, dict[str, object]]:
    """One unit's points and summary."""
    values = own["value"].to_numpy()[None, :]
    centre, mean_range = spc_rules.limits(values, used)
    marked = {rule: where[0] for rule, where in spc_rules.flags(values, centre, mean_range).items()}
    mean, spread = float(centre[0, 0]), float(mean_range[0, 0])
    level = {
        "mean": mean,
        "lower": mean - spc_rules.LIMIT * spread,
        "upper": mean + spc_rules.LIMIT * spread,
        "range_limit": spc_rules.RANGE_LIMIT * spread,
    }
    chart = own.assign(moving_range=own["value"].diff().abs(), **level, **marked)
    words = [", ".join(rule for rule in spc_rules.RULES if marked[rule][i]) for i in range(len(own))]
    chart["rules"] = words
    every = rates[rates["rule"] == "any rule"]
    summary: dict[str, object] = {
        "unit": name,
        "points": len(own),
        "baseline": used,
        "mean_range": spread,
        **level,
        **{rule: int(where.sum()) for rule, where in marked.items()},
        "marked": sum(bool(word) for word in words),
        "expected_marked": float(every["per_point"].to_numpy()[0]) * len(own),
        "chance_of_any": float(every["per_chart"].to_numpy()[0]),
    }
    return chart, summary


def _checks(units: pd.DataFrame, points: pd.DataFrame) -> tuple[Check, ...]:
    n = len(units)
    short = int((units["baseline"] < FEWEST).sum())
    flat = int((units["mean_range"] == 0).sum())
    away = points["value"] - points.groupby("unit")["value"].transform("mean")
    follows = away * away.groupby(points["unit"]).shift()
    scale = away.pow(2).groupby(points["unit"]).transform("mean")
    inside = follows.notna() & (scale > 0)
    pairs = int(inside.sum())
    # a mean taken from the same m points makes the correlation -1 / m on average, without any in truth
    lengths = points.groupby("unit")["value"].transform("size")
    product = (follows[inside] / scale[inside] + 1 / lengths[inside]) if pairs else pd.Series([0.0])
    z = float(product.sum() / np.sqrt(max(pairs, 1)))
    marked, chance = int(units["marked"].sum()), float(units["expected_marked"].sum())
    return (
        Check(
            name="points that set the limits",
            verdict="pass" if short == 0 else "warn",
            observed=f"fewer than {FEWEST} in {short} of {n} units",
            expected=f"at least {FEWEST}",
            why="limits from few points are unsure, and false alarms more common than with known limits",
        ),
        Check(
            name="values that follow each other",
            verdict="pass" if abs(z) <= FAR else "warn",
            observed=f"correlation {product.mean():.2f} (z = {z:.1f})",
            expected=f"z within {FAR:g}",
            why="neighbours that are alike have small moving ranges, which draw limits too narrow",
        ),
        Check(
            name="units whose values do not vary over the baseline",
            verdict="pass" if flat == 0 else "warn",
            observed=f"{flat} of {n}",
            expected="none",
            why="their limits have no width, so that any other value is marked",
        ),
        Check(
            name="points marked beside those by chance",
            verdict="pass",
            observed=f"{marked} of {len(points)} marked, {chance:.1f} by chance",
            expected="both stated",
            why="five rules on many charts mark points also where nothing has changed",
        ),
    )
