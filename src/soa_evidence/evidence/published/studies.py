"""published-studies: what each study is, where its patients come from, whom it shares them with."""

from __future__ import annotations

import re
from typing import Any

import pandas as pd

from soa_evidence.evidence.published.coding import Coding
from soa_evidence.evidence.published.figures import number
from soa_evidence.evidence.published.results import read_at_level

__all__ = ["DESIGNS", "frame"]

DESIGNS = (
    "matched cohort", "registry cohort", "cohort", "before-after", "synthetic control",
    "difference in differences", "systematic review", "dose-response meta-analysis", "cost analysis",
    "programme report",
)  # fmt: skip
_DOI = re.compile(r"10\.\d{4,}/\S+")
# our working notes inside a citation: in brackets, or in parentheses with one of these words
_ASIDE = re.compile(
    r"\[[^\]]*\]|\([^()]*\b(?:excerpt|memory|page|brief|title)\b[^()]*\)|- web summary$", re.IGNORECASE
)
_UNITED_KINGDOM = ("England", "England & Wales", "Scotland", "UK")


def frame(figures: pd.DataFrame, coding: Coding) -> pd.DataFrame:
    """Return one row a study that has a result in the register."""
    used = figures.loc[coding.results["result_id"]]
    used = used.assign(study_id=[coding.study_of(name) for name in used["study"]])
    rows = []
    for coded in coding.studies.to_dict("records"):
        own = used[used["study_id"] == coded["study_id"]]
        if own.empty:
            continue
        rows.append(_row({str(k): str(v) for k, v in coded.items()}, own))
    return pd.DataFrame(rows)


def _row(coded: dict[str, str], own: pd.DataFrame) -> dict[str, Any]:
    first = own.iloc[0]
    where = f"studies.csv, {coded['study_id']}"
    doi = next((found.group(0) for text in own["doi_or_url"] if (found := _DOI.search(text))), None)
    levels = {read_at_level(text) for text in own["read_at"]}
    country = str(first["country"])
    return {
        "study_id": coded["study_id"],
        "label": coded["label"],
        "citation": citation(str(first["citation"])),
        "citation_note": "; ".join(_asides(str(first["citation"]))) or None,
        "doi": doi,
        "link": f"https://doi.org/{doi}" if doi else coded["link"] or None,
        "year": number(str(first["year"]), where),
        "country": country,
        "united_kingdom": country in _UNITED_KINGDOM,
        "design": coded["design"],
        "primary_study": coded["primary"] == "yes",
        "contrast": coded["contrast"],
        "data_source": coded["data_source"],
        "registry": coded["registry"],
        "period_start": number(coded["period_start"], where),
        "period_end": number(coded["period_end"], where),
        "operations": coded["operations"],
        "population": coded["population"],
        "more_concentrated": coded["more_concentrated"] or None,
        "less_concentrated": coded["less_concentrated"] or None,
        "overlap": coded["overlap"] or None,
        "results": len(own),
        "read_at_level": "secondary" if levels == {"secondary"} else "abstract",
        "verified": bool((own["verified"] == "yes").all()),
        "note": coded["note"] or None,
    }


def citation(text: str) -> str:
    """Return a citation without our working notes."""
    bare = _ASIDE.sub("", text)
    return re.sub(r"\s+([.,;])", r"\1", re.sub(r"\s{2,}", " ", bare)).strip(" -–;")


def _asides(text: str) -> list[str]:
    return [
        found.strip("[]()- ").replace("from brief", "not from the page") for found in _ASIDE.findall(text)
    ]
