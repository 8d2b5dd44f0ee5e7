"""The data contract of a joint registry extract: every column, its meaning, unit, type and allowed values.

One row is one primary joint replacement of one side of one person, with the first and second revision of
that joint, the person's death and the end of observation. Dates are days; codes are words. What is required
must be there in every row; an optional column may be left out of the file, and an optional value be empty.

`docs/registry-extract.md` shows this page to a researcher and is tested against it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

__all__ = [
    "BY_NAME",
    "COLUMNS",
    "REASON_GROUPS",
    "REASON_SEPARATOR",
    "UNITS_TABLE_COLUMNS",
    "Column",
    "page",
]

Kind = Literal["text", "code", "codes", "date", "number"]
REASON_SEPARATOR = ";"


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column of the extract.

    Parameters
    ----------
    name, meaning
        Its header in the file, and what it says.
    kind
        ``"text"`` (a pseudonym or name), ``"code"`` (one of `codes`), ``"codes"`` (several of them, separated
        by ';'), ``"date"`` (a day, YYYY-MM-DD) or ``"number"``.
    required
        Whether every row must have it.
    unit
        Unit of a number.
    codes
        Allowed values of a code, with what each means.
    least, most
        Limits of a number, both allowed.
    """

    name: str
    meaning: str
    kind: Kind
    required: bool
    unit: str = ""
    codes: Mapping[str, str] = MappingProxyType({})
    least: float | None = None
    most: float | None = None

    @property
    def type(self) -> str:
        """The kind in a reader's words."""
        words = {
            "text": "text",
            "code": "one code",
            "codes": f"codes, separated by '{REASON_SEPARATOR}'",
            "date": "date, YYYY-MM-DD",
            "number": f"number, {self.unit}",
        }
        return words[self.kind]

    @property
    def allowed(self) -> str:
        """The values allowed, in a reader's words; '' where anything is."""
        if self.codes:
            return ", ".join(self.codes)
        return f"{self.least:g} to {self.most:g}" if self.least is not None else ""


def _codes(**named: str) -> Mapping[str, str]:
    return MappingProxyType({code.replace("_", " "): meaning for code, meaning in named.items()})


COLUMNS: tuple[Column, ...] = (
    Column(
        name="person_id",
        meaning="Pseudonym of the person, the same in all their rows; never an NHS number or a name",
        kind="text",
        required=True,
    ),
    Column(
        name="side",
        meaning="Side operated on",
        kind="code",
        required=True,
        codes=_codes(left="Left", right="Right"),
    ),
    Column(
        name="joint",
        meaning="Joint replaced",
        kind="code",
        required=True,
        codes=_codes(hip="Hip", knee="Knee", shoulder="Shoulder", elbow="Elbow", ankle="Ankle"),
    ),
    Column(
        name="procedure",
        meaning="What was put in",
        kind="code",
        required=False,
        codes=_codes(
            total="Total replacement",
            resurfacing="Resurfacing",
            unicompartmental="Partial knee replacement, medial or lateral",
            patellofemoral="Partial knee replacement, behind the kneecap",
            other="Any other",
        ),
    ),
    Column(name="unit", meaning="Code of the hospital or centre", kind="text", required=True),
    Column(
        name="unit_class",
        meaning="Kind of unit, such as 'specialist orthopaedic'; may come from a table of units instead",
        kind="text",
        required=False,
    ),
    Column(name="surgeon", meaning="Pseudonym of the lead surgeon", kind="text", required=False),
    Column(name="primary_date", meaning="Day of the first (primary) replacement", kind="date", required=True),
    Column(
        name="age",
        meaning="Age at the primary",
        kind="number",
        required=True,
        unit="years",
        least=10,
        most=110,
    ),
    Column(
        name="sex",
        meaning="Sex as recorded",
        kind="code",
        required=True,
        codes=_codes(female="Female", male="Male", not_recorded="Neither, or not recorded"),
    ),
    Column(
        name="asa",
        meaning="Physical status (American Society of Anesthesiologists) at the primary",
        kind="code",
        required=False,
        codes=MappingProxyType(
            {
                "1": "Healthy",
                "2": "Mild systemic disease",
                "3": "Severe systemic disease",
                "4": "Disease that is a constant threat to life",
                "5": "Not expected to survive without the operation",
            }
        ),
    ),
    Column(
        name="bmi",
        meaning="Body mass index at the primary",
        kind="number",
        required=False,
        unit="kg/m²",
        least=10,
        most=80,
    ),
    Column(
        name="deprivation",
        meaning="Fifth of the Index of Multiple Deprivation of where the person lives",
        kind="code",
        required=False,
        codes=MappingProxyType({"1": "Most deprived", "2": "", "3": "", "4": "", "5": "Least deprived"}),
    ),
    Column(
        name="fixation",
        meaning="How the implant is held",
        kind="code",
        required=False,
        codes=_codes(
            cemented="All cemented",
            cementless="None cemented",
            hybrid="Hip: cemented stem; knee: one component cemented",
            reverse_hybrid="Hip: cemented cup",
        ),
    ),
    Column(
        name="bearing",
        meaning="Surfaces that move on one another",
        kind="code",
        required=False,
        codes=MappingProxyType(
            {
                "metal on polyethylene": "Hip",
                "ceramic on polyethylene": "Hip",
                "ceramic on ceramic": "Hip",
                "metal on metal": "Hip",
                "fixed": "Knee, bearing that does not move",
                "mobile": "Knee, bearing that moves",
                "other": "Any other",
            }
        ),
    ),
    Column(
        name="revision_date",
        meaning="Day of the first revision of this joint: any part added, removed or exchanged",
        kind="date",
        required=False,
    ),
    Column(
        name="revision_reasons",
        meaning="Reasons for the first revision, all that were recorded",
        kind="codes",
        required=False,
        codes=_codes(
            infection="Infection of the joint",
            fracture="Fracture about the implant",
            dislocation="Dislocation, or an unstable joint",
            loosening="Aseptic loosening",
            lysis="Loss of bone about the implant",
            wear="Wear of the bearing",
            implant_failure="Breakage or failure of the implant",
            malalignment="Wrong position or alignment",
            soft_tissue_reaction="Reaction to particles",
            progression="Arthritis in the rest of the joint",
            stiffness="Stiffness",
            pain="Pain without another reason",
            other="Any other",
        ),
    ),
    Column(
        name="second_revision_date",
        meaning="Day of the second revision of this joint",
        kind="date",
        required=False,
    ),
    Column(name="death_date", meaning="Day of death", kind="date", required=False),
    Column(
        name="follow_up_end",
        meaning="Last day on which a revision or a death would be known: death, emigration, or linkage",
        kind="date",
        required=True,
    ),
)

BY_NAME: Mapping[str, Column] = MappingProxyType({column.name: column for column in COLUMNS})

#: Reasons put together for analysis, in order of precedence: with several reasons the first group counts.
REASON_GROUPS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "infection": ("infection",),
        "fracture": ("fracture",),
        "dislocation": ("dislocation",),
        "loosening": ("loosening", "lysis", "wear"),
        "other": (
            "implant failure", "malalignment", "soft tissue reaction", "progression", "stiffness", "pain",
            "other",
        ),
    }
)  # fmt: skip

#: Columns of a table of units, for extracts without `unit_class`.
UNITS_TABLE_COLUMNS = ("unit", "unit_class")


def page() -> str:
    """Return the contract as a Markdown table, as it stands in docs/registry-extract.md."""
    lines = ["| column | needed | type | allowed | meaning |", "| --- | --- | --- | --- | --- |"]
    for column in COLUMNS:
        needed = "required" if column.required else "optional"
        allowed = ", ".join(f"`{code}`" for code in column.codes) if column.codes else column.allowed
        lines.append(f"| `{column.name}` | {needed} | {column.type} | {allowed} | {column.meaning} |")
    return "\n".join(lines) + "\n"
