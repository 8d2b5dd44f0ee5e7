"""The catalogue is read strictly: what is not understood is an error naming the report and the nearest."""

import pytest
from publish_toys import cells, entry, make, write_notebook

from soa_evidence.errors import CatalogueError
from soa_evidence.publish import catalogue, check, scaffold
from soa_evidence.publish.project import Project

GOOD = entry("one") + entry("two", notebook="other", evidence="syn-other", values="{joint: knee}")


def test_reads_reports_in_order_with_defaults_filled_in(tmp_path):
    reports = catalogue.load(make(tmp_path, GOOD)).reports
    assert [r.id for r in reports] == ["one", "two"]
    assert reports[1].values == {"joint": "knee", "years": "all", "centre": 4.0, "verdict": "pass", "seed": 1}
    assert reports[1].evidence == ("syn-other",)


def test_selects_by_id_once_each(tmp_path):
    chosen = catalogue.load(make(tmp_path, GOOD)).select(["two", "two"])
    assert [r.id for r in chosen] == ["two"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"lists no report"),
        ("- a\n- b\n", r"lists no report; expected a mapping"),
        ("a: [", r"catalogue.yml is not valid YAML"),
        (GOOD + entry("one"), r"line 13: 'one' is given twice"),
        (entry("One"), r"report 'One': the id must be lower-case words joined by hyphens"),
        (entry("one--a"), r"report 'one--a': the id must be"),
        ("one: toy\n", r"report 'one' is 'toy'; expected a mapping"),
        (
            entry("one") + "  titel: x\n",
            r"report 'one': 'titel' is not a key of an entry. Did you mean 'title'\?",
        ),
        (entry("one").replace("  title: Report one\n", ""), r"report 'one': 'title' is missing"),
        (entry("one").replace("Report one", "''"), r"report 'one': title is ''; expected text"),
        (entry("one", notebook="toi"), r"there is no notebook 'toi' in analyses/. Did you mean 'toy'\?"),
        (entry("one", evidence="syn-toys"), r"no evidence package 'syn-toys'. Did you mean 'syn-toy'\?"),
        (entry("one", evidence=""), r"evidence is \[\]; expected a list of package names"),
        (entry("one", evidence="syn-toy, syn-toy"), r"evidence names 'syn-toy' twice"),
        (
            entry("one", values="{jiont: hip}"),
            r"report 'one': there is no parameter 'jiont'. Did you mean 'joint'",
        ),
        (entry("one", values="[1]"), r"parameters is \[1\]; expected a mapping"),
    ],
)
def test_refuses_a_wrong_catalogue(tmp_path, text, message):
    with pytest.raises(CatalogueError, match=message):
        catalogue.load(make(tmp_path, text))


def test_refuses_an_unknown_report_with_the_nearest(tmp_path):
    with pytest.raises(CatalogueError, match=r"no report 'tow'. Did you mean 'two'\?"):
        catalogue.load(make(tmp_path, GOOD)).select(["tow"])


def test_refuses_a_file_that_is_not_a_notebook(tmp_path):
    project = make(tmp_path, GOOD)
    project.notebook("toy").write_text("{}")
    with pytest.raises(CatalogueError, match=r"toy.ipynb cannot be read as a notebook \(KeyError"):
        catalogue.load(project)


def test_the_project_is_found_from_inside_and_nowhere_else(tmp_path):
    project = make(tmp_path / "p", GOOD)
    assert Project.find(project.evidence / "syn-toy") == Project((tmp_path / "p").resolve())
    with pytest.raises(CatalogueError, match=r"No analyses/catalogue.yml in .* or any folder above"):
        Project.find(tmp_path)


def test_check_finds_evidence_that_is_loaded_but_not_declared_and_the_reverse(tmp_path):
    project = make(tmp_path, entry("one", evidence="syn-other"))
    found = check.problems(project)
    assert "report 'one': toy.ipynb loads 'syn-toy', not declared in the catalogue" in found
    assert "report 'one': declares evidence 'syn-other', not loaded by toy.ipynb" in found


def test_check_passes_a_project_in_order(tmp_path):
    project = make(tmp_path, GOOD)
    for name in project.packages():
        (project.evidence / name / "README.md").write_text("A toy.")
    assert check.problems(project) == []


def test_new_makes_a_notebook_and_an_entry_that_load(tmp_path):
    project = make(tmp_path, GOOD)
    write_notebook(project.analyses / "_template.ipynb", cells())
    assert str(scaffold.new(project, "my-report")) == "analyses/my_report.ipynb"
    made = catalogue.load(project).select(["my-report"])[0]
    assert (made.title, made.evidence) == ("My report", ("syn-toy",))
    assert project.catalogue.read_text().startswith(GOOD.rstrip("\n"))  # what was there is untouched


@pytest.mark.parametrize(
    ("report", "message"),
    [
        ("one", r"There already is a report 'one'"),
        ("My Report", r"'My Report' cannot be a report's id"),
        ("toy", r"analyses/toy.ipynb already exists"),
        ("fresh", r"_template.ipynb is missing"),
    ],
)
def test_new_refuses(tmp_path, report, message):
    with pytest.raises(CatalogueError, match=message):
        scaffold.new(make(tmp_path, GOOD), report)


def test_clean_keeps_the_committed_edition(tmp_path):
    project = make(tmp_path, GOOD)
    folder = project.report("one")
    for name in ("index.html", "numbers.json", "run.json", "figures/a.svg", "tables/a.csv"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("x")
    project.state.mkdir()
    project.clean()
    assert sorted(p.name for p in folder.iterdir()) == ["numbers.json", "run.json"]
    assert not project.state.exists()
