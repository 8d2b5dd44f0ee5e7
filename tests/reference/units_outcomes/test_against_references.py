"""`units.gaussian` and `units.ordinal` against quadrature, long runs of the plain models, and R."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from soa_evidence import priors, units
from soa_evidence.sampling import Settings
from soa_evidence.units.collapse import collapse, exact_log_likelihood
from soa_evidence.units.laplace import climb
from soa_evidence.units.ordered import density_of, prepare_ordered
from tests.reference.units_outcomes import plain

HERE = Path(__file__).parent
MC_ERRORS = 4.0  # of both runs together; 46 and 27 quantities are compared
# Posterior means under diffuse priors and maxima of a likelihood are different estimators of the same thing.
SHARE_OF_ERROR = 0.35
ASKED = {"unit": "unit", "group": "class", "reference": "general", "seed": 4}
FIT = {"count": "n", "total": "total", "squares": "squares", "margin": 1.0, **ASKED}
ANSWER = {"levels": plain.LEVELS, "cut": "good", **ASKED}


@pytest.fixture(scope="module")
def records():
    return pd.read_csv(HERE / "records.csv")


@pytest.fixture(scope="module")
def long():
    return json.loads((HERE / "long_runs.json").read_text())


@pytest.fixture(scope="module")
def r():
    return json.loads((HERE / "expected.json").read_text())


def fit_gain(frame, factors=("age", "sex"), settings=None, **more):
    return units.gaussian.fit(
        plain.sums(frame, factors), **FIT, **more, case_mix=list(factors), settings=settings
    )


def fit_answer(frame, settings=None, **more):
    return units.ordinal.fit(
        plain.answers(frame), **ANSWER, case_mix=["age", "sex"], settings=settings, **more
    )


def held(draws, known, errors=MC_ERRORS):
    """Every mean and SD of columns of independent draws within so many Monte Carlo errors of a long run's."""
    out = []
    for values, k in zip(draws.T, known, strict=True):
        size = len(values)
        out.append((values.mean() - k["mean"]) / np.hypot(values.std() / np.sqrt(size), k["mcse_mean"]))
        # heavier tails than a normal's make an SD less sure: kurtosis enters its error
        kurtosis = np.mean((values - values.mean()) ** 4) / values.var() ** 2
        error = values.std() * np.sqrt((kurtosis - 1) / 4 / size)
        out.append((values.std() - k["sd"]) / np.hypot(error, k["mcse_sd"]))
    assert np.abs(out).max() < errors, np.round(out, 1)
    return out


def flat(tree, name):
    values = tree["posterior"][name].to_numpy()
    return values.reshape(values.shape[0] * values.shape[1], -1)


@pytest.mark.parametrize("small", [False, True], ids=["ordinary units", "tiny units"])
def test_gain_is_that_of_quadrature(small):
    frame = plain.records(11, small=small)
    frame = frame[frame["class"] != "independent"]
    scale = float(frame["gain"].std(ddof=0))
    exact = plain.gaussian_by_quadrature(frame, priors.gaussian(), scale)
    result = units.gaussian.fit(
        plain.sums(frame, ()), **{**FIT, "reference": "specialist"}, settings=Settings(draws=4000, chains=2)
    )
    post = {name: flat(result.tree, name) for name in ("class_level", "class_log_spread", "log_residual")}
    difference = post["class_level"][:, 0] - post["class_level"][:, 1]
    assert exact["classes"] == ["general", "specialist"]
    for draws, (mean, sd) in (
        (difference, exact["difference"]),
        (post["class_level"][:, 0], exact["level"]),
        (post["class_log_spread"][:, 0], exact["log_spread"]),
        (post["log_residual"][:, 0], exact["log_residual"]),
    ):
        worth = 0.4 if small else 0.8  # resampled draws are worth so much of independent ones, at least
        error = sd / np.sqrt(len(draws) * worth)
        assert abs(draws.mean() - mean) < MC_ERRORS * error
        assert abs(draws.std() - sd) < MC_ERRORS * error
    share = (difference > 0).mean()
    assert abs(share - exact["better"]) < MC_ERRORS * np.sqrt(0.25 / (len(difference) * 0.4))


@pytest.mark.slow
def test_the_quadrature_does_not_move_when_its_grid_does():
    frame = plain.records(11)
    frame = frame[frame["class"] != "independent"]
    scale = float(frame["gain"].std(ddof=0))
    one = plain.gaussian_by_quadrature(frame, priors.gaussian(), scale)
    two = plain.gaussian_by_quadrature(frame, priors.gaussian(), scale, size=51, residuals=19)
    for name in ("difference", "level", "log_spread", "log_residual"):
        assert one[name] == pytest.approx(two[name], rel=2e-3, abs=2e-3)


def test_gain_is_that_of_a_long_run_on_every_record(records, long):
    result = fit_gain(records)
    assert result.scale == pytest.approx(long["scale"], rel=1e-12)
    known = long["runs"]["gaussian"]
    draws = {name: flat(result.tree, name) for name in known}
    for name in ("class_level", "level", "case_mix"):
        draws[name] = draws[name] / result.scale
    for name in ("class_log_spread", "log_residual"):
        draws[name] = draws[name] - np.log(result.scale)
    gaps = [gap for name in known for gap in held(draws[name], known[name])]
    assert np.sqrt(np.mean(np.square(gaps))) < 2


def test_answers_are_those_of_a_long_run_on_every_record(records, long):
    result = fit_answer(records)
    known = long["runs"]["ordinal"]
    terms = flat(result.tree, "case_mix")
    draws = {name: flat(result.tree, name) for name in ("class_level", "class_log_spread", "level")}
    draws["case_mix"] = terms[:, :3]
    draws["thresholds"] = np.column_stack([result.thresholds.of(name) for name in result.thresholds.labels])
    for name, values in draws.items():
        columns = [k for k, one in enumerate(known[name]) if one["sd"] > 0]
        held(values[:, columns], [known[name][k] for k in columns])


def test_gain_is_near_lmer_under_diffuse_priors(records, r):
    result = fit_gain(records, priors="diffuse")
    fixed, error = r["gain"]["fixed"], r["gain"]["fixed_se"]
    case_mix = result.case_mix.table().set_index("label")["estimate"]
    for label, name in (
        ("age: old v middle", "ageold"),
        ("age: young v middle", "ageyoung"),
        ("sex: male v female", "sexmale"),
    ):
        assert abs(case_mix[label] - fixed[name]) < SHARE_OF_ERROR * error[name]
    level = flat(result.tree, "class_level").mean(axis=0)
    for k, name in ((1, "independent"), (2, "specialist")):
        assert abs(level[k] - level[0] - fixed[f"class{name}"]) < 0.6 * error[f"class{name}"]
    residual = np.exp(flat(result.tree, "log_residual").mean())
    assert residual == pytest.approx(r["gain"]["residual"], rel=0.06)


def test_answers_are_near_clmm_under_diffuse_priors(records, r):
    result = fit_answer(records, priors="diffuse")
    fixed, error = r["answer"]["fixed"], r["answer"]["fixed_se"]
    case_mix = result.case_mix.table().set_index("label")["estimate"]
    for label, name in (
        ("age: old v middle", "ageold"),
        ("age: young v middle", "ageyoung"),
        ("sex: male v female", "sexmale"),
    ):
        assert abs(case_mix[label] - fixed[name]) < SHARE_OF_ERROR * error[name]
    threshold = result.thresholds.table().set_index("label")["estimate"]
    zero = fixed["fair|good"]
    assert threshold["below fair"] == pytest.approx(fixed["poor|fair"] - zero, abs=0.03)
    assert threshold["below very good"] == pytest.approx(fixed["good|very good"] - zero, abs=0.03)
    odds = result.log_common_odds_ratio.table().set_index("label")["estimate"]
    for name in ("independent", "specialist"):
        assert abs(odds[name] - fixed[f"class{name}"]) < 0.6 * error[f"class{name}"]


def test_the_rewritten_likelihood_at_rs_maximum_is_rs(records, r):
    """One unit's worth of everything: no unit effect, so the plain cumulative logit model of `clm`."""
    frame = records.assign(**{"unit": "all", "class": "all"})
    ordered = prepare_ordered(
        plain.answers(frame),
        levels=plain.LEVELS,
        cut="good",
        unit="unit",
        group="class",
        case_mix=["age", "sex"],
    )
    fixed = r["plain"]["fixed"]
    zero = fixed["fair|good"]
    effects = np.array([fixed["ageold"], fixed["ageyoung"], fixed["sexmale"]])
    # R's design is not centred: the level is at the average patient
    shares = np.column_stack([frame["age"] == "old", frame["age"] == "young", frame["sex"] == "male"]).mean(
        axis=0
    )
    assert ordered.cells.terms == ("age: old v middle", "age: young v middle", "sex: male v female")
    gaps = np.array([fixed["poor|fair"] - zero, fixed["good|very good"] - zero])
    terms, level = np.concatenate([effects, gaps])[None], np.array([[shares @ effects - zero]])
    density = density_of(ordered, priors.ordinal())
    near = climb(ordered.stacked, priors.ordinal(), density, start=ordered.start())
    total = exact_log_likelihood(ordered.stacked, collapse(ordered.stacked, near), terms, level)[0]
    inner = ordered.answers.sum(axis=0)[1:-1]
    total += (inner * np.log(-np.expm1(-np.array([-gaps[0], gaps[1]])))).sum()
    assert total == pytest.approx(r["plain"]["log_likelihood"], rel=1e-8)
