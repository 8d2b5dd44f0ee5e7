"""The repository as it is cloned: nothing of anyone's machine, notebooks as written, everything in order."""

import json
import os
import re
import subprocess

import pytest
import yaml
from house_files import ROOT, shown, texts, tracked

from soa_evidence.publish import check, families
from soa_evidence.publish.project import Project

# Written apart, so that this file does not hold what it looks for.
MACHINE_FOLDERS = ("work", "tmp", "root", "home", "Users")
MACHINE_PATH = re.compile(rf"(?<![\w.:/~-])/(?:{'|'.join(MACHINE_FOLDERS)})/\w")
HOSTS = (
    "pypi." + "org",
    "files.python" + "hosted",
    "conda." + "anaconda",
    "registry." + "npmjs",
    "test.py" + "pi",
)
LARGEST_FILE = 5_000_000
CI = ROOT / ".ci" / "run"


def machine_paths(text):
    """Absolute paths of someone's machine."""
    return MACHINE_PATH.findall(text)


def registry_hosts(text):
    """Hosts of package registries: where packages come from is the installer's choice."""
    return [host for host in HOSTS if host in text]


def not_stripped(notebook):
    """Cells of a notebook (as parsed JSON) that hold what a run left behind."""
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    return [
        number
        for number, cell in enumerate(code, 1)
        if cell.get("outputs") or cell.get("execution_count") is not None or "papermill" in cell["metadata"]
    ]


@pytest.mark.parametrize("rule", [machine_paths, registry_hosts], ids=lambda rule: rule.__name__)
def test_no_file_tells_of_a_machine(rule):
    found = {shown(path): rule(text) for path, text in texts()}
    assert {path: what for path, what in found.items() if what} == {}


def test_a_machine_path_and_a_host_would_be_seen():
    assert machine_paths("see /" + "home/ann/x")
    assert machine_paths('"/' + 'tmp/out"')
    assert not machine_paths("https://www.example.org/home/news, ../work/x, docs/tmp/x")
    assert registry_hosts("https://" + HOSTS[0] + "/simple")


NOTEBOOKS = [path for path in tracked() if path.suffix == ".ipynb"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=shown)
def test_notebooks_are_stripped(path):
    assert not_stripped(json.loads(path.read_text(encoding="utf-8"))) == []


def test_a_notebook_with_outputs_would_be_seen():
    run = {"cell_type": "code", "outputs": [], "execution_count": 3, "metadata": {}}
    shows = {"cell_type": "code", "outputs": [{}], "execution_count": None, "metadata": {}}
    assert not_stripped({"cells": [run, {"cell_type": "markdown"}, shows]}) == [1, 2]


def test_catalogue_notebooks_and_evidence_are_in_order():
    assert check.problems(Project(ROOT)) == []


def test_pages_are_not_committed_and_their_records_are():
    listed = subprocess.run(
        ["git", "ls-files", "reports"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    names = {line.rsplit("/", 1)[-1] for line in listed.stdout.splitlines()}
    assert names == {"numbers.json", "run.json"}


def test_every_record_of_the_edition_is_of_a_published_report_of_the_catalogue():
    listed = yaml.safe_load((ROOT / "analyses" / "catalogue.yml").read_text(encoding="utf-8"))
    for name in [name for name, entry in listed.items() if "family" in entry]:
        members = families.expand(name, listed.pop(name), project=Project.find(ROOT))
        listed |= {member.id: member.entry for member in members if member.sample}
    runs = [path for path in tracked() if path.parent.parent.name == "reports" and path.name == "run.json"]
    assert runs
    assert {path.parent.name for path in runs} <= set(listed)
    for path in runs:
        run = json.loads(path.read_text(encoding="utf-8"))
        assert (run["status"], run["report"], run["overrides"]) == ("published", path.parent.name, {})
        assert (run["title"], run["seed"]) == (listed[run["report"]]["title"], run["parameters"].get("seed"))


def test_files_are_light():
    assert {shown(path) for path in tracked() if path.stat().st_size > LARGEST_FILE} == set()


def test_ci_runs_the_tests_then_the_reports():
    assert os.access(CI, os.X_OK)
    lines = [
        line for line in CI.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")
    ]
    assert "set -euo pipefail" in lines
    assert lines.index("make test") < lines.index("make reports")
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert {"test", "reports"} <= set(targets)


def test_the_public_workflow_calls_the_same_and_keeps_the_reports():
    text = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    steps = yaml.safe_load(text)["jobs"]["build"]["steps"]
    assert [step["run"] for step in steps if "run" in step] == ["bash .ci/run"]
    kept = [step["with"]["path"] for step in steps if "upload-artifact" in step.get("uses", "")]
    assert kept == ["reports/"]


def test_licences_are_stated():
    assert (ROOT / "LICENSE").read_text(encoding="utf-8").startswith("MIT License")
    for package in Project(ROOT).packages():
        text = (ROOT / "evidence" / package / "README.md").read_text(encoding="utf-8")
        assert "## Licence" in text
