"""The rules of the house for notebooks, each broken once."""

import pytest
from publish_toys import HEADINGS, cells, code, markdown, write_notebook

from soa_evidence.errors import CatalogueError
from soa_evidence.publish import notebook
from soa_evidence.publish.notebook import Notebook


def read(tmp_path, content):
    path = tmp_path / "toy.ipynb"
    write_notebook(path, content)
    return Notebook.read(path)


def test_the_toy_keeps_every_rule(tmp_path):
    assert notebook.problems(read(tmp_path, cells())) == []


def test_the_headings_are_those_of_the_house():
    assert notebook.HEADINGS == HEADINGS


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (code("def f():\n    return 1"), "code cell 7 uses 'def'"),
        (code("f = lambda x: x"), "code cell 7 uses 'lambda'"),
        (code("class A:\n    x = 1"), "code cell 7 uses 'class'"),
        (code("try:\n    x = 1\nfinally:\n    pass"), "code cell 7 uses 'try'"),
        (code("import numpy as np"), "code cell 7 imports 'numpy'"),
        (code("from os import path"), "code cell 7 imports 'os'"),
        (code("from typing import Any"), "code cell 7 imports 'typing'"),
        (code("x = 1", "headline"), "2 code cells are tagged 'headline'"),
        (code("x = 1") | {"execution_count": 3}, "code cell 7 holds outputs"),
        (
            markdown("About 12 fewer, of course."),
            "the text 'About 12 fewer, of course.' holds the number '12'",
        ),
        (markdown("It was 0.5% (sic)."), "the text 'It was 0.5% (sic).' holds the number '0.5%'"),
        (markdown("## Result"), "'## Result' is not one of the fixed headings. Did you mean 'Results'?"),
    ],
)
def test_a_broken_rule_is_named_with_its_place(tmp_path, extra, message):
    (found,) = notebook.problems(read(tmp_path, [*cells(), extra]))
    assert found.startswith("toy.ipynb: " + message)


def test_years_code_links_scales_and_names_are_no_typed_findings(tmp_path):
    words = "In 2018/19 and 2020, EQ-5D by `fit(x, 3)` per 1,000: [source](https://example.org/12)."
    assert notebook.problems(read(tmp_path, [*cells(), markdown(words)])) == []


def test_a_missing_heading_is_named(tmp_path):
    content = [cell for cell in cells() if cell["source"] != "## Method"]
    assert notebook.problems(read(tmp_path, content)) == ["toy.ipynb: the heading '## Method' is missing"]


def test_headings_out_of_order_are_named(tmp_path):
    content = cells()
    at = [i for i, cell in enumerate(content) if cell["cell_type"] == "markdown"]
    content[at[0]], content[at[1]] = content[at[1]], content[at[0]]
    (found,) = notebook.problems(read(tmp_path, content))
    assert found.startswith("toy.ipynb: the headings are out of order; expected Question · Evidence used")


def test_evidence_is_read_from_the_literals(tmp_path):
    extra = code('other = evidence.load("nhs-units")\nnot_this = reporting.load("x")')
    assert read(tmp_path, [*cells(), extra]).evidence() == {"syn-toy", "nhs-units"}


def test_a_cell_that_is_not_python_is_named(tmp_path):
    with pytest.raises(CatalogueError, match=r"toy.ipynb, code cell 7, line 1 is not valid Python"):
        notebook.problems(read(tmp_path, [*cells(), code("x = (")]))
