"""nhs-proms-case-mix: what a model fitted to patients expects of every provider, without any patient.

The model is fitted elsewhere (evidence never fits); this module says what its tables hold.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from soa_evidence.evidence.nhs_proms.credits import LICENCE
from soa_evidence.evidence.write import count, number, resource, text

__all__ = [
    "ACCURACY_KEY",
    "CALIBRATION_KEY",
    "CHECK_KEY",
    "COEFFICIENT_KEY",
    "NAME",
    "OUTCOMES",
    "PROVIDER_KEY",
    "TABLES",
    "descriptor",
]

NAME = "nhs-proms-case-mix"
#: Outcomes modelled: patients' yes/no reports, and the two scores after the operation.
OUTCOMES = (
    "wound",
    "bleeding",
    "urine",
    "allergy",
    "readmission",
    "further_surgery",
    "satisfaction",
    "success",
    "oxford",
    "eq5d",
)
MODELS = ("patients", "strata", "NHS Digital")
PATIENTS = ("fitted", "other years")
TABLES = ("providers", "coefficients", "accuracy", "calibration", "checks")
PROVIDER_KEY = ("provider_code", "year", "joint", "procedure", "outcome")
COEFFICIENT_KEY = ("joint", "procedure", "outcome", "term")
ACCURACY_KEY = ("joint", "procedure", "outcome", "model", "judged_on", "measure")
CALIBRATION_KEY = ("joint", "procedure", "outcome", "model", "judged_on", "group")
CHECK_KEY = ("joint", "procedure", "outcome", "check")
_POINTS = "patients with the event, or points of the score"


def descriptor(years: Sequence[str], credits: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the package's descriptor for these financial years and sources."""
    return {
        "profile": "data-package",
        "name": NAME,
        "title": (
            f"NHS PROMs, hip and knee replacement in England, {years[0]} to {years[-1]}: outcomes observed "
            "and expected"
        ),
        "description": (
            "Per provider and year, outcomes observed and those expected by case-mix models that "
            "soa_evidence fitted to NHS Digital's public record files, with the models' "
            "coefficients and accuracy. Totals only: no row is about one patient."
        ),
        "version": "1.0.0",
        "soa:kind": "derived",
        "soa:smallestCount": 1,
        "soa:caveats": [
            "Only patients who returned both questionnaires and were linked to a hospital record.",
            "Case mix is what patients said before the operation, with age band and sex; body mass, "
            "anaesthetic grade and deprivation are not in the public records.",
            "Models do not know the provider: where better providers treat milder patients, part of what "
            "they do better is taken for case mix.",
            "Coefficients describe who reports what; they are not effects of changing anything.",
        ],
        "licenses": [LICENCE],
        "sources": credits,
        "resources": [
            resource(
                "providers", "Observed and expected by provider", fields=_providers(years), key=PROVIDER_KEY
            ),
            resource(
                "coefficients", "Coefficients of the models", fields=_coefficients(), key=COEFFICIENT_KEY
            ),
            resource("accuracy", "How good expectations are", fields=_accuracy(), key=ACCURACY_KEY),
            resource(
                "calibration", "Observed by what was expected", fields=_calibration(), key=CALIBRATION_KEY
            ),
            resource("checks", "Checks of the models fitted to patients", fields=_checks(), key=CHECK_KEY),
        ],
    }


def _operation() -> list[dict[str, Any]]:
    return [
        text("joint", "Joint", "Joint replaced", levels=("hip", "knee")),
        text("procedure", "Operation", "Whether itself a revision", levels=("primary", "revision")),
        text(
            "outcome",
            "Outcome",
            "As in nhs-proms-units; oxford and eq5d are the scores after the operation",
            levels=OUTCOMES,
        ),
    ]


def _providers(years: Sequence[str]) -> list[dict[str, Any]]:
    theirs = "of records with NHS Digital's own prediction; missing for yes/no outcomes"

    def total(name: str, title: str, says: str, required: bool = True) -> dict[str, Any]:
        return number(name, title, says, unit=_POINTS, required=required)

    return [
        text("provider_code", "Provider", "As in nhs-units", pattern="[A-Z][A-Z0-9]{2,4}"),
        text("year", "Financial year", "April to March", levels=years),
        *_operation(),
        count("records", "Records", "With an answer, or both scores", minimum=1),
        total("observed", "Observed", "Sum of events or of scores after the operation"),
        total("expected", "Expected", "Sum by the model fitted to patients, 4 decimals"),
        number(
            "residual_sumsq",
            "Residual sum of squares",
            "Of observed less expected, a patient at a time",
            unit="squared units of the outcome",
            minimum=0,
        ),
        total("before", "Before", "Sum of scores before the operation; missing for yes/no outcomes", False),
        count("official_records", "Records predicted", f"Number {theirs}", required=False, at_most="records"),
        total("official_observed", "Observed, predicted records", f"Sum of scores after {theirs}", False),
        total("official_expected", "Expected, predicted records", f"Sum by our model {theirs}", False),
        total("official_before", "Before, predicted records", f"Sum of scores before {theirs}", False),
        total("official_prediction", "NHS Digital's prediction", f"Sum {theirs}", False),
        number(
            "official_difference_sumsq",
            "Difference of predictions, sum of squares",
            f"Our expectation less NHS Digital's, {theirs}",
            unit="squared units of the outcome",
            required=False,
            minimum=0,
        ),
    ]


def _coefficients() -> list[dict[str, Any]]:
    scale = "log odds, or points of the score"
    return [
        *_operation(),
        text("term", "Term", "Covariate and level against the commonest"),
        number("estimate", "Coefficient", "Log odds ratio (yes/no) or difference in score", unit=scale),
        number("std_error", "Standard error", "Robust to providers", unit=scale, minimum=0),
    ]


def _accuracy() -> list[dict[str, Any]]:
    unit = "unit of the measure"
    return [
        *_operation(),
        *_judged(),
        text("measure", "Measure", "As in units.prediction_accuracy"),
        number("estimate", "Estimate", "Value of the measure", unit=unit),
        number(
            "std_error", "Standard error", "Missing where none is known", unit=unit, required=False, minimum=0
        ),
    ]


def _judged() -> list[dict[str, Any]]:
    return [
        text(
            "model",
            "Model",
            "Fitted to patients with all they were asked; to counts by the strata of nhs-proms-units; or NHS "
            "Digital's own prediction",
            levels=MODELS,
        ),
        text(
            "judged_on",
            "Judged on",
            "The patients it was fitted to, or each year by a model fitted to the others",
            levels=PATIENTS,
        ),
    ]


def _calibration() -> list[dict[str, Any]]:
    def mean(name: str, title: str) -> dict[str, Any]:
        return number(name, title, f"{title} of the group", unit="probability, or points of the score")

    return [
        *_operation(),
        *_judged(),
        count("group", "Group", "Of equal groups by what was expected", unit="group", minimum=1),
        count("patients", "Patients", "In the group", minimum=1),
        mean("expected", "Mean expected"),
        mean("observed", "Mean observed"),
        mean("lower", "Lower 95 % limit of observed"),
        mean("upper", "Upper 95 % limit of observed"),
    ]


def _checks() -> list[dict[str, Any]]:
    return [
        *_operation(),
        text("check", "Check", "What was checked"),
        text("verdict", "Verdict", "A model with 'fail' is not to be used", levels=("pass", "warn", "fail")),
        text("observed", "Observed", "What was seen"),
        text("expected", "Expected", "What would have been in order"),
        text("why", "Why", "Why it matters"),
    ]
