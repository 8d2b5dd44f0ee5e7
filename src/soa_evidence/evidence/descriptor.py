"""What a descriptor (datapackage.json) must say, and every way in which one falls short of it.

The format is the Data Package standard with a few keys of our own:

- package: ``soa:kind`` (published, derived or synthetic), ``soa:smallestCount`` (smallest count that the
  data's publisher lets anyone show), ``soa:truth`` (what generated a synthetic package), ``soa:caveats``
  (sentences a report must not hide);
- field: ``unit`` (on every number), ``soa:atMost`` (a field of the same row that this one may not exceed),
  ``soa:sumOf`` (fields of the same row that add up to this one), ``soa:outcome`` (what an event is).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from soa_evidence.errors import nearest

__all__ = ["CONSTRAINTS", "FORMATS", "KINDS", "NUMERIC", "TYPES", "problems"]

KINDS = ("published", "derived", "synthetic")
TYPES = ("string", "integer", "number", "boolean")
NUMERIC = ("integer", "number")
FORMATS = ("csv", "parquet")
CONSTRAINTS = ("required", "unique", "minimum", "maximum", "enum", "pattern")
PACKAGE_KEYS = ("profile", "name", "title", "description", "version", "licenses", "sources", "resources")
RESOURCE_KEYS = ("name", "title", "path", "format", "hash", "bytes", "schema")
FIELD_KEYS = ("name", "type", "title", "description")
SYNTHETIC_PREFIX = "syn-"

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")
_HASH = re.compile(r"sha256:[0-9a-f]{64}")

Json = Mapping[str, Any]


def problems(descriptor: object, *, folder_name: str) -> list[str]:
    """List everything that is wrong with a descriptor, each as a sentence saying where; empty when valid.

    Parameters
    ----------
    descriptor
        The parsed JSON.
    folder_name
        Name of the folder it lies in, which the package's name must repeat.
    """
    if not isinstance(descriptor, Mapping):
        return ["the descriptor is not a JSON object {...}."]
    found = _missing(descriptor, PACKAGE_KEYS, "the package")
    found += _name_problems(descriptor.get("name"), folder_name)
    found += _kind_problems(descriptor)
    found += _credit_problems(descriptor)
    smallest = descriptor.get("soa:smallestCount", 1)
    if not _is_count(smallest) or smallest < 1:
        found.append(f"'soa:smallestCount' is {smallest!r}; expected a whole number of at least 1.")
    resources = descriptor.get("resources")
    if _filled(resources) and not _is_list(resources):
        found.append("'resources' is not a list.")
    elif isinstance(resources, list):
        found += _resources_problems(resources)
    return found


def _filled(value: object) -> bool:
    return value is not None and value not in ("", [], {})


def _is_list(value: object) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _missing(item: Json, keys: Iterable[str], where: str) -> list[str]:
    return [f"{where} does not give '{key}'." for key in keys if not _filled(item.get(key))]


def _name_problems(name: object, folder_name: str) -> list[str]:
    if not _filled(name):
        return []
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        return [f"the name {name!r} is not made of small letters, digits, '-', '_' and '.'."]
    if name != folder_name:
        return [f"the package is named '{name}' but lies in the folder '{folder_name}'; make them the same."]
    return []


def _kind_problems(descriptor: Json) -> list[str]:
    kind, name = descriptor.get("soa:kind"), str(descriptor.get("name", ""))
    if kind not in KINDS:
        said = "the package does not give 'soa:kind'" if kind is None else f"'soa:kind' is {kind!r}"
        return [f"{said}; expected one of: {', '.join(KINDS)}.{nearest(kind, KINDS)}"]
    found = []
    if kind == "synthetic" and not name.startswith(SYNTHETIC_PREFIX):
        found.append(f"a synthetic package's name must start with '{SYNTHETIC_PREFIX}', as in 'syn-{name}'.")
    if kind == "synthetic" and not _filled(descriptor.get("soa:truth")):
        found.append("a synthetic package must carry 'soa:truth': the values that generated it.")
    if kind != "synthetic" and name.startswith(SYNTHETIC_PREFIX):
        found.append(
            f"names starting '{SYNTHETIC_PREFIX}' are for synthetic packages, but 'soa:kind' is '{kind}'."
        )
    return found


def _credit_problems(descriptor: Json) -> list[str]:
    found = []
    for key, needs in (("licenses", ("name", "path")), ("sources", ("path", "title"))):
        entries = descriptor.get(key)
        if entries is None or not _filled(entries):
            continue
        if not _is_list(entries) or not all(isinstance(entry, Mapping) for entry in entries):
            found.append(f"'{key}' is not a list of objects.")
            continue
        for at, entry in enumerate(entries):
            if not _filled(entry.get("title")):
                found.append(f"{key}[{at}] does not give 'title'.")
            if not any(_filled(entry.get(need)) for need in needs):
                found.append(f"{key}[{at}] gives neither '{needs[0]}' nor '{needs[1]}'.")
    return found


def _resources_problems(resources: Sequence[object]) -> list[str]:
    found, seen = [], set()
    names = [r.get("name") for r in resources if isinstance(r, Mapping)]
    for at, resource in enumerate(resources):
        if not isinstance(resource, Mapping):
            found.append(f"resources[{at}] is not an object.")
            continue
        where = f"resource '{resource.get('name', at)}'"
        found += _missing(resource, RESOURCE_KEYS, where)
        if resource.get("name") in seen:
            found.append(f"{where} is there twice; names of resources are unique.")
        seen.add(resource.get("name"))
        found += _file_problems(resource, where)
        schema = resource.get("schema")
        if isinstance(schema, Mapping):
            found += _schema_problems(schema, where, names)
    return found


def _file_problems(resource: Json, where: str) -> list[str]:
    found = []
    path, form = resource.get("path"), resource.get("format")
    if _filled(path):
        pure = PurePosixPath(str(path))
        if (
            not isinstance(path, str)
            or pure.is_absolute()
            or ".." in pure.parts
            or "://" in path
            or "\\" in path
        ):
            found.append(
                f"{where}: path {path!r} leaves the package; expected a path inside it, such as 'data/x.csv'."
            )
    if _filled(form) and form not in FORMATS:
        found.append(
            f"{where}: format is {form!r}; expected one of: {', '.join(FORMATS)}.{nearest(form, FORMATS)}"
        )
    if _filled(resource.get("hash")) and not _HASH.fullmatch(str(resource["hash"])):
        found.append(f"{where}: hash {resource['hash']!r} is not 'sha256:' and 64 hexadecimal digits.")
    if _filled(resource.get("bytes")) and not _is_count(resource["bytes"]):
        found.append(f"{where}: bytes is {resource['bytes']!r}; expected a whole number.")
    return found


def _schema_problems(schema: Json, where: str, resources: Sequence[object]) -> list[str]:
    fields = schema.get("fields")
    if not isinstance(fields, list) or not fields or not all(isinstance(field, Mapping) for field in fields):
        return [f"{where}: 'schema.fields' is not a list of at least one field."]
    types = {str(field.get("name")): field.get("type") for field in fields}
    found = []
    if len(types) < len(fields):
        names = [str(field.get("name")) for field in fields]
        found.append(
            f"{where}: the field '{next(n for n in names if names.count(n) > 1)}' is declared twice."
        )
    for field in fields:
        found += _field_problems(field, f"{where}, field '{field.get('name', '?')}'", types)
    key = schema.get("primaryKey", [])
    found += _unknown([key] if isinstance(key, str) else key, types, f"{where}: primaryKey")
    for foreign in schema.get("foreignKeys", []):
        found += _foreign_problems(foreign, where, types, resources)
    return found


def _field_problems(field: Json, where: str, types: Mapping[str, object]) -> list[str]:
    found = _missing(field, FIELD_KEYS, where)
    kind = field.get("type")
    if _filled(kind) and kind not in TYPES:
        found.append(f"{where}: type is {kind!r}; expected one of: {', '.join(TYPES)}.{nearest(kind, TYPES)}")
    if kind in NUMERIC and not _filled(field.get("unit")):
        found.append(f"{where} is a number without a unit; add 'unit', such as 'records' or 'years'.")
    rules = field.get("constraints", {})
    if not isinstance(rules, Mapping):
        return [*found, f"{where}: 'constraints' is not an object."]
    for rule in rules:
        if rule not in CONSTRAINTS:
            found.append(f"{where}: unknown constraint {rule!r}.{nearest(rule, CONSTRAINTS)}")
    if "enum" in rules and not _is_list(rules["enum"]):
        found.append(f"{where}: 'enum' is not a list.")
    for rule in ("minimum", "maximum"):
        if rule in rules and kind not in NUMERIC:
            found.append(f"{where}: '{rule}' is for numbers, but the type is {kind!r}.")
    others = [field["soa:atMost"]] if "soa:atMost" in field else []
    for key, named in (("soa:atMost", others), ("soa:sumOf", field.get("soa:sumOf", []))):
        found += _unknown(named, types, f"{where}: '{key}'")
        found += [
            f"{where}: '{key}' names '{n}', which is no number."
            for n in named
            if types.get(n, "number") not in NUMERIC
        ]
    return found


def _unknown(names: Sequence[str], types: Mapping[str, object], where: str) -> list[str]:
    return [
        f"{where} names the unknown field '{name}'.{nearest(name, types)}"
        for name in names
        if name not in types
    ]


def _foreign_problems(
    foreign: object, where: str, types: Mapping[str, object], resources: Sequence[object]
) -> list[str]:
    reference = foreign.get("reference") if isinstance(foreign, Mapping) else None
    if not isinstance(foreign, Mapping) or not isinstance(reference, Mapping):
        return [f"{where}: a foreign key needs 'fields' and 'reference' with 'resource' and 'fields'."]
    here, there = foreign.get("fields", []), reference.get("fields", [])
    found = _unknown(here, types, f"{where}: a foreign key")
    if not here or len(here) != len(there):
        found.append(
            f"{where}: a foreign key joins {len(here)} field(s) to {len(there)}; expected as many of each."
        )
    # within another package the resource is looked up when that package is opened
    if "package" not in reference and reference.get("resource") not in resources:
        found.append(
            f"{where}: a foreign key points to the unknown resource "
            f"{reference.get('resource')!r}.{nearest(reference.get('resource'), resources)}"
        )
    return found
