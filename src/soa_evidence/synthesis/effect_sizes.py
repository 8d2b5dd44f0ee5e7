"""Effect sizes: what studies report, turned into estimates and standard errors on one scale.

Formulas are in `effect_counts`, `effect_means` and `effect_published`. Arms: 1 is the one asked about, 2 the
comparison, so that above 0 always means more events, or a higher mean, in arm 1.

Zero cells (OR, RR, RD, CLOGLOG, IRR, IRD, PR, PLO): by default 0.5 is added to every cell of a study that has
a zero cell, and of no other (``zero_cells="only_zero"``); ``"all_if_any"`` adds to every study as soon as one
has a zero; ``"all"`` adds always; ``"none"`` refuses where a zero leaves no estimate. Studies without events
(or without anything but events) in both arms say nothing about a ratio: they are left out of OR, RR, CLOGLOG,
IRR and PETO and listed in `excluded`, unless ``both_zero="keep"``.

When not to use it: RD and MD across studies with very different baseline risk or follow-up; SMD where one
scale is shared; a correction for zeros where zeros are common (`mantel_haenszel`, exact likelihoods).

Checked against: metafor's escalc (tests/reference/synthesis).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soa_evidence.errors import InputError, nearest
from soa_evidence.results import Check, Estimates
from soa_evidence.synthesis import effect_counts, effect_means, effect_published
from soa_evidence.synthesis.measures import MEANS, MEASURES, Measure
from soa_evidence.synthesis.studies import FloatArray, require_choice, require_columns, require_level

__all__ = ["MEASURES", "EffectSizes", "Measure", "fit", "read_counts"]

METHOD = "synthesis.effect_sizes"
ZERO_CELLS = ("only_zero", "all_if_any", "all", "none")


@dataclass(frozen=True, eq=False, kw_only=True)
class EffectSizes:
    """Effect sizes of the studies.

    Attributes
    ----------
    table : DataFrame
        label, estimate, std_error, measure, provenance: ready for `pairwise.fit`.
    estimates : Estimates
        The same as a carrier; studies independent.
    excluded : DataFrame
        label, reason.
    measure : Measure
    checks : tuple of Check
    """

    table: pd.DataFrame
    estimates: Estimates
    excluded: pd.DataFrame
    measure: Measure
    checks: tuple[Check, ...]


def fit(
    frame: pd.DataFrame,
    *,
    measure: str,
    label: str = "label",
    zero_cells: str = "only_zero",
    add: float = 0.5,
    both_zero: Literal["exclude", "keep"] = "exclude",
    level: float = 0.95,
    **columns: str,
) -> EffectSizes:
    """Compute one effect size a row.

    Parameters
    ----------
    measure
        One of `MEASURES`.
    columns
        Which column of the frame plays which part, where it is not of that name already, e.g.
        ``events_1="revisions"``. RATIO and DIFFERENCE take ``effect`` with ``lower`` and ``upper`` (and
        ``level``, 0 to 1, by study), or with ``p_value``; RATIO also ``o_minus_e`` with ``variance``;
        ``reverse`` (0 or 1) marks studies whose direction is turned round.
    level
        Level of the published intervals where no column gives it.

    Raises
    ------
    InputError
        On an unknown measure or part, a missing column or label, a repeated label, impossible counts or
        standard deviations, a zero cell that leaves no estimate, or a study without precision.
    """
    require_choice(measure, tuple(MEASURES), "measure")
    require_choice(zero_cells, ZERO_CELLS, "zero_cells")
    require_choice(both_zero, ("exclude", "keep"), "both_zero")
    require_level(level)
    if not (np.isfinite(add) and add > 0):
        raise InputError(f"add is {add:g}; what is added to zero cells is above 0, usually 0.5.")
    kind = MEASURES[measure]
    labels, data = _read(frame, label, measure, kind, columns)
    if not kind.needs:
        converted = effect_published.convert(data, labels, ratio=measure == "RATIO", level=level)
        checks = (_reported(len(labels)), _centred(converted.lopsided))
        keep = np.ones(len(labels), dtype=bool)
        return _result(
            measure, labels, converted.estimate, converted.variance, converted.provenance, keep, checks
        )
    if kind.needs == MEANS:
        effects = effect_means.EFFECTS[measure](data)
        said = ["from means and standard deviations"] * len(labels)
        return _result(
            measure, labels, *effects, said, np.ones(len(labels), dtype=bool), (_reported(len(labels)),)
        )
    return _from_counts(measure, kind, labels, data, zero_cells, add, both_zero)


def read_counts(
    frame: pd.DataFrame, *, label: str, measure: str, columns: Mapping[str, str]
) -> tuple[list[str], dict[str, FloatArray]]:
    """Return labels and checked counts of every study, by part, for a measure made from counts."""
    labels, data = _read(frame, label, measure, MEASURES[measure], columns)
    _require_events_within(data, labels)
    return labels, data


def _read(
    frame: pd.DataFrame, label: str, measure: str, kind: Measure, columns: Mapping[str, str]
) -> tuple[list[str], dict[str, FloatArray]]:
    parts = kind.needs or ("effect", *effect_published.OPTIONAL)
    for part in columns:
        if part not in parts:
            raise InputError(
                f"Measure '{measure}' has no part {part!r}.{nearest(part, parts)} "
                f"Its parts: {', '.join(parts)}."
            )
    used = {part: columns.get(part, part) for part in parts}
    if not kind.needs:
        used = {part: name for part, name in used.items() if part in columns or name in frame.columns}
    require_columns(frame, [label, *used.values()])
    if frame.empty:
        raise InputError("The frame of studies is empty; expected at least one row.")
    if frame[label].isna().any():
        raise InputError(f"Column '{label}', row {int(np.argmax(frame[label].isna()))}: missing label.")
    labels = [str(name) for name in frame[label]]
    repeated = sorted({name for name in labels if labels.count(name) > 1})
    if repeated:
        raise InputError(f"Column '{label}' holds {repeated[0]!r} more than once; one row a study.")
    return labels, {
        part: _column(frame, name, part, labels, optional=not kind.needs) for part, name in used.items()
    }


def _column(frame: pd.DataFrame, name: str, part: str, labels: list[str], *, optional: bool) -> FloatArray:
    if not pd.api.types.is_numeric_dtype(frame[name]) and not frame[name].isna().all():
        raise InputError(f"Column '{name}' holds {frame[name].dtype} values; expected numbers.")
    values = frame[name].to_numpy(dtype=float, na_value=np.nan)
    count = part in ("events", "events_1", "events_2", "n", "n_1", "n_2")
    rules = [
        (np.isinf(values) | (np.isnan(values) & (not optional)), "expected a finite number"),
        (count & (values < 0), "a count cannot be negative"),
        (count & (values != np.round(values)) & ~np.isnan(values), "a count must be a whole number"),
        (part.startswith("n") & (values == 0), "an arm without patients has no effect"),
        (part.startswith("time") & (values <= 0), "time at risk is above 0"),
        (part.startswith("sd") & (values <= 0), "a standard deviation is above 0"),
    ]
    for broken, rule in rules:
        if np.any(broken):
            at = int(np.argmax(broken))
            raise InputError(f"Column '{name}', row {at} ({labels[at]}): {values[at]:g}; {rule}.")
    return values


def _from_counts(
    measure: str,
    kind: Measure,
    labels: list[str],
    data: dict[str, FloatArray],
    zero_cells: str,
    add: float,
    both_zero: str,
) -> EffectSizes:
    _require_events_within(data, labels)
    silent = _silent(data) & kind.drops_both_zero
    keep = ~silent if both_zero == "exclude" else np.ones(len(labels), dtype=bool)
    zero = effect_counts.zero_cells(data)
    touched = np.zeros(len(labels), dtype=bool)
    if kind.corrects_zeros:
        rules = {"only_zero": zero, "all_if_any": zero.any() | zero, "all": zero | True, "none": zero & False}
        touched = np.asarray(rules[zero_cells])
    with np.errstate(divide="ignore", invalid="ignore"):
        estimate, variance = effect_counts.EFFECTS[measure](effect_counts.corrected(data, touched, add))
    broken = keep & ~(np.isfinite(estimate) & np.isfinite(variance) & (variance > 0))
    if broken.any():
        name = labels[int(np.argmax(broken))]
        raise InputError(
            f"Study '{name}': a zero cell leaves no {kind.estimand} with a standard error. Choose zero_cells "
            "'only_zero', leave studies without events out (both_zero='exclude'), or use mantel_haenszel."
        )
    said = ["from counts" + (f", {add:g} added to every cell" if t else "") for t in touched]
    checks = (_reported(len(labels)), _zeros(int(touched.sum()), int((~keep).sum()), len(labels)))
    return _result(measure, labels, estimate, variance, said, keep, checks)


def _silent(data: dict[str, FloatArray]) -> NDArray[np.bool_]:
    """Studies with no event in either arm, or with nothing but events in both."""
    none = (data.get("events_1", np.ones(1)) == 0) & (data.get("events_2", np.ones(1)) == 0)
    if "n_1" not in data:
        return np.asarray(none)
    every = (data["events_1"] == data["n_1"]) & (data["events_2"] == data["n_2"])
    return np.asarray(none | every)


def _require_events_within(data: dict[str, FloatArray], labels: list[str]) -> None:
    for events, n in (("events", "n"), ("events_1", "n_1"), ("events_2", "n_2")):
        if events in data and n in data and (data[events] > data[n]).any():
            at = int(np.argmax(data[events] > data[n]))
            raise InputError(
                f"Study '{labels[at]}': {data[events][at]:g} events ({events}) out of {data[n][at]:g} ({n}); "
                "events cannot exceed patients. Are the two columns exchanged?"
            )


def _result(
    measure: str,
    labels: list[str],
    estimate: FloatArray,
    variance: FloatArray,
    provenance: list[str],
    keep: NDArray[np.bool_],
    checks: tuple[Check, ...],
) -> EffectSizes:
    if not keep.any():
        raise InputError(
            f"No study is left for measure '{measure}': in every study both arms have none or only events."
        )
    kind, kept = MEASURES[measure], np.flatnonzero(keep)
    table = pd.DataFrame(
        {
            "label": [labels[i] for i in kept],
            "estimate": estimate[kept],
            "std_error": np.sqrt(variance[kept]),
            "measure": measure,
            "provenance": [provenance[i] for i in kept],
        }
    )
    reason = "no events, or nothing but events, in both arms: says nothing about a ratio"
    return EffectSizes(
        table=table,
        estimates=Estimates(
            estimand=kind.estimand,
            labels=tuple(table["label"]),
            unit=kind.unit,
            method=METHOD,
            mean=table["estimate"].to_numpy(),
            covariance=np.diag(variance[kept]),
            interval="confidence",
            checks=checks,
        ),
        excluded=pd.DataFrame(
            {"label": [labels[i] for i in np.flatnonzero(~keep)], "reason": reason},
            columns=["label", "reason"],
        ),
        measure=kind,
        checks=checks,
    )


def _reported(size: int) -> Check:
    return Check(
        name="studies turned into effect sizes",
        verdict="pass",
        observed=str(size),
        expected="every row",
        why="a study lost on the way would not be seen in the pooled result",
    )


def _zeros(touched: int, excluded: int, size: int) -> Check:
    return Check(
        name="zero cells",
        verdict="warn" if touched or excluded else "pass",
        observed=f"corrected in {touched}, left out {excluded}, of {size} studies",
        expected="none",
        why="where events are rare the result depends on how zeros are treated; compare a method without",
    )


def _centred(lopsided: list[str]) -> Check:
    return Check(
        name="published estimates in the middle of their intervals",
        verdict="warn" if lopsided else "pass",
        observed=f"off in {', '.join(lopsided[:5])}" if lopsided else "all",
        expected=f"within {effect_published.OFF_CENTRE:.0%} of the half-width",
        why="a lopsided interval is a misprint or of another kind, and gives a wrong standard error",
    )
