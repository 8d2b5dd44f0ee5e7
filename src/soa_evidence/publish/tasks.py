"""Reports as pytask tasks: which are stale, and building those side by side.

The only module that knows pytask. Import it late: it is slow to load. Everything pytask writes goes into the
project's ``.build`` folder.

Each report is one task. What it depends on enters as content hashes (`fingerprint`), not as files with times,
so touching a file without changing it rebuilds nothing. pytask remembers the hashes of the last success.
A report that comes after others depends on their seals, files that hold the hash of what they published:
rebuilt with the same results, they leave it alone.
"""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytask
from loky import ProcessPoolExecutor  # type: ignore[import-untyped]  # ships without types
from pytask_parallel import ParallelBackend, WorkerType, registry
from pytask_parallel import execute as parallel

from soa_evidence.errors import BuildError
from soa_evidence.publish import fingerprint, order, publication, record
from soa_evidence.publish.execute import QUIET
from soa_evidence.publish.project import Project
from soa_evidence.publish.publication import Job

__all__ = ["build", "stale"]

PRODUCTS = ("index.html", "numbers.json", "run.json")
#: Name of a report's seal among its products.
RESULTS = "results"
#: Seconds between looks for a finished report. pytask-parallel's own second would leave its worker idle.
LOOK = 0.1


def stale(jobs: Iterable[Job], *, project: Project) -> list[str]:
    """Return the ids of reports that are not up to date, in the order of `jobs`, without running anything."""
    jobs = list(jobs)
    session = _pytask(project, jobs, pytask.get_plugin_manager(), dry_run=True)
    unchanged = pytask.TaskOutcome.SKIP_UNCHANGED
    current = {report.task.name for report in session.execution_reports if report.outcome is unchanged}
    return [job.report.id for job in jobs if job.report.id not in current]


def build(
    jobs: Iterable[Job],
    *,
    project: Project,
    workers: int,
    started: Callable[[str], None],
    finished: Callable[[str, BaseException | None], None],
) -> None:
    """Publish every job in `workers` processes, reporting each start and finish from this process.

    A report that fails stops those that come after it and no other; `finished` is given its exception, a
    FeederWithheldError for those that were not tried.

    Raises
    ------
    KeyboardInterrupt
        On Ctrl-C or SIGTERM, after the workers and their kernels have been stopped.
    """
    jobs = list(jobs)
    manager = pytask.get_plugin_manager()
    manager.register(_Progress(started, finished))
    manager.register(_LongestFirst(_urgency(jobs)))
    with _stop_on_signal() as stop, _python_path_kept(), _looking_often():
        registry.register_parallel_backend(
            ParallelBackend.CUSTOM,
            lambda n_workers: _Workers(n_workers, stop),
            worker_type=WorkerType.PROCESSES,
        )
        _pytask(project, jobs, manager, parallel_backend="custom", n_workers=workers, force=True)
    if stop.is_set():
        raise KeyboardInterrupt


def _pytask(project: Project, jobs: Iterable[Job], manager: Any, **choices: Any) -> Any:
    """Run pytask on the jobs without a word; a fault of its own is a BuildError."""
    project.state.mkdir(exist_ok=True)
    # The folder of the configuration file is where pytask keeps its memory.
    config = project.state / "pytask.toml"
    config.write_text("[tool.pytask.ini_options]\n", encoding="utf-8")
    quiet_before, pytask.console.quiet = pytask.console.quiet, True
    try:
        session = pytask.build(
            tasks=[_task(job, project) for job in jobs],
            config=config,
            paths=project.state,
            pm=manager,
            capture="no",
            verbose=0,
            disable_warnings=True,
            show_traceback=False,
            **choices,
        )
    finally:
        pytask.console.quiet = quiet_before
    if session.exit_code not in (pytask.ExitCode.OK, pytask.ExitCode.FAILED):
        raise BuildError(
            f"The build could not be planned (pytask: {session.exit_code.name}). "
            "Run `soa-evidence clean` and build again; if it stays, two reports may write the same file."
        )
    return session


def _task(job: Job, project: Project) -> Any:
    folder = project.report(job.report.id)
    # what feeders publish is not known yet; their seals, files that pytask looks at in time, stand for it
    known = {n: v for n, v in job.fingerprint.parts.items() if not n.startswith(fingerprint.FEEDER)}
    hashes = {name: _hash_node(job, name, value) for name, value in known.items()}
    products = {name: folder / name for name in PRODUCTS} | {RESULTS: project.results(job.report.id)}
    return pytask.TaskWithoutPath(
        name=job.report.id,
        function=_publish,
        depends_on={
            "job": pytask.PythonNode(name="job", value=job, node_info=_info(job, "job")),
            "made_from": hashes,
            "after": {id: pytask.PathNode.from_path(project.results(id)) for id in job.report.after},
        },
        produces={"products": {name: pytask.PathNode.from_path(path) for name, path in products.items()}},
    )


def _publish(job: Job, made_from: dict[str, str], after: dict[str, Any]) -> None:  # noqa: ARG001 - for pytask
    publication.publish(job)


def _hash_node(job: Job, name: str, value: str) -> Any:
    return pytask.PythonNode(name=name, value=value, hash=True, node_info=_info(job, "made_from", name))


def _info(job: Job, argument: str, *path: str) -> Any:
    # pytask tells nodes without files apart by this.
    return pytask.NodeInfo(arg_name=argument, path=path, task_path=None, task_name=job.report.id, value=None)


class _Progress:
    """pytask plugin that says which report starts and which has finished."""

    def __init__(
        self, started: Callable[[str], None], finished: Callable[[str, BaseException | None], None]
    ) -> None:
        self.started, self.finished = started, finished

    @pytask.hookimpl(tryfirst=True)
    def pytask_execute_task(self, task: Any) -> None:
        self.started(task.name)

    @pytask.hookimpl(tryfirst=True)
    def pytask_execute_task_log_end(self, report: Any) -> None:
        # pytask-parallel passes a wrong task beside the report; the report's own is right.
        error = report.exc_info[1] if report.exc_info else None
        if report.outcome is pytask.TaskOutcome.SKIP_PREVIOUS_FAILED:
            error = publication.FeederWithheldError("a report that it comes after is withheld")
        self.finished(report.task.name, error)


class _LongestFirst:
    """pytask plugin that makes the scheduler, which takes any report that is ready, take the most urgent."""

    def __init__(self, urgency: dict[str, float]) -> None:
        self.urgency = urgency

    @pytask.hookimpl(tryfirst=True)
    def pytask_execute_build(self, session: Any) -> None:
        for task in session.tasks:
            session.scheduler.priorities[task.signature] = self.urgency[task.name]


def _urgency(jobs: Iterable[Job]) -> dict[str, float]:
    """Return how urgent each job is, from how long reports took the last time."""
    runs = {job.report.id: record.read(job.project.report(job.report.id) / "run.json") or {} for job in jobs}
    took = {id: float(run.get("this_run", {}).get("duration_seconds", 0.0)) for id, run in runs.items()}
    return order.urgency(
        {job.report.id: job.report.after for job in jobs}, {id: each for id, each in took.items() if each > 0}
    )


class _Workers(ProcessPoolExecutor):  # type: ignore[misc]
    """loky's processes, in sessions of their own: Ctrl-C reaches them only through us, all at once."""

    def __init__(self, workers: int, stop: threading.Event) -> None:
        super().__init__(max_workers=workers, initializer=os.setsid, env=dict(QUIET))
        self.stop = stop

    def __exit__(self, *_: object) -> None:
        self.shutdown(wait=True, kill_workers=self.stop.is_set())


@contextlib.contextmanager
def _stop_on_signal() -> Iterator[threading.Event]:
    """Turn Ctrl-C and SIGTERM into KeyboardInterrupt and remember that it happened: pytask swallows it."""
    stop = threading.Event()

    def handle(_number: int, _frame: object) -> None:
        stop.set()
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():  # only the main thread may set handlers
        yield stop
        return
    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _looking_often() -> Iterator[None]:
    """Let pytask-parallel look for finished reports every `LOOK` seconds."""
    loop: Any = parallel
    sleeper = loop._Sleeper
    loop._Sleeper = functools.partial(sleeper, timings=[LOOK])
    try:
        yield
    finally:
        loop._Sleeper = sleeper


@contextlib.contextmanager
def _python_path_kept() -> Iterator[None]:
    """Put back the import path, into which pytask-parallel adds its root for good."""
    path, variable = list(sys.path), os.environ.get("PYTHONPATH")
    try:
        yield
    finally:
        sys.path[:] = path
        if variable is None:
            os.environ.pop("PYTHONPATH", None)
        else:
            os.environ["PYTHONPATH"] = variable
