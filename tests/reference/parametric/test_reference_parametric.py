"""The same numbers as R, case by case of make.R, and as published; see README.md for what agrees and differs.

Tests read expected.json and never need R.
"""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from soa_evidence.survival import exposure, parametric, piecewise_exponential, royston_parmar

HERE = Path(__file__).parent
EXPECTED = json.loads((HERE / "expected.json").read_text())
CASES = EXPECTED["cases"]

# Both stop at the maximum to the last digits; their routes there differ.
OPTIMUM = 1e-6
# R's second derivatives in make.R are numerical (Richardson), good to about 1e-7 of the largest.
SECOND_DERIVATIVE = 2e-6
# Sums of the same numbers in another order.
CLOSED = 1e-8

TIME = {"time": "time", "event": "status"}
LUNG = {"time": "time", "event": "dead"}
LAW = {
    "exponential": "exponential",
    "weibull": "weibull",
    "lognormal": "log-normal",
    "loglogistic": "log-logistic",
}
SCALED = {
    "weibull": ("shape", "scale"),
    "log-logistic": ("shape", "scale"),
    "log-normal": ("meanlog", "sdlog"),
}


def data(name):
    own = HERE / "data" / f"{name}.csv"
    frame = pd.read_csv(own if own.exists() else HERE.parent / "survival" / "data" / f"{name}.csv")
    if name == "channing":
        frame = frame.assign(
            years=frame["age"] / 12, entry=frame["ageentry"] / 12, female=frame["gender"] == 2
        )
    if name == "pbc":
        frame = frame.assign(
            log_bili=np.log(frame["bili"]), died=frame["status"] == 2, any=frame["status"] > 0
        )
    if name == "lung":
        frame = frame.assign(
            age60=frame["age"] - 60, whole=frame["ph.ecog"] + 1, half=(frame["ph.ecog"] + 1) / 2
        )
    if name == "veteran":
        frame = frame.assign(karno60=frame["karno"] - 60)
    if name == "stanford2":
        frame = frame.assign(age40=frame["age"] - 40)
    return frame


def numbers(case, name):
    return np.array(CASES[case]["values"][name], dtype=float)


def close(ours, theirs, tolerance=OPTIMUM, absolute=0.0):
    ours, theirs = np.asarray(ours, float), np.asarray(theirs, float)
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=absolute)


def close_matrix(ours, theirs, tolerance=SECOND_DERIVATIVE):
    """Entries against the size of their rows and columns: covariances near 0 have no relative error."""
    theirs = theirs.reshape(np.shape(ours))
    size = np.sqrt(np.outer(np.diag(theirs), np.diag(theirs)))
    assert np.abs((ours - theirs) / size).max() < tolerance


def as_survreg(found):
    """Our coefficients as survreg has them: those of log time, then log scale (the spread); as a matrix."""
    labels = list(found.coefficients.labels)
    if found.distribution == "exponential":
        return -np.eye(len(labels))
    first, second = SCALED[found.distribution]
    location, spread = (second, first) if first == "shape" else (first, second)
    at = [i for i, label in enumerate(labels) if label.split(": ")[0] == location]
    A = np.zeros((len(labels), len(labels)))
    A[np.arange(len(at)), at] = 1.0
    for row, i in enumerate(i for i, label in enumerate(labels) if label.split(": ")[0] == spread):
        A[len(at) + row, i] = -1.0 if spread == "shape" else 1.0
    return A


VETERAN = {**TIME, "covariates": ["karno", "celltype"], "reference": {"celltype": "adeno"}}
SURVREG = {
    **{f"reg_lung_{d}": (d, "lung", {**LUNG, "covariates": ["age", "sex", "ph.ecog"]}) for d in LAW},
    **{f"reg_veteran_{d}": (d, "veteran", VETERAN) for d in LAW},
    **{
        f"reg_cosmesis_{d}": (d, "cosmesis", {"lower": "lower", "upper": "upper", "covariates": "treat"})
        for d in LAW
    },
    "reg_lung_weighted": ("weibull", "lung", {**LUNG, "covariates": ["age", "sex"], "weights": "whole"}),
    "reg_lung_cluster": ("loglogistic", "lung", {**LUNG, "covariates": ["age", "sex"], "cluster": "inst"}),
    "reg_lung_robust_weights": (
        "lognormal",
        "lung",
        {**LUNG, "covariates": ["age", "sex"], "weights": "half", "weights_are": "robust"},
    ),
    "reg_pbc_lognormal": (
        "lognormal",
        "pbc",
        {"time": "time", "event": "any", "covariates": ["age", "log_bili", "albumin"]},
    ),
}


@pytest.mark.parametrize("case", SURVREG)
def test_survreg(case):
    law, name, arguments = SURVREG[case]
    found = parametric.fit(data(name), distribution=LAW[law], **arguments)
    A = as_survreg(found)
    theirs = numbers(case, "coef")
    if law != "exponential":
        theirs = np.append(theirs, numbers(case, "log_scale"))
    close(A @ found.coefficients.mean, theirs, absolute=1e-9)
    close_matrix(A @ found.coefficients.covariance @ A.T, numbers(case, "variance"), OPTIMUM)
    close_matrix(A @ found.model_covariance @ A.T, numbers(case, "naive"), OPTIMUM)
    close(found.log_likelihood, numbers(case, "loglik")[1], CLOSED)
    if "cluster" not in arguments:  # survreg's null model of the cluster case is the same
        close(found.log_likelihood_without_covariates, numbers(case, "loglik")[0], CLOSED)


def test_survreg_with_a_spread_for_each_stratum_is_a_covariate_on_the_shape():
    found = parametric.fit(
        data("lung"), distribution="weibull", **LUNG, covariates=["age", "sex"], ancillary={"shape": "sex"}
    )
    values = dict(zip(found.coefficients.labels, np.asarray(found.coefficients.mean), strict=True))
    case = "reg_lung_strata"
    close([values["scale"], values["scale: age"], values["scale: sex"]], numbers(case, "coef"))
    by_sex = [-values["shape"] - sex * values["shape: sex"] for sex in (1, 2)]
    close(by_sex, numbers(case, "log_scale"))
    close(found.log_likelihood, numbers(case, "loglik")[1], CLOSED)


def test_quantiles_of_survreg():
    found = parametric.fit(data("lung"), distribution="weibull", **LUNG, covariates=["age", "sex"])
    profiles = pd.DataFrame({"age": [60, 70], "sex": [1, 2]}, index=["a", "b"])
    table = found.model.quantiles(profiles, [0.1, 0.5, 0.9])
    case = "reg_lung_quantiles"
    close(np.log(table["estimate"]), numbers(case, "log_time").ravel())
    close(table["std_error"], numbers(case, "std_error").ravel())
    close(np.log(table["upper"] / table["estimate"]) / table["std_error"], np.full(6, 1.959963984540054))


OWN = {
    "gompertz_lung": ("gompertz", "lung", {**LUNG, "covariates": ["age60", "sex"]}),
    "gompertz_veteran": ("gompertz", "veteran", {**TIME, "covariates": ["karno60", "trt"]}),
    **{
        f"{law}_channing_entry": (
            name,
            "channing",
            {"time": "years", "event": "death", "entry": "entry", "covariates": "female"},
        )
        for law, name in [("gompertz", "gompertz"), ("weibull", "weibull"), ("lognormal", "log-normal")]
    },
    "gengamma_lung": ("generalised gamma", "lung", {**LUNG, "covariates": ["age60", "sex"]}),
    "gengamma_veteran": ("generalised gamma", "veteran", {**TIME, "covariates": "karno60"}),
    "gengamma_gbsg": (
        "generalised gamma",
        "gbsg",
        {"time": "years", "event": "status", "covariates": "hormon"},
    ),
    "gengamma_stanford2": ("generalised gamma", "stanford2", {**TIME, "covariates": "age40"}),
}


@pytest.mark.parametrize("case", OWN)
def test_likelihoods_written_out_in_r(case):
    law, name, arguments = OWN[case]
    found = parametric.fit(data(name), distribution=law, **arguments)
    scale = np.sqrt(np.diag(np.asarray(found.coefficients.covariance)))
    close(found.coefficients.mean, numbers(case, "estimate"), OPTIMUM, absolute=OPTIMUM * scale.max())
    close_matrix(found.coefficients.covariance, numbers(case, "covariance"))
    close(found.log_likelihood, numbers(case, "loglik")[0], CLOSED)


GBSG = {"time": "years", "event": "status"}
AT_65 = pd.DataFrame({"age60": [5.0], "sex": [2]}, index=["x"])
PREDICTED = {
    "gompertz_lung": (
        lambda: parametric.fit(data("lung"), distribution="gompertz", **OWN["gompertz_lung"][2]),
        AT_65,
    ),
    "gengamma_lung": (
        lambda: parametric.fit(data("lung"), distribution="generalised gamma", **OWN["gengamma_lung"][2]),
        AT_65,
    ),
    **{
        f"rp_gbsg_{scale}": (
            lambda scale=scale: royston_parmar.fit(
                data("gbsg"), **GBSG, covariates="hormon", df=3, scale=scale
            ),
            pd.DataFrame({"hormon": [1]}, index=["x"]),
        )
        for scale in ("hazard", "odds", "normal")
    },
}


@pytest.mark.parametrize("case", PREDICTED)
def test_survival_and_restricted_mean_with_their_errors(case):
    made, profile = PREDICTED[case]
    found = made()
    curve = found.survival(profile, numbers(case, "times"))["x"]
    close(curve.estimate, numbers(case, "survival"), absolute=1e-9)
    half = np.log(np.log(curve.lower) / np.log(curve.estimate)) / 1.959963984540054
    close(half, numbers(case, "log_log_error"), SECOND_DERIVATIVE)
    mean = found.model.restricted_mean(profile, float(numbers(case, "tau")[0]))
    close(mean.mean, numbers(case, "mean"))
    close(np.sqrt(np.diag(mean.covariance)), numbers(case, "mean_error"), SECOND_DERIVATIVE)


MGUS2 = {"time": "time", "event": "died", "covariates": "age", "df": 5}
SPLINES = {
    **{
        f"rp_gbsg_{s}": ("gbsg", {**GBSG, "covariates": "hormon", "df": 3, "scale": s})
        for s in ("hazard", "odds", "normal")
    },
    "rp_lung_hazard": ("lung", {**LUNG, "covariates": ["age", "sex"], "df": 4}),
    "rp_pbc_odds": (
        "pbc",
        {"time": "time", "event": "died", "covariates": ["age", "log_bili"], "df": 3, "scale": "odds"},
    ),
    "rp_veteran_varying": (
        "veteran",
        {**TIME, "covariates": "karno", "df": 3, "time_varying": {"karno": 2}},
    ),
    "rp_channing_entry": (
        "channing",
        {"time": "years", "event": "death", "entry": "entry", "covariates": "female", "df": 3},
    ),
    "rp_mgus2_hazard": ("mgus2", MGUS2),
}


@pytest.mark.parametrize("case", SPLINES)
def test_royston_parmar(case):
    name, arguments = SPLINES[case]
    frame = data(name)
    if name == "mgus2":
        frame = frame[frame["time"] > 0].assign(died=lambda f: f["event"] == 2)
    found = royston_parmar.fit(frame, **arguments)
    close(found.knots, numbers(case, "knots"), CLOSED)
    error = np.sqrt(np.diag(np.asarray(found.coefficients.covariance)))
    assert (np.abs(found.coefficients.mean - numbers(case, "estimate")) < OPTIMUM * error.clip(1)).all()
    close_matrix(found.coefficients.covariance, numbers(case, "covariance"))
    close(found.log_likelihood, numbers(case, "loglik")[0], CLOSED)


def test_hazard_ratio_that_changes_with_time():
    found = royston_parmar.fit(data("veteran"), **SPLINES["rp_veteran_varying"][1])
    profiles = pd.DataFrame({"karno": [80, 40]}, index=["well", "ill"])
    curve = found.model.hazard_ratio(profiles, "well", [10, 60, 200])["ill"]
    case = "rp_veteran_varying"
    close(np.log(curve.estimate), numbers(case, "log_hazard_ratio"), SECOND_DERIVATIVE)
    close(curve.std_error / curve.estimate, numbers(case, "log_hazard_ratio_error"), SECOND_DERIVATIVE)


def test_standardised_survival():
    found = royston_parmar.fit(data("lung"), **SPLINES["rp_lung_hazard"][1])
    survival = found.standardised("sex").at(365)
    close(survival.mean, numbers("rp_lung_hazard", "standardised"))
    close_matrix(survival.covariance, numbers("rp_lung_hazard", "standardised_covariance"))


# Log likelihoods that flexsurv's own tests hold (tests/testthat/test_spline.R, test_flexsurvreg.R; commits
# 0dbd8230, 05c9ab1d), of its data set bc, whose times and events are those of gbsg; without covariates.
# They are where its optimiser stopped: ours is as high or higher, by no more than its tolerance.
@pytest.mark.parametrize(
    ("made", "published"),
    [
        (lambda gbsg, late: royston_parmar.fit(gbsg, **GBSG, df=1), -873.207054864145),
        (lambda gbsg, late: royston_parmar.fit(late, **GBSG, df=1), -432.9048860461514),
        (lambda gbsg, late: royston_parmar.fit(late, **GBSG, entry="from", df=1), -400.3556493114977),
        (
            lambda gbsg, late: parametric.fit(
                data("ovarian"), distribution="log-normal", time="futime", event="fustat"
            ),
            -97.12174204265681,
        ),
    ],
)
def test_figures_published_with_flexsurv(made, published):
    gbsg = data("gbsg")
    late = gbsg[gbsg["years"] > 2].assign(**{"from": 1.9})
    gained = made(gbsg, late).log_likelihood - published
    assert -1e-9 < gained < 1e-6


# Stata's stpm on the same data, as recorded there: log likelihood of log time, and coefficients. Its inner
# knots are at the centiles 33 and 67, interpolated at (n + 1) p; given them, every printed digit agrees.
@pytest.mark.parametrize(
    ("scale", "log_likelihood"), [("hazard", -674.75128), ("odds", -675.271), ("normal", -675.73591)]
)
def test_figures_published_from_stata(scale, log_likelihood):
    gbsg = data("gbsg")
    log_time = np.log(gbsg["years"][gbsg["status"] == 1])
    inner = np.percentile(log_time, [33, 67], method="weibull")
    knots = np.exp([log_time.min(), *inner, log_time.max()])
    found = royston_parmar.fit(gbsg, **GBSG, knots=knots, scale=scale)
    assert found.log_likelihood + log_time.sum() == pytest.approx(log_likelihood, abs=1e-5)
    if scale == "hazard":
        close(found.coefficients.mean, [-1.728339, 3.476179, 0.567432, -0.3420749], 2e-5)


PIECES = {
    "pwe_lung": ("lung", {**LUNG, "covariates": ["age", "sex"], "breaks": [100, 200, 400]}),
    "pwe_lung_interaction": (
        "lung",
        {**LUNG, "covariates": ["age", "sex"], "breaks": [100, 200, 400], "interactions": "sex"},
    ),
    "pwe_veteran": (
        "veteran",
        {
            **TIME,
            "covariates": ["karno", "celltype"],
            "breaks": [30, 90, 180],
            "reference": {"celltype": "squamous"},
        },
    ),
    "pwe_channing_entry": (
        "channing",
        {
            "time": "years",
            "event": "death",
            "entry": "entry",
            "covariates": "female",
            "breaks": [75, 80, 85, 90],
        },
    ),
    "pwe_lung_weighted": ("lung", {**LUNG, "covariates": "age", "breaks": [100, 300], "weights": "whole"}),
}


@pytest.mark.parametrize("case", PIECES)
def test_piecewise_exponential(case):
    name, arguments = PIECES[case]
    found = piecewise_exponential.fit(data(name), **arguments)
    close(found.coefficients.mean, numbers(case, "estimate"), CLOSED)
    close_matrix(found.coefficients.covariance, numbers(case, "covariance"), CLOSED)
    close(found.log_likelihood, numbers(case, "loglik")[0], CLOSED)


def test_piecewise_exponential_robust_and_profile_limits():
    name, arguments = PIECES["pwe_lung"]
    robust = piecewise_exponential.fit(data(name), **arguments, cluster="inst")
    close_matrix(robust.coefficients.covariance, numbers("pwe_lung", "robust"), CLOSED)
    close_matrix(robust.model_covariance, numbers("pwe_lung", "covariance"), CLOSED)
    found = piecewise_exponential.fit(data(name), **arguments)
    limits = found.hazards(pd.DataFrame({"age": [60], "sex": [1]}), interval="profile")
    close(np.log(limits["lower"]), numbers("pwe_lung", "profile_lower"))
    close(np.log(limits["upper"]), numbers("pwe_lung", "profile_upper"))


def test_exposure_by_band():
    frame = data("mgus2")
    frame = frame[frame["time"] > 0]
    cells = exposure.collapse(
        frame, time="time", event="event", breaks=[12, 60, 120], by="sex", competing=True,
        causes={1: "one", 2: "two"},
    )  # fmt: skip
    case = CASES["exposure_mgus2"]["values"]
    assert cells["sex"].tolist() == case["sex"]
    for ours, theirs in [
        ("band", "band"),
        ("events_one", "one"),
        ("events_two", "two"),
        ("person_time", "person_time"),
    ]:
        close(cells[ours], np.array(case[theirs], float), CLOSED)


def test_every_case_is_used():
    used = {*SURVREG, *OWN, *SPLINES, *PIECES, "reg_lung_strata", "reg_lung_quantiles", "exposure_mgus2"}
    assert used == set(CASES)
