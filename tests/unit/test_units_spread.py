"""units.spread: likelihood by plain algebra, posterior by a grid, known truth found, every message."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.special import expit
from spread_toys import COLUMNS, world

from soa_evidence import priors
from soa_evidence.errors import InputError
from soa_evidence.units import (
    spread,
    spread_frame,
    spread_likelihood,
    spread_posterior,
    spread_worst,
    weights,
)

CLOSED = 1e-9
PRIORS = priors.spread()


@pytest.fixture(scope="module")
def result():
    return spread.fit(world(1, spreads=np.linspace(1.4, 0.7, 6)), seed=3, **COLUMNS)


def plain(panel, log_spread, kept, carried):
    """Restricted likelihood by whole matrices over every observation."""
    j, t = np.nonzero(panel.seen)
    y, v = panel.value[j, t], panel.variance[j, t]
    lag = np.abs(t[:, None] - t)
    c = np.where(lag == 0, 1.0, kept * carried**lag)
    tau = np.exp(log_spread)[t]
    cover = (j[:, None] == j) * np.outer(tau, tau) * c + np.diag(v)
    x = (t[:, None] == np.arange(panel.seen.shape[1])).astype(float)
    inverse = np.linalg.inv(cover)
    precision = x.T @ inverse @ x
    mean = np.linalg.solve(precision, x.T @ inverse @ y)
    rest = y - x @ mean
    dets = np.linalg.slogdet(cover)[1] + np.linalg.slogdet(precision)[1]
    return -0.5 * (rest @ inverse @ rest + dets + (len(y) - x.shape[1]) * np.log(2 * np.pi))


def test_the_likelihood_is_that_of_plain_algebra():
    panel = spread_frame.read(world(2, units=15, missing=0.2), **COLUMNS)
    log_spread = np.array([np.linspace(0.3, -0.4, 6), np.zeros(6)])
    kept, carried = np.array([0.9, 0.5]), np.array([0.8, 0.99])
    found = spread_likelihood.log_likelihood(panel, log_spread, kept, carried)
    expected = [plain(panel, *one) for one in zip(log_spread, kept, carried, strict=True)]
    assert found == pytest.approx(expected, rel=CLOSED)


def test_large_means_cost_no_digits():
    frame = world(2, units=15)
    far = frame.assign(mean=frame["mean"] + 1e7)
    ask = (np.zeros((1, 6)), np.array([0.9]), np.array([0.8]))
    near, away = (
        spread_likelihood.log_likelihood(spread_frame.read(f, **COLUMNS), *ask) for f in (frame, far)
    )
    assert away == pytest.approx(near, rel=1e-6)


def test_the_years_means_are_drawn_where_least_squares_puts_them():
    panel = spread_frame.read(world(2, units=15), **COLUMNS)
    n = 4000
    draws = spread_likelihood.means(
        panel, np.full((n, 6), -20.0), np.full(n, 0.5), np.full(n, 0.5), np.random.default_rng(1)
    )
    weight = 1 / panel.variance
    expected, error = (weight * panel.value).sum(axis=0) / weight.sum(axis=0), weight.sum(axis=0) ** -0.5
    assert np.abs((draws.mean(axis=0) - expected) / error).max() < 4 / np.sqrt(n) * 1.5
    assert draws.std(axis=0) == pytest.approx(error, rel=0.06)


def test_the_posterior_and_evidence_are_those_of_a_grid():
    panel = spread_frame.read(world(4, units=20, years=4), **COLUMNS)
    way = spread_posterior.ways(panel, PRIORS)[0]
    drawn = spread_posterior.draw(panel, way, draws=3000, seed=2)
    sides = [np.linspace(p.mean - 4 * p.sd, p.mean + 4 * p.sd, 41) for p in way.priors]
    points = np.array(np.meshgrid(*sides, indexing="ij")).reshape(3, -1).T
    height = spread_posterior.log_density(panel, way, points)
    mass = np.exp(height - height.max())
    volume = np.prod([side[1] - side[0] for side in sides])
    assert drawn.log_evidence == pytest.approx(height.max() + np.log(mass.sum() * volume), abs=0.03)
    mass /= mass.sum()
    mean = mass @ points
    sd = np.sqrt(mass @ np.square(points - mean))
    assert np.abs((drawn.parameters.mean(axis=0) - mean) / sd).max() < 0.1
    assert np.abs(drawn.parameters.std(axis=0) / sd - 1).max() < 0.08
    assert drawn.kept == pytest.approx(expit(drawn.parameters[:, 1]))


def test_regression_to_the_mean_by_arithmetic():
    frame = world(5, units=10, years=3)
    panel = spread_frame.read(frame, **COLUMNS)
    way = spread_posterior.ways(panel, PRIORS)[0]
    n = 6000
    fixed = np.tile([0.0, np.log(0.8 / 0.2), np.log(0.9 / 0.1)], (n, 1))
    constant = spread_posterior.Weighted(way=way, parameters=fixed, log_evidence=0.0, pareto_k=0.0)
    table, change, gap = spread_worst.beyond(panel, constant, higher_is_better=True, seed=1)
    low = np.argsort(panel.value[:, 0])[:2]
    lag = 0.8 * 0.9**2
    weight = 1 / (1 + panel.variance[:, 0])
    centre = np.average(panel.value[:, 0], weights=weight)
    first = panel.value[low, 0] - centre
    predicted = (lag / (1 + panel.variance[low, 0]) * first - first).mean()
    # The years' means are drawn with their other years, so only nearly the weighted mean of the first.
    assert table.loc[0, "predicted"] == pytest.approx(predicted, abs=0.15)
    assert table["units"].tolist() == [2, 6, 2]
    assert gap[:, 0].mean() == pytest.approx(change[:, 0].mean() - table.loc[0, "predicted"])
    turned = spread_worst.beyond(panel, constant, higher_is_better=False, seed=1)[0]
    assert turned.loc[0, "first"] == pytest.approx(table.loc[2, "first"], abs=0.1)


def test_a_result_is_whole(result):
    years = tuple(str(y) for y in range(2011, 2017))
    assert result.spread.labels == result.yearly.labels == years
    assert result.patterns.labels == spread.PATTERNS
    assert result.patterns.mean.sum() == pytest.approx(1)
    assert result.ways["probability"].sum() == pytest.approx(1)
    assert result.ways["prior"].tolist() == pytest.approx([1 / 3] * 3)
    turning = result.turning[["wider_then_narrower", "any_turn", "prior"]]
    assert turning.sum().tolist() == pytest.approx([1, 1, 1])
    assert len(result.trend) == 12
    assert result.observed.labels == result.beyond.labels == spread_worst.GROUPS
    assert "narrower" in repr(result)
    assert "standard deviation" in result._repr_html_()
    assert all(check.verdict == "pass" for check in result.checks)
    table = spread.side_by_side({"one": result})
    assert list(table.columns) == ["choice", "estimate", "lower", "upper", *spread.PATTERNS]


def test_a_known_fall_is_found(result):
    chance = result.patterns.table().set_index("label")["estimate"]
    assert chance["narrower throughout"] > 0.9
    ratio = result.change.table(transform="exp").iloc[0]
    assert ratio["lower"] < 0.5 < ratio["upper"] < 1
    assert result.spread.table().loc[0, "lower"] < 1.4 < result.spread.table().loc[0, "upper"]


def test_a_turn_is_found_where_it_is():
    found = spread.fit(
        world(6, units=200, spreads=[0.4, 0.7, 1.1, 1.7, 1.1, 0.7, 0.4], records=400), seed=1, **COLUMNS
    )
    chance = found.patterns.table().set_index("label")["estimate"]
    assert chance["wider, then narrower"] > 0.95
    turning = found.turning.set_index("year")["wider_then_narrower"]
    assert turning.idxmax() == "2014"


def test_a_constant_spread_is_not_called_a_change():
    found = spread.fit(world(8, units=120, spreads=[1.0] * 6), seed=1, **COLUMNS)
    assert found.patterns.table().set_index("label").loc["no change", "estimate"] > 0.4
    worst = found.beyond.table().iloc[0]
    assert worst["lower"] < 0 < worst["upper"]


def test_hostile_values_give_no_nonsense():
    tied = world(1, units=10, years=3).assign(mean=20.0)
    found = spread.fit(tied, seed=1, **COLUMNS)
    assert np.isfinite(found.spread.draws).all()
    assert (found.spread.table()["estimate"] < 1).all()
    huge = world(1, units=10, years=3)
    huge = huge.assign(mean=huge["mean"] * 1e6, sd=huge["sd"] * 1e6)
    assert np.isfinite(spread.fit(huge, seed=1, **COLUMNS).change.draws).all()


def test_scale_does_not_matter(result):
    frame = world(1, spreads=np.linspace(1.4, 0.7, 6))
    found = spread.fit(frame.assign(mean=frame["mean"] / 100, sd=frame["sd"] / 100), seed=3, **COLUMNS)
    assert found.change.table()["estimate"].iloc[0] == pytest.approx(
        result.change.table()["estimate"].iloc[0], abs=0.03
    )


def test_pareto_k_is_the_right_way_round():
    rng = np.random.default_rng(1)
    # Weights exp(x), x exponential of mean k, have a Pareto tail of index k.
    assert weights.pareto_k(rng.exponential(0.9, 20_000)) == pytest.approx(0.9, abs=0.15)
    assert weights.pareto_k(rng.exponential(0.3, 20_000)) == pytest.approx(0.3, abs=0.15)
    assert weights.pareto_k(np.zeros(100)) == -np.inf
    assert weights.worth(np.zeros(100)) == pytest.approx(1)
    assert weights.log_mean(np.log([1.0, 3.0])) == pytest.approx(np.log(2))
    kept = weights.resample(np.log([0.1, 0.0001, 0.9]), 1000, rng)
    assert np.bincount(kept, minlength=3)[2] == pytest.approx(900, abs=1)


BAD = {
    "no column": (lambda f: f.rename(columns={"mean": "means"}), {}, "Did you mean 'means'"),
    "one column twice": (lambda f: f, {"size": "mean"}, "'mean' is named for two purposes"),
    "no unit": (lambda f: f.assign(unit=f["unit"].where(f.index > 0)), {}, "Column 'unit', row 0: missing"),
    "no year": (lambda f: f.assign(year=f["year"].where(f.index > 0)), {}, "Column 'year', row 0: missing"),
    "no value": (lambda f: f.assign(mean=np.nan), {}, "holds no value at all"),
    "infinite": (lambda f: f.assign(mean=np.inf), {}, "expected a finite number"),
    "size is text": (lambda f: f.assign(n="many"), {}, "'many'; expected a finite number"),
    "no records": (lambda f: f.assign(n=0), {}, "0; a mean of no records"),
    "no deviation": (lambda f: f.assign(sd=0.0), {}, "a standard deviation must be above 0"),
    "twice a year": (lambda f: pd.concat([f, f]), {}, "has two rows in"),
    "two years": (
        lambda f: f[f["year"] < 2013],
        {},
        "2 years with values; a trend in spread needs at least 3",
    ),
    "few units": (
        lambda f: f[(f["year"] > 2011) | (f["unit"] < "u003")],
        {},
        "Year 2011 has 3 units; a spread needs",
    ),
    "none in both": (
        lambda f: f[
            ~((f["year"] == 2011) & (f["unit"] < "u010")) & ~((f["year"] == 2016) & (f["unit"] >= "u010"))
        ],
        {},
        "whether the worst improved cannot be asked",
    ),
    "direction": (lambda f: f, {"better": "up"}, "better='up': expected 'higher' or 'lower'"),
    "draws": (lambda f: f, {"draws": 10}, "draws=10: expected at least 100"),
    "seed": (lambda f: f, {"seed": 1.5}, "seed=1.5: expected a whole number"),
    "prior": (lambda f: f, {"priors": "difuse"}, "Did you mean 'diffuse'"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_told(name):
    change, choices, message = BAD[name]
    with pytest.raises(InputError) as told:
        spread.fit(change(world(3, units=20)), **{"seed": 1, **COLUMNS, **choices})
    assert message in str(told.value)


def test_nothing_side_by_side_is_told():
    with pytest.raises(InputError, match="There is no result to lay side by side"):
        spread.side_by_side({})


def test_rows_without_a_mean_are_units_not_published():
    frame = world(3, units=20)
    less = frame.assign(mean=frame["mean"].where(frame.index % 7 != 0))
    panel = spread_frame.read(less, **COLUMNS)
    assert panel.seen.sum() == less["mean"].notna().sum()
    assert stats.describe(panel.variance[panel.seen]).minmax[0] > 0
