"""Which source files a notebook can run: exactly those, and never one too few."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from soa_evidence.publish import fingerprint
from soa_evidence.publish.imports import reached

LIBRARY = Path(fingerprint.__file__).parents[1]
ANALYSES = Path(__file__).parents[2] / "analyses"

LAZY = """
from typing import TYPE_CHECKING
from soa_evidence import lazy
if TYPE_CHECKING:
    from soa_evidence.shelf import atlas, box
    from soa_evidence.shelf.novel import novel
    from soa_evidence.shelf.novel import pages as leaves
__all__ = ["atlas", "box", "leaves", "novel"]
lazy.on_use(__name__)
"""
FILES = {
    "__init__.py": "",
    "lazy.py": "import importlib",
    "errors.py": "",
    "shelf/__init__.py": LAZY,
    "shelf/atlas.py": "from soa_evidence.errors import oh",
    "shelf/novel.py": "def novel():\n    from soa_evidence.shelf.late import x\npages = 3",
    "shelf/late.py": "",
    "shelf/unlisted.py": "",
    "shelf/box/__init__.py": LAZY.replace("shelf", "shelf.box").replace("atlas, box", "chart")
    .replace("novel", "map").replace('"atlas", "box"', '"chart"'),
    "shelf/box/chart.py": "",
    "shelf/box/map.py": "",
    "plain/__init__.py": "from soa_evidence.plain.one import given\nfrom soa_evidence import shelf",
    "plain/one.py": "given = 1",
    "plain/two.py": "from soa_evidence import shelf\nfrom typing import TYPE_CHECKING\n"
    "if TYPE_CHECKING:\n    from soa_evidence.shelf import atlas",
    "publish/page.py": "",
}  # fmt: skip
ALWAYS = {"__init__.py"}
SHELF = ALWAYS | {"lazy.py", "shelf/__init__.py"}
BOX = SHELF | {"shelf/box/__init__.py"}
WHOLE_SHELF = {path for path in FILES if path.startswith("shelf/")} | SHELF | {"errors.py"}
EVERYTHING = set(FILES) - {"publish/page.py"}


@pytest.mark.parametrize(
    ("source", "files"),
    [
        ("import numpy", ALWAYS),
        ("from soa_evidence import shelf", SHELF),
        ("from soa_evidence import shelf\nshelf.atlas.fit(x)", SHELF | {"shelf/atlas.py", "errors.py"}),
        ("from soa_evidence import shelf as s\ns.atlas", SHELF | {"shelf/atlas.py", "errors.py"}),
        ("from soa_evidence.shelf import atlas", SHELF | {"shelf/atlas.py", "errors.py"}),
        ("import soa_evidence.shelf.atlas", SHELF | {"shelf/atlas.py", "errors.py"}),
        ("import soa_evidence.shelf\nsoa_evidence.shelf.leaves", SHELF | {"shelf/novel.py", "shelf/late.py"}),
        # the function of the same name, and what the function imports when it is called
        ("from soa_evidence import shelf\nshelf.novel()", SHELF | {"shelf/novel.py", "shelf/late.py"}),
        ("def f():\n    from soa_evidence.shelf import leaves", SHELF | {"shelf/novel.py", "shelf/late.py"}),
        ("from soa_evidence.shelf import unlisted", SHELF | {"shelf/unlisted.py"}),
        ("from soa_evidence import shelf\nf'{shelf.box.chart}'", BOX | {"shelf/box/chart.py"}),
        ("from soa_evidence.shelf import box\nbox.map", BOX | {"shelf/box/map.py"}),
        # a package handed on as a thing
        ("from soa_evidence import shelf\ngetattr(shelf, name)", WHOLE_SHELF),
        ("from soa_evidence import shelf\nother = shelf", WHOLE_SHELF),
        ("from soa_evidence.shelf import *", WHOLE_SHELF),
        ("from soa_evidence import shelf\nshelf.box", BOX | {"shelf/box/chart.py", "shelf/box/map.py"}),
        ("import soa_evidence\nf(soa_evidence)", EVERYTHING),
        # packages that load at once, and packages found inside modules
        ("from soa_evidence import plain", SHELF | {"plain/__init__.py", "plain/one.py"}),
        ("from soa_evidence import plain\nplain.shelf.unlisted",
         SHELF | {"plain/__init__.py", "plain/one.py", "shelf/unlisted.py"}),
        ("from soa_evidence.plain import two", SHELF | {"plain/__init__.py", "plain/one.py", "plain/two.py"}),
        ("from soa_evidence.plain import two\ntwo.shelf.box.map",
         BOX | {"plain/__init__.py", "plain/one.py", "plain/two.py", "shelf/box/map.py"}),
        ("from soa_evidence.plain import two\ntwo.shelf.box",
         BOX | {"plain/__init__.py", "plain/one.py", "plain/two.py",
                "shelf/box/chart.py", "shelf/box/map.py"}),
        # what cannot be told by reading
        ("import importlib", EVERYTHING),
        ("from importlib import import_module", EVERYTHING),
        ("__import__(name)", EVERYTHING),
        ("exec(text)", EVERYTHING),
        ("import sys\nsys.modules[name]", EVERYTHING),
        ("from . import x", EVERYTHING),
        ("%matplotlib inline", EVERYTHING),
        ("from importlib import metadata", ALWAYS),
    ],
)  # fmt: skip
def test_what_a_source_reaches(source, files):
    assert set(reached([source], FILES)) == files


def changed(path, text, source="from soa_evidence import shelf\nshelf.atlas"):
    return reached([source], FILES) != reached([source], FILES | {path: text})


def test_a_package_s_new_name_concerns_only_those_who_use_it():
    more = LAZY.replace("atlas, box", "atlas, box, late").replace('["atlas"', '["late", "atlas"')
    assert not changed("shelf/__init__.py", more)
    assert changed("shelf/__init__.py", more, "from soa_evidence import shelf\nf(shelf)")


def test_what_a_package_does_and_where_it_finds_a_name_concerns_all_who_use_it():
    assert changed("shelf/__init__.py", LAZY + "x = 1\n")
    elsewhere = LAZY.replace("novel import pages", "late import pages")
    assert not changed("shelf/__init__.py", elsewhere)
    assert changed("shelf/__init__.py", elsewhere, "from soa_evidence.shelf import leaves")


def library():
    return dict(fingerprint.Library.read(LIBRARY).sources)


def stale(path):
    """Notebooks that a change of one file of the library makes stale."""
    files = library()
    before = fingerprint.Library(sources=files, others={})
    after = fingerprint.Library(sources=files | {path: files[path] + "\nx = 1\n"}, others={})
    notebooks = [p for p in sorted(ANALYSES.glob("*.ipynb")) if not p.stem.startswith("_")]
    return {p.stem for p in notebooks if before.run_by(p) != after.run_by(p)}


@pytest.mark.parametrize(
    ("path", "does", "does_not"),
    [
        ("survival/cox.py", "revision_survival", "unit_outcomes"),
        ("pathways/queue_forecast.py", "waiting_times", "pathway_redesign"),
        ("units/volume.py", "critical_mass", "all_outcomes"),
        ("units/direct_kernels.py", "unit_outcomes", "waiting_times"),
        ("economics/tariff_rules.py", "case_mix_funding", "lifetime_cost"),
        ("synthesis/prisma.py", "published_evidence", "published_survivorship"),
        ("reporting/figures/funnel.py", None, "case_mix_funding"),
    ],
)
def test_a_changed_method_makes_stale_its_own_reports_and_not_the_others(path, does, does_not):
    found = stale(path)
    assert does is None or does in found
    assert does_not not in found


@pytest.mark.parametrize("path", ["results/estimates.py", "errors.py", "lazy.py", "reporting/safe.py"])
def test_what_all_reports_rest_on_makes_all_stale(path):
    assert stale(path) == {p.stem for p in ANALYSES.glob("*.ipynb") if not p.stem.startswith("_")}


def test_publishing_makes_no_report_run_again():
    assert stale("publish/page.py") == set()


def test_no_import_of_the_library_loads_a_file_that_was_not_foreseen():
    """Import every module, in one process, and compare what Python loaded with what was read off."""
    files = library()
    modules = ["soa_evidence." + path[:-3].replace("/", ".").removesuffix(".__init__")
               for path in sorted(files) if "/" in path and not path.startswith("publish/")]  # fmt: skip
    code = (
        "import importlib, json, sys\n"
        "loads = {}\n"
        "for name in sys.argv[1].split(','):\n"
        "    before = set(sys.modules)\n"
        "    importlib.import_module(name)\n"
        "    loads[name] = [n for n in set(sys.modules) - before if n.startswith('soa_evidence')]\n"
        "print(json.dumps(loads))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, ",".join(modules)], capture_output=True, text=True, check=True
    )
    loads = json.loads(done.stdout)
    assert len(loads) > 300
    for name, loaded in loads.items():
        foreseen = {"soa_evidence." + path[:-3].replace("/", ".").removesuffix(".__init__")
                    for path in reached([f"import {name}"], files)}  # fmt: skip
        assert set(loaded) - {"soa_evidence"} <= foreseen, name
