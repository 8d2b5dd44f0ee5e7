"""What a report leaves behind: stable bytes, no trace of the machine, nothing of a failed run."""

import json
from dataclasses import replace

from publish_toys import code, entry, make, write_notebook, write_package
from test_publish_disclosure import CHECK, GOOD, NUMBER

from soa_evidence.publish import build, fingerprint, publication, record
from soa_evidence.publish.bundles import Bundles

META = {"id": "one", "title": "One", "question": "Is it?"}


def test_numbers_are_sorted_rounded_and_whole():
    noisy = NUMBER | {"id": "b", "estimate": 0.1 + 0.2, "shown": "30%"}
    rows = json.loads(record.numbers_json(Bundles(numbers=(noisy, NUMBER | {"id": "a"}))))
    assert [row["id"] for row in rows] == ["a", "b"]
    assert rows[1]["estimate"] == 0.3
    assert set(rows[0]) == {*NUMBER, "estimand_kind", "decimals", "origin"}


def test_the_same_numbers_are_the_same_bytes_beyond_the_tenth_digit():
    shifted = Bundles(numbers=(NUMBER | {"estimate": NUMBER["estimate"] * (1 + 1e-13)},))
    assert record.numbers_json(shifted) == record.numbers_json(Bundles(numbers=(NUMBER,)))


def test_the_run_record_keeps_what_varies_in_one_place(tmp_path):
    run = record.describe(
        META,
        parameters={"seed": 3},
        overrides={"seed": 3},
        hashes={"b": "2", "a": "1"},
        bundles=GOOD,
        root=tmp_path,
    )
    assert run["status"] == "published"
    assert (run["seed"], run["overrides"], list(run["hashes"])) == (3, {"seed": 3}, ["a", "b"])
    assert run["this_run"] == {"started": "", "duration_seconds": 0.0, "git_commit": "not in git"}
    assert run["headline"] == ["It is 4%."]
    assert str(tmp_path) not in record.to_json(run)


def test_a_failed_run_leaves_no_number_figure_or_page_behind(tmp_path):
    figure = {"id": "f", "svg": "<svg/>", "csv": "a\n1\n"}
    table = {"id": "t", "csv": "a\n1\n"}
    whole = Bundles(numbers=(NUMBER,), figures=(figure,), tables=(table,))
    record.write_published(tmp_path, page="<p>report</p>", run={"status": "published"}, bundles=whole)
    kept = sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file())
    assert kept == [
        "figures/f.csv",
        "figures/f.svg",
        "index.html",
        "numbers.json",
        "run.json",
        "tables/t.csv",
    ]

    run = record.describe(META, parameters={}, overrides={}, hashes={}, bundles=whole, failed=[CHECK])
    record.write_failed(tmp_path, page="<p>error</p>", run=run)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["index.html", "numbers.json", "run.json"]
    assert (tmp_path / "numbers.json").read_text() == "[]\n"
    assert json.loads((tmp_path / "run.json").read_text())["status"] == "failed"


def parts(project, report="one", settings=()):
    (job,) = build.plan(project, [report], settings=settings)
    return job.fingerprint


def changed(before, after):
    return {name for name in after.parts if after.parts[name] != before.parts.get(name)}


def test_each_thing_a_report_is_made_from_has_its_own_hash(tmp_path):
    project = make(tmp_path, entry("one"))
    before = parts(project)
    assert changed(before, parts(project, settings=["seed=2"])) == {"parameters"}
    project.lock.write_text("nothing==2\n")
    assert changed(before, parts(project)) == {"environment"}
    write_package(project.evidence / "syn-toy", "2")
    assert changed(before, parts(project)) == {"environment", "evidence syn-toy"}
    (project.evidence / "syn-toy" / "README.md").write_text("new words")
    assert changed(before, parts(project)) == {"environment", "evidence syn-toy"}


def test_a_file_changed_behind_its_descriptor_counts(tmp_path):
    project = make(tmp_path, entry("one"))
    before = parts(project)
    (project.evidence / "syn-toy" / "toy.csv").write_text("n\n7\n")
    assert changed(before, parts(project)) == {"evidence syn-toy"}


def test_only_the_words_of_the_entry_and_the_pages_code_spare_the_notebook(tmp_path):
    project = make(tmp_path, entry("one"))
    before = parts(project)
    project.catalogue.write_text(entry("one").replace("Is it?", "Is it so?"))
    after = parts(project)
    assert changed(before, after) == {"entry"}
    assert after.execution == before.execution
    assert parts(project, settings=["seed=2"]).execution != before.execution


def test_the_library_is_hashed_in_two_parts(tmp_path):
    library, notebook = tmp_path / "library", tmp_path / "toy.ipynb"
    write_notebook(notebook, [code("from soa_evidence.units import model")])
    for name in ("units/model.py", "units/other.py", "publish/page.py", "publish/style.css", "__main__.py"):
        (library / name).parent.mkdir(exist_ok=True, parents=True)
        (library / name).write_text("1")

    def taken():
        now = fingerprint.Library.read(library)
        return now.run_by(notebook), now.publishing

    before = taken()
    (library / "publish" / "style.css").write_text("2")
    styled = taken()
    assert (styled[0] == before[0], styled[1] == before[1]) == (True, False)
    (library / "units" / "other.py").write_text("2")
    assert taken() == styled
    (library / "units" / "model.py").write_text("2")
    assert (taken()[0] == before[0], taken()[1] == styled[1]) == (False, True)
    (library / "publish" / "page.py").write_text("from soa_evidence.units import other")
    pages = taken()
    (library / "units" / "other.py").write_text("3")
    assert (taken()[0] == pages[0], taken()[1] == pages[1]) == (True, False)


def test_a_notebook_that_cannot_be_read_runs_on_the_whole_library(tmp_path):
    library = fingerprint.Library(sources={"units/model.py": "x = 1"}, others={})
    more = fingerprint.Library(sources={"units/model.py": "x = 2"}, others={})
    assert library.run_by(tmp_path / "none.ipynb") != more.run_by(tmp_path / "none.ipynb")
    (tmp_path / "magic.ipynb").write_text('{"cells": [{"cell_type": "code", "source": ["%run x"]}]}')
    assert library.run_by(tmp_path / "magic.ipynb") != more.run_by(tmp_path / "magic.ipynb")


def test_sources_that_change_while_a_report_runs_are_told(tmp_path, monkeypatch):
    project = make(tmp_path, entry("one"))
    (job,) = build.plan(project, ["one"])
    before = publication._fingerprint(job)
    assert publication._moved(replace(job, fingerprint=before)) == []
    notebook = project.notebook(job.report.notebook)
    notebook.write_text(notebook.read_text(encoding="utf-8") + " ", encoding="utf-8")
    (told,) = publication._moved(replace(job, fingerprint=before))
    assert told["verdict"] == "fail"
    assert told["observed"] == "changed meanwhile: notebook"
