import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit
from units_toys import CASE_MIX, counts, near, prepared

from soa_evidence import priors

STATIONARY = 2e-3  # gradient over curvature: the last Newton step, ended at 1e-3 in log odds


def risk_at(cells, found):
    return expit(cells.design[cells.pattern] @ found.case_mix + found.unit_mode[cells.unit])


@pytest.mark.parametrize("seed", range(4))
def test_the_mode_is_where_the_penalised_gradient_vanishes(seed):
    cells = prepared(counts(seed))
    found = near(cells)
    prior = priors.binomial()
    risk = risk_at(cells, found)
    residual, weight = cells.events - cells.trials * risk, cells.trials * risk * (1 - risk)
    covariates = cells.design[cells.pattern]
    gradient = covariates.T @ residual - found.case_mix / prior.case_mix_log_odds.sd**2
    assert np.abs(found.case_mix_covariance @ gradient).max() < STATIONARY

    group = cells.group_of_unit
    centre = np.array([found.unit_mode[group == g].mean() for g in range(len(cells.groups))])
    penalty = found.group_spread[group] ** -2.0
    gradient = cells.by_unit(residual) - penalty * (found.unit_mode - centre[group])
    assert np.abs(gradient / (cells.by_unit(weight) + penalty)).max() < 5 * STATIONARY


def test_the_covariance_is_the_block_of_the_inverse_of_the_whole_curvature():
    cells = prepared()
    found = near(cells)
    risk = risk_at(cells, found)
    weight = cells.trials * risk * (1 - risk)
    whole = np.hstack([cells.design[cells.pattern], np.eye(len(cells.units))[cells.unit]])
    prior = np.r_[
        np.full(len(cells.terms), priors.binomial().case_mix_log_odds.sd ** -2.0),
        found.group_spread[cells.group_of_unit] ** -2.0,
    ]
    inverse = np.linalg.inv(whole.T @ (whole * weight[:, None]) + np.diag(prior))
    k = len(cells.terms)
    np.testing.assert_allclose(found.case_mix_covariance, inverse[:k, :k], rtol=0.02)


def test_what_a_unit_says_by_itself_is_its_information_and_its_working_observation():
    cells = prepared()
    found = near(cells)
    risk = risk_at(cells, found)
    information = cells.by_unit(cells.trials * risk * (1 - risk))
    np.testing.assert_allclose(found.unit_information, information, rtol=1e-12)
    surplus = cells.by_unit(cells.events - cells.trials * risk)
    np.testing.assert_allclose(found.unit_level, found.unit_mode + surplus / information, rtol=1e-12)


def test_much_data_without_case_mix_gives_the_crude_log_odds():
    frame = pd.DataFrame(
        {
            "unit": list("abcd"),
            "group": list("XXYY"),
            "events": [10_000, 20_000, 30_000, 40_000],
            "n": 100_000,
        }
    )
    found = near(prepared(frame, case_mix=[]))
    assert found.unit_mode == pytest.approx(logit([0.1, 0.2, 0.3, 0.4]), abs=STATIONARY)
    assert found.case_mix.shape == (0,)


def test_much_data_gives_the_true_case_mix_effects():
    frame = counts(5, size=200_000, spread=0.0)
    found, cells = near(prepared(frame)), prepared(frame)
    # Truth of units_toys: 0.4 a step of age, 0.2 for men; four standard errors of about 0.006.
    truth = {
        "age: old v middle": 0.4, "age: middle v old": -0.4, "age: middle v young": 0.4,
        "age: young v middle": -0.4, "age: old v young": 0.8, "age: young v old": -0.8,
        "sex: male v female": 0.2, "sex: female v male": -0.2,
    }  # fmt: skip
    assert found.case_mix == pytest.approx([truth[term] for term in cells.terms], abs=0.03)


def hostile(name):
    frame = counts()
    changes = {
        "no events": {"events": 0},
        "all events": {"events": frame["n"]},
        "one patient each": {"n": 1, "events": frame["events"].clip(upper=1)},
        "huge": {"n": 10**9, "events": 10**8},
        "one event in all": {"events": [1] + [0] * (len(frame) - 1)},
        "the same factor twice": {"sex": frame["age"]},
        "case mix tells units apart": {"age": frame["unit"]},
        "case mix tells the outcome": {"age": np.where(frame["events"] > 3, "bad", "good")},
    }
    return frame.assign(**changes[name])


@pytest.mark.parametrize(
    "name",
    [
        "no events", "all events", "one patient each", "huge", "one event in all", "the same factor twice",
        "case mix tells units apart", "case mix tells the outcome",
    ],
)  # fmt: skip
@pytest.mark.parametrize("prior", list(priors.BINOMIAL_PRIORS))
def test_hostile_data_give_usable_coordinates(name, prior):
    cells = prepared(hostile(name), case_mix=CASE_MIX)
    found = near(cells, prior)
    for values in (found.case_mix, found.unit_mode, found.unit_level, found.group_spread):
        assert np.isfinite(values).all()
    assert (found.unit_information > 0).all()
    assert (found.group_spread > 0).all()
    assert np.linalg.eigvalsh(found.case_mix_covariance).min() > 0
    assert np.abs(found.unit_mode).max() < 40
