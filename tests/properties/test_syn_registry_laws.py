"""Laws of the synthetic registry: its seed, its size, its order."""

from dataclasses import fields

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from soa_evidence.evidence import syn_registry
from soa_evidence.evidence.registry.rows import NO_DATE, Rows
from soa_evidence.evidence.registry.rules import impossible

PARAMETERS = {name: syn_registry.of_scenario(name) for name in syn_registry.SCENARIOS}
SEEDS = st.integers(0, 2**63 - 1)
SIZES = st.integers(1, 9000)
SCENARIO = st.sampled_from(syn_registry.SCENARIOS)
EXAMPLES = settings(max_examples=12, deadline=None)


def make(scenario, size, seed):
    return syn_registry.generate(PARAMETERS[scenario], size=size, seed=seed).rows


def same(one: Rows, two: Rows) -> bool:
    return all(
        getattr(one, f.name) == getattr(two, f.name)
        if isinstance(getattr(one, f.name), tuple)
        else getattr(one, f.name).tobytes() == getattr(two, f.name).tobytes()
        for f in fields(Rows)
    )


@EXAMPLES
@given(SCENARIO, SIZES, SEEDS)
def test_the_same_seed_gives_the_same_bytes(scenario, size, seed):
    assert same(make(scenario, size, seed), make(scenario, size, seed))


@EXAMPLES
@given(SCENARIO, SIZES, SIZES, SEEDS)
def test_a_smaller_registry_begins_a_larger_one(scenario, one, two, seed):
    small, large = sorted((one, two))
    assert same(make(scenario, small, seed), make(scenario, large, seed).take(slice(0, small)))


@EXAMPLES
@given(SIZES, SEEDS)
def test_another_seed_gives_other_people(size, seed):
    one, two = make("default", size + 20, seed), make("default", size + 20, seed + 1)
    assert not np.array_equal(one.primary_date, two.primary_date)


@EXAMPLES
@given(SCENARIO, SIZES, SEEDS)
def test_no_row_is_impossible(scenario, size, seed):
    rows = make(scenario, size, seed)
    assert len(rows) == size
    assert list(impossible(rows, extract_day=int(rows.follow_up_end.max()))) == []


@EXAMPLES
@given(SIZES, SEEDS)
def test_rows_stand_in_the_order_of_people_and_dates(size, seed):
    rows = make("default", size, seed)
    step = np.diff(rows.person)
    assert (step >= 0).all()
    assert (np.diff(rows.primary_date)[step == 0] >= 0).all()
    assert (rows.death_date[1:] == rows.death_date[:-1])[step == 0].all()


@EXAMPLES
@given(SIZES, SEEDS)
def test_scenarios_share_their_people_and_their_deaths(size, seed):
    one, two = make("default", size, seed), make("referral_bias", size, seed)
    for name in ("person", "age", "sex", "asa", "primary_date", "death_date"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))


@EXAMPLES
@given(SIZES, SEEDS)
def test_a_higher_hazard_never_spares_a_joint(size, seed):
    """With the same clocks and twice the hazard, who was revised is revised no later."""
    more = PARAMETERS["default"].changed(
        {name: 2 * value for name, value in PARAMETERS["default"].values.items() if name.endswith("ten_year")}
    )
    base, twice = make("default", size, seed), syn_registry.generate(more, size=size, seed=seed).rows
    revised = base.revision_date != NO_DATE
    assert (twice.revision_date[revised] != NO_DATE).all()
    assert (twice.revision_date[revised] <= base.revision_date[revised]).all()
