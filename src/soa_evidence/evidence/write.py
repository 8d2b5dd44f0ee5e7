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
    """What was written: package `name`, `rows` by table, total `bytes` of the folder's data, package `hash`."""

    name: str
    rows: Mapping[str, int]
    bytes: int
    hash: str

    def __str__(self) -> str:
        sizes = ", ".join(f"{name} {rows:,} rows" for name, rows in self.rows.items())
        return f"{self.name}: {sizes}; {self.bytes / 1024:,.0f} KiB; {self.hash[:19]}"


def text(name: str, title: str, description: str, *, levels: Sequence[str] = (), **more: Any) -> Field:
    """Describe a text field; with `levels`, only these values are allowed, in this order."""
    rules: Field = {"required": more.pop("required", True)}
    if levels:
        rules["enum"] = list(levels)
    if "pattern" in more:
        rules["pattern"] = more.pop("pattern")
    if more.pop("unique", False):
        rules["unique"] = True
    return {
        "name": name,
        "type": "string",
        "title": title,
        "description": description,
        "constraints": rules,
        **more,
    }


def count(name: str, title: str, description: str, *, unit: str = "records", **more: Any) -> Field:
    """Describe a whole number; from 0 unless another `minimum` is given, or None for no limit."""
    rules: Field = {"required": more.pop("required", True), "minimum": more.pop("minimum", 0)}
    if rules["minimum"] is None:
        del rules["minimum"]
    kind = {"name": name, "type": "integer", "title": title, "description": description, "unit": unit}
    return {**kind, "constraints": rules, **more}


def number(name: str, title: str, description: str, *, unit: str, **more: Any) -> Field:
    """Describe a measured value; `minimum` and `maximum` as wanted."""
    rules: Field = {"required": more.pop("required", True)}
    rules |= {rule: more.pop(rule) for rule in ("minimum", "maximum") if rule in more}
    kind = {"name": name, "type": "number", "title": title, "description": description, "unit": unit}
    return {**kind, "constraints": rules, **more}


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
