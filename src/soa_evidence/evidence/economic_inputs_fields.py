"""Descriptors of life-tables, hip-model-inputs and revision-reference-costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from soa_evidence.evidence import tables
from soa_evidence.evidence.write import count, number, resource, text

__all__ = ["costs", "hip_model", "life_tables"]

PERIODS = ("2017-2019", "2018-2020")
OGL = {
    "name": "OGL-UK-3.0",
    "title": "Open Government Licence v3.0",
    "path": "https://www.nationalarchives.gov.uk/doc/open-government-licence/version/3/",
}
FACTS = {
    "name": "MIT",
    "title": "MIT (our selection, coding and words); the figures are facts, cited one by one",
    "path": "https://opensource.org/license/mit",
}


def _hashed(files: Sequence[Path]) -> list[dict[str, str]]:
    return [{"name": path.name, "hash": tables.digest(path)} for path in files]


def _common(name: str, title: str, description: str, licence: Mapping[str, str], kind: str) -> dict[str, Any]:
    return {
        "profile": "data-package",
        "name": name,
        "title": title,
        "description": description,
        "version": "1.0.0",
        "soa:kind": kind,
        "soa:smallestCount": 1,
        "licenses": [dict(licence)],
    }


def life_tables(path: Path) -> dict[str, Any]:
    """Return the descriptor of life-tables."""
    fields = [
        text("period", "Period", "Three calendar years", levels=PERIODS),
        text("sex", "Sex", "Of the population", levels=("female", "male")),
        count("age", "Age", "In completed years", unit="years"),
        number(
            "probability_of_death",
            "Probability of death",
            "Before the next birthday",
            unit="probability",
            minimum=0,
        ),
        number(
            "survivors", "Survivors", "Alive at that age, of newborns", unit="people of 100,000", minimum=0
        ),
        number("life_expectancy", "Life expectancy", "At that age", unit="years", minimum=0),
    ]
    return {
        **_common(
            "life-tables",
            "National life tables for England",
            "Mortality by single year of age and sex in England, two overlapping periods.",
            OGL,
            "published",
        ),
        "soa:caveats": [
            "The population's mortality: people chosen for a joint replacement are fitter at first.",
            "The later period holds the first year of the Covid-19 pandemic.",
        ],
        "sources": [
            {
                "title": "National life tables, three-year, England",
                "path": "https://www.ons.gov.uk/peoplepopulationandcommunity/birthsdeathsandmarriages/lifeexpectancies",
                "soa:publisher": "Office for National Statistics",
                "soa:via": "github.com/bitowaqr/shortfall, commit 91545ec (MIT)",
                "soa:files": _hashed([path]),
            }
        ],
        "resources": [
            resource("mortality", "Mortality", fields=fields, key=["period", "sex", "age"], format="csv")
        ],
    }


def hip_model(files: Sequence[Path], named: Sequence[str]) -> dict[str, Any]:
    """Return the descriptor of hip-model-inputs; `named` are the coefficients."""
    sexes = ("female", "male")
    return {
        **_common(
            "hip-model-inputs",
            "Inputs of a published hip replacement model, and the population's health",
            "The total hip model of Briggs, Claxton and Sculpher: hazard of revision with its covariance, "
            "life table, costs and utilities as printed; other published costs and utilities; mean EQ-5D by "
            "age and sex.",
            FACTS,
            "published",
        ),
        "soa:caveats": [
            "The hip model is a teaching model: several of its numbers are illustrations, not estimates.",
            "Pages read give no price year for the model's costs, so these may not be added to other costs.",
            "Read at the level of excerpts and of public copies of the model, not the book.",
        ],
        "sources": [
            {
                "title": "Briggs A, Claxton K, Sculpher M. Decision Modelling for Health Economic "
                "Evaluation. "
                "Oxford University Press 2006, chapters 2 and 3",
                "soa:via": "github.com/dan-wagner/DMHEE_THR, commit 225f970 (MIT); "
                "covariance as in github.com/hesim-dev/hesim, commit 5f4af14",
            },
            {
                "title": "Schneider PP and others. QALY shortfall calculator: mean EQ-5D in the "
                "Health Survey for England 2017/18 (5L mapped to 3L, van Hout)",
                "soa:via": "github.com/bitowaqr/shortfall, commit 91545ec (MIT)",
            },
            {"title": "Published papers, cited row by row in the table figures", "soa:files": _hashed(files)},
        ],
        "resources": [
            resource(
                "coefficients",
                "Hazard of revision",
                key=["name"],
                format="csv",
                fields=[
                    text(
                        "name",
                        "Name",
                        "Log shape, constant, age, male, new prosthesis",
                        levels=named,
                        unique=True,
                    ),
                    number("coefficient", "Coefficient", "Of a Weibull model, log scale", unit="log hazard"),
                    number("std_error", "Standard error", "As printed", unit="log hazard", minimum=0),
                ],
            ),
            resource(
                "covariance",
                "Covariance of the coefficients",
                key=["name", "other"],
                format="csv",
                fields=[
                    text("name", "Name", "As in coefficients", levels=named),
                    text("other", "Other", "As in coefficients", levels=named),
                    number("covariance", "Covariance", "Of the two", unit="log hazard squared"),
                ],
            ),
            resource(
                "life_table",
                "The model's own life table",
                key=["sex", "from_age"],
                format="csv",
                fields=[
                    text("sex", "Sex", "Of the population", levels=sexes),
                    count("from_age", "From age", "Until the next band starts", unit="years"),
                    number("deaths_per_1000", "Deaths", "In one year", unit="per 1,000 people", minimum=0),
                ],
            ),
            resource(
                "figures",
                "Costs, utilities and probabilities as printed",
                key=["figure"],
                format="csv",
                fields=[
                    text("figure", "Figure", "Our name of it", unique=True),
                    text("fact_id", "Row", "In the list of published figures", pattern=r"T4-\d\d"),
                    number("value", "Value", "As printed", unit="as in the column unit"),
                    number(
                        "std_error",
                        "Standard error",
                        "As printed",
                        unit="as in the column unit",
                        required=False,
                        minimum=0,
                    ),
                    text("unit", "Unit", "Of the value", levels=("GBP", "probability", "utility")),
                    text("what", "What", "What the value is of"),
                    text("citation", "Citation", "As far as the page read gave it"),
                    text("link", "Link", "Where it was read"),
                ],
            ),
            resource(
                "utility_norms",
                "Mean EQ-5D of the population",
                key=["sex", "from_age"],
                format="csv",
                fields=[
                    text("sex", "Sex", "Of the people asked", levels=sexes),
                    count("from_age", "From age", "First of the band", unit="years"),
                    count("to_age", "To age", "Last of the band", unit="years"),
                    number("utility", "Mean EQ-5D", "Index; full health is one", unit="utility"),
                    number("lower", "Lower limit", "95 % interval", unit="utility"),
                    number("upper", "Upper limit", "95 % interval", unit="utility"),
                    count("people", "People", "Asked", unit="people"),
                ],
            ),
        ],
    }


def costs(path: Path) -> dict[str, Any]:
    """Return the descriptor of revision-reference-costs."""
    fields = [
        text("hrg", "HRG", "Healthcare resource group", pattern="HN8[01][A-E]", unique=True),
        text("description", "Description", "As published"),
        text("level", "Level", "Of the operation", levels=("very complex", "complex")),
        number(
            "cost_gbp",
            "Unit cost",
            "National average of an elective spell, without excess bed days",
            unit="GBP",
            minimum=0,
        ),
        text("price_year", "Price year", "Financial year", levels=("2016/17",)),
    ]
    return {
        **_common(
            "revision-reference-costs",
            "NHS unit costs of complex hip or knee operations",
            "National average unit costs of the groups that hold most revisions of hips and "
            "knees, elective, by complications and comorbidities.",
            OGL,
            "published",
        ),
        "soa:caveats": [
            "The groups hold other complex hip or knee operations too, "
            "and some revisions are in other groups.",
            "Averages of what hospitals reported; no counts of activity, no error, no provider.",
            "That the file's year 2016 means the financial year 2016/17 is our reading of it.",
        ],
        "sources": [
            {
                "title": "National schedule of reference costs 2016-17",
                "path": "https://www.gov.uk/government/collections/nhs-reference-costs",
                "soa:publisher": "NHS Improvement",
                "soa:via": "github.com/STAPM/hesr, commit 9ceb366",
                "soa:files": _hashed([path]),
            }
        ],
        "resources": [resource("costs", "Unit costs", fields=fields, key=["hrg"], format="csv")],
    }
