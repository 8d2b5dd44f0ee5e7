"""Funnel: which units lie further from a reference than chance, or the usual variation, would put them.

Each unit has a value y of size n: a proportion of n patients, a rate over n years, a ratio of observed to n
expected events, or a mean of n records. Control limits around a reference narrow as n grows
(`units.funnel_limits`: exact, normal or Wilson); they may be widened for variation between units
(`units.overdispersion`: multiplicative or additive, the outer units drawn in or left out). A unit beyond the
limits of a level is flagged; how many would be flagged by chance alone is stated beside.

NHS Digital's outlier status for patient-reported outcomes is `kind="mean"` with England's adjusted gain as
reference and England's standard deviation as `spread`, limits at 1.96 and 3.09 standard errors.

When not to use it: to rank; to compare units whose case mix differs (use adjusted values); or with the
reference taken from the same few units it is to judge.

Sources: Spiegelhalter (2005), Stat Med 24:1185; see also the two files named above.

Checked against: R's distributions and our own R code in tests/reference/funnel; NHS Digital's published
outlier status, provider by provider, in tests/reference/funnel.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soa_evidence.errors import InputError, nearest
from soa_evidence.results import Check, checks_frame
from soa_evidence.units import funnel_frame
from soa_evidence.units import funnel_limits as chance
from soa_evidence.units import overdispersion as extra
from soa_evidence.units.funnel_limits import Kind, Limits, Scale, percent
from soa_evidence.units.overdispersion import Dispersion, Outer, Overdispersion

__all__ = ["FunnelResult", "compare", "fit"]

FloatArray = NDArray[np.float64]
METHOD = "units.funnel"
SCALES: dict[str, Scale] = {"proportion": "arcsine", "rate": "sqrt", "ratio": "sqrt", "mean": "identity"}
WITHIN = "within"


@dataclass(frozen=True, eq=False, kw_only=True)
class FunnelResult:
    """Units, their distance from the reference, and their flags.

    Attributes
    ----------
    units : DataFrame
        unit, group, value, size, reference, z, p_value, flag and, for each level, lower and upper limits
        (``lower_95``, ``upper_95``, …). `flag` is "within", or "above 95%", "below 99.8%" and the like: the
        widest limits crossed.
    levels : tuple of float
        Shares within the limits, increasing.
    dispersion : Dispersion
        On `scale`, whether or not the limits were widened for it.
    expected_flags : dict of float to float
        By level, how many units would lie outside by chance alone.
    checks : tuple of Check
    """

    units: pd.DataFrame
    kind: Kind
    limits: Limits
    overdispersion: Overdispersion
    outer: Outer
    scale: Scale
    levels: tuple[float, ...]
    dispersion: Dispersion
    expected_flags: Mapping[float, float]
    checks: tuple[Check, ...]

    @property
    def name(self) -> str:
        """The method in words, as a table of methods shows it."""
        if self.overdispersion == "none":
            return f"{'normal' if self.kind == 'mean' else self.limits} limits"
        outer = {"winsorise": "winsorised", "truncate": "truncated", "keep": "all units"}[self.outer]
        return f"{self.overdispersion} over-dispersion, {outer}, {self.scale} scale"

    def curve(self, sizes: Sequence[float] | None = None) -> pd.DataFrame:
        """Return the limits over a range of sizes: volume, lower, upper, level (as "95%").

        Raises
        ------
        InputError
            When the units have references of their own, so that there is no one funnel.
        """
        reference, spread = self.units["reference"], self.units["spread"]
        if len(set(reference)) > 1 or len(set(spread.dropna())) > 1:
            raise InputError(
                "Units are judged against references of their own; there is no one funnel to draw."
            )
        wide = self.units["size"]
        at = np.geomspace(max(wide.min() * 0.8, 1e-9), wide.max() * 1.1, 120) if sizes is None else sizes
        size = np.unique(np.round(at)) if self.kind in ("proportion", "mean") else np.asarray(at, float)
        size = size[size > 0]
        parts = []
        for level in self.levels:
            lower, upper = self._limits(
                np.full(len(size), reference.iloc[0]), size, np.full(len(size), spread.iloc[0]), level
            )
            parts.append(
                pd.DataFrame({"volume": size, "lower": lower, "upper": upper, "level": percent(level)})
            )
        return pd.concat(parts, ignore_index=True)

    def _limits(
        self, reference: FloatArray, size: FloatArray, spread: FloatArray, level: float
    ) -> tuple[FloatArray, FloatArray]:
        return _limits(
            self.kind,
            self.limits,
            self.overdispersion,
            self.scale,
            self.dispersion,
            reference,
            size,
            spread,
            level,
        )

    def flagged(self, level: float) -> pd.DataFrame:
        """Return the units beyond the limits of `level` (or of a wider one)."""
        if level not in self.levels:
            raise InputError(f"level={level} was not asked for; levels: {', '.join(map(str, self.levels))}.")
        name = _suffix(level)
        outside = (self.units["value"] < self.units[f"lower_{name}"]) | (
            self.units["value"] > self.units[f"upper_{name}"]
        )
        return self.units[outside].reset_index(drop=True)

    def __repr__(self) -> str:
        counts = ", ".join(
            f"{len(self.flagged(level))} outside {percent(level)} ({by_chance:.1f} by chance)"
            for level, by_chance in self.expected_flags.items()
        )
        return (
            f"Funnel of {len(self.units)} units ({self.name}): {counts}; dispersion {self.dispersion.phi:.2f}"
        )

    def _repr_html_(self) -> str:
        shown = self.units.to_html(index=False, float_format="{:.4g}".format, max_rows=20)
        return f"<p><strong>{self!r}</strong></p>{shown}{checks_frame(self.checks).to_html(index=False)}"


def fit(
    frame: pd.DataFrame,
    *,
    unit: str | Sequence[str],
    kind: Kind,
    size: str,
    events: str | None = None,
    value: str | None = None,
    reference: str | float | None = None,
    spread: str | float | None = None,
    group: str | None = None,
    limits: Limits = "exact",
    overdispersion: Overdispersion = "none",
    outer: Outer = "winsorise",
    outer_share: float = 0.1,
    scale: Scale | None = None,
    levels: Sequence[float] = (0.95, 0.998),
) -> FunnelResult:
    """Judge units against a reference.

    Parameters
    ----------
    frame
        One row a unit.
    unit
        Column (or columns, joined by " · ") naming the unit; unique.
    kind
        ``"proportion"``: `events` of `size` patients. ``"rate"``: `events` over `size` time at risk.
        ``"ratio"``: `events` observed to `size` expected. ``"mean"``: `value`, the mean of `size` records.
    reference
        A number, a column, or None for the average over all units (events over sizes; for means weighted by
        size).
    spread
        Standard deviation of one record: a number or a column; for means only, where it must be given.
    group
        Column with the unit's class, carried along.
    limits
        Limits by chance alone; see `units.funnel_limits`. Means have normal limits.
    overdispersion, outer, outer_share, scale
        Whether limits are widened, and how the extra variation is estimated; see `units.overdispersion`. The
        scale is arcsine for proportions, square root for rates and ratios, identity for means unless given.
    levels
        Shares within the limits.

    Raises
    ------
    InputError
        Naming column and row: missing columns, units twice, counts that are negative or above their patients,
        sizes not above 0, a reference that no distribution has, no events at all, or zeros on a log scale.
    """
    _choose(kind, limits, overdispersion, outer, scale)
    if kind == "mean" and limits == "wilson":
        raise InputError("limits='wilson' is for proportions, rates and ratios; means have normal limits.")
    asked = tuple(sorted({float(level) for level in levels}))
    if not asked or not all(0 < level < 1 for level in asked):
        raise InputError(
            f"levels={list(levels)}; expected shares above 0 and below 1, such as 0.95 and 0.998."
        )
    units = funnel_frame.read(
        frame,
        kind=kind,
        unit=unit,
        size=size,
        events=events,
        value=value,
        group=group,
        reference=reference,
        spread=spread,
    )
    y, n, against, wide = (units[name].to_numpy() for name in ("value", "size", "reference", "spread"))
    used = scale or SCALES[kind]
    if used == "log" and (y <= 0).any():
        at = int(np.argmax(y <= 0))
        raise InputError(
            f"Unit {units['unit'].iloc[at]!r} has a value of {y[at]:g}, which has no logarithm; "
            "use scale='sqrt' (or 'arcsine' for proportions)."
        )
    if used == "arcsine" and kind != "proportion":
        raise InputError("scale='arcsine' is for proportions; use 'sqrt' for rates and ratios.")
    if used == "sqrt" and kind == "mean":
        raise InputError("scale='sqrt' is for rates, ratios and proportions; use 'identity' for means.")
    deviation = chance.scaled_deviation(kind, used, against, n, wide)
    z = (chance.forward(used, y) - chance.forward(used, against)) / deviation
    dispersion = extra.estimate(z, deviation, outer=outer, share=outer_share)
    units["z"] = z / _inflation(overdispersion, dispersion, deviation)
    units["p_value"] = _p_values(kind, limits, overdispersion, units, y, n, against)
    flag = np.full(len(units), WITHIN, dtype=object)
    for level in asked:
        lower, upper = _limits(kind, limits, overdispersion, used, dispersion, against, n, wide, level)
        units[f"lower_{_suffix(level)}"], units[f"upper_{_suffix(level)}"] = lower, upper
        flag = np.where(y > upper, f"above {percent(level)}", flag)
        flag = np.where(y < lower, f"below {percent(level)}", flag)
    units["flag"] = flag
    expected = {level: len(units) * (1 - level) for level in asked}
    return FunnelResult(
        units=units,
        kind=kind,
        limits=limits,
        overdispersion=overdispersion,
        outer=outer,
        scale=used,
        levels=asked,
        dispersion=dispersion,
        expected_flags=expected,
        checks=_checks(units, overdispersion, dispersion, expected),
    )


def compare(results: Mapping[str, FunnelResult]) -> pd.DataFrame:
    """Return each unit's flag under each method, and whether its status depends on the method.

    Parameters
    ----------
    results
        Funnels of the same units, each by the name its column is to have.

    Returns
    -------
    DataFrame
        unit, one column a method, `changes` (True where the flags differ).

    Raises
    ------
    InputError
        When fewer than two funnels are given, or they are of different units.
    """
    if len(results) < 2:
        raise InputError(f"{len(results)} funnel was given; comparing methods needs at least two.")
    first = next(iter(results.values()))
    for name, other in results.items():
        if list(other.units["unit"]) != list(first.units["unit"]):
            raise InputError(f"The funnel {name!r} is of other units than the first, or in another order.")
    table = pd.DataFrame({"unit": first.units["unit"]})
    for name, result in results.items():
        table[name] = result.units["flag"].to_numpy()
    flags = table[list(results)]
    table["changes"] = flags.ne(flags.iloc[:, 0], axis=0).any(axis=1)
    return table


def _choose(kind: str, limits: str, overdispersion: str, outer: str, scale: str | None) -> None:
    for name, given, known in (
        ("kind", kind, get_args(Kind)),
        ("limits", limits, get_args(Limits)),
        ("overdispersion", overdispersion, get_args(Overdispersion)),
        ("outer", outer, get_args(Outer)),
        ("scale", scale or "identity", get_args(Scale)),
    ):
        if given not in known:
            raise InputError(
                f"{name}={given!r}.{nearest(str(given), known)} Expected one of: {', '.join(known)}."
            )


def _inflation(overdispersion: Overdispersion, dispersion: Dispersion, deviation: FloatArray) -> FloatArray:
    """How many times wider a standard deviation is with the extra variation."""
    if overdispersion == "multiplicative":
        return np.full(len(deviation), np.sqrt(max(1.0, dispersion.phi)))
    if overdispersion == "additive":
        return np.asarray(np.sqrt(1 + (dispersion.tau / deviation) ** 2))
    return np.ones(len(deviation))


def _limits(
    kind: Kind,
    limits: Limits,
    overdispersion: Overdispersion,
    scale: Scale,
    dispersion: Dispersion,
    reference: FloatArray,
    size: FloatArray,
    spread: FloatArray,
    level: float,
) -> tuple[FloatArray, FloatArray]:
    if overdispersion == "none":
        return chance.chance_limits(kind, limits, reference, size, spread, level)
    from scipy import stats

    deviation = chance.scaled_deviation(kind, scale, reference, size, spread)
    reach = stats.norm.isf((1 - level) / 2) * deviation * _inflation(overdispersion, dispersion, deviation)
    middle = chance.forward(scale, reference)
    return chance.back(scale, middle - reach), chance.back(scale, middle + reach)


def _p_values(
    kind: Kind,
    limits: Limits,
    overdispersion: Overdispersion,
    units: pd.DataFrame,
    y: FloatArray,
    n: FloatArray,
    reference: FloatArray,
) -> FloatArray:
    """Two-sided p values: mid-p of the exact distribution where limits are exact, otherwise from z."""
    from scipy import stats

    if overdispersion != "none" or limits != "exact" or kind == "mean":
        return np.asarray(2 * stats.norm.sf(np.abs(units["z"].to_numpy())))
    law: Any = stats.binom(n, reference) if kind == "proportion" else stats.poisson(reference * n)
    count = np.round(y * n)
    half = 0.5 * law.pmf(count)
    below, above = law.cdf(count) - half, law.sf(count) + half
    return np.asarray(np.clip(2 * np.minimum(below, above), 0, 1))


def _checks(
    units: pd.DataFrame,
    overdispersion: Overdispersion,
    dispersion: Dispersion,
    expected: Mapping[float, float],
) -> tuple[Check, ...]:
    limit = dispersion.phi_by_chance * (1 + 2 * np.sqrt(2 / dispersion.kept))
    beyond = dispersion.phi > limit
    flags = [
        Check(
            name=f"units outside {percent(level)} limits",
            verdict="pass",
            observed=str(int((_outside(units, level)).sum())),
            expected=f"{count:.1f} by chance alone",
            why="with many units some lie outside by chance; a flag is a reason to look, not a finding",
        )
        for level, count in expected.items()
    ]
    return (
        Check(
            name="variation between units beyond chance (phi)",
            verdict="warn" if beyond and overdispersion == "none" else "pass",
            observed=f"{dispersion.phi:.2f}"
            + ("; limits widened for it" if overdispersion != "none" else ""),
            expected=f"{dispersion.phi_by_chance:.2f} by chance alone, at most {limit:.2f}",
            why="where units differ anyway, limits by chance alone flag far more than their level says",
        ),
        *flags,
    )


def _outside(units: pd.DataFrame, level: float) -> pd.Series[bool]:
    name = _suffix(level)
    return (units["value"] < units[f"lower_{name}"]) | (units["value"] > units[f"upper_{name}"])


def _suffix(level: float) -> str:
    return f"{100 * level:.10g}".replace(".", "_")
