"""Laws of the comparison of units: order, names and splitting do not matter; fast paths equal slow ones."""

import hypothesis.strategies as st
import numpy as np
import pandas as pd
from hypothesis import assume, given, settings
from scipy.special import expit

from soa_evidence import priors
from soa_evidence.results import Check, Estimates, combine_verdicts
from soa_evidence.results.ranking import rank_table
from soa_evidence.units.cells import prepare
from soa_evidence.units.collapse import collapse, log_weights, resample
from soa_evidence.units.contrasts import kind_risks, margins, these_units_risks
from soa_evidence.units.laplace import approximate
from soa_evidence.units.standardise import risk_curve

CASE_MIX = ["age", "sex"]
CLOSE = 1e-9  # the same sums in another order
NEWTON = 5e-3  # Newton ends within 1e-3 of the mode on the log-odds scale, from either side
CHECK = Check(name="toy", verdict="pass", observed="1", expected="1", why="A check for the tests.")

few = settings(max_examples=40, deadline=None)


@st.composite
def frames(draw):
    """Counts of three to six units in two or three classes, by up to three ages and two sexes."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n_units, n_groups = draw(st.integers(3, 6)), draw(st.integers(2, 3))
    biggest = draw(st.sampled_from([1, 8, 500]))
    rows = []
    for j in range(n_units):
        for age in "omy"[: draw(st.integers(1, 3))]:
            for sex in "fm"[: draw(st.integers(1, 2))]:
                n = int(rng.integers(1, biggest + 1))
                row = (f"u{j}", f"g{j % n_groups}", age, sex, int(rng.binomial(n, rng.uniform(0, 0.6))), n)
                rows.append(row)
    return pd.DataFrame(rows, columns=["unit", "group", "age", "sex", "events", "n"])


def cells_of(frame):
    return prepare(frame, events="events", trials="n", unit="unit", group="group", case_mix=CASE_MIX)


def near(cells):
    return approximate(cells, priors.binomial())


def draws_about(cells, mode, *, spread=0.5, size=20):
    rng = np.random.default_rng(0)
    return (
        mode.case_mix + spread * rng.standard_normal((size, len(cells.terms))),
        mode.unit_mode + spread * rng.standard_normal((size, len(cells.units))),
    )


def exact(cells, case_mix, level):
    """Log likelihood cell by cell, the plain slow way."""
    out = np.zeros(len(case_mix))
    for s in range(len(case_mix)):
        for c in range(len(cells.trials)):
            eta = cells.design[cells.pattern[c]] @ case_mix[s] + level[s, cells.unit[c]]
            out[s] += cells.events[c] * eta - cells.trials[c] * np.logaddexp(0, eta)
    return out


def assert_same_cells(one, other):
    assert one.units == other.units
    assert one.groups == other.groups
    assert one.terms == other.terms
    pd.testing.assert_frame_equal(one.patterns, other.patterns)
    for name in ("group_of_unit", "unit", "pattern", "events", "trials"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    np.testing.assert_allclose(one.design, other.design, atol=CLOSE)
    np.testing.assert_allclose(one.reference_weights, other.reference_weights, atol=CLOSE)


def likelihoods(cells):
    """The collapsed likelihood and its correction, about the mode of these cells."""
    mode = near(cells)
    collapsed = collapse(cells, mode)
    draws = draws_about(cells, mode)
    return collapsed.log_likelihood(*draws), log_weights(cells, collapsed, *draws)


# Order and splitting


@few
@given(frames(), st.integers(0, 2**31))
def test_the_order_of_rows_and_columns_does_not_matter(frame, seed):
    shuffled = frame.sample(frac=1, random_state=seed)[["n", "sex", "unit", "events", "age", "group"]]
    one, other = cells_of(frame), cells_of(shuffled)
    assert_same_cells(one, other)
    for a, b in zip(likelihoods(one), likelihoods(other), strict=True):
        np.testing.assert_allclose(a, b, rtol=CLOSE, atol=1e-7)


@few
@given(frames(), st.data())
def test_a_row_split_in_two_is_the_same_row(frame, data):
    at = data.draw(st.integers(0, len(frame) - 1))
    events, trials = int(frame.loc[at, "events"]), int(frame.loc[at, "n"])
    first_events = data.draw(st.integers(0, events))
    first_trials = data.draw(st.integers(first_events, trials - (events - first_events)))
    part = frame.loc[[at]].assign(events=first_events, n=first_trials)
    rest = frame.copy()
    rest.loc[at, ["events", "n"]] = [events - first_events, trials - first_trials]
    assert_same_cells(cells_of(frame), cells_of(pd.concat([rest, part])))


@few
@given(frames())
def test_nothing_is_lost_and_the_reference_population_is_centred(frame):
    cells = cells_of(frame)
    assert cells.events.sum() == frame["events"].sum()
    assert cells.trials.sum() == frame["n"].sum()
    assert cells.by_unit(cells.trials).tolist() == frame.groupby("unit")["n"].sum().tolist()
    assert abs(cells.reference_weights.sum() - 1) < CLOSE
    assert np.abs(cells.reference_weights @ cells.design).max(initial=0) < CLOSE
    assert len(cells.terms) == frame["age"].nunique() - 1 + frame["sex"].nunique() - 1


# Names


@few
@given(frames(), st.permutations(["A", "b", "Ç", "d e", 'é/"', "Ω"]))
def test_names_of_units_do_not_matter(frame, names):
    new = dict(zip([f"u{j}" for j in range(6)], names, strict=True))
    one, other = cells_of(frame), cells_of(frame.assign(unit=frame["unit"].map(new)))
    before, after = near(one), near(other)
    places = [other.units.index(new[name]) for name in one.units]
    for name in ("unit_mode", "unit_level", "unit_information"):
        np.testing.assert_allclose(getattr(after, name)[places], getattr(before, name), rtol=1e-7, atol=1e-7)
    np.testing.assert_allclose(after.case_mix, before.case_mix, atol=1e-7)
    np.testing.assert_allclose(after.case_mix_covariance, before.case_mix_covariance, atol=1e-7)
    fast, again = collapse(one, before), collapse(other, after)
    case_mix, level = draws_about(one, before)
    moved = np.empty_like(level)
    moved[:, places] = level
    np.testing.assert_allclose(
        again.log_likelihood(case_mix, moved), fast.log_likelihood(case_mix, level), rtol=1e-6, atol=1e-4
    )


@few
@given(frames(), st.permutations(["p", "q", "r"]))
def test_names_of_case_mix_levels_do_not_matter(frame, names):
    new = dict(zip("omy", names, strict=True))
    share = frame.groupby("age")["n"].sum()
    assume(share.is_unique)  # of two equally common levels the first by name is the reference
    one, other = cells_of(frame), cells_of(frame.assign(age=frame["age"].map(new)))
    before, after = near(one), near(other)

    def renamed(term):
        factor, levels = term.split(": ")
        return term if factor == "sex" else "age: " + " v ".join(new[level] for level in levels.split(" v "))

    places = [other.terms.index(renamed(term)) for term in one.terms]
    np.testing.assert_allclose(after.case_mix[places], before.case_mix, atol=1e-6)
    np.testing.assert_allclose(after.unit_mode, before.unit_mode, atol=1e-6)


@few
@given(frames())
def test_which_level_is_the_reference_does_not_matter_to_the_likelihood(frame):
    """The same risks written against another level have the same likelihood."""
    cells = cells_of(frame)
    assume(any(term.startswith("sex") for term in cells.terms))
    mode = near(cells)
    case_mix, level = draws_about(cells, mode)
    swapped = cells_of(frame.assign(sex=frame["sex"].map({"f": "m", "m": "f"})))
    effect = [k for k, term in enumerate(cells.terms) if term.startswith("sex")]
    assume(frame.groupby("sex")["n"].sum().is_unique)
    # Exchanging the names exchanges nothing else: the commonest is still the commonest.
    np.testing.assert_allclose(exact(swapped, case_mix, level), exact(cells, case_mix, level), rtol=CLOSE)
    turned = case_mix.copy()
    turned[:, effect] *= -1
    assert not np.allclose(exact(cells, turned, level), exact(cells, case_mix, level))


# The fast path and the slow one


@few
@given(frames(), st.sampled_from([0.0, 0.1, 1.0]))
def test_the_collapsed_likelihood_with_its_correction_is_the_exact_one(frame, width):
    cells = cells_of(frame)
    mode = near(cells)
    collapsed = collapse(cells, mode, width=width)
    draws = draws_about(cells, mode)
    fast = collapsed.log_likelihood(*draws) + log_weights(cells, collapsed, *draws)
    np.testing.assert_allclose(fast, exact(cells, *draws), rtol=CLOSE, atol=1e-7)
    assert len(collapsed.trials) <= len(cells.trials)


@few
@given(frames())
def test_exchanging_events_and_non_events_turns_the_mode_round(frame):
    one, other = near(cells_of(frame)), near(cells_of(frame.assign(events=frame["n"] - frame["events"])))
    # The start differs by half an event, so the two end within a Newton step of each other.
    np.testing.assert_allclose(one.unit_mode, -other.unit_mode, atol=NEWTON)
    np.testing.assert_allclose(one.case_mix, -other.case_mix, atol=NEWTON)


@few
@given(st.integers(0, 2**31), st.integers(1, 4), st.floats(0, 3))
def test_resampling_keeps_each_draw_about_as_often_as_its_weight_says(seed, chains, strength):
    weights = strength * np.random.default_rng(seed).standard_normal(chains * 50)
    kept = resample(weights, chains=chains, seed=1)
    times = np.bincount(kept, minlength=len(weights)).reshape(chains, 50)
    share = np.exp(weights).reshape(chains, 50)
    expected = 50 * share / share.sum(axis=1, keepdims=True)
    assert (times.sum(axis=1) == 50).all()
    assert (np.abs(times - expected) < 1 + CLOSE).all()  # systematic: never a whole draw away


# Standardised risks


@st.composite
def populations(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    patterns, terms = draw(st.integers(1, 20)), draw(st.integers(0, 4))
    weights = rng.dirichlet(np.ones(patterns))
    design = (rng.random((patterns, terms)) < 0.4).astype(float)
    case_mix = draw(st.floats(0, 1)) * rng.standard_normal((3, terms))
    low = draw(st.floats(-40, 10))
    return design - weights @ design, weights, case_mix, low, low + draw(st.floats(0, 60))


@few
@given(populations())
def test_a_standardised_risk_is_the_average_of_its_patterns_and_rises_with_the_level(case):
    design, weights, case_mix, low, high = case
    level = np.tile(np.linspace(low, high, 25), (3, 1))
    curve = risk_curve(design, weights, case_mix, lowest=low, highest=high)
    risk = curve.risk(level)
    patterns = expit((case_mix @ design.T)[:, None, :] + level[:, :, None])
    np.testing.assert_allclose(risk, patterns @ weights, atol=CLOSE)
    assert (risk >= patterns.min(axis=2) - CLOSE).all()
    assert (risk <= patterns.max(axis=2) + CLOSE).all()
    assert (np.diff(risk, axis=1) >= -CLOSE).all()


@few
@given(frames(), st.integers(0, 2**31))
def test_a_class_lies_between_its_units_and_a_joined_reference_between_its_classes(frame, seed):
    cells = cells_of(frame)
    reference = cells.groups[:2]
    assume(len(cells.groups) > 2)
    risk = np.random.default_rng(seed).uniform(0, 1, (10, len(cells.units)))
    found = these_units_risks(cells, risk, reference, "joined")
    for at, group in enumerate(cells.groups):
        members = risk[:, cells.units_of([group])]
        assert (found.draws[:, at] >= members.min(axis=1) - CLOSE).all()
        assert (found.draws[:, at] <= members.max(axis=1) + CLOSE).all()
    both = found.draws[:, :2]
    joined = found.draws[:, -1]
    assert ((joined >= both.min(axis=1) - CLOSE) & (joined <= both.max(axis=1) + CLOSE)).all()
    # All units alike: every class is alike.
    same = these_units_risks(cells, np.full((2, len(cells.units)), 0.3), reference, "joined")
    np.testing.assert_allclose(same.draws, 0.3, rtol=CLOSE)


@few
@given(frames(), st.floats(-6, 2), st.floats(0, 1.5))
def test_a_kinds_risk_lies_inside_0_to_1_and_a_wider_spread_draws_it_to_the_middle(frame, level, spread):
    cells = cells_of(frame)
    curve = risk_curve(
        cells.design, cells.reference_weights, np.zeros((2, len(cells.terms))), lowest=-25, highest=25
    )
    levels = np.full((2, len(cells.groups)), level)
    spreads = np.full((2, len(cells.groups)), spread)
    spreads[1] = 0
    wide, none = kind_risks(cells, curve, levels, spreads, cells.groups[:1], cells.groups[0]).draws
    assert ((wide > 0) & (wide < 1)).all()
    towards = np.sign(0.5 - none) * (wide - none)
    assert (towards >= -1e-5).all()  # the quadrature's own error at the widest spread


# Ranks, margins and verdicts


@few
@given(st.integers(1, 12), st.integers(1, 30), st.integers(0, 2**31))
def test_ranks_are_places_in_an_order(n_units, n_draws, seed):
    risk = np.random.default_rng(seed).uniform(0, 1, (n_draws, n_units))
    names = tuple(f"u{j}" for j in range(n_units))
    table = rank_table(risk, names, better="lower")
    for column in ("rank_lower", "rank_median", "rank_upper"):
        assert table[column].between(1, n_units).all()
    assert (table["rank_lower"] <= table["rank_median"]).all()
    assert (table["rank_median"] <= table["rank_upper"]).all()
    fifth = n_units // 5  # whole places in the best fifth, filled once in every draw
    assert abs(table["probability_best_fifth"].sum() - fifth) < CLOSE
    assert abs(table["probability_worst_fifth"].sum() - fifth) < CLOSE
    one = rank_table(risk[:1], names, better="lower")
    assert sorted(one["rank_median"]) == list(range(1, n_units + 1))
    assert one.sort_values("rank_median")["unit"].tolist() == [names[j] for j in np.argsort(risk[0])]
    moved = rank_table(risk[:, ::-1], names[::-1], better="lower").set_index("unit").loc[list(names)]
    assert moved["rank_median"].tolist() == table["rank_median"].tolist()


@few
@given(st.integers(0, 2**31), st.floats(-50, 50), st.sampled_from(["lower", "higher"]))
def test_a_larger_margin_is_never_more_probable(seed, centre, better):
    draws = centre + 10 * np.random.default_rng(seed).standard_normal((200, 1))
    difference = Estimates(
        estimand="difference", labels=("ours",), unit="per 1,000 patients", method="toy",
        interval="credible", checks=(CHECK,), draws=draws,
    )  # fmt: skip
    table = margins(difference, "ours", better=better)
    assert (table["probability"].diff().dropna() <= 0).all()
    assert table["probability"].between(0, 1).all()
    gain = -draws if better == "lower" else draws
    assert table["probability"].iloc[0] == (gain > 0).mean()


@given(st.lists(st.sampled_from(["pass", "warn", "fail"])), st.randoms())
def test_the_worst_verdict_does_not_depend_on_order_and_never_improves(verdicts, random):
    def combined(some):
        return combine_verdicts(
            Check(name="n", verdict=v, observed="o", expected="e", why="because it must") for v in some
        )

    shuffled = random.sample(verdicts, len(verdicts))
    assert combined(shuffled) == combined(verdicts)
    order = ["pass", "warn", "fail"]
    assert order.index(combined([*verdicts, "warn"])) >= order.index(combined(verdicts))
