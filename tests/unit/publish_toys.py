"""A tiny project in a temporary folder: one package, one notebook, three reports, no model."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from soa_evidence.publish.project import Project

HEADINGS = (
    "Question",
    "Evidence used",
    "Method",
    "Checks",
    "Results",
    "How sure are we",
    "What this does not show",
    "Sources and run record",
)
PARAMETERS = """\
from typing import Literal

joint: Literal["hip", "knee"] = "hip"        # Which joint was replaced
years: list[str] | Literal["all"] = "all"    # Years of the data
centre: float = 4.0                          # Mean of the toy estimate
verdict: str = "pass"                        # Verdict of the toy check
seed: int = 1                                # Seed of the draws
"""
SET_UP = """\
from soa_evidence import evidence, reporting
from soa_evidence.results import Check, Estimates

package = evidence.load("{package}")
check = Check(name="toy check", verdict=verdict, observed=joint, expected="hip or knee", why="it is a toy")
"""
RESULTS = """\
estimates = Estimates(
    estimand="toy difference", labels=("a", "b"), unit="per 1,000 patients", method="toy",
    interval="confidence", checks=(check,), mean=[centre, 1 / 3], covariance=[[1.0, 0.0], [0.0, 1.0]],
)
rows = package.select()
numbers = reporting.numbers(estimates, id="difference", population="toy patients", evidence=[rows])
numbers
"""
HEADLINE = """\
reporting.headline(reporting.sentence("The difference is {a:both} per 1,000.", a=numbers["difference.a"]))
"""


def markdown(source: str) -> dict[str, Any]:
    return {"cell_type": "markdown", "id": _id(source), "metadata": {}, "source": source}


def code(source: str, *tags: str) -> dict[str, Any]:
    cell = {"cell_type": "code", "id": _id(source), "execution_count": None, "outputs": [], "source": source}
    return cell | {"metadata": {"tags": list(tags)} if tags else {}}


def _id(source: str) -> str:
    return hashlib.sha256(source.encode()).hexdigest()[:8]


def cells(package: str = "syn-toy", **replaced: str) -> list[dict[str, Any]]:
    """The toy analysis; a keyword replaces the source of a code cell."""
    made = {
        "parameters": code(replaced.get("parameters", PARAMETERS), "parameters"),
        "set_up": code(replaced.get("set_up", SET_UP.format(package=package))),
        "evidence": code("reporting.evidence_used(package)"),
        "checks": code("reporting.checks([check])"),
        "results": code(replaced.get("results", RESULTS)),
        "headline": code(replaced.get("headline", HEADLINE), "headline"),
    }
    headed = [markdown(f"## {heading}") for heading in HEADINGS]
    return [made["parameters"], made["set_up"], headed[0], headed[1], made["evidence"], headed[2], headed[3],
            made["checks"], headed[4], made["results"], made["headline"], *headed[5:]]  # fmt: skip


def write_notebook(path: Path, content: list[dict[str, Any]]) -> None:
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = {"cells": content, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    path.write_text(json.dumps(notebook, indent=1), encoding="utf-8")


def write_package(folder: Path, values: str = "1", **more: Any) -> None:
    """A package with one table of one column, sealed; a second call with other values changes its content."""
    folder.mkdir(parents=True, exist_ok=True)
    data = f"n\n{values}\n".encode()
    (folder / "toy.csv").write_bytes(data)
    field = {"name": "n", "type": "integer", "title": "n", "description": "a count", "unit": "count"}
    resource = {
        "name": "toy", "title": "Toy", "path": "toy.csv", "format": "csv", "bytes": len(data),
        "hash": "sha256:" + hashlib.sha256(data).hexdigest(),
        "schema": {"fields": [field], "primaryKey": ["n"]},
    }  # fmt: skip
    descriptor = {
        "profile": "tabular-data-package", "name": folder.name, "title": "A toy", "description": "A toy.",
        "version": "1.0.0", "soa:kind": "synthetic", "soa:truth": {"n": 1}, "soa:smallestCount": 5,
        "licenses": [{"name": "CC0-1.0", "title": "CC0"}],
        "sources": [{"title": "Nobody", "path": "https://example.org"}], "resources": [resource], **more,
    }  # fmt: skip
    (folder / "datapackage.json").write_text(json.dumps(descriptor, indent=1), encoding="utf-8")


def entry(report: str, *, notebook: str = "toy", evidence: str = "syn-toy", values: str = "{}") -> str:
    return (
        f"{report}:\n  notebook: {notebook}\n  title: Report {report}\n  question: Is it?\n"
        f"  evidence: [{evidence}]\n  parameters: {values}\n"
    )


def make(root: Path, catalogue: str) -> Project:
    """A project with packages syn-toy and syn-other, notebook toy on the first and other on the second."""
    project = Project(root)
    project.analyses.mkdir(parents=True)
    write_package(project.evidence / "syn-toy")
    write_package(project.evidence / "syn-other")
    write_notebook(project.notebook("toy"), cells())
    write_notebook(project.notebook("other"), cells("syn-other"))
    project.lock.write_text("nothing==1\n", encoding="utf-8")
    project.catalogue.write_text(catalogue, encoding="utf-8")
    return project
