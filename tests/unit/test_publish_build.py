"""Building for real: toy notebooks in real kernels, in a temporary project."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from publish_toys import cells, entry, make, write_notebook, write_package

from soa_evidence.errors import BuildError, CatalogueError
from soa_evidence.publish import build, fingerprint
from soa_evidence.publish.fingerprint import Library
from soa_evidence.publish.project import Project

pytestmark = pytest.mark.slow  # a kernel takes a second or two to start, and there are several

#: Seconds to wait for another process; only a hung one, not a busy machine, takes as long.
PATIENCE = 300
CATALOGUE = (
    entry("one")
    + entry("two", notebook="other", evidence="syn-other", values="{joint: knee}")
    + entry("bad-check", values="{verdict: fail}")
    + entry("bad-cell", values="{verdict: nonsense}")
)


@pytest.fixture(scope="module", autouse=True)
def library(shared_workers):
    """Hold the library's hash still, so that editing the source during a test changes no outcome."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Library, "read", classmethod(lambda cls, _: cls(sources={}, others={})))
        yield


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """The first build of everything: the project, the lines said, and the error at the end."""
    project = make(tmp_path_factory.mktemp("project"), CATALOGUE)
    lines = []
    with pytest.raises(BuildError) as caught:
        build.build(project, say=lines.append)
    return project, lines, str(caught.value)


@pytest.fixture
def copy(first, tmp_path):
    """A copy of the built project, elsewhere on the disk; nothing in it knows where it was built."""
    shutil.copytree(first[0].root, tmp_path / "copy")
    return Project(tmp_path / "copy")


def stale(project, ids=("one", "two"), settings=()):
    from soa_evidence.publish import tasks

    return tasks.stale(build.plan(project, ids, settings=settings), project=project)


def read(project, report, name):
    return json.loads((project.report(report) / name).read_text())


def test_one_failure_leaves_the_others_built_and_is_summed_up(first):
    project, _, message = first
    assert message.startswith(
        "2 of 4 reports failed and are not published:\n  bad-check: toy check: observed hip"
    )
    assert (
        "bad-cell: toy.ipynb, code cell 2 `from soa_evidence import evidence, reporting`: "
        "InputError: Check 'toy check' has verdict 'nonsense'"
    ) in message
    assert BuildError.exit_code == 6
    for report in ("one", "two"):
        assert read(project, report, "run.json")["status"] == "published"
        assert "toy" in (project.report(report) / "index.html").read_text()


def test_progress_is_one_line_at_each_start_and_finish(first):
    lines = first[1]
    assert sum(line.endswith("running") for line in lines) == 4
    finished = [re.fullmatch(r"\[(\d)/4\]  (\S+) +(built in|FAILED after) \d+ s", line) for line in lines]
    assert [m.group(1) for m in finished if m] == ["1", "2", "3", "4"]
    assert lines[-1].startswith("2 built, 2 failed. Index: ")


def test_a_failed_check_gives_an_error_page_and_no_numbers(first):
    project = first[0]
    page = (project.report("bad-check") / "index.html").read_text()
    assert "toy check" in page
    assert "difference.a" not in page
    assert read(project, "bad-check", "numbers.json") == []
    run = read(project, "bad-check", "run.json")
    assert (run["status"], run["failed"][0]["name"], run["checks"][0]["verdict"]) == (
        "failed",
        "toy check",
        "fail",
    )


def test_a_cell_that_raises_gives_an_error_page_that_names_it(first):
    run = read(first[0], "bad-cell", "run.json")
    assert run["failed"][0]["name"] == "The notebook ran to its end"
    assert run["failed"][0]["observed"].startswith("code cell 2 `from soa_evidence")
    assert "code cell 2" in (first[0].report("bad-cell") / "index.html").read_text()


def test_the_numbers_are_those_of_the_notebook(first):
    a, b = read(first[0], "one", "numbers.json")
    assert (a["id"], a["estimate"], a["evidence"], a["level"]) == ("difference.a", 4.0, ["syn-toy"], 0.95)
    assert a["lower"] == pytest.approx(4 - 1.959963985, abs=1e-8)
    assert b["estimate"] == float(f"{1 / 3:.10g}")


def test_the_run_record_names_inputs_and_no_machine(first):
    project = first[0]
    run = read(project, "two", "run.json")
    assert run["parameters"]["joint"] == "knee"
    assert (run["seed"], run["overrides"]) == (1, {})
    assert run["this_run"]["duration_seconds"] > 0
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", run["this_run"]["started"])
    assert run["evidence"][0]["name"] == "syn-other"
    assert {"notebook", "parameters", "library", "environment", "evidence syn-other"} <= set(run["hashes"])
    for path in project.reports.rglob("*.*"):
        assert str(project.root) not in path.read_text(), path


def test_the_index_lists_every_report_also_the_failed(first):
    index = (first[0].reports / "index.html").read_text()
    for report in ("one", "two", "bad-check", "bad-cell"):
        assert f'href="{report}/index.html"' in index


def test_a_second_build_runs_nothing(copy):
    before = {path: path.stat().st_mtime_ns for path in copy.state.glob("*.ipynb")}
    lines = []
    outcomes = build.build(copy, ["one", "two"], say=lines.append)
    assert {o.status for o in outcomes} == {"up to date"}
    assert lines[:2] == ["[1/2]  one  up to date", "[2/2]  two  up to date"]
    assert {path: path.stat().st_mtime_ns for path in copy.state.glob("*.ipynb")} == before


def test_the_index_is_rendered_only_when_something_it_shows_changed(copy, monkeypatch):
    from soa_evidence.publish import index

    monkeypatch.setattr(index, "render", lambda entries, **_: f"<p>{[e['status'] for e in entries]}</p>")
    assert "<!doctype" in build.write_index(copy).read_text().lower()  # nothing changed: not rendered again
    (copy.report("two") / "index.html").unlink()
    assert build.write_index(copy).read_text() == "<p>['published', 'not built', 'failed', 'failed']</p>"
    (copy.reports / "index.html").unlink()
    assert build.write_index(copy).is_file()


def test_a_failed_report_is_tried_again(copy):
    assert stale(copy, ()) == ["bad-check", "bad-cell"]


def test_times_do_not_matter_only_content_does(copy):
    for path in copy.root.rglob("*.*"):
        os.utime(path)
    assert stale(copy) == []


def test_an_evidence_file_makes_only_its_dependants_stale(copy):
    write_package(copy.evidence / "syn-other", "2")
    assert stale(copy) == ["two"]


def test_a_notebook_makes_only_its_reports_stale(copy):
    write_notebook(copy.notebook("toy"), cells(results="numbers = 1"))
    assert stale(copy) == ["one"]


def test_the_lock_file_makes_all_stale(copy):
    copy.lock.write_text("nothing==2\n")
    assert stale(copy) == ["one", "two"]


def test_the_library_makes_all_stale(copy, monkeypatch):
    new = {"__init__.py": "new = 1"}
    monkeypatch.setattr(Library, "read", classmethod(lambda cls, _: cls(sources=new, others={})))
    assert stale(copy) == ["one", "two"]


@pytest.mark.parametrize("name", ["index.html", "numbers.json", "run.json"])
def test_a_product_edited_or_lost_is_built_again(copy, name):
    (copy.report("one") / name).write_text("[]")
    (copy.report("two") / name).unlink()
    assert stale(copy) == ["one", "two"]


def test_a_fresh_clone_builds_all(copy):
    shutil.rmtree(copy.state)
    assert stale(copy) == ["one", "two"]


def test_an_override_is_recorded_and_undone_by_the_next_build(copy):
    assert stale(copy, settings=["seed=1"]) == []  # the same value is no change
    published = (copy.report("one") / "numbers.json").read_bytes()
    build.build(copy, ["one"], settings=["centre=9"])
    run = read(copy, "one", "run.json")
    assert (run["parameters"]["centre"], run["overrides"]) == (9.0, {"centre": 9.0})
    assert read(copy, "one", "numbers.json")[0]["estimate"] == 9.0
    assert stale(copy) == ["one"]
    build.build(copy, ["one"])
    assert (copy.report("one") / "numbers.json").read_bytes() == published  # to the byte, run again


def test_new_words_render_the_page_again_without_running_the_notebook(copy):
    copy.catalogue.write_text(CATALOGUE.replace("Is it?", "Is it so?"))
    before = copy.executed("one").read_bytes()
    (outcome,) = build.build(copy, ["one"])
    assert outcome.status == "built"
    assert "Is it so?" in (copy.report("one") / "index.html").read_text()
    assert copy.executed("one").read_bytes() == before


def test_nothing_runs_when_a_parameter_is_wrong(copy):
    (copy.report("one") / "index.html").unlink()
    with pytest.raises(
        CatalogueError, match=r"report 'one': there is no parameter 'centr'. Did you mean 'centre'"
    ):
        build.build(copy, ["one"], settings=["centr=9"])
    assert not (copy.report("one") / "index.html").exists()


def test_an_error_in_publishing_itself_leaves_an_error_page(copy):
    (job,) = build.plan(copy, ["one"])
    lines = []
    progress = build._Progress({"one": job}, lines.append)
    progress.started("one")
    progress.finished("one", RuntimeError("the worker died"))
    assert progress.outcomes["one"].reason == "RuntimeError: the worker died"
    assert read(copy, "one", "numbers.json") == []
    assert "the worker died" in (copy.report("one") / "index.html").read_text()


def test_a_report_that_never_reports_back_is_no_success(copy, monkeypatch):
    from soa_evidence.publish import tasks

    monkeypatch.setattr(tasks, "build", lambda *_, **__: None)
    with pytest.raises(BuildError, match="one: the build stopped before it was finished"):
        build.build(copy, ["one"], force=True)


def test_interrupting_stops_kernels_and_keeps_what_was_published(copy):
    before = (copy.report("one") / "numbers.json").read_bytes()
    marker = copy.root / "kernel.pid"
    told = f"pathlib.Path({str(marker)!r}).write_text(str(os.getpid()))"
    sleeping = f"import os, pathlib, time\n{told}\ntime.sleep(120)"
    write_notebook(copy.notebook("toy"), cells(results=sleeping))
    command = [sys.executable, "-m", "soa_evidence", "build", "one"]
    running = subprocess.Popen(
        command, cwd=copy.root, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    )
    _wait(lambda: marker.exists() and marker.read_text(), PATIENCE)
    running.send_signal(signal.SIGINT)
    _, told = running.communicate(timeout=PATIENCE)
    assert (running.returncode, "Interrupted." in told, "Traceback" in told) == (130, True, False)
    kernel = int(marker.read_text())
    _wait(lambda: not _alive(kernel), PATIENCE)
    assert (copy.report("one") / "numbers.json").read_bytes() == before


def _alive(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{process}/stat")  # a dead process that nobody has waited for is dead all the same
    return not status.exists() or status.read_text().split()[2] != "Z"


def _wait(condition, seconds):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"nothing happened in {seconds} s"
        time.sleep(0.1)


def test_the_fingerprint_is_what_the_build_compares(first):
    (job,) = build.plan(first[0], ["one"])
    recorded = read(first[0], "one", "run.json")["hashes"]
    assert set(recorded) == set(job.fingerprint.parts)
    # The library is held still in this process (see `library` above), not in the worker that recorded it.
    ours = {"library", "publishing"}
    assert {n: h for n, h in recorded.items() if n not in ours} == {
        n: h for n, h in job.fingerprint.parts.items() if n not in ours
    }
    assert isinstance(job.fingerprint, fingerprint.Fingerprint)
