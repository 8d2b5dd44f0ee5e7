"""Evidence packages: data with licence, sources, hash, schema and units, refused unless all are in order.

>>> from soa_evidence import evidence
>>> package = evidence.load("nhs-units")     # doctest: +SKIP
>>> package.table().head()                   # doctest: +SKIP
"""

from typing import TYPE_CHECKING

from soa_evidence import lazy

if TYPE_CHECKING:
    from soa_evidence.evidence import (
        case_mix,
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
        registry,
        syn_registry,
        us_hospitals,
        where_treated,
    )
    from soa_evidence.evidence.load import check, load, names, seal
    from soa_evidence.evidence.package import Package

__all__ = [
    "Package",
    "case_mix",
    "check",
    "commissioners",
    "economic_conventions",
    "economic_inputs",
    "load",
    "names",
    "nhs_proms",
    "nhs_units",
    "orthopaedic_costs",
    "orthopaedic_tariff",
    "programmes",
    "published",
    "published_survivorship",
    "registry",
    "seal",
    "syn_registry",
    "us_hospitals",
    "where_treated",
]

lazy.on_use(__name__)
