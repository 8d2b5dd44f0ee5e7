"""From results to what a person reads: numbers, sentences, words, tables and figures.

Nothing here estimates. Every object shows itself in a notebook through a MIME bundle whose JSON part
(`soa_evidence.reporting.bundle.MIME`) is what the publisher collects.
"""

from typing import TYPE_CHECKING

from soa_evidence import lazy

if TYPE_CHECKING:
    from soa_evidence.reporting import (
        case,
        figures,
        findings,
        formats,
        graded,
        study_words,
        suppositions,
        unit_words,
        words,
    )
    from soa_evidence.reporting.citations import citations
    from soa_evidence.reporting.derived_result import derived
    from soa_evidence.reporting.kinds import kinds
    from soa_evidence.reporting.numbers import Number, Numbers, number, numbers
    from soa_evidence.reporting.provenance import checks, evidence_used
    from soa_evidence.reporting.published_report import PublishedReport, from_report, reports_used
    from soa_evidence.reporting.sentences import Given, Sentence, given, headline, sentence
    from soa_evidence.reporting.tables import stack, table

__all__ = [
    "Given",
    "Number",
    "Numbers",
    "PublishedReport",
    "Sentence",
    "case",
    "checks",
    "citations",
    "derived",
    "evidence_used",
    "figures",
    "findings",
    "formats",
    "from_report",
    "given",
    "graded",
    "headline",
    "kinds",
    "number",
    "numbers",
    "reports_used",
    "sentence",
    "stack",
    "study_words",
    "suppositions",
    "table",
    "unit_words",
    "words",
]

lazy.on_use(__name__)
