"""Frontier, net benefit, value of information, tornado, break-even, budget: arithmetic and closed forms."""

import numpy as np
import pytest
from scipy import stats

from soa_evidence.economics import budget, cohort, decision, information, psa, sensitivity
from soa_evidence.economics.outcomes import Outcomes
from soa_evidence.errors import InputError
from soa_evidence.results import Check
from tests.unit import economics_toys as toys

CHECK = (Check(name="a", verdict="pass", observed="1", expected="1", why="a test"),)


def outcomes(costs, qalys, names=("a", "b")):
    shape = np.zeros_like(np.asarray(costs, float))
    return Outcomes(
        strategies=names,
        costs=costs,
        qalys=qalys,
        life_years=shape,
        first_revisions=shape,
        revisions=shape,
        trace=np.zeros((2, 7, len(names))),
        counting="end",
        checks=CHECK,
    )


@pytest.fixture(scope="module")
def run():
    model = toys.tiny_model(death=np.full(20, 0.04))
    return psa.run(model, toys.tiny_inputs(), draws=2000, seed=4)


def test_strict_and_extended_dominance():
    found = decision.frontier([0, 10, 20, 40, 30], [0, 1, 1.5, 4, 0.5], list("abcde")).set_index("strategy")
    # b: 10 a unit; c: 20 a unit, but d against b is 10 a unit, so c is dominated by a mixture; then b
    # equals d's
    assert found.loc["e", "status"] == "dominated"
    assert found.loc["c", "status"] == "extendedly dominated"
    assert found.loc["d", "status"] == "on the frontier"
    assert found.loc["d", "icer"] == pytest.approx(10)


def test_of_two_that_cost_the_same_the_better_stays():
    found = decision.frontier([5, 5], [1, 2], ["a", "b"]).set_index("strategy")
    assert found["status"].to_dict() == {"a": "dominated", "b": "on the frontier"}


def test_net_benefit_and_acceptability_by_hand():
    found = decision.analyse(outcomes([[0, 10], [0, 30]], [[0, 0.001], [0, 0.001]]), threshold=20000)
    np.testing.assert_allclose(found.net_benefit.draws[:, 0], [20 - 10, 20 - 30])
    np.testing.assert_allclose(found.net_health.draws[:, 0], [10 / 20000, -10 / 20000])
    at = found.acceptability.query("threshold == 20000").set_index("strategy")["probability"]
    assert at.to_dict() == {"a": 0.5, "b": 0.5}
    assert found.evpi_at(20000) == pytest.approx((10 + 0) / 2 - 0)
    assert len(found.plane()) == 2


def test_value_of_certainty_of_a_normal_is_its_closed_form():
    """EVPI = s φ(m/s) − |m| Φ(−|m|/s)."""
    m, s, n = -0.5, 1.0, 200_000
    gain = m + s * stats.norm.ppf((np.arange(n) + 0.5) / n)
    two = outcomes(np.column_stack([np.zeros(n), -gain]), np.zeros((n, 2)))
    found = decision.analyse(two, threshold=1.0, thresholds=[1.0])
    assert found.evpi_at(1.0) == pytest.approx(
        s * stats.norm.pdf(m / s) - abs(m) * stats.norm.cdf(-abs(m) / s), rel=1e-4
    )


def test_partial_information_of_a_normal_sum_is_its_closed_form():
    """d = m + x + z: knowing x is worth s_x φ(m/s_x) − |m| Φ(−|m|/s_x), and a study of x less, "
    "by its reliability."""
    rng = np.random.default_rng(2)
    n, m, s = 20_000, -0.3, 1.0
    x, z = s * rng.standard_normal(n), rng.standard_normal(n)
    noise = rng.standard_normal(n) * 0.5
    gain = np.column_stack([np.zeros(n), m + x + z])
    found = information._information(
        {"x": x[:, None], "study": (x + noise)[:, None], "nothing": z[::-1][:, None]}, gain, 1, 1, CHECK, "v"
    )

    def worth(sd):
        return sd * stats.norm.pdf(m / sd) - abs(m) * stats.norm.cdf(-abs(m) / sd)

    table = found.table().set_index("label")
    error = (table["upper"] - table["lower"]) / 3.92
    for label, sd in {"x": s, "study": s**2 / np.sqrt(s**2 + 0.25), "nothing": 1e-9}.items():
        assert abs(table.loc[label, "estimate"] - worth(sd)) < 4 * error[label] + 0.002, label


def test_information_falls_as_it_should(run):
    groups = {"ratio": ["ratio"], "ratio and cost": ["ratio", "cost_revision"], "deaths": ["death_primary"]}
    found = information.evppi(run, groups, threshold=20000, seed=1)
    table = found.table().set_index("label")["estimate"]
    assert found.evpi >= table.max()
    assert table["ratio and cost"] >= table["ratio"] - 1
    assert table["ratio"] > table["deaths"]
    sizes = {
        str(n): information.registry_study(run, log_hazard_ratio="ratio", patients=n, years=5, seed=1)
        for n in (50, 2000, 10**6)
    }
    worth = information.evsi(run, sizes, threshold=20000, seed=1).table().set_index("label")["estimate"]
    assert worth["50"] < worth["2000"] < worth["1000000"] + 1
    people = found.population(patients_per_year=100, years=2.5, discount=0.0)
    assert people["patients"].iloc[0] == pytest.approx(250)


def test_few_units_cap_what_many_patients_can_teach(run):
    many = {"log_hazard_ratio": "ratio", "patients": 10**6, "years": 5, "seed": 1}
    studies = {
        "sure": information.registry_study(run, **many),
        "three units": information.registry_study(run, between_units=0.5, units=3, **many),
    }
    worth = information.evsi(run, studies, threshold=20000, seed=1).table().set_index("label")["estimate"]
    assert worth["three units"] < worth["sure"]


def test_a_tornado_is_single_runs(run):
    found = sensitivity.tornado(run.model, run.inputs, strategy="specialist", threshold=20000).set_index(
        "name"
    )
    table = run.inputs.table().set_index("name")
    for name in ("ratio", "cost_revision"):
        values = run.inputs.values() | {name: np.array([table.loc[name, "upper"]])}
        gain = cohort.run(run.model, values).net_benefit(20000)
        assert found.loc[name, "at_high"] == pytest.approx(gain[0, 1] - gain[0, 0])
    width = (found["at_high"] - found["at_low"]).abs()
    assert width.is_monotonic_decreasing


def test_at_the_break_even_ratio_nothing_is_gained_or_lost(run):
    found = sensitivity.break_even(
        run.model, run.inputs, strategy="specialist", threshold=20000, draws=100, seed=1
    )
    out = cohort.run(run.model, run.inputs.values() | {"ratio": np.log([found.ratio])})
    gain = out.net_benefit(20000)
    assert gain[0, 1] == pytest.approx(gain[0, 0], abs=0.01)
    assert found.revisions_avoided == pytest.approx(
        out.first_revisions[0, 0] - out.first_revisions[0, 1], rel=1e-4
    )
    assert 0 < found.possible <= 1


def test_an_extra_cost_that_no_ratio_pays_for_is_told(run):
    dear = run.inputs.replaced(toys.parameters.fixed("extra", 10**7, **toys.POUNDS))
    found = sensitivity.break_even(run.model, dear, strategy="specialist", threshold=20000, draws=100, seed=1)
    assert found.ratio == 0
    assert found.possible == 0
    assert found.log_ratio is None
    assert found.checks[0].verdict == "warn"


def test_one_revision_avoided_is_worth_its_parts(run):
    found = sensitivity.per_revision(
        run.model, run.inputs, strategy="specialist", threshold=20000, draws=200, seed=1
    )
    np.testing.assert_allclose(
        found.of("worth in GBP"), 20000 * found.of("QALYs gained") + found.of("GBP saved")
    )
    # a first revision costs its price, discounted, and what follows it
    assert 0 < found.of("GBP saved").mean() < 2 * 8000


def test_an_input_is_solved_for(run):
    at = sensitivity.solve(
        run.model, run.inputs, name="constant", measure="first_revisions", target=0.2, low=-8, high=-1
    )
    out = cohort.run(run.model, run.inputs.values() | {"constant": np.array([at])})
    assert out.first_revisions[0, 0] == pytest.approx(0.2, abs=1e-6)


def test_choices_are_break_evens_side_by_side(run):
    cases = {"as it is": (run.model, run.inputs), "a year": (run.model.changed(effect_years=1), run.inputs)}
    found = sensitivity.choices(cases, strategy="specialist", threshold=20000, draws=100, seed=1).set_index(
        "choice"
    )
    assert found.loc["as it is", "ratio"] > found.loc["a year", "ratio"]


def test_two_years_of_a_budget_by_hand():
    model = toys.tiny_model()
    run = psa.run(model, toys.tiny_inputs(), draws=100, seed=1)
    found = budget.impact(run, strategy="specialist", patients_per_year=10, years=2)
    free = {"discount_costs": 0.0, "discount_effects": 0.0}
    one, two = (
        np.diff(cohort.run(toys.tiny_model(death=model.death[:k], **free), run.drawn).costs, axis=1)[:, 0]
        for k in (1, 2)
    )
    np.testing.assert_allclose(found.yearly.of("1"), 10 * one)
    np.testing.assert_allclose(found.running.of("2"), 10 * (one + two))
    assert found.break_even_year is None
    assert found.table()["year"].tolist() == ["1", "2"]


def test_a_budget_that_pays_back_says_when():
    inputs = toys.tiny_inputs().replaced(toys.parameters.fixed("extra", 1.0, **toys.POUNDS))
    run = psa.run(toys.tiny_model(death=np.full(10, 0.02)), inputs, draws=200, seed=1)
    found = budget.impact(run, strategy="specialist", patients_per_year=10, years=10)
    assert found.break_even_year == 1
    assert found.probability_paid_back > 0.5


TWO = outcomes([[0, 1], [0, 2]], [[0, 1], [0, 1]])
BAD = [
    (lambda run: decision.frontier([1, 2], [1], ["a"]), "as many of each"),
    (lambda run: decision.frontier([1, np.nan], [1, 2], ["a", "b"]), "finite costs"),
    (lambda run: decision.frontier([1, 2], [1, 2], ["a", "a"]), "repeat a label"),
    (lambda run: decision.analyse(TWO, threshold=0), "above 0"),
    (lambda run: decision.analyse(TWO, threshold=1, thresholds=[-5]), "expected 0 or more"),
    (lambda run: decision.analyse(TWO, threshold=1, reference="c"), "no strategy 'c'"),
    (
        lambda run: decision.analyse(outcomes([[1.0]], [[1.0]], ("a",)), threshold=1),
        "two strategies and two draws",
    ),
    (lambda run: decision.analyse(TWO, threshold=1).evpi_at(3), "not computed at 3"),
    (lambda run: information.evppi(run, {}, threshold=1, seed=1), "no group"),
    (lambda run: information.evppi(run, {"a": ["ration"]}, threshold=1, seed=1), "Did you mean 'ratio'"),
    (lambda run: information.evppi(run, {"a": []}, threshold=1, seed=1), "expected 1 to 6"),
    (lambda run: information.evsi(run, {}, threshold=1, seed=1), "no study"),
    (lambda run: information.evsi(run, {"a": [1, 2]}, threshold=1, seed=1), "a finite one for each of 2000"),
    (
        lambda run: information.registry_study(run, log_hazard_ratio="rat", patients=5, years=1, seed=1),
        "no input 'rat'",
    ),
    (
        lambda run: information.registry_study(run, log_hazard_ratio="ratio", patients=0, years=1, seed=1),
        "cannot be simulated",
    ),
    (
        lambda run: sensitivity.break_even(
            run.model, run.inputs, strategy="general", threshold=1, draws=9, seed=1
        ),
        "no hazard ratio",
    ),
    (
        lambda run: sensitivity.break_even(
            run.model, run.inputs, strategy="special", threshold=1, draws=9, seed=1
        ),
        "no strategy",
    ),
    (
        lambda run: sensitivity.per_revision(
            run.model, run.inputs, strategy="specialist", threshold=1, draws=9, seed=1, ratio=2
        ),
        "below 1",
    ),
    (
        lambda run: sensitivity.solve(
            run.model, run.inputs, name="constant", measure="qalys", target=99, low=-8, high=-1
        ),
        "not between them",
    ),
    (lambda run: budget.impact(run, strategy="specialist", patients_per_year=0, years=2), "above 0"),
    (
        lambda run: budget.impact(run, strategy="specialist", patients_per_year=5, years=200),
        "the model's cycles",
    ),
    (
        lambda run: information.evppi(run, {"a": ["ratio"]}, threshold=1, seed=1).population(
            patients_per_year=0, years=1, discount=0
        ),
        "above 0",
    ),
]


@pytest.mark.parametrize(("call", "message"), BAD, ids=[message for _, message in BAD])
def test_bad_input_is_told(run, call, message):
    with pytest.raises(InputError, match=message):
        call(run)
