"""Reports that rest on reports, built for real: order, binding, staleness, withholding."""

import json

import pandas as pd
import pytest
from publish_toys import RESULTS, cells, code, entry, make, write_notebook, write_package

from soa_evidence import reporting
from soa_evidence.errors import BuildError, CatalogueError, InputError
from soa_evidence.publish import build, catalogue, check, fingerprint, lock, publication
from soa_evidence.publish.fingerprint import Library
from soa_evidence.reporting import derived_result
from soa_evidence.reporting.published_report import ALLOWED
from soa_evidence.results import Check, Estimates

FED_SET_UP = """\
from soa_evidence import reporting
from soa_evidence.results import Check

toy = reporting.from_report("one")
package = toy
check = Check(name="toy check", verdict=verdict, observed=joint, expected="hip or knee", why="it is a toy")
taken = toy.number("difference.a")
"""
FED_RESULTS = """\
shared = toy.derived("units")
reporting.table(shared, id="units", title="Units")
"""
FED_HEADLINE = """\
reporting.headline(reporting.sentence("What we found: {answer}", answer=toy.answer[0]))
"""


def feeding_cells():
    content = cells(results=RESULTS)
    shown = code(
        "import pandas\nreporting.derived("
        'pandas.DataFrame({"unit": ["a", "b"], "mean": [centre, 2.0]}), id="units", title="Each unit")'
    )
    return [*content[:-1], shown, content[-1]]


def fed_cells():
    content = cells(set_up=FED_SET_UP, results=FED_RESULTS, headline=FED_HEADLINE)
    for cell in content:
        if cell["source"] == "reporting.evidence_used(package)":
            cell["source"] = "reporting.reports_used(toy)"
    return content


def fed(name, *, after="one", evidence=""):
    return entry(name, notebook="fed", evidence=evidence) + f"  after: [{after}]\n"


def project_with_feeding(root, text=None):
    project = make(root, text or entry("one", notebook="feeding") + fed("two"))
    write_notebook(project.notebook("feeding"), feeding_cells())
    write_notebook(project.notebook("fed"), fed_cells())
    return project


@pytest.fixture(scope="module", autouse=True)
def library(shared_workers):
    """Hold the library's hash still, so that editing the source during a test changes no outcome."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Library, "read", classmethod(lambda cls, _: cls(sources={}, others={})))
        yield


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    project = project_with_feeding(tmp_path_factory.mktemp("fed"))
    build.build(project, ["two"])
    return project


def read(project, report, name):
    return json.loads((project.report(report) / name).read_text())


def stale(project):
    from soa_evidence.publish import tasks

    return tasks.stale(build.plan(project), project=project)


@pytest.mark.slow
def test_building_a_report_builds_what_it_rests_on_first(built):
    assert read(built, "one", "run.json")["status"] == "published"
    assert read(built, "two", "run.json")["status"] == "published"
    assert stale(built) == []


@pytest.mark.slow
def test_a_number_taken_from_a_report_stays_bound_to_it(built):
    (taken,) = read(built, "two", "numbers.json")
    (first, _) = read(built, "one", "numbers.json")
    assert taken["id"] == "one.difference.a"
    assert taken["origin"] == {"report": "one", "number": "difference.a"}
    kept = ("estimand", "estimate", "lower", "upper", "unit", "population", "method", "evidence", "checks")
    assert {key: taken[key] for key in kept} == {key: first[key] for key in kept}
    page = (built.report("two") / "index.html").read_text()
    assert '<a class="number" href="#number-one.difference.a">' in page
    assert 'href="../one/index.html#number-difference.a"' in page
    assert read(built, "two", "run.json")["headline"][0].startswith("What we found: The difference is 4.0")


@pytest.mark.slow
def test_what_it_rests_on_is_in_its_record_and_its_evidence_is_credited(built):
    run = read(built, "two", "run.json")
    assert run["hashes"]["report one"] == fingerprint.results(built.report("one"))
    assert [package["name"] for package in run["evidence"]] == ["syn-toy"]
    assert "Synthetic data" in (built.report("two") / "index.html").read_text()


@pytest.mark.slow
def test_a_changed_feeder_builds_its_dependants_again_and_the_same_results_do_not(built):
    before = built.executed("two").stat().st_mtime_ns
    # other evidence, the same numbers: the feeder runs again, what it feeds does not
    write_package(built.evidence / "syn-toy", "2", title="A toy")
    outcomes = build.build(built)
    assert {o.report: o.status for o in outcomes}["one"] == "built"
    after = built.executed("two").stat().st_mtime_ns
    changed_hash = read(built, "one", "run.json")["evidence"][0]["hash"]
    assert read(built, "two", "run.json")["evidence"][0]["hash"] == changed_hash
    assert after > before  # the evidence's hash is among what it tells, so it was told again
    assert stale(built) == []
    build.build(built, ["one"], force=True)
    assert stale(built) == []
    assert built.executed("two").stat().st_mtime_ns == after


@pytest.mark.slow
def test_a_withheld_feeder_withholds_what_rests_on_it(tmp_path):
    text = (
        entry("one", notebook="feeding", values="{verdict: fail}")
        + fed("two")
        + fed("three", after="one, two")
        + entry("undeclared", notebook="fed")
    )
    project = project_with_feeding(tmp_path, text)
    lines = []
    with pytest.raises(BuildError, match="4 of 4 reports failed") as caught:
        build.build(project, say=lines.append)
    assert "two: rests on one, withheld" in str(caught.value)
    assert "InputError: This report reads report 'one' but does not come after it" in str(caught.value)
    assert any("WITHHELD: rests on one, withheld" in line for line in lines)
    for report in ("two", "three"):
        run = read(project, report, "run.json")
        assert (run["status"], run["failed"][0]["name"]) == (
            "failed", "Every report that this one rests on is published",
        )  # fmt: skip
        assert "withheld: one" in (project.report(report) / "index.html").read_text()
    (job,) = [job for job in build.plan(project, ["two"]) if job.report.id == "two"]
    with pytest.raises(Exception, match="withheld: one"):
        publication.publish(job)


def test_check_finds_a_report_that_is_read_but_not_declared(tmp_path):
    project = project_with_feeding(tmp_path, entry("one") + entry("other") + fed("two", after="other"))
    (two,) = catalogue.load(project).select(["two"])
    assert list(check.declared_evidence(two, notebook(project, "fed"))) == [
        "report 'two': fed.ipynb reads report 'one', not named under 'after'"
    ]


def notebook(project, name):
    from soa_evidence.publish.notebook import Notebook

    return Notebook.read(project.notebook(name))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            fed("two", after="oen") + entry("one"),
            r"comes after 'oen', which is no report. Did you mean 'one'\?",
        ),
        (fed("two", after="one, one") + entry("one"), "after names 'one' twice"),
        (entry("one") + "  after: one\n", "after is 'one'; expected a list"),
        (fed("two", after="two"), "'two' comes after 'two'; a report cannot rest on itself"),
        (fed("a", after="b") + fed("b", after="a"), "'a' comes after 'b' comes after 'a'; a report cannot"),
    ],
)
def test_a_wrong_order_is_refused(tmp_path, text, message):
    with pytest.raises(CatalogueError, match=message):
        catalogue.load(project_with_feeding(tmp_path, text))


def test_feeders_come_first_wherever_they_stand(tmp_path):
    text = fed("c", after="b") + fed("b", after="a") + entry("a")
    listed = catalogue.load(project_with_feeding(tmp_path, text))
    assert [r.id for r in listed.with_feeders(["c"])] == ["a", "b", "c"]
    (c,) = listed.select(["c"])
    assert (c.feeders, c.all_evidence) == (("a", "b"), ("syn-toy",))


def published(folder, **run):
    place = folder / "one"
    place.mkdir()
    (place / "numbers.json").write_text("[]")
    (place / "run.json").write_text(
        json.dumps({"title": "One", "question": "Is it?", "status": "published", "checks": [], **run})
    )
    return folder


def test_what_cannot_be_read_is_told(tmp_path, monkeypatch):
    monkeypatch.delenv(ALLOWED, raising=False)
    folder = published(tmp_path)
    one = reporting.from_report("one", folder=folder)
    with pytest.raises(InputError, match=r"'one' publishes no number 'x'. It has 0: none"):
        one.number("x")
    with pytest.raises(InputError, match=r"'one' has no table 'x'. It has: none"):
        one.table("x")
    with pytest.raises(InputError, match=r"no derived result 'x'"):
        one.derived("x")
    with pytest.raises(InputError, match="turns on no number"):
        _ = one.turning_point
    with pytest.raises(InputError, match=r"'on' has not been built. Did you mean 'one'\?"):
        reporting.from_report("on", folder=folder)
    with pytest.raises(InputError, match="given no report"):
        reporting.reports_used()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="No project in"):
        reporting.from_report("one")
    monkeypatch.setenv(ALLOWED, "oen")
    with pytest.raises(
        InputError, match=r"does not come after it. Did you mean 'oen'\?.*after: \[oen, one\]"
    ):
        reporting.from_report("one", folder=folder)


def test_a_withheld_report_cannot_be_read(tmp_path, monkeypatch):
    monkeypatch.delenv(ALLOWED, raising=False)
    folder = published(tmp_path, status="failed", failed=[{"name": "R-hat"}])
    with pytest.raises(InputError, match=r"'one' is withheld, so nothing may rest on it\. Not passed: R-hat"):
        reporting.from_report("one", folder=folder)


CHECK = Check(name="c", verdict="warn", observed="1", expected="0", why="because")


def test_a_derived_result_comes_back_as_it_was():
    frame = pd.DataFrame({"unit": ["=cmd()", "é"], "mean": [1 / 3, 2.0]})
    back = derived_result.read(reporting.derived(frame, id="f", title="F").content)
    pd.testing.assert_frame_equal(back, frame)
    common = {
        "estimand": "risk",
        "labels": ("b", "a"),
        "unit": "probability",
        "method": "m",
        "checks": (CHECK,),
    }
    draws = Estimates(draws=[[0.1, 1 / 3], [0.2, 0.4]], interval="credible", **common)
    moments = Estimates(mean=[1, 2], covariance=[[2, 1], [1, 3]], dof=3, interval="confidence", **common)
    for given in (draws, moments):
        got = derived_result.read(reporting.derived(given, id="e", title="E").content)
        pd.testing.assert_frame_equal(got.table(), given.table(), check_exact=True)
        assert (got.checks, got.labels, got.dof) == (given.checks, given.labels, given.dof)


@pytest.mark.parametrize(
    ("result", "given", "message"),
    [
        (pd.DataFrame({"a": [1]}), {"id": "A b"}, "called 'A b'; expected lower-case"),
        (pd.DataFrame({"a": []}), {"id": "a"}, "has no rows"),
        (
            pd.DataFrame({"size": [1]}),
            {"id": "a", "units": {"sise": "x"}},
            "no column 'sise'. Did you mean 'size'",
        ),
        ([1, 2], {"id": "a"}, "was given list; expected a frame or Estimates"),
    ],
)
def test_a_derived_result_is_refused(result, given, message):
    with pytest.raises(InputError, match=message):
        reporting.derived(result, title="T", **given)


def test_two_builds_in_one_project_are_one_too_many(tmp_path):
    project = make(tmp_path, entry("one"))
    with lock.held(project):
        with pytest.raises(
            lock.BusyError, match=r"Another build is at work in this project \(process \d+, since"
        ):
            build.build(project, ["one"])
        assert not project.reports.exists()
    with lock.held(project):
        pass
