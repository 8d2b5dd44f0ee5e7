"""Diagnostics on hand-made chains: what is good passes, what is bad fails, what is unknown never passes."""

import arviz as az
import numpy as np
import pytest

from soa_evidence import sampling
from soa_evidence.errors import InputError
from soa_evidence.results import combine_verdicts
from soa_evidence.sampling import Settings, convergence_checks

CHAINS, DRAWS = 4, 500
R_HAT, BULK, TAIL = "R-hat, largest", *(f"effective sample size, {k}, smallest" for k in ("bulk", "tail"))
ENERGY = "energy fraction (E-BFMI), smallest over chains"


def tree(values=None, *, energy=None, diverging=None, **more):
    rng = np.random.default_rng(1)
    good = rng.standard_normal((CHAINS, DRAWS))
    posterior = {"good": good, **more} if values is None else {"good": good, "mu": values, **more}
    stats = {
        "energy": rng.standard_normal((CHAINS, DRAWS)) if energy is None else energy,
        "diverging": np.zeros((CHAINS, DRAWS), bool) if diverging is None else diverging,
    }
    return az.from_dict({"posterior": posterior, "sample_stats": stats})


def verdicts(made, **more):
    return {check.name: check.verdict for check in convergence_checks(made, **more)}


def observed(made, name):
    return next(check.observed for check in convergence_checks(made) if check.name == name)


def test_independent_draws_pass_every_check():
    assert verdicts(tree()) == dict.fromkeys((R_HAT, BULK, TAIL, "divergences", ENERGY), "pass")


def test_every_check_says_why_and_what_was_expected():
    for check in convergence_checks(tree()):
        assert len(check.why) > 20
        assert check.expected
        assert check.observed


def test_chains_in_different_places_fail_and_the_parameter_is_named():
    apart = np.random.default_rng(2).standard_normal((CHAINS, DRAWS)) + 10 * np.arange(CHAINS)[:, None]
    made = tree(apart)
    found = verdicts(made)
    assert found[R_HAT] == found[BULK] == "fail"
    assert "(mu)" in observed(made, R_HAT)


def test_one_stuck_element_among_many_is_seen():
    values = np.random.default_rng(3).standard_normal((CHAINS, DRAWS, 30))
    values[0, :, 17] = 5.0
    assert verdicts(tree(units=values))[R_HAT] == "fail"


@pytest.mark.parametrize("bad", [np.full((CHAINS, DRAWS), 3.0), np.full((CHAINS, DRAWS), np.nan)])
@pytest.mark.filterwarnings("ignore:invalid value encountered:RuntimeWarning")
def test_a_diagnostic_that_cannot_be_computed_fails(bad):
    found = verdicts(tree(bad))
    assert found[R_HAT] == "fail"


def test_a_single_value_that_is_not_a_number_fails():
    values = np.random.default_rng(4).standard_normal((CHAINS, DRAWS))
    values[2, 100] = np.nan
    assert verdicts(tree(values))[R_HAT] == "fail"


def test_slow_chains_are_warned_of_before_they_fail():
    noise = np.random.default_rng(5).standard_normal((CHAINS, DRAWS))
    slow = np.empty_like(noise)
    slow[:, 0] = noise[:, 0]
    for i in range(1, DRAWS):  # autocorrelation 0.7: about 2000 * 0.3 / 1.7 = 350 draws' worth, of 400
        slow[:, i] = 0.7 * slow[:, i - 1] + np.sqrt(1 - 0.7**2) * noise[:, i]
    assert verdicts(tree(slow))[BULK] == "warn"
    slow = np.cumsum(noise, axis=1)
    assert verdicts(tree(slow))[BULK] == "fail"


def test_one_divergence_fails():
    diverging = np.zeros((CHAINS, DRAWS), bool)
    diverging[3, 7] = True
    made = tree(diverging=diverging)
    assert verdicts(made)["divergences"] == "fail"
    assert observed(made, "divergences") == "1"


def test_energy_that_creeps_is_warned_of():
    creeping = np.cumsum(np.random.default_rng(6).standard_normal((CHAINS, DRAWS)), axis=1)
    assert verdicts(tree(energy=creeping))[ENERGY] == "warn"


@pytest.mark.parametrize("value", [0.0, np.nan])
def test_energy_of_one_chain_that_never_moves_is_not_skipped(value):
    energy = np.random.default_rng(7).standard_normal((CHAINS, DRAWS))
    energy[1] = value
    made = tree(energy=energy)
    assert verdicts(made)[ENERGY] == "warn"
    assert observed(made, ENERGY) == "0.00"


def test_the_number_of_draws_needed_follows_the_number_of_chains():
    few = np.random.default_rng(8).standard_normal((2, 60))
    stats = {"energy": few, "diverging": np.zeros((2, 60), bool)}
    found = convergence_checks(az.from_dict({"posterior": {"mu": few}, "sample_stats": stats}))
    bulk = next(check for check in found if check.name == BULK)
    assert (bulk.verdict, bulk.expected) == ("warn", "at least 200")


@pytest.mark.filterwarnings("ignore:invalid value encountered:RuntimeWarning")
def test_only_the_named_parameters_are_looked_at_when_asked():
    made = tree(np.full((CHAINS, DRAWS), 1.0))
    assert combine_verdicts(convergence_checks(made)) == "fail"
    assert combine_verdicts(convergence_checks(made, parameters=["good"])) == "pass"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"chains": 1}, "1 chain cannot show convergence; use at least 2"),
        ({"draws": 9}, "draws=9, tune=.*: use at least 10 of each"),
        ({"tune": 0, "draws": 50}, "draws=50, tune=0: use at least 10 of each"),
        ({"target_accept": 1.0}, "target_accept=1.0 lies outside 0.5 to 1"),
        ({"target_accept": 0.5}, "target_accept=0.5 lies outside 0.5 to 1"),
        ({"target_accept": float("nan")}, "target_accept=nan lies outside"),
    ],
)
def test_settings_that_cannot_show_convergence_are_refused(changes, message):
    with pytest.raises(InputError, match=message):
        Settings(**changes)


def test_a_negative_seed_is_refused_before_anything_is_compiled():
    with pytest.raises(InputError, match="seed=-1: expected a whole number from 0 to 4294967295"):
        sampling.sample(None, seed=-1)


@pytest.mark.slow
def test_the_same_seed_gives_the_same_draws_and_every_chain_its_own():
    import pymc as pm

    settings = Settings(draws=50, tune=50, chains=2)
    with pm.Model() as model:
        pm.Normal("mu", 3.0, 0.1)

    first, again = (
        sampling.sample(model, seed=1, settings=settings)["posterior"]["mu"].to_numpy() for _ in range(2)
    )
    assert first.shape == (2, 50)
    np.testing.assert_array_equal(first, again)
    assert (first[0] != first[1]).all()
    assert first.mean() == pytest.approx(3.0, abs=0.1)
