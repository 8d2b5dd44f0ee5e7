"""Single published results that could not be pooled, as the reports on published studies read them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from soa_evidence.errors import InputError, nearest
from soa_evidence.reporting.published_report import PublishedReport
from soa_evidence.results import Basis

__all__ = ["SINGLE", "SingleResults", "single_results"]

#: How a single published result may be read, the most inconvenient first.
SINGLE = ("against", "neither", "for")
#: The packages the register of published results is made of.
REGISTER = ("published-results", "published-studies")


def _none() -> pd.DataFrame:
    return pd.DataFrame(columns=["label", "outcome", "compared", "printed", "reading", "caution"])


@dataclass(frozen=True, eq=False, kw_only=True)
class SingleResults:
    """Results of single studies, and the rows they were read from.

    Attributes
    ----------
    frame : DataFrame
        label, outcome, compared, printed, reading (against, neither, for), caution.
    basis : tuple of Basis
        The rows of the reports, and of the register, that they were read from.
    """

    frame: pd.DataFrame = field(default_factory=_none)
    basis: tuple[Basis, ...] = ()


def single_results(reports: Iterable[PublishedReport], *, outcomes: Iterable[str]) -> SingleResults:
    """Return the single published results on some outcomes, those against first, as the reports read them.

    Parameters
    ----------
    reports
        Reports on published studies, which have a table ``rows``.
    outcomes
        The outcomes as that table calls them; an unknown one is an error naming the nearest.

    Returns
    -------
    SingleResults
    """
    read = list(reports)
    tables = [one.table("rows") for one in read]
    rows = pd.concat(tables, ignore_index=True)
    known = sorted(rows["outcome"].dropna().astype(str).unique())
    wanted = list(outcomes)
    odd = next((one for one in wanted if one not in known), None)
    if odd is not None:
        raise InputError(
            f"No published result is on {odd!r}.{nearest(odd, known)} Known: {', '.join(known)}."
        )
    used = rows[rows["outcome"].isin(wanted) & rows["reading"].isin(SINGLE)]
    place = used["reading"].map(SINGLE.index)
    used = used.assign(_place=place).sort_values(["_place", "outcome", "label"], kind="stable")
    printed = [_as_printed(row) for row in used.to_dict("records")]
    shown = used.assign(printed=printed)[["label", "outcome", "compared", "printed", "reading", "caution"]]
    basis = [
        one
        for report, table in zip(read, tables, strict=True)
        for one in (
            _rows_read(report, table, set(used["result_id"])),
            *report.widest(*REGISTER),
        )
    ]
    return SingleResults(frame=shown.fillna({"caution": ""}).reset_index(drop=True), basis=tuple(basis))


def _rows_read(report: PublishedReport, table: pd.DataFrame, wanted: set[str]) -> Basis:
    own = [id for id in table["result_id"] if id in wanted]
    return Basis(
        holder=report.id,
        of="report",
        table="rows",
        file="tables/rows.csv",
        where=f"result_id in {own!r}",
        rows=len(own),
        total=len(table),
    )


def _as_printed(row: Mapping[Any, Any]) -> str:
    measure, value = str(row["measure_printed"]), row["estimate_printed"]
    if pd.isna(value):
        return measure
    limits = "" if pd.isna(row["lower_printed"]) else f" ({row['lower_printed']} to {row['upper_printed']})"
    return f"{measure}: {value}{limits}"
