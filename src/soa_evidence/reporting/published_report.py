"""What another report published, read for use in this one: its numbers, answer, tables and derived results.

A number taken from another report is never typed again: it keeps its estimand, interval, checks and evidence,
and its place in the ledger of the report it comes from, to which the page links. The catalogue must say that
this report comes ``after`` the other, so that it is built later and again when the other changes.

>>> hips = reporting.from_report("primary-hip-readmission")          # doctest: +SKIP
>>> hips.number("difference.specialist-orthopaedic")                 # doctest: +SKIP
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from soa_evidence.errors import InputError, nearest
from soa_evidence.reporting import bundle as bundles
from soa_evidence.reporting import derived_result, safe, sentences
from soa_evidence.reporting.entry import Number, Origin
from soa_evidence.reporting.numbers import Numbers
from soa_evidence.reporting.provenance import evidence_records, stacked, tally
from soa_evidence.reporting.sentences import Sentence
from soa_evidence.results import Basis, Check, Estimates

__all__ = ["ALLOWED", "PublishedReport", "ReportsShown", "from_report", "reports_used"]

#: Set by the build to the reports this one comes after; absent when a notebook is run by hand.
ALLOWED = "SOA_EVIDENCE_AFTER"


@dataclass(frozen=True, eq=False, kw_only=True)
class PublishedReport(bundles.Shown):
    """A published report, as another may use it.

    Parameters
    ----------
    id
        The report's id in the catalogue.
    folder
        Where it was published.
    run
        Its run record.
    records
        Its numbers by id, as numbers.json holds them.
    """

    id: str
    folder: Path
    run: Mapping[str, Any]
    records: Mapping[str, Mapping[str, Any]]

    @property
    def title(self) -> str:
        """The report's title."""
        return str(self.run["title"])

    @property
    def question(self) -> str:
        """The question it answers."""
        return str(self.run["question"])

    @property
    def evidence(self) -> tuple[dict[str, Any], ...]:
        """The evidence packages it used, as its record tells of them."""
        return tuple(dict(package) for package in self.run.get("evidence", ()))

    @property
    def checks(self) -> tuple[Check, ...]:
        """All its checks."""
        fields = ("name", "verdict", "observed", "expected", "why")
        return tuple(Check(**{key: check[key] for key in fields}) for check in self.run.get("checks", ()))

    @cached_property
    def numbers(self) -> Numbers:
        """Every number it published, each under ``<report>.<its id there>``."""
        return Numbers.of(*(self._number(record) for record in self.records.values()))

    def number(self, id: str) -> Number:
        """Return the number that is called `id` there; an unknown one is an error naming the nearest."""
        if id not in self.records:
            raise InputError(
                f"Report '{self.id}' publishes no number {id!r}.{nearest(id, self.records)} "
                f"It has {len(self.records)}: {_some(self.records)}."
            )
        return self._number(self.records[id])

    @property
    def turning_point(self) -> Number:
        """The number its answer turns on: the first comparison with an interval in its headline."""
        id = (self.run.get("answer") or {}).get("number")
        if id is None:
            raise InputError(f"The answer of report '{self.id}' turns on no number with an interval.")
        return self.number(str(id))

    @cached_property
    def answer(self) -> tuple[Sentence, ...]:
        """The sentences of its answer, their figures bound to the same numbers."""
        ours = {id: self._number(record) for id, record in self.records.items()}
        told = (self.run.get("answer") or {}).get("parts") or []
        return tuple(sentences.rebuilt(parts, ours) for parts in told)

    def table(self, id: str) -> pd.DataFrame:
        """Return the table that is called `id` there, as its CSV holds it.

        A cell that a spreadsheet might have run as a formula keeps the apostrophe put before it.
        """
        return pd.read_csv(self._path("tables", id, ".csv"))

    def derived(self, id: str) -> pd.DataFrame | Estimates:
        """Return the derived result that is called `id` there: a frame or `Estimates`, as it was given."""
        return derived_result.read(self._path("derived", id, ".parquet").read_bytes())

    def rows(self, id: str, **equal: str) -> tuple[Basis, ...]:
        """Tell which rows of the derived frame `id` a number is read from, and the rows behind its answer.

        Parameters
        ----------
        **equal
            By column, the value that the rows have.

        Returns
        -------
        tuple of Basis
            For ``evidence=``: the rows of this report, then those of the evidence its answer rests on.
        """
        frame = self.derived(id)
        if isinstance(frame, Estimates):
            raise InputError(f"Derived result '{id}' of report '{self.id}' is no frame; it has no rows.")
        chosen = frame
        for column, value in equal.items():
            if column not in frame.columns:
                raise InputError(
                    f"Derived result '{id}' of report '{self.id}' has no column {column!r}."
                    f"{nearest(column, frame.columns)}"
                )
            chosen = chosen[chosen[column] == value]
        here = Basis(
            holder=self.id,
            of="report",
            table=id,
            file=f"derived/{id}.parquet",
            where=" and ".join(f"{column} == {value!r}" for column, value in equal.items()),
            rows=len(chosen),
            total=len(frame),
        )
        return (here, *self.turning_point.basis)

    def widest(self, *packages: str) -> tuple[Basis, ...]:
        """Return of each evidence package the choice of most rows behind this report's numbers."""
        found = [[one for one in self._rows.values() if one.holder == name] for name in packages]
        return tuple(max(own, key=lambda one: one.rows) for own in found if own)

    def bundle(self) -> dict[str, Any]:
        """Return the MIME bundle: what it asked and answered, with a link."""
        return reports_used(self).bundle()

    @cached_property
    def _rows(self) -> dict[str, Basis]:
        return {str(record["id"]): Basis.of_record(record) for record in self.run.get("basis", ())}

    def _path(self, kind: str, id: str, suffix: str) -> Path:
        present = {path.stem: path for path in sorted((self.folder / kind).glob(f"*{suffix}"))}
        if id not in present:
            noun = "table" if kind == "tables" else "derived result"
            raise InputError(
                f"Report '{self.id}' has no {noun} {id!r}.{nearest(id, present)} It has: {_some(present)}."
            )
        return present[id]

    def _number(self, record: Mapping[str, Any]) -> Number:
        told = {check.name: check for check in self.checks}
        checks = (
            told.get(check["name"])
            or Check(observed="", expected="", why=f"See report '{self.id}'.", **check)
            for check in record.get("checks") or ()
        )
        kept = ("estimand", "label", "estimate", "lower", "upper", "level", "interval", "unit", "population",
                "method", "decimals", "estimand_kind")  # fmt: skip
        # what was itself taken from a third report stays bound to where it was first published
        first = record.get("origin") or {"report": self.id, "number": str(record["id"])}
        return Number(
            id=f"{first['report']}.{first['number']}",
            evidence=tuple(record["evidence"]),
            checks=tuple(checks),
            basis=tuple(self._rows[id] for id in record.get("basis") or ()),
            origin=Origin(**first),
            **{key: record.get(key) for key in kept},  # type: ignore[arg-type]
        )


def from_report(id: str, *, folder: str | Path | None = None) -> PublishedReport:
    """Open what report `id` published, to use it in this one.

    Parameters
    ----------
    id
        The report's id in the catalogue; this report's entry must name it under ``after``.
    folder
        The folder of the reports; without it, ``reports`` of the project the notebook lies in.

    Raises
    ------
    InputError
        When the report is not among those this one comes after, is not there, or is withheld.
    """
    allowed = os.environ.get(ALLOWED)
    if allowed is not None and id not in allowed.split(","):
        raise InputError(
            f"This report reads report '{id}' but does not come after it.{nearest(id, allowed.split(','))} "
            f"Add it to the entry in catalogue.yml: after: [{', '.join(filter(None, [allowed, id]))}]."
        )
    reports = Path(folder) if folder is not None else _reports()
    place = reports / id
    try:
        run = json.loads((place / "run.json").read_text(encoding="utf-8"))
        records = json.loads((place / "numbers.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        known = [path.parent.name for path in reports.glob("*/run.json")]
        raise InputError(
            f"Report '{id}' has not been built.{nearest(id, known)} Run `soa-evidence build {id}` first."
        ) from None
    if run.get("status") != "published":
        failed = "; ".join(str(reason.get("name", "")) for reason in run.get("failed", ()))
        raise InputError(f"Report '{id}' is withheld, so nothing may rest on it. Not passed: {failed}.")
    return PublishedReport(id=id, folder=place, run=run, records={row["id"]: row for row in records})


@dataclass(frozen=True, eq=False, kw_only=True)
class ReportsShown(bundles.Shown):
    """The reports another rests on, and the evidence behind them."""

    reports: tuple[PublishedReport, ...]

    def bundle(self) -> dict[str, Any]:
        """Return the MIME bundle: text, HTML, and the part the publisher collects."""
        rows = "".join(_row(report) for report in self.reports)
        heads = ("Report", "What it found", "Evidence", "Checks")
        table = stacked("feeders", "Reports this one rests on", heads, rows)
        evidence = evidence_records(
            {package["name"]: package for report in self.reports for package in report.evidence}.values()
        )
        mine = {
            "kind": "reports",
            "reports": [
                {"id": r.id, "title": r.title, "question": r.question, "href": f"../{r.id}/index.html"}
                for r in self.reports
            ],
        }
        return bundles.bundle(
            text="\n".join(f"{r.id}: {r.title}\n{evidence['text/plain']}" for r in self.reports),
            html=bundles.region(table, "Reports this one rests on") + evidence["text/html"],
            payload=[mine, evidence[bundles.MIME]],
        )


def reports_used(*reports: PublishedReport) -> ReportsShown:
    """Show the reports that this one rests on, and credit the evidence behind them."""
    if not reports:
        raise InputError("reports_used() was given no report; give what from_report(...) returned.")
    return ReportsShown(reports=reports)


def _row(report: PublishedReport) -> str:
    found = str((report.run.get("answer") or {}).get("sentence") or "")
    evidence = ", ".join(f"<code>{safe.escape(package['name'])}</code>" for package in report.evidence)
    return (
        f'<tr role="row"><th scope="row" role="rowheader"><a href="../{report.id}/index.html">'
        f"{safe.escape(report.title)}</a></th>"
        f'<td role="cell" data-head="What it found">{safe.escape(found)}</td>'
        f'<td role="cell" data-head="Evidence">{evidence}</td>'
        f'<td role="cell" data-head="Checks">{safe.escape(tally(report.run.get("checks", ())))}</td></tr>'
    )


def _reports() -> Path:
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "analyses" / "catalogue.yml").is_file():
            return folder / "reports"
    raise InputError(
        f"No project in {here} or above it, so its reports cannot be found. Run the notebook from its "
        "project's folder analyses/, or give folder=."
    )


def _some(names: Iterable[str]) -> str:
    listed = list(names)
    return ", ".join(listed[:8]) + (", …" if len(listed) > 8 else "") if listed else "none"
