"""A registry extract that may be analysed: its rows checked, its provenance and its checks beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soa_evidence.errors import InputError, nearest
from soa_evidence.evidence.registry import analysis
from soa_evidence.evidence.registry.contract import BY_NAME
from soa_evidence.evidence.registry.rows import Rows, code_of
from soa_evidence.results import Basis, Check, checks_frame

if TYPE_CHECKING:
    from soa_evidence.evidence.syn_registry.estimands import Truth

__all__ = ["Registry"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Registry:
    """A joint registry extract, synthetic or a researcher's own; an evidence package to reporting.

    Attributes
    ----------
    name, title, kind, licence, sources, hash, smallest_count, caveats
        As of an evidence package; the kind is ``"synthetic"`` or ``"own data"``, and the hash of own data is
        that of the file.
    rows : int
        Rows of the extract, those left out included.
    excluded : Mapping of str to int
        Rows left out, by the rule they broke; a row may break several.
    extract_day : str
        The day after which nothing can have happened.
    checks : tuple of Check
    truth : Truth or None
        What is true of a synthetic registry; None of own data.
    """

    name: str
    title: str
    kind: str
    licence: str
    sources: tuple[Mapping[str, Any], ...]
    hash: str
    smallest_count: int
    caveats: tuple[str, ...]
    rows: int
    excluded: Mapping[str, int]
    extract_day: str
    checks: tuple[Check, ...]
    truth: Truth | None
    kept: Rows = field(repr=False)
    row_numbers: NDArray[np.int64] = field(repr=False)

    @property
    def synthetic(self) -> bool:
        """Whether a program made the data; figures are told by ``synthetic=registry.synthetic``."""
        return self.kind == "synthetic"

    def select(self, joint: str | None = None, *, procedure: str | None = None) -> Basis:
        """Tell which rows `frame` returns for the same choice, to be given as ``evidence=`` of a number."""
        asked = {"joint": joint, "procedure": procedure}
        return Basis(
            holder=self.name,
            table="extract",
            file="",
            where=" and ".join(f"{column} == {value!r}" for column, value in asked.items() if value),
            rows=len(self.frame(joint, procedure=procedure, columns=["joint"])),
            total=self.rows,
        )

    @property
    def causes(self) -> Mapping[int, str]:
        """Meaning of the column `cause`, for ``causes=`` of the survival methods."""
        return analysis.CAUSES

    @property
    def reason_causes(self) -> Mapping[int, str]:
        """Meaning of the column `reason_cause`."""
        return analysis.REASON_CAUSES

    @property
    def columns(self) -> pd.DataFrame:
        """The columns of `frame`: name, unit, meaning."""
        rows = [(name, unit, meaning) for name, (unit, meaning) in analysis.FRAME_COLUMNS.items()]
        return pd.DataFrame(rows, columns=["column", "unit", "meaning"])

    def frame(
        self,
        joint: str | None = None,
        *,
        procedure: str | None = None,
        columns: Sequence[str] | None = None,
    ) -> pd.DataFrame:
        """Return the primaries ready for analysis, one row each, in the extract's order.

        Parameters
        ----------
        joint, procedure
            Keep only this joint (``"hip"``, ``"knee"``, …) or procedure (``"total"``, …).
        columns
            Which columns to make, all by default; `columns` lists them with their meaning.

        Returns
        -------
        DataFrame
            Codes as categories, an empty one as 'not recorded'; times in years, none of them 0.

        Raises
        ------
        InputError
            On an unknown joint, procedure or column, or when no row is left.
        """
        wanted = tuple(analysis.FRAME_COLUMNS) if columns is None else tuple(columns)
        for name in wanted:
            if name not in analysis.FRAME_COLUMNS:
                raise InputError(
                    f"A registry's frame has no column '{name}'.{nearest(name, analysis.FRAME_COLUMNS)} "
                    f"It has: {', '.join(analysis.FRAME_COLUMNS)}."
                )
        chosen = np.ones(len(self.kept), bool)
        for column, value in (("joint", joint), ("procedure", procedure)):
            if value is not None:
                if value not in BY_NAME[column].codes:
                    raise InputError(
                        f"{column} is {value!r}.{nearest(value, BY_NAME[column].codes)} Expected one of: "
                        f"{', '.join(BY_NAME[column].codes)}."
                    )
                chosen &= getattr(self.kept, column) == code_of(column, value)
        if not chosen.any():
            asked = " ".join(value for value in (procedure, joint) if value)
            raise InputError(f"The extract '{self.name}' has no {asked} replacement that may be analysed.")
        made = analysis.frame(self.kept.take(chosen), numbers=self.row_numbers[chosen], columns=wanted)
        for name in made.columns:
            if isinstance(made[name].dtype, pd.CategoricalDtype):
                made[name] = made[name].cat.remove_unused_categories()
        return made

    def times_shown(
        self, frame: pd.DataFrame, times: Sequence[float], *, by: str | None = None, time: str = "time_years"
    ) -> list[float]:
        """Return those of `times` at which no group has so few at risk that the number may not be shown.

        Parameters
        ----------
        frame
            Rows as `frame` gives them.
        times
            Years; a row is at risk at those up to its own `time`.
        by
            Column of the groups; all rows together without it.
        """
        groups = [frame[time]] if by is None else [part[time] for _, part in frame.groupby(by, observed=True)]
        counts = [[int((values >= at).sum()) for values in groups] for at in times]
        small = [any(0 < count < self.smallest_count for count in row) for row in counts]
        return [float(at) for at, hidden in zip(times, small, strict=True) if not hidden]

    def procedures(self) -> pd.DataFrame:
        """Count what may be analysed.

        Returns
        -------
        DataFrame
            joint, procedure, unit_class, primaries, revisions, deaths (without revision before), years;
            missing where a count of people is too small to be shown.
        """
        made = self.frame(columns=["joint", "procedure", "unit_class", "cause", "time_years"])
        made = made.assign(revisions=made["cause"] == 1, deaths=made["cause"] == 2)
        grouped = made.groupby(["joint", "procedure", "unit_class"], observed=True)
        table = grouped.agg(
            primaries=("cause", "size"),
            revisions=("revisions", "sum"),
            deaths=("deaths", "sum"),
            years=("time_years", "sum"),
        ).reset_index()
        counts = table[["primaries", "revisions", "deaths"]]
        small = (counts > 0) & (counts < self.smallest_count)
        if small.to_numpy().any():
            table[counts.columns] = counts.mask(small)
            table.loc[small["primaries"], ["revisions", "deaths", "years"]] = np.nan
        return table

    def __repr__(self) -> str:
        left_out = self.rows - len(self.kept)
        told = f", {left_out:,} left out" if left_out else ""
        return f"{self.title} [{self.name}, {self.kind}]: {self.rows:,} primaries{told}"

    def _repr_html_(self) -> str:
        import html

        return f"<p><strong>{html.escape(repr(self))}</strong></p>" + checks_frame(self.checks).to_html(
            index=False
        )


NOTHING_EXCLUDED: Mapping[str, int] = MappingProxyType({})
