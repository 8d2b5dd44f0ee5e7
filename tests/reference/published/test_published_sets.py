"""The pooled sets of the reports: the same rows and figures as metafor gives from what the papers print."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from soa_evidence import evidence
from soa_evidence.synthesis import evidence_profile, evidence_sets, pairwise, peto

HERE = Path(__file__).parent
EXPECTED = json.loads((HERE / "expected.json").read_text())
SETS = [name for name in EXPECTED if name != "versions"]
#: Same formula, same doubles; expected.json holds twelve decimals.
CLOSED = 1e-9
#: REML iterates on both sides.
ITERATED = 1e-7
#: As printed: three digits.
PRINTED = 6e-4


@pytest.fixture(scope="module")
def sets():
    register = evidence_profile.join(
        evidence.load("published-results").table(), evidence.load("published-studies").table()
    )
    return evidence_sets.choose(register, evidence.load("published-appraisal").table("questions"))


def typed(name):
    frames = [pd.read_csv(HERE / "data" / f"{kind}.csv") for kind in ("counts", "ratios", "means")]
    return next(frame[frame["set"] == name] for frame in frames if (frame["set"] == name).any())


@pytest.mark.parametrize("name", SETS)
def test_the_question_chooses_the_rows(sets, name):
    assert set(sets[name].included["result_id"]) == set(typed(name)["row"])


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize(
    ("way", "method", "interval"),
    [
        ("FE", "common", "wald"),
        ("DL", "DL", "wald"),
        ("REML", "REML", "wald"),
        ("HK", "REML", "hartung_knapp"),
    ],
)
def test_pooled_as_metafor_pools(sets, name, way, method, interval):
    result = pairwise.fit(sets[name].included, method=method, interval=interval)
    expected, row = EXPECTED[name][way], result.pooled.table().iloc[0]
    within = CLOSED if way in ("FE", "DL") else ITERATED
    got = [row["estimate"], row["std_error"], row["lower"], row["upper"]]
    assert np.allclose(got, [expected[k] for k in ("estimate", "se", "lower", "upper")], rtol=0, atol=within)
    assert result.tests["statistic"].iloc[0] == pytest.approx(expected["q"], abs=1e-8)


@pytest.mark.parametrize("name", SETS)
def test_normal_prediction_limits(sets, name):
    table = pairwise.fit(sets[name].included).prediction.set_index("interval")
    assert np.allclose(
        table.loc["z", ["lower", "upper"]].to_numpy(float), EXPECTED[name]["prediction_z"], atol=ITERATED
    )


@pytest.mark.parametrize("name", ["specialist-readmission", "ring-fencing-infection"])
def test_peto_from_the_same_counts(name):
    register = evidence.load("published-results").table().set_index("result_id").loc[typed(name)["row"]]
    result = peto.fit(
        register, label="label", events_1="events_less", n_1="n_less", events_2="events_more", n_2="n_more"
    )
    row = result.pooled.table().iloc[0]
    expected = EXPECTED[name]["peto"]
    assert row["estimate"] == pytest.approx(expected["estimate"], abs=CLOSED)
    assert row["lower"] == pytest.approx(expected["lower"], abs=CLOSED)


#: Worked out by hand beforehand, as printed; turned round where the papers' arms stand the other way.
BY_HAND = {
    "specialist-readmission": ("DL", (0.703, 0.210, 2.357), True),
    "ring-fencing-infection": ("DL", (0.295, 0.170, 0.512), True),
    "hospital-volume-knee-revision": ("DL", (1.302, 0.822, 2.062), False),
    "volume-mortality": ("DL", (1.541, 1.318, 1.801), False),
}


@pytest.mark.parametrize("name", BY_HAND)
def test_the_figures_worked_out_by_hand(sets, name):
    method, printed, turned = BY_HAND[name]
    row = (
        pairwise.fit(sets[name].included, method=method, interval="wald")
        .pooled.table(transform="exp")
        .iloc[0]
    )
    got = [row["estimate"], row["lower"], row["upper"]]
    if turned:
        got = [1 / got[0], 1 / got[2], 1 / got[1]]
    assert np.allclose(got, printed, atol=PRINTED)


def test_reml_of_knee_revision_and_its_prediction(sets):
    included = sets["hospital-volume-knee-revision"].included
    result = pairwise.fit(included, interval="wald")
    row = result.pooled.table(transform="exp").iloc[0]
    assert np.allclose([row["estimate"], row["lower"], row["upper"]], (1.299, 0.898, 1.880), atol=PRINTED)
    z = result.prediction.set_index("interval").loc["z"]
    assert np.allclose(np.exp([z["lower"], z["upper"]]), (0.583, 2.895), atol=PRINTED)
    assert round(pairwise.fit(included, method="DL").quantity("I2_percent")) == 96
    assert round(result.quantity("I2_percent")) == 94


def test_peto_of_readmission_by_hand():
    expected = EXPECTED["specialist-readmission"]["peto"]
    turned = [np.exp(-expected[k]) for k in ("estimate", "upper", "lower")]
    assert np.allclose(turned, (0.713, 0.228, 2.230), atol=PRINTED)


def test_katz_2004_is_read_as_99_per_cent():
    row = evidence.load("published-results").table().set_index("result_id").loc["T2-17"]
    assert row["level"] == 0.99
    register = evidence_profile.join(
        evidence.load("published-results").table(), evidence.load("published-studies").table()
    )
    seen = evidence_sets.readings(register).set_index("result_id").loc["T2-17"]
    half = (np.log(0.90) - np.log(0.60)) / (2 * 2.5758293035489004) * 1.959963984540054
    assert seen["lower"] == pytest.approx(np.exp(-np.log(0.74) - half), rel=1e-12)
    assert seen["upper"] == pytest.approx(np.exp(-np.log(0.74) + half), rel=1e-12)
    # read as 95 %, the interval would be this much too wide
    assert seen["lower"] > 1 / 0.90
