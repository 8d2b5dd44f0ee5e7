import math

import pytest

from soa_evidence import priors
from soa_evidence.errors import InputError


def test_the_named_sets_are_found_under_their_own_names():
    for name, made in priors.BINOMIAL_PRIORS.items():
        assert priors.binomial(name) is made
        assert made.name == name
    assert priors.binomial().name == "default"
    assert set(priors.BINOMIAL_PRIORS) == {"default", "diffuse", "sceptical"}


def test_an_unknown_set_is_refused_with_the_nearest():
    with pytest.raises(InputError, match=r"no set of priors 'skeptical'.* Did you mean 'sceptical'\?"):
        priors.binomial("skeptical")
    with pytest.raises(InputError, match="Expected one of: default, diffuse, sceptical"):
        priors.binomial("mine")


@pytest.mark.parametrize("sd", [0, -1, float("nan")])
def test_a_normal_prior_needs_a_positive_spread(sd):
    with pytest.raises(InputError, match="needs a standard deviation above 0"):
        priors.Normal(mean=0, sd=sd, because="no reason")


def test_what_the_names_promise():
    default, diffuse, sceptical = (priors.binomial(n) for n in ("default", "diffuse", "sceptical"))
    for field in ("common_log_odds", "common_log_spread", "case_mix_log_odds"):
        assert getattr(diffuse, field).sd > getattr(default, field).sd
        assert getattr(sceptical, field) == getattr(default, field)
    assert sceptical.class_log_odds_sd < default.class_log_odds_sd < diffuse.class_log_odds_sd


def test_the_default_spread_is_what_its_reason_says():
    prior = priors.binomial().common_log_spread
    assert math.exp(prior.mean) == pytest.approx(0.2, rel=1e-12)
    low, high = (math.exp(prior.mean + sign * 1.96 * prior.sd) for sign in (-1, 1))
    assert 0.04 < low < 0.06
    assert 0.7 < high < 0.9
    assert math.exp(0.2) == pytest.approx(1.22, abs=0.005)  # "22 % higher odds"


def test_every_prior_is_tabled_with_its_reason():
    for made in priors.BINOMIAL_PRIORS.values():
        table = made.table()
        assert list(table.columns) == ["parameter", "distribution", "because"]
        assert len(table) == 5
        assert (table["because"].str.len() > 10).all()
        assert len(made.because) > 10
    text = priors.binomial().table()["distribution"].tolist()
    assert text == [
        "Normal(0, 2.5)",
        "Normal(common level, 0.5)",
        "Normal(-1.61, 0.7)",
        "Normal(typical, 0.5)",
        "Normal(0, 1)",
    ]
