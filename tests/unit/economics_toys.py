"""The textbook's total hip model, and a tiny one whose outcomes are arithmetic."""

from pathlib import Path

import numpy as np

from soa_evidence import evidence
from soa_evidence.economics import cohort, inputs, life_table, parameters, revision_laws

FOLDER = Path(__file__).resolve().parents[2] / "evidence"
SAID = {"source": "a test", "kind": "assumed"}
POUNDS = {"unit": "GBP", "price_year": "2016/17", **SAID}
NAMES = ["lngamma", "cons", "age", "male", "np1"]


def textbook_inputs():
    package = evidence.load("hip-model-inputs", FOLDER)
    rows = package.table("coefficients").set_index("name").loc[NAMES]
    wide = package.table("covariance").pivot_table(index="name", columns="other", values="covariance")
    return inputs.assemble(
        parameters.normal(
            NAMES, mean=rows["coefficient"], covariance=wide.loc[NAMES, NAMES], unit="log hazard", **SAID
        ),
        parameters.fixed("cost_primary", 394, **POUNDS),
        parameters.fixed("cost_np1", 579 - 394, **POUNDS),
        parameters.gamma("cost_revision", mean=5294, std_error=1487, **POUNDS),
        parameters.beta("death_primary", events=2, of=100, unit="probability", **SAID),
        parameters.beta("death_revision", events=2, of=100, unit="probability", **SAID),
        parameters.beta("re_revision", events=4, of=100, unit="probability", **SAID),
        parameters.fixed("utility_primary_year", 0, unit="utility", **SAID),
        parameters.beta("utility_primary", mean=0.85, std_error=0.03, unit="utility", **SAID),
        parameters.beta("utility_revision_year", mean=0.3, std_error=0.03, unit="utility", **SAID),
        parameters.beta("utility_revised", mean=0.75, std_error=0.04, unit="utility", **SAID),
    )


def textbook_model(**changes):
    table = evidence.load("hip-model-inputs", FOLDER).table("life_table").query("sex == 'female'")
    by_age = dict(zip(table["from_age"], table["deaths_per_1000"] / 1000, strict=True))
    usual = {
        "strategies": (
            cohort.Strategy(label="standard"),
            cohort.Strategy(label="NP1", log_hazard_ratio="np1", extra_cost="cost_np1"),
        ),
        "revision": revision_laws.Weibull(log_shape="lngamma", terms={"cons": 1, "age": 60, "male": 0}),
        "death": life_table.bands(by_age, start_age=60, years=59, first=1),
        "discount_costs": 0.06,
        "discount_effects": 0.015,
        "counting": "end",
        "first_cycle": "operation only",
    }
    return cohort.Model(**{**usual, **changes})


def tiny_values(**changes):
    usual = {
        "constant": np.log(0.1),
        "shape": 0.0,
        "ratio": np.log(0.5),
        "extra": 100.0,
        "cost_primary": 1000.0,
        "cost_revision": 2000.0,
        "death_primary": 0.01,
        "death_revision": 0.02,
        "re_revision": 0.03,
        "utility_primary": 0.8,
        "utility_revision_year": 0.4,
        "utility_revised": 0.7,
    }
    return {name: np.atleast_1d(np.asarray(value, float)) for name, value in {**usual, **changes}.items()}


def tiny_model(**changes):
    usual = {
        "strategies": (
            cohort.Strategy(label="general"),
            cohort.Strategy(label="specialist", log_hazard_ratio="ratio", extra_cost="extra"),
        ),
        "revision": revision_laws.Weibull(log_shape="shape", terms={"constant": 1}),
        "death": np.array([0.05, 0.06]),
        "discount_costs": 0.035,
        "discount_effects": 0.035,
        "counting": "end",
    }
    return cohort.Model(**{**usual, **changes})


def tiny_inputs():
    return inputs.assemble(
        parameters.normal("constant", mean=np.log(0.05), std_error=0.2, unit="log hazard", **SAID),
        parameters.fixed("shape", 0.0, unit="log shape", **SAID),
        parameters.normal("ratio", mean=np.log(0.8), std_error=0.3, unit="log hazard ratio", **SAID),
        parameters.fixed("extra", 300.0, **POUNDS),
        parameters.fixed("cost_primary", 0.0, **POUNDS),
        parameters.gamma("cost_revision", mean=8000, std_error=2000, **POUNDS),
        parameters.beta("death_primary", events=1, of=200, unit="probability", **SAID),
        parameters.beta("death_revision", events=2, of=100, unit="probability", **SAID),
        parameters.beta("re_revision", events=4, of=100, unit="probability", **SAID),
        parameters.beta("utility_primary", mean=0.85, std_error=0.03, unit="utility", **SAID),
        parameters.beta("utility_revision_year", mean=0.4, std_error=0.05, unit="utility", **SAID),
        parameters.beta("utility_revised", mean=0.7, std_error=0.04, unit="utility", **SAID),
    )
