"""The files of a package as typed tables: reading, and writing to the same bytes every time."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from soa_evidence.errors import EvidenceError, nearest

__all__ = ["digest", "numbers", "read", "read_list", "write"]

Json = Mapping[str, Any]
_SMALLEST_FIRST = ("uint8", "int8", "uint16", "int16", "uint32", "int32")
_TRUTH = {"true": True, "false": False}


def digest(path: Path) -> str:
    """Return the file's SHA-256 as the Data Package standard writes it, ``sha256:<hex>``."""
    return "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest()


def read(path: Path, resource: Json) -> tuple[pd.DataFrame, list[str]]:
    """Read one resource and give each column the type its schema declares.

    Returns
    -------
    frame : DataFrame
        Columns in the order of the schema. Strings are Python ``str`` (missing: ``None``); required integers
        ``int64``; numbers, and integers that may be missing, ``float64`` (missing: NaN); booleans ``bool``.
    problems : list of str
        What hinders that, by row and field. When there are any the frame is empty.
    """
    fields = resource["schema"]["fields"]
    try:
        raw = _read_csv(path) if resource["format"] == "csv" else _read_parquet(path, fields)
    except (ValueError, OSError) as failure:  # pyarrow's and pandas' reading errors are ValueErrors
        return pd.DataFrame(), [f"cannot be read as {resource['format']}: {str(failure).splitlines()[0]}"]
    if isinstance(raw, list):
        return pd.DataFrame(), raw
    problems = _column_problems([str(column) for column in raw.columns], fields)
    if problems:
        return pd.DataFrame(), problems
    if raw.empty:
        return pd.DataFrame(), ["holds no rows; expected at least one."]
    columns = {}
    for field in fields:
        columns[field["name"]], found = _typed(raw[field["name"]], field)
        problems += found
    return (pd.DataFrame() if problems else pd.DataFrame(columns)), problems


def _read_csv(path: Path) -> pd.DataFrame | list[str]:
    if path.stat().st_size == 0:
        return ["is empty (0 bytes); expected a header and at least one row."]
    return pd.read_csv(path, dtype=str, keep_default_na=False, na_values=[""], encoding="utf-8", header=0)


def _read_parquet(path: Path, fields: list[Json]) -> pd.DataFrame | list[str]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    if path.stat().st_size == 0:
        return ["is empty (0 bytes); expected a Parquet file."]
    with pq.ParquetFile(path) as file:
        schema = file.schema_arrow
        text = [
            name for name, kind in zip(schema.names, schema.types, strict=True) if pa.types.is_string(kind)
        ]
    table = pq.read_table(path, read_dictionary=text, partitioning=None)
    tests = {
        "string": lambda kind: pa.types.is_dictionary(kind) or pa.types.is_large_string(kind),
        "integer": pa.types.is_integer,
        "number": lambda kind: pa.types.is_floating(kind) or pa.types.is_integer(kind),
        "boolean": pa.types.is_boolean,
    }
    declared = {field["name"]: field["type"] for field in fields}
    problems = [
        f"field '{name}' is stored as {schema.field(name).type}, but the descriptor declares "
        f"{declared[name]}."
        for name in table.column_names
        if name in declared and not tests[declared[name]](table.schema.field(name).type)
    ]
    return problems or table.to_pandas(ignore_metadata=True, split_blocks=True)


def _column_problems(columns: list[str], fields: list[Json]) -> list[str]:
    declared = [field["name"] for field in fields]
    return [
        *(
            f"has the column '{name}', which the descriptor does not declare.{nearest(name, declared)}"
            for name in columns
            if name not in declared
        ),
        *(
            f"lacks the column '{name}' that the descriptor declares.{nearest(name, columns)}"
            for name in declared
            if name not in columns
        ),
    ]


def _typed(column: pd.Series[Any], field: Json) -> tuple[pd.Series[Any], list[str]]:
    """Convert one column; the second value names the first row that will not convert."""
    kind, missing = field["type"], column.isna()
    if kind == "string":
        return column.astype(object).where(~missing, None), []
    # a type must not hang on the data: what may be missing is always stored so that it could be
    full = bool(field.get("constraints", {}).get("required")) and not missing.any()
    if kind == "boolean":
        values = column if column.dtype == bool else column.str.lower().map(_TRUTH)
        wrong = values.isna() & ~missing
        return values.astype(bool if full and not wrong.any() else object), _wrong(column, wrong, field)
    values = numbers(column) if column.dtype == object else column
    wrong = (values.isna() & ~missing) | np.isinf(values)
    if kind == "integer":
        wrong |= values.notna() & (values != values.round())
    whole = kind == "integer" and full and not wrong.any()
    return values.astype(np.int64 if whole else np.float64), _wrong(column, wrong, field)


def numbers(column: pd.Series[Any]) -> pd.Series[Any]:
    """Turn text into the nearest floats; what is no number becomes NaN."""
    quick = pd.to_numeric(column, errors="coerce").astype(float)
    # pandas' own parser may be off in the last digit; Python's, through numpy, is not
    return column.where(quick.notna(), np.nan).astype(float)


def _wrong(column: pd.Series[Any], wrong: pd.Series[Any], field: Json) -> list[str]:
    rows = np.flatnonzero(wrong.to_numpy(dtype=bool))
    if not len(rows):
        return []
    also = f" ({len(rows):,} rows)" if len(rows) > 1 else ""
    article = "an integer" if field["type"] == "integer" else f"a {field['type']}"
    return [f"row {rows[0] + 1}, field '{field['name']}': {column.iloc[rows[0]]!r} is not {article}{also}."]


def write(frame: pd.DataFrame, path: Path, resource: Json) -> None:
    """Write a table so that the same content always gives the same bytes.

    Rows are sorted by the schema's primary key (fields with an ``enum`` in the enum's order), columns take
    the order of the schema, integers the smallest type that holds them. Nothing about the time, the machine
    or pandas is stored; Parquet files do name the version of the pyarrow library that wrote them.
    """
    fields = resource["schema"]["fields"]
    frame = frame[[field["name"] for field in fields]].reset_index(drop=True)
    order = pd.DataFrame(index=frame.index)
    for field in fields:
        if field["name"] in resource["schema"].get("primaryKey", []):
            levels = field.get("constraints", {}).get("enum")
            values = frame[field["name"]]
            order[field["name"]] = (
                values if levels is None else pd.Categorical(values, levels, ordered=True).codes
            )
    if len(order.columns):
        keys = [str(key) for key in resource["schema"]["primaryKey"]]
        frame = frame.loc[order.sort_values(keys, kind="stable").index]
    path.parent.mkdir(parents=True, exist_ok=True)
    if resource["format"] == "csv":
        path.write_bytes(frame.to_csv(index=False, lineterminator="\n").encode())
    else:
        _write_parquet(frame, path, fields)


def _write_parquet(frame: pd.DataFrame, path: Path, fields: list[Json]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    arrays = {str(field["name"]): _array(frame[str(field["name"])], field) for field in fields}
    table = pa.Table.from_arrays(list(arrays.values()), names=list(arrays))
    pq.write_table(
        table,
        path,
        version="2.6",
        data_page_version="1.0",
        compression="zstd",
        compression_level=19,
        use_dictionary=True,
        row_group_size=1 << 20,
        store_schema=False,
        write_statistics=False,
    )


def _array(column: pd.Series[Any], field: Json) -> Any:
    import pyarrow as pa

    missing = column.isna().to_numpy()
    if field["type"] == "string":
        return pa.array(column.astype(object).where(~missing, None).to_list(), pa.string())
    if field["type"] == "boolean":
        return pa.array(column.to_numpy(dtype=bool), pa.bool_())
    if field["type"] == "number":
        return pa.array(column.to_numpy(dtype=float), pa.float64(), mask=missing)
    # Pandas' nullable integers are of kind "i" too, and may have holes.
    whole = column.fillna(0) if column.dtype.kind in "iu" else column.astype(float).fillna(0)
    values = whole.to_numpy().astype(np.int64)
    kind = next(
        (k for k in _SMALLEST_FIRST if np.iinfo(k).min <= values.min() and values.max() <= np.iinfo(k).max),
        "int64",
    )
    return pa.array(values.astype(kind), mask=missing)


def read_list(place: str | Path, name: str, needed: tuple[str, ...]) -> tuple[pd.DataFrame, dict[str, str]]:
    """Return a CSV as text, with its name and hash; a missing file or column is an error naming it."""
    file = Path(place) / name if Path(place).is_dir() else Path(place)
    if not file.is_file():
        raise EvidenceError(f"There is no file {name} at {place}; expected it, or the folder that holds it.")
    frame = pd.read_csv(file, dtype=str, keep_default_na=False, encoding="utf-8")
    for column in needed:
        if column not in frame.columns:
            raise EvidenceError(
                f"{file.name} has no column '{column}'.{nearest(column, frame.columns)} "
                f"Expected: {', '.join(needed)}."
            )
    return frame, {"name": file.name, "hash": digest(file)}
