"""Packages that load what they offer when it is first used."""

import ast
import importlib
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from soa_evidence import lazy

LIBRARY = Path(lazy.__file__).parent
LAZY = sorted(
    ".".join(("soa_evidence", *path.parent.relative_to(LIBRARY).parts))
    for path in LIBRARY.rglob("__init__.py")
    if "lazy.on_use(" in path.read_text(encoding="utf-8")
)


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Return a function that writes a package from its files and imports it."""

    def write(**files):
        folder = tmp_path / "shelf"
        folder.mkdir()
        for name, source in files.items():
            (folder / f"{name}.py").write_text(textwrap.dedent(source), encoding="utf-8")
        monkeypatch.syspath_prepend(tmp_path)
        return importlib.import_module("shelf")

    yield write
    for name in [name for name in sys.modules if name.split(".")[0] == "shelf"]:
        del sys.modules[name]


SHELF = {
    "__init__": """
        from typing import TYPE_CHECKING
        from soa_evidence import lazy
        if TYPE_CHECKING:
            from shelf import atlas
            from shelf.novel import novel
            from shelf.novel import pages as leaves
        __all__ = ["atlas", "leaves", "novel"]
        lazy.on_use(__name__)
        """,
    "atlas": "from shelf.novel import pages",
    "novel": "pages = 300\ndef novel():\n    return pages",
    "unlisted": "x = 1",
}


def loaded():
    return sorted(name for name in sys.modules if name.startswith("shelf."))


def test_nothing_is_loaded_before_it_is_used(package):
    shelf = package(**SHELF)
    assert loaded() == []
    assert shelf.leaves == 300
    assert loaded() == ["shelf.novel"]


def test_modules_functions_and_aliases_are_found_in_every_way_of_asking(package):
    shelf = package(**SHELF)
    from shelf import atlas, leaves, novel

    assert (shelf.atlas, shelf.leaves, shelf.novel) == (atlas, leaves, novel)
    assert atlas.pages == leaves == novel() == 300
    everything = {}
    exec("from shelf import *", everything)
    assert everything["novel"] is novel


def test_a_module_called_like_its_function_never_stands_before_it(package):
    shelf = package(**SHELF)
    module = importlib.import_module("shelf.novel")
    assert shelf.novel is module.novel
    import shelf.novel  # the statement too, which puts the module into its package

    assert shelf.novel() == 300


def test_what_is_not_offered_is_imported_as_from_any_package(package):
    shelf = package(**SHELF)
    assert not hasattr(shelf, "unlisted")
    from shelf import unlisted

    assert shelf.unlisted is unlisted


def test_a_package_lists_what_it_offers_and_can_be_patched(package, monkeypatch):
    shelf = package(**SHELF)
    assert {"atlas", "leaves", "novel"} <= set(dir(shelf))
    monkeypatch.setattr(shelf, "novel", lambda: 1)
    assert shelf.novel() == 1
    monkeypatch.undo()
    assert shelf.novel() == 300


def test_a_name_it_does_not_offer_is_an_attribute_error(package):
    shelf = package(**SHELF)
    with pytest.raises(AttributeError, match="module 'shelf' has no attribute 'novels'") as caught:
        shelf.novels  # noqa: B018
    assert caught.value.name == "novels"  # from which Python tells the nearest name
    with pytest.raises(ImportError, match="cannot import name 'novels'"):
        from shelf import novels  # noqa: F401


def test_a_promise_of_what_is_found_nowhere_is_refused(package):
    short = SHELF["__init__"].replace("from shelf import atlas", "pass")
    with pytest.raises(ImportError, match="shelf offers atlas in __all__ but says not where it is found"):
        package(**SHELF | {"__init__": short})


def test_a_package_without_source_is_refused(monkeypatch):
    module = type(sys)("bare")
    module.__all__ = []
    monkeypatch.setitem(sys.modules, "bare", module)
    with pytest.raises(ImportError, match="source of bare is not there"):
        lazy.on_use("bare")


@pytest.mark.parametrize("name", LAZY)
def test_a_package_gives_all_it_offers_and_offers_all_it_gives(name):
    found = importlib.import_module(name)
    places = lazy.offered(Path(found.__file__).read_text(encoding="utf-8"), package=name)
    assert sorted(places) == sorted(found.__all__)
    assert set(found.__all__) <= set(dir(found))
    for offered, place in places.items():
        module = importlib.import_module(place.module)
        assert getattr(found, offered) is (module if place.name is None else getattr(module, place.name))


@pytest.mark.parametrize("name", LAZY)
def test_a_package_imports_nothing_of_the_library_before(name):
    folder = LIBRARY.joinpath(*name.split(".")[1:])
    tree = ast.parse((folder / "__init__.py").read_text(encoding="utf-8"))
    imports = [node.module for node in tree.body if isinstance(node, ast.ImportFrom)]
    assert [module for module in imports if module.startswith("soa_evidence.")] == []


def test_using_one_method_loads_no_other():
    code = (
        "import sys; from soa_evidence import units; units.funnel.fit; "
        "print(*[m for m in ('binomial', 'joint', 'volume') if f'soa_evidence.units.{m}' in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
