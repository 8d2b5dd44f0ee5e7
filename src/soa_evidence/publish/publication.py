"""One report from notebook to sealed folder: run, gather, pass the gate, record, render."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from soa_evidence.errors import BuildError, CheckFailedError
from soa_evidence.publish import bundles, disclosure, execute, fingerprint, own_data, record
from soa_evidence.publish.bundles import Bundles, Item
from soa_evidence.publish.catalogue import Report
from soa_evidence.publish.fingerprint import Fingerprint
from soa_evidence.publish.parameters import Value
from soa_evidence.publish.project import Project

__all__ = ["FeederWithheldError", "Job", "fail", "keep_apart", "publish", "rests_on_withheld"]


class FeederWithheldError(BuildError):
    """A report was not tried, because one that it comes after is withheld."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """All that is needed to publish one report; travels to a worker process."""

    project: Project
    report: Report
    fingerprint: Fingerprint
    overrides: Mapping[str, Value] = field(default_factory=dict)
    force: bool = False


def publish(job: Job) -> None:
    """Publish the report of `job`, or leave an error page and raise.

    Raises
    ------
    NotebookError
        When a cell raised or the kernel died.
    CheckFailedError
        When the gate refused the report.
    BuildError
        When the notebook showed something that is not understood.
    """
    _require_feeders(job)
    # Taken again: the sources may have changed while the report waited for its turn.
    job = replace(job, fingerprint=_fingerprint(job))
    try:
        executed = execute.run(
            job.project.notebook(job.report.notebook),
            job.project.executed(job.report.id),
            parameters=job.report.values,
            seal=job.fingerprint.execution,
            after=job.report.after,
            force=job.force,
        )
    except execute.NotebookError as error:
        fail(job, [_stopped(own_data.without_paths(error.cell_error.text, job.report.own))])
        raise
    executed = own_data.concealed(executed, job.report.own)
    found = bundles.collect(executed)
    refused = disclosure.refusals(
        disclosure.Shown(
            bundles=found,
            evidence=job.report.all_evidence,
            after=job.report.feeders,
            smallest=disclosure.smallest_counts(job.project.evidence, job.report.all_evidence),
        )
    )
    refused += _moved(job)
    if refused:
        fail(job, refused, found=found, executed=executed)
        told = (f"{r['name']}: observed {r['observed']}, expected {r['expected']}" for r in refused)
        raise CheckFailedError("; ".join(told))
    _seal(job, found, executed)


def fail(job: Job, reasons: list[Item], *, found: Bundles | None = None, executed: Any = None) -> None:
    """Leave an error page and a failed record that give `reasons`, and no number."""
    from soa_evidence.publish import page

    run = _run(job, found or Bundles(), executed=executed, failed=reasons)
    html = page.render_failure(job.report.meta, reasons, run)
    job.project.results(job.report.id).unlink(missing_ok=True)
    record.write_failed(job.project.report(job.report.id), page=html, run=run)


def _seal(job: Job, found: Bundles, executed: Any) -> None:
    from soa_evidence.publish import briefing, index, page

    run = _run(job, found, executed=executed) | {"answer": index.answer(found.headlines)}
    html = page.render(executed, report=job.report.meta, run=run, glossary_file=job.project.glossary)
    folder = job.project.report(job.report.id)
    brief = briefing.render(found, report=job.report.meta, run=run) if found.cases else None
    record.write_published(folder, page=html, run=run, bundles=found, briefing=brief)
    seal = job.project.results(job.report.id)
    seal.parent.mkdir(exist_ok=True)
    seal.write_text(fingerprint.results(folder), encoding="utf-8")
    keep_apart(job)


def keep_apart(job: Job) -> None:
    """Tell git to leave the folder of a family's member alone, unless it is a sample: part of the edition."""
    ignored = job.project.report(job.report.id) / ".gitignore"
    if job.report.family and not job.report.sample:
        ignored.write_text("*\n", encoding="utf-8")
    else:
        ignored.unlink(missing_ok=True)


def _run(job: Job, found: Bundles, *, executed: Any, failed: list[Item] | None = None) -> dict[str, Any]:
    return record.describe(
        job.report.meta,
        parameters=own_data.told(job.report.values, job.report.own),
        overrides=own_data.told(job.overrides, job.report.own),
        hashes=job.fingerprint.parts,
        bundles=found,
        failed=failed or [],
        executed=executed,
        root=job.project.root,
    )


def _fingerprint(job: Job) -> Fingerprint:
    library = fingerprint.Library.read(job.project.library)
    return fingerprint.take(job.report, project=job.project, library=library)


def _moved(job: Job) -> list[Item]:
    """Say so where what the report is made from changed while it ran: its record would not be true."""
    now = _fingerprint(job).parts
    moved = sorted(name for name, part in job.fingerprint.parts.items() if now.get(name) != part)
    if not moved:
        return []
    return [
        disclosure.reason(
            "What the report is made from stayed the same while it ran",
            observed=f"changed meanwhile: {', '.join(moved)}",
            expected="no change; build again",
            why="The run record must name exactly what was run.",
        )
    ]


def rests_on_withheld(feeders: Iterable[str]) -> Item:
    """Return the reason against a report that comes after `feeders`, which are withheld."""
    return disclosure.reason(
        "Every report that this one rests on is published",
        observed=f"withheld: {', '.join(feeders)}",
        expected="published",
        why="What is built on a withheld report cannot be trusted more than it.",
    )


def _require_feeders(job: Job) -> None:
    """Refuse a report, with a page that says so, when one it comes after is withheld or not there."""
    runs = {id: record.read(job.project.report(id) / "run.json") or {} for id in job.report.after}
    withheld = [id for id, run in runs.items() if run.get("status") != "published"]
    if withheld:
        refused = rests_on_withheld(withheld)
        fail(job, [refused])
        raise CheckFailedError(f"{refused['name']}: {refused['observed']}")


def _stopped(text: str) -> Item:
    return disclosure.reason(
        "The notebook ran to its end",
        observed=text,
        expected="no error in any cell",
        why="A report is published whole or not at all.",
    )
