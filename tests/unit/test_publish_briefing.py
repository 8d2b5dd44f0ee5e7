"""The briefing: made from the same bundles as the page, and printed where there is a Chromium."""

import stat
import zlib

import pytest

from soa_evidence.__main__ import main
from soa_evidence.errors import BuildError
from soa_evidence.publish import briefing
from soa_evidence.publish.bundles import Bundles
from soa_evidence.publish.project import Project

REPORT = {"id": "case", "title": "The case", "question": "What <b> speaks for it?"}
CLAIM = {
    "id": "better", "name": "Better & safer", "says": "They <i>fare</i> better.",
    "for": '<a class="number" href="#number-better.all">4</a>, <a class="given" href="#given-0a">2017</a>.',
    "against": "None.", "answer": "It <b>may</b> be so.", "printed": "", "certainty": "low",
    "care": "<em>Beware</em> of it.",
    "missing": ["a trial", "<script>x</script>"],
    "well": 3, "asked": 7, "counts": {"for": 2, "against": 0, "cannot_tell": 1, "small": 0},
}  # fmt: skip


def page(claims=1):
    case = {"kind": "case", "claims": [CLAIM] * claims}
    return briefing.render(Bundles(cases=(case,)), report=REPORT, run={})


def test_figures_lead_to_their_records_on_the_report_and_texts_are_inert():
    html = page()
    assert 'href="index.html#number-better.all"' in html
    assert 'href="index.html#claim-better"' in html
    assert "<script>x" not in html.replace("<script>\n", "")
    assert "They &lt;i&gt;fare&lt;/i&gt; better." in html
    assert "●●</span> 2 for" in html
    assert "against</span>" not in html  # no mark for what does not occur
    assert '<span class="certainty">Certainty: low</span>' in html
    assert 'href="index.html#given-0a"' in html
    assert "It &lt;b&gt;may&lt;/b&gt; be so." in html
    assert "<strong>Read with care:</strong> <em>Beware</em> of it." in html


def test_a_briefing_is_made_from_one_case():
    with pytest.raises(BuildError, match="Report 'case' shows 0 cases; a briefing is made from exactly one"):
        briefing.render(Bundles(), report=REPORT, run={})


def built(root, text="x"):
    project = Project(root)
    folder = project.report("case")
    folder.mkdir(parents=True)
    (folder / briefing.PAGE).write_text(text, encoding="utf-8")
    return project


def program(path, script):
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IEXEC)
    return str(path)


def test_without_a_briefing_or_a_browser_it_says_what_to_do(tmp_path, monkeypatch):
    with pytest.raises(BuildError, match=r"No briefing has been built\. Run `soa-evidence build"):
        briefing.pdf(Project(tmp_path))
    project = built(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BuildError, match=r"No Chromium was found \(looked for chromium, .*print it"):
        briefing.pdf(project)


def test_a_browser_that_fails_or_leaves_nothing_is_told(tmp_path):
    project = built(tmp_path)
    for script, message in (
        ("exit 3", r"could not print briefing.html \(CalledProcessError\)"),
        ("exit 0", "printed briefing.html but left no file"),
    ):
        with pytest.raises(BuildError, match=message):
            briefing.pdf(project, browser=program(tmp_path / "browser", script))
    with pytest.raises(BuildError, match=r"could not print briefing.html \(FileNotFoundError\)"):
        briefing.pdf(project, browser=str(tmp_path / "absent"))
    assert not (project.report("case") / briefing.PDF).exists()


def test_the_pdf_stands_beside_the_page_and_goes_when_cleaned(tmp_path, monkeypatch, capsys):
    project = built(tmp_path)
    (tmp_path / "analyses").mkdir()
    (tmp_path / "analyses" / "catalogue.yml").write_text("")
    writes = 'for a in "$@"; do case $a in --print-to-pdf=*) echo "/Type /Pages /Type /Page" > "${a#*=}";; '
    writes += "esac; done"
    monkeypatch.chdir(tmp_path)
    assert main(["briefing", "--browser", program(tmp_path / "browser", writes)]) == 0
    assert "printed reports/case/briefing.pdf" in capsys.readouterr().out
    made = project.report("case") / briefing.PDF
    assert briefing.pages_of(made) == 1
    assert made in project.clean()


def a_pdf(path, *streams):
    body = b"".join(b"<<>>\nstream\n" + stream + b"\nendstream\n" for stream in streams)
    path.write_bytes(b"%PDF-1.4\n" + body)
    return path


def test_the_smallest_type_of_a_pdf_is_told_in_points(tmp_path):
    page = b".24 0 0 -.24 0 842 cm\n3.125 0 0 3.125 1 1 cm\n/F4 16 Tf (a) Tj\n/F5 12 Tf (b) Tj"
    file = a_pdf(tmp_path / "a.pdf", b"no text at all", zlib.compress(b"0 0 m"), zlib.compress(page))
    assert briefing.smallest_type(file) == pytest.approx(0.24 * 3.125 * 12)
    with pytest.raises(BuildError, match=r"b\.pdf holds no type that can be read"):
        briefing.smallest_type(a_pdf(tmp_path / "b.pdf", b"x"))
