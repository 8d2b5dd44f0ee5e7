"""The same numbers as R, case by case of make.R; see README.md for what agrees and what differs.

Tests read expected.json and never need R.
"""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from soa_evidence.survival import (
    cox,
    cumulative_incidence,
    gray,
    kaplan_meier,
    logrank,
    nelson_aalen,
    rates,
)

HERE = Path(__file__).parent
EXPECTED = json.loads((HERE / "expected.json").read_text())
CASES = EXPECTED["cases"]

# Closed forms differ from R by the order of sums alone.
CLOSED = 1e-8
# Both stop at the maximum to the last digits; their routes there differ.
OPTIMUM = 1e-6


def data(name):
    return pd.read_csv(HERE / "data" / f"{name}.csv")


def expected(case):
    return CASES[case]["values"]


def numbers(values):
    return np.array(values, dtype=float)


def close(ours, theirs, tolerance=CLOSED, small=1e-10):
    """Relative agreement, with an absolute floor far below anything shown, for values that are 0."""
    ours, theirs = np.asarray(ours, dtype=float), numbers(theirs)
    assert ours.shape == theirs.shape
    known = np.isfinite(theirs)
    scale = np.abs(theirs[known]).max(initial=0.0)
    np.testing.assert_allclose(ours[known], theirs[known], rtol=tolerance, atol=small * max(scale, 1e-300))


TIME = {"time": "time", "event": "status"}
KM = {
    **{
        f"km_lung_{theirs}": ("lung", {"time": "time", "event": "dead", "by": "sex", "interval": ours})
        for theirs, ours in [
            ("log", "log"),
            ("log-log", "log-log"),
            ("plain", "plain"),
            ("arcsin", "arcsine"),
            ("logit", "logit"),
        ]
    },
    "km_veteran": ("veteran", {**TIME, "by": "celltype"}),
    "km_aml_90": ("aml", {**TIME, "by": "x", "level": 0.9}),
    "km_stanford2": ("stanford2", TIME),
    "km_channing_entry": (
        "channing",
        {"time": "age", "event": "death", "entry": "ageentry", "by": "gender"},
    ),
    "km_heart_rows": ("heart", {"time": "stop", "event": "event", "entry": "start", "by": "transplant"}),
    "km_ovarian_frequency": ("ovarian", {"time": "futime", "event": "fustat", "by": "rx", "weights": "w"}),
    "km_lung_robust": (
        "lung",
        {"time": "time", "event": "dead", "by": "sex", "weights": "w", "weights_are": "robust"},
    ),
    "km_channing_robust": (
        "channing",
        {
            "time": "age", "event": "death", "entry": "ageentry", "by": "gender", "weights": "w",
            "weights_are": "robust",
        },
    ),
}  # fmt: skip
KM_WEIGHTS = {
    "km_ovarian_frequency": lambda d: d["ecog.ps"] + 2,
    "km_lung_robust": lambda d: 0.5 + d["age"] / 100,
    "km_channing_robust": lambda d: d["age"] / 1000,
}


@pytest.mark.parametrize("case", KM)
def test_kaplan_meier(case):
    name, arguments = KM[case]
    frame = data(name)
    if case in KM_WEIGHTS:
        frame = frame.assign(w=KM_WEIGHTS[case])
    found = kaplan_meier.fit(frame, **arguments)
    for label, theirs in expected(case).items():
        ours = found.curves[label.split("=")[-1].strip()]
        close(ours.time, theirs["time"])
        close(ours.at_risk, theirs["at_risk"])
        close(ours.events, theirs["events"])
        close(ours.estimate, theirs["estimate"])
        close(ours.std_error, theirs["std_error"])
        close(ours.lower, theirs["lower"])
        close(ours.upper, theirs["upper"])


@pytest.mark.parametrize("case", [name for name in KM if "robust" not in name])
def test_nelson_aalen(case):
    name, arguments = KM[case]
    frame = data(name)
    if case in KM_WEIGHTS:
        frame = frame.assign(w=KM_WEIGHTS[case])
    arguments = {key: value for key, value in arguments.items() if key != "interval"}
    found = nelson_aalen.fit(frame, **arguments)
    for label, theirs in expected(case).items():
        ours = found.curves[label.split("=")[-1].strip()]
        close(ours.estimate, theirs["hazard"])
        close(ours.std_error, theirs["hazard_error"])


@pytest.mark.parametrize(
    ("case", "name", "by"), [("na_veteran_fh", "veteran", "trt"), ("na_rats_fh", "rats", "rx")]
)
def test_nelson_aalen_with_ties_one_after_another(case, name, by):
    found = nelson_aalen.fit(data(name), **TIME, by=by, ties="fleming_harrington")
    for label, theirs in expected(case).items():
        close(found.curves[label.split("=")[-1]].estimate, theirs["hazard"])
        close(found.curves[label.split("=")[-1]].std_error, theirs["hazard_error"])


@pytest.mark.parametrize(
    ("case", "event", "by"),
    [
        ("quantile_lung", "dead", "sex"),
        ("quantile_aml", "status", "x"),
        ("quantile_veteran", "status", "celltype"),
    ],
)
def test_quantiles(case, event, by):
    frame = data(case.removeprefix("quantile_"))
    found = kaplan_meier.fit(frame, time="time", event=event, by=in_order(frame, by)).quantiles()
    for column in ("time", "lower", "upper"):
        ours = found[column].to_numpy().reshape(-1, 3)
        theirs = numbers(expected(case)[column])
        np.testing.assert_array_equal(np.isnan(ours), np.isnan(theirs))
        close(ours, theirs)


def in_order(frame, by):
    """Let text compare in R's order of levels, which is that of first appearance for veteran's cell types."""
    if by == "celltype":
        frame[by] = pd.Categorical(frame[by], ["squamous", "smallcell", "adeno", "large"])
    if by == "rx" and frame[by].dtype == object:
        frame[by] = pd.Categorical(frame[by], ["Obs", "Lev", "Lev+5FU"])
    return by


@pytest.mark.parametrize(
    ("case", "event", "by", "tau"),
    [
        ("rmst_lung", "dead", "sex", 365),
        ("rmst_veteran", "status", "celltype", 150),
        ("rmst_colon", "status", "rx", 1826),
    ],
)
def test_restricted_mean(case, event, by, tau):
    frame = data(case.removeprefix("rmst_"))
    found = kaplan_meier.fit(frame, time="time", event=event, by=in_order(frame, by)).restricted_mean(tau)
    close(found.mean.mean, expected(case)["mean"])
    close(np.sqrt(np.diag(found.mean.covariance)), expected(case)["error"])


LOGRANK = {
    "lr_lung": ("lung", {"time": "time", "event": "dead", "by": "sex"}),
    "lr_veteran": ("veteran", {**TIME, "by": "celltype"}),
    "lr_lung_strata": ("lung", {"time": "time", "event": "dead", "by": "sex", "strata": "ph.ecog"}),
    "lr_rats_strata": ("rats", {**TIME, "by": "rx", "strata": "litter"}),
    "lr_colon_fh": ("colon", {**TIME, "by": "rx", "family": "fleming_harrington"}),
    "lr_ovarian_fh": (
        "ovarian",
        {"time": "futime", "event": "fustat", "by": "rx", "family": "fleming_harrington", "p": 0.5},
    ),
    "lr_colon_trend": ("colon", {**TIME, "by": "rx", "trend": {"Obs": 0, "Lev": 1, "Lev+5FU": 2}}),
    "lr_channing_entry": (
        "channing",
        {"time": "age", "event": "death", "entry": "ageentry", "by": "gender"},
    ),
    "lr_dialysis_gehan": ("dialysis", {"family": "gehan_breslow"}),
    "lr_dialysis_tarone": ("dialysis", {"family": "tarone_ware"}),
    "lr_dialysis_peto": ("dialysis", {"family": "peto_peto"}),
    "lr_dialysis_late": ("dialysis", {"family": "fleming_harrington", "p": 0.0, "q": 1.0}),
}


@pytest.mark.parametrize("case", LOGRANK)
def test_logrank(case):
    name, arguments = LOGRANK[case]
    if name == "dialysis":
        arguments = {"time": "time", "event": "delta", "by": "type", **arguments}
    frame = data(name)
    in_order(frame, arguments["by"])
    found = logrank.fit(frame, **arguments)
    theirs = expected(case)
    close(found.statistic, theirs["chisq"][0])
    if "covariance" in theirs and "family" not in arguments:
        close(found.table["observed"], theirs["observed"])
        close(found.table["expected"], theirs["expected"])
    if "covariance" in theirs:
        close(found.excess.covariance, theirs["covariance"])


#: Klein & Moeschberger (2003), Survival Analysis, table 7.3: kidney dialysis, chi-squared to two decimals.
TABLE_7_3 = {
    ("logrank", 0, 0): 2.53,
    ("gehan_breslow", 0, 0): 0.002,
    ("tarone_ware", 0, 0): 0.40,
    ("peto_peto", 0, 0): 1.40,
    ("fleming_harrington", 0, 1): 9.67,
    ("fleming_harrington", 1, 0): 1.39,
    ("fleming_harrington", 1, 1): 9.83,
    ("fleming_harrington", 0.5, 0.5): 9.28,
    ("fleming_harrington", 0.5, 2): 8.18,
}


@pytest.mark.parametrize(("family", "p", "q"), TABLE_7_3)
def test_logrank_as_printed_by_klein_and_moeschberger(family, p, q):
    found = logrank.fit(data("dialysis"), time="time", event="delta", by="type", family=family, p=p, q=q)
    assert found.statistic == pytest.approx(TABLE_7_3[family, p, q], abs=0.0051)


@pytest.mark.parametrize(
    ("case", "event", "by", "interval"),
    [
        ("ci_mgus2", "event", "sex", "log-log"),
        ("ci_pbc", "status", "sex", "log-log"),
        ("ci_bmt", "event", "group", "plain"),
    ],
)
def test_cumulative_incidence(case, event, by, interval):
    found = cumulative_incidence.fit(
        data(case.removeprefix("ci_")), time="time", event=event, by=by, interval=interval
    )
    for label, theirs in expected(case).items():
        group = label.split("=")[-1]
        for k, cause in enumerate(found.causes):
            ours = found.curves[group, cause]
            close(ours.time, theirs["time"])
            close(ours.estimate, theirs["estimate"][k])
            close(ours.std_error, theirs["std_error"][k])
            positive = numbers(theirs["estimate"][k]) > 0
            close(ours.lower[positive], numbers(theirs["lower"][k])[positive])
            close(ours.upper[positive], numbers(theirs["upper"][k])[positive])


def test_cumulative_incidence_with_late_entry():
    frame = data("channing")
    frame["cause"] = frame["death"] * (1 + frame["age"] % 2)
    found = cumulative_incidence.fit(frame, time="age", entry="ageentry", event="cause", by="gender")
    for label, theirs in expected("ci_channing_entry").items():
        for k, cause in enumerate(found.causes):
            ours = found.curves[label.split("=")[-1], cause]
            close(ours.estimate, theirs["estimate"][k])
            # survfit's jackknife counts the luck of who had entered; the delta method does not. See README.
            later = ours.estimate > 0.05
            np.testing.assert_allclose(
                ours.std_error[later], numbers(theirs["std_error"][k])[later], rtol=0.1
            )


def test_cumulative_incidence_as_prodlim_gives_it():
    theirs = expected("ci_mgus2_prodlim")
    found = cumulative_incidence.fit(data("mgus2"), time="time", event="event", by="sex")
    sizes = np.cumsum([0, *theirs["size"]]).astype(int)
    for g, group in enumerate(found.records.groups):
        mine = slice(sizes[g], sizes[g + 1])
        for k in (1, 2):
            ours = found.curves[group, f"cause {k}"]
            close(ours.time, theirs["time"][mine])
            close(ours.estimate, theirs[f"cause{k}"][mine])
            close(ours.std_error, theirs[f"error{k}"][mine])


def test_cuminc_agrees_on_the_estimate_and_has_a_slightly_larger_variance():
    theirs = expected("ci_mgus2_cuminc")
    found = cumulative_incidence.fit(data("mgus2"), time="time", event="event", by="sex")
    ours = found.at([60, 120, 240])
    close(ours["estimate"].to_numpy().reshape(4, 3), theirs["estimate"])
    ratio = numbers(theirs["variance"]) / np.square(ours["std_error"].to_numpy().reshape(4, 3))
    assert (ratio > 1).all()
    assert (ratio < 1.02).all()


@pytest.mark.parametrize(
    ("case", "event", "arguments"),
    [
        ("gray_mgus2_sex", "event", {"by": "sex"}),
        ("gray_mgus2_band_strata", "event", {"by": "band", "strata": "sex"}),
        ("gray_mgus2_band_rho", "event", {"by": "band", "rho": 1.0}),
        ("gray_bmt", "event", {"by": "group"}),
        ("gray_pbc", "status", {"by": "sex"}),
    ],
)
def test_gray(case, event, arguments):
    frame = data(case.split("_")[1])
    for cause, theirs in enumerate(expected(case)["chisq"], start=1):
        close(gray.fit(frame, time="time", event=event, cause=cause, **arguments).statistic, theirs)


def test_rates_have_garwood_limits():
    theirs = expected("rates_garwood")
    for events, lower, upper in zip(theirs["events"], theirs["lower"], theirs["upper"], strict=True):
        found = rates.fit(pd.DataFrame({"y": [321.5], "d": [events]}), years="y", events="d", per=1).table()
        close(found[["lower", "upper"]].to_numpy()[0], [lower, upper])


def test_rate_ratios_have_exact_conditional_limits():
    theirs = expected("rates_ratio")
    for i, (d1, d2, t1, t2) in enumerate(theirs["input"]):
        frame = pd.DataFrame({"y": [t1, t2], "d": [d1, d2], "g": ["one", "two"]})
        found = rates.fit(frame, years="y", events="d", by="g").ratio("two").iloc[0]
        for column, name in [
            ("estimate", "estimate"),
            ("lower", "lower"),
            ("upper", "upper"),
            ("p_value", "p"),
        ]:
            close(found[column], theirs[name][i])


def test_wald_rate_ratio_is_that_of_poisson_regression():
    found = rates.fit(data("kidney"), years="time", events="status", by="sex").log_ratio("1")
    theirs = expected("rates_kidney_wald")
    close(found.mean, theirs["log_ratio"])
    close(np.sqrt(np.diag(found.covariance)), theirs["error"], OPTIMUM)


VETERAN = ["trt", "celltype", "karno", "diagtime", "age", "prior"]
HEART = {
    "time": "stop",
    "entry": "start",
    "event": "event",
    "covariates": ["age", "year", "surgery", "transplant"],
}
LUNG = {"time": "time", "event": "dead", "covariates": ["age", "sex", "ph.ecog"]}
COX = {
    "cox_lung_efron": (LUNG, {"age": 60, "sex": 1, "ph.ecog": 1}),
    "cox_lung_breslow": ({**LUNG, "ties": "breslow"}, {"age": 60, "sex": 1, "ph.ecog": 1}),
    "cox_veteran": (
        {**TIME, "covariates": VETERAN, "reference": {"celltype": "squamous"}},
        {"trt": 1, "celltype": "squamous", "karno": 60, "diagtime": 5, "age": 60, "prior": 0},
    ),
    "cox_ovarian": (
        {"time": "futime", "event": "fustat", "covariates": ["age", "rx", "ecog.ps"]},
        {"age": 60, "rx": 1, "ecog.ps": 1},
    ),
    "cox_pbc": (
        {
            "time": "time",
            "event": "died",
            "covariates": ["age", "edema", "log_bili", "log_albumin", "log_protime"],
        },
        None,
    ),
    "cox_mgus2": (
        {"time": "time", "event": "died", "covariates": ["age", "sex"], "reference": {"sex": "F"}},
        {"age": 70, "sex": "F"},
    ),
    "cox_colon_strata": (
        {**TIME, "covariates": ["rx", "age", "node4"], "strata": "sex", "reference": {"rx": "Obs"}},
        None,
    ),
    "cox_colon_weights": ({**TIME, "covariates": ["age", "node4"], "weights": "w"}, None),
    "cox_lung_robust": (
        {**LUNG, "covariates": ["age", "ph.ecog"], "weights": "w", "weights_are": "robust"},
        None,
    ),
    "cox_heart_cluster": ({**HEART, "cluster": "id"}, None),
    "cox_heart_breslow": (
        {**HEART, "ties": "breslow"},
        {"age": 0, "year": 3, "surgery": 0, "transplant": 0},
    ),
    "cox_kidney_cluster": ({**TIME, "covariates": ["age", "sex"], "cluster": "id"}, None),
    "cox_rats_strata": ({**TIME, "covariates": ["rx"], "strata": "litter"}, None),
    "cox_channing_entry": (
        {"time": "age", "entry": "ageentry", "event": "death", "covariates": ["gender"]},
        {"gender": 1},
    ),
    "cox_stanford2": ({**TIME, "covariates": ["age", "t5"]}, None),
    "cox_bmt": (
        {"time": "time", "event": "any", "covariates": ["group", "age", "mtx"], "reference": {"group": "1"}},
        None,
    ),
}
PREPARE = {
    "cox_pbc": lambda d: d.assign(
        died=d["status"] == 2,
        log_bili=np.log(d["bili"]),
        log_albumin=np.log(d["albumin"]),
        log_protime=np.log(d["protime"]),
    ),
    "cox_mgus2": lambda d: d.assign(died=d["event"] == 2),
    "cox_colon_weights": lambda d: d.assign(w=d["obstruct"] + 1),
    "cox_colon_strata": lambda d: d.assign(rx=pd.Categorical(d["rx"], ["Obs", "Lev", "Lev+5FU"])),
    "cox_lung_robust": lambda d: d.assign(w=0.5 + d["sex"] / 3),
    "cox_veteran": lambda d: d.assign(
        celltype=pd.Categorical(d["celltype"], ["squamous", "smallcell", "adeno", "large"])
    ),
    "cox_bmt": lambda d: d.assign(any=d["event"] > 0, group=d["group"].astype(str)),
}


@pytest.fixture(scope="module")
def fitted():
    """Fit each case once."""
    known = {}

    def of(case):
        if case not in known:
            frame = data(case.split("_")[1])
            known[case] = cox.fit(PREPARE.get(case, lambda d: d)(frame), **COX[case][0])
        return known[case]

    return of


@pytest.mark.parametrize("case", COX)
def test_cox_coefficients_and_errors(case, fitted):
    found, theirs = fitted(case), expected(case)
    close(found.coefficients, theirs["coef"], OPTIMUM)
    close(found.covariance, np.reshape(theirs["var"], found.covariance.shape), OPTIMUM)
    close([found.log_likelihood_at_zero, found.log_likelihood], theirs["loglik"])
    if "naive" in theirs:
        close(found.model_covariance, np.reshape(theirs["naive"], found.covariance.shape), OPTIMUM)
    statistic = found.tests.set_index("test")["statistic"]
    close(statistic["score"], theirs["score"][0])
    close(statistic["Wald"], theirs["wald"][0], OPTIMUM)
    assert all(check.verdict != "fail" for check in found.checks)


@pytest.mark.parametrize("case", COX)
def test_cox_residuals(case, fitted):
    found, theirs = fitted(case).residuals(), expected(case)
    first = slice(0, len(theirs["martingale"]))
    close(found.martingale[first], theirs["martingale"], OPTIMUM, 1e-8)
    close(found.deviance[first], theirs["deviance"], OPTIMUM, 1e-8)
    close(np.sum(found.martingale**2), theirs["martingale_squares"][0], OPTIMUM)
    shape = found.score.iloc[first].shape
    close(found.score.to_numpy()[first], np.reshape(theirs["score_residual"], shape), OPTIMUM, 1e-8)
    close(found.dfbeta.to_numpy()[first], np.reshape(theirs["dfbeta"], shape), OPTIMUM, 1e-8)


@pytest.mark.parametrize("case", COX)
def test_proportional_hazards(case, fitted):
    theirs = expected(case)
    # With weights R's km and rank are those of the unweighted rows, ours of the weighted ones: see README.
    weighted = "weights" in COX[case][0]
    for transform in ("identity", "log") if weighted else ("km", "identity", "log", "rank"):
        if f"zph_{transform}" in theirs:
            found = fitted(case).proportional_hazards(transform).table["statistic"].to_numpy()
            rows = theirs[f"zph_{transform}"]
            # With one covariate R's table too has it and the global test.
            close(found, rows, OPTIMUM)


@pytest.mark.parametrize("case", COX)
def test_concordance(case, fitted):
    found, theirs = fitted(case).concordance(), expected(case)
    close(found.mean, theirs["concordance"])
    if "concordance_var" in theirs:
        close(found.covariance[0], theirs["concordance_var"])


@pytest.mark.parametrize("case", [case for case in COX if COX[case][1] is not None])
def test_cox_prediction(case, fitted):
    theirs = expected(case)
    profile = pd.DataFrame([COX[case][1]], index=["this"])
    if case == "cox_veteran":
        profile["celltype"] = profile["celltype"].astype(str)
    hazard = fitted(case).cumulative_hazard(profile)["this"]
    survival = fitted(case).survival(profile)["this"]
    at = np.isin(hazard.time, theirs["time"])
    close(hazard.estimate[at], theirs["hazard"], OPTIMUM)
    close(hazard.std_error[at], theirs["hazard_error"], OPTIMUM)
    close(survival.lower[at], theirs["lower"], OPTIMUM)
    close(survival.upper[at], theirs["upper"], OPTIMUM)


def test_every_case_of_make_r_is_tested():
    tested = {*KM, *LOGRANK, *COX}
    prefixes = ("na_", "quantile_", "rmst_", "ci_", "gray_", "rates_")
    assert {case for case in CASES if not case.startswith(prefixes)} == tested
    assert len(CASES) >= 40
    assert len({case["data"] for case in CASES.values()}) >= 12
