import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from soa_evidence.units import agreement, case_mix, case_mix_design, g_computation, prediction_accuracy

HERE = Path(__file__).parent
EXPECTED = json.loads((HERE / "expected.json").read_text())
CLOSED = 1e-8  # linear algebra alone
OPTIMISED = 1e-6  # both sides stop where steps no longer change the deviance
COVARIATES = ["iq", "ses", "size_band", "combined"]
#: R's name of each of our terms.
TERMS = {
    "(Intercept)": "intercept",
    "iq": "iq",
    "bend1": "iq: bend 1",
    "bend2": "iq: bend 2",
    "SES": "ses",
    "combinedcombined": "combined: combined v single",
}


@pytest.fixture(scope="module")
def pupils():
    return pd.read_csv(HERE / "data" / "pupils.csv")


def model(pupils, kind, **more):
    outcome = "low" if kind == "events" else "lang"
    return case_mix.fit(
        pupils, outcome=outcome, kind=kind, covariates=COVARIATES, splines={"iq": 4}, unit="class", **more
    )


def ours(name, labels):
    if name in TERMS:
        return TERMS[name]
    level = name.removeprefix("size_band")
    return next(label for label in labels if label.startswith(f"size_band: {level} v "))


def test_the_spline_is_that_of_hmisc(pupils):
    design = case_mix_design.design_of(pupils, ["iq"], {"iq": 4}, np.ones(len(pupils)))
    assert design.knots["iq"] == pytest.approx(EXPECTED["knots"], rel=CLOSED)
    columns = case_mix_design.columns_of(pupils, design)[:50, 1:]
    assert columns == pytest.approx(np.array(EXPECTED["basis"]), rel=CLOSED, abs=1e-10)


@pytest.mark.parametrize(
    ("kind", "case", "close"), [("events", "logistic", OPTIMISED), ("value", "linear", CLOSED)]
)
@pytest.mark.parametrize(("covariance", "column"), [("model", "se"), ("unit", "se_class")])
def test_coefficients_and_both_covariances(pupils, kind, case, close, covariance, column):
    found = model(pupils, kind, covariance=covariance).coefficients.table().set_index("label")
    theirs = EXPECTED[case]
    for name, coefficient, error in zip(theirs["names"], theirs["coef"], theirs[column], strict=True):
        row = found.loc[ours(name, found.index)]
        assert row["estimate"] == pytest.approx(coefficient, rel=close)
        assert row["std_error"] == pytest.approx(error, rel=close)


def test_explained_and_residual_spread(pupils):
    linear, logistic = model(pupils, "value"), model(pupils, "events")
    assert linear.residual_sd == pytest.approx(EXPECTED["linear"]["sigma"], rel=CLOSED)
    assert linear.explained == pytest.approx(EXPECTED["linear"]["r2"], rel=CLOSED)
    theirs = EXPECTED["logistic"]
    assert logistic.explained == pytest.approx(1 - theirs["deviance"] / theirs["null"], rel=OPTIMISED)


@pytest.mark.parametrize(("kind", "case"), [("events", "classes_logistic"), ("value", "classes_linear")])
def test_units_beside_what_is_expected(pupils, kind, case):
    found = model(pupils, kind, covariance="unit").units.set_index("unit")
    theirs = pd.DataFrame(EXPECTED[case]).set_index("class").loc[found.index]
    assert found["observed"].to_numpy() == pytest.approx(theirs["observed"].to_numpy(), rel=CLOSED)
    assert found["expected"].to_numpy() == pytest.approx(theirs["expected"].to_numpy(), rel=OPTIMISED)
    assert found["expected_std_error"].to_numpy() == pytest.approx(theirs["se"].to_numpy(), rel=OPTIMISED)


@pytest.mark.parametrize(
    ("kind", "case", "population"),
    [("events", "g_logistic", "all"), ("value", "g_linear", "all"), ("events", "g_treated", "combined")],
)
def test_g_computation(pupils, kind, case, population):
    found = g_computation.fit(
        pupils,
        outcome="low" if kind == "events" else "lang",
        kind=kind,
        group="combined",
        reference="single",
        covariates=[name for name in COVARIATES if name != "combined"],
        splines={"iq": 4},
        unit="class",
        population=population,
    )
    theirs = EXPECTED[case]
    means = found.mean.table().set_index("label").loc[theirs["classes"]]
    assert means["estimate"].to_numpy() == pytest.approx(theirs["mean"], rel=OPTIMISED)
    assert means["std_error"].to_numpy() == pytest.approx(theirs["se"], rel=OPTIMISED)
    (row,) = found.difference.table().itertuples()
    assert (row.estimate, row.std_error) == pytest.approx(
        (theirs["difference"], theirs["difference_se"]), rel=OPTIMISED
    )
    if kind == "events":
        (row,) = found.log_ratio.table().itertuples()
        assert (row.estimate, row.std_error) == pytest.approx(
            (theirs["log_ratio"], theirs["log_ratio_se"]), rel=OPTIMISED
        )


def test_accuracy_of_risks(pupils):
    theirs = EXPECTED["accuracy"]
    rest = pupils.iloc[1200:].assign(risk=theirs["expected"])
    found = prediction_accuracy.fit(rest, outcome="low", expected="risk", kind="events").summary.set_index(
        "measure"
    )
    assert found.loc["c statistic", ["estimate", "std_error"]].tolist() == pytest.approx(
        [theirs["c"], theirs["c_se"]], rel=CLOSED
    )
    for name, key in (("in the large", "large"), ("slope", "slope")):
        pair = [theirs[key], theirs[f"{key}_se"]]
        assert found.loc[name, ["estimate", "std_error"]].tolist() == pytest.approx(pair, rel=OPTIMISED)
    assert found.loc["Brier score", "estimate"] == pytest.approx(theirs["brier"], rel=CLOSED)


def test_accuracy_of_values(pupils):
    theirs = EXPECTED["accuracy_value"]
    rest = pupils.iloc[1200:].assign(hoped=theirs["expected"])
    found = prediction_accuracy.fit(rest, outcome="lang", expected="hoped", kind="value").summary.set_index(
        "measure"
    )
    assert found.loc["explained", "estimate"] == pytest.approx(theirs["explained"], rel=CLOSED)
    assert found.loc["in the large", "estimate"] == pytest.approx(theirs["large"], rel=CLOSED)
    assert found.loc["slope", ["estimate", "std_error"]].tolist() == pytest.approx(
        [theirs["slope"], theirs["slope_se"]], rel=CLOSED
    )


def test_agreement_of_two_peak_flow_meters():
    theirs = EXPECTED["flow"]
    found = agreement.fit(
        pd.DataFrame({k: theirs[k] for k in ("wright", "mini")}), ours="wright", theirs="mini"
    )
    row = found.correlation.table(transform=np.tanh).iloc[0]
    assert row[["estimate", "lower", "upper"]].tolist() == pytest.approx(
        [theirs[k] for k in ("r", "lower", "upper")], rel=CLOSED
    )
    assert found.concordance.table(transform=np.tanh)["estimate"].iloc[0] == pytest.approx(
        theirs["lin"], rel=CLOSED
    )
    z = 1.959963984540054
    assert found.limits.mean.tolist() == pytest.approx(
        [theirs["bias"] - z * theirs["sd"], theirs["bias"] + z * theirs["sd"]], rel=CLOSED
    )
    # as Bland and Altman print them
    assert (round(theirs["bias"], 1), round(theirs["sd"], 1)) == (-2.1, 38.8)
    assert found.bias.table()["std_error"].iloc[0] == pytest.approx(theirs["sd"] / np.sqrt(17), rel=CLOSED)


def test_differences_within_and_between_units(pupils):
    theirs = EXPECTED["components"]
    frame = pupils.assign(fitted=theirs["theirs"])
    found = agreement.fit(frame, ours="lang", theirs="fitted", unit="class")
    assert found.within == pytest.approx(theirs["within"], rel=CLOSED)
    assert found.between == pytest.approx(theirs["between"], rel=CLOSED)
