"""Classes of unit: which hospitals are set against which, under each definition a report may choose."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from soa_evidence.errors import InputError, nearest, require_columns

__all__ = ["COMPARATORS", "DEFINITIONS", "SPECIALISTS", "Classes", "assign", "roles"]

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


#: Who counts as specialist, as choices of a specification curve; the first is the headline's.
SPECIALISTS = (
    "wholly specialist trusts",
    "with specialist hospitals inside",
    "specialist hospitals inside left out",
)

#: Whom they are compared with, as choices of a specification curve; the first is the headline's.
COMPARATORS = (
    "NHS general",
    "independent sector left out",
    "NHS teaching apart",
    "all other units",
)


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

    def ordered(self, groups: Iterable[str], *, reference: bool = True) -> list[str]:
        """Put classes in a page's order: the specialist one, the reference (where wanted), others by name."""
        first = [self.specialist, *([self.reference_label] if reference else [])]
        return [*first, *sorted(set(groups) - {self.specialist, self.reference_label})]


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
    chosen = DEFINITIONS[definition]
    known = _known_classes(units, unit, unit_class, site)
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


def roles(
    units: pd.DataFrame,
    *,
    unit: str = "provider_code",
    unit_class: str = "unit_class",
    site: str = "specialist_orthopaedic_site",
) -> pd.DataFrame:
    """Return every unit's part in a comparison under each choice of `SPECIALISTS` and `COMPARATORS`.

    Returns
    -------
    DataFrame
        The unit column, `specialist` and `compared_with` (the choices), `role` (specialist, comparator, the
        name of a further class that only informs the case mix, or missing where the unit is left out), and
        `stratum` (NHS or independent sector), within which labels may be exchanged.

    Raises
    ------
    InputError
        On a missing column, a unit listed twice, or a class that has no place.
    """
    known = _known_classes(units, unit, unit_class, site)
    inside = ((units[site] == SITE_INSIDE) & (known != INDEPENDENT) & (known != SPECIALIST)).to_numpy()
    independent, teaching = (known == INDEPENDENT).to_numpy(), known.str.contains("teaching").to_numpy()
    parts = []
    for counted in SPECIALISTS:
        for comparator in COMPARATORS:
            role = known.where(known == SPECIALIST, "comparator").replace({SPECIALIST: "specialist"})
            role = role.astype(object)
            if comparator != COMPARATORS[3]:
                role[independent] = None if comparator == COMPARATORS[1] else INDEPENDENT
            if comparator == COMPARATORS[2]:
                role[teaching & (role == "comparator").to_numpy()] = "NHS teaching"
            if counted != SPECIALISTS[0]:
                role[inside] = "specialist" if counted == SPECIALISTS[1] else None
            parts.append(
                pd.DataFrame(
                    {unit: units[unit], "specialist": counted, "compared_with": comparator, "role": role}
                ).assign(stratum=["independent sector" if is_so else "NHS" for is_so in independent])
            )
    return pd.concat(parts, ignore_index=True)


def _known_classes(units: pd.DataFrame, unit: str, unit_class: str, site: str) -> pd.Series[str]:
    """Return every unit's class in the toolkit's words."""
    require_columns(units.columns, (unit, unit_class, site), what="The table of units")
    twice = units.loc[units[unit].duplicated(), unit]
    if len(twice):
        raise InputError(f"Unit '{twice.iloc[0]}' is listed twice; expected one row a unit.")
    known = units[unit_class].map(_BY_SIZE)
    if known.isna().any():
        odd = units.loc[known.isna()].iloc[0]
        raise InputError(
            f"Unit '{odd[unit]}' has class {odd[unit_class]!r}.{nearest(odd[unit_class], _BY_SIZE)} "
            f"Expected one of: {', '.join(_BY_SIZE)}."
        )
    return known
