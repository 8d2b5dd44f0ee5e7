"""Joint draws against twins by quadrature, and what is said from them against arithmetic."""

from dataclasses import replace

import joint_toys as toys
import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.special import expit, logit

from soa_evidence import priors
from soa_evidence.errors import InputError
from soa_evidence.sampling import Settings
from soa_evidence.units import binomial, joint, joint_draws, joint_result, summaries

QUICK = Settings(draws=500, tune=300, chains=2)
#: Draws against quadrature, in Monte Carlo errors of the draws' mean.
MONTE_CARLO = 4.5


def plain_layers(level, information, groups, *, chance=None, events=None, patients=None):
    """Layers of made-up summaries, without cells behind them."""
    many, k = level.shape
    chance = np.eye(k) if chance is None else chance
    exact = np.full(k, events is not None)
    size = np.zeros(0) if patients is None else patients.ravel().astype(float)
    return joint_draws.Layers(
        units=tuple(f"unit {j}" for j in range(many)),
        groups=tuple(f"class {g}" for g in range(groups.max() + 1)),
        group_of_unit=groups.astype(np.int64),
        level=level,
        information=information,
        seen=np.zeros_like(level) if events is None else events.astype(float),
        patients=information,
        chance=chance,
        precision=joint_draws._precision(information, chance),
        exact=exact,
        starts=np.arange(many * k + 1) if events is not None else np.zeros(many * k + 1, dtype=np.int64),
        bin_patients=size,
        bin_score=np.zeros_like(size),
        places=(),
        summaries=(),
    )


def in_errors(draws, truth, chains):
    import arviz as az

    return abs(draws.mean() - truth) / float(az.mcse(draws.reshape(chains, -1), method="mean"))


def twin(laid, chosen):
    """Posterior means by quadrature over Sigma of two outcomes, the classes' means integrated by algebra."""
    nu, scale, group = 2.0, chosen.spread_scale, laid.group_of_unit
    log_tau, rho = np.linspace(np.log(0.01), np.log(1.6), 34), np.linspace(-0.985, 0.985, 27)
    one, two, three = (a.ravel() for a in np.meshgrid(log_tau, log_tau, rho, indexing="ij"))
    tau = np.exp(np.column_stack([one, two]))
    sigma = np.empty((len(one), 2, 2))
    sigma[:, 0, 0], sigma[:, 1, 1] = tau[:, 0] ** 2, tau[:, 1] ** 2
    sigma[:, 0, 1] = sigma[:, 1, 0] = three * tau[:, 0] * tau[:, 1]
    inverse = np.linalg.inv(sigma)
    log_prior = -(nu + 4) / 2 * np.log(np.linalg.det(sigma)) + 3 * np.log(tau).sum(axis=1)
    for o in range(2):
        log_prior -= (nu + 2) / 2 * np.log(nu * inverse[:, o, o] + scale**-2)
    many, classes = len(group), group.max() + 1
    design = np.zeros((2 * many, 2 * classes))
    for j, g in enumerate(group):
        design[2 * j, 2 * g] = design[2 * j + 1, 2 * g + 1] = 1
    of_means = np.kron(np.eye(classes) * chosen.class_sd**2 + chosen.common.sd**2, np.eye(2))
    error = np.zeros((2 * many, 2 * many))
    for j in range(many):
        error[2 * j : 2 * j + 2, 2 * j : 2 * j + 2] = np.linalg.inv(laid.precision[j])
    fixed = error + design @ of_means @ design.T
    y, log_like, means = laid.level.ravel(), [], []
    for some in np.array_split(sigma, 12):  # many small matrices at once: ten times as fast
        whole = np.repeat(fixed[None], len(some), axis=0)
        for j in range(many):
            whole[:, 2 * j : 2 * j + 2, 2 * j : 2 * j + 2] += some
        solved = np.linalg.solve(whole, y)
        log_like.append(-0.5 * np.linalg.slogdet(whole)[1] - 0.5 * solved @ y)
        means.append(solved @ design @ of_means)
    log_like, means = np.concatenate(log_like), np.concatenate(means)
    gap = means[:, :2] - means[:, 2:4]
    weight = np.exp(log_prior + log_like - (log_prior + log_like).max())
    weight /= weight.sum()
    return weight @ gap, weight @ np.log(tau), weight @ three


def test_draws_agree_with_the_twin_by_quadrature():
    rng = np.random.default_rng(4)
    groups = np.repeat([0, 1], [4, 7])
    information = rng.uniform(15, 80, (11, 2))
    chance = np.array([[1, 0.4], [0.4, 1]])
    level = rng.normal(-1, 0.35, (11, 2)) + np.array([0.2, 0.0]) * (groups == 0)[:, None]
    level[:, 1] = 0.7 * level[:, 0] + 0.3 * level[:, 1]
    laid = plain_layers(level, information, groups, chance=chance)
    chosen = priors.joint("one_spread")
    gap, log_tau, rho = twin(laid, chosen)
    drawn = joint_draws.draw(laid, chosen, settings=Settings(draws=4000, tune=500, chains=2), seed=5, thin=2)
    spreads = np.log(np.sqrt(np.diagonal(drawn.covariance, axis1=1, axis2=2)))
    for o in range(2):
        ours = drawn.class_level[:, 0, o] - drawn.class_level[:, 1, o]
        assert in_errors(ours, gap[o], 2) < MONTE_CARLO
        assert in_errors(spreads[:, o], log_tau[o], 2) < MONTE_CARLO
    assert in_errors(drawn.correlation[:, 0, 1], rho, 2) < MONTE_CARLO


def test_rare_events_are_exact_not_normal():
    """Few events a unit: quadrature over each unit's own binomial likelihood."""
    events = np.array([0, 0, 1, 2, 0, 4, 1, 0, 3, 1])
    patients = np.array([20, 12, 30, 25, 8, 30, 15, 22, 40, 10])
    mode = logit((events + 0.5) / (patients + 1))
    information = patients * expit(mode) * (1 - expit(mode))
    own = mode + (events - patients * expit(mode)) / information
    laid = plain_layers(
        own[:, None], information[:, None], np.zeros(10, dtype=int),
        events=events[:, None], patients=patients[:, None],
    )  # fmt: skip
    chosen = priors.joint("one_spread")
    drawn = joint_draws.draw(laid, chosen, settings=Settings(draws=4000, tune=500, chains=2), seed=6, thin=2)
    z, w = np.polynomial.hermite_e.hermegauss(60)
    mean, log_tau = np.meshgrid(
        np.linspace(-5, 0, 61), np.linspace(np.log(0.005), np.log(4), 61), indexing="ij"
    )
    total = stats.norm.logpdf(mean, 0, np.hypot(chosen.common.sd, chosen.class_sd))
    # half-t(2, A) of the spread, on its log
    total = total - 1.5 * np.log1p(np.exp(2 * log_tau) / (2 * chosen.spread_scale**2)) + log_tau
    for y, n in zip(events, patients, strict=True):
        t = mean[..., None] + np.exp(log_tau)[..., None] * z
        total = total + np.log(np.exp(y * t - n * np.logaddexp(0, t)) @ w)
    weight = np.exp(total - total.max())
    weight /= weight.sum()
    spread = np.sqrt(drawn.covariance[:, 0, 0])
    assert in_errors(drawn.class_level[:, 0, 0], (weight * mean).sum(), 2) < MONTE_CARLO
    assert in_errors(np.log(spread), (weight * log_tau).sum(), 2) < MONTE_CARLO


@pytest.fixture(scope="module")
def result():
    return joint.fit(toys.cells(seed=2, gap=0.4), outcomes=toys.OUTCOMES, **toys.COLUMNS, **toys.ASKED,
                     settings=QUICK)  # fmt: skip


def test_each_outcome_agrees_with_the_single_model(result):
    """The same data under units.binomial: priors of the spread differ a little, the answer hardly."""
    frame = toys.cells(seed=2, gap=0.4)
    for at, name in [(1, "readmission")]:
        single = binomial.fit(
            frame, events=name, trials="asked", unit="unit", group="group", reference="general",
            case_mix=["age"], seed=1, settings=Settings(draws=500, tune=300, chains=2),
        )  # fmt: skip
        theirs = single.these_units.difference.of("specialist")
        ours = result.these_units.differences[at].of(name)
        assert abs(ours.mean() - theirs.mean()) < 0.3 * theirs.std()
        assert ours.std() == pytest.approx(theirs.std(), rel=0.2)


def test_a_score_is_the_units_adjusted_mean():
    frame = toys.cells(seed=3)
    made = summaries.summarise(
        summaries.tally(frame, toys.OUTCOMES, ["unit", "group", "age"]), toys.OUTCOMES[2],
        unit="unit", group="group", case_mix=["age"],
    )  # fmt: skip
    patients = toys.people(seed=3)
    young = (patients["age"] == "young").astype(float)
    share = young.mean()
    dummies = pd.get_dummies(patients["unit"], dtype=float)
    design = np.column_stack([dummies, young - share])
    fitted, *_ = np.linalg.lstsq(design, patients["gain"], rcond=None)
    order = list(dummies.columns)
    level = made.centre + made.level / made.per_point
    found = [level[made.cells.units.index(unit)] for unit in order]
    # the weak prior of a case-mix effect moves it by a few thousandths of its standard error
    np.testing.assert_allclose(found, fitted[:-1], atol=0.01)
    rest = patients["gain"] - design @ fitted
    assert made.patient_sd == pytest.approx(np.sqrt(rest @ rest / (len(patients) - len(fitted))), rel=1e-3)


def test_chance_correlation_is_found_from_counts():
    """Patients' outcomes hang together; units do not."""
    frame = toys.cells(seed=7, units=(10, 30, 20), patients=150, shared=0.7, spread=0.0)
    people = toys.people(seed=7, units=(10, 30, 20), patients=150, shared=0.7, spread=0.0)
    tallied = summaries.tally(frame, toys.OUTCOMES, ["unit", "group", "age"])
    made = [
        summaries.summarise(tallied, one, unit="unit", group="group", case_mix=["age"])
        for one in toys.OUTCOMES
    ]
    laid = joint_draws.layers(tallied, made)
    truth = np.corrcoef(people["wound"].astype(float), people["readmission"].astype(float))[0, 1]
    assert truth > 0.25
    assert laid.chance[0, 1] == pytest.approx(truth, abs=3.5 / np.sqrt(120))
    assert abs(laid.chance[0, 2]) < 3.5 / np.sqrt(120)


def test_shared_chance_does_not_pass_for_good_units():
    frame = toys.cells(seed=8, units=(6, 30, 20), patients=150, shared=0.8, spread=0.15)
    found = joint.fit(frame, outcomes=toys.OUTCOMES, **toys.COLUMNS, **toys.ASKED, settings=QUICK)
    lower, upper = np.quantile(found.correlation.of("wound with readmission"), [0.025, 0.975])
    assert lower < 0 < upper


def test_units_good_at_both_are_seen():
    frame = toys.cells(seed=9, units=(6, 30, 20), patients=300, together=0.9, spread=0.4)
    found = joint.fit(frame, outcomes=toys.OUTCOMES, **toys.COLUMNS, **toys.ASKED, settings=QUICK)
    assert np.quantile(found.correlation.of("wound with readmission"), 0.025) > 0.4
    assert found.common_share.of("all outcomes").mean() > 0.5


def test_statements_are_counts_of_draws(result):
    said = result.these_units
    advantage = said.advantage.draws
    many = len(advantage)
    count = (advantage > 0).sum(axis=1)
    table = said.at_least.table().set_index("label")["estimate"]
    assert list(table.index) == ["at least 1", "at least 2", "all 3"]
    assert table["all 3"] == pytest.approx(((count == 3).sum() + 0.5) / (many + 1))
    np.testing.assert_allclose(said.composite.draws[:, 0], advantage.mean(axis=1))
    assert said.by_chance["better"].is_monotonic_decreasing
    # of three independent-or-not outcomes each looks better in half of all worlds
    assert said.by_chance["look_better"].sum() == pytest.approx(1.5, abs=0.05)
    assert said.by_chance["clearly_better"].sum() == pytest.approx(3 * 0.025, abs=0.015)
    assert said.number_better.draws.mean() == pytest.approx((advantage > 0).mean(axis=0).sum())
    assert list(said.advantage.labels) == ["wound", "readmission", "gain"]


def test_advantage_is_turned(result):
    said = result.these_units
    fewer = said.differences[0].draws[:, 0]
    assert np.array_equal(fewer < 0, said.advantage.of("wound") > 0)
    more = said.differences[2].draws[:, 0]
    assert np.array_equal(more > 0, said.advantage.of("gain") > 0)


def test_a_true_gap_is_found(result):
    found = fit(toys.cells(seed=2, gap=0.8, patients=300))
    assert found.these_units.composite_better.table()["estimate"][0] > 0.99
    assert found.these_units.no_difference.table()["estimate"][0] > 0.95
    assert found.these_units.composite.draws.mean() > result.these_units.composite.draws.mean()


def test_weights_and_controls_count_as_asked():
    asked = (*toys.OUTCOMES[:1], *toys.OUTCOMES[2:],
             joint.Events(label="allergy", events="readmission", trials="asked", control=True))  # fmt: skip
    found = joint.fit(
        toys.cells(), outcomes=asked, **toys.COLUMNS, **toys.ASKED, weights={"wound": 3, "gain": 1},
        settings=QUICK,
    )  # fmt: skip
    said = found.as_a_kind
    assert said.advantage.labels == ("wound", "gain")
    assert said.control.labels == ("allergy",)
    expected = 0.75 * said.advantage.of("wound") + 0.25 * said.advantage.of("gain")
    np.testing.assert_allclose(said.composite.draws[:, 0], expected)
    assert found.outcomes["weight"].tolist() == [0.75, 0.25, 0.0]
    assert "wound with allergy" in found.correlation.labels


def test_the_same_seed_gives_the_same_draws():
    small = Settings(draws=50, tune=30, chains=2)
    one, two = (
        joint.fit(toys.cells(), outcomes=toys.OUTCOMES, **toys.COLUMNS, **toys.ASKED, settings=small)
        for _ in range(2)
    )
    assert np.array_equal(one.draws.level, two.draws.level)


def test_a_unit_without_an_outcome_still_counts_on_the_others():
    frame = toys.cells()
    gone = frame["unit"] == "general 0"
    frame.loc[gone, ["asked", "wound"]] = frame.loc[gone, ["asked", "wound"]]
    asked = [joint.Events(label="wound", events="wound", trials="asked_wound"), *toys.OUTCOMES[1:]]
    frame["asked_wound"] = frame["asked"].where(~gone, 0)
    frame["wound"] = frame["wound"].where(~gone, 0)
    found = joint.fit(frame, outcomes=asked, **toys.COLUMNS, **toys.ASKED, settings=QUICK)
    assert found.outcomes.set_index("outcome")["units"].to_dict() == {
        "wound": 19,
        "readmission": 20,
        "gain": 20,
    }
    assert np.isfinite(found.draws.level).all()


def test_no_event_at_all_and_huge_counts_are_borne():
    frame = toys.cells()
    none = frame.assign(wound=0)
    found = joint.fit(none, outcomes=toys.OUTCOMES, **toys.COLUMNS, **toys.ASKED, settings=QUICK)
    assert np.isfinite(found.these_units.advantage.draws).all()
    size = 1_000_000
    columns = ["asked", "wound", "readmission", "gain", "gain_squares"]
    huge = frame.assign(**{column: frame[column] * size for column in columns})
    found = joint.fit(huge, outcomes=toys.OUTCOMES, **toys.COLUMNS, **toys.ASKED, settings=QUICK)
    assert np.isfinite(found.these_units.advantage.draws).all()


def test_it_shows_itself(result):
    assert "advantage against general" in repr(result)
    assert "<table" in result._repr_html_()
    assert {check.name for check in result.checks} >= {"R-hat, largest", "units in the class asked about"}


def test_two_wordings_of_one_question_fail_the_check():
    twice = (*toys.OUTCOMES, joint.Events(label="again", events="wound", trials="asked"))
    found = joint.fit(toys.cells(), outcomes=twice, **toys.COLUMNS, **toys.ASKED, settings=QUICK)
    assert [c.verdict for c in found.checks if "chance alone" in c.name] == ["fail"]


def fit(frame=None, **changed):
    given = {**toys.COLUMNS, **toys.ASKED, "outcomes": toys.OUTCOMES, "settings": QUICK} | changed
    return joint.fit(toys.cells() if frame is None else frame, **given)


def spoilt(column, value, row=2):
    frame = toys.cells().astype({"wound": float, "asked": float, "age": object})
    frame.loc[row, column] = value
    return frame


BAD = {
    "one outcome": ({"outcomes": toys.OUTCOMES[:1]}, "1 outcome besides controls"),
    "not an outcome": ({"outcomes": ["wound", "gain"]}, "outcomes holds 'wound'"),
    "label twice": ({"outcomes": (toys.OUTCOMES[0], toys.OUTCOMES[0])}, "Two outcomes are labelled 'wound'"),
    "unknown weight": ({"weights": {"wounds": 1}}, "weights names 'wounds'. Did you mean 'wound'"),
    "weight missing": ({"weights": {"wound": 1, "gain": 1}}, "weight of outcome 'readmission' is None"),
    "negative weight": (
        {"weights": {"wound": -1, "readmission": 1, "gain": 1}}, "weight of outcome 'wound' is -1"
    ),
    "all weights 0": ({"weights": {"wound": 0, "readmission": 0, "gain": 0}}, "All weights are 0"),
    "no such column": ({"unit": "hospital"}, "no column 'hospital'"),
    "seed": ({"seed": -1}, "seed=-1"),
    "focus": ({"focus": "special"}, "focus='special'"),
    "focus in reference": ({"focus": "general"}, "not part of the reference"),
    "reference": ({"reference": "genral"}, "reference class 'genral' has no units"),
    "prior": ({"priors": "vague"}, "vague"),
    "better": (
        {"outcomes": (*toys.OUTCOMES[1:], replace(toys.OUTCOMES[0], better="less"))},
        "better='less'",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_choices_are_refused(name):
    changed, message = BAD[name]
    with pytest.raises(InputError, match=message):
        fit(**changed)


BAD_FRAMES = {
    "empty": (lambda: toys.cells().iloc[:0], "frame of counts is empty"),
    "negative": (lambda: spoilt("wound", -1), "outcome 'wound', row 2: .*-1.*count from 0 up"),
    "fraction": (lambda: spoilt("wound", 1.5), "row 2: .*1.5.*whole-number count"),
    "not finite": (lambda: spoilt("gain", np.nan), "outcome 'gain', row 2: .*expected a sum"),
    "events above": (lambda: spoilt("wound", 1e6), "row 2: more events than patients"),
    "missing level": (lambda: spoilt("age", None), "Column 'age', row 2: missing"),
    "impossible squares": (lambda: toys.cells().assign(gain_squares=1.0), "squares of at least"),
    "all alike": (lambda: toys.cells().eval("gain = asked * 3.0\ngain_squares = asked * 9.0"),
                  "all patients have the same points"),
    "two classes": (lambda: toys.cells().assign(group=["general", "specialist"] * 20), "more than one group"),
    "class without answers": (
        lambda: toys.cells().assign(asked2=lambda f: f["asked"].where(f["group"] != "specialist", 0)),
        "'specialist' has no patient with an answer on outcome 'late'",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_FRAMES)
def test_bad_frames_are_refused(name):
    make, message = BAD_FRAMES[name]
    late = joint.Score(label="late", patients="asked2", total="gain", squares="gain_squares", unit="points")
    outcomes = (*toys.OUTCOMES, late) if name == "class without answers" else toys.OUTCOMES
    with pytest.raises(InputError, match=message):
        fit(make(), outcomes=outcomes)


def test_quadrature_over_a_kind_is_the_mean_of_many_units(result):
    """Mean risk of a kind: one draw's quadrature against many units drawn from it."""
    drawn = result.draws
    natural = lambda level: expit(level)  # noqa: E731 - a plain risk without case mix
    found = joint_result._mean_of_kind(natural, drawn, 0)[0, 1]
    rng = np.random.default_rng(1)
    units = drawn.class_level[0, 1, 0] + drawn.spread[0, 1, 0] * rng.standard_normal(200_000)
    assert found == pytest.approx(expit(units).mean(), abs=4 * expit(units).std() / np.sqrt(200_000))
