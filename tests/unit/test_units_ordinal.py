"""`units.ordinal`: the rewriting against the plain likelihood, the result, messages, hostile answers."""

import numpy as np
import pandas as pd
import pytest
from outcome_toys import COLUMNS, LEVELS, answers, patients
from scipy.special import expit

from soa_evidence import priors as named
from soa_evidence import units
from soa_evidence.errors import InputError
from soa_evidence.sampling import Settings
from soa_evidence.units import ordinal, posterior
from soa_evidence.units.collapse import collapse, exact_log_likelihood
from soa_evidence.units.laplace import climb
from soa_evidence.units.ordered import density_of, prepare_ordered

FIT = {"levels": LEVELS, "cut": "good", **COLUMNS}
FEW = Settings(draws=250, tune=100, chains=2)
PREPARE = {"levels": LEVELS, "cut": "good", "unit": "unit", "group": "group", "case_mix": ["age"]}


@pytest.fixture(scope="module")
def fitted():
    return units.ordinal.fit(answers(), **FIT, case_mix=["age"], settings=FEW)


def plain_likelihood(ordered, case_mix, thresholds, level):
    """Cell by cell and level by level, as the model is written."""
    cells = ordered.cells
    eta = (cells.design @ case_mix)[cells.pattern] + level[cells.unit]
    above = np.column_stack([np.ones(len(eta)), *(expit(eta - c) for c in thresholds), np.zeros(len(eta))])
    return float((ordered.answers * np.log(above[:, :-1] - above[:, 1:])).sum())


@pytest.mark.parametrize("cut", LEVELS[1:])
def test_answers_as_binomial_cells_have_the_plain_likelihood(cut):
    ordered = prepare_ordered(answers(), **{**PREPARE, "cut": cut})
    priors = named.ordinal()
    density = density_of(ordered, priors)
    near = climb(ordered.stacked, priors, density, start=ordered.start())
    made = collapse(ordered.stacked, near)
    rng = np.random.default_rng(5)
    differences = []
    for _ in range(4):
        terms = near.case_mix + 0.2 * rng.standard_normal(len(near.case_mix))
        level = near.unit_mode + 0.3 * rng.standard_normal(len(near.unit_mode))
        thresholds = ordered.thresholds(terms[None])[0]
        assert thresholds[LEVELS.index(cut) - 1] == 0
        gaps = np.diff(thresholds)
        assert (gaps > 0).all()
        gap = priors.log_gap
        prior = (-0.5 * ((np.log(gaps) - gap.mean) / gap.sd) ** 2 - np.log(gaps)).sum() - 0.5 * terms[0] ** 2
        got = (
            exact_log_likelihood(ordered.stacked, made, terms[None], level[None])[0]
            + density.value(terms[None])[0]
        )
        differences.append(got - prior - plain_likelihood(ordered, terms[:1], thresholds, level))
    assert differences == pytest.approx([differences[0]] * 4, abs=1e-8)


def test_the_slope_of_the_thresholds_density_is_its_finite_difference():
    ordered = prepare_ordered(answers(), **PREPARE)
    density = density_of(ordered, named.ordinal())
    at = ordered.start() + np.array([0.1, 0.05, -0.02])
    gradient, curvature = density.slope(at)
    h = 1e-4
    for a, e in enumerate(np.eye(3) * h):
        slope = (density.value((at + e)[None]) - density.value((at - e)[None]))[0] / (2 * h)
        assert gradient[a] == pytest.approx(slope, rel=1e-6, abs=1e-6)
        bend = (density.slope(at + e)[0] - density.slope(at - e)[0]) / (2 * h)
        assert curvature[a] == pytest.approx(bend, rel=1e-5, abs=1e-5)
    out = at.copy()
    out[1:] = out[1:][::-1]
    assert density.value(out[None])[0] < -1e8


def test_the_result_is_whole(fitted):
    these = fitted.these_units
    assert these.risk.labels == ("general", "independent", "specialist")
    above = fitted.shares["good"].of("specialist") + fitted.shares["excellent"].of("specialist")
    assert these.risk.of("specialist") == pytest.approx(above, abs=1e-9)
    total = sum(fitted.shares[name].of("general") for name in LEVELS)
    assert total == pytest.approx(1, abs=1e-9)
    difference = 1000 * (these.risk.of("specialist") - these.risk.of("general"))
    assert these.difference.of("specialist") == pytest.approx(difference)
    assert "at or above the cut" in these.difference.estimand
    assert (fitted.thresholds.of("below good") == 0).all()
    assert (fitted.thresholds.of("below excellent") > 0).all()
    assert fitted.below_cut.of("specialist") == pytest.approx(1 - these.risk.of("specialist"))
    by_level = fitted.distribution()
    assert list(by_level["level"].unique()) == list(LEVELS)
    assert by_level.groupby("group")["estimate"].sum().to_numpy() == pytest.approx(np.ones(3))
    assert (by_level["lower"] < by_level["estimate"]).all()
    assert fitted.units["trials"].sum() == len(patients())
    assert fitted.log_common_odds_ratio.labels == ("independent", "specialist")
    assert all(c.verdict != "fail" for c in fitted.checks)
    assert {c.name for c in fitted.checks} >= {"posterior predictive checks"}
    assert "units.ordinal" in repr(fitted)
    assert "share at or above" in fitted._repr_html_()


def test_the_shares_are_near_those_seen_where_data_abound():
    frame = patients(3, each=300)
    result = units.ordinal.fit(answers(frame, by=()), **FIT, settings=FEW)
    for name in LEVELS:
        seen = frame[frame["group"] == "general"]["answer"].eq(name).mean()
        assert result.shares[name].table().set_index("label").loc["general", "estimate"] == pytest.approx(
            seen, abs=0.02
        )


def test_a_class_that_moves_one_threshold_only_is_noticed():
    frame = answers(patients(3, each=400), by=())
    at = frame["group"] == "independent"  # most of their poor answers become excellent, the middle stays
    moved = (frame["poor"] * 0.9).round().astype(int) * at
    frame = frame.assign(poor=frame["poor"] - moved, excellent=frame["excellent"] + moved)
    result = units.ordinal.fit(frame, **FIT, settings=FEW)
    check = {c.name: c for c in result.checks}["posterior predictive checks"]
    assert check.verdict == "warn"
    assert "independent" in check.observed


def test_two_levels_joined_give_what_a_yes_no_outcome_gives_nearly():
    frame = answers(by=())
    result = units.ordinal.fit(frame, **FIT, settings=FEW)
    yes = units.binomial.fit(
        frame.assign(event=frame["good"] + frame["excellent"], n=frame[LEVELS].sum(axis=1)),
        events="event", trials="n", **COLUMNS, better="higher", settings=FEW,
    )  # fmt: skip
    one, other = (r.these_units.risk.table().set_index("label") for r in (result, yes))
    assert (np.abs(one["estimate"] - other["estimate"]) < 2 * other["std_error"]).all()
    assert (one["std_error"] < 1.15 * other["std_error"]).all()


def test_where_draws_cannot_be_set_up_the_sampler_is_asked(monkeypatch):
    class AskedError(Exception):
        pass

    def asked(*_, **__):
        raise AskedError

    monkeypatch.setattr(posterior.direct, "draw", lambda *_, **__: None)
    monkeypatch.setattr(posterior, "sample", asked)
    with pytest.raises(AskedError):
        units.ordinal.fit(answers(), **FIT, settings=FEW)


@pytest.mark.slow
def test_the_sampler_gives_the_same(fitted):
    other = units.ordinal.fit(
        answers(), **FIT, case_mix=["age"], engine="sampler", settings=Settings(draws=500, tune=300, chains=2)
    )
    for a, b in (
        (fitted.these_units.difference, other.these_units.difference),
        (fitted.spread, other.spread),
    ):
        one, two = a.table(), b.table()
        error = np.hypot(one["std_error"], two["std_error"]) / np.sqrt(200)
        assert (np.abs(one["estimate"] - two["estimate"]) < 4 * error).all()


def hostile(values):
    return pd.DataFrame(values, columns=["unit", "group", *LEVELS])


@pytest.mark.parametrize(
    "frame",
    [
        hostile([("a", "general", 1, 0, 1, 0), ("b", "specialist", 0, 1, 0, 1)]),
        hostile([("a", "general", 1, 1, 1, 10**6), ("b", "specialist", 0, 0, 1, 0)]),
        hostile(
            [("a", "general", 500, 0, 0, 1), ("b", "specialist", 0, 1, 1, 500), ("c", "general", 3, 0, 0, 0)]
        ),
    ],
    ids=["four patients", "one mountain", "two heaps"],
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_hostile_answers_give_finite_shares_or_go_to_the_sampler(frame, monkeypatch):
    class HandedError(Exception):
        pass

    def refuse(*_, **__):
        raise HandedError

    monkeypatch.setattr(ordinal, "build", refuse)
    try:
        result = units.ordinal.fit(frame, **FIT, settings=FEW)
    except HandedError:
        return
    assert np.isfinite(result.these_units.difference.of("specialist")).all()


@pytest.mark.parametrize(
    ("change", "given", "message"),
    [
        (lambda d: d.drop(columns="fair"), {}, "no column 'fair'"),
        (lambda d: d, {"levels": ["poor", "good"]}, "2 levels: expected at least three"),
        (lambda d: d, {"cut": "poor"}, "cut='poor': expected one of the levels above"),
        (lambda d: d, {"cut": "god"}, "Did you mean 'good'"),
        (lambda d: d.assign(fair=0), {}, "Nobody answered 'fair'"),
        (lambda d: d.assign(poor=0, fair=0, good=0, excellent=0), {}, "are 0 in every row"),
        (lambda d: d.assign(poor=-1), {}, "cannot be negative"),
        (lambda d: d.assign(poor=0.5), {}, "must be a whole number"),
        (lambda d: d[:0], {}, "is empty"),
        (lambda d: d.assign(group="x"), {}, "Only one class"),
        (lambda d: d, {"levels": ["poor", "poor", "good", "excellent"]}, "named for two purposes"),
        (lambda d: d, {"margin_per_1000": -2}, "margin_per_1000=-2"),
        (lambda d: d, {"engine": "gibbs"}, "engine='gibbs': expected 'direct' or 'sampler'"),
        (lambda d: d, {"priors": "sceptic"}, "no set of priors 'sceptic'"),
    ],
)
def test_bad_input_is_refused(change, given, message):
    with pytest.raises(InputError, match=message):
        units.ordinal.fit(change(answers()), **{**FIT, **given}, settings=FEW)


def test_every_prior_is_tabled_with_its_reason():
    for made in named.ORDINAL_PRIORS.values():
        assert "distance between neighbouring thresholds, log" in set(made.table()["parameter"])
