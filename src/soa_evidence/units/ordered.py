"""Ordered answers as binomial cells: an exact rewriting, so that one engine serves both.

With thresholds c_1 < ... < c_{L-1} and F the logistic function, an answer at level k has probability F(c_k
- eta) - F(c_{k-1} - eta). Write every such difference over its common denominator and sum logs: with n_k
answers at level k in a cell, the log likelihood is

    sum over thresholds k of [ n_{k+1} (eta - c_k) - (n_k + n_{k+1}) log(1 + exp(eta - c_k)) ]
        + sum over inner levels k of n_k log(1 - exp(-(c_k - c_{k-1}))).

The first sum is that of binomial cells, one a threshold, with n_{k+1} events of n_k + n_{k+1} trials
(answers just above it, of those next to it) and a term of its own, -c_k. The second depends on thresholds
alone. One threshold, the cut, is put at 0: a unit's level is then its log odds of an answer above it.

Source: McCullagh (1980), JRSS B 42:109, for the model; the rewriting is checked against its plain form in
tests/unit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soa_evidence.errors import InputError, nearest
from soa_evidence.priors import OrdinalPriors
from soa_evidence.units.cells import Cells, prepare, require_columns, require_counts
from soa_evidence.units.direct_classes import NOWHERE, TermDensity, normal_terms

__all__ = ["Ordered", "density_of", "prepare_ordered"]

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False, kw_only=True)
class Ordered:
    """Answers by unit and case-mix pattern, in two forms.

    Attributes
    ----------
    cells : Cells
        Patients, and how many answered at or above the cut.
    answers : array of shape (C, L)
        Of each cell, answers at each level, worst first.
    levels : tuple of str
        The L levels, worst first.
    cut : int
        Position of the lowest level that counts as an event.
    stacked : Cells
        Binomial cells, one a threshold, with a term for every threshold but the cut's.
    """

    cells: Cells
    answers: FloatArray
    levels: tuple[str, ...]
    cut: int
    stacked: Cells

    @property
    def free(self) -> tuple[int, ...]:
        """Positions of the thresholds that are terms; threshold k lies below level k + 1."""
        return tuple(k for k in range(len(self.levels) - 1) if k != self.cut - 1)

    def thresholds(self, terms: FloatArray) -> FloatArray:
        """All thresholds, the cut's at 0, from terms (S, K): shape (S, L - 1)."""
        made = np.zeros((len(terms), len(self.levels) - 1))
        made[:, list(self.free)] = terms[:, len(self.cells.terms) :]
        return made

    def start(self) -> FloatArray:
        """Terms to climb from: no case mix, thresholds where all answers together put them."""
        total = self.answers.sum(axis=0) + 0.5
        above = np.cumsum(total[::-1])[::-1][1:] / total.sum()
        at = -np.log(above / (1 - above))
        return np.concatenate([np.zeros(len(self.cells.terms)), (at - at[self.cut - 1])[list(self.free)]])


def prepare_ordered(
    frame: pd.DataFrame, *, levels: Sequence[str], cut: str, unit: str, group: str, case_mix: Sequence[str]
) -> Ordered:
    """Check a frame of answers by level and return it as `Ordered`.

    Parameters
    ----------
    levels
        Columns of counts, worst answer first.
    cut
        The lowest level that counts as good.

    Raises
    ------
    InputError
        As `cells.prepare`; and on fewer than three levels, an unknown cut, or a level nobody chose.
    """
    levels = list(levels)
    if len(levels) < 3:
        raise InputError(
            f"{len(levels)} levels: expected at least three ordered answers; for two use units.binomial."
        )
    if cut not in levels[1:]:
        raise InputError(
            f"cut={cut!r}: expected one of the levels above the lowest: {', '.join(levels[1:])}."
            f"{nearest(cut, levels[1:])}"
        )
    case_mix = [case_mix] if isinstance(case_mix, str) else list(case_mix)
    require_columns(frame, [*levels, unit, group, *case_mix])
    for level in levels:
        require_counts(frame, level)
    counts = frame[levels].to_numpy(float)
    if len(frame) and not counts.sum():
        raise InputError(f"All of {', '.join(levels)} are 0 in every row: there are no answers to compare.")
    empty = [level for level, total in zip(levels, counts.sum(axis=0), strict=True) if total == 0]
    if empty and len(frame):
        raise InputError(
            f"Nobody answered '{empty[0]}', so its thresholds cannot be told apart; join it with a neighbour."
        )
    at = levels.index(cut)
    names = dict.fromkeys([unit, group, *case_mix])
    plain = frame[list(names)].reset_index(drop=True)
    plain = plain.assign(**{"answers ": counts.sum(axis=1), "at or above ": counts[:, at:].sum(axis=1)})
    cells = prepare(
        plain, events="at or above ", trials="answers ", unit=unit, group=group, case_mix=case_mix
    )
    keys = plain[list(names)].astype(str)
    kept = counts.sum(axis=1) > 0
    by_level = pd.DataFrame(counts[kept]).groupby(
        [keys.loc[kept, key].to_numpy() for key in [unit, group, *case_mix]]
    )
    answers = by_level.sum().to_numpy(float)
    return Ordered(
        cells=cells,
        answers=answers,
        levels=tuple(levels),
        cut=at,
        stacked=_stacked(cells, answers, levels, at),
    )


def _stacked(cells: Cells, answers: FloatArray, levels: list[str], cut: int) -> Cells:
    thresholds = len(levels) - 1
    free = [k for k in range(thresholds) if k != cut - 1]
    which = np.tile(np.arange(thresholds), len(cells.unit))
    trials = (answers[:, :-1] + answers[:, 1:]).ravel()
    keep = trials > 0
    own = -(np.arange(thresholds)[:, None] == np.array(free)[None, :]).astype(float)
    design = np.hstack([np.repeat(cells.design, thresholds, axis=0), np.tile(own, (len(cells.design), 1))])
    return replace(
        cells,
        unit=np.repeat(cells.unit, thresholds)[keep],
        pattern=(np.repeat(cells.pattern, thresholds) * thresholds + which)[keep],
        events=answers[:, 1:].ravel()[keep],
        trials=trials[keep],
        design=design,
        terms=(*cells.terms, *(f"threshold: below {levels[k + 1]}" for k in free)),
        reference_weights=np.repeat(cells.reference_weights, thresholds) / thresholds,
    )


def density_of(ordered: Ordered, priors: OrdinalPriors) -> TermDensity:
    """Priors of case mix and thresholds, and the part of the likelihood that is the thresholds' alone."""
    case_mix, free, count = len(ordered.cells.terms), list(ordered.free), len(ordered.levels) - 1
    inner = ordered.answers.sum(axis=0)[1:-1]
    shared, gap = normal_terms(priors.case_mix, case_mix), priors.log_gap
    # gaps between neighbouring thresholds, as a matrix on the free ones (the cut's is 0)
    step = (np.eye(count)[1:] - np.eye(count)[:-1])[:, free]

    def value(terms: FloatArray) -> FloatArray:
        gaps = terms[:, case_mix:] @ step.T
        inside = (gaps > 0).all(axis=1)
        safe = np.where(gaps > 0, gaps, 1.0)
        log = np.log(safe)
        found = (-0.5 * ((log - gap.mean) / gap.sd) ** 2 - log + inner * np.log(-np.expm1(-safe))).sum(axis=1)
        return np.asarray(np.where(inside, found + shared.value(terms[:, :case_mix]), 2 * NOWHERE))

    def slope(terms: FloatArray) -> tuple[FloatArray, FloatArray]:
        gaps = np.maximum(step @ terms[case_mix:], 1e-8)
        away, ratio = (np.log(gaps) - gap.mean) / gap.sd**2, 1 / np.expm1(gaps)
        first = -away / gaps - 1 / gaps + inner * ratio
        second = (away + 1 - gap.sd**-2) / gaps**2 - inner * ratio * (1 + ratio)
        gradient, curvature = shared.slope(terms[:case_mix])
        whole = np.zeros((len(terms), len(terms)))
        whole[:case_mix, :case_mix] = curvature
        whole[case_mix:, case_mix:] = step.T @ (second[:, None] * step)
        return np.concatenate([gradient, step.T @ first]), whole

    return TermDensity(value=value, slope=slope)
