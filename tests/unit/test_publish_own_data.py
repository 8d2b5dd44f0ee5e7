"""A notebook with the parameter `registry` runs unchanged on a file, and leaves no trace of where it lay."""

import json

import pytest
from publish_toys import cells, entry, make, write_notebook
from registry_toys import GOOD, write

from soa_evidence.errors import BuildError, CatalogueError
from soa_evidence.evidence.registry.load import OWN_NAME
from soa_evidence.publish import build, check, disclosure, own_data
from soa_evidence.publish.bundles import Bundles
from soa_evidence.publish.notebook import Notebook

pytestmark = pytest.mark.usefixtures("shared_workers")

PARAMETERS = """\
registry: str = "syn-toy"   # A synthetic registry by name, or the path of an extract
seed: int = 1               # Seed
"""
SET_UP = """\
from soa_evidence import evidence, reporting
from soa_evidence.results import Check, Estimates

package = evidence.registry.load(registry, seed=seed)
check = package.checks[0]
"""
COUNT = """\
estimates = Estimates(
    estimand="toy difference", labels=("a", "b"), unit="per 1,000 patients", method="toy",
    interval="confidence", checks=(check,), mean=[4.0, 1 / 3], covariance=[[1.0, 0.0], [0.0, 1.0]],
)
rows = package.select()
numbers = reporting.numbers(estimates, id="difference", population="toy patients", evidence=[rows])
numbers
"""
SMALL = (
    COUNT
    + """\
n = reporting.number(
    len(package.frame("knee")), id="knees", estimand="knees replaced", label="all", unit="procedures",
    population="toy patients", evidence=[package.select("knee")], method="count", checks=[check],
)
n
"""
)


def project(tmp_path, results=COUNT):
    made = make(tmp_path / "project", entry("one"))
    write_notebook(made.notebook("toy"), cells(parameters=PARAMETERS, set_up=SET_UP, results=results))
    return made


def extract(tmp_path):
    folder = tmp_path / "very-private"
    folder.mkdir()
    return write(folder / "x.csv", [dict(row) for row in GOOD])


def test_the_parameter_counts_as_loading_its_package(tmp_path):
    made = project(tmp_path)
    written = Notebook.read(made.notebook("toy"))
    assert written.registry_parameters() == {"registry"}
    found = [problem for problem in check.problems(made) if "README" not in problem]
    assert found == []


def test_a_value_that_is_no_package_and_no_file_is_refused(tmp_path):
    made = project(tmp_path)
    with pytest.raises(
        CatalogueError, match=r"registry is 'syn-toi', which is neither .* nor a file. Did you mean 'syn-toy'"
    ):
        build.plan(made, ["one"], settings=["registry=syn-toi"])


def test_a_run_on_a_file_has_an_id_evidence_and_a_fingerprint_of_its_own(tmp_path):
    made, path = project(tmp_path), extract(tmp_path)
    (job,) = build.plan(made, ["one"], settings=[f"registry={path}"])
    assert (job.report.id, job.report.evidence) == ("one-own-data", (OWN_NAME,))
    before = job.fingerprint.execution
    moved = path.rename(path.with_name("moved.csv"))
    (again,) = build.plan(made, ["one"], settings=[f"registry={moved}"])
    assert again.fingerprint.execution == before
    moved.write_text(moved.read_text() + "\n")
    (changed,) = build.plan(made, ["one"], settings=[f"registry={moved}"])
    assert changed.fingerprint.execution != before
    (plain,) = build.plan(made, ["one"])
    assert (plain.report.id, plain.report.own) == ("one", ())


@pytest.mark.slow
def test_it_builds_and_tells_no_path(tmp_path):
    made, path = project(tmp_path), extract(tmp_path)
    lines = []
    (outcome,) = build.build(made, ["one"], settings=[f"registry={path}"], say=lines.append)
    assert outcome.status == "built"
    assert any("kept apart from the edition" in line for line in lines)
    folder = made.report("one-own-data")
    for left in (file for file in folder.rglob("*") if file.is_file()):
        assert "very-private" not in left.read_text(encoding="utf-8"), left.name
    run = json.loads((folder / "run.json").read_text())
    assert run["parameters"]["registry"] == run["overrides"]["registry"]
    assert run["parameters"]["registry"].startswith("own extract, sha256 of files ")
    (used,) = run["evidence"]
    assert (used["name"], used["kind"]) == (OWN_NAME, "own data")
    assert used["sources"][0]["title"].startswith("Extract of 8 rows, sha256:")
    assert not made.report("one").exists()
    assert "one-own-data" not in (made.reports / "index.html").read_text(encoding="utf-8")


@pytest.mark.slow
def test_a_small_count_of_own_data_is_withheld_and_so_is_the_path(tmp_path):
    made, path = project(tmp_path, SMALL), extract(tmp_path)
    with pytest.raises(BuildError, match="No small count is disclosed in number 'knees'"):
        build.build(made, ["one"], settings=[f"registry={path}"])
    for left in (file for file in made.report("one-own-data").rglob("*") if file.is_file()):
        assert "very-private" not in left.read_text(encoding="utf-8")
    path.write_text("nonsense")
    with pytest.raises(BuildError):
        build.build(made, ["one"], settings=[f"registry={path}"])
    for left in (file for file in made.report("one-own-data").rglob("*") if file.is_file()):
        assert "very-private" not in left.read_text(encoding="utf-8")


def test_paths_are_taken_out_as_text_and_as_json(tmp_path):
    own = (own_data.OwnData(parameter="registry", path=tmp_path / 'a "b"' / "x.csv"),)
    text = json.dumps(
        {"source": f"registry = {json.dumps(str(own[0].path))}", "said": str(own[0].path.parent)}
    )
    assert str(tmp_path) not in own_data.without_paths(text, own)


def figure(**changed):
    shown = disclosure.Shown(
        bundles=Bundles(figures=({"id": "f", "csv": "label,at_risk\na,12\n", "counts": [12.0]} | changed,)),
        evidence=(OWN_NAME,),
        smallest=disclosure.smallest_counts(None, (OWN_NAME,)),
    )
    return [r["observed"] for r in disclosure.refusals(shown) if "small count" in r["name"]]


@pytest.mark.parametrize(
    ("changed", "observed"),
    [
        ({}, []),
        ({"counts": [12.0, 3.0]}, ["3.0"]),
        ({"csv": "events,at_risk\n0,9\n"}, ["9"]),
        ({"counts": [0.0]}, []),
    ],
)
def test_small_counts_in_figures_are_not_disclosed(changed, observed):
    assert figure(**changed) == observed


def test_a_column_named_as_a_count_needs_no_unit():
    table = {"id": "t", "csv": "label,deaths,rate\na,4,2\n", "units": {"rate": "per 1,000"}}
    shown = disclosure.Shown(
        bundles=Bundles(tables=(table,)), evidence=(OWN_NAME,), smallest={OWN_NAME: 10.0}
    )
    found = [r["name"] for r in disclosure.refusals(shown) if "small count" in r["name"]]
    assert found == ["No small count is disclosed in table 't', column 'deaths'"]


def test_one_name_for_own_data():
    assert own_data.OWN_NAME == OWN_NAME
