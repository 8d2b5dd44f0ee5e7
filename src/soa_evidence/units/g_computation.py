"""G-computation: each class's mean outcome if it had treated the same patients, by a case-mix model.

A case-mix model (`units.case_mix`) with the class among its covariates is fitted; everyone is then given each
class in turn, and the expected outcome averaged over one population:

    m_c = Σ_i n_i h(x_i(c)'b) / Σ_i n_i,   h = inverse logit (events) or identity (value),
    covariance of m = G V G',   row c of G = Σ_i n_i h'(x_i(c)'b) x_i(c) / Σ_i n_i   (delta method).

The population is everybody, or the patients of one class (what would they have had elsewhere?). It is taken
as it is: its own sampling is not part of the error. V is by unit when `unit` is given.

When not to use it: where a class has no patients of a kind that others have, so that its mean there is the
model's word alone (a check says how much); when the effect of class is thought to differ by patient, which
the model without interactions does not let it; for units, of which there are too many (use `units.case_mix`).

Sources: Robins (1986), Math Modelling 7:1393; Lane & Nelder (1982), Biometrics 38:613.

Checked against: our own R code on glm and lm with sandwich::vcovCL in tests/reference/case_mix; the delta
method against a bootstrap of units in tests/unit/test_units_g_computation.py.
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soa_evidence.errors import InputError, nearest
from soa_evidence.results import Check, Estimates, checks_frame
from soa_evidence.units import case_mix, case_mix_design
from soa_evidence.units.case_mix import CaseMixResult
from soa_evidence.units.case_mix_design import Kind

__all__ = ["GComputationResult", "fit"]

FloatArray = NDArray[np.float64]
METHOD = "units.g_computation"
MOST_ALONE = 0.05  # share of the population of a kind that a class has no patient of


@dataclass(frozen=True, eq=False, kw_only=True)
class GComputationResult:
    """Means of classes under one case mix.

    Attributes
    ----------
    mean : Estimates
        Per class: risk (events) or mean (value).
    difference : Estimates
        Each class less the reference.
    log_ratio : Estimates or None
        Log risk ratio of each class to the reference; None for values.
    model : CaseMixResult
    population : str
        "all", or the class whose patients it is.
    checks : tuple of Check
    """

    mean: Estimates
    difference: Estimates
    log_ratio: Estimates | None
    model: CaseMixResult
    population: str
    checks: tuple[Check, ...]

    def __repr__(self) -> str:
        return f"{self.mean!r}\n{self.difference!r}"

    def _repr_html_(self) -> str:
        tables = pd.concat([self.mean.table(), self.difference.table()])
        shown = tables.to_html(index=False, float_format="{:.4g}".format)
        head = f"<p><strong>Population: {html.escape(self.population)}</strong></p>"
        return head + shown + checks_frame(self.checks).to_html(index=False)


def fit(
    frame: pd.DataFrame,
    *,
    outcome: str,
    kind: Kind,
    group: str,
    reference: str,
    covariates: Sequence[str],
    size: str | None = None,
    squares: str | None = None,
    splines: Mapping[str, int] | None = None,
    unit: str | None = None,
    population: str = "all",
) -> GComputationResult:
    """Standardise classes to one population through a case-mix model.

    Parameters
    ----------
    frame, outcome, kind, covariates, size, squares, splines
        As for `units.case_mix.fit`; the class is added to the covariates.
    group
        Column of the class.
    reference
        The class that others are compared with.
    unit
        Column of the unit; with it the error is by unit.
    population
        ``"all"``, or a class, whose own patients everyone is averaged over.

    Raises
    ------
    InputError
        As `units.case_mix.fit`; on a class that is not in the data, or is a covariate already.
    """
    named = [covariates] if isinstance(covariates, str) else list(covariates)
    if group in named:
        raise InputError(f"group= is '{group}', which is a covariate too; leave it out of covariates=.")
    frame = case_mix_design.numbered(frame)
    case_mix_design.require(frame, group)
    if case_mix_design.is_numeric(frame[group]):
        raise InputError(f"Column '{group}' holds numbers; expected names of classes.")
    patients = case_mix_design.read(frame, kind=kind, outcome=outcome, size=size, squares=squares)
    kept = frame.iloc[patients.rows]
    codes, told = case_mix_design.coded(kept, group)
    own = np.array(told)[codes]
    classes = sorted(told)
    for name, given in (("reference", reference), ("population", population)):
        if given not in classes and not (name == "population" and given == "all"):
            raise InputError(
                f"{name}= is {given!r}.{nearest(given, classes)} Column '{group}' has: {', '.join(classes)}."
            )
    model = case_mix.fit(
        kept,
        outcome=outcome,
        kind=kind,
        covariates=[group, *named],
        size=size,
        squares=squares,
        splines=splines,
        unit=unit,
        covariance="model" if unit is None else "unit",
    )
    weight = np.where(own == population, patients.size, 0.0) if population != "all" else patients.size
    means, slopes = _standardise(kept, classes, group, model, weight / weight.sum())
    covariance = slopes @ _of(model)[1] @ slopes.T
    overlap = _overlap(kept, named, model, own, classes, weight)
    checks = (*model.checks, overlap)
    contrast = np.eye(len(classes)) - (np.array(classes) == reference)[None, :]
    kept_rows = [k for k, name in enumerate(classes) if name != reference]

    def carrier(estimand: str, values: FloatArray, jacobian: FloatArray, unit_text: str) -> Estimates:
        spread = jacobian @ covariance @ jacobian.T
        return Estimates(
            estimand=estimand,
            labels=tuple(
                classes[k] for k in range(len(classes)) if len(values) == len(classes) or k in kept_rows
            ),
            unit=unit_text,
            method=METHOD,
            mean=values,
            covariance=(spread + spread.T) / 2,
            interval="confidence",
            dof=model.coefficients.dof,
            checks=checks,
        )

    what = "standardised risk" if kind == "events" else "standardised mean"
    unit_text = "probability" if kind == "events" else "units of the outcome"
    relative = contrast / means if kind == "events" else contrast
    return GComputationResult(
        mean=carrier(what, means, np.eye(len(classes)), unit_text),
        difference=carrier(
            f"difference in {what}", (contrast @ means)[kept_rows], contrast[kept_rows], unit_text
        ),
        log_ratio=carrier(
            "log risk ratio", (contrast @ np.log(means))[kept_rows], relative[kept_rows], "log ratio"
        )
        if kind == "events"
        else None,
        model=model,
        population=population,
        checks=checks,
    )


def _of(model: CaseMixResult) -> tuple[FloatArray, FloatArray]:
    mean, covariance = model.coefficients.mean, model.coefficients.covariance
    if mean is None or covariance is None:
        raise InputError("The case-mix model holds draws, not a mean and covariance.")
    return mean, covariance


def _standardise(
    frame: pd.DataFrame, classes: Sequence[str], group: str, model: CaseMixResult, share: FloatArray
) -> tuple[FloatArray, FloatArray]:
    from scipy.special import expit

    mean, _ = _of(model)
    means, slopes = [], []
    for name in classes:
        x = case_mix_design.columns_of(frame, model.design, fixed={group: name})
        linear = x @ mean
        risk = expit(linear) if model.kind == "events" else linear
        steep = risk * (1 - risk) if model.kind == "events" else np.ones(len(risk))
        means.append(share @ risk)
        slopes.append((share * steep) @ x)
    return np.array(means), np.array(slopes)


def _overlap(
    frame: pd.DataFrame,
    covariates: Sequence[str],
    model: CaseMixResult,
    own: NDArray[np.str_],
    classes: Sequence[str],
    weight: FloatArray,
) -> Check:
    """How much of the population is at a level of some covariate where a class has no patient."""
    worst, which = 0.0, "none"
    for name in classes:
        alone = np.zeros(len(frame), bool)
        for covariate in covariates:
            if covariate in model.design.levels:
                at = case_mix_design.levels_of(frame, covariate, model.design.levels[covariate])
                alone |= ~np.isin(at, at[own == name])
            else:
                values = case_mix_design.numbers(frame, covariate)
                mine = values[own == name]
                alone |= (values < mine.min()) | (values > mine.max())
        share = float(weight[alone].sum() / weight.sum())
        if share > worst:
            worst, which = share, name
    return Check(
        name="patients of a kind that a class never has, largest share",
        verdict="warn" if worst > MOST_ALONE else "pass",
        observed=f"{worst:.1%} ({which})",
        expected=f"at most {MOST_ALONE:.0%}",
        why="for them the class's result is the model's word alone",
    )
