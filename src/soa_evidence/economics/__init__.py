"""What an operation is worth over a lifetime: decision model, uncertainty, value of more evidence.

Other methods' results come in as `Estimates` and `Curve`, never as models; their draws keep their order.
"""

from soa_evidence.economics import (
    budget,
    carried,
    cohort,
    decision,
    information,
    inputs,
    life_table,
    parameters,
    psa,
    revision_laws,
    sensitivity,
)

__all__ = [
    "budget",
    "carried",
    "cohort",
    "decision",
    "information",
    "inputs",
    "life_table",
    "parameters",
    "psa",
    "revision_laws",
    "sensitivity",
]
