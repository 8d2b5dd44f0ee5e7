"""One outcome boiled down to what each unit's data say of the unit, at the case mix of everybody.

For events, with the model of `units.binomial` at its Laplace mode b of the case mix::

    log L_j(t) = seen_j t - sum_b n_jb log(1 + exp(t + e_jb)),     e = x'b

in a few bins a unit, and near its mode -I_j (t - y_j)^2 / 2: the unit's own log odds y_j with information
I_j. For a score (points), by least squares within units::

    mean of patients x at unit j = y_j + x'b,     I_j = patients_j / residual variance_j

Scores are put on the scale of log odds, by pi / sqrt(3) per standard deviation between patients (Chinn 2000,
Statistics in Medicine 19:3127), and counted from the mean of all patients, so that outcomes can share priors
and be averaged.

A unit's residual variance is its own drawn towards that of all patients by 20 patients' worth.

When not to use it: by itself. `units.joint` and `units.variation` build on it.

Checked against: R's lm with unit and case-mix effects (tests/reference/joint), `units.laplace`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit, logit

from soa_evidence import priors as named_priors
from soa_evidence.errors import InputError
from soa_evidence.units.cells import Cells, prepare
from soa_evidence.units.laplace import approximate
from soa_evidence.units.standardise import RiskCurve, risk_curve

__all__ = ["PER_SD", "Events", "Outcome", "Score", "Summary", "summarise", "tally"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

PER_SD = float(np.pi / np.sqrt(3))  # log odds that one standard deviation between patients is worth
BIN_WIDTH = 0.8  # log odds; a bin's score gives it the expected events of its patients at the mode
FINE_WIDTH = 0.1  # of the bins that risks are told from at levels far from the mode
REACH = 12.0  # log odds either side of the units' levels that a risk may be asked for
VARIANCE_PATIENTS = 20.0  # patients' worth by which a unit's residual variance leans on everybody's


@dataclass(frozen=True, kw_only=True)
class Events:
    """An outcome that patients have or have not.

    Parameters
    ----------
    label
        Name for readers; must differ between outcomes.
    events, trials
        Columns of counts: patients with the outcome, and with a valid answer.
    better
        Whether fewer (``"lower"``) or more (``"higher"``) is better.
    control
        Whether it is a negative control, which the unit should hardly touch: fitted with the others, but kept
        out of every statement about being better.
    """

    label: str
    events: str
    trials: str
    better: Literal["lower", "higher"] = "lower"
    control: bool = False

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns it needs."""
        return (self.events, self.trials)

    @property
    def unit(self) -> str:
        """The unit in which it is shown."""
        return "per 1,000 patients"


@dataclass(frozen=True, kw_only=True)
class Score:
    """An outcome measured in points, known by sums.

    Parameters
    ----------
    label
        Name for readers; must differ between outcomes.
    patients, total, squares
        Columns: number of patients, sum and sum of squares of their points.
    unit
        Unit of the points, as shown.
    better
        Whether a higher or a lower score is better.
    control
        As in `Events`.
    """

    label: str
    patients: str
    total: str
    squares: str
    unit: str
    better: Literal["lower", "higher"] = "higher"
    control: bool = False

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns it needs."""
        return (self.patients, self.total, self.squares)


Outcome = Events | Score


@dataclass(frozen=True, eq=False, kw_only=True)
class Summary:
    """What the data say of each unit on one outcome; levels are log odds, or scores on that scale.

    Attributes
    ----------
    outcome : Events or Score
    cells : Cells
        Units, groups, design; for a score `events` and `trials` both hold patients.
    level, information : arrays of shape (J,)
        y and I of the module docstring.
    case_mix, case_mix_covariance : arrays of shapes (K,), (K, K)
    lean : array of shape (J, K)
        Mean design of each unit, weighted by information: what its level moves by when the case mix does.
    seen, bin_unit, bin_patients, bin_score : arrays of shapes (J,), (B,), (B,), (B,)
        The likelihood's sufficient total and bins.
    fine : tuple of arrays (B,), (B,), (B,), (B, K)
        Unit, patients, score and mean design of narrower bins, for what a unit's patients would have at
        another level or case mix.
    residual : array of shape (C,)
        Observed less expected total of each cell, at the unit's own level.
    curve : RiskCurve or None
        Standardised risk as a function of the level.
    centre, patient_sd : float
        Of a score: mean of all patients, and standard deviation between patients of a unit and stratum.
    """

    outcome: Outcome
    cells: Cells
    level: FloatArray
    information: FloatArray
    case_mix: FloatArray
    case_mix_covariance: FloatArray
    lean: FloatArray
    seen: FloatArray
    bin_unit: IntArray
    bin_patients: FloatArray
    bin_score: FloatArray
    fine: tuple[IntArray, FloatArray, FloatArray, FloatArray]
    residual: FloatArray
    curve: RiskCurve | None
    totals: FloatArray
    centre: float = 0.0
    patient_sd: float = 1.0

    @property
    def patients(self) -> FloatArray:
        """Patients of each unit with a valid answer, shape (J,)."""
        return self.cells.by_unit(self.cells.trials)

    @property
    def per_point(self) -> float:
        """Log odds that a point of the score is worth."""
        return PER_SD / self.patient_sd

    def natural(self, level: FloatArray) -> FloatArray:
        """Levels (S, m) as standardised risks, or as mean scores at the case mix of everybody."""
        if self.curve is not None:
            return self.curve.risk(level)
        return self.centre + level / self.per_point

    def own(self, level: FloatArray, case_mix: FloatArray) -> FloatArray:
        """Return the mean risk or score that each unit's own patients would have, shape (S, J).

        Parameters
        ----------
        level : array of shape (S, J)
        case_mix : array of shape (S, K)
            Coefficients less their mode.
        """
        total = np.zeros_like(level)
        unit, patients, score, design = self.fine
        if self.curve is None:
            mean = np.bincount(unit, weights=patients * score) / self.patients
            return np.asarray(self.centre + (level + mean + case_mix @ self.lean.T) / self.per_point)
        for at in range(len(level)):
            risk = expit(level[at, unit] + score + design @ case_mix[at])
            total[at] = np.bincount(unit, weights=patients * risk, minlength=len(self.level))
        return np.asarray(total / self.patients)


def tally(frame: pd.DataFrame, outcomes: Sequence[Outcome], keys: Sequence[str]) -> pd.DataFrame:
    """Add up rows of the same keys, so that the cells of all outcomes are in one order."""
    columns = list(dict.fromkeys(column for outcome in outcomes for column in outcome.columns))
    text = frame.assign(**{key: frame[key].astype(str) for key in keys})
    return text.groupby(list(keys), observed=True, sort=True)[columns].sum().reset_index()


def summarise(
    frame: pd.DataFrame, outcome: Outcome, *, unit: str, group: str, case_mix: Sequence[str]
) -> Summary:
    """Boil one outcome down.

    Parameters
    ----------
    frame
        One row per unit and case-mix stratum.

    Raises
    ------
    InputError
        On a bad frame (see `cells.prepare`); for a score also on a sum that is missing or not finite, squares
        that no points could have, or no spread between patients at all.
    """
    if outcome.better not in ("lower", "higher"):
        raise InputError(
            f"Outcome '{outcome.label}' has better={outcome.better!r}; expected 'lower' or 'higher'."
        )
    shared: dict[str, Any] = {"unit": unit, "group": group, "case_mix": case_mix}
    if isinstance(outcome, Events):
        return _of_events(prepare(frame, events=outcome.events, trials=outcome.trials, **shared), outcome)
    again = f"{outcome.patients} "  # as many "events" as trials: only the layout of the cells is wanted
    counted = frame.assign(**{again: frame[outcome.patients]}) if outcome.patients in frame else frame
    cells = prepare(counted, events=again, trials=outcome.patients, **shared)
    return _of_score(frame, cells, outcome, [unit, group, *case_mix])


def _of_events(cells: Cells, outcome: Events) -> Summary:
    near = approximate(cells, named_priors.binomial())
    score = (cells.design @ near.case_mix)[cells.pattern]
    risk = expit(score + near.unit_mode[cells.unit])
    expected = cells.trials * risk

    def bins(width: float) -> tuple[IntArray, FloatArray, FloatArray, FloatArray]:
        step = np.floor(score / width).astype(np.int64)
        key, where = np.unique(cells.unit * (np.ptp(step) + 1) + step - step.min(), return_inverse=True)
        unit, patients = key // (np.ptp(step) + 1), np.bincount(where, weights=cells.trials)
        score_at = logit(np.bincount(where, weights=expected) / patients) - near.unit_mode[unit]
        weight = expected * (1 - risk)
        mean = [np.bincount(where, weights=weight * x) for x in cells.design[cells.pattern].T]
        leaning = np.array(mean).reshape(len(mean), len(unit)).T / np.bincount(where, weights=weight)[:, None]
        return unit, patients, score_at, leaning

    bin_unit, bin_patients, bin_score, _ = bins(BIN_WIDTH)
    curve = risk_curve(
        cells.design, cells.reference_weights, near.case_mix[None],
        lowest=float(near.unit_mode.min()) - REACH, highest=float(near.unit_mode.max()) + REACH,
    )  # fmt: skip
    return Summary(
        outcome=outcome,
        cells=cells,
        level=near.unit_level,
        information=near.unit_information,
        case_mix=near.case_mix,
        case_mix_covariance=near.case_mix_covariance,
        lean=_lean(cells, expected * (1 - risk)),
        seen=cells.by_unit(cells.events),
        bin_unit=bin_unit,
        bin_patients=bin_patients,
        bin_score=bin_score,
        fine=bins(FINE_WIDTH),
        residual=cells.events - expected,
        curve=curve,
        totals=cells.by_unit(cells.events),
    )


def _of_score(frame: pd.DataFrame, cells: Cells, outcome: Score, keys: list[str]) -> Summary:
    total, squares = _sums(frame, outcome, keys)
    n, many = cells.trials, cells.by_unit(cells.trials)
    centre = float(total.sum() / n.sum())
    # about the centre: sums of squares would otherwise lose their digits where points are far from 0
    squares = squares - 2 * centre * total + n * centre**2
    total = total - n * centre
    covariates, terms = cells.design[cells.pattern], cells.design.shape[1]
    mean_x = _lean(cells, n)
    within = covariates.T @ (covariates * n[:, None]) - mean_x.T @ (mean_x * many[:, None])
    target = covariates.T @ total - mean_x.T @ cells.by_unit(total)
    spread = float(squares.sum() / n.sum())
    if not spread > 0:
        raise InputError(
            f"Score '{outcome.label}': all patients have the same points, so nothing can be compared."
        )
    # a level that no unit shares with another level cannot be told from the unit: a weak prior, one log odds
    prior = np.eye(terms) * PER_SD**2
    beta = np.linalg.solve(within + prior, target)
    own = (cells.by_unit(total) - many * (mean_x @ beta)) / many
    fitted = own[cells.unit] + covariates @ beta
    by_unit = np.maximum(cells.by_unit(squares - 2 * fitted * total + n * fitted**2), 0.0)
    free = max(n.sum() - len(many) - terms, 1.0)
    pooled = float(by_unit.sum() / free)
    if not pooled > 1e-12 * spread:
        raise InputError(
            f"Score '{outcome.label}': patients of a unit and stratum do not differ at all; expected sums of "
            f"squares of single patients' points in '{outcome.squares}'."
        )
    scale = PER_SD / np.sqrt(pooled)
    variance = (by_unit + VARIANCE_PATIENTS * pooled) / (np.maximum(many - 1, 0) + VARIANCE_PATIENTS)
    order = np.argsort(cells.unit, kind="stable")
    return Summary(
        outcome=outcome,
        cells=cells,
        level=own * scale,
        information=many / (variance * scale**2),
        case_mix=beta * scale,
        case_mix_covariance=np.linalg.inv(within + prior) * pooled * scale**2,
        lean=mean_x,
        seen=np.zeros(len(many)),
        bin_unit=cells.unit[order],
        bin_patients=n[order],
        bin_score=(covariates @ beta * scale)[order],
        fine=(cells.unit[order], n[order], (covariates @ beta * scale)[order], covariates[order]),
        residual=total - n * fitted,
        curve=None,
        totals=cells.by_unit(total) + many * centre,
        centre=centre,
        patient_sd=float(np.sqrt(pooled)),
    )


def _sums(frame: pd.DataFrame, outcome: Score, keys: list[str]) -> tuple[FloatArray, FloatArray]:
    """Return sums and sums of squares of the cells, in their order."""
    kept = frame.loc[frame[outcome.patients].to_numpy() > 0]
    for column in (outcome.total, outcome.squares):
        if column not in frame.columns:
            raise InputError(f"The frame has no column '{column}', which score '{outcome.label}' names.")
        values = pd.to_numeric(kept[column], errors="coerce").to_numpy(float)
        if not np.isfinite(values).all():
            at = int(np.argmax(~np.isfinite(values)))
            raise InputError(
                f"Column '{column}' of score '{outcome.label}': {kept[column].iloc[at]!r} at index "
                f"{kept.index[at]}; expected a sum for every stratum with patients."
            )
    text = kept.assign(**{key: kept[key].astype(str) for key in keys})
    summed = text.groupby(keys, observed=True, sort=True)[list(outcome.columns)].sum()
    n, total, squares = (summed[column].to_numpy(float) for column in outcome.columns)
    least = total**2 / n
    # sums in public files are rounded: a twentieth of the average square is no contradiction
    impossible = squares < least - 0.05 * (squares.sum() / n.sum()) * np.sqrt(n) - 1e-9
    if impossible.any():
        at = int(np.argmax(impossible))
        raise InputError(
            f"Score '{outcome.label}': {n[at]:g} patients with sum {total[at]:g} have squares of at least "
            f"{least[at]:.4g}, but '{outcome.squares}' says {squares[at]:g}. Are the columns exchanged?"
        )
    return total, squares


def _lean(cells: Cells, weight: FloatArray) -> FloatArray:
    covariates, total = cells.design[cells.pattern], cells.by_unit(weight)
    columns = [cells.by_unit(weight * column) / total for column in covariates.T]
    return np.column_stack(columns) if columns else np.zeros((len(total), 0))
