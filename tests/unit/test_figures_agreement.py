"""Figures of agreement and calibration: what they say in words, and what they refuse."""

import pandas as pd
import pytest

from soa_evidence.errors import InputError
from soa_evidence.reporting import figures

PAIRS = pd.DataFrame(
    {
        "label": ["Alpha", "Beta", "Gamma"],
        "group": ["specialist orthopaedic", "NHS general", "independent sector"],
        "mean": [20.0, 22.0, 24.0],
        "difference": [0.1, -0.3, 1.9],
    }
)
GROUPS = pd.DataFrame(
    {
        "group": ["patients", "patients", "strata", "strata"],
        "expected": [0.05, 0.10, 0.06, 0.09],
        "observed": [0.05, 0.12, 0.06, 0.08],
        "lower": [0.04, 0.11, 0.05, 0.07],
        "upper": [0.06, 0.13, 0.07, 0.10],
    }
)


def agreement(frame=PAIRS, **more):
    given = {
        "bias": 0.1,
        "limits": (-1.0, 1.2),
        "mean_text": "mean gain",
        "difference_text": "ours less theirs",
    }
    return figures.agreement(frame, **{**given, "id": "a", "title": "T", "subtitle": "S", **more})


def calibration(frame=GROUPS, **more):
    return figures.calibration(
        frame, **{"unit_text": "risk", "id": "c", "title": "T", "subtitle": "S", **more}
    )


def test_agreement_in_words():
    shown = agreement()
    assert "3 pairs: ours less theirs against mean gain." in shown.description
    assert "limits of agreement −1.0 to 1.2, which hold 67% of the pairs" in shown.description
    assert "Furthest apart: Gamma, 1.9." in shown.description
    for name in ("upper limit", "lower limit", "specialist", "independent"):
        assert name in shown.svg
        assert name in shown.svg_narrow


def test_calibration_in_words():
    shown = calibration()
    assert (
        "patients: 0.0500 observed, 0.0500 expected, to 0.1200 observed, 0.1000 expected" in shown.description
    )
    assert "limits of 1 of 2 groups hold the expected. strata" in shown.description
    assert "strata" in shown.svg_narrow


def test_synthetic_data_say_so():
    assert agreement(synthetic=True).description.startswith("Synthetic data")
    assert "SYNTHETIC DATA" in calibration(synthetic=True).svg


def test_what_they_refuse():
    with pytest.raises(InputError, match="do not enclose the bias"):
        agreement(bias=2.0)
    with pytest.raises(InputError, match="no column 'difference'"):
        agreement(PAIRS.drop(columns="difference"))
    with pytest.raises(InputError, match="row 2: limits leave out the observed"):
        calibration(GROUPS.assign(observed=[0.05, 0.2, 0.06, 0.08]))
    with pytest.raises(InputError, match="4 models are too many"):
        calibration(GROUPS.assign(group=list("abcd")))
