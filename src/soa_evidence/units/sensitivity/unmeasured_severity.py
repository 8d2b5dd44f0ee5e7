"""The tipping point: how unequal must unrecorded severity be for a comparison of units to turn.

Suppose a share of patients is severe in a way the records do not show, q0 of the comparator's and q1 of the
specialist units', and severity multiplies the risk of the event by r, in both alike. Had the specialist units
been sent the comparator's share, their risk p1 would have been (Bross 1966; Schlesselman 1978)

    p1* = p1 (1 + (r - 1) q0) / (1 + (r - 1) q1),

so that the corrected difference is p1* - p0. It is worked out for every posterior draw. In the result

    surface   the corrected difference with its interval over r and over the imbalance q1 - q0
    tipping   for each r, the imbalance at which the corrected difference vanishes, at which its interval
              comes to hold none (or, where it does already, ceases to), and in which direction
    benchmark the same r and imbalance for every recorded case-mix level, so that a reader can judge: is what
              is not recorded likely to be as unequal as what is?

When not to use it: as proof that there is no such confounding, nor as a correction: q0, q1 and r are not
known. One binary factor with the same r in both classes stands for all that is unrecorded; several weaker
ones that add up act like one stronger.

Sources: Bross (1966), J Chron Dis 19:637; Schlesselman (1978), Am J Epidemiol 108:3; VanderWeele & Arah
(2011), Epidemiology 22:42, for the difference scale; Cinelli & Hazlett (2020), JRSS B 82:39, for benchmarks.

Checked against: our own R code in tests/reference/unit_sensitivity; brute force in tests/properties; a
simulation in which severity drives referral in tests/calibration/referral_bias.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soa_evidence.errors import InputError, require_columns
from soa_evidence.results import Check, Estimates, checks_frame

__all__ = ["SeverityResult", "benchmarks", "fit"]

FloatArray = NDArray[np.float64]
METHOD = "units.sensitivity.unmeasured_severity"
RISK_RATIOS = (1.25, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0)
IMBALANCE = 0.3  # widest difference in shares that the surface shows
SMALL = 0.05  # a difference of this many severe patients in a hundred is usual between hospitals
LEVEL = 0.95


@dataclass(frozen=True, eq=False, kw_only=True)
class SeverityResult:
    """What unrecorded severity would do.

    Attributes
    ----------
    surface : DataFrame
        risk_ratio, imbalance (q1 - q0, share of patients), estimate, lower, upper (corrected difference per
        1,000), conclusion (lower, higher, cannot tell).
    tipping : DataFrame
        risk_ratio, to_none (imbalance at which the difference vanishes; NaN where none can), to_interval (at
        which the conclusion changes), per_1000_severe (events a severe patient adds per 1,000).
    severe_share : float
        q0.
    difference : tuple of float
        Estimate, lower, upper as observed, per 1,000.
    conclusion : str
    checks : tuple of Check
    """

    surface: pd.DataFrame
    tipping: pd.DataFrame
    severe_share: float
    difference: tuple[float, float, float]
    conclusion: str
    checks: tuple[Check, ...]

    def at(self, risk_ratio: float) -> pd.Series[float]:
        """Return the row of `tipping` for one of its risk ratios."""
        rows = self.tipping[np.isclose(self.tipping["risk_ratio"], risk_ratio)]
        if rows.empty:
            known = ", ".join(f"{r:g}" for r in self.tipping["risk_ratio"])
            raise InputError(
                f"There is no tipping point for a risk ratio of {risk_ratio:g}. There are: {known}."
            )
        return rows.iloc[0]

    def __repr__(self) -> str:
        return f"{_heading(self)}\n{self.tipping.to_string(index=False)}"

    def _repr_html_(self) -> str:
        shown = self.tipping.to_html(index=False, float_format="{:.3g}".format)
        return (
            f"<p><strong>{_heading(self)}</strong></p>{shown}{checks_frame(self.checks).to_html(index=False)}"
        )


def fit(
    risk: Estimates,
    *,
    specialist: str,
    reference: str,
    severe_share: float = 0.2,
    risk_ratios: Sequence[float] = RISK_RATIOS,
    steps: int = 41,
) -> SeverityResult:
    """Return the surface and the tipping points.

    Parameters
    ----------
    risk
        Standardised risk per class, with joint draws, such as ``these_units.risk`` of `units.binomial`.
    specialist, reference
        Labels of the two classes.
    severe_share
        q0: share of the comparator's patients who are severe, above 0 and below 1.
    risk_ratios
        r: how many times the risk of others severe patients have; above 1.
    steps
        Points of the imbalance on the surface.

    Raises
    ------
    InputError
        On estimates without draws, an unknown label, two equal labels, a risk outside 0 to 1, a share outside
        0 to 1, a risk ratio of 1 or below, none or repeated ones, or fewer than three steps.
    """
    if specialist == reference:
        raise InputError(f"specialist and reference are both {specialist!r}; expected two classes.")
    p1, p0 = risk.of(specialist), risk.of(reference)
    if min(p1.min(), p0.min()) <= 0 or max(p1.max(), p0.max()) >= 1:
        raise InputError(
            "risk holds values that are not between 0 and 1; expected probabilities, not per 1,000."
        )
    if not 0 < severe_share < 1:
        raise InputError(f"severe_share={severe_share}; expected a share above 0 and below 1, such as 0.2.")
    ratios = np.asarray(risk_ratios, dtype=float)
    if ratios.size == 0 or not (np.isfinite(ratios).all() and (ratios > 1).all()):
        raise InputError(f"risk_ratios={list(risk_ratios)}; expected numbers above 1.")
    if len(np.unique(ratios)) < len(ratios):
        raise InputError(f"risk_ratios={list(risk_ratios)} holds a value twice.")
    if steps < 3:
        raise InputError(f"steps={steps}; expected at least 3 points of the imbalance.")
    q0 = float(severe_share)
    imbalance = np.linspace(max(-IMBALANCE, -q0), min(IMBALANCE, 1 - q0), steps)
    observed = _summary(p1 - p0)
    rows = []
    for r in ratios:
        for step in imbalance:
            estimate, lower, upper = _summary(p1 * _factor(r, q0, step) - p0)
            rows.append((r, step, estimate, lower, upper, _conclusion(lower, upper)))
    columns = ["risk_ratio", "imbalance", "estimate", "lower", "upper", "conclusion"]
    conclusion = _conclusion(observed[1], observed[2])
    tail = (1 - LEVEL) / 2
    # The corrected difference is c p1 - p0: none where c is the ratio of the means, an interval's end where c
    # is a quantile of the draws' ratio.
    vanish = float(p0.mean() / p1.mean())
    low, high = (float(value) for value in np.quantile(p0 / p1, [tail, 1 - tail]))
    turned = {"lower": low, "higher": high}
    to_interval = [
        _needed(r, q0, turned[conclusion]) if conclusion != "cannot tell" else _nearer(r, q0, turned)
        for r in ratios
    ]
    base = float(p0.mean())
    tipping = pd.DataFrame(
        {
            "risk_ratio": ratios,
            "to_none": [_needed(r, q0, vanish) for r in ratios],
            "to_interval": to_interval,
            # of the comparator: its average risk is that of others times 1 + (r - 1) q0
            "per_1000_severe": 1000 * base * (ratios - 1) / (1 + (ratios - 1) * q0),
        }
    )
    return SeverityResult(
        surface=pd.DataFrame(rows, columns=columns),
        tipping=tipping,
        severe_share=q0,
        difference=observed,
        conclusion=conclusion,
        checks=(_check(tipping, conclusion),),
    )


def benchmarks(
    frame: pd.DataFrame,
    *,
    events: str,
    trials: str,
    group: str,
    specialist: str,
    reference: Sequence[str],
    case_mix: Sequence[str],
    fewest: int = 10,
) -> pd.DataFrame:
    """Return, for every recorded case-mix level, how strongly it is tied to outcome and how unequal it is.

    Parameters
    ----------
    frame
        One row per unit and stratum.
    reference
        The classes that together are the comparator.
    fewest
        Levels with fewer patients or events among the comparator's patients are left out.

    Returns
    -------
    DataFrame
        label, risk_ratio (this level's crude risk over everyone else's, the comparator's patients), imbalance
        (its share among the specialist units' patients less its share among the comparator's), share. A level
        tied to lower risk is turned over, so that `risk_ratio` is at least 1 and `imbalance` of the others.

    Raises
    ------
    InputError
        On a missing column or class.
    """
    from soa_evidence.units.cells import prepare

    require_columns(frame.columns, [group])
    alone = frame.assign(_class=frame[group])  # classes are their own units here
    cells = prepare(alone, events=events, trials=trials, unit="_class", group=group, case_mix=case_mix)
    for name in (specialist, *reference):
        if name not in cells.groups:
            raise InputError(
                f"There is no class {name!r} in '{group}'. There are: {', '.join(cells.groups)}."
            )
    of = [
        np.isin(np.array(cells.groups)[cells.group_of_unit[cells.unit]], names)
        for names in ([specialist], list(reference))
    ]
    rows = []
    for factor in cells.patterns.columns:
        value = cells.patterns[factor].to_numpy(str)[cells.pattern]
        for level in sorted(set(value)):
            here = value == level
            share = [float(cells.trials[who & here].sum() / cells.trials[who].sum()) for who in of]
            with_it, without = of[1] & here, of[1] & ~here
            counts = [
                (float(cells.events[part].sum()), float(cells.trials[part].sum()))
                for part in (with_it, without)
            ]
            if min(min(pair) for pair in counts) < fewest:
                continue
            ratio = (counts[0][0] / counts[0][1]) / (counts[1][0] / counts[1][1])
            turn = 1 if ratio >= 1 else -1
            rows.append(
                (f"{factor}: {level}" if turn == 1 else f"{factor}: not {level}", ratio**turn,
                 turn * (share[0] - share[1]), share[1] if turn == 1 else 1 - share[1])
            )  # fmt: skip
    return pd.DataFrame(rows, columns=["label", "risk_ratio", "imbalance", "share"])


def _factor(r: float, q0: float, step: float) -> float:
    return float((1 + (r - 1) * q0) / (1 + (r - 1) * (q0 + step)))


def _needed(r: float, q0: float, factor: float) -> float:
    """Imbalance at which `_factor` is `factor`; NaN where shares from 0 to 1 cannot reach it."""
    q1 = ((1 + (r - 1) * q0) / factor - 1) / (r - 1)
    return float(q1 - q0) if 0 <= q1 <= 1 else float("nan")


def _nearer(r: float, q0: float, turned: dict[str, float]) -> float:
    """Return the smaller imbalance at which an interval that holds none would cease to."""
    found = [_needed(r, q0, factor) for factor in turned.values()]
    known = [value for value in found if np.isfinite(value)]
    return min(known, key=abs) if known else float("nan")


def _summary(draws: FloatArray) -> tuple[float, float, float]:
    lower, upper = np.quantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return 1000 * float(draws.mean()), 1000 * float(lower), 1000 * float(upper)


def _conclusion(lower: float, upper: float) -> str:
    return "lower" if upper < 0 else "higher" if lower > 0 else "cannot tell"


def _check(tipping: pd.DataFrame, conclusion: str) -> Check:
    at = tipping.iloc[int((tipping["risk_ratio"] - 2).abs().argmin())]
    known = bool(np.isfinite(at["to_interval"]))
    small = known and abs(at["to_interval"]) < SMALL
    shown = f"{100 * abs(at['to_interval']):.1f} in 100 patients" if known else "no imbalance would"
    return Check(
        name=f"unrecorded severity that would change the conclusion, risk ratio {at['risk_ratio']:g}",
        verdict="warn" if small else "pass",
        observed=f"{shown} (conclusion: {conclusion})",
        expected=f"at least {100 * SMALL:g} in 100",
        why="hospitals differ in what is not recorded; a conclusion that a small imbalance turns is not firm",
    )


def _heading(result: SeverityResult) -> str:
    estimate, lower, upper = result.difference
    return (
        f"Unrecorded severity: observed difference {estimate:.3g} ({lower:.3g} to {upper:.3g}) per 1,000; "
        f"{result.severe_share:.0%} of the comparator's patients severe"
    )
