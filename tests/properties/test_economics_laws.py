"""Laws of the decision model: what must hold whatever the inputs."""

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from soa_evidence.economics import cohort, decision, information, inputs, parameters, psa
from tests.unit import economics_toys as toys
from tests.unit.test_economics_decision import outcomes

FEW = settings(max_examples=25)
share = st.floats(0.001, 0.05)
utility = st.floats(0.2, 1.0)
hazard = st.floats(0.001, 0.2)


def values(**changes):
    return toys.tiny_values(**changes)


@FEW
@given(hazard, share, st.floats(0.2, 3), st.sampled_from(["end", "start", "half-cycle"]))
def test_nobody_is_lost_and_the_dead_stay_dead(rate, again, ratio, counting):
    model = toys.tiny_model(death=np.linspace(0.01, 0.3, 30), counting=counting)
    out = cohort.run(model, values(constant=np.log(rate), ratio=np.log(ratio), re_revision=again))
    np.testing.assert_allclose(out.trace.sum(axis=1), 1, atol=1e-12)
    assert (out.trace >= -1e-15).all()
    assert (np.diff(out.trace[:, -1], axis=0) >= -1e-15).all()
    assert (out.revisions >= out.first_revisions - 1e-15).all()


@FEW
@given(hazard, st.floats(0, 2000))
def test_equal_strategies_differ_in_nothing(rate, extra):
    out = cohort.run(toys.tiny_model(), values(constant=np.log(rate), ratio=0.0, extra=0.0))
    for measure in ("costs", "qalys", "revisions"):
        assert (out.incremental(measure).draws == 0).all()
    dearer = cohort.run(toys.tiny_model(), values(constant=np.log(rate), ratio=0.0, extra=extra))
    np.testing.assert_allclose(dearer.incremental("costs").draws, extra, atol=1e-9)


@FEW
@given(hazard, utility)
def test_without_discounting_qalys_at_one_utility_are_that_utility_times_years(rate, u):
    model = toys.tiny_model(
        discount_costs=0.0, discount_effects=0.0, death=np.full(15, 0.05), counting="half-cycle"
    )
    same = {"utility_primary": u, "utility_revision_year": u, "utility_revised": u}
    out = cohort.run(model, values(constant=np.log(rate), **same))
    np.testing.assert_allclose(out.qalys, u * out.life_years)


@FEW
@given(hazard, st.floats(0.3, 0.99))
def test_fewer_revisions_never_cost_more_and_discounting_never_adds(rate, ratio):
    model = toys.tiny_model(death=np.full(15, 0.05))
    given_values = values(constant=np.log(rate), ratio=np.log(ratio), extra=0.0)
    out = cohort.run(model, given_values)
    assert out.costs[0, 1] <= out.costs[0, 0]
    assert out.qalys[0, 1] >= out.qalys[0, 0]
    free = cohort.run(replace(model, discount_costs=0.0, discount_effects=0.0), given_values)
    assert (free.qalys >= out.qalys).all()
    assert (free.costs >= out.costs).all()


@FEW
@given(st.permutations(range(4)), st.integers(0, 2**31))
def test_order_of_draws_and_scale_of_money_do_not_matter(order, seed):
    rng = np.random.default_rng(seed)
    cost, effect = rng.gamma(2, 100, (4, 3)), rng.random((4, 3))
    names = ("a", "b", "c")
    one = decision.analyse(outcomes(cost, effect, names), threshold=500, thresholds=[500])
    two = decision.analyse(outcomes(cost[order], effect[order], names), threshold=500, thresholds=[500])
    ten = decision.analyse(outcomes(10 * cost, effect, names), threshold=5000, thresholds=[5000])
    np.testing.assert_allclose(one.evpi_at(500), two.evpi_at(500), atol=1e-9)
    np.testing.assert_allclose(10 * one.evpi_at(500), ten.evpi_at(5000), atol=1e-8)
    assert one.evpi_at(500) >= -1e-9
    assert one.best == two.best == ten.best


@FEW
@given(st.integers(0, 2**31), st.integers(2, 8))
def test_a_frontier_is_convex_and_holds_the_best_at_every_threshold(seed, n):
    rng = np.random.default_rng(seed)
    c, e = rng.gamma(2, 100, n), rng.random(n)
    found = decision.frontier(c, e, [str(i) for i in range(n)])
    on = found[found["status"] == "on the frontier"]
    assert (np.diff(on["icer"].iloc[1:]) > 0).all()
    for threshold in (1.0, 300.0, 5000.0):
        best = found.loc[(threshold * found["effect"] - found["cost"]).idxmax(), "strategy"]
        assert best in set(on["strategy"])


@given(st.integers(0, 1000))
@settings(max_examples=3)  # each runs a whole probabilistic analysis
def test_a_part_is_never_worth_more_than_the_whole(seed):
    run = psa.run(toys.tiny_model(death=np.full(10, 0.05)), toys.tiny_inputs(), draws=700, seed=seed)
    groups = {
        "all": ["constant", "ratio", "cost_revision", "utility_primary", "utility_revised"],
        "ratio": ["ratio"],
    }
    found = information.evppi(run, groups, threshold=20000, seed=seed)
    table = found.table().set_index("label")["estimate"]
    assert (table >= 0).all()
    assert (table <= found.evpi).all()


def test_the_mean_of_draws_is_the_model_at_the_means_where_it_is_linear():
    linear = toys.tiny_inputs().replaced(
        *(
            parameters.fixed(n, x, unit=u, **toys.SAID)
            for n, x, u in (
                ("constant", np.log(0.05), "log hazard"),
                ("ratio", np.log(0.8), "log hazard ratio"),
                ("death_primary", 0.005, "probability"),
                ("death_revision", 0.02, "probability"),
                ("re_revision", 0.04, "probability"),
            )
        )
    )
    run = psa.run(toys.tiny_model(death=np.full(20, 0.04)), linear, draws=4000, seed=1)
    for measure in ("costs", "qalys"):
        drawn, centre = run.outcomes.of(measure), run.deterministic.of(measure)[0]
        error = drawn.std(axis=0, ddof=1) / np.sqrt(len(drawn))
        assert (np.abs(drawn.mean(axis=0) - centre) < 4 * error + 1e-12).all()


def test_inputs_are_what_was_assembled():
    again = inputs.assemble(*reversed(toys.tiny_inputs().parameters))
    one, two = toys.tiny_inputs().draw(50, seed=3), again.draw(50, seed=3)
    for name in one:
        np.testing.assert_array_equal(one[name], two[name])
