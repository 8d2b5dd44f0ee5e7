"""The command line: messages without a traceback, an exit code a class, nothing run before all is right."""

import json
import subprocess
import sys

import pytest
from publish_toys import entry, make

from soa_evidence.__main__ import main
from soa_evidence.publish import execute, lock

GOOD = entry("one") + entry("two", values="{joint: knee}")


@pytest.fixture
def inside(tmp_path, monkeypatch):
    project = make(tmp_path, GOOD)
    monkeypatch.chdir(project.analyses)
    monkeypatch.setattr(execute, "run", lambda *_, **__: pytest.fail("a notebook was run"))
    return project


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["biuld"], 2, "There is no command 'biuld'. Did you mean 'build'?"),
        (["build", "--jbos", "2"], 2, "'build' does not take '--jbos'. Did you mean '--jobs'?"),
        (["build", "--jobs", "many"], 2, "invalid int value: 'many'"),
        (["build", "--jobs", "0"], 4, "--jobs is 0; expected at least 1"),
        (["build", "on"], 4, "There is no report 'on'. Did you mean 'one'?"),
        (["build", "one", "-p", "jiont=hip"], 4, "there is no parameter 'jiont'. Did you mean 'joint'?"),
        (["build", "one", "-p", "seed=x"], 4, "parameter 'seed' is 'x'; expected int"),
        (["new", "one"], 4, "There already is a report 'one'"),
        (["new"], 2, "The following arguments are required: ID"),
        (["ingest", "nhs-prom", "x.zip"], 2, "There is no source 'nhs-prom'. Did you mean 'nhs-proms'?"),
        (
            ["ingest", "nhs-units", "a", "b"],
            2,
            "nhs-units is made from 1 path(s): the table of provider classes, in this order. 2 were given",
        ),
        (
            ["ingest", "published", "a", "b"],
            2,
            "published is made from 1 path(s): the list of figures, in this order. 2 were given",
        ),
        (["check"], 4, "syn-toy: there is no README.md"),
    ],
)
def test_a_mistake_is_told_in_one_message(inside, capsys, arguments, code, message):
    assert main(arguments) == code
    told = capsys.readouterr()
    assert message in told.err
    assert told.err.startswith("soa-evidence: ")
    assert "Traceback" not in told.err
    assert not inside.state.exists()  # refused before anything began


def test_outside_a_project_it_says_so(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["list"]) == 4
    assert "Run the command inside the project's folder" in capsys.readouterr().err


def test_without_a_command_it_shows_the_commands(capsys):
    assert main([]) == 2
    assert "build" in capsys.readouterr().out


def test_list_tells_parameters_types_defaults_and_meaning(inside, capsys):
    assert main(["list"]) == 0
    told = capsys.readouterr().out
    assert "two  (not built)\n    Report two\n    joint=knee" in told
    assert "Which joint was replaced\n             'hip' or 'knee'; default hip" in told


def test_list_as_json(inside, capsys):
    assert main(["list", "--json"]) == 0
    one, two = json.loads(capsys.readouterr().out)
    assert (one["id"], one["evidence"], one["status"]) == ("one", ["syn-toy"], "not built")
    assert two["parameters"][0] == {
        "name": "joint",
        "type": "Literal['hip', 'knee']",
        "words": "'hip' or 'knee'",
        "value": "knee",
        "default": "hip",
        "allowed": ["hip", "knee"],
        "meaning": "Which joint was replaced",
    }


def test_clean_says_what_it_removed(inside, capsys):
    inside.state.mkdir()
    assert main(["clean"]) == 0
    assert capsys.readouterr().out == "removed .build\n"


def test_clean_leaves_a_project_alone_while_a_build_is_at_work(inside, capsys):
    (inside.report("one")).mkdir(parents=True)
    page = inside.report("one") / "index.html"
    page.write_text("x")
    with lock.held(inside):
        assert main(["clean"]) == 6
        assert page.exists()
    assert "Another build is at work in this project" in capsys.readouterr().err
    assert main(["clean"]) == 0
    assert not page.exists()


def test_interrupting_is_not_a_crash(inside, monkeypatch, capsys):
    from soa_evidence.publish import build

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(build, "build", interrupted)
    assert main(["build"]) == 130
    assert "Interrupted. Reports already finished are kept" in capsys.readouterr().err


def test_it_runs_as_a_module_too_and_listing_loads_nothing_heavy(inside):
    heavy = "{'pymc', 'matplotlib', 'papermill', 'pytask', 'pandas', 'nbformat'}"
    program = (
        "import sys; from soa_evidence.__main__ import main; code = main(['list']); "
        f"print('loaded', sorted({heavy} & set(sys.modules)), code)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "loaded [] 0"
    as_module = [sys.executable, "-m", "soa_evidence", "list"]
    assert subprocess.run(as_module, capture_output=True, text=True, check=True).stdout.startswith("one")
