"""The specification curve: every defensible way to ask one question, run, and shown at once.

A headline rests on choices that another analyst might have made otherwise: which units count as specialist,
whom they are compared with, which case mix, which years, whether small units count, what to do where age or
sex is unknown, by which estimator. Here every combination of the options declared is run:

    specifications   each with its difference per 1,000 patients and interval, on the estimand it speaks of
    agreement        how many find the headline's sign, and how many reach its conclusion (the interval lies
                     below none, above none, or holds it)
    influence        of each choice, the share of the variance of estimates that lies between its options
                     (for a complete grid: its main effect), and the largest gap between options' means
    reference        whether the curve as a whole is further from none than when classes do not differ
                     (`units.specification_reference`)

Estimators are those of `units.class_contrast`, milliseconds each; the hierarchical model can be asked for at
a few places of the grid. A specification that cannot be fitted is listed with the reason, not dropped.

When not to use it: to count votes. Specifications use the same patients, so that a share of them is not a
probability; options that are not defensible do not become so by being many; and what no specification can
mend (case mix that is not recorded, patients who did not answer) is in none of them.

Sources: Simonsohn, Simmons & Nelson (2020), Nature Human Behaviour 4:1208; Steegen, Tuerlinckx, Gelman &
Vanpaemel (2016), Perspectives on Psychological Science 11:702.

Checked against: each estimator fitted by itself, R for single specifications, complete enumeration of
exchanges (tests/unit, tests/reference/unit_sensitivity); tests/calibration/referral_bias.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soa_evidence.errors import InputError
from soa_evidence.results import Check, Estimates, checks_frame
from soa_evidence.units import binomial, class_contrast
from soa_evidence.units import specification_agreement as told_by
from soa_evidence.units.class_contrast import ESTIMATORS, KIND, Contrast, Tables
from soa_evidence.units.specification_grid import (
    COMPARATOR,
    SPECIALIST,
    Counts,
    Grid,
    Role,
    prepare,
    size_name,
)
from soa_evidence.units.specification_reference import Reference, excesses, reference

__all__ = ["SpecificationCurve", "fit"]

FloatArray = NDArray[np.float64]
HIERARCHICAL = "hierarchical"
LEVEL = 0.95


@dataclass(frozen=True, eq=False, kw_only=True)
class SpecificationCurve:
    """Every specification, and what they say together.

    Attributes
    ----------
    specifications : DataFrame
        One row a specification, lowest estimate first: a column a choice, `estimand_kind`, `estimate`,
        `std_error`, `lower`, `upper` (difference per 1,000 patients), `dof`, `same_sign` (as the headline)
        and `conclusion` (lower, higher, or cannot tell).
    choices : dict
        Choice to its options; the first of each is the headline's.
    agreement : DataFrame
        estimand_kind (and "all"), specifications, same_sign, same_conclusion, lower, higher, cannot_tell,
        smallest, median, largest.
    influence : DataFrame
        choice, share_of_variance, largest_gap, lowest_option, highest_option; most influential first.
    options : DataFrame
        choice, option, specifications, mean, smallest, largest.
    not_fitted : DataFrame
        The choices of each specification without an estimate, and `reason`.
    reference : Reference or None
    headline : tuple of float
        Estimate, lower and upper limit that the specifications are compared with.
    conclusion : str
        The headline's.
    checks : tuple of Check
    """

    specifications: pd.DataFrame
    choices: Mapping[str, tuple[str, ...]]
    agreement: pd.DataFrame
    influence: pd.DataFrame
    options: pd.DataFrame
    not_fitted: pd.DataFrame
    reference: Reference | None
    headline: tuple[float, float, float]
    conclusion: str
    checks: tuple[Check, ...]

    def of(self, kind: str = "all") -> pd.Series[Any]:
        """Return the row of `agreement` for one kind of estimand, or for all."""
        rows = self.agreement.set_index("estimand_kind")
        if kind not in rows.index:
            raise InputError(f"No specifications are of kind {kind!r}. There are: {', '.join(rows.index)}.")
        return pd.Series(rows.loc[kind])

    def __repr__(self) -> str:
        tables = (self.agreement.to_string(index=False), self.influence.to_string(index=False))
        return "\n".join((_heading(self), *tables))

    def _repr_html_(self) -> str:
        agreement, influence = (
            table.to_html(index=False, float_format="{:.3g}".format)
            for table in (self.agreement, self.influence)
        )
        checks = checks_frame(self.checks).to_html(index=False)
        return f"<p><strong>{_heading(self)}</strong></p>{agreement}{influence}{checks}"


def fit(
    frame: pd.DataFrame,
    *,
    events: str,
    trials: str,
    unit: str,
    roles: pd.DataFrame,
    case_mix: Mapping[str, Sequence[str]],
    headline: Estimates,
    label: str,
    seed: int,
    leave_out: Mapping[str, Mapping[str, Mapping[str, Sequence[str]]]] | None = None,
    smallest: Sequence[int] = (0, 30),
    estimators: Sequence[str] = ESTIMATORS,
    hierarchical: Sequence[Mapping[str, str]] = (),
    exchanges: int = 500,
) -> SpecificationCurve:
    """Run every combination of the choices declared.

    Parameters
    ----------
    frame
        One row per unit and case-mix stratum; strata may repeat.
    events, trials, unit
        Columns: counts of patients with the outcome and with a valid answer; the unit.
    roles
        One row a unit and way to class units: the unit column, `role` (specialist, comparator, the name of a
        further class that only informs the case mix, or missing: left out), a column for each choice, and
        optionally `stratum`; see `units.classes.roles`.
    case_mix
        Name of each set of case-mix factors to its columns.
    headline, label
        Differences per 1,000 patients as the report gives them, and which of them is compared.
    seed
        Recorded seed of the exchanges and of hierarchical models.
    leave_out
        Choice, to option, to column, to the values whose rows that option leaves out:
        ``{"years": {"all": {}, "last": {"year": ["2016/17", "2017/18"]}}}``.
    smallest
        Fewest patients with which a unit counts.
    estimators
        Names from `units.class_contrast.ESTIMATORS`.
    hierarchical
        Places at which the hierarchical model is run too: choices that differ from the first option of each.
        ``{}`` is the headline's own place.
    exchanges
        Random exchanges of units' labels for the joint test; 0 for none.

    Raises
    ------
    InputError
        Naming what and where: a frame or counts that cannot be; a unit without a role, with two, or in two
        strata; roles without a specialist or a comparator; unknown columns, values, estimators or options; no
        options; more than 20,000 specifications; a headline without such a label; no specification that can
        be fitted.
    """
    chosen = tuple(dict.fromkeys(estimators)) if not isinstance(estimators, str) else (estimators,)
    grid = prepare(
        frame, events=events, trials=trials, unit=unit, roles=roles, case_mix=case_mix,
        leave_out=leave_out or {}, smallest=smallest, estimators=chosen, known_estimators=ESTIMATORS,
    )  # fmt: skip
    if not isinstance(exchanges, int | np.integer) or exchanges < 0:
        raise InputError(f"exchanges={exchanges!r}; expected a whole number of random exchanges, 0 or more.")
    base = headline.select([label]).table(LEVEL).iloc[0]
    told = (float(base["estimate"]), float(base["lower"]), float(base["upper"]))
    places = [_place(grid, asked) for asked in hierarchical]
    rows: list[dict[str, Any]] = []
    broken: list[dict[str, Any]] = []
    excess: list[tuple[FloatArray, FloatArray]] = []
    for counts in grid.counts():
        if exchanges:
            excess += excesses(counts, grid.strata, grid.smallest)
        _run(grid, counts, chosen, rows, broken)
    for place in places:
        rows += _sampled(grid, place, seed)
    if not rows:
        raise InputError(f"No specification can be fitted; the first fails because {broken[0]['reason']}.")
    table = told_by.judged(pd.DataFrame(rows), told)
    joint = reference(grid, excess, exchanges=exchanges, seed=seed) if exchanges else None
    choices = dict(grid.choices)
    if places:
        choices["estimator"] = (*choices["estimator"], HIERARCHICAL)
    varied = {choice: options for choice, options in choices.items() if len(options) > 1}
    cheap = table[table["estimator"] != HIERARCHICAL]
    influence, options = told_by.influence(
        cheap, {c: grid.choices[c] for c in varied if len(grid.choices[c]) > 1}
    )
    conclusion = told_by.conclusion(told[1], told[2])
    agreement = told_by.agreement(table, conclusion)
    return SpecificationCurve(
        specifications=table,
        choices=choices,
        agreement=agreement,
        influence=influence,
        options=options,
        not_fitted=pd.DataFrame(broken, columns=[*grid.choices, "reason"]),
        reference=joint,
        headline=told,
        conclusion=conclusion,
        checks=told_by.checks(table, len(broken), agreement),
    )


def _run(
    grid: Grid,
    counts: Counts,
    estimators: tuple[str, ...],
    rows: list[dict[str, Any]],
    broken: list[dict[str, Any]],
) -> None:
    """Fit every way to class units, on one choice of rows and case mix."""
    size = counts.trials.sum(axis=1)
    start: dict[tuple[str, ...], Any] = {}
    for role in grid.roles:
        for least in grid.smallest:
            at = {**role.options, **counts.options, "smallest_unit": size_name(least)}
            found = _contrasts(counts, role, size >= least, estimators, start)
            for name in estimators:
                value = found if isinstance(found, str) else found[name]
                if isinstance(value, str):
                    broken.append({**at, "estimator": name, "reason": value})
                else:
                    rows.append({**at, "estimator": name, "estimand_kind": KIND[name], **_row(value)})


def _contrasts(
    counts: Counts,
    role: Role,
    large: NDArray[np.bool_],
    estimators: tuple[str, ...],
    start: dict[tuple[str, ...], Any],
) -> dict[str, Contrast | str] | str:
    kept = (role.code >= 0) & large
    # A further class with no units left, or without events, informs nothing.
    code, names = role.code.copy(), list(role.names)
    for further in range(2, len(role.names)):
        inside = kept & (code == further)
        events = counts.events[inside].sum()
        if not inside.any() or events == 0 or events == counts.trials[inside].sum():
            kept &= ~inside
            names.remove(role.names[further])
    order = {role.names.index(name): at for at, name in enumerate(names)}
    tables = Tables(
        design=counts.design,
        events=counts.events[kept],
        trials=counts.trials[kept],
        role=np.array([order[c] for c in code[kept]], dtype=np.int64),
    )
    if not kept.any() or (reason := tables.problem()):
        return "no unit is large enough" if not kept.any() else reason
    # Newton starts from the last fit with the same classes: a step or two less.
    found, model = class_contrast.contrasts(tables, estimators, start=start.get(tuple(names)))
    if model.converged:
        start[tuple(names)] = model
    return found


def _row(value: Contrast) -> dict[str, float]:
    from scipy.special import stdtrit

    reach = float(stdtrit(value.dof, 0.5 + LEVEL / 2)) if np.isfinite(value.dof) else 1.959963984540054
    return {
        "estimate": 1000 * value.estimate,
        "std_error": 1000 * value.std_error,
        "lower": 1000 * (value.estimate - reach * value.std_error),
        "upper": 1000 * (value.estimate + reach * value.std_error),
        "dof": value.dof,
    }


def _place(grid: Grid, asked: Mapping[str, str]) -> dict[str, str]:
    first = {choice: options[0] for choice, options in grid.choices.items() if choice != "estimator"}
    for choice, option in asked.items():
        if choice not in first or option not in grid.choices[choice]:
            known = ", ".join(grid.choices[choice]) if choice in first else ", ".join(first)
            raise InputError(
                f"hierarchical asks for {choice!r}: {option!r}, which is not in the grid. "
                f"Expected one of: {known}."
            )
    return {**first, **asked}


def _sampled(grid: Grid, place: dict[str, str], seed: int) -> list[dict[str, Any]]:
    """Fit the hierarchical model at one place, both estimands."""
    role = next(r for r in grid.roles if all(place[c] == o for c, o in r.options.items()))
    counts = next(c for c in grid.counts() if all(place[k] == o for k, o in c.options.items()))
    least = next(least for least in grid.smallest if size_name(least) == place["smallest_unit"])
    kept = (role.code >= 0) & (counts.trials.sum(axis=1) >= least)
    rows = counts.rows & kept[grid.unit_of_row]
    names = np.array(role.names, dtype=object)
    cells = grid.frame.loc[rows].assign(
        _events=grid.events[rows], _trials=grid.trials[rows], _class=names[role.code[grid.unit_of_row[rows]]]
    )
    result = binomial.fit(
        cells, events="_events", trials="_trials", unit=grid.unit, group="_class", reference=COMPARATOR,
        case_mix=counts.columns, seed=seed,
    )  # fmt: skip
    both = {"these units": result.these_units, "units as a kind": result.as_a_kind}
    found = []
    for kind, comparison in both.items():
        row = comparison.difference.select([SPECIALIST]).table(LEVEL).iloc[0]
        values = {name: float(row[name]) for name in ("estimate", "std_error", "lower", "upper")}
        found.append({**place, "estimator": HIERARCHICAL, "estimand_kind": kind, **values, "dof": np.inf})
    return found


def _heading(result: SpecificationCurve) -> str:
    row = result.agreement.iloc[0]
    return (
        f"Specification curve: {int(row['specifications']):,} specifications, {int(row['same_sign']):,} with "
        f"the headline's sign, {int(row['same_conclusion']):,} with its conclusion ({result.conclusion})"
    )
