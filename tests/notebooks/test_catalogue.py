"""Every entry of the real catalogue fits its notebook and its evidence, before anything runs."""

from pathlib import Path

import pytest

from soa_evidence import evidence
from soa_evidence.publish import build, catalogue, check, notebook, parameters, scaffold
from soa_evidence.publish.notebook import Notebook
from soa_evidence.publish.project import Project

PROJECT = Project(Path(__file__).resolve().parents[2])
REPORTS = sorted(report.id for report in catalogue.load(PROJECT).reports)
OUTCOMES = ("readmission", "further-surgery", "wound")
FIRST_EDITION = {
    *(f"primary-{joint}-{outcome}" for joint in ("hip", "knee") for outcome in OUTCOMES),
    *(f"revision-{joint}-readmission" for joint in ("hip", "knee")),
}
#: "thin": the house asks for about 15 code cells.
MOST_CODE_CELLS = 20


def report(report_id):
    return catalogue.load(PROJECT).select([report_id])[0]


def test_the_first_edition_is_there():
    assert set(REPORTS) >= FIRST_EDITION


@pytest.mark.parametrize("report_id", REPORTS)
def test_an_entry_fits_its_notebook_and_evidence(report_id):
    entry = report(report_id)
    written = Notebook.read(PROJECT.notebook(entry.notebook))
    assert list(check.declared_evidence(entry, written)) == []
    assert set(entry.values) == set(parameters.of_notebook(written))
    assert set(entry.evidence) <= set(evidence.names(PROJECT.evidence))
    assert entry.question.endswith("?")


@pytest.mark.parametrize("report_id", sorted(FIRST_EDITION))
def test_an_id_says_what_the_report_is_about(report_id):
    values = report(report_id).values
    told = f"{values['procedure']}-{values['joint']}-{str(values['outcome']).replace('_', '-')}"
    assert told == report_id


@pytest.mark.parametrize("name", [*PROJECT.notebooks(), "_template"])
def test_a_notebook_keeps_the_rules_of_the_house(name):
    written = Notebook.read(PROJECT.notebook(name))
    assert notebook.problems(written) == []
    assert len(written.code) <= MOST_CODE_CELLS


def test_samples_of_profiles_follow_the_rule_the_catalogue_states():
    """Wholly specialist trusts, Wrightington's, and the largest general trust without a specialist site."""
    rows = evidence.load("nhs-units", folder=PROJECT.evidence).table()
    specialist = rows.loc[rows["unit_class"] == "specialist orthopaedic", "provider_code"]
    wrightington = rows["specialist_orthopaedic_site_note"].fillna("").str.startswith("Wrightington Hospital")
    plain = rows["unit_class"].str.startswith("NHS general") & (
        rows["specialist_orthopaedic_site"] == "none known"
    )
    largest = rows[plain].sort_values("records").iloc[-1]["provider_code"]
    family = catalogue.load(PROJECT).families["unit-profiles"]
    assert len(family) == len(rows) == 295
    samples = {str(member.values["provider"]) for member in family if member.sample}
    assert samples == {*specialist, *rows.loc[wrightington, "provider_code"], largest}


def test_every_notebook_is_in_the_catalogue():
    assert {report(r).notebook for r in REPORTS} == set(PROJECT.notebooks())


def test_each_report_can_be_planned_and_no_two_are_the_same():
    jobs = build.plan(PROJECT, REPORTS)
    assert len({job.fingerprint.execution for job in jobs}) == len(REPORTS)


@pytest.mark.slow
@pytest.mark.usefixtures("shared_workers")
def test_a_new_analysis_builds_as_it_comes_from_the_template(tmp_path):
    project = Project(tmp_path)
    project.analyses.mkdir()
    project.evidence.symlink_to(PROJECT.evidence)
    notebooks = [PROJECT.notebook(name) for name in (*PROJECT.notebooks(), "_template")]
    for source in (PROJECT.catalogue, *notebooks):
        (project.analyses / source.name).write_text(source.read_text(encoding="utf-8"), encoding="utf-8")
    scaffold.new(project, "my-first-report")
    (outcome,) = build.build(project, ["my-first-report"])
    assert outcome.status == "built"
    assert "wholly specialist" in (project.report("my-first-report") / "index.html").read_text(
        encoding="utf-8"
    )
