"""Which official releases packages can be built from, and what each build is given.

Here and not with the evidence, because one package holds what a model expects, and evidence never fits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from soa_evidence.errors import InputError, nearest
from soa_evidence.evidence import (
    commissioners,
    economic_conventions,
    economic_inputs,
    nhs_proms,
    nhs_units,
    orthopaedic_costs,
    orthopaedic_tariff,
    programmes,
    published,
    published_survivorship,
    where_treated,
)
from soa_evidence.evidence.us_hospitals import medicare, new_york
from soa_evidence.evidence.write import Written
from soa_evidence.publish import case_mix_package, deprivation_package

__all__ = ["SOURCES", "ingest"]


@dataclass(frozen=True, kw_only=True)
class Source:
    """What a build is given, in words and order, and the function that builds from the paths and `out`.

    `needs` is None where any number of paths will do.
    """

    needs: tuple[str, ...] | None
    build: Callable[..., Sequence[Any]]


SOURCES: Mapping[str, Source] = {
    "commissioners": Source(
        needs=("the PROMs packs", "populations", "names", "deprivation", "peers"),
        build=lambda packs, people, names, poor, peers, out: [
            commissioners.build([packs], people, names, poor, peers, out)
        ],
    ),
    "costs": Source(
        needs=("the table of reference costs", "the table of the cost collection"),
        build=lambda reference, collection, out: [orthopaedic_costs.build(reference, collection, out)],
    ),
    "economic-conventions": Source(
        needs=("the folder of coding tables",),
        build=lambda coded, out: [economic_conventions.build(coded, out)],
    ),
    "hip-model-inputs": Source(
        needs=("the model's folder", "the list of figures", "the table of utility norms"),
        build=lambda model, figures, norms, out: [
            economic_inputs.build_hip_model(model, figures, norms, out)
        ],
    ),
    "independent-orthopaedics": Source(
        needs=("the folder of the analysis's tables",),
        build=lambda folder, out: [where_treated.build_independent(folder, out)],
    ),
    "life-tables": Source(
        needs=("the life tables",), build=lambda tables, out: [economic_inputs.build_life_tables(tables, out)]
    ),
    "nhs-proms": Source(
        needs=None, build=lambda *packs, out, classes=None: [nhs_proms.build(packs, out, classes=classes)]
    ),
    "nhs-proms-case-mix": Source(needs=None, build=lambda *packs, out: [case_mix_package.build(packs, out)]),
    "nhs-proms-deprivation": Source(
        needs=("the PROMs packs", "populations", "deprivation"),
        build=lambda packs, people, poor, out: [deprivation_package.build([packs], people, poor, out)],
    ),
    "nhs-units": Source(
        needs=("the table of provider classes",), build=lambda classes, out: [nhs_units.build(classes, out)]
    ),
    "programmes": Source(
        needs=("the list of facts",), build=lambda facts, out: [programmes.build(facts, out)]
    ),
    "published": Source(
        needs=("the list of figures",), build=lambda figures, out: [published.build(figures, out)]
    ),
    "published-survivorship": Source(
        needs=("the list of figures", "the table of benchmarks"),
        build=lambda figures, marks, out: [published_survivorship.build(figures, marks, out)],
    ),
    "revision-reference-costs": Source(
        needs=("the table of reference costs",),
        build=lambda costs, out: [economic_inputs.build_costs(costs, out)],
    ),
    "tariff": Source(
        needs=("the folder of prices", "the list of figures"),
        build=lambda prices, figures, out: [orthopaedic_tariff.build(prices, figures, out)],
    ),
    "trust-catchments": Source(
        needs=("the table of catchments",),
        build=lambda catchments, out: [where_treated.build_catchments(catchments, out)],
    ),
    "us-hospitals": Source(
        needs=("New York's infections", "Medicare's readmissions"),
        build=lambda state, country, out: [new_york.build(state, out), medicare.build(country, out)],
    ),
}


def ingest(source: str, paths: Sequence[Path], out: Path, *, classes: Path | None = None) -> list[str]:
    """Build the packages of one source and return a line about each.

    Parameters
    ----------
    source
        A key of `SOURCES`.
    paths
        Files or folders of the release, as many and in the order that `SOURCES` says.
    out
        Folder that packages are written to.
    classes
        Table of provider classes; ``nhs-proms`` then builds nhs-units too.

    Raises
    ------
    InputError
        On an unknown source or another number of paths.
    EvidenceError
        When what was given cannot be built from.
    """
    if source not in SOURCES:
        raise InputError(
            f"There is no source '{source}'.{nearest(source, SOURCES)} Known: {', '.join(SOURCES)}."
        )
    made = SOURCES[source]
    if classes is not None and source != "nhs-proms":
        raise InputError(f"{source} takes no table of provider classes; leave out --classes.")
    if made.needs is not None and len(paths) != len(made.needs):
        raise InputError(
            f"{source} is made from {len(made.needs)} path(s): {'; '.join(made.needs)}, in this order. "
            f"{len(paths)} were given."
        )
    built = made.build(*paths, out=out, **({} if classes is None else {"classes": classes}))
    return [f"Built {one}." if isinstance(one, Written) else str(one) for one in built]
