"""What the four packages say of themselves: licence, source, caveats, and every field."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from soa_evidence.evidence.published.results import DIRECTION, KINDS, NO_DIRECTION
from soa_evidence.evidence.published.search import STAGES
from soa_evidence.evidence.published.studies import DESIGNS
from soa_evidence.evidence.write import count, flag, number, resource, text

__all__ = ["APPRAISAL", "NAMES", "RESULTS", "SEARCH", "STUDIES", "appraisal", "results", "search", "studies"]

STUDIES, RESULTS = "published-studies", "published-results"
SEARCH, APPRAISAL = "published-search", "published-appraisal"
NAMES = (STUDIES, RESULTS, SEARCH, APPRAISAL)
TOPICS = ("specialist", "volume", "ring-fencing", "ownership", "cost")
READ = ("full text", "abstract", "secondary")
ANSWERS = ("Y", "PY", "PN", "N", "NI", "NA")
Field = dict[str, Any]

LICENCE = {
    "name": "MIT",
    "title": "MIT (our selection, coding and words); the figures are facts, cited paper by paper",
    "path": "https://opensource.org/license/mit",
}


def _package(name: str, title: str, description: str, caveats: Sequence[str], source: Field) -> Field:
    return {
        "profile": "data-package",
        "name": name,
        "title": title,
        "description": description,
        "version": "1.0.0",
        "soa:kind": "published",
        # figures printed in papers: whatever count they hold is public already
        "soa:smallestCount": 1,
        "soa:caveats": list(caveats),
        "licenses": [LICENCE],
        "sources": [source],
    }


def _source(hash: str) -> Field:
    return {
        "title": "Published papers, cited study by study in published-studies; figures collected from stored "
        "page excerpts",
        "soa:files": [{"name": "published_figures.csv", "hash": hash}],
    }


NOT_SYSTEMATIC = (
    "Not a systematic review: figures were collected from stored excerpts of pages, no database was "
    "searched, "
    "and one reader coded them."
)
ABSTRACTS = (
    "Almost everything was read at the level of the abstract; what the papers say beyond it is not here."
)


def studies(hash: str) -> Field:
    """Describe published-studies."""
    fields = [
        text("study_id", "Study", "Our name of it", pattern="[a-z0-9-]+", unique=True),
        text("label", "Label", "As figures and tables call it", unique=True),
        text("citation", "Citation", "As far as the page read gave it"),
        text("citation_note", "Note on the citation", "What of it is from memory or was missing",
             required=False),
        text("doi", "DOI", "Digital object identifier, where known", pattern=r"10\.\d{4,}/\S+",
             required=False),
        text("link", "Link", "Where a reader finds it: the paper, not the copy that was read",
             required=False),
        number("year", "Year", "Of publication", unit="calendar year", required=False, minimum=1980),
        text("country", "Country", "Where the patients were treated"),
        flag("united_kingdom", "United Kingdom", "Whether they were treated in the United Kingdom"),
        text("design", "Design", "Kind of study", levels=DESIGNS),
        flag("primary_study", "Primary study", "No for reviews and for programmes' own reports"),
        text("contrast", "Contrast", "What is compared; 'ownership' is not specialism"),
        text("data_source", "Data source", "Registry, claims or hospital the patients come from"),
        text("registry", "Registry", "Short name: studies that share it may share patients"),
        number("period_start", "First year", "Of the operations", unit="calendar year", required=False),
        number("period_end", "Last year", "Of the operations", unit="calendar year", required=False),
        text("operations", "Operations", "Joint or kind of operation"),
        text("population", "Population", "Who was studied, in our words"),
        text("more_concentrated", "More concentrated care", "The arm that is specialised, high in volume or "
             "ring-fenced", required=False),
        text("less_concentrated", "Less concentrated care", "The arm it is compared with", required=False),
        text("overlap", "Overlap", "Which other studies may hold the same patients", required=False),
        count("results", "Results", "Rows of published-results", unit="results", minimum=1),
        text("read_at_level", "How far read", "Furthest that any of its figures was read", levels=READ),
        flag("verified", "Verified", "Every figure stands on the page it was read on"),
        text("note", "Note", "What a reader must know, in our words", required=False),
    ]  # fmt: skip
    described = _package(
        STUDIES,
        "Published studies of specialist, high-volume and ring-fenced orthopaedic care",
        "One row a study: design, country, period, population, what is compared, where its patients come "
        "from "
        "and which other study may hold them, how far it was read.",
        [NOT_SYSTEMATIC, ABSTRACTS,
             "Ownership contrasts (NHS and independent sector, physician-owned) are not "
         "about specialism and are never pooled."],
        _source(hash),
    )  # fmt: skip
    return described | {
        "resources": [resource("studies", "Studies", fields=fields, key=["study_id"], format="csv")]
    }


def results(hash: str) -> Field:
    """Describe published-results."""
    unit = "ratio, or unit of the difference"
    less, more = "the less concentrated arm", "the more concentrated arm"
    fields = [
        text("result_id", "Row", "Number of the figure in our list", pattern=r"T\d-\d\d", unique=True),
        text("study_id", "Study", "As in published-studies"),
        text("label", "Label", "Study, with the joint where it gives several"),
        text("topic", "Topic", "Which page it is for", levels=TOPICS),
        text("contrast", "Contrast", "What is compared"),
        text("outcome", "Outcome", "In one word for all studies"),
        text("joint", "Operations", "Joint or kind of operation"),
        text("compared", "Compared", "Exposed group v comparator, as extracted"),
        text("outcome_as_extracted", "Outcome as extracted", "With the figures that stand beside it"),
        text("follow_up", "Follow-up", "In one word for all studies, where it matters", required=False),
        text("follow_up_as_extracted", "Follow-up as extracted", "As the page gives it", required=False),
        text("kind", "Kind", "What the row holds", levels=KINDS),
        text("measure", "Measure", "Of the effect, coded"),
        text("measure_printed", "Measure as printed", "As the page names it, with our remark"),
        text("estimate_printed", "Estimate as printed", "One figure or several", required=False),
        number("lower_printed", "Lower limit as printed", "Of the interval", unit="as printed",
             required=False),
        number("upper_printed", "Upper limit as printed", "Of the interval", unit="as printed",
             required=False),
        number("level", "Level", "Of the printed interval", unit="proportion", required=False, minimum=0),
        text("p_printed", "P-value as printed", "With its sign", required=False),
        text("exposed_is", "The exposed are", "Less or more concentrated, or neither",
             levels=("less", "more", "neither")),
        text("direction", "Direction", "What the coded effect means", levels=(DIRECTION, NO_DIRECTION)),
        number("effect", "Effect", "Turned to the one direction", unit=unit, required=False),
        number("effect_lower", "Effect, lower limit", "Turned to the one direction", unit=unit,
             required=False),
        number("effect_upper", "Effect, upper limit", "Turned to the one direction", unit=unit,
             required=False),
        count("events_less", "Events, less", f"In {less}", unit="events", required=False, at_most="n_less"),
        count("n_less", "Patients, less", f"In {less}", unit="patients", required=False),
        count("events_more", "Events, more", f"In {more}", unit="events", required=False, at_most="n_more"),
        count("n_more", "Patients, more", f"In {more}", unit="patients", required=False),
        number("mean_less", "Mean, less", f"In {less}", unit="unit of the outcome", required=False),
        number("sd_less", "SD, less", f"In {less}", unit="unit of the outcome", required=False, minimum=0),
        number("mean_more", "Mean, more", f"In {more}", unit="unit of the outcome", required=False),
        number("sd_more", "SD, more", f"In {more}", unit="unit of the outcome", required=False, minimum=0),
        text("counts_from", "Counts from", "Printed, or worked back", required=False),
        flag("main_contrast", "Main contrast",
             "No for a middle band against the reference of the same study"),
        flag("poolable", "May be pooled",
             "No for every row that is flagged, imprecise or of another question"),
        text("not_poolable_because", "Not pooled because", "The reason", required=False),
        flag("inconsistent", "Inconsistent", "Its figures contradict each other in their source"),
        text("inconsistency", "Inconsistency", "How", required=False),
        text("caution", "Caution", "What to bear in mind", required=False),
        text("reading_in_words", "Reading in words", "For, against or neither, where there is no interval",
             levels=("for", "against", "neither"), required=False),
        text("read_at_level", "How far read", "Full text, abstract, or a page that only tells of it",
             levels=READ),
        flag("verified", "Verified", "The figure stands on the page it was read on"),
        text("note", "Note", "In our words", required=False),
    ]  # fmt: skip
    key = {
        "fields": "study_id",
        "reference": {"package": STUDIES, "resource": "studies", "fields": "study_id"},
    }
    described = _package(
        RESULTS,
        "Published results on specialist, high-volume and ring-fenced orthopaedic care",
        f"One row a result, as printed and as coded. Coded effects have one direction: {DIRECTION}.",
        [NOT_SYSTEMATIC, ABSTRACTS,
             "Figures that contradict each other in their source are kept, flagged, and "
         "never pooled.", "Where counts were worked back from percentages the row says so."],
        _source(hash),
    )  # fmt: skip
    return described | {
        "resources": [
            resource(
                "results", "Results", fields=fields, key=["result_id"], format="csv", foreign=[_key(key)]
            )
        ]
    }


def _key(key: Mapping[str, Any]) -> Field:
    reference = key["reference"]
    return {"fields": [key["fields"]], "reference": {**reference, "fields": [reference["fields"]]}}


def search(hash: str) -> Field:
    """Describe published-search."""
    entries = [
        text("figure_id", "Figure", "Its number in our list", pattern=r"T\d-[A-Z]?\d+", unique=True),
        text("source", "Source", "As the list calls it"),
        text("study_id", "Study", "As in published-studies, for figures in the register", required=False),
        text("topic_of_collection", "Topic of collection",
             "1 specialist v general, 2 volume, 3 survivorship, "
             "4 costs and policy, 5 test material", levels=("1", "2", "3", "4", "5")),
        text("stage", "Stage", "What became of it", levels=STAGES),
        text("reason", "Reason", "Why it went no further", required=False),
        text("remark", "Remark", "Where figures disagree or look wrong", required=False),
    ]  # fmt: skip
    boxes = [
        text("box", "Box", "Of the flow diagram", unique=True),
        text("part_of", "Part of", "The box whose parts, this one among them, add up to it", required=False),
        text("same_as", "Same as", "The box that must hold the same number", required=False),
        count("figures", "Figures", "Declared number", unit="figures"),
        count("sources", "Sources", "Declared number of sources they came from", unit="sources"),
    ]
    described = _package(
        SEARCH,
        "How the figures of the register were found and chosen",
        "Every figure that was written down, what became of it and why; and the declared counts of the flow "
        "diagram, which must agree with the log.",
        [NOT_SYSTEMATIC, "Figures seen on a page and not written down are not in the log."],
        _source(hash),
    )
    return described | {
        "resources": [
            resource(
                "log", "Figures and what became of them", fields=entries, key=["figure_id"], format="csv"
            ),
            resource("flow", "Declared counts", fields=boxes, key=["box"], format="csv"),
        ]
    }


def appraisal(hash: str) -> Field:
    """Describe published-appraisal."""
    questions = [
        text("question_id", "Question", "Its name", pattern="[a-z0-9-]+", unique=True),
        count("position", "Position", "Order in which they are shown", unit="position", minimum=1),
        text("topic", "Topic", "Which page it is for", levels=("specialist", "volume", "ring-fencing")),
        text("question", "Question in words", "As asked"),
        text("outcome", "Outcome", "As coded in published-results"),
        text("outcome_words", "Outcome in words", "For sentences"),
        text("joints", "Operations", "Those that count, parted by semicolons"),
        text("contrasts", "Contrasts", "Those that count, parted by semicolons"),
        text("measure", "Measure", "On which results are put on one scale", levels=("OR", "RR", "MD",
             "RATIO")),
        text("alike", "Measures taken as alike", "Parted by semicolons", required=False),
        text("alike_because", "Alike because", "Why they may be pooled together", required=False),
        text("follow_up", "Follow-up", "Only results with it count; none given: any", required=False),
        flag("pool", "Pool", "Whether the studies answer one question"),
        text("not_pooled_because", "Not pooled because", "The reason", required=False),
        text("start", "Start of certainty", "By design", levels=("trials", "observational")),
        text("less_words", "Less concentrated", "For sentences"),
        text("more_words", "More concentrated", "For sentences"),
        text("unit", "Unit", "Of the effect as shown"),
        number("baseline_per_1000", "Assumed risk", "Without the effect, in the more concentrated arm",
               unit="per 1,000 patients", required=False, minimum=0),
        text("baseline_result", "Risk taken from", "Row of published-results", required=False),
        text("caveat", "Caveat", "What to bear in mind beside the answer", required=False),
    ]  # fmt: skip
    answers = [
        text("study_id", "Study", "As in published-studies; the answers are of its main result"),
        text("tool", "Tool", "By design", levels=("ROBINS-I", "RoB 2")),
        text("domain", "Domain", "Number in the tool"),
        text("question", "Question", "Number in the tool", pattern=r"\d\.(\d|X)"),
        text("answer", "Answer", "Yes, probably yes, probably no, no, no information, not applicable",
             levels=ANSWERS),
        text("reason", "Reason", "Why, in our words"),
    ]  # fmt: skip
    certainty = [
        text("question_id", "Question", "As in questions"),
        text("domain", "Domain", "Of GRADE"),
        count("steps", "Steps", "Downwards below 0; none given where it is computed", unit="levels",
              required=False, minimum=-3),
        text("how", "How", "Judged by us, or computed from judgements and pooled result",
             levels=("judged", "computed")),
        text("reason", "Reason", "For judged steps", required=False),
    ]  # fmt: skip
    described = _package(
        APPRAISAL,
        "The questions asked, the answers on risk of bias, and the steps of certainty",
        "Signalling answers and steps only: judgements on risk of bias and levels of certainty are derived "
        "from "
        "them when a report is built, so that a changed answer changes everything that hangs on it.",
        [NOT_SYSTEMATIC, "With abstracts read, most signalling answers are 'no information', and one reader "
         "gave them.", "No randomised trial was found for these questions."],
        _source(hash),
    )  # fmt: skip
    to_study = {
        "fields": "study_id",
        "reference": {"package": STUDIES, "resource": "studies", "fields": "study_id"},
    }
    to_result = {
        "fields": "baseline_result",
        "reference": {"package": RESULTS, "resource": "results", "fields": "result_id"},
    }
    to_question = {
        "fields": "question_id",
        "reference": {"resource": "questions", "fields": "question_id"},
    }
    return described | {
        "soa:kind": "derived",
        "resources": [
            resource("questions", "Questions", fields=questions, key=["question_id"], format="csv",
                     foreign=[_key(to_result)]),
            resource("answers", "Signalling answers", fields=answers, key=["study_id", "question"],
                     format="csv", foreign=[_key(to_study)]),
            resource("certainty", "Steps of certainty", fields=certainty, key=["question_id", "domain"],
                     format="csv", foreign=[_key(to_question)]),
        ],
    }  # fmt: skip
