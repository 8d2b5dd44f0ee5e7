"""The same numbers as R, case by case of make.R; see README.md. Tests read expected.json and never need R."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from soa_evidence.survival import multistate

HERE = Path(__file__).parent
CASES = json.loads((HERE / "expected.json").read_text())["cases"]
CLOSED = 1e-8  # closed forms differ from R by the order of sums alone
COLUMNS = {
    "mgus2_states": {"time": "tstop", "entry": "tstart"},
    "myeloid_states": {"time": "tstop", "entry": "tstart"},
    "sir_states": {"time": "time", "entry": "entry"},
    "heart_states": {"time": "stop", "entry": "start"},
    "abortion_states": {"time": "exit", "entry": "entry"},
}
BY = {"survfit_mgus2_sex": "sex", "survfit_myeloid": "trt"}
SURVFIT = [name for name in CASES if name.startswith("survfit")]
ETM = [name for name in CASES if name.startswith("etm")]


def fitted(case):
    name, values = CASES[case]["data"], CASES[case]["values"]
    frame = pd.read_csv(HERE / "data" / f"{name}.csv", dtype={"from": str, "to": str})
    return multistate.fit(
        frame, id="id", from_state="from", to_state="to", states=values["states"].split("|"), by=BY.get(case),
        **COLUMNS[name],
    )  # fmt: skip


def close(ours, theirs, tolerance=CLOSED):
    ours, theirs = np.asarray(ours, float), np.array(theirs, dtype=float)
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=1e-12)


@pytest.mark.parametrize("case", SURVFIT)
def test_state_probabilities_and_their_jackknife_errors(case):
    found, values = fitted(case), CASES[case]["values"]
    estimated_start = case == "survfit_sir"
    for group, theirs in values["groups"].items():
        for k, time in enumerate(theirs["time"]):
            table = found.at([time])
            table = table[table["group"] == group]
            close(table["estimate"], theirs["estimate"][k])
            if not estimated_start:
                close(table["std_error"], theirs["std_error"][k])


def test_errors_hold_the_chance_of_where_people_begin():
    """R's std.err leaves it out, its influence does not; see README."""
    found, values = fitted("survfit_sir"), CASES["survfit_sir"]["values"]
    for k, time in enumerate(values["groups"]["all"]["time"]):
        close(found.at([time])["std_error"], values["influence_error"][k])


@pytest.mark.parametrize("case", SURVFIT)
def test_cumulative_hazards(case):
    found, values = fitted(case), CASES[case]["values"]
    states = values["states"].split("|")
    for group, theirs in values["groups"].items():
        for r, pair in enumerate(values["hazards"].split("|")):
            source, target = (states[int(k) - 1] for k in pair.split("."))
            curve = found.hazards[group, f"{source} -> {target}"]
            close(
                curve.at(theirs["time"])["estimate"],
                [theirs["cumhaz"][k][r] for k in range(len(theirs["time"]))],
            )


@pytest.mark.parametrize("case", SURVFIT)
def test_mean_time_in_state(case):
    found, values = fitted(case), CASES[case]["values"]
    ours = found.mean_time(values["horizon"][0])
    # R's table holds the states in turn, each with its groups.
    close(np.asarray(ours.mean).reshape(len(found.counted), -1).T.ravel(), values["mean_time"])
    if values["mean_time_error"][0] is not None:
        close(np.sqrt(np.diag(ours.covariance)), values["mean_time_error"])


@pytest.mark.parametrize("case", ETM)
def test_transition_probabilities_and_their_covariance(case):
    found, values = fitted(case), CASES[case]["values"]
    ours = found.transition(values["start"][0], values["end"][0])
    close(ours.matrix, values["probability"])
    S = len(found.states)
    covariance = np.asarray(ours.probability.covariance).reshape(S, S, S, S).transpose(1, 0, 3, 2)
    theirs = np.array(values["covariance"], dtype=float).reshape(S, S, S, S)
    for target in range(S):  # etm gives the covariance among probabilities of one state reached
        close(covariance[target, :, target], theirs[target, :, target])
