"""Which American hospitals are specialist orthopaedic ones: by a rule over their names.

There is no official list. A rule over names can be repeated by anyone; what it gets wrong is listed with the
reason, and none of the reasons is an outcome.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

__all__ = ["CLASSES", "EXCEPTIONS", "of_names"]

SPECIALIST, SURGICAL, GENERAL = "specialist orthopaedic", "surgical hospital", "general"
CLASSES = (SPECIALIST, SURGICAL, GENERAL)
_ORTHOPAEDIC = re.compile(r"\bORTHO|\bJOINT\b|\bBONE\b|SPECIAL SURGERY", re.IGNORECASE)
_SURGICAL = re.compile(r"SURGICAL|SURGERY", re.IGNORECASE)

#: Facility number -> class and why the rule over names is wrong there.
EXCEPTIONS = {
    "050112": (GENERAL, "a general hospital and an orthopaedic one report under one number"),
    "210058": (GENERAL, "a rehabilitation hospital with an orthopaedic institute"),
    "230071": (SURGICAL, "a hospital for plastic surgery in spite of its name"),
    "360058": (GENERAL, "'joint' is part of a township's name"),
    "370212": (SURGICAL, "its name says that it is for several specialties"),
}


def of_names(facility_id: str, names: Iterable[str]) -> tuple[str, str]:
    """Return the class of a hospital and on what ground.

    Parameters
    ----------
    facility_id
        Number of the hospital in the release.
    names
        All names it bears in the releases.
    """
    if facility_id in EXCEPTIONS:
        return EXCEPTIONS[facility_id]
    if any(_ORTHOPAEDIC.search(name) for name in names):
        return SPECIALIST, "orthopaedic by its name"
    if any(_SURGICAL.search(name) for name in names):
        return SURGICAL, "surgical by its name"
    return GENERAL, "neither orthopaedic nor surgical by its name"
