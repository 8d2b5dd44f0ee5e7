import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from soa_evidence.economics import tariff
from soa_evidence.economics.cost_movement import Movement, between_collections

EXPECTED = json.loads((Path(__file__).parent / "expected.json").read_text())
#: Closed forms.
CLOSE = 1e-8
#: lmer stops near the maximum, where the likelihood is flat; the next test says on whose side.
OPTIMISER = 5e-4


@pytest.fixture(scope="module")
def frame():
    return pd.DataFrame(EXPECTED["data"])


def restricted(sd_family, sd_hrg, frame):
    """The restricted log likelihood of log growth, written out with matrices."""
    y = np.log(frame["later"] / frame["earlier"]).to_numpy()
    same = frame["family"].to_numpy()[:, None] == frame["family"].to_numpy()[None, :]
    V = 2 * (sd_family**2 * same + sd_hrg**2 * np.eye(len(y)))
    X = np.ones((len(y), 1))
    W = np.linalg.inv(V)
    A = X.T @ W @ X
    beta = np.linalg.solve(A, X.T @ W @ y)
    e = y - X @ beta
    return -0.5 * (np.linalg.slogdet(V)[1] + np.linalg.slogdet(A)[1] + e @ W @ e)


def test_movement_is_that_of_lmer_or_likelier(frame):
    found = between_collections(frame["earlier"], frame["later"], frame["family"])
    theirs = EXPECTED["movement"]
    assert found.family_sd == pytest.approx(theirs["family_sd"], rel=OPTIMISER)
    assert found.hrg_sd == pytest.approx(theirs["hrg_sd"], rel=OPTIMISER)
    assert found.growth == pytest.approx(theirs["growth"], rel=OPTIMISER)
    ours = restricted(found.family_sd, found.hrg_sd, frame)
    assert ours >= restricted(theirs["family_sd"], theirs["hrg_sd"], frame) - 1e-12
    for step in (0.99, 1.01):
        assert ours > restricted(found.family_sd * step, found.hrg_sd, frame)
        assert ours > restricted(found.family_sd, found.hrg_sd * step, frame)


def test_movement_on_the_boundary_is_nought():
    case = EXPECTED["boundary"]
    found = between_collections(case["earlier"], case["later"], list("aaabbb"))
    assert found.family_sd == 0 == case["family_sd"]
    assert found.hrg_sd == pytest.approx(case["hrg_sd"], rel=1e-7)
    assert found.dof == 5


def test_ratios_limits_and_chances(frame):
    theirs = EXPECTED["movement"]
    movement = Movement(**theirs, families=4, hrgs=len(frame))
    found = tariff.fit(frame, price="price", cost="later", movement=movement)
    table = found.log_ratio_of_group.table().set_index("label")
    for row in EXPECTED["group"]:
        for name in ("estimate", "std_error", "lower", "upper"):
            assert table.loc[row["label"], name] == pytest.approx(row[name], rel=CLOSE)
    relative = found.log_relative.table().set_index("label")
    for row in EXPECTED["relative"]:
        assert relative.loc[row["label"], "estimate"] == pytest.approx(row["estimate"], rel=CLOSE)
        assert relative.loc[row["label"], "std_error"] == pytest.approx(row["std_error"], rel=CLOSE)
        assert found.chance_underpaid[row["label"]] == pytest.approx(row["chance"], rel=CLOSE)
