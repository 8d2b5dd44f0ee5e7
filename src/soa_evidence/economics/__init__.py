"""Money: what operations are paid and cost, what they are worth over a lifetime, what more evidence is worth.

Other methods' results come in as `Estimates` and `Curve`, never as models; their draws keep their order.
"""

from typing import TYPE_CHECKING

from soa_evidence import lazy

if TYPE_CHECKING:
    from soa_evidence.economics import (
        budget,
        carried,
        case_mix_income,
        cohort,
        decision,
        information,
        inputs,
        life_table,
        parameters,
        price_index,
        psa,
        revision_laws,
        sensitivity,
        tariff,
    )
    from soa_evidence.economics.tariff_rules import Rules

__all__ = [
    "Rules",
    "budget",
    "carried",
    "case_mix_income",
    "cohort",
    "decision",
    "information",
    "inputs",
    "life_table",
    "parameters",
    "price_index",
    "psa",
    "revision_laws",
    "sensitivity",
    "tariff",
]

lazy.on_use(__name__)
