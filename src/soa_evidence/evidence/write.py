"""Put a package together: fields of a schema in one line each, then files and descriptor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from soa_evidence.evidence import tables
from soa_evidence.evidence.load import open_folder, write_descriptor

__all__ = ["Written", "count", "flag", "number", "package", "resource", "text"]

Field = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Written:
    """What was written: package `name`, `rows` by table, `bytes` of all its data files, package `hash`."""

    name: str
    rows: Mapping[str, int]
    bytes: int
    hash: str

    def __str__(self) -> str:
        sizes = ", ".join(f"{name} {rows:,} rows" for name, rows in self.rows.items())
        return f"{self.name}: {sizes}; {self.bytes / 1024:,.0f} KiB; {self.hash[:19]}"


def text(
    name: str,
    title: str,
    description: str,
    *,
    levels: Sequence[str] = (),
    pattern: str = "",
    unique: bool = False,
    required: bool = True,
) -> Field:
    """Describe a text field; with `levels`, only these values are allowed, in this order."""
    rules: Field = {"required": required}
    rules |= {"enum": list(levels)} if levels else {}
    rules |= {"pattern": pattern} if pattern else {}
    rules |= {"unique": True} if unique else {}
    return {"name": name, "type": "string", "title": title, "description": description, "constraints": rules}


def count(
    name: str,
    title: str,
    description: str,
    *,
    unit: str = "records",
    required: bool = True,
    minimum: float | None = 0,
    at_most: str = "",
    sum_of: Sequence[str] = (),
    outcome: Mapping[str, Any] | None = None,
) -> Field:
    """Describe a whole number, by default from 0 upwards.

    Parameters
    ----------
    at_most
        A field of the same row that this one may not exceed.
    sum_of
        Fields of the same row that add up to this one.
    outcome
        What an event is: name, label for sentences, ``better`` (lower or higher), field of valid answers.
    """
    field = number(name, title, description, unit=unit, required=required, minimum=minimum)
    field |= {"type": "integer"}
    field |= {"soa:atMost": at_most} if at_most else {}
    field |= {"soa:sumOf": list(sum_of)} if sum_of else {}
    field |= {"soa:outcome": dict(outcome)} if outcome else {}
    return field


def number(
    name: str, title: str, description: str, *, unit: str, required: bool = True, minimum: float | None = None
) -> Field:
    """Describe a measured value, by default without limits."""
    rules: Field = {"required": required}
    rules |= {} if minimum is None else {"minimum": minimum}
    words = {"name": name, "type": "number", "title": title, "description": description, "unit": unit}
    return {**words, "constraints": rules}


def flag(name: str, title: str, description: str) -> Field:
    """Describe a yes/no field."""
    return {
        "name": name,
        "type": "boolean",
        "title": title,
        "description": description,
        "constraints": {"required": True},
    }


def resource(
    name: str,
    title: str,
    *,
    fields: Sequence[Field],
    key: Sequence[str],
    format: str = "parquet",
    foreign: Sequence[Field] = (),
) -> Field:
    """Describe one table; its hash and size follow when the package is written."""
    table_schema: Field = {"fields": list(fields), "primaryKey": list(key)}
    if foreign:
        table_schema["foreignKeys"] = list(foreign)
    media = {"parquet": "application/vnd.apache.parquet", "csv": "text/csv"}[format]
    place = {"path": f"data/{name}.{format}", "format": format, "mediatype": media, "encoding": "utf-8"}
    return {"name": name, "title": title, **place, "hash": "", "bytes": 0, "schema": table_schema}


def package(out_folder: Path, descriptor: Field, frames: Mapping[str, pd.DataFrame]) -> Written:
    """Write data files and descriptor into ``out_folder/<name>``, then open them again by the strict loader.

    Foreign keys into other packages are not looked up here: those packages may not be built yet.
    """
    folder = out_folder / descriptor["name"]
    folder.mkdir(parents=True, exist_ok=True)
    entries = []
    for entry in descriptor["resources"]:
        path = folder / entry["path"]
        tables.write(frames[entry["name"]], path, entry)
        entries.append({**entry, "hash": tables.digest(path), "bytes": path.stat().st_size})
    write_descriptor(folder, {**descriptor, "resources": entries})
    opened = open_folder(folder, foreign=False)
    rows = {name: len(frames[name]) for name in opened.resources}
    return Written(name=opened.name, rows=rows, bytes=sum(e["bytes"] for e in entries), hash=opened.hash)
