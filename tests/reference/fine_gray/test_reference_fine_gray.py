"""Fine–Gray and cause-specific models: the same numbers as R, case by case of make.R; see README.md."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from soa_evidence.survival import cause_specific, fine_gray

HERE = Path(__file__).parent
CASES = json.loads((HERE / "expected.json").read_text())["cases"]

# Given the same coefficients, sums differ by their order alone.
CLOSED = 1e-8
# Both stop at the maximum to the last digits; their routes there differ.
OPTIMUM = 1e-6
# crr takes the influence on -log of the product-limit estimate by 1/n, and so do we when asked for its ways.
CRR = {"ties": "breslow", "censoring": "crr"}


def data(name):
    folder = HERE / "data" if (HERE / "data" / f"{name}.csv").exists() else HERE.parent / "survival" / "data"
    frame = pd.read_csv(folder / f"{name}.csv")
    if name == "bmt":
        frame = frame.assign(g2=(frame["group"] == 2) * 1, g3=(frame["group"] == 3) * 1)
    if name == "mgus2":
        frame = frame.assign(male=(frame["sex"] == "M") * 1, entry=12.0 * frame["age"])
        frame = frame.assign(exit=frame["entry"] + frame["time"])
        frame = frame[frame["time"] > 0].reset_index(drop=True)
    if name == "pbc":
        frame = frame.assign(lbili=np.log(frame["bili"]), event=frame["status"])
    return frame.assign(row=np.arange(len(frame)))


def numbers(values):
    return np.array(values, dtype=float)


def close(ours, theirs, tolerance=OPTIMUM):
    ours, theirs = np.asarray(ours, dtype=float), numbers(theirs)
    assert ours.shape == theirs.shape
    scale = np.abs(theirs).max(initial=0.0)
    np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=1e-3 * tolerance * scale)


def profiles(frame, x):
    return frame.loc[:1, list(x)].set_axis(["first", "second"])


def incidence(found, frame, x, time):
    """Predicted incidence of the first two rows at R's times, which it writes with 17 digits."""
    made = found.cumulative_incidence(profiles(frame, x), interval=False)
    return np.vstack([made[name].at(numbers(time))["estimate"] for name in ("first", "second")])


def names(case):
    x = CASES[case]["values"]["x"]
    return [x] if isinstance(x, str) else x


def starting(text):
    return [case for case in CASES if case.startswith(text)]


@pytest.mark.parametrize("case", starting("crr_"))
def test_crr(case):
    expected, frame, x = CASES[case]["values"], data(CASES[case]["data"]), names(case)
    cause = int(expected["cause"][0])
    found = fine_gray.fit(frame, time="time", event="event", cause=cause, covariates=x, **CRR)
    close(found.coefficients, expected["coef"])
    close(found.log_hazard_ratio.covariance, expected["var"])
    close(found.model_covariance, expected["inverse"])
    close(found.log_likelihood, expected["loglik"][0], CLOSED)
    close(incidence(found, frame, x, expected["time"]), expected["incidence"])


FINEGRAY = {
    "finegray_bmt_breslow": {"ties": "breslow"},
    "finegray_pbc_strata": {"strata": "sex"},
    "finegray_bmt_cluster": {"cluster": "group"},
    "finegray_mgus2_entry": {"time": "exit", "entry": "entry"},
}


@pytest.mark.parametrize("case", starting("finegray_"))
def test_finegray_with_coxph(case):
    expected, frame, x = CASES[case]["values"], data(CASES[case]["data"]), names(case)
    options = {"time": "time", **FINEGRAY.get(case, {})}
    found = fine_gray.fit(frame, event="event", cause=int(expected["cause"][0]), covariates=x, **options)
    close(found.coefficients, expected["coef"])
    close(found.model_covariance, expected["naive"])
    close(found.fixed_weights_covariance, expected["var"])
    if case != "finegray_pbc_strata":  # coxph counts a constant for each stratum's weights
        close([found.log_likelihood_at_zero, found.log_likelihood], expected["loglik"], CLOSED)
    if "time" in expected:
        close(incidence(found, frame, x, expected["time"]), expected["incidence"])


def test_without_ties_of_events_and_censorings_crr_and_finegray_agree():
    one, other = (CASES[f"{maker}_melanoma"]["values"]["coef"] for maker in ("crr", "finegray"))
    close(one, other)


def cause_specific_of(case, **options):
    frame, x = data(CASES[case]["data"]), names(case)
    if case == "cause_mgus2_entry":
        options = {"time": "exit", "entry": "entry", **options}
    return cause_specific.fit(frame, event="event", covariates=x, **{"time": "time", **options})


@pytest.mark.parametrize("case", [c for c in starting("cause_") if "error" not in c])
def test_multi_state_coxph(case):
    expected, frame, x = CASES[case]["values"], data(CASES[case]["data"]), names(case)
    found = cause_specific_of(case)
    close(found.log_hazard_ratio.mean, expected["coef"])
    # Told who is who, coxph gives the robust covariance over all causes.
    robust = cause_specific_of(case, cluster="group" if "cluster" in case else "row")
    close(robust.log_hazard_ratio.covariance, expected["var"])
    for k, model in enumerate(found.models.values(), start=1):
        close(model.coefficients, expected[f"efron{k}"])
        close(model.model_covariance, expected[f"efron_var{k}"])
    if "time" not in expected:
        return
    for fitted, ties in ((cause_specific_of(case, ties="breslow"), ""), (found, "_efron")):
        made = fitted.cumulative_incidence(profiles(frame, x), interval=False)
        for name in ("first", "second"):
            ours = [made[name, cause].at(numbers(expected["time"]))["estimate"] for cause in found.causes]
            close(np.vstack([1 - sum(ours), *ours]), expected[name + ties])


@pytest.mark.parametrize("case", starting("cause_error"))
def test_standard_errors_of_incidence_are_those_of_csc(case):
    """riskRegression's steps are exp(-H(u-)) dH and its influences of large-sample form: near, not equal."""
    expected, frame, x = CASES[case]["values"], data(CASES[case]["data"]), names(case)
    found = cause_specific_of(case, ties="breslow")
    made = found.cumulative_incidence(profiles(frame, x))
    for k, cause in enumerate(found.causes, start=1):
        tables = [made[name, cause].at(numbers(expected["times"])) for name in ("first", "second")]
        np.testing.assert_allclose(
            [table["estimate"] for table in tables], numbers(expected[f"risk{k}"]), rtol=0.015
        )
        np.testing.assert_allclose(
            [table["std_error"] for table in tables], numbers(expected[f"error{k}"]), rtol=0.03
        )
