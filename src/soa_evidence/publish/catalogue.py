"""The catalogue: every report there is, read strictly from ``analyses/catalogue.yml``.

::

    primary-hip-readmission:
      notebook: unit_outcomes
      title: Readmission after a first hip replacement
      question: After a first hip replacement, are patients ... readmitted less often than ...?
      evidence: [nhs-proms-units, nhs-units]
      parameters: {joint: hip, procedure: primary}

An entry may say ``after: [ids]``: the reports whose results its notebook reads. They are built before it, and
a change in what they published builds it again. An entry with ``family`` stands for many reports, one a value
of a parameter (see `families`).

A key that is not known, a repeated report or a name that leads nowhere is an error, never ignored.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import yaml

from soa_evidence.errors import CatalogueError, nearest
from soa_evidence.publish import families, parameters
from soa_evidence.publish.notebook import Notebook
from soa_evidence.publish.own_data import OwnData
from soa_evidence.publish.project import Project

__all__ = ["ID_PATTERN", "Catalogue", "Report", "load"]

ID_PATTERN = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
REQUIRED = ("notebook", "title", "question", "evidence")
KNOWN = (*REQUIRED, "parameters", "after", "family")


@dataclass(frozen=True, kw_only=True)
class Report:
    """One entry of the catalogue; `values` holds every parameter's value, defaults filled in.

    `own` are files of a researcher's, given on the command line in place of an evidence package. `after` are
    the reports it reads from; `feeders` all that it rests on, also through others, and `fed` the evidence
    behind those. A member of a `family` belongs to the edition when it is a `sample`.
    """

    id: str
    notebook: str
    title: str
    question: str
    evidence: tuple[str, ...]
    values: Mapping[str, parameters.Value]
    known: Mapping[str, parameters.Parameter] = field(repr=False)
    own: tuple[OwnData, ...] = ()
    after: tuple[str, ...] = ()
    feeders: tuple[str, ...] = ()
    fed: tuple[str, ...] = ()
    family: str = ""
    sample: bool = False

    @classmethod
    def build(cls, report_id: object, raw: object, *, source: _Source) -> Report:
        """Check one raw entry and make a report of it; every fault is a CatalogueError naming the report."""
        where = f"catalogue.yml, report '{report_id}'"
        entry = _entry(report_id, raw, where=where)
        name = _text(entry, "notebook", where=where)
        known = source.parameters(name, where=where)
        after = _names(entry.get("after", []), where=where)
        given = entry.get("parameters") or {}
        if not isinstance(given, dict):
            raise CatalogueError(f"{where}: parameters is {given!r}; expected a mapping of names to values.")
        return cls(
            id=str(report_id),
            notebook=name,
            title=_text(entry, "title", where=where),
            question=_text(entry, "question", where=where),
            evidence=_evidence(entry["evidence"], source.packages, where=where, may_be_empty=bool(after)),
            values=parameters.resolve(known, given, where=where),
            known=known,
            after=after,
        )

    @property
    def all_evidence(self) -> tuple[str, ...]:
        """Every package behind its numbers: its own and those of the reports it rests on."""
        return tuple(dict.fromkeys([*self.evidence, *self.fed]))

    @property
    def meta(self) -> dict[str, str]:
        """What a page says of the report: id, title, question."""
        return {"id": self.id, "title": self.title, "question": self.question}


@dataclass(frozen=True)
class Catalogue:
    """The reports of the edition in the order of the file, and the families with all their members."""

    reports: tuple[Report, ...]
    families: Mapping[str, tuple[Report, ...]] = field(default_factory=dict)

    @cached_property
    def known(self) -> dict[str, Report]:
        """Every report there is by id, members of families among them."""
        members = (report for family in self.families.values() for report in family)
        return {report.id: report for report in (*self.reports, *members)}

    def select(self, ids: list[str], *, families: Iterable[str] = ()) -> tuple[Report, ...]:
        """Return the reports named and all members of the families named; the edition when none is named.

        An unknown name is an error giving the nearest.
        """
        chosen = list(ids)
        for name in families:
            if name not in self.families:
                raise CatalogueError(
                    f"There is no family '{name}'.{nearest(name, self.families)} "
                    f"Families: {', '.join(self.families) or 'none'}."
                )
            chosen += [report.id for report in self.families[name]]
        for report_id in chosen:
            if report_id in self.families:
                members = self.families[report_id]
                raise CatalogueError(
                    f"'{report_id}' is a family of {len(members)} reports. Build them all with "
                    f"--family {report_id}, or name one, e.g. '{members[0].id}'."
                )
            if report_id not in self.known:
                raise CatalogueError(
                    f"There is no report '{report_id}'.{nearest(report_id, self.known)} "
                    "`soa-evidence list` shows them all."
                )
        return tuple(self.known[i] for i in dict.fromkeys(chosen)) if chosen else self.reports

    def with_feeders(self, ids: Iterable[str]) -> tuple[Report, ...]:
        """Return the reports named and all they rest on, each after what it rests on."""
        feeding = [(id, self.known[id].feeders) for id in ids]
        wanted = dict.fromkeys(i for id, feeders in feeding for i in (*feeders, id))
        # by number of feeders, then in the order of the catalogue: a feeder has fewer than what it feeds
        place = {id: at for at, id in enumerate(self.known)}
        order = sorted(wanted, key=lambda id: (len(self.known[id].feeders), place[id]))
        return tuple(self.known[id] for id in order)


def load(project: Project) -> Catalogue:
    """Read the project's catalogue.

    Raises
    ------
    CatalogueError
        On anything that is not as the module's docstring says.
    """
    try:
        raw = yaml.load(project.catalogue.read_text(encoding="utf-8"), Loader=_StrictLoader)
    except yaml.YAMLError as error:
        raise CatalogueError(f"catalogue.yml is not valid YAML: {error}") from None
    if not isinstance(raw, dict) or not raw:
        raise CatalogueError("catalogue.yml lists no report; expected a mapping from report ids to entries.")
    source = _Source(project)
    reports: list[Report] = []
    members: dict[str, tuple[Report, ...]] = {}
    for report_id, entry in raw.items():
        if not (isinstance(entry, dict) and "family" in entry):
            reports.append(Report.build(report_id, entry, source=source))
            continue
        _entry(report_id, entry, where=f"catalogue.yml, report '{report_id}'")
        expanded = families.expand(str(report_id), entry, project=project)
        members[str(report_id)] = tuple(
            replace(Report.build(one.id, one.entry, source=source), family=str(report_id), sample=one.sample)
            for one in expanded
        )
        reports += [report for report in members[str(report_id)] if report.sample]
    return _fed(Catalogue(tuple(reports), members))


def _fed(listed: Catalogue) -> Catalogue:
    """Return the catalogue in which every report knows what it rests on, also through others."""
    found: dict[str, Report] = {}

    def settle(report: Report, path: tuple[str, ...]) -> Report:
        if report.id in path:
            circle = " comes after ".join(f"'{id}'" for id in (*path[path.index(report.id) :], report.id))
            raise CatalogueError(f"catalogue.yml: {circle}; a report cannot rest on itself.")
        if report.id not in found:
            where = f"catalogue.yml, report '{report.id}'"
            for id in report.after:
                if id not in listed.known:
                    raise CatalogueError(
                        f"{where}: it comes after '{id}', which is no report.{nearest(id, listed.known)}"
                    )
            below = [settle(listed.known[id], (*path, report.id)) for id in report.after]
            found[report.id] = replace(
                report,
                feeders=tuple(dict.fromkeys(i for one in below for i in (*one.feeders, one.id))),
                fed=tuple(dict.fromkeys(name for one in below for name in one.all_evidence)),
            )
        return found[report.id]

    return Catalogue(
        tuple(settle(report, ()) for report in listed.reports),
        {name: tuple(settle(report, ()) for report in family) for name, family in listed.families.items()},
    )


@dataclass(frozen=True)
class _Source:
    """What entries are checked against, read once for all of them."""

    project: Project
    read: dict[str, dict[str, parameters.Parameter]] = field(default_factory=dict)

    @cached_property
    def packages(self) -> list[str]:
        return self.project.packages()

    def parameters(self, name: str, *, where: str) -> dict[str, parameters.Parameter]:
        """Return the parameters of the notebook `name`."""
        if name not in self.read:
            present = self.project.notebooks()
            if name not in present:
                raise CatalogueError(
                    f"{where}: there is no notebook '{name}' in analyses/.{nearest(name, present)}"
                )
            self.read[name] = parameters.of_notebook(Notebook.read(self.project.notebook(name)))
        return self.read[name]


class _StrictLoader(yaml.SafeLoader):
    """SafeLoader that refuses a repeated key, where plain YAML keeps the last one in silence."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if key.value in seen:
                line = key.start_mark.line + 1
                raise CatalogueError(f"catalogue.yml, line {line}: '{key.value}' is given twice; keep one.")
            seen.add(key.value)
        return super().construct_mapping(node, deep=deep)


def _entry(report_id: object, raw: object, *, where: str) -> dict[str, Any]:
    if not isinstance(report_id, str) or not ID_PATTERN.fullmatch(report_id):
        raise CatalogueError(
            f"{where}: the id must be lower-case words joined by hyphens, e.g. 'primary-hip-readmission'."
        )
    if not isinstance(raw, dict):
        raise CatalogueError(f"{where} is {raw!r}; expected a mapping with {', '.join(REQUIRED)}.")
    for key in raw:
        if key not in KNOWN:
            raise CatalogueError(
                f"{where}: '{key}' is not a key of an entry.{nearest(key, KNOWN)} Known: {', '.join(KNOWN)}."
            )
    for key in REQUIRED:
        if key not in raw:
            raise CatalogueError(f"{where}: '{key}' is missing; an entry needs {', '.join(REQUIRED)}.")
    return raw


def _text(entry: dict[str, Any], key: str, *, where: str) -> str:
    value = entry[key]
    if not isinstance(value, str) or not value.strip():
        raise CatalogueError(f"{where}: {key} is {value!r}; expected text.")
    return value.strip()


def _names(names: object, *, where: str) -> tuple[str, ...]:
    if not isinstance(names, list) or not all(isinstance(n, str) for n in names):
        raise CatalogueError(f"{where}: after is {names!r}; expected a list of report ids.")
    for name in names:
        if names.count(name) > 1:
            raise CatalogueError(f"{where}: after names '{name}' twice; keep one.")
    return tuple(names)


def _evidence(
    names: object, present: list[str], *, where: str, may_be_empty: bool = False
) -> tuple[str, ...]:
    if names == [] and may_be_empty:
        return ()
    if not isinstance(names, list) or not names or not all(isinstance(n, str) for n in names):
        raise CatalogueError(f"{where}: evidence is {names!r}; expected a list of package names.")
    for name in names:
        if name not in present:
            raise CatalogueError(
                f"{where}: there is no evidence package '{name}'.{nearest(name, present)} "
                f"Packages in evidence/: {', '.join(present) or 'none'}."
            )
        if names.count(name) > 1:
            raise CatalogueError(f"{where}: evidence names '{name}' twice; keep one.")
    return tuple(names)
