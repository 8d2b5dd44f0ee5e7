import numpy as np
import pytest
from scipy.special import expit

from soa_evidence.units.standardise import risk_curve

CLOSE = 1e-9  # promised by standardise.py while no pattern lies more than 8 log odds from the average
ALWAYS = 1e-3  # promised however strong the case mix


def population(seed=0, *, patterns=60, terms=6):
    rng = np.random.default_rng(seed)
    weights = rng.dirichlet(np.ones(patterns))
    design = (rng.random((patterns, terms)) < 0.3).astype(float)
    return design - weights @ design, weights


def direct(design, weights, case_mix, level):
    """The definition: the average over patterns of each pattern's risk."""
    return expit((case_mix @ design.T)[:, None, :] + level[:, :, None]) @ weights


def largest_error(lowest, highest, *, strength, seed=0):
    design, weights = population(seed)
    rng = np.random.default_rng(seed)
    case_mix = strength * rng.standard_normal((30, design.shape[1]))
    level = rng.uniform(lowest, highest, (30, 50))
    level[:, 0], level[:, 1] = lowest, highest
    curve = risk_curve(design, weights, case_mix, lowest=lowest, highest=highest)
    return np.abs(curve.risk(level) - direct(design, weights, case_mix, level)).max()


@pytest.mark.parametrize("strength", [0.0, 0.1, 0.5, 1.0])
@pytest.mark.parametrize("span", [(-3, -3), (-4, -2), (-12, 6), (-45, 45), (-700, 700)])
def test_the_curve_is_the_direct_average(span, strength):
    assert largest_error(*span, strength=strength) < CLOSE


@pytest.mark.parametrize("span", [(-6, 0), (-45, 45)])
def test_absurdly_strong_case_mix_is_still_close(span):
    assert largest_error(*span, strength=4.0) < ALWAYS


def test_levels_that_fall_on_the_nodes():
    design, weights = population()
    case_mix = 0.5 * np.random.default_rng(1).standard_normal((5, design.shape[1]))
    curve = risk_curve(design, weights, case_mix, lowest=-5, highest=1)
    exactly = np.tile(4 * np.arctanh(curve.nodes), (5, 1))
    for level in (exactly, np.nextafter(exactly, 0), exactly + 1e-14, exactly - 1e-12):
        assert np.abs(curve.risk(level) - direct(design, weights, case_mix, level)).max() < CLOSE


def test_very_low_and_very_high_risks_keep_their_digits():
    design, weights = population()
    case_mix = 0.5 * np.random.default_rng(1).standard_normal((5, design.shape[1]))
    curve = risk_curve(design, weights, case_mix, lowest=-40, highest=0)
    level = np.full((5, 1), -35.0)
    expected = direct(design, weights, case_mix, level)  # about 1e-15
    np.testing.assert_allclose(curve.risk(level), expected, rtol=1e-7)


def test_without_case_mix_the_risk_is_that_of_the_level():
    level = np.linspace(-9, 9, 40).reshape(4, 10)
    curve = risk_curve(np.zeros((1, 0)), np.ones(1), np.zeros((4, 0)), lowest=-9, highest=9)
    np.testing.assert_allclose(curve.risk(level), expit(level), rtol=1e-12)


def test_many_draws_are_handled_in_pieces_each_with_its_own_case_mix():
    design, weights = population()
    case_mix = 0.4 * np.random.default_rng(2).standard_normal((1203, design.shape[1]))
    level = np.random.default_rng(3).uniform(-4, -1, (1203, 2))
    curve = risk_curve(design, weights, case_mix, lowest=-4, highest=-1)
    assert np.abs(curve.risk(level) - direct(design, weights, case_mix, level)).max() < CLOSE


def test_the_curve_by_arithmetic():
    # Half the patients at odds doubled, half at odds halved, of a level of even odds: 2/3 and 1/3.
    case_mix, design = np.array([[np.log(2)]]), np.array([[1.0], [-1.0]])
    curve = risk_curve(design, np.array([0.75, 0.25]), case_mix, lowest=-1, highest=1)
    assert curve.risk(np.zeros((1, 1)))[0, 0] == pytest.approx(0.75 * 2 / 3 + 0.25 / 3, abs=CLOSE)
