"""The command line: build, list, check, check-registry, new, seal, briefing, clean, ingest."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from soa_evidence.errors import InputError, SoaEvidenceError, nearest

INTERRUPTED = 130


class _Parser(argparse.ArgumentParser):
    """argparse whose errors are ours: one message, the nearest name, our exit codes."""

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message[:1].upper()}{message[1:]}. `{self.prog} --help` shows what may be given.")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return 0, or the exit code of the error shown."""
    try:
        return _run(list(sys.argv[1:] if arguments is None else arguments))
    except SoaEvidenceError as error:
        print(f"soa-evidence: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print(
            "\nInterrupted. Reports already finished are kept; run the command again to go on.",
            file=sys.stderr,
        )
        return INTERRUPTED


def _run(arguments: list[str]) -> int:
    parser, commands = _parsers()
    if not arguments:
        parser.print_help()
        return InputError.exit_code
    if not arguments[0].startswith("-") and arguments[0] not in commands:
        raise InputError(
            f"There is no command '{arguments[0]}'.{nearest(arguments[0], commands)} "
            f"Commands: {', '.join(commands)}."
        )
    given, unknown = parser.parse_known_args(arguments)
    if unknown:
        options = commands[given.command]
        raise InputError(
            f"'{given.command}' does not take '{unknown[0]}'.{nearest(unknown[0], options)} "
            f"`soa-evidence {given.command} --help` shows what it takes."
        )
    run: Callable[[argparse.Namespace], int] = given.run
    return run(given)


def _parsers() -> tuple[argparse.ArgumentParser, dict[str, list[str]]]:
    """Return the parser, and the options each command takes."""
    parser = _Parser(
        prog="soa-evidence", description="Reproducible evidence synthesis for orthopaedic services."
    )
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND")
    commands: dict[str, list[str]] = {}

    def command(name: str, run: Callable[[argparse.Namespace], int], text: str) -> Callable[..., None]:
        made = subparsers.add_parser(name, help=text, description=text)
        made.set_defaults(run=run)
        commands[name] = ["--help"]

        def argument(*names: str, **choices: object) -> None:
            made.add_argument(*names, **choices)  # type: ignore[arg-type]
            commands[name].extend(n for n in names if n.startswith("-"))

        return argument

    add = command("build", _build, "Build every report that is not up to date, or those named.")
    add("reports", nargs="*", metavar="REPORT", help="ids of reports; the edition when none is given")
    add("--family", action="append", default=[], metavar="NAME", help="build every member of a family")
    add("-p", "--parameter", action="append", default=[], metavar="NAME=VALUE", help="override a parameter")
    add("-j", "--jobs", type=int, metavar="N", help="reports built at the same time")
    add("--force", action="store_true", help="build even what is up to date")
    add = command("list", _list, "Show every report with its parameters.")
    add("--json", action="store_true", help="as JSON, for programs")
    command("check", _check, "Check the catalogue, the notebooks and the evidence packages.")
    add = command(
        "check-registry",
        _check_registry,
        "Check a joint registry extract, offline: what is wrong, and in which rows.",
    )
    add("file", type=Path, metavar="FILE", help="the extract, CSV or Parquet; see docs/registry-extract.md")
    add("--units", type=Path, metavar="FILE", help="table of units and their class, for extracts without")
    add("--extract-date", metavar="DATE", help="day of the extract, YYYY-MM-DD; default: latest follow-up")
    add("--rows", type=int, default=5, metavar="N", help="row numbers shown of each finding (default: 5)")
    add("--json", action="store_true", help="as JSON, for programs")
    add = command("new", _new, "Start a new analysis: a notebook from the template and a catalogue entry.")
    add("id", metavar="ID", help="id of the new report, e.g. shoulder-readmission")
    add = command("seal", _seal, "Seal what is built as an edition, for later ones to be compared with.")
    add("name", metavar="NAME", help="its month or day, e.g. 2026-11-22")
    add = command("briefing", _briefing, "Print the built briefing as PDF, one side of A4, by a Chromium.")
    add("--browser", metavar="FILE", help="the Chromium to use (default: the first found)")
    command("clean", _clean, "Remove built pages and build state; numbers.json and run.json stay.")
    add = command("ingest", _ingest, "Build evidence packages from official releases.")
    add("source", metavar="SOURCE", help="which release; a wrong name lists them all")
    add("paths", nargs="+", type=Path, metavar="PATH", help="files or folders of the release")
    add("--classes", type=Path, metavar="FILE", help="table of provider classes, to build nhs-units too")
    add("--out", type=Path, metavar="FOLDER", help="where packages are written (default: evidence/)")
    return parser, commands


def _build(given: argparse.Namespace) -> int:
    from soa_evidence.publish import build
    from soa_evidence.publish.project import Project

    build.build(
        Project.find(),
        given.reports,
        families=given.family,
        settings=given.parameter,
        workers=given.jobs,
        force=given.force,
        say=lambda line: print(line, flush=True),
    )
    return 0


def _list(given: argparse.Namespace) -> int:
    from soa_evidence.publish import listing
    from soa_evidence.publish.project import Project

    project = Project.find()
    rows = listing.describe(project)
    told = [listing.as_text(rows), *listing.families(project)]
    print(json.dumps(rows, indent=1, ensure_ascii=False) if given.json else "\n\n".join(told))
    return 0


def _check(_given: argparse.Namespace) -> int:
    from soa_evidence.errors import CatalogueError
    from soa_evidence.publish import check
    from soa_evidence.publish.project import Project

    found = check.problems(Project.find())
    if found:
        listed = "\n".join(f"  {problem}" for problem in found)
        raise CatalogueError(f"{len(found)} problem{'s' if len(found) > 1 else ''} found:\n{listed}")
    print("Catalogue, notebooks and evidence are in order.")
    return 0


def _check_registry(given: argparse.Namespace) -> int:
    from soa_evidence.errors import EvidenceError
    from soa_evidence.evidence import registry

    if given.rows < 0:
        raise InputError(f"--rows is {given.rows}; expected 0 or more.")
    report = registry.check(given.file, units=given.units, extract_date=given.extract_date)
    shown = json.dumps(report.record(given.rows), indent=1, ensure_ascii=False)
    print(shown if given.json else report.text(given.rows))
    return 0 if report.in_order else EvidenceError.exit_code


def _new(given: argparse.Namespace) -> int:
    from soa_evidence.publish import scaffold
    from soa_evidence.publish.project import Project

    notebook = scaffold.new(Project.find(), given.id)
    print(f"Made {notebook} and an entry in analyses/catalogue.yml. Name the evidence, fill the cells, then")
    print(f"  soa-evidence build {given.id}")
    return 0


def _seal(given: argparse.Namespace) -> int:
    from soa_evidence.publish import edition
    from soa_evidence.publish.project import Project

    project = Project.find()
    print(f"Sealed {edition.seal(project, given.name).relative_to(project.root)}. Commit it.")
    return 0


def _briefing(given: argparse.Namespace) -> int:
    from soa_evidence.publish import briefing
    from soa_evidence.publish.project import Project

    project = Project.find()
    for path in briefing.pdf(project, browser=given.browser):
        print(f"printed {path.relative_to(project.root)}")
    return 0


def _clean(_given: argparse.Namespace) -> int:
    from soa_evidence.publish import lock
    from soa_evidence.publish.project import Project

    project = Project.find()
    # where there is no build state no build is at work, and to lock would make some
    with lock.held(project) if project.state.exists() else contextlib.nullcontext():
        removed = project.clean()
    for path in removed:
        print(f"removed {path.relative_to(project.root)}")
    return 0


def _ingest(given: argparse.Namespace) -> int:
    from soa_evidence.publish.ingest import ingest

    for line in ingest(given.source, given.paths, given.out or _evidence_folder(), classes=given.classes):
        print(line)
    return 0


def _evidence_folder() -> Path:
    from soa_evidence.publish.project import Project

    return Project.find().evidence


if __name__ == "__main__":
    sys.exit(main())
