"""Find, open and check evidence packages. Nothing is handed out that has not passed every rule."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from soa_evidence.errors import EvidenceError, nearest
from soa_evidence.evidence import descriptor as descriptors
from soa_evidence.evidence import schema, tables
from soa_evidence.evidence.package import Package

__all__ = ["DESCRIPTOR", "check", "load", "names", "open_folder", "seal"]

DESCRIPTOR = "datapackage.json"
#: A package that does not say how small a count may be shown is treated as private.
CAUTIOUS_SMALLEST_COUNT = 10
_SHOWN = 12


def load(name: str, folder: str | Path | None = None) -> Package:
    """Open the evidence package `name`, refusing it unless everything about it is in order.

    Parameters
    ----------
    name
        Name of the package, e.g. ``"nhs-proms-units"``.
    folder
        The folder that holds the packages (or a repository with such a folder named 'evidence'). Without it,
        the nearest such folder upwards from the working directory, else that of the source checkout.

    Raises
    ------
    EvidenceError
        When the package is missing (the nearest name is offered); when its descriptor lacks something; when a
        file was changed since it was sealed; when a table breaks its schema. All problems found are listed.
    """
    root = _root(folder)
    if not isinstance(name, str) or not (root / name / DESCRIPTOR).is_file():
        known = names(root)
        raise EvidenceError(
            f"There is no evidence package {name!r} in {root}.{nearest(name, known)} Known: "
            f"{', '.join(known) or 'none'}."
        )
    return open_folder(root / name)


def names(folder: str | Path | None = None) -> tuple[str, ...]:
    """Return the names of all evidence packages, sorted; folders starting '_' or '.' are not packages."""
    return tuple(path.name for path in _folders(_root(folder)) if (path / DESCRIPTOR).is_file())


def check(*wanted: str, folder: str | Path | None = None) -> list[str]:
    """Validate packages (all, when none is named) and list every problem as '<package>: <problem>'.

    Besides what `load` refuses, a package folder without a descriptor and a package without README.md count
    as problems. An empty list means all is well.
    """
    root = _root(folder)
    found = []
    for path in [root / name for name in wanted] if wanted else _folders(root):
        if not (path / DESCRIPTOR).is_file():
            hint = nearest(path.name, names(root)) if wanted else ""
            found.append(f"{path.name}: there is no {DESCRIPTOR}.{hint}")
            continue
        found += [f"{path.name}: {problem}" for problem in _examine(path, foreign=True)[1]]
        if not (path / "README.md").is_file():
            found.append(
                f"{path.name}: there is no README.md; say what the data are, where from, and their traps."
            )
    return found


def seal(package: str | Path) -> str:
    """Record the hash and size of every data file in the descriptor of the folder `package`.

    For a package made or changed by hand, once its files are as they should be. Returns its new hash.
    """
    folder = Path(package)
    content = _parse(folder)
    if isinstance(content, str):
        raise EvidenceError(f"{folder.name}: {content}")
    for resource in content.get("resources", []):
        path = folder / str(resource.get("path", ""))
        if not path.is_file():
            raise EvidenceError(f"{folder.name}: {resource.get('path')} is missing, so it cannot be sealed.")
        resource["hash"], resource["bytes"] = tables.digest(path), path.stat().st_size
    write_descriptor(folder, content)
    return tables.digest(folder / DESCRIPTOR)


def write_descriptor(folder: Path, content: Mapping[str, Any]) -> None:
    """Write the descriptor, always in the same layout."""
    text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    (folder / DESCRIPTOR).write_bytes(text.encode())


def open_folder(folder: Path, *, foreign: bool = True) -> Package:
    """Open the package in `folder`; `foreign=False` leaves out foreign keys into other packages."""
    package, found = _examine(folder, foreign=foreign)
    if found or package is None:
        listed = [f"  - {problem}" for problem in found[:_SHOWN]]
        if len(found) > _SHOWN:
            listed.append(f"  - and {len(found) - _SHOWN} more")
        count = f"{len(found)} problem{'s' if len(found) > 1 else ''}"
        raise EvidenceError(
            "\n".join([f"The evidence package '{folder.name}' cannot be used; {count}:", *listed])
        )
    return package


def _examine(folder: Path, *, foreign: bool) -> tuple[Package | None, list[str]]:
    """Open a package and list what is wrong; later stages are not reached when an earlier one fails."""
    content = _parse(folder)
    if isinstance(content, str):
        return None, [content]
    found = [f"{DESCRIPTOR}: {p}" for p in descriptors.problems(content, folder_name=folder.name)]
    if found:
        return None, found
    frames = {}
    for resource in content["resources"]:
        frame, problems = _open_resource(folder, resource)
        found += [f"{resource['path']}: {problem}" for problem in problems]
        frames[resource["name"]] = frame
    if not found:
        for resource in content["resources"]:
            problems = _foreign(folder, resource, frames, other_packages=foreign)
            found += [f"{resource['path']}: {problem}" for problem in problems]
    if found:
        return None, found
    return _package(folder, content, frames), []


def _parse(folder: Path) -> dict[str, Any] | str:
    try:
        content = json.loads((folder / DESCRIPTOR).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return f"there is no {DESCRIPTOR}."
    except json.JSONDecodeError as error:
        return f"{DESCRIPTOR} is not valid JSON: {error.msg} at line {error.lineno}, column {error.colno}."
    except UnicodeDecodeError:
        return f"{DESCRIPTOR} is not UTF-8 text."
    return (
        content
        if isinstance(content, dict)
        else f"{DESCRIPTOR}: the descriptor is not a JSON object {{...}}."
    )


def _open_resource(folder: Path, resource: Mapping[str, Any]) -> tuple[pd.DataFrame, list[str]]:
    path = folder / resource["path"]
    if not path.is_file():
        return pd.DataFrame(), ["the file is missing."]
    actual = tables.digest(path)
    if actual != resource["hash"]:
        return pd.DataFrame(), [
            f"the file is not the one that was sealed (hash {actual[:19]}…, descriptor "
            f"{resource['hash'][:19]}…). Restore it, or rebuild the package, or, if the change is meant, "
            "seal it again with evidence.seal()."
        ]
    if path.stat().st_size != resource["bytes"]:
        return pd.DataFrame(), [
            f"has {path.stat().st_size:,} bytes, but the descriptor says {resource['bytes']:,}."
        ]
    frame, problems = tables.read(path, resource)
    return frame, problems or schema.problems(frame, resource["schema"])


def _foreign(
    folder: Path, resource: Mapping[str, Any], frames: Mapping[str, pd.DataFrame], *, other_packages: bool
) -> list[str]:
    found = []
    for key in resource["schema"].get("foreignKeys", []):
        reference = key["reference"]
        other = reference.get("package")
        if other is not None and not other_packages:
            continue
        if other is None:
            target = frames[reference["resource"]]
        elif not (folder.parent / other / DESCRIPTOR).is_file():
            found.append(f"a foreign key points to the package '{other}', which is not in {folder.parent}.")
            continue
        else:
            target = open_folder(folder.parent / other, foreign=False).table(reference["resource"])
        absent = [name for name in reference["fields"] if name not in target.columns]
        where = f"{other + ': ' if other else ''}{reference['resource']}"
        if absent:
            found.append(f"a foreign key points to {where}.{absent[0]}, which does not exist.")
            continue
        frame = frames[resource["name"]]
        found += schema.foreign_problems(
            frame,
            resource["schema"],
            key["fields"],
            target,
            reference["fields"],
            f"{where} ({', '.join(reference['fields'])})",
        )
    return found


def _package(folder: Path, content: dict[str, Any], frames: Mapping[str, pd.DataFrame]) -> Package:
    licences = content["licenses"]
    return Package(
        name=content["name"],
        title=content["title"],
        version=content["version"],
        kind=content["soa:kind"],
        licence="; ".join(licence["title"] for licence in licences),
        attribution="; ".join(
            licence["soa:attribution"] for licence in licences if "soa:attribution" in licence
        ),
        sources=tuple(content["sources"]),
        hash=tables.digest(folder / DESCRIPTOR),
        smallest_count=content.get("soa:smallestCount", CAUTIOUS_SMALLEST_COUNT),
        caveats=tuple(content.get("soa:caveats", ())),
        descriptor=content,
        folder=folder,
        frames=frames,
    )


def _folders(root: Path) -> Iterable[Path]:
    return sorted(path for path in root.iterdir() if path.is_dir() and path.name[0] not in "._")


def _root(folder: str | Path | None) -> Path:
    """Return the folder whose sub-folders are packages."""
    if folder is not None:
        given = Path(folder)
        if not given.is_dir():
            raise EvidenceError(
                f"There is no folder {str(folder)!r}; expected one that holds evidence packages."
            )
        return given / "evidence" if _holds_packages(given / "evidence") else given
    here = Path.cwd()
    for place in (here, *here.parents):
        if _holds_packages(place / "evidence"):
            return place / "evidence"
    checkout = Path(__file__).resolve().parents[3] / "evidence"
    if _holds_packages(checkout):
        return checkout
    raise EvidenceError(
        f"No folder 'evidence' with packages was found from {here} upwards. Work inside a checkout of the "
        "repository, or name the folder: evidence.load(..., folder=...)."
    )


def _holds_packages(folder: Path) -> bool:
    return folder.is_dir() and any(folder.glob(f"*/{DESCRIPTOR}"))
