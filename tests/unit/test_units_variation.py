"""The parts of a spread against arithmetic and known truths; hostile data and refusals."""

from dataclasses import replace

import joint_toys as toys
import numpy as np
import pandas as pd
import pytest

from soa_evidence.errors import InputError
from soa_evidence.sampling import Settings
from soa_evidence.units import variation, variation_direct

QUICK = Settings(draws=300, tune=200, chains=2)
READMISSION = variation.Events(label="readmission", events="readmission", trials="asked")
GAIN = toys.OUTCOMES[2]


def fit(frame=None, **changed):
    given = {"outcome": READMISSION, **toys.COLUMNS, "years": 3, "seed": 4, "settings": QUICK} | changed
    return variation.fit(toys.cells() if frame is None else frame, **given)


@pytest.fixture(scope="module")
def result():
    return fit(toys.cells(seed=5, units=(6, 30, 14), patients=200, spread=0.4))


def test_the_shares_add_up_in_every_draw(result):
    np.testing.assert_allclose(result.shares.draws.sum(axis=1), 1.0, atol=1e-12)
    assert result.shares.labels == variation.PARTS


def test_the_observed_spread_is_that_of_crude_rates(result):
    units = result.units
    weight = units["patients"] / units["patients"].sum()
    overall = (weight * units["crude"]).sum()
    assert result.observed_sd == pytest.approx(np.sqrt((weight * (units["crude"] - overall) ** 2).sum()))


def test_chance_is_what_the_binomial_formula_says(result):
    """The realised chance varies about its expectation."""
    chance = result.part_sd.of("chance")
    assert result.expected_by_chance_sd == pytest.approx(chance.mean(), rel=0.25)
    rate, n = result.units["estimate"], result.units["patients"]
    weight = n / n.sum()
    expected = np.sqrt((weight * (1 - weight) * rate * (1 - rate) / n).sum())
    assert result.expected_by_chance_sd == pytest.approx(
        expected, rel=0.02
    )  # case mix within units takes a little


def test_median_odds_ratio_and_reliability_are_their_formulas(result):
    tau = result.spread.of("readmission")
    np.testing.assert_allclose(
        result.median_odds_ratio.of("readmission"), np.sqrt(2) * 0.6744897501960817 * tau
    )
    needed = np.exp(result.patients_needed.of("readmission"))
    risk = (result.units["crude"] * result.units["patients"]).sum() / result.units["patients"].sum()
    # a patient's information is about p (1 - p); 0.7 = tau^2 / (tau^2 + 1 / (n p (1 - p)))
    reliability = tau**2 / (tau**2 + 1 / (needed * risk * (1 - risk)))
    np.testing.assert_allclose(reliability, 0.7, atol=0.015)


def test_a_known_spread_is_found(result):
    lower, upper = np.quantile(result.spread.of("readmission"), [0.005, 0.995])
    assert lower < 0.4 < upper


def test_units_that_do_not_differ_are_mostly_chance():
    found = fit(toys.cells(seed=6, units=(6, 30, 14), patients=200, spread=0.0))
    assert found.shares.of("chance").mean() > 0.75
    table = found.worst_fifth.table().set_index("label")["estimate"]
    assert table["the same units, allowing for chance"] < 0.5 * table["as counted"]


def test_the_worst_fifth_as_counted_is_arithmetic(result):
    units = result.units
    excess = (units["crude"] - units["expected"]).sort_values(ascending=False).index[: len(units) // 5]
    counted = ((units["crude"] - units["expected"]) * units["patients"])[excess].sum() / 3
    assert result.worst_fifth.of("as counted")[0] == pytest.approx(counted)
    assert result.worst_units == 10
    assert result.worst_patients == pytest.approx(units["patients"][excess].sum() / 3)


def test_luck_is_not_promised_away(result):
    """Next year's patients of the units that look worst now: the honest figure is near, the naive one too
    high."""
    gaps = []
    for seed in range(3):
        frame = toys.cells(seed=40 + seed, units=(6, 60, 24), patients=80, spread=0.15)
        found = fit(frame)
        said = found.worst_fifth.table().set_index("label")["estimate"]
        gaps.append(said["the same units, allowing for chance"] / said["as counted"])
    # between two halves of what one sees, tau 0.15 and 80 patients leave a reliability of about a quarter
    assert 0.1 < np.mean(gaps) < 0.5


def test_higher_is_better_turns_the_excess():
    frame = toys.cells(seed=5, spread=0.4)
    frame = frame.assign(well=frame["asked"] - frame["readmission"])
    well = variation.Events(label="well", events="well", trials="asked", better="higher")
    one, other = fit(frame), fit(frame, outcome=well)
    assert one.worst_fifth.of("as counted")[0] == pytest.approx(
        other.worst_fifth.of("as counted")[0], rel=0.02
    )


def test_scores_are_taken_apart_too():
    found = fit(toys.cells(seed=7, units=(6, 30, 14), spread=0.5), outcome=GAIN)
    np.testing.assert_allclose(found.shares.draws.sum(axis=1), 1.0, atol=1e-10)
    # 0.5 on the scale of log odds is 0.28 standard deviations between patients
    assert found.spread.of("gain").mean() == pytest.approx(0.5 / 1.8138, rel=0.35)


def sweeps(monkeypatch):
    """Have independent draws refused."""
    failed = replace(variation_direct.soundness(np.zeros(9)), verdict="fail", observed="k 0.93")
    monkeypatch.setattr(variation.variation_direct, "draw", lambda *_, **__: (None, failed))


@pytest.mark.parametrize("spread", [0.0, 0.4])
def test_independent_draws_and_sweeps_agree(monkeypatch, spread):
    """Two ways to one posterior that share no step."""
    frame = toys.cells(seed=8, units=(5, 14, 9), patients=90, spread=spread)
    direct = fit(frame, settings=Settings(draws=1500, chains=2))
    assert direct.checks[0].name.startswith("independent draws, Pareto k")
    assert direct.checks[0].verdict == "pass"
    sweeps(monkeypatch)
    slow = fit(frame, settings=Settings(draws=1500, tune=300, chains=2))
    for name in ("shares", "spread", "reliability", "worst_fifth"):
        # what is as counted is not drawn
        kept = slice(1 if name == "worst_fifth" else 0, None)
        one, two = getattr(direct, name).draws[:, kept], getattr(slow, name).draws[:, kept]
        error = np.hypot(one.std(axis=0) / np.sqrt(1500), two.std(axis=0) / np.sqrt(300))
        assert (np.abs(one.mean(axis=0) - two.mean(axis=0)) <= 4 * error + 1e-9).all(), name
        # limits too, in standard deviations of the posterior
        ends = np.abs(np.quantile(one, [0.05, 0.95], axis=0) - np.quantile(two, [0.05, 0.95], axis=0))
        assert (ends <= 0.35 * one.std(axis=0) + 1e-9).all(), name


def test_where_independent_draws_are_not_sound_sweeps_stand_and_say_so(monkeypatch):
    sweeps(monkeypatch)
    found = fit()
    assert found.checks[0].observed == "not used: k 0.93; Gibbs sweeps stand instead"
    assert found.checks[1].name == "R-hat, largest"


def test_a_prior_of_one_spread_is_drawn_by_sweeps():
    found = fit(priors="one_spread")
    assert found.checks[0].name == "R-hat, largest"


def test_case_mix_is_named_as_such():
    """Units that differ only in who their patients are."""
    rng = np.random.default_rng(1)
    rows = []
    for j in range(40):
        share = rng.random()
        for age, part in (("old", share), ("young", 1 - share)):
            n = round(600 * part)
            rows.append(
                (f"u{j}", "one" if j % 2 else "two", age, rng.binomial(n, 0.4 if age == "old" else 0.1), n)
            )
    frame = pd.DataFrame(rows, columns=["unit", "group", "age", "readmission", "asked"])
    found = fit(frame)
    assert found.shares.of("case mix").mean() > 0.8


def test_tables_lay_results_under_one_another(result):
    named = {"hip, primary: readmission": result, "knee, primary: readmission": result}
    means = variation.table(named)
    assert means["operation"].tolist() == ["hip, primary", "knee, primary"]
    np.testing.assert_allclose(means[list(variation.PARTS)].sum(axis=1), 1.0)
    assert len(variation.table(named, what="shares")) == 8
    worst = variation.table(named, what="worst")
    assert worst["per_1000"][1] == pytest.approx(1000 * worst["estimate"][1] / result.worst_patients)
    assert variation.table(named, what="signal")["observed_sd"][0] == pytest.approx(1000 * result.observed_sd)
    assert variation.mostly_chance(named) in (0, 2)
    joined = variation.worst_checks(named)
    assert [check.name for check in joined] == [check.name for check in result.checks]
    assert "all pass" in joined[-1].observed or "fall short" in joined[-1].observed


def test_it_shows_itself(result):
    assert "units.variation, readmission" in repr(result)
    assert "<table" in result._repr_html_()


def test_few_units_are_warned_of():
    found = fit(toys.cells(units=(2, 2, 2)))
    assert [c.verdict for c in found.checks if c.name.startswith("units to judge")] == ["warn"]


REFUSED = {
    "not an outcome": ({"outcome": "readmission"}, "outcome is 'readmission'"),
    "years": ({"years": 0}, "years=0"),
    "seed": ({"seed": True}, "seed=True"),
    "prior": ({"priors": "flat"}, "flat"),
    "two units": ({"frame": toys.cells(units=(1, 1, 0))}, "at least three"),
    "all alike": (
        {"frame": pd.DataFrame({"unit": [*"abcd"], "group": "g", "age": "a", "readmission": 2, "asked": 9})},
        "same crude rate",
    ),
    "no column": ({"unit": "hospital"}, "no column 'hospital'"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_bad_input_is_refused(name):
    changed, message = REFUSED[name]
    changed = dict(changed)
    frame = changed.pop("frame", None)
    with pytest.raises(InputError, match=message):
        fit(frame, **changed)


def test_tables_refuse_what_they_do_not_know(result):
    with pytest.raises(InputError, match="what='mean'"):
        variation.table({"a: b": result}, what="mean")
    with pytest.raises(InputError, match="results is empty"):
        variation.table({})


def test_units_are_set_beside_what_their_patients_make_one_expect(result):
    """Mid-p of the binomial, two-sided; the side is turned so that fewer readmissions are better."""
    from scipy import stats

    units = result.units
    seen = (units["crude"] * units["patients"]).round()
    law = stats.binom(units["patients"], units["expected"])
    low = law.cdf(seen) - 0.5 * law.pmf(seen)
    np.testing.assert_allclose(units["p_value"], 2 * np.minimum(low, 1 - low), atol=1e-9)
    assert (units["side"] == np.where(units["crude"] < units["expected"], "better", "worse")).all()
    frame = variation.flags({"hip, primary: readmission": result})
    assert list(frame.columns) == [
        "operation", "outcome", "unit", "group", "patients", "crude", "expected", "side", "p_value",
    ]  # fmt: skip
    np.testing.assert_allclose(frame["expected"], 1000 * units["expected"])
    assert set(frame["operation"]) == {"hip, primary"}
    with pytest.raises(InputError, match="results is empty"):
        variation.flags({})


def test_units_of_a_score_that_differ_by_chance_alone_are_pointed_out_no_oftener():
    rng = np.random.default_rng(8)
    units, many = 200, 50
    draws = rng.normal(20, 9, (units, many))
    frame = pd.DataFrame(
        {
            "unit": [f"u{j}" for j in range(units)], "class": ["a", "b"] * (units // 2), "n": many,
            "total": draws.sum(axis=1), "squares": np.square(draws).sum(axis=1),
        }
    )  # fmt: skip
    score = variation.Score(label="gain", patients="n", total="total", squares="squares", unit="points")
    found = variation.fit(frame, outcome=score, unit="unit", group="class", years=1, seed=1, settings=QUICK)
    share = (found.units["p_value"] < 0.05).mean()
    assert 0.005 < share < 0.105  # 0.05 and 3.5 standard errors of a binomial of 200
    assert (
        found.units["side"] == np.where(found.units["crude"] > found.units["expected"], "better", "worse")
    ).all()
