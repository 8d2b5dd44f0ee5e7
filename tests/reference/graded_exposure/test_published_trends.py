"""Trends of the register's graded exposures against least squares in R from the printed figures (make.R)."""

import json
from pathlib import Path

import numpy as np
import pytest

from soa_evidence import evidence
from soa_evidence.synthesis import evidence_profile, graded_exposure

EXPECTED = json.loads((Path(__file__).parent / "expected.json").read_text())
STUDIES = sorted(set(EXPECTED) - {"made_by"})


@pytest.fixture(scope="module")
def trends():
    register = evidence_profile.join(
        evidence.load("published-results").table(), evidence.load("published-studies").table()
    )
    return {one.study: one for one in graded_exposure.fit(register).trends}


def test_the_register_holds_these_graded_exposures_and_no_more(trends):
    assert sorted(trends) == STUDIES


@pytest.mark.parametrize("study", STUDIES)
def test_a_trend_is_what_r_finds(trends, study):
    ours = trends[study].sensitivity.set_index("correlation")
    assert len(ours) == len(EXPECTED[study]) == 4
    for correlation, theirs in EXPECTED[study].items():
        row = ours.loc[float(correlation)]
        reach = 1.959963984540054 * theirs["se"]
        np.testing.assert_allclose(
            np.log(row[["estimate", "lower", "upper"]].to_numpy(dtype=float)),
            [theirs["b"], theirs["b"] - reach, theirs["b"] + reach],
            rtol=1e-8,
        )
        assert row["p_even"] == pytest.approx(theirs["p_even"], rel=1e-7)


@pytest.mark.parametrize("study", STUDIES)
def test_the_reported_trend_is_the_one_under_the_stated_correlation(trends, study):
    theirs, result = EXPECTED[study][f"{graded_exposure.ASSUMED:g}"], trends[study].result
    assert result.coefficients.mean[0] == pytest.approx(theirs["b"], rel=1e-8)
    assert result.coefficients.covariance[0, 0] ** 0.5 == pytest.approx(theirs["se"], rel=1e-8)
    assert result.tests["statistic"].iloc[-1] == pytest.approx(theirs["q"], rel=1e-8)


def test_hagen_s_trend_by_hand(trends):
    """A second way, in numpy: uncorrelated, the trend is a weighted mean of log ratios over their ranks."""
    rank = np.array([1.0, 2, 3, 4])
    ratio, low, high = np.array(
        [[1.10, 1.24, 1.32, 1.59], [1.07, 1.21, 1.28, 1.53], [1.13, 1.28, 1.36, 1.65]]
    )
    weight = (2 * 1.959963984540054 / np.log(high / low)) ** 2
    slope = (weight * rank * np.log(ratio)).sum() / (weight * rank**2).sum()
    ours = trends["hagen-2010"].sensitivity.set_index("correlation").loc[0.0, "estimate"]
    assert ours == pytest.approx(np.exp(slope), rel=1e-9)
    assert list(trends["hagen-2010"].levels["result_id"].dropna()) == ["T1-07", "T1-06", "T1-05", "T1-04"]
