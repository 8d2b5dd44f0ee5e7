"""What published-survivorship says of itself: licence, source, caveats, every field of its tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from soa_evidence.evidence.write import count, flag, number, resource, text

__all__ = ["NAME", "counts", "descriptor", "hospitals", "mortality", "papers", "survivorship"]

Field = dict[str, Any]
NAME = "published-survivorship"
SOURCE_TYPES = (
    "registry",
    "population database",
    "case series",
    "review of registries",
    "review of case series",
)
READ = ("full text", "abstract", "secondary")
MEASURES = ("implant survival", "revised again", "lifetime risk of revision")
PROCEDURES = ("primary", "first revision", "second revision", "third revision")
_PERCENT = "per cent of joints"
LICENCE = {
    "name": "MIT",
    "title": "MIT (our selection, coding and words); the figures are facts, cited paper by paper",
    "path": "https://opensource.org/license/mit",
}


def descriptor(files: Sequence[Mapping[str, str]]) -> Field:
    """Return the descriptor; `files` are names and hashes of the lists the numbers come from."""
    return {
        "profile": "data-package",
        "name": NAME,
        "title": "How long hip and knee replacements last, as published",
        "description": (
            "Survival of hip and knee replacements at a time, lifetime risk of revision, re-revision, early "
            "deaths and a table of hospitals, as papers and registries print them, each with its citation, "
            "how far it was read, and whether it may be pooled."
        ),
        "version": "1.0.0",
        "soa:kind": "published",
        # figures printed in papers: whatever count they hold is public already
        "soa:smallestCount": 1,
        "soa:caveats": [
            "Not a systematic review: figures were collected from stored excerpts of pages, no database was "
            "searched, and one reader coded them.",
            "Almost everything was read at the level of the abstract; none of the papers was read in full.",
            "Registries and case series disagree about the same question; they are never pooled together.",
            "What lasted twenty years was put in more than twenty years ago: most of those implants are no "
            "longer used.",
            "Implant survival treats death as if the patient could still be revised; lifetime risk does not.",
            "Tables of annual registry reports by implant were not reachable and are not here.",
        ],
        "licenses": [LICENCE],
        "sources": [
            {
                "title": "Published papers and registry reports, cited one by one in the table papers; "
                "figures collected from stored page excerpts",
                "soa:files": [dict(file) for file in files],
            }
        ],
        "resources": [
            resource("survivorship", "Survivorship", fields=survivorship(), key=["fact_id"], format="csv",
                     foreign=[_paper()]),
            resource("papers", "Papers", fields=papers(), key=["paper_id"], format="csv"),
            resource("mortality", "Early deaths", fields=mortality(), key=["fact_id"], format="csv",
                     foreign=[_paper()]),
            resource("hospitals", "Hospitals", fields=hospitals(), key=["fact_id"], format="csv",
                     foreign=[_paper()]),
            resource("counts", "Other counts", fields=counts(), key=["fact_id"], format="csv",
                     foreign=[_paper()]),
        ],
    }  # fmt: skip


def _paper() -> Field:
    return {"fields": ["paper_id"], "reference": {"resource": "papers", "fields": ["paper_id"]}}


def papers() -> list[Field]:
    """Fields of the table papers."""
    return [
        text("paper_id", "Paper", "Our name of it", pattern="[a-z0-9-]+", unique=True),
        text("label", "Label", "As figures and tables call it", unique=True),
        text("citation", "Citation", "As far as the page read gave it"),
        text("citation_note", "Note on the citation", "What of it is from memory or missing", required=False),
        text(
            "doi", "DOI", "Digital object identifier, where known", pattern=r"10\.\d{4,}/\S+", required=False
        ),
        text("link", "Link", "Where a reader finds it, where there is no DOI or a free copy", required=False),
        number("year", "Year", "Of publication", unit="calendar year", required=False, minimum=1980),
    ]


def survivorship() -> list[Field]:
    """Fields of the table survivorship."""
    return [
        text("fact_id", "Row", "Number in our lists: T of the figures, B of the benchmarks, S read by us",
             pattern=r"(T3|B|S)-?\d\d", unique=True),
        text("number_from", "Number from", "Which list holds the number"),
        text("paper_id", "Paper", "As in papers"),
        text("study", "Study", "The group of patients; rows of one study and measure are one curve"),
        text("registry", "Registry", "Short name: studies that share it may share patients", required=False),
        text("source_type", "Kind of source", "Kinds are not pooled together", levels=SOURCE_TYPES),
        text("joint", "Joint", "Hip, knee, or either", levels=("hip", "knee", "hip or knee")),
        text("procedure", "Operation", "First replacement, or which revision", levels=PROCEDURES),
        text("group", "Group", "Kind of implant or of surgeon"),
        text("age", "Age", "At the operation"),
        text("sex", "Sex", "Of the patients", levels=("both", "men", "women")),
        text("country", "Country", "Where they were operated on"),
        number("period_start", "First year", "Of the operations", unit="calendar year", required=False),
        number("period_end", "Last year", "Of the operations", unit="calendar year", required=False),
        text("measure", "Measure", "What the percentage is of", levels=MEASURES),
        text("means", "Means", "Survival (not revised) or failure", levels=("survival", "failure")),
        number("follow_up_years", "Follow-up", "From the operation", unit="years", required=False, minimum=0),
        number("estimate_percent", "Percentage", "As printed", unit=_PERCENT, minimum=0),
        number("lower_percent", "Lower limit", "95 % interval, as printed", unit=_PERCENT, required=False),
        number("upper_percent", "Upper limit", "95 % interval, as printed", unit=_PERCENT, required=False),
        number("estimate_unit", "Last digit of the percentage", "What one step of it is worth",
               unit="percentage points", minimum=0),
        number("limit_unit", "Last digit of the limits", "What one step of it is worth",
               unit="percentage points", minimum=0),
        number("joints", "Joints", "In the group, where printed", unit="joints", required=False, minimum=1),
        text("citation", "Citation", "Of the paper, as far as the page read gave it"),
        text("doi", "DOI", "Of the paper, where known", required=False),
        flag("poolable", "May be pooled", "No for pooled results, selected groups and rows without limits"),
        text("not_poolable_because", "Not pooled because", "The reason", required=False),
        flag("inconsistent", "Inconsistent", "Its figures contradict each other in their source"),
        text("inconsistency", "Inconsistency", "How", required=False),
        text("overlap", "Overlap", "Which other rows may hold the same patients", required=False),
        text("read_at_level", "How far read", "Or, if secondary, a page that only tells of it", levels=READ),
        flag("verified", "Verified", "The figure stands on the page it was read on"),
        text("note", "Note", "What a reader must know, in our words", required=False),
    ]  # fmt: skip


def mortality() -> list[Field]:
    """Fields of the table mortality."""
    return [
        text("fact_id", "Row", "Number in the list of figures", unique=True),
        text("paper_id", "Paper", "As in papers"),
        text("what", "What", "Which deaths, in our words"),
        text("period", "Period", "Years of the operations, where printed", required=False),
        number("days", "Days", "After hip replacement", unit="days", minimum=0),
        number("percent", "Percentage who died", "As printed, or from counts", unit="per cent of patients"),
        number("lower_percent", "Lower limit", "95 % interval", unit="per cent of patients", required=False),
        number("upper_percent", "Upper limit", "95 % interval", unit="per cent of patients", required=False),
        number("operations", "Operations", "Counted", unit="operations", required=False),
        number("deaths", "Deaths", "Counted", unit="deaths", required=False),
        text("note", "Note", "In our words", required=False),
    ]  # fmt: skip


def hospitals() -> list[Field]:
    """Fields of the table hospitals."""
    return [
        text("fact_id", "Row", "Number in the list of figures", unique=True),
        text("paper_id", "Paper", "As in papers"),
        count("hospital", "Hospital", "Its number in the poster; 13 of 26 were on the page", unit="number"),
        count("operations", "Operations", "First hip replacements, 2011 to 2015", unit="operations"),
        count("complications", "Complications", "Within 90 days; operations times the printed share, which "
              "is a whole number to 0.05", unit="patients", at_most="operations"),
        number("observed_percent", "Observed", "As printed", unit="per cent of patients"),
        number("expected_percent", "Expected", "From case mix, as printed", unit="per cent of patients"),
        text("rated", "Rated", "By the authors", levels=("average", "worse", "better")),
    ]  # fmt: skip


def counts() -> list[Field]:
    """Fields of the table counts."""
    return [
        text("fact_id", "Row", "Number in the list of figures", unique=True),
        text("paper_id", "Paper", "As in papers"),
        text("what", "What", "What was counted, in our words"),
        text("group", "Group", "Of which joint or over which years"),
        text("period", "Period", "Of the report or the operations", required=False),
        count("count", "Count", "As printed", unit="as said under 'what'"),
        text("note", "Note", "In our words", required=False),
    ]
