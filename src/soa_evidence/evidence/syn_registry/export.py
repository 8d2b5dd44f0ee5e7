"""A synthetic extract written as a file, as a registry would send it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from soa_evidence.errors import InputError
from soa_evidence.evidence.registry.contract import BY_NAME, COLUMNS, REASON_SEPARATOR
from soa_evidence.evidence.registry.rows import NO_DATE, Rows

__all__ = ["write"]

_ROWS_AT_ONCE = 1 << 18


def write(rows: Rows, path: str | Path) -> None:
    """Write rows as the contract wants them, to a file ending in .csv or .parquet.

    Raises
    ------
    InputError
        On another ending.
    """
    place = Path(path)
    if place.suffix not in (".csv", ".parquet"):
        raise InputError(f"'{place.name}' ends in '{place.suffix}'; expected .csv or .parquet.")
    import pyarrow.parquet as pq
    from pyarrow import csv as pa_csv

    writer: Any = None
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        table = _table(rows.take(slice(start, start + _ROWS_AT_ONCE)))
        if writer is None:
            make = pa_csv.CSVWriter if place.suffix == ".csv" else pq.ParquetWriter
            writer = make(place, table.schema)
        writer.write_table(table)
    writer.close()


def _table(rows: Rows) -> Any:
    import pyarrow as pa

    return pa.table({column.name: _column(rows, column.name) for column in COLUMNS})


def _column(rows: Rows, name: str) -> Any:
    import pyarrow as pa

    column = BY_NAME[name]
    if name == "person_id":
        return pa.array([f"P{number:08d}" for number in rows.person.tolist()])
    if column.kind == "text":
        names = {"unit": rows.units, "unit_class": rows.classes, "surgeon": rows.surgeons}[name]
        return _texts(getattr(rows, name), names)
    values = getattr(rows, name)
    if column.kind == "code":
        return _texts(values, tuple(column.codes))
    if column.kind == "codes":
        distinct, codes = np.unique(values, return_inverse=True)
        texts = [
            REASON_SEPARATOR.join(code for k, code in enumerate(column.codes) if bits >> k & 1)
            for bits in distinct.tolist()
        ]
        return _texts(np.where(values == 0, -1, codes), tuple(texts))
    if column.kind == "date":
        return pa.array(values, mask=values == NO_DATE).cast(pa.date32())
    # One decimal, as a shorter text than the nearest single-precision number has.
    return pa.array(np.round(values.astype(float), 1), mask=np.isnan(values))


def _texts(codes: NDArray[Any], names: tuple[str, ...]) -> Any:
    import pyarrow as pa

    indices = pa.array(codes.astype(np.int32), mask=codes < 0)
    return pa.DictionaryArray.from_arrays(indices, pa.array(names, pa.string())).cast(pa.string())
