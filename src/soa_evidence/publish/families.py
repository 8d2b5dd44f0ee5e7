"""A family: one entry of the catalogue that stands for many reports, one for each value of a parameter.

::

    unit-profiles:
      notebook: unit_profile
      title: "{provider_name}"
      question: How do patients of {provider_name} fare, and how sure can one be?
      evidence: [nhs-units]
      after: [primary-hip-readmission]
      family:
        parameter: provider                 # the parameter that differs
        members: nhs-units.provider_code    # package.column, or a list of values
        samples: [RRJ, RBN]                 # built with the edition; the others with --family unit-profiles

The report of value RRJ is called ``unit-profiles-rrj``. Title and question may name any column of the
member's row, or ``{value}``.
"""

from __future__ import annotations

import csv
import json
import re
import string
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from soa_evidence.errors import CatalogueError, nearest
from soa_evidence.publish.project import Project

__all__ = ["Member", "expand"]

KEYS = ("parameter", "members", "samples")


@dataclass(frozen=True, kw_only=True)
class Member:
    """One report of a family: its id, its entry as written out in full, and whether it is a sample."""

    id: str
    entry: Mapping[str, Any]
    sample: bool


def expand(name: str, entry: Mapping[str, Any], *, project: Project) -> list[Member]:
    """Return the members of the family `name`, in the order of its values.

    Raises
    ------
    CatalogueError
        When the family, its table or a placeholder is not as the module's docstring says, or two values give
        one id.
    """
    where = f"catalogue.yml, family '{name}'"
    family = entry["family"]
    if not isinstance(family, dict) or set(family) - set(KEYS) or not {"parameter", "members"} <= set(family):
        raise CatalogueError(f"{where}: family is {family!r}; expected a mapping with {', '.join(KEYS)}.")
    rows = _rows(family["members"], project, where=where)
    values = [str(row["value"]) for row in rows]
    samples = [str(value) for value in family.get("samples") or []]
    for sample in samples:
        if sample not in values:
            raise CatalogueError(f"{where}: the sample '{sample}' is no member.{nearest(sample, values)}")
    ids = _ids(name, values, where=where)
    members = []
    for id, row in zip(ids, rows, strict=True):
        given = {key: value for key, value in entry.items() if key != "family"}
        given["parameters"] = {**(entry.get("parameters") or {}), str(family["parameter"]): row["value"]}
        for key in ("title", "question"):
            given[key] = _filled(str(entry.get(key, "")), row, where=f"{where}: {key}")
        members.append(Member(id=id, entry=given, sample=str(row["value"]) in samples))
    return members


def _ids(name: str, values: list[str], *, where: str) -> list[str]:
    """Return the id of each member: the family's name and the value in lower-case letters and digits."""
    ids: list[str] = []
    for value in values:
        words = re.findall(r"[a-z0-9]+", value.lower())
        id = "-".join([name, *words])
        if not words:
            raise CatalogueError(f"{where}: the value {value!r} gives no id; it needs a letter or digit.")
        if id in ids:
            raise CatalogueError(f"{where}: two members would be called '{id}'; their values must differ.")
        ids.append(id)
    return ids


def _rows(members: object, project: Project, *, where: str) -> list[dict[str, Any]]:
    """Return one row a member: its ``value``, and the columns of its table where there is one."""
    if isinstance(members, list) and members:
        return [{"value": value} for value in members]
    package, dot, column = str(members).partition(".")
    if not dot:
        raise CatalogueError(f"{where}: members is {members!r}; expected package.column or a list of values.")
    if package not in project.packages():
        raise CatalogueError(
            f"{where}: there is no evidence package '{package}'.{nearest(package, project.packages())}"
        )
    folder = project.evidence / package
    descriptor = json.loads((folder / "datapackage.json").read_text(encoding="utf-8"))
    path = folder / str(descriptor["resources"][0]["path"])
    if path.suffix != ".csv":
        raise CatalogueError(f"{where}: the first table of '{package}' is {path.name}; expected a CSV file.")
    with path.open(encoding="utf-8", newline="") as file:
        rows: list[dict[str, Any]] = list(csv.DictReader(file))
    columns = list(rows[0]) if rows else []
    if column not in columns:
        raise CatalogueError(f"{where}: '{package}' has no column '{column}'.{nearest(column, columns)}")
    unique = {row[column]: {**row, "value": row[column]} for row in rows}
    return list(unique.values())


def _filled(template: str, row: Mapping[str, Any], *, where: str) -> str:
    filled = []
    for literal, name, _, _ in string.Formatter().parse(template):
        filled.append(literal)
        if name is not None:
            if name not in row:
                raise CatalogueError(f"{where} uses {{{name}}}, which no member has.{nearest(name, row)}")
            filled.append(str(row[name]))
    return "".join(filled)
