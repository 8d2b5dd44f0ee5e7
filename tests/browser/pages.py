"""A small site with every kind of page, made without running a notebook; its names are hostile."""

from __future__ import annotations

import json

import nbformat
import pandas as pd

from soa_evidence import reporting
from soa_evidence.publish import briefing as briefings
from soa_evidence.publish import bundles, edition, front, index, page, record
from soa_evidence.publish.project import Project
from soa_evidence.reporting import figures, provenance
from soa_evidence.results import Basis, Check, Counted, Estimates, Member

#: What others might call a hospital or a study.
HOSTILE = (
    "<script>window.hacked = 1</script> Infirmary",
    '"><img src=x onerror="window.hacked = 2">',
    '=HYPERLINK("https://example.org","Hospital")',
    "Pneumono" + "ultramicroscopic" * 19,
    "\u202esuorf\u202c General \u2066isolate",
    "مستشفى العظام בית חולים",
    "🏥🦴 Hospital 👩🏽‍⚕️",
    "-2+3 Trust",
)
CHECK = Check(name="R-hat", verdict="pass", observed="1.00", expected="at most 1.01", why="Chains agree.")
WARN = Check(name="Spread <b>", verdict="warn", observed="0.03", expected="0.05 to 0.95", why="Too narrow.")
GLOSSARY = "**Credible interval** – The range that holds the value with a stated probability.\n"
PACKAGES = (
    {"name": "pack", "title": HOSTILE[0], "kind": "published", "licence": "OGL", "hash": "sha256:0",
     "sources": [{"title": HOSTILE[5], "path": "https://example.org/data"}]},
    {"name": "syn-pack", "title": "Made up", "kind": "synthetic", "licence": "CC0", "hash": "sha256:1",
     "sources": [{"title": "A program", "path": ""}]},
)  # fmt: skip


ROWS = Basis(
    holder="pack", table="units", file="data/units.csv", where="year in ['2016/17', '2017/18']",
    rows=8, total=12, counted=(Counted(column="records", total=1234.0, unit="records"),),
)  # fmt: skip
FEW_ROWS = Basis(
    holder="pack", table="studies", file="", where="", rows=2, total=2,
    members=(
        Member(key="A-1", citation=HOSTILE[0], link="https://example.org/a"),
        Member(key=HOSTILE[5], link="javascript:alert(1)"),
    ),
)  # fmt: skip


def estimates():
    n = len(HOSTILE)
    covariance = [[float(i == j) for j in range(n)] for i in range(n)]
    return Estimates(
        estimand="risk difference", labels=HOSTILE, unit="per 1,000 patients", method="toy",
        interval="credible", checks=(CHECK, WARN),
        mean=[float(i - 3) for i in range(n)], covariance=covariance,
    )  # fmt: skip


def executed(shift=0.0):
    """An executed notebook that shows one of everything."""
    held = estimates()
    numbers = reporting.numbers(held, id="d", population="all patients", evidence=[ROWS, FEW_ROWS])
    made_up = reporting.number(
        0.4, id="made-up", estimand="share", unit="probability", population="no one", evidence=["syn-pack"],
        method="toy", checks=[CHECK],
    )  # fmt: skip
    first = next(iter(numbers.values()))
    units = pd.DataFrame(
        {"hospital": HOSTILE, "events": range(20, 28), "estimate": [5.0, 3, 8, 1, 9, 2, 7, 4]}
    ).assign(lower=lambda f: f["estimate"] - 1, upper=lambda f: f["estimate"] + 1 + shift)
    drawn = units.rename(columns={"hospital": "label"})
    answer = reporting.headline(
        reporting.sentence("About {d:fewer between} per 1,000, with a credible interval.", d=first),
        reporting.sentence("In made-up data {p:chance} it holds; see {y}.", p=made_up,
                           y=reporting.given("2017", why="a year")),
    )  # fmt: skip
    text = nbformat.v4.new_markdown_cell
    return nbformat.v4.new_notebook(
        cells=[
            text("## Question\n\nIs it so? A credible interval says how sure one can be."),
            text("## Evidence used"),
            shown(provenance.evidence_records(PACKAGES)),
            text("## Checks"),
            shown(reporting.checks([CHECK, WARN])),
            text("## Results"),
            shown(numbers | made_up),
            shown(answer, "headline"),
            shown(
                figures.forest(
                    drawn, unit_text="per 1,000", id="picture", title="Units", subtitle="With limits"
                ),
                "picture",
            ),
            shown(reporting.table(units, id="units", title="Every <unit>", fold=False)),
            *map(shown, hostile_figures(units)),
            text("## Sources and run record\n\nFrom published data."),
        ]
    )


def hostile_figures(units):
    """Figures that write the names of hospitals and the titles of studies, each with all hostile ones."""
    at = range(1, len(units) + 1)
    names = units.rename(columns={"hospital": "label"}).assign(
        group="specialist orthopaedic", volume=[100 * i for i in at], rank_lower=at, rank_upper=len(units)
    )
    words = {"title": "Names of any kind", "subtitle": "What others call them, as they are"}
    yield figures.caterpillar(names, id="order", unit_text="per 1,000", highlight=HOSTILE[:4], **words)
    yield figures.funnel(
        names, pd.DataFrame({"volume": [1, 900], "lower": [2.0, 3], "upper": [8.0, 6]}), id="funnel",
        reference=5.0, reference_label="all", volume_text="patients", unit_text="per 1,000",
        highlight=HOSTILE[4:6], **words,
    )  # fmt: skip
    yield figures.study_forest(
        names[["label", "estimate", "lower", "upper"]].assign(lower=lambda f: f["lower"] + 0.5), id="studies",
        ratio=True, unit_text="odds ratio", sides=(HOSTILE[0], HOSTILE[5]), **words,
    )  # fmt: skip


def shown(thing, *tags):
    data = thing if isinstance(thing, dict) else thing._repr_mimebundle_()
    output = nbformat.v4.new_output("display_data", data=data)
    return nbformat.v4.new_code_cell("show()", outputs=[output], metadata={"tags": list(tags)})


def write(root):
    """Write the site and return its pages by kind."""
    project = Project(root)
    (root / "docs").mkdir(parents=True)
    project.glossary.write_text(GLOSSARY, encoding="utf-8")
    reports = [
        {"id": "one", "title": "Readmission after hips", "question": f"Is {HOSTILE[0]} better?"},
        {"id": "two", "title": HOSTILE[4], "question": "Is it withheld?"},
    ]
    notebook = executed()
    found = bundles.collect(notebook)
    run = record.describe(
        reports[0], parameters={"joint": HOSTILE[2]}, overrides={}, hashes={"notebook": "ab"}, bundles=found
    )
    run |= {"answer": index.answer(found.headlines)}
    html = page.render(notebook, report=reports[0], run=run, glossary_file=project.glossary)
    record.write_published(project.report("one"), page=html, run=run, bundles=found)
    failed = [{"name": "R-hat <b>", "verdict": "fail", "observed": "1.3", "expected": "1.01", "why": "w"}]
    withheld = record.describe(
        reports[1], parameters={}, overrides={}, hashes={}, bundles=bundles.Bundles(), failed=failed
    )
    record.write_failed(
        project.report("two"), page=page.render_failure(reports[1], failed, withheld), run=withheld
    )
    _seal_an_earlier_edition(project)
    entries = [
        {
            **meta,
            "status": record.read(project.report(meta["id"]) / "run.json")["status"],
            "href": f"{meta['id']}/index.html",
            "headline": record.read(project.report(meta["id"]) / "run.json")["headline"],
            "numbers": record.read(project.report(meta["id"]) / "numbers.json"),
            "run": record.read(project.report(meta["id"]) / "run.json"),
        }
        for meta in reports
    ]
    profiles = [{"name": name, "href": "one/index.html"} for name in HOSTILE]
    made = front.pages(
        entries, profiles, built=_built(project), before=edition.before(project, _built(project))
    )
    for name, html in made.items():
        (project.reports / name).write_text(html, encoding="utf-8")
    return {
        "page": project.report("one") / "index.html",
        "withheld": project.report("two") / "index.html",
        **{name.removesuffix(".html"): project.reports / name for name in made},
    }


def briefing(root):
    """Write a briefing of six claims, each as wordy as a report's, and return its path."""
    words = "a comparison of all patients in the registry linked to hospital records and deaths "
    number = '<a class="number" href="#number-x">15 fewer (24 fewer to 6 fewer)</a>'
    claims = [
        {
            "id": f"claim-{at}", "name": "Better outcomes",
            "says": f"Specialist hospitals do better: {words[:60]}.",
            "answer": "Some of the evidence supports it and none contradicts it, but most takes no side.",
            "for": f"Wound problems after a first knee replacement: {number} per 1,000 patients.",
            "against": f"No line lies on this side: {words}",
            "missing": [words[:75], words[:70], words[:60]],
            "care": f"Read beside it: {words}" if at == 0 else "",
            "printed": f"Single published results: {number[:-23]}</a> for, 4 against, 10 neither.",
            "certainty": "very low", "well": 3, "asked": 7,
            "counts": {"for": 5, "against": 2, "cannot_tell": 9, "small": 3},
        }
        for at in range(6)
    ]  # fmt: skip
    case = bundles.Bundles(cases=({"kind": "case", "claims": claims},))
    report = {"id": "case", "title": "The better-outcome case", "question": f"What speaks for it? {words}"}
    path = root / briefings.PAGE
    path.write_text(briefings.render(case, report=report, run={}), encoding="utf-8")
    return path


def _built(project):
    return {id: edition.of_report(project, id) for id in ("one", "two")}


def _seal_an_earlier_edition(project):
    """An edition in which one comparison said something else and the data were others."""
    held = json.loads(json.dumps(edition.of_report(project, "one")))
    flipped = held["numbers"][held["turns_on"]]
    flipped |= {"lower": 1.0, "upper": 3.0, "estimate": 2.0, "shown": "2.0 (1.0 to 3.0)"}
    held["hashes"] = {"notebook": "cd", "evidence pack": "0"}
    project.editions.mkdir()
    sealed = {"edition": "2026-10", "sealed": "2026-10-01", "reports": {"one": held}}
    (project.editions / "2026-10.json").write_text(json.dumps(sealed), encoding="utf-8")
