"""What README and the other documents tell a newcomer to open, type or believe is there."""

import json
import re
import shlex
import subprocess

import pytest
import yaml
from house_files import ROOT, shown, tracked

from soa_evidence import __main__ as command_line
from soa_evidence.publish import build
from soa_evidence.publish.project import Project

README = (ROOT / "README.md").read_text(encoding="utf-8")
MAP = (ROOT / "docs" / "map.md").read_text(encoding="utf-8")
DOCUMENTS = [path for path in tracked() if path.suffix == ".md"]
REPORTS = yaml.safe_load((ROOT / "analyses" / "catalogue.yml").read_text(encoding="utf-8"))
#: Code spans and indented blocks: where commands stand.
CODE = re.compile(r"`([^`\n]+)`|^ {4}(\S.*)$", re.MULTILINE)
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
PICTURE_LARGEST = 300_000
SPECIALIST = "specialist-orthopaedic"


def code(text, word):
    """Commands in a document that start with `word`, as shell words, comments left out."""
    spans = (a or b for a, b in CODE.findall(text))
    found = [piece for span in spans for piece in span.split("&&")]
    # only a command is read as one: a formula may hold a single quotation mark
    return [shlex.split(piece, comments=True) for piece in found if piece.split()[:1] == [word]]


def targets():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    return set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))


def unknown_targets(text):
    return [word for _, *rest in code(text, "make") for word in rest[:1] if word not in targets()]


def wrong_commands(text):
    """Commands of `soa-evidence` that it would not take: unknown command, option, report or parameter."""
    _, known = command_line._parsers()
    wrong = []
    for words in code(text, "soa-evidence"):
        name, rest = (words[1], words[2:]) if len(words) > 1 else ("", [])
        options = [word for word in rest if word.startswith("-")]
        if name and (name not in known or set(options) - set(known[name])):
            wrong.append(" ".join(words))
    return wrong


def table_rows(text):
    """Rows of the "to change, open" table: what, and the code spans of its second column."""
    table = text.split("| to change | open |")[1].split("\n\n")[0]
    rows = [line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("| ")]
    return [(what, re.findall(r"`([^`]+)`", where)) for what, where in rows if not what.startswith("---")]


def lost_links(path, text):
    """Links of a document to files that are not there."""
    inner = (link.split("#")[0] for link in LINK.findall(text) if "://" not in link)
    return [link for link in inner if link and not (path.parent / link).exists()]


def lost_files(text):
    """Files of the repository that a document names in a code span and that are not there."""
    spans = re.findall(r"`((?:src|tests|docs|analyses|evidence|benchmarks)/[\w./-]*)`", text)
    return [span for span in spans if not (ROOT / span).exists()]


def test_every_row_of_the_table_leads_somewhere():
    rows = table_rows(README)
    assert len(rows) >= 20
    for what, where in rows:
        paths = [span for span in where if not span.startswith("make ")]
        assert paths, what
        assert [path for path in paths if not (ROOT / path).exists()] == [], what


def test_the_table_covers_what_people_change():
    opened = {path for _, where in table_rows(README) for path in where}
    layers = {
        path.split("/")[2] for path in opened if path.startswith("src/soa_evidence/") and "/" in path[17:]
    }
    methods = {"survival", "units", "synthesis", "economics", "pathways"}
    assert {*methods, "evidence", "reporting", "publish"} <= layers


def rooms():
    """Packages and modules at the top of the library, but for what makes it one."""
    top = (ROOT / "src" / "soa_evidence").iterdir()
    return {path.stem for path in top if path.stem != "__init__" and not path.stem.startswith("__py")}


def test_the_map_tells_every_room_and_is_found():
    told = set(re.findall(r"`src/soa_evidence/(\w+)[/.]", MAP.split("## Find a file")[0]))
    assert rooms() - told == set()
    assert "(docs/map.md)" in README


def test_endings_that_the_map_explains_are_those_of_files():
    endings = re.findall(r"`(_\w+)`", MAP.split("## Find a file")[1].split("## Follow")[0])
    names = {path.stem for path in (ROOT / "src").rglob("*.py")}
    assert len(endings) >= 10
    assert [ending for ending in endings if not any(name.endswith(ending) for name in names)] == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=shown)
def test_links_of_documents_resolve(path):
    assert lost_links(path, path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=shown)
def test_commands_in_documents_exist(path):
    text = path.read_text(encoding="utf-8")
    assert unknown_targets(text) == []
    assert wrong_commands(text) == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=shown)
def test_files_named_in_documents_exist(path):
    assert lost_files(path.read_text(encoding="utf-8")) == []


def test_what_is_wrong_in_a_document_would_be_seen():
    assert lost_files("see `src/soa_evidence/nothing.py`, `src/soa_evidence/`") == [
        "src/soa_evidence/nothing.py"
    ]
    assert unknown_targets("`make coffee`") == ["coffee"]
    assert wrong_commands("run `soa-evidence bild` or\n\n    soa-evidence list --jason\n") == [
        "soa-evidence bild",
        "soa-evidence list --jason",
    ]
    assert lost_links(
        ROOT / "README.md", "[a](docs/nothing.md) [b](README.md#x) [c](https://example.org)"
    ) == ["docs/nothing.md"]


def test_reports_and_parameters_named_in_commands_exist():
    builds = [words for words in code(README, "soa-evidence") if words[1:2] == ["build"]]
    builds = [words for words in builds if words[2:] and words[2] != "<id>"]
    assert builds
    for _, _, report, *rest in builds:
        settings = [value for flag, value in zip(rest[::2], rest[1::2], strict=True) if flag == "-p"]
        (job,) = build.plan(Project(ROOT), [report], settings=settings)
        assert set(job.overrides) == {setting.split("=")[0] for setting in settings}


def test_readme_names_the_two_commands_and_what_they_need():
    assert "    make reports\n    make test\n" in README
    for need in ("git", "make", "python3", "venv", "pip"):
        assert need in README.split("You need ")[1].split("\n")[0]
    listed = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert {"make reports", "make test", "make lab"} <= set(re.findall(r"make \w+", listed))


def test_the_picture_of_a_report_is_there_and_light():
    (picture,) = re.findall(r"!\[[^\]]{40,}\]\(([^)]+)\)", README)
    path = ROOT / picture
    assert path.read_bytes()[:4] == b"\x89PNG"
    assert path.stat().st_size < PICTURE_LARGEST


def test_python_in_readme_runs(capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    blocks = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert blocks
    for block in blocks:
        exec(compile(block, "README.md", "exec"), {})


@pytest.mark.slow
def test_the_example_on_own_data_runs(tmp_path, monkeypatch):
    text = (ROOT / "docs" / "own-data.md").read_text(encoding="utf-8")
    for name, content in re.findall(r"```csv (\S+)\n(.*?)```", text, re.DOTALL):
        (tmp_path / name).write_text(content, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    (block,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    names = {}
    exec(compile(block, "own-data.md", "exec"), names)
    result = names["result"]
    assert len(result.units) == 7
    assert [check.name for check in result.checks if check.verdict == "fail"] == []


def published(report, number, of=SPECIALIST):
    """One number of the published edition."""
    numbers = json.loads((ROOT / "reports" / report / "numbers.json").read_text(encoding="utf-8"))
    return next(item for item in numbers if item["id"] == f"{number}.{of}")


def test_what_readme_says_of_the_reports_is_what_they_say():
    compared = [report for report, entry in REPORTS.items() if entry["notebook"] == "unit_outcomes"]
    first = [report for report in compared if report.startswith(("primary-", "revision-"))]
    these = {report: published(report, "difference") for report in first}
    kinds = {report: published(report, "kind-difference") for report in first}
    better = {report for report, number in these.items() if number["upper"] < 0}
    worse = {report for report, number in these.items() if number["lower"] > 0}
    opening = README.split("![")[0]
    told = {report for report in first if f"*{REPORTS[report]['title'].lower()}*" in opening.lower()}
    assert (len(first), better, worse) == (8, told, set())
    assert not [report for report, n in kinds.items() if n["upper"] < 0 or n["lower"] > 0]
    assert "fared better in two" in opening
    assert "in the other six no difference is established" in opening
    assert "in none is one established for specialist hospitals as a kind" in opening


def test_what_readme_says_of_patients_judgement_is_what_the_reports_say():
    judged = [report for report, entry in REPORTS.items() if entry["notebook"] == "satisfaction"]
    assert len(judged) == 4
    for report in judged:
        assert published(report, "difference")["lower"] > 0
        assert published(report, "difference", of="independent-sector")["lower"] > 0
        kind = published(report, "kind-difference")
        assert kind["lower"] < 0 < kind["upper"]
    opening = README.split("![")[0]
    assert "in all four reports; so do patients of independent hospitals" in opening
    assert "of specialist hospitals as a kind nothing is established here either" in opening
