"""Build the evidence packages made from NHS Digital's PROMs packs for hip and knee replacement."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from soa_evidence.evidence.write import Written

__all__ = ["Summary", "build"]


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What an ingest did.

    Parameters
    ----------
    written
        The packages built.
    read
        Names of the files used.
    left_aside
        Files not used, with the reason.
    not_built
        Packages that could not be built, with the reason.
    """

    written: tuple[Written, ...]
    read: tuple[str, ...]
    left_aside: tuple[tuple[str, str], ...]
    not_built: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        lines = [f"Read {len(self.read)} file(s): {', '.join(self.read)}."]
        lines += [f"Left aside {name}: {why}." for name, why in self.left_aside]
        lines += [f"Built {one}." for one in self.written]
        lines += [f"Did not build {name}: {why}." for name, why in self.not_built]
        return "\n".join(lines)


def build(paths: Iterable[str | Path], out_folder: str | Path, classes: str | Path | None = None) -> Summary:
    """Build the packages for which `paths` hold files, into ``out_folder/<package>/``.

    Parameters
    ----------
    paths
        CSVs, zips (nested as they come) or folders of NHS Digital's PROMs packs, several years together: each
        call builds whole packages, it does not add years to one that exists.
    out_folder
        Folder of evidence packages, such as ``evidence``.
    classes
        CSV of provider classes; with it nhs-units is built too.

    Returns
    -------
    Summary
        The same files always give the same bytes.

    Raises
    ------
    EvidenceError
        When nothing usable is found, or a file does not hold what its kind should.
    """
    from soa_evidence.evidence import nhs_units
    from soa_evidence.evidence.nhs_proms import (
        packs,
        participation,
        published,
        records,
        units,
        units_descriptor,
    )
    from soa_evidence.evidence.nhs_proms.credits import sources
    from soa_evidence.evidence.write import package

    files, left_aside = packs.find(paths)
    out = Path(out_folder)
    written, not_built = [], []
    by_kind = {kind: [f for f in files if f.kind == kind] for kind in {f.kind for f in files}}
    if "records" in by_kind:
        tidy, owners = records.read(by_kind["records"])
        years = tuple(sorted(set(tidy["year"])))
        written.append(
            package(out, units_descriptor.descriptor(years, sources(owners)), {"cells": units.cells(tidy)})
        )
    else:
        not_built.append((units_descriptor.NAME, "no provider record file among the paths"))
    for name, make, needs in (
        (participation.NAME, participation.make, ("participation",)),
        (published.NAME, published.make, ("time series", "scores")),
    ):
        absent = [kind for kind in needs if kind not in by_kind]
        if absent:
            not_built.append((name, f"no {absent[0]} file among the paths"))
            continue
        descriptor, frames = make(*(by_kind[kind] for kind in needs))
        written.append(package(out, descriptor, frames))
    if classes is not None:
        written.append(nhs_units.build(classes, out))
    return Summary(
        written=tuple(written),
        read=tuple(file.name for file in files),
        left_aside=tuple(left_aside),
        not_built=tuple(not_built),
    )
