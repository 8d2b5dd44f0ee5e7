import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit
from units_toys import prepared

from soa_evidence.errors import InputError
from soa_evidence.results import Check, Estimates
from soa_evidence.units.contrasts import ClassRisks, kind_risks, margins, these_units_risks
from soa_evidence.units.standardise import risk_curve

EXACT = 1e-12
CHECKS = (Check(name="toy", verdict="pass", observed="1", expected="1", why="A check for the tests."),)
GENERAL = ("large", "small")

#: Units a and b (specialist), c (large), d and e (small), with their patients.
CELLS = prepared(
    pd.DataFrame(
        {
            "unit": list("abcde"),
            "group": ["specialist", "specialist", "large", "small", "small"],
            "events": [1, 3, 20, 5, 5],
            "n": [10, 30, 100, 60, 40],
        }
    ),
    case_mix=[],
)
UNIT_RISK = np.array([[0.10, 0.20, 0.15, 0.30, 0.10], [0.08, 0.12, 0.20, 0.20, 0.20]])


def risks(draws, labels=("ours", "theirs"), reference="theirs"):
    return ClassRisks(
        labels=labels, draws=np.asarray(draws, float), reference=reference, estimand_kind="these units"
    )


# These units


def test_units_of_a_class_count_by_their_patients():
    found = these_units_risks(CELLS, UNIT_RISK, GENERAL, "NHS general")
    assert found.labels == ("large", "small", "specialist", "NHS general")
    assert found.compared == ("large", "small", "specialist")
    assert found.estimand_kind == "these units"
    first = [
        0.15,
        (0.30 * 60 + 0.10 * 40) / 100,
        (0.10 * 10 + 0.20 * 30) / 40,
        (0.15 * 100 + 0.30 * 60 + 0.10 * 40) / 200,
    ]
    assert found.draws[0] == pytest.approx(first, abs=EXACT)


def test_a_single_class_as_reference_takes_the_label_given():
    found = these_units_risks(CELLS, UNIT_RISK, ("small",), "small hospitals")
    assert found.labels == ("large", "small hospitals", "specialist")
    assert found.compared == ("large", "specialist")


# Units as a kind


def test_the_kind_is_the_average_over_the_distribution_of_units_by_brute_force():
    rng = np.random.default_rng(0)
    weights = np.array([0.2, 0.5, 0.3])
    design = np.array([[1.0], [0.0], [-1.0]])
    design = design - weights @ design
    cells = CELLS
    case_mix = np.array([[0.5], [0.9]])
    level = np.array([[-2.0, -1.0, -3.0], [-2.5, -1.5, 0.5]])
    spread = np.array([[0.2, 1.0, 0.01], [0.5, 1.5, 0.8]])
    curve = risk_curve(design, weights, case_mix, lowest=-15, highest=15)
    found = kind_risks(cells, curve, level, spread, GENERAL, "NHS general")

    many = 400_000
    noise = rng.standard_normal(many)
    for s in range(2):
        simulated = []
        for g in range(3):
            units = level[s, g] + spread[s, g] * noise
            risk = expit(units[:, None] + design[:, 0] * case_mix[s, 0]) @ weights
            simulated.append(risk.mean())
            error = risk.std() / np.sqrt(many)
            assert found.draws[s, g] == pytest.approx(risk.mean(), abs=4 * error + 1e-9)
        # One large and two small units: the reference mixes its classes by number of units, not of patients.
        mixed = (1 * found.draws[s, 0] + 2 * found.draws[s, 1]) / 3
        assert found.draws[s, 3] == pytest.approx(mixed, abs=EXACT)
    assert found.estimand_kind == "units as a kind"


def test_a_kind_without_spread_has_the_risk_of_its_level():
    curve = risk_curve(np.zeros((1, 0)), np.ones(1), np.zeros((1, 0)), lowest=-5, highest=5)
    found = kind_risks(CELLS, curve, np.array([[-2.0, 0.0, 1.0]]), np.zeros((1, 3)), ("small",), "small")
    assert found.draws[0] == pytest.approx(expit([-2.0, 0.0, 1.0]), abs=1e-10)


# Comparisons


def test_differences_are_per_thousand_and_odds_ratios_are_of_the_standardised_risks():
    made = risks([[0.10, 0.12], [0.20, 0.15]])
    assert made.difference(CHECKS).of("ours") == pytest.approx([-20, 50], abs=1e-9)
    assert made.difference(CHECKS).unit == "per 1,000 patients"
    expected = [np.log((0.10 / 0.90) / (0.12 / 0.88)), np.log((0.20 / 0.80) / (0.15 / 0.85))]
    assert made.log_odds_ratio(CHECKS).of("ours") == pytest.approx(expected, abs=EXACT)
    assert made.risk(CHECKS).of("theirs") == pytest.approx([0.12, 0.15], abs=EXACT)


@pytest.mark.parametrize(
    ("better", "margin", "expected"),
    [("lower", 0, 0.6), ("lower", 5, 0.4), ("lower", 1000, 0.0), ("higher", 0, 0.4), ("higher", 5, 0.2)],
)
def test_the_probability_of_being_better_has_a_direction_and_a_margin(better, margin, expected):
    gain = np.array([10.0, 10.0, 4.0, -4.0, -10.0])  # fewer events per 1,000
    theirs = np.full(5, 0.100)
    draws = np.tile(np.column_stack([theirs - gain / 1000, theirs]), (40, 1))
    found = risks(draws).probability_better(margin, better=better, chains=2, checks=CHECKS)
    assert found.mean[0] == pytest.approx((expected * 200 + 0.5) / 201, abs=EXACT)
    assert found.interval == "Monte Carlo"
    assert ("by more than" in found.estimand) == (margin > 0)


def test_the_monte_carlo_error_of_a_probability_is_that_of_independent_draws():
    better = np.random.default_rng(0).permutation(np.repeat([0.0, 1.0], [600, 1400]))
    draws = np.column_stack([0.2 - 0.1 * better, np.full(2000, 0.15)])
    found = risks(draws).probability_better(0, better="lower", chains=4, checks=CHECKS)
    assert found.mean[0] == pytest.approx(0.7, abs=0.5 / 2001)
    expected = np.sqrt(0.7 * 0.3 / 2000)
    assert np.sqrt(found.covariance[0, 0]) == pytest.approx(expected, rel=0.25)


def test_no_probability_is_exactly_one_or_without_error():
    draws = np.column_stack([np.full(1000, 0.1), np.full(1000, 0.2)])
    found = risks(draws).probability_better(0, better="lower", chains=2, checks=CHECKS)
    assert found.mean[0] == pytest.approx(1000.5 / 1001, abs=EXACT)
    assert 0.0003 < np.sqrt(found.covariance[0, 0]) < 0.002


@pytest.mark.parametrize("rare", [1, 2, 10])
def test_a_nearly_certain_probability_has_a_finite_error_however_few_the_draws(rare):
    worse = np.zeros(20)
    worse[:rare] = 1
    draws = np.column_stack([0.1 + 0.2 * worse, np.full(20, 0.2)])
    found = risks(draws).probability_better(0, better="lower", chains=2, checks=CHECKS)
    assert 0 < found.covariance[0, 0] < 1


def test_better_higher_on_the_mirrored_risks_says_the_same():
    draws = np.random.default_rng(3).uniform(0.1, 0.3, (500, 2))
    low = risks(draws).compare(5.0, better="lower", chains=2, checks=CHECKS)
    high = risks(1 - draws).compare(5.0, better="higher", chains=2, checks=CHECKS)
    np.testing.assert_allclose(low.difference.draws, -high.difference.draws, atol=1e-9)
    np.testing.assert_allclose(low.log_odds_ratio.draws, -high.log_odds_ratio.draws, atol=1e-9)
    for name in ("probability_better", "probability_better_by_margin"):
        np.testing.assert_array_equal(getattr(low, name).mean, getattr(high, name).mean)


def test_every_number_says_its_estimand_and_its_kind():
    draws = np.tile([[0.10, 0.12], [0.20, 0.15]], (10, 1))
    made = risks(draws).compare(5.0, better="lower", chains=2, checks=CHECKS)
    assert made.risk.estimand == "standardised risk, these units"
    assert made.difference.estimand == "risk difference against theirs, these units"
    assert made.log_odds_ratio.table(transform="exp")["estimand"].iloc[0] == (
        "odds ratio against theirs, these units"
    )
    assert made.probability_better_by_margin.estimand == (
        "probability of being better than theirs by more than 5 per 1,000, these units"
    )
    assert all(e.checks == CHECKS for e in vars(made).values())


def test_tiny_risks_keep_their_odds_ratio():
    made = risks([[1e-9, 2e-9]])
    assert made.log_odds_ratio(CHECKS).of("ours")[0] == pytest.approx(logit(1e-9) - logit(2e-9))


# Margins


def difference(draws):
    return Estimates(
        estimand="risk difference", labels=("ours",), unit="per 1,000 patients", method="toy",
        interval="credible", checks=CHECKS, draws=np.asarray(draws, float)[:, None],
    )  # fmt: skip


def test_margins_give_the_probability_of_beating_each():
    table = margins(difference(-np.arange(1, 101)), "ours", better="lower")
    assert table["margin"].iloc[0] == 0
    assert table["probability"].iloc[0] == 1
    assert (table["probability"].diff().dropna() <= 0).all()
    assert table["margin"].iloc[-1] == 100
    for row in table.itertuples():
        assert row.probability == (np.arange(1, 101) > row.margin).mean()


def test_margins_in_the_other_direction():
    found = margins(difference([5, 10, -5]), "ours", better="higher")
    assert found["probability"].iloc[0] == pytest.approx(2 / 3)
    worse = margins(difference([5, 10, 15]), "ours", better="lower")
    assert (worse["probability"] == 0).all()
    assert worse["margin"].iloc[-1] == 1


def test_margins_of_an_unknown_class_name_the_nearest():
    with pytest.raises(InputError, match=r"no label 'our'. Did you mean 'ours'\?"):
        margins(difference([1.0, 2.0]), "our", better="lower")
