"""The library's source keeps the rules of the house: each rule is also shown to be able to fail."""

import ast
import io
import subprocess
import sys
import tokenize

import pytest
from house_files import LIBRARY, ROOT, dotted, modules, shown

LONGEST_FILE = 450
#: What no one should wait for who only imports the library or lists its reports.
HEAVY = ("arviz", "matplotlib", "nutpie", "papermill", "pymc", "pytask", "pytensor", "seaborn", "xarray")
#: Importing these must stay light; `publish.tasks` and `publish.execute` may know the heavy ones.
LIGHT = [
    "soa_evidence",
    "soa_evidence.__main__",
    *(f"soa_evidence.{p.parent.name}" for p in sorted(LIBRARY.glob("*/__init__.py"))),
]
UNFINISHED = ("TODO", "FIXME", "XXX", "HACK")


def _calls(tree):
    return (ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call))


def prints(source):
    """`print` and bare warnings: what a method has to say is a value or a check."""
    return [name for name in _calls(ast.parse(source)) if name in ("print", "warnings.warn", "warn")]


def asserts(source):
    """Asserts vanish under `python -O` and say nothing to a user."""
    return [ast.unparse(node) for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Assert)]


def notes(source):
    """Notes to self: an issue is the place for them."""
    comments = (
        token.string
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT
    )
    return [comment for comment in comments if any(word in comment for word in UNFINISHED)]


def promises(source):
    """Functions that are not there yet; what a subclass must give is an abstract method."""
    names = [node.id for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name)]
    return [name for name in names if name == "NotImplementedError"]


def undocumented(source):
    """Public modules, classes, functions and methods without a docstring."""
    tree = ast.parse(source)
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    public = [n for n in tree.body if isinstance(n, kinds) and not n.name.startswith("_")]
    for owner in [n for n in public if isinstance(n, ast.ClassDef)]:
        # A protocol only says what something else already has.
        if "Protocol" not in [ast.unparse(base) for base in owner.bases]:
            public += [n for n in owner.body if isinstance(n, kinds) and not n.name.startswith("_")]
    found = [] if ast.get_docstring(tree) else ["the module"]
    return found + [n.name for n in public if not ast.get_docstring(n)]


def heavy_at_the_top(source):
    """Heavy libraries imported when the module is, rather than inside the function that needs them."""
    found = []
    for node in ast.parse(source).body:
        names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        found += [name for name in names if name.split(".")[0] in HEAVY]
    return found


def too_long(source):
    """Files in which a newcomer gets lost."""
    lines = source.count("\n")
    return [f"{lines} lines, at most {LONGEST_FILE}"] if lines > LONGEST_FILE else []


#: Rule, source that breaks it, and modules (dotted, without the package) it does not hold for, with a reason.
RULES = {
    "prints": (prints, 'import warnings\nwarnings.warn("x")', {"__main__": "the command line prints"}),
    "asserts": (asserts, "def f(x):\n    assert x > 0", {}),
    "notes": (notes, "x = 1  # TODO: the rest", {}),
    "promises": (promises, "def f():\n    raise NotImplementedError", {}),
    "undocumented": (undocumented, '"""M."""\ndef fit(x):\n    return x', {}),
    "heavy": (heavy_at_the_top, "import pymc as pm", {"publish.tasks": "the only module that knows pytask"}),
    "long": (too_long, "x = 1\n" * (LONGEST_FILE + 1), {}),
}


@pytest.mark.parametrize("name", RULES)
def test_the_source_keeps_the_rule(name):
    rule, _, excused = RULES[name]
    broken = {
        shown(path): rule(path.read_text(encoding="utf-8"))
        for path in modules()
        if dotted(path).removeprefix("soa_evidence.") not in excused
    }
    assert {path: found for path, found in broken.items() if found} == {}


@pytest.mark.parametrize("name", RULES)
def test_the_rule_can_be_broken(name):
    rule, bad, _ = RULES[name]
    assert rule(bad)


@pytest.mark.parametrize("name", [name for name, (_, _, excused) in RULES.items() if excused])
def test_an_excuse_is_still_needed(name):
    rule, _, excused = RULES[name]
    for module in excused:
        path = LIBRARY.joinpath(*module.split(".")).with_suffix(".py")
        assert rule(path.read_text(encoding="utf-8"))


def test_imports_go_downward_only():
    done = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports; raise SystemExit(lint_imports())"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout


@pytest.mark.parametrize("module", LIGHT)
def test_an_import_loads_nothing_heavy(module):
    code = f"import sys, {module}; print(*sorted(set({HEAVY!r}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_every_package_of_the_library_is_under_an_import_contract():
    import tomllib

    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    layered = {name.strip() for layer in contracts["contracts"][0]["layers"] for name in layer.split("|")}
    parts = {p.stem for p in LIBRARY.iterdir() if p.suffix == ".py" or (p / "__init__.py").is_file()}
    assert parts - {"__init__"} == layered
