"""Outlier status by three rules side by side: who changes status between them, and why.

A unit's value y of n records lies d = y - reference away, by chance with standard error s = spread / √n.
Units truly differ with standard deviation tau about a centre m. With c the quantile of a level, flagged is

    by chance alone    |d| > c s                   is it further out than equal units would lie by chance?
    widened            |d| > c √(s² + tau_w²)      is it unusual among units that differ anyway?
    hierarchical       |E| > c √V                  are we sure on which side of the reference its truth lies?

    E = w d + (1 - w)(m - reference),   V = w s²,   w = tau² / (tau² + s²)

The last two weaken a flag for opposite reasons. With m at the reference their z are √(1 - w) and √w times
that of chance: widened limits pass over units of many records whose distance is usual between units, the
hierarchical model those of few records. A lost (or weaker) flag is told by what would bring it back:

    more records needed   with more records and the same value it would be there, no more than the largest has
    usual spread          widened: it would not; |d| is hardly above c tau_w, or below it
    average unit          hierarchical: it would if the average unit lay at the reference
    near the reference    hierarchical: neither

tau_w is that of `units.funnel` (additive, the outer tenth drawn in, so that outliers do not widen the limits
meant to find them); m and tau are the hierarchical model's, which counts them in. So tau_w is the smaller.

When not to use it: with a spread estimated from a handful of units, or one that is far from normal; to say
that a flag which stays is a difference in care.

Sources: Spiegelhalter (2005), Qual Saf Health Care 14:347; Jones and Spiegelhalter (2011), American
Statistician 65:154, for the two questions that widened limits and a hierarchical model put.

Checked against: arithmetic by hand and a search over numbers of records (tests/unit); simulated units whose
flags are counted (tests/unit); NHS Digital's published status (tests/reference/funnel).
"""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soa_evidence.errors import InputError, require_columns
from soa_evidence.results import Check, checks_frame
from soa_evidence.units import adjusted_gain, funnel
from soa_evidence.units.funnel_limits import percent

__all__ = ["NHS_DIGITAL", "RULES", "WHY", "OutlierStatusResult", "fit"]

FloatArray = NDArray[np.float64]
RULES = ("limits by chance alone", "limits widened for the spread between units", "hierarchical model")
WHY = ("usual spread", "more records needed", "average unit", "near the reference")
#: Flags at 95 % and 99.8 % in the words of evidence/nhs-proms-published.
NHS_DIGITAL = {
    "above 99.8%": "positive, 99.8 %",
    "above 95%": "positive, 95 %",
    "within": "not an outlier",
    "below 95%": "negative, 95 %",
    "below 99.8%": "negative, 99.8 %",
}
MOST_APART = 0.02  # share of units that the formula with one tau may flag otherwise than the model


@dataclass(frozen=True, eq=False, kw_only=True)
class OutlierStatusResult:
    """Flags of units by three rules.

    Attributes
    ----------
    units : DataFrame
        unit, group, records, value, z (by chance alone), share_real (w), a column of flags for each rule, and
        for the second and third rule: change ("same", "lost", "weaker", "gained", "stronger" or "opposite"),
        why (one of `WHY`, or empty) and records_needed (to have the flag back; missing where none would do),
        as ``change_widened``, ``change_hierarchical`` and so on; `changes`, whether any rule differs.
    rules : DataFrame
        One row a rule: rule, flagged (outside the narrowest limits), outer (of these outside the widest),
        if_alike (flags expected if units were all alike; for the hierarchical model how many of its flags are
        expected on the wrong side), if_usual (flags expected if units differ as the model says, normally),
        if_usual_sd (how far chance moves that count),
        lost, gained, weaker, and lost by each of `WHY`.
    chance, widened : FunnelResult
    checks : tuple of Check
    """

    units: pd.DataFrame
    rules: pd.DataFrame
    chance: funnel.FunnelResult
    widened: funnel.FunnelResult
    checks: tuple[Check, ...]

    @property
    def usual(self) -> bool:
        """Whether limits by chance flag no more than a normal spread between units would, within two sd."""
        first = self.rules.iloc[0]
        return bool(first["flagged"] <= first["if_usual"] + 2 * first["if_usual_sd"])

    def curve(self, *, owner: str = "") -> pd.DataFrame:
        """Return limits over sizes like `funnel.FunnelResult.curve`: by chance, then the narrowest widened.

        Parameters
        ----------
        owner
            Whose the limits by chance are, written before their level, such as "NHS Digital's".
        """
        inner = percent(self.chance.levels[0])
        narrow, wide = self.chance.curve(), self.widened.curve()
        narrow["level"] = [f"{owner} {level}".strip() for level in narrow["level"]]
        wide = wide[wide["level"] == inner].assign(level=f"{inner} widened")
        return pd.concat([narrow, wide], ignore_index=True)

    def __repr__(self) -> str:
        told = zip(self.rules["rule"], self.rules["flagged"], strict=True)
        return "\n".join(f"{rule}: {flagged} of {len(self.units)} flagged" for rule, flagged in told)

    def _repr_html_(self) -> str:
        shown = self.rules.to_html(index=False, float_format="{:.4g}".format)
        checks = checks_frame(self.checks).to_html(index=False)
        return f"<p><strong>{html.escape(repr(self))}</strong></p>{shown}{checks}"


def fit(
    frame: pd.DataFrame,
    *,
    unit: str,
    value: str,
    size: str,
    reference: float,
    spread: float,
    shrunken: str,
    shrunken_error: str,
    centre: float,
    tau: float,
    group: str | None = None,
    levels: Sequence[float] = (0.95, 0.998),
    names: tuple[str, str, str] = RULES,
) -> OutlierStatusResult:
    """Flag units by three rules, and tell who changes status and why.

    Parameters
    ----------
    frame
        One row a unit.
    unit, value, size, group
        Columns of name, mean, records behind it, and class.
    reference, spread
        What units are judged against, and the standard deviation of one record.
    shrunken, shrunken_error
        Columns of the hierarchical model's mean and standard deviation of each unit's truth, on the
        scale of `value`.
    centre, tau
        The model's mean and standard deviation of true values, on the same scale; for the reasons and
        expected counts, not the flags.
    levels
        Shares within the limits.
    names
        What the three rules are called.

    Raises
    ------
    InputError
        As `units.funnel.fit` does; when tau or a standard error is not above 0, or rule names are not three.
    """
    require_columns(frame.columns, (unit, value, size, shrunken, shrunken_error))
    for name, number in (("tau", tau), ("spread", spread)):
        if not (math.isfinite(number) and number > 0):
            raise InputError(f"{name} is {number}; expected a number above 0, in units of the value.")
    if not math.isfinite(centre):
        raise InputError(f"centre is {centre}; expected the average unit's value.")
    if len(set(names)) != 3:
        raise InputError(f"names={list(names)}; expected three different names of rules.")
    error = pd.to_numeric(frame[shrunken_error], errors="coerce").to_numpy(float)
    middle = pd.to_numeric(frame[shrunken], errors="coerce").to_numpy(float)
    if (bad := ~((error > 0) & np.isfinite(error) & np.isfinite(middle))).any():
        at = int(np.argmax(bad))
        raise InputError(
            f"Row {at}: '{shrunken}' is {frame[shrunken].iloc[at]} and '{shrunken_error}' "
            f"{frame[shrunken_error].iloc[at]}; expected a finite mean and a standard error above 0 for "
            "every unit."
        )
    judge = partial(
        funnel.fit, frame, unit=unit, kind="mean", value=value, size=size, group=group,
        reference=float(reference), spread=float(spread), limits="normal", levels=levels,
    )  # fmt: skip
    chance, widened = judge(), judge(overdispersion="additive")
    own = pd.DataFrame({"estimate": middle, "std_error": error})
    flags = {
        names[0]: chance.units["flag"].to_numpy(),
        names[1]: widened.units["flag"].to_numpy(),
        names[2]: adjusted_gain.flags(own, reference=reference, levels=levels).to_numpy(),
    }
    n = chance.units["size"].to_numpy(float)
    d = chance.units["value"].to_numpy(float) - reference
    s = spread / np.sqrt(n)
    model = _Model(
        d=d, s=s, n=n, spread=spread, offset=centre - reference, tau=tau, tau_wide=widened.dispersion.tau
    )  # fmt: skip
    asked = chance.levels
    strength = {name: _strength(flag, asked) for name, flag in flags.items()}
    kept = [name for name in ("unit", "group") if name in chance.units]
    units = chance.units[kept].assign(records=n, value=chance.units["value"], z=d / s, share_real=model.share)
    for name, flag in flags.items():
        units[name] = flag
    lost_at = _quantile(np.abs(strength[names[0]]), asked)
    for short, name, told in (
        ("widened", names[1], model.why_widened(lost_at)),
        ("hierarchical", names[2], model.why_hierarchical(lost_at)),
    ):
        change = _change(strength[names[0]], strength[name])
        fewer = np.isin(change, ("lost", "weaker"))
        more = np.isin(change, ("gained", "stronger", "opposite"))
        units[f"change_{short}"] = change
        units[f"why_{short}"] = np.where(fewer, told[0], np.where(more, WHY[2], ""))
        units[f"records_needed_{short}"] = np.where(fewer, told[1], np.nan)
    units["changes"] = (units["change_widened"] != "same") | (units["change_hierarchical"] != "same")
    rules = _rules(units, names, strength, model, asked, own, reference)
    plain = _strength(model.flags(asked), asked)
    return OutlierStatusResult(
        units=units, rules=rules, chance=chance, widened=widened,
        checks=(*chance.checks, _formula_check(plain, strength[names[2]])),
    )  # fmt: skip


@dataclass(frozen=True, eq=False, kw_only=True)
class _Model:
    """Distances, their errors, and the spread that the reasons reckon with."""

    d: FloatArray
    s: FloatArray
    n: FloatArray
    spread: float
    offset: float
    tau: float
    tau_wide: float

    @property
    def share(self) -> FloatArray:
        return np.asarray(self.tau**2 / (self.tau**2 + self.s**2))

    def z(self) -> FloatArray:
        w = self.share
        return np.asarray((w * self.d + (1 - w) * self.offset) / (np.sqrt(w) * self.s))

    def flags(self, levels: Sequence[float]) -> NDArray[np.object_]:
        table = pd.DataFrame({"estimate": self.z(), "std_error": 1.0})
        return adjusted_gain.flags(table, levels=levels).to_numpy(object)

    def why_widened(self, c: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Why limits widened no longer flag at quantile `c`, and from how many records on they would."""
        room = (self.d / c) ** 2 - self.tau_wide**2
        possible = room > 0
        needed = np.ceil(np.where(possible, self.spread**2 / np.where(possible, room, 1.0), np.nan))
        return np.where(needed <= self.n.max(), WHY[1], WHY[0]), needed

    def why_hierarchical(self, c: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Why the model is no longer sure at `c`, and from how many records on it would be.

        With u = s²: (d tau² + m u)² = c² u tau² (tau² + u), quadratic in u; below its least root above 0 the
        unit is flagged.
        """
        t2, m, d = self.tau**2, self.offset, self.d
        a, b, k = m**2 - c**2 * t2, 2 * d * m * t2 - c**2 * t2**2, d**2 * t2**2
        with np.errstate(divide="ignore", invalid="ignore"):
            inner = np.sqrt(np.maximum(b**2 - 4 * a * k, 0.0))
            q = -0.5 * (b + np.where(b >= 0, inner, -inner))
            roots = np.stack([q / a, k / q])
        least = np.where(np.isfinite(roots) & (roots > 0), roots, np.inf).min(axis=0)
        needed = np.ceil(self.spread**2 / least)
        needed = np.where(np.isfinite(needed), np.maximum(needed, self.n + 1), np.nan)
        alone = np.sqrt(self.share) * np.abs(d) / self.s > c
        far = np.where(needed <= self.n.max(), WHY[1], WHY[3])
        return np.where(alone, WHY[2], far), needed

    def usual(self, c: float) -> list[tuple[float, float]]:
        """Return flags at `c` by each rule if true values are normal with centre and tau: mean and sd."""
        from scipy import stats

        seen = np.sqrt(self.s**2 + self.tau**2)
        w = self.share
        total = []
        for edge, wide in (
            (c * self.s, seen),
            (c * np.sqrt(self.s**2 + self.tau_wide**2), seen),
            (c * np.sqrt(w) * self.s, np.sqrt(w) * self.tau),
        ):
            above = stats.norm.sf((edge - self.offset) / wide) + stats.norm.cdf((-edge - self.offset) / wide)
            total.append((float(above.sum()), float(np.sqrt((above * (1 - above)).sum()))))
        return total


def _strength(flags: NDArray[np.object_], levels: Sequence[float]) -> NDArray[np.int64]:
    """How many limits are crossed, below 0 on the lower side."""
    words = {"within": 0}
    for at, level in enumerate(levels, start=1):
        words |= {f"above {percent(level)}": at, f"below {percent(level)}": -at}
    return np.array([words[str(flag)] for flag in flags], np.int64)


def _quantile(crossed: NDArray[np.int64], levels: Sequence[float]) -> FloatArray:
    """Quantile of the widest limits crossed; of the narrowest where none is."""
    from scipy import stats

    reach = np.array([float(stats.norm.isf((1 - level) / 2)) for level in levels])
    return np.asarray(reach[np.maximum(crossed, 1) - 1])


def _change(before: NDArray[np.int64], after: NDArray[np.int64]) -> NDArray[np.str_]:
    less, more = np.abs(after) < np.abs(before), np.abs(after) > np.abs(before)
    cases = [after == before, after * before < 0, after == 0, before == 0, less, more]
    return np.select(cases, ["same", "opposite", "lost", "gained", "weaker", "stronger"], "same")


def _rules(
    units: pd.DataFrame,
    names: Sequence[str],
    strength: dict[str, NDArray[np.int64]],
    model: _Model,
    levels: Sequence[float],
    own: pd.DataFrame,
    reference: float,
) -> pd.DataFrame:
    from scipy import stats

    inner = float(stats.norm.isf((1 - levels[0]) / 2))
    usual = model.usual(inner)
    wrong = stats.norm.sf(np.abs(own["estimate"] - reference) / own["std_error"])
    alike = len(units) * (1 - levels[0])
    rows = []
    for at, (name, short) in enumerate(zip(names, ("", "widened", "hierarchical"), strict=True)):
        crossed = np.abs(strength[name])
        row = {
            "rule": name, "flagged": int((crossed > 0).sum()), "outer": int((crossed == len(levels)).sum()),
            "if_alike": float(wrong[crossed > 0].sum()) if at == 2 else alike, "if_usual": usual[at][0],
            "if_usual_sd": usual[at][1],
        }  # fmt: skip
        change = units[f"change_{short}"] if short else pd.Series("same", index=units.index)
        why = units[f"why_{short}"] if short else pd.Series("", index=units.index)
        row |= {kind: int((change == kind).sum()) for kind in ("lost", "gained", "weaker")}
        row |= {reason: int(((change == "lost") & (why == reason)).sum()) for reason in WHY}
        rows.append(row)
    return pd.DataFrame(rows)


def _formula_check(plain: NDArray[np.int64], model: NDArray[np.int64]) -> Check:
    apart = int((np.sign(plain) != np.sign(model)).sum())
    return Check(
        name="units that the formula with one spread flags otherwise than the model",
        verdict="warn" if apart > MOST_APART * len(plain) else "pass",
        observed=f"{apart:,} of {len(plain):,}",
        expected=f"at most {percent(MOST_APART)}",
        why="reasons are told with one centre and one spread; the model's flags allow for not knowing these",
    )
