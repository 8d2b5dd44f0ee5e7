"""The file of an extract as a stream of batches: CSV or Parquet, read by Arrow, only the contract's columns.

What hinders reading at all is an `EvidenceError` about the file; it never repeats what a row holds.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from soa_evidence.errors import EvidenceError, nearest
from soa_evidence.evidence.registry.contract import BY_NAME, COLUMNS

__all__ = ["EMPTY", "Source", "digest", "open_source"]

#: Texts that stand for an empty cell.
EMPTY = ("", "NA")
_BYTES_A_BLOCK = 1 << 23
_ROWS_A_BATCH = 1 << 17
_SHOWN = 12


@dataclass(frozen=True, eq=False, kw_only=True)
class Source:
    """A file whose header keeps the contract.

    Attributes
    ----------
    path : Path
    present : tuple of str
        The contract's columns that the file has.
    unused : tuple of str
        Columns of the file that the contract does not know; they are not read.
    """

    path: Path
    present: tuple[str, ...]
    unused: tuple[str, ...]

    def batches(self) -> Iterator[Any]:
        """Yield Arrow record batches of the columns present, in order.

        Raises
        ------
        EvidenceError
            When a row has too many or too few values, or the text is not UTF-8.
        """
        return _csv(self) if self.path.suffix.lower() == ".csv" else _parquet(self)


def open_source(path: str | Path) -> Source:
    """Open an extract and check its header.

    Raises
    ------
    EvidenceError
        When there is no such file, it is of another kind, empty or not readable; when a column is missing
        that every extract needs, or stands there twice.
    """
    place = Path(path)
    if place.is_dir():
        raise EvidenceError(f"'{place.name}' is a folder; expected one CSV or Parquet file.")
    if not place.is_file():
        raise EvidenceError(f"There is no file '{place.name}' in its folder; check the path.")
    if place.suffix.lower() not in (".csv", ".parquet"):
        raise EvidenceError(
            f"'{place.name}' ends in '{place.suffix}'; expected a file ending in .csv or .parquet."
        )
    if place.stat().st_size == 0:
        raise EvidenceError(f"'{place.name}' is empty (0 bytes); expected a header and rows.")
    header = _csv_header(place) if place.suffix.lower() == ".csv" else _parquet_header(place)
    return _checked(place, header)


def digest(path: Path) -> str:
    """Return the file's SHA-256, read in pieces, as ``sha256:<hex>``."""
    with path.open("rb") as file:
        return "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()


def _checked(path: Path, header: list[str]) -> Source:
    twice = [name for name in BY_NAME if header.count(name) > 1]
    if twice:
        raise EvidenceError(f"'{path.name}' has the column '{twice[0]}' twice; keep one.")
    lacking = [column.name for column in COLUMNS if column.required and column.name not in header]
    if lacking:
        told = ", ".join(f"'{name}'{nearest(name, header)}" for name in lacking)
        raise EvidenceError(
            f"'{path.name}' lacks {'a column' if len(lacking) == 1 else 'columns'} that every extract needs: "
            f"{told} Its columns are: {', '.join(header[:_SHOWN])}{', …' if len(header) > _SHOWN else ''}. "
            "docs/registry-extract.md lists what is needed."
        )
    return Source(
        path=path,
        present=tuple(name for name in BY_NAME if name in header),
        unused=tuple(name for name in header if name not in BY_NAME),
    )


def _csv_header(path: Path) -> list[str]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            first = next(csv.reader(file), [])
    except UnicodeDecodeError:
        raise _not_utf8(path) from None
    header = [name.strip() for name in first]
    for mark, word in ((";", "semicolons"), ("\t", "tabs"), ("|", "bars")):
        if len(header) == 1 and mark in header[0]:
            raise EvidenceError(f"The columns of '{path.name}' are parted by {word}; expected commas.")
    return header


def _parquet_header(path: Path) -> list[str]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            return list(file.schema_arrow.names)
    except (pa.ArrowException, OSError):
        raise EvidenceError(
            f"'{path.name}' cannot be read as Parquet; is it another kind of file under this name?"
        ) from None


def _csv(source: Source) -> Iterator[Any]:
    import pyarrow as pa
    from pyarrow import csv as pa_csv

    odd: list[tuple[int | None, int, int]] = []

    def note(row: Any) -> str:
        odd.append((row.number, row.actual_columns, row.expected_columns))
        return "error"

    try:
        reader = pa_csv.open_csv(
            source.path,
            # One thread, so that the number of an odd row is known.
            read_options=pa_csv.ReadOptions(block_size=_BYTES_A_BLOCK, use_threads=False),
            parse_options=pa_csv.ParseOptions(invalid_row_handler=note),
            convert_options=pa_csv.ConvertOptions(
                include_columns=list(source.present),
                column_types=dict.fromkeys(source.present, pa.string()),
                null_values=list(EMPTY),
                strings_can_be_null=True,
            ),
        )
        yield from reader
    except pa.ArrowException as failure:
        if odd:
            number, actual, expected = odd[0]
            # Arrow counts lines from 1 with the header.
            where = "A row" if number is None else f"Row {number - 1:,}"
            raise EvidenceError(
                f"{where} of '{source.path.name}' has {actual} values, but the header has {expected}. "
                "A value that holds a comma must stand in double quotes."
            ) from None
        if "UTF8" in str(failure) or "UTF-8" in str(failure):
            raise _not_utf8(source.path) from None
        raise EvidenceError(
            f"'{source.path.name}' cannot be read as CSV. Look for a quote that is opened and not closed."
        ) from None


def _parquet(source: Source) -> Iterator[Any]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(source.path) as file:
            yield from file.iter_batches(batch_size=_ROWS_A_BATCH, columns=list(source.present))
    except (pa.ArrowException, OSError):
        raise EvidenceError(
            f"'{source.path.name}' breaks off: its Parquet pages cannot be read. Copy the file again."
        ) from None


def _not_utf8(path: Path) -> EvidenceError:
    return EvidenceError(f"'{path.name}' is not UTF-8 text; save it as UTF-8.")
