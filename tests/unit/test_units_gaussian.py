"""`units.gaussian`: sums against records, its loops against quadrature, every message, and hostile data."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from outcome_toys import COLUMNS, patients, sums
from scipy import integrate, stats

from soa_evidence import priors as named
from soa_evidence import units
from soa_evidence.errors import InputError
from soa_evidence.sampling import Settings
from soa_evidence.units import gaussian, gaussian_direct
from soa_evidence.units.gaussian_kernels import class_grid, unit_levels
from soa_evidence.units.sums import prepare

MADE = {"count": "n", "total": "total", "squares": "squares"}
FIT = {**MADE, **COLUMNS, "margin": 1.0}
FEW = Settings(draws=250, tune=100, chains=2)
PREPARE = {**MADE, "unit": "unit", "group": "group", "case_mix": ["age"], "scale": None}


@pytest.fixture(scope="module")
def fitted():
    return units.gaussian.fit(sums(), **FIT, case_mix=["age"], settings=FEW)


def test_sums_hold_what_the_records_hold():
    frame = patients()
    made = prepare(sums(frame), **PREPARE)
    assert made.scale == pytest.approx(frame["gain"].std(ddof=0), rel=1e-12)
    one = frame[frame["unit"] == made.units[4]]
    old = (
        (one["age"] == "old").astype(float)
        if "old v" in made.terms[0]
        else (one["age"] == "young").astype(float)
    )
    y = one["gain"] / made.scale
    assert made.count[4] == len(one)
    assert made.mean[4] == pytest.approx(y.mean(), rel=1e-12)
    assert made.within_outcome[4] == pytest.approx(((y - y.mean()) ** 2).sum(), rel=1e-10)
    assert made.within_cross[4, 0] == pytest.approx(((y - y.mean()) * (old - old.mean())).sum(), rel=1e-9)
    assert made.within_case_mix[4, 0, 0] == pytest.approx(((old - old.mean()) ** 2).sum(), rel=1e-9)
    left = (y - y.mean() - 0.3 * (old - old.mean())).pow(2).sum()
    assert made.residual_squares(np.array([[0.3]]))[0, 4] == pytest.approx(left, rel=1e-9)
    assert made.case_mix_mean.T @ made.count == pytest.approx(0, abs=1e-9)


def test_the_likelihood_is_that_of_patients_with_the_units_variances_integrated_out():
    frame = patients(each=4)
    made = prepare(sums(frame), **PREPARE)
    level, beta, residual, differ = made.mean + 0.1, np.array([0.2]), -0.1, np.log(0.3)
    got = gaussian_direct.log_likelihood(
        made, beta[None], level[None], np.array([residual]), np.array([differ])
    )[0]
    other = gaussian_direct.log_likelihood(
        made, beta[None] * 0, level[None] + 0.2, np.array([0.05]), np.array([np.log(0.2)])
    )[0]

    def plainly(beta, level, residual, differ):
        nu = 0.5 * np.exp(-2 * differ)
        total = 0.0
        share = (frame["age"] == made.terms[0].split(": ")[1].split(" v ")[0]).astype(float)
        x = (share - share.mean()).to_numpy()
        for j, unit in enumerate(made.units):
            at = (frame["unit"] == unit).to_numpy()
            y = frame.loc[at, "gain"].to_numpy() / made.scale - x[at] * beta[0] - level[j]
            density = stats.gamma(nu / 2, scale=2 / (nu * np.exp(2 * residual)))

            def inside(p, y=y, density=density):
                return np.exp(stats.norm.logpdf(y, 0, p**-0.5).sum()) * density.pdf(p)

            top = density.mean() + 12 * density.std()
            total += np.log(integrate.quad(inside, 1e-9, top, limit=400, epsabs=0, epsrel=1e-10)[0])
        return total

    expected = plainly(beta, level, residual, differ) - plainly(beta * 0, level + 0.2, 0.05, np.log(0.2))
    assert got - other == pytest.approx(expected, abs=1e-5)


def log_height(u, n, r, left, dof, mu, sigma):
    return -0.5 * dof * np.log(left + n * (u - r) ** 2) - 0.5 * ((u - mu) / sigma) ** 2


CASES = [
    (4.0, 0.5, 3.0, 9.0, 0.0, 0.2),
    (200.0, 1.0, 150.0, 260.0, 0.0, 0.1),
    (1.0, -3.0, 5.0, 6.0, 0.0, 0.5),
]


@pytest.mark.parametrize("case", CASES)
def test_a_units_integral_and_draws_are_those_of_quadrature(case):
    n, r, left, dof, mu, sigma = case
    u = np.linspace(mu - 12 * sigma, mu + 12 * sigma, 200_001)
    height = np.exp(log_height(u, *case) - log_height(u, *case).max())
    area = integrate.trapezoid(height, u)
    exact = np.log(area) + log_height(u, *case).max() - np.log(sigma)
    one = np.array([n]), np.array([r]), np.array([left]), np.array([dof])
    assert class_grid(np.array([mu]), np.array([sigma]), np.array([0]), *one)[0] == pytest.approx(
        exact, abs=1e-6
    )
    draws = 20_000
    level, log_q = unit_levels(
        one[0], np.array([0]), np.full((draws, 1), r), np.full((draws, 1), left), np.full((draws, 1), dof),
        np.full((draws, 1), mu), np.full((draws, 1), sigma), np.random.default_rng(2).random((draws, 1)),
    )  # fmt: skip
    ranks = np.interp(level[:, 0], u, integrate.cumulative_trapezoid(height, u, initial=0) / area)
    assert stats.kstest(ranks, "uniform").pvalue > 1e-3
    density = log_height(level[:, 0], *case) - log_height(u, *case).max() - np.log(area)
    assert np.quantile(np.abs(density - log_q), 0.99) < 0.05


def test_the_result_is_whole(fitted):
    these = fitted.these_units
    assert these.mean.labels == ("general", "independent", "specialist")
    assert these.difference.labels == ("independent", "specialist")
    by_hand = these.mean.of("specialist") - these.mean.of("general")
    assert these.difference.of("specialist") == pytest.approx(by_hand, abs=1e-9)
    assert these.standardised_difference.of("specialist") == pytest.approx(by_hand / fitted.scale, abs=1e-9)
    better = these.probability_better.table().set_index("label").loc["specialist", "estimate"]
    assert better == pytest.approx(((by_hand > 0).sum() + 0.5) / (len(by_hand) + 1))
    weights = fitted.units.set_index("unit")["patients"].filter(like="specialist")
    drawn = np.column_stack([fitted.unit_mean.of(name) for name in weights.index])
    assert these.mean.of("specialist") == pytest.approx(drawn @ weights / weights.sum())
    assert fitted.unit_residual.table()["estimate"].between(4, 12).all()
    assert fitted.classes["patients"].sum() == len(patients())
    assert all(c.verdict != "fail" for c in fitted.checks)
    assert "Pareto k" in fitted.checks[0].name
    assert fitted.tree["posterior"].sizes["unit"] == 12
    assert fitted.tree["posterior"]["level"].mean() == pytest.approx(19.5, abs=2)
    assert "units.gaussian" in repr(fitted)
    assert "standardised mean" in fitted._repr_html_()


def test_the_truth_is_found_where_data_abound():
    result = units.gaussian.fit(sums(patients(4, each=400, apart=4.0)), **FIT, case_mix=["age"], settings=FEW)
    row = result.these_units.difference.table().set_index("label").loc["specialist"]
    assert row["lower"] < 4.0 + 1.5
    assert row["upper"] > 4.0 - 1.5
    assert row["std_error"] < 0.6
    assert result.case_mix.table()["estimate"].abs().iloc[0] == pytest.approx(2.0, abs=0.6)


def test_one_more_unit_is_less_sure_than_the_class(fitted):
    new = fitted.new_unit_mean.table().set_index("label")["std_error"]
    kind = fitted.as_a_kind.mean.table().set_index("label")["std_error"]
    assert (new > kind).all()


def test_lower_may_be_better(fitted):
    other = units.gaussian.fit(sums(), **FIT, case_mix=["age"], settings=FEW, better="lower")
    one = fitted.these_units.probability_better.table()["estimate"]
    assert other.these_units.probability_better.table()["estimate"].to_numpy() == pytest.approx(
        1 - one.to_numpy()
    )


def hostile(values):
    return pd.DataFrame(values, columns=["unit", "group", "n", "total", "squares"])


@pytest.mark.parametrize(
    "frame",
    [
        hostile([("a", "general", 1, 3.0, 9.0), ("b", "specialist", 1, 5.0, 25.0)]),
        hostile(
            [("a", "general", 5, 0.0, 0.0), ("b", "specialist", 5, 0.0, 0.0), ("c", "general", 1, 1.0, 1.0)]
        ),
        hostile([("a", "general", 9, 9e9, 9.1e18), ("b", "specialist", 9, 8e9, 9e18)]),
        hostile([("a", "general", 9, 9e-9, 9.1e-18), ("b", "specialist", 9, 8e-9, 9e-18)]),
        hostile([("a", "general", 10**6, 1e6, 1e6 + 0.1), ("b", "specialist", 2, 2e3, 2e6 + 1)]),
    ],
    ids=["two patients", "nearly all alike", "huge", "tiny", "one mountain"],
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_hostile_sums_give_finite_answers_or_a_failed_check(frame, monkeypatch):
    # The sampler's turn is tested elsewhere; here it is enough that unsound draws are not used silently.
    class HandedError(Exception):
        pass

    def refuse(*_, **__):
        raise HandedError

    monkeypatch.setattr(gaussian, "build", refuse)
    try:
        result = units.gaussian.fit(frame, **FIT, settings=FEW)
    except HandedError:
        return
    assert np.isfinite(result.these_units.difference.of("specialist")).all()
    assert np.isfinite(result.units["estimate"]).all()


@pytest.mark.slow
def test_the_sampler_gives_the_same(fitted):
    other = units.gaussian.fit(
        sums(), **FIT, case_mix=["age"], engine="sampler", settings=Settings(draws=500, tune=300, chains=2)
    )
    for a, b in (
        (fitted.these_units.difference, other.these_units.difference),
        (fitted.spread, other.spread),
    ):
        one, two = a.table(), b.table()
        error = np.hypot(one["std_error"], two["std_error"]) / np.sqrt(200)
        assert (np.abs(one["estimate"] - two["estimate"]) < 4 * error).all()
    assert "R-hat, largest" in {check.name for check in other.checks}


def test_where_draws_are_not_sound_the_sampler_is_asked(monkeypatch):
    real = gaussian_direct.draw

    def unsound(*args, **more):
        found = real(*args, **more)
        return replace(found, check=replace(found.check, verdict="fail"))

    class AskedError(Exception):
        pass

    def asked(*_, **__):
        raise AskedError

    monkeypatch.setattr(gaussian.gaussian_direct, "draw", unsound)
    monkeypatch.setattr(gaussian, "sample", asked)
    with pytest.raises(AskedError):
        units.gaussian.fit(sums(), **FIT, settings=FEW)


def test_an_outlying_unit_is_noticed():
    frame = sums(patients(2, classes={"specialist": 3, "general": 9}))
    at = frame["unit"] == "general 3"
    moved = frame.assign(
        squares=frame["squares"] + at * (2 * 60 * frame["total"] + 3600 * frame["n"]),
        total=frame["total"] + at * 60 * frame["n"],
    )
    result = units.gaussian.fit(moved, **FIT, case_mix=["age"], scale=8.0, settings=FEW)
    assert result.predictive["probability"].min() < 0.2
    assert {"statistic", "observed", "probability"} <= set(result.predictive.columns)


BAD = {
    "no column": (lambda d: d.drop(columns="total"), "no column 'total'"),
    "empty": (lambda d: d[:0], "frame of sums is empty"),
    "text": (lambda d: d.assign(total="x"), "expected sums as numbers"),
    "missing": (
        lambda d: d.assign(total=d["total"].astype(float).where(d.index != 2)),
        "row 2: nan; expected a finite",
    ),
    "fraction": (lambda d: d.assign(n=d["n"] + 0.5), "must be a whole number"),
    "negative": (lambda d: d.assign(n=-d["n"]), "cannot be negative"),
    "nobody": (lambda d: d.assign(n=0, total=0, squares=0), "0 in every row"),
    "sum of nobody": (lambda d: d.assign(n=d["n"].where(d.index != 1, 0)), "Row 1: 'n' is 0 but 'total'"),
    "squares": (lambda d: d.assign(squares=d["squares"] / 9), "the least that a 'total'"),
    "two classes": (lambda d: d.assign(group=["x", *d["group"][1:]]), "more than one group"),
    "no class": (lambda d: d.assign(group=d["group"].where(d.index != 0)), "row 0: missing"),
    "alike": (lambda d: d.assign(total=d["n"] * 2, squares=d["n"] * 4), "the same value of 'total'"),
    "one class": (lambda d: d.assign(group="general"), "Only one class"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_frames_are_refused(name):
    change, message = BAD[name]
    with pytest.raises(InputError, match=message):
        units.gaussian.fit(change(sums()), **FIT, case_mix=["age"], settings=FEW)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"margin": -1.0}, "margin=-1.0: expected a difference"),
        ({"better": "more"}, "better='more': expected 'lower' or 'higher'"),
        ({"seed": 1.5}, "seed=1.5: expected a whole number"),
        ({"engine": "gibbs"}, "engine='gibbs': expected 'direct' or 'sampler'"),
        ({"scale": 0.0}, "scale=0.0: expected a standard deviation above 0"),
        ({"priors": "defualt"}, "Did you mean 'default'"),
        ({"reference": "genral"}, "Did you mean 'general'"),
        ({"total": "n"}, "named for two purposes"),
    ],
)
def test_bad_choices_are_refused(given, message):
    with pytest.raises(InputError, match=message):
        units.gaussian.fit(sums(), **{**FIT, **given}, settings=FEW)


def test_rounded_sums_of_squares_are_accepted():
    frame = sums().assign(total=lambda d: d["total"] + 0.37)
    single = frame.assign(n=1, squares=(frame["total"] ** 2).round(1))
    prepare(single, **PREPARE)


def test_every_prior_is_tabled_with_its_reason():
    for made in named.GAUSSIAN_PRIORS.values():
        table = made.table()
        assert len(table) == 7
        assert table["because"].str.len().min() > 10
    assert named.gaussian("sceptical").levels.class_sd < named.gaussian().levels.class_sd
