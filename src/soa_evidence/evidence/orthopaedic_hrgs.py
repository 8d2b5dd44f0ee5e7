"""The HRGs of hip and knee replacement: families by official name, levels of comorbidity within."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pandas as pd

from soa_evidence.errors import EvidenceError
from soa_evidence.evidence.write import count, text

__all__ = ["FAMILIES", "WORK", "fields", "known", "table"]

#: Family of HRGs, our name of it, and what kind of work its official name says it is.
FAMILIES = {
    "HN12": ("very major hip procedures", "ordinary"),
    "HN22": ("very major knee procedures", "ordinary"),
    "HN81": ("complex hip or knee procedures", "complex"),
    "HN80": ("very complex hip or knee procedures", "very complex"),
    "HT12": ("very major hip procedures for trauma", "trauma"),
    "HT22": ("very major knee procedures for trauma", "trauma"),
}
WORK = ("ordinary", "complex", "very complex", "trauma")
_LEVEL = re.compile(r"CC score (\d+)(?:\s*-\s*(\d+)|(\+))?", re.IGNORECASE)


def known(hrg: str) -> bool:
    """Say whether an HRG belongs to one of the families."""
    return len(hrg) == 5 and hrg[:4] in FAMILIES


def table(names: Mapping[str, str]) -> pd.DataFrame:
    """Return one row an HRG from official names, in which the comorbidity score stands."""
    rows = []
    for hrg, name in names.items():
        found = _LEVEL.search(name)
        if found is None:
            raise EvidenceError(
                f"HRG {hrg}: '{name}' names no CC score; expected one, such as 'CC Score 2-3'."
            )
        family, work = FAMILIES[hrg[:4]]
        rows.append(
            {
                "hrg": hrg,
                "name": name,
                "family": hrg[:4],
                "family_name": family,
                "work": work,
                "cc_from": int(found[1]),
                "cc_to": None if found[3] else int(found[2] or found[1]),
            }
        )
    return pd.DataFrame(rows)


def fields() -> list[dict[str, Any]]:
    """Return the schema of the table of HRGs."""
    families = [family for family, _ in FAMILIES.values()]
    return [
        text("hrg", "HRG", "Code of the healthcare resource group", unique=True),
        text("name", "Name", "Official name"),
        text("family", "Family", "First four letters of the code", levels=list(FAMILIES)),
        text("family_name", "Family's name", "Our short form of the official name", levels=families),
        text("work", "Kind of work", "By the family's official name; trauma is apart", levels=WORK),
        count("cc_from", "Comorbidity score from", "Lowest score of the HRG", unit="points"),
        count("cc_to", "Comorbidity score to", "Highest score; missing: no upper end", unit="points",
              required=False),
    ]  # fmt: skip
