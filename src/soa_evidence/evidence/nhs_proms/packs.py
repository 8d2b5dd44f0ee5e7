"""Find the CSV files of NHS Digital's PROMs packs in whatever a person points at.

A path may be a CSV, a zip (of CSVs, or of zips, as deep as they come) or a folder of any of these. What a
file is, is told from its header, never from its place; only the two kinds of record file, which share a
header, are told apart by the codes inside (providers' start with a letter, commissioners' with a digit).
"""

from __future__ import annotations

import hashlib
import io
import re
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pandas as pd

from soa_evidence.errors import EvidenceError, nearest

__all__ = ["PackFile", "commissioner_files", "find", "header", "read_columns", "year_of"]

#: Columns that tell the kinds of file apart, and the kind.
_TELLING = (
    ({"provider_code", "revision_flag", "gender"}, "records"),
    ({"orgcode", "procedure", "measure"}, "time series"),
    ({"organisation_type", "adjusted_average_health_gain"}, "scores"),
    ({"organisation_code", "all_procedures_total_hes_procedures"}, "participation"),
    ({"dimension", "value"}, "equality"),
    ({"lookup", "improved", "total"}, "key facts"),
)
#: Kinds that are known but not used, and why.
_UNUSED = {
    "commissioner records": (
        "holds the same patients as the provider file, by commissioner; never add the two"
    ),
    "equality": "national totals by patient group; not used",
    "key facts": "unadjusted counts of improved patients; not used",
}


@dataclass(frozen=True, kw_only=True)
class PackFile:
    """One CSV of a pack: bare file `name`, `kind`, raw `content`, and the `trail` of names that led to it."""

    name: str
    kind: str
    content: bytes
    trail: tuple[str, ...]

    @property
    def hash(self) -> str:
        """SHA-256 of the CSV itself, the same however it was packed."""
        return "sha256:" + hashlib.sha256(self.content).hexdigest()


def find(paths: Iterable[str | Path]) -> tuple[list[PackFile], list[tuple[str, str]]]:
    """Return the usable files under `paths`, sorted, and those left aside with the reason.

    The same file met twice counts once.

    Raises
    ------
    EvidenceError
        On a path that is missing or of no known type, a broken zip, or when nothing usable is found.
    """
    usable: dict[str, PackFile] = {}
    aside: list[tuple[str, str]] = []
    tried = [Path(path) for path in paths]
    for path in tried:
        for trail, content in _open(path):
            name = PurePosixPath(trail[-1].replace("\\", "/")).name
            kind = _kind(content)
            if kind is None or kind in _UNUSED:
                aside.append((name, _UNUSED.get(kind or "", "not a file of the PROMs packs, by its header")))
                continue
            file = PackFile(name=name, kind=kind, content=content, trail=trail)
            usable.setdefault(file.hash, file)
    if not usable:
        looked = ", ".join(str(path) for path in tried) or "no path at all"
        raise EvidenceError(
            f"No PROMs file was found in {looked}. Expected NHS Digital's CSV data packs for hip and knee "
            "replacement: the pack's zip, a folder of its files, or single files such as 'Hip Replacement "
            "Provider 1819.csv'."
        )
    return sorted(usable.values(), key=lambda f: (f.kind, f.hash)), sorted(set(aside))


def commissioner_files(paths: Iterable[str | Path]) -> list[PackFile]:
    """Return the record files by commissioner under `paths`, sorted, each once; none at all is an error.

    They hold the same patients as the provider files, which `find` returns: never add the two.
    """
    found: dict[str, PackFile] = {}
    tried = [Path(path) for path in paths]
    for path in tried:
        for trail, content in _open(path):
            if _kind(content) == "commissioner records":
                name = PurePosixPath(trail[-1].replace("\\", "/")).name
                file = PackFile(name=name, kind="commissioner records", content=content, trail=trail)
                found.setdefault(file.hash, file)
    if not found:
        raise EvidenceError(
            f"No PROMs file by commissioner was found in {', '.join(map(str, tried)) or 'no path at all'}. "
            "Expected files such as 'Hip Replacement CCG 1819.csv', or the packs that hold them."
        )
    return sorted(found.values(), key=lambda f: (f.name, f.hash))


def _open(path: Path) -> Iterator[tuple[tuple[str, ...], bytes]]:
    if not path.exists():
        raise EvidenceError(f"There is no file or folder {str(path)!r}; expected a PROMs pack.")
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    for file in files:
        ending = file.suffix.lower()
        if ending in (".csv", ".zip") and not _junk(str(file)):
            inside = file.relative_to(path).parts if path.is_dir() else ()
            yield from _unpack((path.resolve().name, *inside), file.read_bytes())
        elif path.is_file():
            raise EvidenceError(
                f"{path} is neither a .csv nor a .zip file nor a folder; expected a PROMs pack."
            )


def _unpack(trail: tuple[str, ...], content: bytes) -> Iterator[tuple[tuple[str, ...], bytes]]:
    if not trail[-1].lower().endswith(".zip"):
        yield trail, content
        return
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for entry in archive.namelist():
                if entry.lower().endswith((".csv", ".zip")) and not _junk(entry):
                    yield from _unpack((*trail, entry), archive.read(entry))
    except (zipfile.BadZipFile, RuntimeError) as failure:  # RuntimeError: encrypted
        raise EvidenceError(f"{trail[-1]} cannot be unzipped ({failure}); download it again.") from failure


def _junk(path: str) -> bool:
    """Tell the shadow copies that macOS adds to a zip, with the same ending, from files."""
    parts = PurePosixPath(path.replace("\\", "/")).parts
    return "__MACOSX" in parts or parts[-1].startswith("._")


def header(name: str) -> str:
    """Return a column's name in one spelling: 'Knee Replacement EQ 5D Index Post-Op Q Predicted' and
    'Hip Replacement EQ5D Index Post-Op Q Predicted' are both 'eq5d_index_post_op_q_predicted'.
    """  # noqa: D205 the examples need the room
    plain = re.sub(r"[^a-z0-9]+", "_", name.strip().lower()).strip("_")
    plain = re.sub(r"^(hip|knee)_replacements?_(?=pre_op|post_op|eq|ohs|oks)", "", plain)
    plain = re.sub(r"^o[hk]s_", "oxford_", plain)
    return plain.replace("eq_5d", "eq5d").replace("sucess", "success").replace("organsation", "organisation")


def _text(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace")


def _kind(content: bytes) -> str | None:
    lines = _text(content[:20_000]).splitlines()
    columns = {header(column.strip('"')) for column in lines[0].split(",")} if lines else set()
    kind = next((kind for needs, kind in _TELLING if needs <= columns), None)
    if kind == "records" and len(lines) > 1 and lines[1].lstrip('"')[:1].isdigit():
        return "commissioner records"
    return kind


def read_columns(file: PackFile, wanted: Sequence[str] | None = None) -> pd.DataFrame:
    """Read a pack file as stripped text with `header` spelling; only the columns `wanted`, when given.

    Raises
    ------
    EvidenceError
        When a wanted column is missing, or the file holds no rows.
    """
    frame = pd.read_csv(io.StringIO(_text(file.content)), dtype=str, keep_default_na=False)
    frame.columns = [header(column) for column in frame.columns]
    missing = [name for name in wanted or () if name not in frame.columns]
    if missing:
        raise EvidenceError(
            f"{file.name} lacks the column '{missing[0]}' (spelling "
            f"simplified).{nearest(missing[0], frame.columns)} Expected a {file.kind} file of a PROMs pack."
        )
    if frame.empty:
        raise EvidenceError(f"{file.name} holds a header but no rows.")
    names = list(frame.columns) if wanted is None else list(wanted)
    return pd.DataFrame({name: frame[name].str.strip() for name in names})


def year_of(file: PackFile) -> str:
    """Return the financial year, '2018/19', from the file's name ('1819') or the names that led to it.

    Participation and score files do not say their year inside.
    """
    for name in reversed(file.trail):
        plain = PurePosixPath(name.replace("\\", "/")).name
        for first, last in re.findall(r"(?<!\d)(?:20)?(\d\d)[-/_ ]?(\d\d)(?!\d)", plain):
            if int(last) == (int(first) + 1) % 100:
                return f"20{first}/{last}"
    raise EvidenceError(
        f"{file.name} does not say its year inside, and its name does not either; rename it to end in the "
        "year, as in 'PartLink Hip and Knee Replacement 1819.csv'."
    )
