"""One column of an extract turned into small numbers, batch by batch; every distinct text is read once."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray

from soa_evidence.errors import EvidenceError
from soa_evidence.evidence.registry.contract import REASON_SEPARATOR, Column
from soa_evidence.evidence.registry.findings import Finding
from soa_evidence.evidence.registry.rows import NO_DATE

__all__ = ["CellReader"]

_DATE = re.compile(r"(\d{4}-\d{2}-\d{2})([T ]00:00(:00(\.0+)?)?)?")
_EPOCH = date(1970, 1, 1).toordinal()
_WHOLE = re.compile(r"(\d+)\.0+")
#: What a text that cannot be read becomes until its rows are known.
_WRONG = object()
#: Two keys, so that two persons share a number once in 10^26 registries of three million.
_KEYS = ("soa-evidence-001", "soa-evidence-002")

Decoded = tuple[NDArray[Any], NDArray[np.bool_], NDArray[np.bool_]]


class CellReader:
    """Reads one column; `values` holds what was read, `findings` what could not be.

    Parameters
    ----------
    column
        The contract's column.
    """

    def __init__(self, column: Column) -> None:
        self.column = column
        self.findings: list[Finding] = []
        self._decode: _Values | _Names | _Persons
        if column.name == "person_id":
            self._decode = _Persons()
        elif column.kind == "text":
            self._decode = _Names()
        else:
            self._decode = _Values(column)
        self._parts: list[NDArray[Any]] = []

    def read(self, array: Any, offset: int) -> None:
        """Read one batch of an Arrow column whose first row is row `offset` of the file."""
        values, missing, wrong = self._decode(_as_text(array, self.column))
        if self.column.required:
            self._find("missing", missing, f"{self.column.name} is missing", offset)
        kind, says = _complaint(self.column)
        self._find(kind, wrong, says, offset)
        self._parts.append(values)

    def skip(self, count: int) -> None:
        """Stand in for a batch of a column that the file does not have."""
        self._parts.append(np.full(count, self._decode.empty, dtype=self._decode.kind))

    def values(self) -> NDArray[Any]:
        """Return all that was read, once; the parts are let go."""
        parts, self._parts = self._parts, []
        joined = np.concatenate(parts) if parts else np.empty(0, dtype=self._decode.kind)
        return self._decode.numbered(joined) if isinstance(self._decode, _Persons) else joined

    @property
    def names(self) -> tuple[str, ...]:
        """The texts of a column of names, by the number that stands for each."""
        return tuple(self._decode.known) if isinstance(self._decode, _Names) else ()

    def _find(self, kind: str, rows: NDArray[np.bool_], says: str, offset: int) -> None:
        if rows.any():
            at = np.flatnonzero(rows).astype(np.int64) + offset
            self.findings.append(Finding(kind=kind, column=self.column.name, says=says, rows=at))


class _Values:
    """Codes, dates and numbers."""

    def __init__(self, column: Column) -> None:
        self.parse: Callable[[str], Any]
        self.kind: type[np.generic]
        self.empty: float
        match column.kind:
            case "code":
                self.parse, self.kind, self.empty = _code_parser(column), np.int8, -1
            case "codes":
                self.parse, self.kind, self.empty = _codes_parser(column), np.int32, 0
            case "date":
                self.parse, self.kind, self.empty = _day, np.int32, NO_DATE
            case _:
                self.parse, self.kind, self.empty = _number, np.float32, math.nan
        self.known: dict[str, Any] = {}

    def __call__(self, text: Any) -> Decoded:
        distinct = text.dictionary_encode()
        codes = distinct.indices.fill_null(-1).to_numpy(zero_copy_only=False)
        read = [self._read(value) for value in distinct.dictionary.to_pylist()]
        wrong = np.array([value is _WRONG for value in read] + [False])
        values = np.array(
            [self.empty if value is _WRONG or value is None else value for value in read] + [self.empty],
            dtype=self.kind,
        )
        blank = np.array([value is None for value in read] + [True])
        return values[codes], blank[codes], wrong[codes]

    def _read(self, text: str) -> Any:
        if text not in self.known:
            stripped = text.strip()
            self.known[text] = self.parse(stripped) if stripped else None
        return self.known[text]


class _Names:
    """Texts that are kept, once each."""

    kind: type[np.generic] = np.int32
    empty = -1

    def __init__(self) -> None:
        self.known: dict[str, int] = {}

    def __call__(self, text: Any) -> Decoded:
        distinct = text.dictionary_encode()
        codes = distinct.indices.fill_null(-1).to_numpy(zero_copy_only=False)
        stripped = [value.strip() for value in distinct.dictionary.to_pylist()]
        numbers = [self.known.setdefault(value, len(self.known)) if value else -1 for value in stripped]
        values = np.array([*numbers, -1], dtype=np.int32)[codes]
        return values, values < 0, np.zeros(len(values), bool)


class _Persons:
    """Pseudonyms: only who is the same person as whom is kept, by two hashes of 64 bits."""

    kind = np.dtype([("a", np.uint64), ("b", np.uint64)])
    empty = 0

    def __call__(self, text: Any) -> Decoded:
        import pyarrow.compute as pc
        from pandas.util import hash_array

        stripped = pc.utf8_trim_whitespace(text)
        missing = pc.fill_null(pc.equal(stripped, ""), True).to_numpy(zero_copy_only=False)
        values = pc.fill_null(stripped, "").to_numpy(zero_copy_only=False)
        hashed = np.empty(len(values), dtype=self.kind)
        for name, key in zip("ab", _KEYS, strict=True):
            hashed[name] = hash_array(values, hash_key=key, categorize=False)
        return hashed, missing, np.zeros(len(values), bool)

    def numbered(self, hashed: NDArray[Any]) -> NDArray[np.int32]:
        """Return one small number a person, in the order in which persons first appear."""
        order = np.lexsort((hashed["b"], hashed["a"]))
        ranked = hashed[order]
        new = np.concatenate([[True], ranked[1:] != ranked[:-1]]) if len(ranked) else np.empty(0, bool)
        group = np.empty(len(hashed), dtype=np.int32)
        group[order] = np.cumsum(new, dtype=np.int32) - 1
        first = order[new]  # lexsort is stable: the first row of each person
        number = np.empty(len(first), dtype=np.int32)
        number[np.argsort(first, kind="stable")] = np.arange(len(first), dtype=np.int32)
        return number[group]


def _as_text(array: Any, column: Column) -> Any:
    """Return an Arrow array as text, whatever the file stores."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = array.type
    if pa.types.is_dictionary(kind):
        array, kind = array.dictionary_decode(), kind.value_type
    if pa.types.is_string(kind):
        return array
    if column.kind == "date" and pa.types.is_timestamp(kind):
        # Only midnight is a day; any other time keeps its hours, and then is no date of ours.
        array = pc.strftime(array, format="%Y-%m-%dT%H:%M:%S")
        return pc.replace_substring_regex(array, pattern=r"T00:00:00(\.0+)?$", replacement="")
    plain = (pa.types.is_large_string, pa.types.is_integer, pa.types.is_floating, pa.types.is_date)
    if not any(test(kind) for test in (*plain, pa.types.is_null)):
        raise EvidenceError(f"The column '{column.name}' is stored as {kind}; expected {column.type}.")
    return pc.cast(array, pa.string())


def _complaint(column: Column) -> tuple[str, str]:
    name = column.name
    match column.kind:
        case "code":
            return "unknown code", f"{name} is none of: {column.allowed}"
        case "codes":
            return "unknown code", f"{name} holds something that is none of: {column.allowed}"
        case "date":
            return "unreadable", f"{name} is not a date written YYYY-MM-DD"
        case _:
            return "unreadable", f"{name} is not a number"


def _code_parser(column: Column) -> Callable[[str], Any]:
    known = {code: position for position, code in enumerate(column.codes)}
    short = {code[0]: position for code, position in known.items() if len(code) > 1}
    letters = short if column.name in ("side", "sex") else {}

    def parse(text: str) -> Any:
        # Codes that are digits come as 2.0 from programs that keep gaps in numbers.
        plain = _WHOLE.sub(r"\1", text.lower().replace("_", " "))
        return known.get(plain, letters.get(plain, _WRONG))

    return parse


def _codes_parser(column: Column) -> Callable[[str], Any]:
    known = {code: position for position, code in enumerate(column.codes)}

    def parse(text: str) -> Any:
        bits = 0
        for part in text.split(REASON_SEPARATOR):
            code = part.strip().lower().replace("_", " ")
            if code not in known:
                return _WRONG
            bits |= 1 << known[code]
        return bits

    return parse


def _day(text: str) -> Any:
    found = _DATE.fullmatch(text)
    if not found:
        return _WRONG
    try:
        return date.fromisoformat(found[1]).toordinal() - _EPOCH
    except ValueError:
        return _WRONG


def _number(text: str) -> Any:
    try:
        value = float(text)
    except ValueError:
        return _WRONG
    return value if math.isfinite(value) else _WRONG
