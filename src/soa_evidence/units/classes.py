"""Classes of unit: which hospitals are set against which, under each definition a report may choose."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from soa_evidence.errors import InputError, nearest

__all__ = ["DEFINITIONS", "Classes", "assign"]

SPECIALIST = "specialist orthopaedic"
SPECIALIST_OR_INSIDE = "specialist orthopaedic, or with one inside"
GENERAL = "NHS general"
INDEPENDENT = "independent sector"
SITE_INSIDE = "specialist hospital inside"

_BY_SIZE = {
    "specialist orthopaedic": SPECIALIST,
    "NHS general, large": "NHS general, large",
    "NHS general, medium": "NHS general, medium",
    "NHS general, small": "NHS general, small",
    "NHS general, teaching": "NHS general, teaching or multi-service",
    "NHS general, multi-service": "NHS general, teaching or multi-service",
    "independent sector": INDEPENDENT,
}


@dataclass(frozen=True, kw_only=True)
class _Definition:
    meaning: str
    merge_general: bool = False
    count_sites: bool = False


#: Name of a definition to what it means.
DEFINITIONS = {
    "by_size": _Definition(
        meaning="wholly specialist trusts; NHS general trusts by size; independent sector",
    ),
    "broad": _Definition(
        meaning="wholly specialist trusts; all other NHS trusts together; independent sector",
        merge_general=True,
    ),
    "with_sites": _Definition(
        meaning="as by_size, but trusts with a specialist orthopaedic hospital inside count as specialist, "
        "with all their patients, because their codes do not tell the hospitals apart",
        count_sites=True,
    ),
}


@dataclass(frozen=True, eq=False, kw_only=True)
class Classes:
    """Units with their class under one definition.

    Attributes
    ----------
    frame : DataFrame
        The unit column, `comparison_class`, and `broad_class` with NHS general undivided.
    specialist : str
        Name of the class that the question is about.
    reference : tuple of str
        The classes that together are NHS general.
    reference_label : str
    meaning : str
        The definition in words.
    """

    frame: pd.DataFrame
    specialist: str
    reference: tuple[str, ...]
    reference_label: str
    meaning: str


def assign(
    units: pd.DataFrame,
    definition: str,
    *,
    unit: str = "provider_code",
    unit_class: str = "unit_class",
    site: str = "specialist_orthopaedic_site",
) -> Classes:
    """Give every unit its class under a named definition.

    Parameters
    ----------
    units
        One row a unit, with its class and whether a specialist orthopaedic hospital is inside.
    definition
        A name from `DEFINITIONS`.

    Raises
    ------
    InputError
        On an unknown definition, a missing column, a unit listed twice, or a class that has no place in it.
    """
    if definition not in DEFINITIONS:
        raise InputError(
            f"There is no class definition {definition!r}.{nearest(definition, DEFINITIONS)} "
            f"Expected one of: {', '.join(DEFINITIONS)}."
        )
    for column in (unit, unit_class, site):
        if column not in units.columns:
            raise InputError(f"The units have no column '{column}'.{nearest(column, units.columns)}")
    twice = units.loc[units[unit].duplicated(), unit]
    if len(twice):
        raise InputError(f"Unit '{twice.iloc[0]}' is listed twice; expected one row a unit.")
    chosen = DEFINITIONS[definition]
    known = units[unit_class].map(_BY_SIZE)
    if known.isna().any():
        odd = units.loc[known.isna()].iloc[0]
        raise InputError(
            f"Unit '{odd[unit]}' has class {odd[unit_class]!r}.{nearest(odd[unit_class], _BY_SIZE)} "
            f"Expected one of: {', '.join(_BY_SIZE)}."
        )
    if chosen.merge_general:
        known = known.where(~known.str.startswith(GENERAL), GENERAL)
    specialist = SPECIALIST
    if chosen.count_sites:
        specialist = SPECIALIST_OR_INSIDE
        counted = (known == SPECIALIST) | ((units[site] == SITE_INSIDE) & (known != INDEPENDENT))
        known = known.where(~counted, specialist)
    broad = known.where(~known.str.startswith(GENERAL), GENERAL)
    frame = pd.DataFrame({unit: units[unit], "comparison_class": known, "broad_class": broad})
    reference = tuple(sorted({name for name in known if name.startswith(GENERAL)}))
    return Classes(
        frame=frame,
        specialist=specialist,
        reference=reference,
        reference_label=GENERAL,
        meaning=chosen.meaning,
    )
