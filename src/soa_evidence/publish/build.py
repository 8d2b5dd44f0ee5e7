"""Build reports: plan, refuse what is wrong before anything runs, run what is stale, tell how it went."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from soa_evidence.errors import BuildError, CatalogueError, CheckFailedError
from soa_evidence.publish import (
    catalogue,
    disclosure,
    fingerprint,
    lock,
    own_data,
    parameters,
    publication,
    record,
)
from soa_evidence.publish.catalogue import Report
from soa_evidence.publish.execute import NotebookError
from soa_evidence.publish.notebook import Notebook
from soa_evidence.publish.project import Project
from soa_evidence.publish.publication import Job

__all__ = ["Outcome", "build", "plan", "write_index"]

Say = Callable[[str], None]
#: The pages about all reports.
FRONT = ("index.html", "claims.html", "changes.html")


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of one report: built, up to date or failed, with the reason and the seconds it took."""

    report: str
    status: str
    seconds: float = 0.0
    reason: str = ""


def plan(
    project: Project,
    ids: Iterable[str] = (),
    *,
    families: Iterable[str] = (),
    settings: Iterable[str] = (),
    force: bool = False,
) -> list[Job]:
    """Return the jobs for the reports named (all when none is), after those of the reports they rest on.

    Parameters
    ----------
    ids, families
        Reports, and families all of whose members, are built; with neither, the edition.
    settings
        ``name=value`` texts applied to the reports chosen, not to what they rest on.
    force
        Build the reports chosen even when they are up to date.

    Raises
    ------
    CatalogueError
        On a fault in the catalogue, an unknown report or family, or an unknown or ill-typed parameter.
    """
    listed = catalogue.load(project)
    chosen = {report.id for report in listed.select(list(ids), families=list(families))}
    settings = list(settings)
    library = fingerprint.Library.read(project.library)
    jobs = []
    known: dict[Path, str] = {}
    for report in listed.with_feeders(chosen):
        mine = settings if report.id in chosen else []
        changed = parameters.overrides(report.known, mine, where=f"report '{report.id}'")
        set_up = replace(report, values={**report.values, **changed})
        if changed:
            written = Notebook.read(project.notebook(report.notebook))
            set_up = own_data.brought_in(set_up, written, packages=project.packages())
        taken = fingerprint.take(set_up, project=project, library=library, known=known)
        forced = force and report.id in chosen
        jobs.append(Job(project=project, report=set_up, fingerprint=taken, overrides=changed, force=forced))
    return jobs


def build(
    project: Project,
    ids: Iterable[str] = (),
    *,
    families: Iterable[str] = (),
    settings: Iterable[str] = (),
    workers: int | None = None,
    force: bool = False,
    say: Say = lambda _: None,
) -> list[Outcome]:
    """Bring reports and the index up to date.

    Parameters
    ----------
    ids, families
        Reports to build, and families of which to build every member; the edition when both are empty. What
        they rest on is brought up to date before them.
    settings
        ``name=value`` texts that override parameters of the reports chosen.
    workers
        Reports built at the same time; by default as many as there are cores, or stale reports if fewer.
    force
        Build even what is up to date.
    say
        Called with each line of progress.

    Returns
    -------
    list of Outcome
        One for each report chosen or rested on, feeders first.

    Raises
    ------
    CatalogueError
        Before anything runs.
    BusyError
        When another build is at work in this project.
    BuildError
        After everything has run, when at least one report failed; the message sums up which and why.
    """
    if workers is not None and workers < 1:
        raise CatalogueError(f"--jobs is {workers}; expected at least 1.")
    jobs = plan(project, ids, families=families, settings=settings, force=force)
    with lock.held(project):
        outcomes = _run(project, jobs, workers=workers, say=say)
        write_index(project)
    for job in jobs:
        if job.report.own:
            shown = os.path.relpath(project.report(job.report.id) / "index.html")
            say(f"On own data, so kept apart from the edition and its index: {shown}")
    say(_closing(outcomes.values(), project))
    failed = [o for o in outcomes.values() if o.status == "failed"]
    if failed:
        lines = "\n".join(f"  {o.report}: {o.reason}" for o in failed)
        raise BuildError(f"{len(failed)} of {len(outcomes)} reports failed and are not published:\n{lines}")
    return [outcomes[job.report.id] for job in jobs]


def write_index(project: Project) -> Path:
    """Write the index, the claims and the changes, from what the reports have left on disk.

    It depends on failed reports too, which a task could not, so it is looked at after every build; it is
    rendered only when something it shows, or the code, has changed.
    """
    listed = catalogue.load(project)
    entries = [_entry(project, report) for report in listed.reports]
    profiles = [_profile(project, report) for family in listed.families.values() for report in family]
    library = fingerprint.Library.read(project.library)
    sealed = {path.name: path.stat().st_size for path in sorted(project.editions.glob("*.json"))}
    made_from = fingerprint.digest([entries, profiles, sealed, library.publishing])
    path, memory = project.reports / "index.html", project.state / "index.json"
    if all((project.reports / name).is_file() for name in FRONT) and record.read(memory) == [
        made_from,
        path.stat().st_size,
    ]:
        return path
    from soa_evidence.publish import front

    path.parent.mkdir(parents=True, exist_ok=True)
    memory.parent.mkdir(exist_ok=True)
    for name, html in front.render(project, entries, profiles).items():
        (project.reports / name).write_text(html, encoding="utf-8")
    memory.write_text(record.to_json([made_from, path.stat().st_size]), encoding="utf-8")
    return path


def _profile(project: Project, report: Report) -> dict[str, str]:
    """Return a member of a family; its address is '' where its page is not built."""
    built = (project.report(report.id) / "index.html").is_file()
    return {"id": report.id, "name": report.title, "href": f"{report.id}/index.html" if built else ""}


def _entry(project: Project, report: Report) -> dict[str, object]:
    """Return what the index says of a report; one whose page is absent is "not built"."""
    folder = project.report(report.id)
    run = record.read(folder / "run.json") or {}
    status = run.get("status", "not built") if (folder / "index.html").is_file() else "not built"
    return {
        **report.meta,
        "status": status,
        "href": f"{report.id}/index.html",
        "headline": run.get("headline", []),
        "numbers": record.read(folder / "numbers.json") or [],
        "run": run,
    }


def _run(project: Project, jobs: list[Job], *, workers: int | None, say: Say) -> dict[str, Outcome]:
    from soa_evidence.publish import tasks

    by_id = {job.report.id: job for job in jobs}
    stale = set(tasks.stale(jobs, project=project))
    to_build = [id for id, job in by_id.items() if job.force or id in stale]
    progress = _Progress(by_id, say)
    for report_id in by_id:
        if report_id not in to_build:
            progress.up_to_date(report_id)
    if to_build:
        tasks.build(
            [by_id[i] for i in to_build],
            project=project,
            workers=min(workers or os.cpu_count() or 1, len(to_build)),
            started=progress.started,
            finished=progress.finished,
        )
    return {i: progress.outcomes.get(i) or _unfinished(i) for i in by_id}


def _unfinished(report_id: str) -> Outcome:
    """Return the outcome of a report that never reported back, so that it cannot pass for a success."""
    reason = "the build stopped before it was finished; see .build for its log"
    return Outcome(report=report_id, status="failed", reason=reason)


class _Progress:
    """Keeps the outcomes and says one line as each report starts and as it finishes."""

    def __init__(self, jobs: dict[str, Job], say: Say) -> None:
        self.jobs, self.say = jobs, say
        self.outcomes: dict[str, Outcome] = {}
        self._since: dict[str, float] = {}
        self._width = max(map(len, jobs), default=0)

    def up_to_date(self, report_id: str) -> None:
        self._done(Outcome(report=report_id, status="up to date"), "up to date")

    def started(self, report_id: str) -> None:
        self._since[report_id] = time.monotonic()
        self.say(f"{' ' * len(self._count(0))}  {report_id:<{self._width}}  running")

    def finished(self, report_id: str, error: BaseException | None) -> None:
        seconds = time.monotonic() - self._since.get(report_id, time.monotonic())
        if error is None:
            self._done(
                Outcome(report=report_id, status="built", seconds=seconds), f"built in {seconds:.0f} s"
            )
            return
        reason = str(error).strip() or type(error).__name__
        if isinstance(error, publication.FeederWithheldError):
            self._not_tried(report_id)
            return
        if not isinstance(error, NotebookError | CheckFailedError):
            # The worker could not leave an error page itself; an old page must not look current.
            reason = f"{type(error).__name__}: {reason}"
            publication.fail(self.jobs[report_id], [_unexpected(reason)])
        text = f"FAILED after {seconds:.0f} s"
        self._done(Outcome(report=report_id, status="failed", seconds=seconds, reason=reason), text)

    def _not_tried(self, report_id: str) -> None:
        """Withhold a report, untried, because one that it comes after failed."""
        job = self.jobs[report_id]
        failed = [
            id for id in job.report.after if id in self.outcomes and self.outcomes[id].status == "failed"
        ]
        publication.fail(job, [publication.rests_on_withheld(failed or job.report.after)])
        told = f"rests on {', '.join(failed or job.report.after)}, withheld"
        self._done(Outcome(report=report_id, status="failed", reason=told), f"WITHHELD: {told}")

    def _done(self, outcome: Outcome, text: str) -> None:
        self.outcomes[outcome.report] = outcome
        self.say(f"{self._count(len(self.outcomes))}  {outcome.report:<{self._width}}  {text}")

    def _count(self, done: int) -> str:
        total = str(len(self.jobs))
        return f"[{done:>{len(total)}}/{total}]"


def _unexpected(reason: str) -> dict[str, object]:
    return disclosure.reason(
        "The report could be published",
        observed=reason.splitlines()[0],
        expected="no error while publishing",
        why="An error here is a fault of the toolkit or of the machine, not of the evidence.",
    )


def _closing(outcomes: Iterable[Outcome], project: Project) -> str:
    counts: dict[str, int] = {}
    for outcome in outcomes:
        counts[outcome.status] = counts.get(outcome.status, 0) + 1
    told = ", ".join(f"{number} {status}" for status, number in sorted(counts.items()))
    shown = os.path.relpath(project.reports / "index.html")
    return f"{told}. Index: {shown}"
