"""The result of the comparison: by hand from made-up draws, and from one small fit and its mirror image."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit
from units_toys import CASE_MIX, COLUMNS, counts, near, prepared

from soa_evidence import priors
from soa_evidence.results import Check, combine_verdicts
from soa_evidence.sampling import Settings
from soa_evidence.units import binomial
from soa_evidence.units.binomial_result import Draws, Question, class_table, summarise
from soa_evidence.units.collapse import collapse

GENERAL = ("general large", "general small")
CLASSES = ("general large", "general small", "independent", "specialist")
CHECKS = (Check(name="toy", verdict="pass", observed="1", expected="1", why="A check for the tests."),)


# From made-up draws


def made_up(cells, *, size=200, level=-2.0, spread=0.3):
    """Draws scattered about given values, as if from two chains."""
    rng = np.random.default_rng(0)

    def around(value, columns, sd=0.1):
        return value + sd * rng.standard_normal((size, columns))

    groups = len(cells.groups)
    return Draws(
        case_mix=around(0.2, len(cells.terms)),
        level=around(level, len(cells.units)),
        class_level=around(level, groups),
        class_spread=np.exp(around(np.log(spread), groups)),
        log_prior=rng.standard_normal(size),
        chains=2,
    )


def summary(cells, draws, **changes):
    given = {
        "reference": GENERAL,
        "reference_label": "NHS general",
        "better": "lower",
        "margin_per_1000": 5.0,
    }
    return summarise(
        cells,
        draws,
        Question(**{**given, **changes}),
        collapsed=collapse(cells, near(cells)),
        priors=priors.binomial(),
        predictive=pd.DataFrame(),
        checks=CHECKS,
        tree=None,
        seed=3,
    )


@pytest.fixture(scope="module")
def case():
    cells = prepared()
    draws = made_up(cells)
    return cells, draws, summary(cells, draws)


def test_a_units_risk_is_its_level_averaged_over_all_patients_case_mix(case):
    cells, draws, result = case
    patients = cells.trials / cells.trials.sum()
    covariates = cells.design[cells.pattern]
    for j in (0, 5, 12):
        risk = expit(draws.case_mix @ covariates.T + draws.level[:, [j]]) @ patients
        np.testing.assert_allclose(result.unit_risk.draws[:, j], risk, atol=1e-9)


def test_a_class_of_these_units_is_its_units_by_patients(case):
    cells, _, result = case
    mine = [u.startswith("specialist") for u in cells.units]
    size = cells.by_unit(cells.trials) * mine
    expected = result.unit_risk.draws @ (size / size.sum())
    np.testing.assert_allclose(result.these_units.risk.of("specialist"), expected, rtol=1e-12)


def test_the_spread_between_units_is_the_draws_own(case):
    cells, draws, result = case
    assert result.spread.labels == cells.groups
    np.testing.assert_array_equal(result.spread.draws, draws.class_spread)
    assert result.spread.unit == "log odds"


def test_one_more_unit_is_wider_than_the_kind_and_centred_with_it(case):
    _, _, result = case
    new, kind = result.new_unit_risk.table(), result.as_a_kind.risk.table().iloc[: len(CLASSES)]
    assert (new["std_error"] > 1.5 * kind["std_error"]).all()
    assert (np.abs(new["estimate"] - kind["estimate"]) < new["std_error"]).all()


def test_every_number_carries_the_checks_and_the_sensitivity_with_them(case):
    _, _, result = case
    names = [check.name for check in result.checks]
    assert names == ["toy", "prior sensitivity by power-scaling, largest"]
    for estimates in (result.spread, result.unit_risk, result.these_units.risk, result.as_a_kind.difference):
        assert estimates.checks == result.checks
    assert len(result.sensitivity) == 2 * 4  # four classes against the reference, on two estimands


def test_the_same_seed_makes_the_same_new_units(case):
    cells, draws, result = case
    np.testing.assert_array_equal(summary(cells, draws).new_unit_risk.draws, result.new_unit_risk.draws)


def test_enormous_spreads_give_finite_risks():
    cells = prepared()
    draws = made_up(cells, spread=60.0)
    result = summary(cells, draws)
    assert np.isfinite(result.as_a_kind.risk.draws).all()
    assert np.isfinite(result.as_a_kind.log_odds_ratio.draws).all()
    assert result.as_a_kind.risk.table()["estimate"].between(0.3, 0.6).all()  # half of units at 0, half at 1


def test_drawing_rows_keeps_all_parts_together(case):
    _, draws, _ = case
    taken = draws.take(np.array([5, 5, 0]))
    for name in ("case_mix", "level", "class_level", "class_spread", "log_prior"):
        np.testing.assert_array_equal(getattr(taken, name), getattr(draws, name)[[5, 5, 0]])
    assert taken.chains == 2


def test_crude_counts_by_class_by_hand():
    frame = pd.DataFrame(
        {
            "unit": list("abca"),
            "group": list("XXYX"),
            "age": list("oooy"),
            "events": [1, 2, 3, 1],
            "n": [10, 20, 30, 10],
        }
    )
    table = class_table(prepared(frame, case_mix=["age"]))
    assert table.to_dict("list") == {
        "group": ["X", "Y"], "units": [2, 1], "trials": [40, 30], "events": [4, 3],
        "crude_risk": [4 / 40, 3 / 30],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("events", "verdict", "observed"),
    [
        ([9, 500], "warn", "9 (X)"),
        ([10, 500], "pass", "10 (X)"),
        ([500, 995], "warn", "5 (Y)"),
        ([0, 1000], "warn", "0"),
    ],
)
def test_few_events_are_warned_of_and_so_are_few_without(events, verdict, observed):
    frame = pd.DataFrame({"unit": ["a", "b"], "group": ["X", "Y"], "events": events, "n": 1000})
    found = binomial.events_check(prepared(frame, case_mix=[]))
    assert found.verdict == verdict
    assert found.observed.startswith(observed)


# From one small fit, and the same with events and non-events exchanged


FRAME = counts(7, size=150)
SETTINGS = Settings(draws=500, tune=300, chains=2)


def fit(frame, **changes):
    given = {**COLUMNS, "case_mix": CASE_MIX, "reference": GENERAL, "reference_label": "NHS general"}
    return binomial.fit(frame, **{**given, "seed": 11, "settings": SETTINGS, **changes})


@pytest.fixture(scope="module")
def result():
    return fit(FRAME)


@pytest.fixture(scope="module")
def mirrored():
    return fit(FRAME.assign(events=FRAME["n"] - FRAME["events"]), better="higher")


@pytest.mark.slow
def test_the_fit_converges(result):
    found = {check.name: check.verdict for check in result.checks}
    assert found["independent draws, Pareto k of the exact correction"] == "pass"
    assert found["posterior predictive checks"] == "pass"
    assert found["events, or patients without, in the class with fewest"] == "pass"
    assert combine_verdicts(result.checks) != "fail"
    assert len(found) == len(result.checks) == 4


@pytest.mark.slow
def test_classes_are_labelled_and_the_reference_is_set_apart(result):
    for comparison in (result.these_units, result.as_a_kind):
        assert comparison.risk.labels == (*CLASSES, "NHS general")
        for name in ("difference", "log_odds_ratio", "probability_better", "probability_better_by_margin"):
            assert getattr(comparison, name).labels == CLASSES
        assert "against NHS general" in comparison.difference.estimand
    assert "these units" in result.these_units.risk.estimand
    assert "units as a kind" in result.as_a_kind.risk.estimand
    assert result.question.reference == GENERAL
    assert result.priors is priors.binomial("default")
    assert result.case_mix.labels == prepared(FRAME).terms


@pytest.mark.slow
def test_risks_lie_near_the_crude_ones_and_intervals_enclose_them(result):
    table = result.these_units.risk.table().set_index("label")
    crude = result.classes.set_index("group")["crude_risk"]
    for name in CLASSES:
        # Case mix is nearly balanced by design, so the crude risk lies within the wider interval.
        row = result.these_units.risk.table(level=0.999).set_index("label").loc[name]
        assert row["lower"] < crude[name] < row["upper"]
    lowest, highest = table.loc[list(GENERAL), "estimate"].min(), table.loc[list(GENERAL), "estimate"].max()
    assert lowest < table.loc["NHS general", "estimate"] < highest


@pytest.mark.slow
def test_the_kind_is_never_more_certain_than_these_units(result):
    these = result.these_units.risk.table().set_index("label")["std_error"]
    kind = result.as_a_kind.risk.table().set_index("label")["std_error"]
    assert (kind > these).all()


@pytest.mark.slow
def test_differences_odds_ratios_and_probabilities_follow_from_the_risks(result):
    for comparison in (result.these_units, result.as_a_kind):
        ours, theirs = (comparison.risk.of(label) for label in ("specialist", "NHS general"))
        np.testing.assert_allclose(comparison.difference.of("specialist"), 1000 * (ours - theirs), atol=1e-9)
        np.testing.assert_allclose(comparison.log_odds_ratio.of("specialist"), logit(ours) - logit(theirs))
        at = comparison.probability_better.position("specialist")
        # Counted with half a draw on either side.
        half = 1 / len(ours)
        assert comparison.probability_better.mean[at] == pytest.approx((ours < theirs).mean(), abs=half)
        by_margin = (1000 * (theirs - ours) > 5).mean()
        assert comparison.probability_better_by_margin.mean[at] == pytest.approx(by_margin, abs=half)


@pytest.mark.slow
def test_every_unit_is_tabled_with_its_counts_and_ranks(result):
    table = result.units.set_index("unit")
    crude = FRAME.groupby("unit")[["events", "n"]].sum()
    assert (table["events"] == crude["events"]).all()
    assert (table["trials"] == crude["n"]).all()
    assert (table["group"] == FRAME.groupby("unit")["group"].first()).all()
    assert (table["lower"] < table["estimate"]).all()
    assert (table["estimate"] < table["upper"]).all()
    assert table["rank_median"].between(1, len(table)).all()
    assert (table["rank_lower"] <= table["rank_median"]).all()
    assert (table["rank_median"] <= table["rank_upper"]).all()
    assert table["estimate"].std() < table["crude_risk"].std()  # drawn together, never apart


@pytest.mark.slow
def test_case_mix_effects_are_near_the_truth(result):
    table = result.case_mix.table(level=0.999).set_index("label")
    for term, row in table.iterrows():
        factor, level, against = term.replace(":", " v").split(" v ")[0], *term.split(": ")[1].split(" v ")
        order = {"old": 0.4, "middle": 0.0, "young": -0.4, "male": 0.2, "female": 0.0}
        assert factor in CASE_MIX
        assert row["lower"] < order[level] - order[against] < row["upper"]


@pytest.mark.slow
def test_the_result_shows_itself_and_keeps_the_samplers_tree(result):
    assert "units.binomial" in repr(result)
    assert "risk difference against NHS general" in result._repr_html_()
    assert result.tree["posterior"].dataset.sizes["unit"] == len(result.units)
    assert list(result.tree["posterior"]["class"].to_numpy()) == list(CLASSES)


@pytest.mark.slow
def test_exchanging_events_and_direction_gives_the_mirror_image(result, mirrored):
    # Two separate runs of about 500 independent draws: 0.3 standard errors are five Monte Carlo errors.
    for name in ("these_units", "as_a_kind"):
        ours, theirs = getattr(result, name), getattr(mirrored, name)
        for part, total in (("risk", 1.0), ("difference", 0.0), ("log_odds_ratio", 0.0)):
            one, other = getattr(ours, part).table(), getattr(theirs, part).table()
            gap = np.abs(one["estimate"] + other["estimate"] - total)
            assert (gap < 0.3 * one["std_error"]).all()
        gap = ours.probability_better.mean - theirs.probability_better.mean
        assert np.abs(gap).max() < 0.12
    places = result.units.set_index("unit")["rank_median"] - mirrored.units.set_index("unit")["rank_median"]
    assert places.abs().max() <= 2
    assert (result.units["events"] + mirrored.units["events"] == result.units["trials"]).all()
