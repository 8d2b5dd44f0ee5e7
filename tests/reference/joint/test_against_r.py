import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from soa_evidence import priors
from soa_evidence.sampling import Settings
from soa_evidence.units import joint_draws, summaries, variation

EXPECTED = json.loads((Path(__file__).parent / "expected.json").read_text())
KEYS = {"unit": "unit", "group": "group", "case_mix": ["age"]}
SCORE = summaries.Score(label="gain", patients="asked", total="total", squares="squares", unit="points")


@pytest.fixture(scope="module")
def drawn():
    data = EXPECTED["joint"]
    information = np.array(data["information"])
    chance = np.array([[1, data["chance"]], [data["chance"], 1]])
    group = (np.array(data["class"]) == "usual").astype(np.int64)
    laid = joint_draws.Layers(
        units=tuple(map(str, range(len(group)))),
        groups=("special", "usual"),
        group_of_unit=group,
        level=np.array(data["y"]),
        information=information,
        seen=np.zeros_like(information),
        patients=information,
        chance=chance,
        precision=joint_draws._precision(information, chance),
        exact=np.zeros(2, dtype=bool),
        starts=np.zeros(2 * len(group) + 1, dtype=np.int64),
        bin_patients=np.zeros(0),
        bin_score=np.zeros(0),
        places=(),
        summaries=(),
    )
    return joint_draws.draw(
        laid, priors.joint("one_spread"), settings=Settings(draws=2000, tune=400, chains=2), seed=1, thin=2
    )


def test_class_means_are_those_of_rma_mv(drawn):
    data = EXPECTED["joint"]
    found = drawn.class_level.mean(axis=0)
    ours = {
        "outcomea:classspecial": found[0, 0],
        "outcomeb:classspecial": found[0, 1],
        "outcomea:classusual": found[1, 0],
        "outcomeb:classusual": found[1, 1],
    }
    for name, theirs, error in zip(data["names"], data["beta"], data["se"], strict=True):
        assert abs(ours[name] - theirs) < 0.1 * error
        at = (0 if "special" in name else 1, 0 if "outcomea" in name else 1)
        assert drawn.class_level[:, *at].std() == pytest.approx(error, rel=0.08)


def test_spreads_and_correlation_are_those_of_rma_mv(drawn):
    data = EXPECTED["joint"]
    spreads = drawn.spread[:, 0]
    for o in range(2):
        assert abs(spreads[:, o].mean() - data["tau"][o]) < 0.25 * spreads[:, o].std()
    rho = drawn.correlation[:, 0, 1]
    assert abs(rho.mean() - data["rho"]) < 0.25 * rho.std()


@pytest.fixture(scope="module")
def cells():
    return pd.DataFrame(EXPECTED["cells"]).assign(group="all")


def test_the_spread_is_that_of_glmer(cells):
    outcome = variation.Events(label="event", events="events", trials="asked")
    found = variation.fit(cells, outcome=outcome, **KEYS, years=1, seed=2)
    tau = found.spread.of("event")
    assert abs(tau.mean() - EXPECTED["glmer"]["tau"]) < tau.std() / 3
    made = summaries.summarise(cells, outcome, **KEYS)
    sign = 1 if made.cells.terms[0].startswith("age: young") else -1
    assert abs(sign * made.case_mix[0] - EXPECTED["glmer"]["fixed"][1]) < 0.1 * EXPECTED["glmer"]["se"][1]
    assert np.sqrt(made.case_mix_covariance[0, 0]) == pytest.approx(EXPECTED["glmer"]["se"][1], rel=0.03)


def test_a_score_is_that_of_lm(cells):
    made = summaries.summarise(cells, SCORE, **KEYS)
    level = made.centre + made.level / made.per_point
    ours = [level[made.cells.units.index(str(unit))] for unit in range(1, 91)]
    np.testing.assert_allclose(ours, EXPECTED["lm"]["units"], atol=0.02 * EXPECTED["lm"]["sigma"] / 100)
    assert made.patient_sd == pytest.approx(EXPECTED["lm"]["sigma"], rel=2e-3)
    assert abs(made.case_mix[0] / made.per_point) == pytest.approx(abs(EXPECTED["lm"]["old"]), rel=2e-3)
