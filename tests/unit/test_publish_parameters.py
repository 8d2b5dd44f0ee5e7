"""Typed parameters are read without running a notebook, and a wrong one is refused with what was expected."""

import pytest
from publish_toys import PARAMETERS, cells, code, write_notebook

from soa_evidence.errors import CatalogueError
from soa_evidence.publish import parameters
from soa_evidence.publish.notebook import Notebook


def read(tmp_path, source=PARAMETERS):
    path = tmp_path / "toy.ipynb"
    write_notebook(path, cells(parameters=source))
    return parameters.of_notebook(Notebook.read(path))


def test_reads_name_type_default_allowed_and_meaning(tmp_path):
    known = read(tmp_path)
    assert list(known) == ["joint", "years", "centre", "verdict", "seed"]
    joint, years = known["joint"], known["years"]
    assert (joint.default, joint.allowed, joint.meaning) == (
        "hip",
        ["hip", "knee"],
        "Which joint was replaced",
    )
    assert years.type == "list[str] | Literal['all']"
    assert years.allowed is None
    assert known["seed"].type == "int"


def test_a_comment_above_documents_a_parameter(tmp_path):
    known = read(tmp_path, "# How many\nn: int = 3\n")
    assert known["n"].meaning == "How many"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("joint=knee", "knee"),
        ("years=all", "all"),
        ("years=2016/17, 2017/18", ["2016/17", "2017/18"]),
        ("centre=2", 2.0),
        ("seed=7", 7),
        ("verdict=a=b", "a=b"),
    ],
)
def test_command_line_text_becomes_the_declared_type(tmp_path, text, value):
    found = parameters.overrides(read(tmp_path), [text], where="here")
    assert found == {text.split("=")[0]: value}
    assert type(next(iter(found.values()))) is type(value)


@pytest.mark.parametrize("text", ["yes", "true", "True"])
def test_a_bool_is_written_in_words(tmp_path, text):
    known = read(tmp_path, "flag: bool = False  # Whether\n")
    assert parameters.overrides(known, [f"flag={text}"], where="here") == {"flag": True}


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["yers=all"], r"no parameter 'yers'. Did you mean 'years'\? The notebook takes: joint, years"),
        (["seed=soon"], r"parameter 'seed' is 'soon'; expected int"),
        (["seed=1.5"], r"'seed' is '1.5'; expected int"),
        (["centre=inf"], r"'centre' is 'inf'; expected float"),
        (["joint=hips"], r"'joint' is 'hips'; expected 'hip' or 'knee'. Did you mean 'hip'\?"),
        (["years="], r"'years' is ''; expected a list of str, or 'all'"),
        (["seed"], r"-p seed is not name=value"),
        (["seed=1", "seed=2"], r"-p gives 'seed' twice"),
    ],
)
def test_refuses_command_line_text_that_does_not_fit(tmp_path, texts, message):
    with pytest.raises(CatalogueError, match=message):
        parameters.overrides(read(tmp_path), texts, where="report 'a'")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"seed": "1"}, r"'seed' is '1'; expected int"),
        ({"seed": True}, r"'seed' is True; expected int"),
        ({"years": []}, r"'years' is \[\]; expected a list of str"),
        ({"years": [2016]}, r"'years' is \[2016\]; expected a list of str"),
        ({"joint": "kne"}, r"'joint' is 'kne'.*Did you mean 'knee'\?"),
        ({"jiont": "hip"}, r"no parameter 'jiont'. Did you mean 'joint'\?"),
    ],
)
def test_refuses_a_catalogue_value_that_does_not_fit(tmp_path, given, message):
    with pytest.raises(CatalogueError, match=message):
        parameters.resolve(read(tmp_path), given, where="report 'a'")


def test_a_whole_number_is_good_as_a_float(tmp_path):
    assert parameters.resolve(read(tmp_path), {"centre": 3}, where="here")["centre"] == 3


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("seed = 1  # Seed", r"cell 1 tagged 'parameters': `seed = 1` is not a typed parameter"),
        ("seed: int = 1", r"parameter 'seed' has no comment saying what it means"),
        ("seed: int = f()  # Seed", r"default of 'seed' is `f\(\)`; expected a plain literal"),
        ("seed: int = 'a'  # Seed", r"the default: parameter 'seed' is 'a'; expected int"),
        ("seed: dict = {}  # Seed", r"'seed' has the type `dict`; expected str, int"),
        ("a: list[int] = [1]  # A", r"'a' has the type `list\[int\]`"),
        ("a: Literal[x] = 1  # A", r"Literal\[x\] must list plain values of one type"),
        ("seed: int = 1  # Seed\nseed: int = 2  # Seed", r"parameter 'seed' is given twice"),
        ("seed: int = ", r"cell 1 tagged 'parameters', line 1 is not valid Python"),
    ],
)
def test_refuses_a_parameters_cell_that_is_not_typed_documented_literals(tmp_path, source, message):
    with pytest.raises(CatalogueError, match=message):
        read(tmp_path, source)


def test_refuses_two_parameters_cells(tmp_path):
    path = tmp_path / "toy.ipynb"
    write_notebook(path, [*cells(), code("more: int = 1  # More", "parameters")])
    with pytest.raises(
        CatalogueError, match=r"toy.ipynb has 2 cells tagged 'parameters'; expected exactly one"
    ):
        parameters.of_notebook(Notebook.read(path))
