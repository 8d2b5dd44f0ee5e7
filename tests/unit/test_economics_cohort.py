"""The cohort: two years by hand, a slow loop, life tables; every refusal says what is wrong."""

import time

import numpy as np
import pandas as pd
import pytest

from soa_evidence import evidence
from soa_evidence.economics import cohort, life_table, psa, revision_laws
from soa_evidence.errors import InputError
from tests.unit import economics_toys as toys

#: How many times as long as 100 draws 10,000 may take.
DRAWS_TOGETHER = 40


def test_two_years_by_hand():
    out = cohort.run(toys.tiny_model(), toys.tiny_values())
    p, q = 1 - np.exp(-0.1), 1 - np.exp(-0.05)
    for at, (risk, extra) in enumerate([(p, 0), (q, 100)]):
        intact, revised_now = 1 - (0.01 + 0.05) - risk, risk
        second = intact * risk
        cost = 1000 + extra + 2000 * revised_now / 1.035 + 2000 * second / 1.035**2
        first_year = 0.8 * intact + 0.4 * revised_now
        second_year = 0.8 * intact * (1 - risk - 0.06) + 0.4 * second + 0.7 * revised_now * (1 - 0.02 - 0.06)
        assert out.costs[0, at] == pytest.approx(cost)
        assert out.qalys[0, at] == pytest.approx(first_year / 1.035 + second_year / 1.035**2)
        assert out.first_revisions[0, at] == pytest.approx(revised_now + second)


def test_half_cycles_are_the_mean_of_start_and_end_without_discounting():
    free = {"discount_costs": 0.0, "discount_effects": 0.0}
    start, end, half = (
        cohort.run(toys.tiny_model(counting=c, **free), toys.tiny_values())
        for c in ("start", "end", "half-cycle")
    )
    np.testing.assert_allclose(half.qalys, (start.qalys + end.qalys) / 2)
    np.testing.assert_allclose(half.life_years, (start.life_years + end.life_years) / 2)
    np.testing.assert_allclose(
        half.costs, end.costs
    )  # an operation is paid for whenever in the year it is done


def test_many_draws_at_once_are_many_single_runs():
    model, inputs = toys.textbook_model(), toys.textbook_inputs()
    drawn = inputs.draw(30, seed=8)
    together = cohort.run(model, drawn)
    for at in range(30):
        alone = cohort.run(model, {name: values[at : at + 1] for name, values in drawn.items()})
        np.testing.assert_allclose(together.costs[at], alone.costs[0], rtol=1e-12)
        np.testing.assert_allclose(together.qalys[at], alone.qalys[0], rtol=1e-12)


def test_draws_are_run_together_not_one_by_one():
    model = toys.textbook_model(death=np.full(60, 0.02))

    def taken(draws):
        drawn = toys.textbook_inputs().draw(draws, seed=1)
        times = []
        for _ in range(3):
            began = time.process_time()
            cohort.run(model, drawn)
            times.append(time.process_time() - began)
        return min(times)

    # usually about 8; a loop over draws would make it 100
    assert taken(10_000) < DRAWS_TOGETHER * taken(100)


def test_an_effect_that_has_ended_is_gone_and_part_of_a_year_counts_in_part():
    model = toys.tiny_model(effect_years=1.0)
    out = cohort.run(model, toys.tiny_values())
    q, p = 1 - np.exp(-0.05), 1 - np.exp(-0.1)
    assert out.first_revisions[0, 1] == pytest.approx(q + (1 - 0.06 - q) * p)
    part = cohort.run(model.changed(effect_years=0.5), toys.tiny_values())
    r = 1 - np.exp(-0.1 * (0.5 * 0.5 + 0.5))
    assert part.first_revisions[0, 1] == pytest.approx(r + (1 - 0.06 - r) * p)


def test_points_on_a_weibull_line_are_the_weibull_and_a_shift_is_a_hazard_ratio():
    times = np.array([0.0, 3.0, 10.0, 15.0, 30.0])
    values = {"a": np.log([0.05]), "b": np.log([0.05 * 2**1.4]), "s": np.log([2.0])}
    law = revision_laws.Points(times=(10, 20), names=("a", "b"), beyond="same shape")
    np.testing.assert_allclose(law.cumulative(values, times)[0], 0.05 * (times / 10) ** 1.4)
    moved = revision_laws.Points(times=(10, 20), names=("a", "b"), beyond="same shape", shift="s")
    np.testing.assert_allclose(moved.cumulative(values, times)[0], 0.1 * (times / 10) ** 1.4)


def test_beyond_the_last_point_the_hazard_of_the_last_stretch_may_stay():
    law = revision_laws.Points(times=(10, 20), names=("a", "b"), beyond="constant hazard")
    values = {"a": np.log([0.05]), "b": np.log([0.15])}
    np.testing.assert_allclose(law.cumulative(values, np.array([20.0, 25.0]))[0], [0.15, 0.15 + 5 * 0.01])


def test_a_life_table_gives_back_its_own_life_expectancy():
    table = evidence.load("life-tables", toys.FOLDER).table().query("period == '2017-2019'")
    for sex in ("female", "male"):
        q = life_table.death_probabilities(
            table,
            age="age",
            sex="sex",
            probability="probability_of_death",
            start_age=70,
            shares={sex: 1.0},
            years=60,
        )
        alive = np.concatenate([[1], np.cumprod(1 - q)])
        printed = table.query("sex == @sex and age == 70")["life_expectancy"].iloc[0]
        assert (alive[:-1] + alive[1:]).sum() / 2 == pytest.approx(printed, abs=0.06)


def test_two_sexes_are_weighted_by_who_is_left():
    table = pd.DataFrame({"sex": ["f", "f", "m", "m"], "age": [70, 71] * 2, "q": [0.1, 0.1, 0.5, 0.5]})
    q = life_table.death_probabilities(
        table, age="age", sex="sex", probability="q", start_age=70, shares={"f": 0.5, "m": 0.5}, years=2
    )
    assert q.tolist() == pytest.approx([0.3, (0.45 * 0.1 + 0.25 * 0.5) / 0.7])


def test_utility_falls_as_the_norm_does():
    table = life_table.by_single_age(
        pd.DataFrame({"sex": ["f", "f"], "lo": [70, 72], "hi": [71, 73], "u": [0.8, 0.6]}),
        first="lo",
        last="hi",
    )
    found = life_table.relative_utility(
        table, age="age", sex="sex", utility="u", start_age=70, shares={"f": 1.0}, years=3
    )
    assert found.tolist() == pytest.approx([1, 1, 0.75, 0.75])


def test_psa_says_what_it_does_not_use_and_how_precise_it_is():
    run = psa.run(toys.textbook_model(), toys.textbook_inputs(), draws=200, seed=1)
    checks = {check.name: check for check in run.checks}
    assert checks["every input is used"].verdict == "pass"
    assert checks["Monte Carlo error of mean differences"].verdict == "warn"
    assert run.frame().shape == (200, len(run.inputs.names))
    again = psa.run(toys.textbook_model(), toys.textbook_inputs(), draws=200, seed=1)
    np.testing.assert_array_equal(run.outcomes.costs, again.outcomes.costs)


def test_outcomes_show_themselves():
    out = cohort.run(toys.tiny_model(), toys.tiny_values())
    assert "general" in repr(out)
    assert "<table" in out._repr_html_()
    assert out.occupancy().groupby(["strategy", "year"])["share"].sum().to_numpy() == pytest.approx(1)
    assert out.incremental("costs").labels == ("specialist minus general",)


def table(**changes):
    rows = {"sex": ["f", "f"], "age": [70, 71], "q": [0.1, 0.2]}
    return pd.DataFrame({**rows, **changes})


def deaths(frame=None, **changes):
    usual = {
        "age": "age",
        "sex": "sex",
        "probability": "q",
        "start_age": 70,
        "shares": {"f": 1.0},
        "years": 2,
    }
    return life_table.death_probabilities(table() if frame is None else frame, **{**usual, **changes})


def run(values=None, **model):
    return cohort.run(toys.tiny_model(**model), toys.tiny_values(**(values or {})))


def points(times=(10, 20), names=("a", "b"), beyond="same shape"):
    return revision_laws.Points(times=times, names=names, beyond=beyond)


FALLING = {"a": np.log([0.2, 0.1]), "b": np.log([0.1, 0.2])}
BAD = [
    (lambda: run({"death_revision": 1.2}), "'death_revision' is 1.2"),
    (lambda: run({"re_revision": -0.1}), "'re_revision' is -0.1"),
    (lambda: run({"utility_primary": 1.2}), "full health is 1"),
    (lambda: run({"cost_revision": -5}), "a cost is 0 or more"),
    (lambda: run({"cost_revision": np.nan}), "not finite"),
    (lambda: run({"cost_revision": [1, 2], "re_revision": [0.1, 0.2, 0.3]}), "of the same draws"),
    (lambda: run({"constant": np.log(3.0)}, death=[0.5, 0.5]), "would leave it"),
    (lambda: cohort.run(toys.tiny_model(), {"cost_revison": np.ones(1)}), "needs a parameter 'shape'"),
    (lambda: cohort.run(toys.tiny_model(revision=points()), toys.tiny_values()), "needs a parameter 'a'"),
    (lambda: toys.tiny_model(strategies=()), "at least one"),
    (lambda: toys.tiny_model(strategies=(cohort.Strategy(label="a"),) * 2), "a name of its own"),
    (lambda: toys.tiny_model(death=[0.1, 1.1]), "one probability from 0 to 1"),
    (lambda: toys.tiny_model(discount_costs=3.5), "such as 0.035"),
    (lambda: toys.tiny_model(counting="halfcycle"), "Did you mean 'half-cycle'"),
    (lambda: toys.tiny_model(first_cycle="none"), "'full' or 'operation only'"),
    (lambda: toys.tiny_model(effect_years=-1), "expected 0 or more, or None"),
    (lambda: toys.tiny_model(utility_by_age=[1, 1]), "expected 3 values"),
    (lambda: toys.tiny_model().changed(effect_year=1), "Did you mean 'effect_years'"),
    (lambda: run().of("cost"), "Did you mean 'costs'"),
    (lambda: run().position("specialists"), "Did you mean 'specialist'"),
    (lambda: run().net_benefit(-1), "0 or more"),
    (lambda: run(strategies=(cohort.Strategy(label="a"),)).incremental("costs"), "a difference needs two"),
    (lambda: psa.run(toys.textbook_model(), toys.textbook_inputs(), draws=5, seed=1), "at least 100"),
    (lambda: points(times=(10,)), "two or more"),
    (lambda: points(times=(20, 10)), "expected increasing"),
    (lambda: points(beyond="same shap"), "Did you mean 'same shape'"),
    (lambda: points().cumulative(FALLING, np.arange(3.0)), "In 50.0% of draws the cumulative hazard falls"),
    (lambda: revision_laws.Weibull(log_shape="s", terms={}), "has no terms"),
    (lambda: revision_laws.Weibull(log_shape="s", terms={"a": np.inf}), "expected a finite number"),
    (lambda: deaths(probability="qx"), "no column 'qx'"),
    (lambda: deaths(shares={"f": 0.9}), "add up to 1"),
    (lambda: deaths(shares={"F": 1.0}), "Did you mean 'f'"),
    (lambda: deaths(start_age=69), "goes from 70 to 71"),
    (lambda: deaths(ratio=0), "expected a number above 0"),
    (lambda: deaths(years=0), "at least 1"),
    (lambda: deaths(table(q=[0.1, 1.2])), "holds 1.2 in 'q' at age 71"),
    (lambda: deaths(table(age=[70, 72])), "expected single years of age"),
    (lambda: life_table.bands({75: 0.1}, start_age=70, years=2), "70 lies before"),
    (lambda: life_table.by_single_age(table(), first="lo", last="hi"), "no column 'lo'"),
]


@pytest.mark.parametrize(("call", "message"), BAD, ids=[message for _, message in BAD])
def test_bad_input_is_told(call, message):
    with pytest.raises(InputError, match=message):
        call()
