import arviz as az
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from soa_evidence import priors
from soa_evidence.results.power_scaling import check, power_scaling
from soa_evidence.units.log_prior import log_prior

SHAPE = (4, 1000)


def posterior(**arrays):
    return az.from_dict({"posterior": arrays})["posterior"].dataset


def test_the_log_prior_is_the_sum_of_the_named_densities():
    made = posterior(
        common=np.array([[0.3]]),
        typical_log_spread=np.array([[-1.0]]),
        class_level=np.array([[[0.1, 0.9]]]),
        class_log_spread=np.array([[[-1.5, -0.5]]]),
        case_mix=np.array([[[0.2, -0.4, 0.0]]]),
    )
    log = stats.norm.logpdf
    expected = (
        log(0.3, 0, 2.5)
        + log(-1.0, np.log(0.2), 0.7)
        + log(0.1, 0.3, 0.5) + log(0.9, 0.3, 0.5)
        + log(-1.5, -1.0, 0.5) + log(-0.5, -1.0, 0.5)
        + log(0.2, 0, 1) + log(-0.4, 0, 1) + log(0.0, 0, 1)
    )  # fmt: skip
    assert log_prior(made, priors.binomial())[0, 0] == pytest.approx(expected, abs=1e-12)
    without = log_prior(made.drop_vars("case_mix"), priors.binomial())
    assert without[0, 0] == pytest.approx(expected - log(0.2) - log(-0.4) - log(0.0), abs=1e-12)


def test_another_set_of_priors_is_another_density():
    made = posterior(
        common=np.zeros((1, 1)),
        typical_log_spread=np.full((1, 1), np.log(0.2)),
        class_level=np.array([[[-0.5, 0.5]]]),
        class_log_spread=np.full((1, 1, 2), np.log(0.2)),
    )
    default, sceptical = (log_prior(made, priors.binomial(name))[0, 0] for name in ("default", "sceptical"))
    normal = stats.norm.logpdf
    assert default - sceptical == pytest.approx(2 * (normal(0.5, 0, 0.5) - normal(0.5, 0, 0.1)))


def scaled(*, prior_sd, data_sd):
    """A normal mean whose prior and likelihood are known: which of the two decides."""
    rng = np.random.default_rng(0)
    precision = prior_sd**-2 + data_sd**-2
    draws = 1.0 * data_sd**-2 / precision + precision**-0.5 * rng.standard_normal(SHAPE)
    return power_scaling(
        {"mean": draws},
        log_prior=stats.norm.logpdf(draws, 0, prior_sd),
        log_likelihood=stats.norm.logpdf(draws, 1.0, data_sd),
    )


def test_much_data_decide():
    table = scaled(prior_sd=10.0, data_sd=0.1)
    assert table["reading"].tolist() == ["the data decide"]
    found = check(table)
    assert found.verdict == "pass"
    assert "(mean)" in found.observed


def test_a_prior_that_matters_is_warned_of():
    table = scaled(prior_sd=0.1, data_sd=3.0)
    assert table["reading"].tolist() == ["the prior matters"]
    assert check(table).verdict == "warn"
    assert "1 of 1 quantities follow the prior" in check(table).observed


def test_prior_and_data_that_pull_apart_are_named():
    table = scaled(prior_sd=0.2, data_sd=0.2)
    assert table["reading"].tolist() == ["prior and data pull apart"]
    assert check(table).verdict == "warn"


def test_every_quantity_keeps_its_name_and_place():
    rng = np.random.default_rng(1)
    draws = {f"difference, {name}": rng.standard_normal(SHAPE) for name in ("z", "a <b>", "hip/knee")}
    table = power_scaling(draws, log_prior=draws["difference, a <b>"], log_likelihood=draws["difference, z"])
    assert table["quantity"].tolist() == list(draws)
    assert table.sort_values("prior")["quantity"].iloc[-1] == "difference, a <b>"


@pytest.mark.filterwarnings("ignore:invalid value encountered:RuntimeWarning")
def test_what_cannot_be_computed_is_not_taken_as_small():
    rng = np.random.default_rng(2)
    table = power_scaling(
        {"constant": np.ones(SHAPE), "fine": rng.standard_normal(SHAPE)},
        log_prior=0.001 * rng.standard_normal(SHAPE),
        log_likelihood=rng.standard_normal(SHAPE),
    )
    assert table["reading"].iloc[0] == "cannot be computed"
    found = check(table)
    assert found.verdict == "warn"
    assert found.observed.startswith("nan (constant); 1 of 2")


def test_the_worst_quantity_is_the_one_named():
    table = pd.DataFrame({"quantity": ["a", "b", "c"], "prior": [0.01, 0.2, 0.04], "likelihood": 0.1})
    assert check(table).observed == "0.200 (b); 1 of 3 quantities follow the prior"
    assert check(table.iloc[[0, 2]]).observed == "0.040 (c)"
