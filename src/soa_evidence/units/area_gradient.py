"""Area gradient: how outcomes go with something known of patients' areas only, such as deprivation.

Over areas a with n_a patients, mean y_a of an outcome (or of what a model left unexplained) and exposure x_a:

    y_a = alpha + beta x_a + error,   weights n_a;   covariance of all outcomes' beta: sum over areas of
    psi psi',   psi = n_a (x_a - x̄) e_a / [(1 - h_a) Σ n (x - x̄)²]   (HC3), t with areas less 2;
    r weighted by n, with the delete-one-area jackknife of artanh r;
    chance = Σ n_a s_a² / Σ n_a (y_a - ȳ)²,   r without chance = r / √(1 - chance).

Where classes of unit differ by g in an outcome that shows exposure (``through``), and nobody knows who in
which class comes from where, the exposure that g implies, and what that would do to outcome k, are

    g / beta_through   and   beta_k g / beta_through,

with delta-method errors. Noise in x biases both slopes alike and leaves the second ratio as it is.

When not to use it: as an effect of living somewhere on a patient (areas differ in much else, and a slope over
areas need not be that within them); where `through` shows more than exposure, all of which is taken for it;
to correct an answer: the ratio says how large a gap could be, not what it is.

Sources: MacKinnon & White (1985), J Econometrics 29:305 (HC3); Efron (1981), Biometrika 68:589; Spearman
(1904), Am J Psychol 15:72; Wald (1940), Ann Math Stat 11:284; Robinson (1950), Am Sociol Rev 15:351.

Checked against: R's lm, sandwich and cov.wt in tests/reference/area_gradient.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soa_evidence.errors import InputError, nearest
from soa_evidence.results import Check, Estimates, checks_frame
from soa_evidence.units import case_mix_design as made

__all__ = ["AreaGradientResult", "Benchmark", "fit"]

FloatArray = NDArray[np.float64]
METHOD = "units.area_gradient"
FEWEST_AREAS = 5
MANY_AREAS = 30
LARGE_MOVE = 0.7  # of the standard error of the slope: what one area may make of it


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """Exposure cut in two, in the terms of `units.sensitivity.unmeasured_severity`.

    Parameters
    ----------
    risk_ratio
        Risk in the more exposed part over that in the other, or turned over where that is below 1.
    imbalance
        Share of the class's patients in the part of higher risk, less that of the class compared with.
    share
        Share of the part of higher risk in the class compared with.
    higher_exposed
        Whether the part of higher risk is the more exposed one.
    """

    risk_ratio: float
    imbalance: float
    share: float
    higher_exposed: bool


@dataclass(frozen=True, eq=False, kw_only=True)
class AreaGradientResult:
    """Gradients over areas.

    Attributes
    ----------
    slope : Estimates
        Change of the area's mean per `per` of exposure; one label an outcome, jointly.
    correlation : Estimates
        artanh of the weighted correlation; `units.agreement.coefficient` turns it back.
    table : DataFrame
        outcome, areas, patients, slope, correlation, chance (share of the variance between areas that chance
        makes), without_chance (correlation).
    areas : DataFrame
        outcome, area, patients, exposure, value, fitted.
    per : float
    checks : tuple of Check
    """

    slope: Estimates
    correlation: Estimates
    table: pd.DataFrame
    areas: pd.DataFrame
    per: float
    checks: tuple[Check, ...]

    def __repr__(self) -> str:
        return f"Gradients over areas\n{self.table.to_string(index=False)}"

    def _repr_html_(self) -> str:
        shown = self.table.to_html(index=False, float_format="{:.4g}".format)
        checked = checks_frame(self.checks).to_html(index=False)
        return f"<p><strong>Gradients over areas</strong></p>{shown}{checked}"

    def _through(self, through: str) -> tuple[int, float, float]:
        k, mean, covariance = self._at(through)
        low, high = self.slope.table()[["lower", "upper"]].to_numpy(float)[k]
        if low <= 0 <= high:
            raise InputError(
                f"The slope of '{through}' may be 0 ({low:.3g} to {high:.3g}); expected an outcome that goes "
                "with exposure for certain, or nothing can be told through it."
            )
        return k, mean, covariance

    def _at(self, outcome: str) -> tuple[int, float, float]:
        if outcome not in self.slope.labels:
            raise InputError(
                f"There is no outcome '{outcome}'.{nearest(outcome, self.slope.labels)} "
                f"There are: {', '.join(self.slope.labels)}."
            )
        k = self.slope.position(outcome)
        mean, covariance = _moments(self.slope)
        return k, float(mean[k]), float(covariance[k, k])

    def implied(self, gap: Estimates, *, through: str) -> Estimates:
        """Return the difference in exposure that would make these gaps in `through`.

        Parameters
        ----------
        gap
            Differences between classes in the outcome `through`, with mean and covariance.

        Raises
        ------
        InputError
            On an unknown outcome, a slope that may be 0, or a gap that holds draws.
        """
        _, b, v = self._through(through)
        g, spread = _moments(gap)
        return self._carry(
            gap, g * self.per / b, (spread + np.outer(g, g) * v / b**2) * (self.per / b) ** 2,
            estimand="difference in exposure that would make the gap", unit="units of the exposure",
        )  # fmt: skip

    def consequence(self, gap: Estimates, *, through: str, outcome: str) -> Estimates:
        """Return what the exposure behind these gaps would do to another outcome, along its gradient.

        Parameters
        ----------
        gap
            As for `implied`; taken as independent of the slopes.

        Raises
        ------
        InputError
            As `implied`.
        """
        k, b, v = self._through(through)
        j, c, w = self._at(outcome)
        g, spread = _moments(gap)
        _, covariance = _moments(self.slope)
        ratio = c / b
        of_ratio = (w - 2 * ratio * covariance[j, k] + ratio**2 * v) / b**2
        return self._carry(
            gap, g * ratio, spread * ratio**2 + np.outer(g, g) * max(of_ratio, 0.0),
            estimand=f"difference in {outcome} that goes with the gap's exposure",
            unit="units of the outcome",
        )  # fmt: skip

    def _carry(
        self, gap: Estimates, mean: FloatArray, covariance: FloatArray, *, estimand: str, unit: str
    ) -> Estimates:
        dofs = [dof for dof in (gap.dof, self.slope.dof) if dof is not None]
        return Estimates(
            estimand=estimand, labels=gap.labels, unit=unit, method=METHOD, mean=mean,
            covariance=(covariance + covariance.T) / 2, dof=min(dofs), interval="confidence",
            checks=(*self.checks, *gap.checks),
        )  # fmt: skip

    def benchmark(
        self, outcome: str, *, risk: float, exposure_gap: float, apart: float, exposed: float = 0.5
    ) -> Benchmark:
        """Cut exposure in two, so that `units.sensitivity.unmeasured_severity` can be asked of it.

        Parameters
        ----------
        outcome
            A yes/no outcome; its slope is a difference in risk.
        risk
            Risk in the class compared with.
        exposure_gap
            Mean exposure of the class less that of the class compared with, such as from `implied`.
        apart
            How far the two parts lie apart in exposure. Patients differ by more than areas' means do; what
            comes out hangs on it little, because it moves strength and imbalance in opposite ways.
        exposed
            Share of the more exposed part in the class compared with.

        Raises
        ------
        InputError
            On an unknown outcome, a number outside its range, a slope that would take a risk beyond 0 or 1,
            or a gap that two parts so far apart cannot make.
        """
        _, slope, _ = self._at(outcome)
        for name, value in (("risk", risk), ("exposed", exposed)):
            if not 0 < value < 1:
                raise InputError(f"{name}={value}; expected a number above 0 and below 1.")
        if not apart > 0:
            raise InputError(f"apart={apart}; expected a number above 0.")
        low = risk - slope / self.per * apart * exposed
        high = low + slope / self.per * apart
        if not (0 < high < 1 and 0 < low < 1):
            raise InputError(
                f"Along the slope of '{outcome}' a risk of {risk:g} becomes {low:.3g} and {high:.3g}; "
                "expected both between 0 and 1."
            )
        moved = float(exposure_gap / apart)
        if not 0 <= exposed + moved <= 1:
            raise InputError(
                f"Parts {apart:g} apart cannot make a gap of {exposure_gap:.3g}: a share of "
                f"{exposed + moved:.2f} would have to be exposed. Give parts that are further apart."
            )
        up = bool(high >= low)
        return Benchmark(
            risk_ratio=float(max(high, low) / min(high, low)),
            imbalance=moved if up else -moved,
            share=exposed if up else 1 - exposed,
            higher_exposed=up,
        )


def fit(
    frame: pd.DataFrame,
    *,
    area: str,
    outcome: str,
    value: str,
    std_error: str,
    size: str,
    exposure: str,
    per: float = 1.0,
    unit: str = "units of the outcome",
) -> AreaGradientResult:
    """Regress areas' means on their exposure, for every outcome at once.

    Parameters
    ----------
    frame
        One row an area and outcome.
    area, outcome
        Columns of names.
    value, std_error, size
        Columns of the area's mean, of its standard error by chance alone, and of patients (its weight).
    exposure
        Column of the area's exposure, the same for all outcomes.
    per
        How much more exposure a slope is told for.

    Raises
    ------
    InputError
        Naming column and row: missing or impossible numbers, an area twice or with two exposures, fewer than
        five areas of an outcome, no variation of exposure or outcome.
    """
    if not per > 0:
        raise InputError(f"per={per}; expected a number above 0.")
    frame = made.numbered(frame)
    codes, outcomes = made.coded(frame, outcome)
    where, names = made.coded(frame, area)
    n, y, x, s = (made.numbers(frame, column) for column in (size, value, exposure, std_error))
    made.refuse(frame, size, n <= 0, "expected patients, above 0")
    made.refuse(frame, std_error, s < 0, "expected 0 or more")
    twice = pd.DataFrame({"k": codes, "a": where}).duplicated().to_numpy()
    made.refuse(frame, area, twice, f"which has the same '{outcome}' twice; expected one row each")
    own = pd.Series(x).groupby(where).transform("first").to_numpy()
    made.refuse(frame, exposure, x != own, "another exposure than the same area has elsewhere")
    influence = np.zeros((len(names), len(outcomes)))
    rows, parts, moves = [], [], []
    reach = np.zeros((len(outcomes), 2))
    for k, label in enumerate(outcomes):
        mine = codes == k
        if mine.sum() < FEWEST_AREAS:
            raise InputError(f"'{label}' has {mine.sum()} areas; expected at least {FEWEST_AREAS}.")
        nk, yk, xk, sk = n[mine], y[mine], x[mine], s[mine]
        dx, dy = xk - np.average(xk, weights=nk), yk - np.average(yk, weights=nk)
        sxx, syy, sxy = (float(nk @ product) for product in (dx * dx, dy * dy, dx * dy))
        for what, total, scale in ((exposure, sxx, np.abs(xk).max()), (value, syy, np.abs(yk).max())):
            if total <= nk.sum() * (1e-12 * max(scale, 1e-300)) ** 2:
                raise InputError(f"'{label}': '{what}' is the same in every area; expected it to vary.")
        slope = sxy / sxx
        e, h = dy - slope * dx, nk / nk.sum() + nk * dx**2 / sxx
        psi = nk * dx * e / (np.maximum(1 - h, 1e-9) * sxx)
        influence[where[mine], k] = psi
        r = float(np.clip(sxy / np.sqrt(sxx * syy), -1 + 1e-12, 1 - 1e-12))
        reach[k] = np.arctanh(r), _jackknife(nk, xk, yk)
        chance = min(float(nk @ sk**2) / syy, 1.0)
        clear = float(np.clip(r / np.sqrt(1 - chance), -1, 1)) if chance < 1 else np.nan
        rows.append((label, int(mine.sum()), int(nk.sum()), slope * per, r, chance, clear))
        at = int(np.abs(psi).argmax())
        moves.append((abs(psi[at]) / max(float(np.sqrt(psi @ psi)), 1e-300), names[where[mine][at]], label))
        parts.append(
            pd.DataFrame(
                {"outcome": label, "area": np.array(names, dtype=object)[where[mine]], "patients": nk,
                 "exposure": xk, "value": yk, "fitted": yk - e}
            )
        )  # fmt: skip
    table = pd.DataFrame(
        rows, columns=["outcome", "areas", "patients", "slope", "correlation", "chance", "without_chance"]
    )
    checks = _checks(table, moves)
    covariance = influence.T @ influence * per**2
    dof = float(table["areas"].min() - 2)

    def carrier(estimand: str, unit_text: str, mean: FloatArray, spread: FloatArray) -> Estimates:
        return Estimates(
            estimand=estimand,
            labels=tuple(outcomes),
            unit=unit_text,
            method=METHOD,
            interval="confidence",
            mean=mean,
            covariance=(spread + spread.T) / 2,
            dof=dof,
            checks=checks,
        )

    slope_of = f"change of an area's mean per {per:g} of exposure"
    return AreaGradientResult(
        slope=carrier(slope_of, unit, table["slope"].to_numpy(float), covariance),
        correlation=carrier(
            "artanh of the correlation over areas", "artanh r", reach[:, 0], np.diag(reach[:, 1])
        ),
        table=table,
        areas=pd.concat(parts, ignore_index=True),
        per=per,
        checks=checks,
    )


def _jackknife(n: FloatArray, x: FloatArray, y: FloatArray) -> float:
    """Delete-one-area variance of artanh of the weighted correlation, from sums less each area's."""
    x, y = x - np.average(x, weights=n), y - np.average(y, weights=n)
    w, sx, sy = n.sum() - n, -n * x, -n * y
    xx, yy, xy = (
        float(n @ p) - n * p - a * b / w for p, a, b in ((x * x, sx, sx), (y * y, sy, sy), (x * y, sx, sy))
    )
    below = np.sqrt(np.maximum(xx * yy, 1e-300))
    z = np.arctanh(np.clip(xy / below, -1 + 1e-12, 1 - 1e-12))
    return float((len(n) - 1) / len(n) * ((z - z.mean()) ** 2).sum())


def _moments(of: Estimates) -> tuple[FloatArray, FloatArray]:
    if of.mean is None or of.covariance is None:
        raise InputError(f"'{of.estimand}' holds draws; expected a mean with its covariance.")
    return of.mean, of.covariance


def _checks(table: pd.DataFrame, moves: list[tuple[float, str, str]]) -> tuple[Check, ...]:
    fewest, (far, name, label) = int(table["areas"].min()), max(moves)
    return (
        Check(
            name="areas, fewest of an outcome",
            verdict="pass" if fewest >= MANY_AREAS else "warn",
            observed=f"{fewest}",
            expected=f"at least {MANY_AREAS}",
            why="errors take areas as the sample, and few areas judge their own spread badly",
        ),
        Check(
            name="how far one area moves a slope, largest",
            verdict="pass" if far < LARGE_MOVE else "warn",
            observed=f"{far:.2f} standard errors ({name}, {label})",
            expected=f"below {LARGE_MOVE:g}",
            why="a line that hangs on one area is that area's result",
        ),
    )
