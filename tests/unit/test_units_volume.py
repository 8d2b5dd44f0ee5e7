"""units.volume: parts by arithmetic and brute force, known truth found, and every message."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.special import expit
from volume_toys import COLUMNS, world

from soa_evidence import priors
from soa_evidence.errors import InputError
from soa_evidence.units import (
    operations,
    volume,
    volume_frame,
    volume_likelihood,
    volume_moving,
    volume_posterior,
    volume_shapes,
)

PRIORS = priors.volume()
BRUTE_FORCE = 2e-4  # log likelihood; what Taylor polynomials and 11 × 9 nodes leave
FRAME = {**COLUMNS, "case_mix": []}


@pytest.fixture(scope="module")
def result():
    return volume.fit(world(3, within=-0.2), cut=30, seed=1, **COLUMNS)


def dense(data, fixed, unit_sd, year_sd):
    """The likelihood by plain sums over dense grids of the exact binomial."""
    z = np.linspace(-8, 8, 161)
    mass = stats.norm.pdf(z) * (z[1] - z[0])
    total = 0.0
    n, y = data.cells.trials, data.cells.events
    for j in range(len(data.units)):
        by_u = np.ones(len(z))
        for r in np.flatnonzero(data.unit == j):
            eta = fixed[r] + unit_sd * z[:, None] + year_sd * z[None, :]
            cell = data.cells.unit == r
            seen = y[cell].sum() * eta - n[cell].sum() * np.logaddexp(0, eta)
            by_u *= np.exp(seen) @ mass
        total += np.log(by_u @ mass)
    return total


def test_the_likelihood_is_that_of_brute_force():
    data = volume_frame.read(world(1, units=10, years=2, size=4.0, unit_sd=0.4), **FRAME)
    fixed = -2.0 + 0.1 * data.within - 0.1 * (data.mean_log2[data.unit] - 4)
    at = volume_likelihood.Expansion(level=fixed + 0.2)
    found = volume_likelihood.marginal(
        data, at, volume_likelihood.expand(data, at, np.zeros(0)), fixed, 0.4, 0.2
    )
    assert found == pytest.approx(dense(data, fixed, 0.4, 0.2), abs=BRUTE_FORCE * 10)


def test_the_posterior_is_that_of_a_grid_over_every_parameter():
    frame = world(5, units=12, years=2, size=5.0, within=0.3)
    data = volume_frame.read(frame, **FRAME)
    shape = volume_shapes.shape_of(data, PRIORS, "linear")
    drawn = volume_posterior.draw(data, PRIORS, shape, seed=4)
    # The oracle: random-walk over nothing; a fine importance grid (Sobol) about the draws, exactly weighted.
    every = np.hstack([drawn.own, drawn.log_sd])
    centre, cover = every.mean(axis=0), np.cov(every.T) * 1.7
    points = stats.qmc.MultivariateNormalQMC(np.zeros(len(centre)), seed=8).random(1024)
    theta = centre + points @ np.linalg.cholesky(cover).T
    at = volume_likelihood.Expansion(level=np.full(len(data.unit), -2.0))
    coefficients = volume_likelihood.expand(data, at, np.zeros(0))
    heights = np.array(
        [
            volume_likelihood.marginal(
                data, at, coefficients, shape.design @ one[:-2], np.exp(one[-2]), np.exp(one[-1])
            )
            for one in theta
        ]
    )
    mean = np.append(shape.prior_mean, [PRIORS.unit_log_spread.mean, PRIORS.year_log_spread.mean])
    sd = np.append(shape.prior_sd, [PRIORS.unit_log_spread.sd, PRIORS.year_log_spread.sd])
    log_w = heights + stats.norm.logpdf(theta, mean, sd).sum(axis=1) + 0.5 * np.square(points).sum(axis=1)
    w = np.exp(log_w - log_w.max())
    w /= w.sum()
    oracle = w @ theta
    spread = np.sqrt(w @ np.square(theta - oracle))
    # 1,500 draws: an error of the mean of about 0.03 standard deviations, and the oracle's own.
    assert np.abs((every.mean(axis=0) - oracle) / spread).max() < 0.15
    assert np.abs(np.log(every.std(axis=0) / spread)).max() < 0.12


def test_shapes_by_arithmetic():
    data = volume_frame.read(world(2, units=12), **FRAME)
    at = np.log2([4.0, 16.0, 64.0])
    assert volume_shapes.between(data, "step", 16.0, at).ravel().tolist() == [1, 0, 0]
    assert volume_shapes.between(data, "plateau", 16.0, at).ravel().tolist() == [-2, 0, 0]
    assert volume_shapes.between(data, "none", 16.0, at).shape == (3, 0)
    slope = volume_shapes.between(data, "linear", 0.0, at).ravel()
    assert np.diff(slope) == pytest.approx([2, 2])
    own = volume_shapes.between(data, "spline", 0.0, data.mean_log2)
    assert own.mean(axis=0) == pytest.approx(np.zeros(3), abs=1e-9)
    assert (own.T @ own)[np.triu_indices(3, 1)] == pytest.approx(np.zeros(3), abs=1e-7)
    shape = volume_shapes.shape_of(data, PRIORS, "linear")
    assert shape.design.shape == (len(data.unit), 1 + 2 + 1 + 1)
    assert np.bincount(data.unit, shape.design[:, -1]) == pytest.approx(np.zeros(12), abs=1e-9)


def test_thresholds_divide_units_even_when_many_share_the_least_volume():
    frame = world(2, units=20)
    few = sorted(frame["unit"].unique())[:8]
    frame.loc[frame["unit"].isin(few), "volume"] = 3.0
    data = volume_frame.read(frame, **FRAME)
    for shape in volume_shapes.candidates(data, PRIORS)[2:]:
        below = (2**data.mean_log2 < shape.threshold - 1e-9).sum()
        assert 0 < below < 20


def test_moving_operations_by_arithmetic():
    frame = world(7, units=12)
    data = volume_frame.read(frame, **FRAME)
    shape = volume_shapes.shape_of(data, PRIORS, "linear")
    own = np.zeros((2, shape.design.shape[1]))
    own[:, 0], own[:, shape.between.start] = -2.0, [-0.2, 0.0]
    tiny = np.full((2, 2), -30.0)
    drawn = volume_posterior.Drawn(
        shape=shape, case_mix=np.zeros((2, 0)), own=own, log_sd=tiny, log_evidence=0.0, laplace_evidence=0.0,
        check=None,
    )  # fmt: skip
    within = np.array([0.0, -0.1])
    moved = volume_moving.moved(data, drawn, volume_moving.risk_of(data, drawn), within, 30.0)
    v, m = data.volume_of_unit, data.mean_log2
    low = v < 30
    risk = expit(-2 - 0.2 * (m - m.mean()))
    between = np.average(risk[~low], weights=v[~low]) - np.average(risk[low], weights=v[low])
    target = np.average(m[~low], weights=v[~low])
    changed = np.average(expit(-2 - 0.1 * (target - m[low])), weights=v[low]) - expit(-2)
    assert moved.per_1000[0] == pytest.approx([1000 * between, 0], abs=0.01)
    assert moved.per_1000[1] == pytest.approx([0, 1000 * changed], abs=1e-9)
    assert moved.per_year == pytest.approx(moved.per_1000 / 1000 * v[low].sum())
    assert moved.counts["units_below"] == low.sum()
    assert moved.counts["operations_below"] + moved.counts["operations_above"] == pytest.approx(v.sum())


def test_a_result_is_whole(result):
    labels = ("between units", "within a unit")
    assert result.slopes.labels[:2] == labels
    assert result.per_1000.labels == result.per_year.labels == result.lower_with_volume.labels == labels
    assert result.shapes["probability"].sum() == pytest.approx(1)
    assert result.shapes["prior"].sum() == pytest.approx(1)
    assert result.threshold[["probability", "prior"]].sum().tolist() == pytest.approx([1, 1])
    kinds = result.threshold_probability.table().set_index("label")["estimate"]
    assert kinds[["no relation", "straight", "threshold"]].sum() == pytest.approx(1)
    assert kinds["threshold with less risk above it"] <= kinds["threshold"]
    low = result.units["volume"] < 30
    assert result.moving["per_1000"].notna().all()
    assert result.units["trials"].sum() == world(3, within=-0.2)["n"].sum()
    assert low.any()
    assert (~low).any()
    assert (result.curve_table["lower"] < result.curve_table["upper"]).all()
    assert "within a unit" in repr(result)
    assert "odds ratio" in result._repr_html_()
    assert {c.verdict for c in result.checks} <= {"pass", "warn"}


def test_the_same_seed_gives_the_same_numbers(result):
    again = volume.fit(world(3, within=-0.2), cut=30, seed=1, **COLUMNS)
    assert np.array_equal(again.slopes.draws, result.slopes.draws)


def test_a_smooth_curve_and_case_mix():
    frame = world(9, units=15, years=2, strata=3)
    found = volume.fit(frame, cut=30, seed=2, shape="spline", case_mix=["stratum"], **COLUMNS)
    assert all(check.verdict != "fail" for check in found.checks)
    assert found.data.cells.design.shape[1] == 2


def test_truth_is_found_and_none_is_made_up():
    strong = volume.fit(
        world(11, units=50, years=4, between=0.0, within=-0.5, size=8.5, level=-1.5),
        cut=200,
        seed=1,
        **COLUMNS,
    )
    slopes = strong.slopes.table().set_index("label")
    assert slopes.loc["within a unit", "lower"] < -0.5 < slopes.loc["within a unit", "upper"] < 0
    assert slopes.loc["between units", "lower"] < 0 < slopes.loc["between units", "upper"]
    confounded = volume.fit(
        world(12, units=50, years=4, between=-0.3, within=0.0, size=8.0, level=-1.5),
        cut=200,
        seed=1,
        **COLUMNS,
    )
    slopes = confounded.slopes.table().set_index("label")
    assert slopes.loc["between units", "upper"] < 0
    assert slopes.loc["within a unit", "lower"] < 0 < slopes.loc["within a unit", "upper"]
    assert confounded.per_1000.table()["upper"].iloc[0] < 0


def test_a_step_is_told_from_a_slope():
    frame = world(14, units=80, years=2, between=0.0, size=7.0, unit_sd=0.05, year_sd=0.02)
    rng = np.random.default_rng(1)
    m = np.log2(frame["volume"]).groupby(frame["unit"]).transform("mean")
    frame["y"] = rng.binomial(frame["n"], expit(-2.0 + 0.7 * (m < 7.0)))
    found = volume.fit(frame, cut=100, seed=1, **COLUMNS)
    kinds = found.threshold_probability.table().set_index("label")["estimate"]
    assert kinds["threshold with less risk above it"] > 0.9
    assert 80 < found.threshold.set_index("volume")["probability"].idxmax() < 200


@pytest.mark.parametrize("events", ["none", "all"])
def test_hostile_counts_give_no_nonsense(events):
    frame = world(4, units=12, years=2)
    frame["y"] = 0 if events == "none" else frame["n"]
    found = volume.fit(frame, cut=30, seed=1, **COLUMNS)
    assert np.isfinite(found.slopes.draws).all()
    assert (np.abs(found.slopes.table()["estimate"]) < 1).all()


def test_huge_units_and_tiny_ones_together():
    frame = world(6, units=14, years=2)
    frame.loc[frame["unit"] == "u000", ["volume", "n", "y"]] = [100_000.0, 100_000, 11_000]
    found = volume.fit(frame, cut=30, seed=1, **COLUMNS)
    assert np.isfinite(found.per_1000.draws).all()


BAD = {
    "no column": (
        lambda f: f.rename(columns={"volume": "volumes"}),
        {},
        "no column 'volume'. Did you mean 'volumes'",
    ),
    "empty": (lambda f: f.iloc[:0], {}, "frame of counts is empty"),
    "missing year": (
        lambda f: f.assign(year=f["year"].where(f.index > 2)),
        {},
        "Column 'year', row 0: missing",
    ),
    "missing unit": (
        lambda f: f.assign(unit=f["unit"].where(f.index > 2)),
        {},
        "Column 'unit', row 0: missing",
    ),
    "no volume": (lambda f: f.assign(volume=0), {}, "expected operations above 0"),
    "volume is text": (lambda f: f.assign(volume="many"), {}, "row 0: 'many'; expected operations"),
    "missing volume": (lambda f: f.assign(volume=np.nan), {}, "Leave out units whose volume is not known"),
    "two volumes": (
        lambda f: pd.concat([f, f.assign(volume=f["volume"] + 1)]),
        {},
        "u000 in 2016 has more than one 'volume'",
    ),
    "control character": (lambda f: f.assign(unit=f["unit"] + "\x1f"), {}, "holds a control character"),
    "all the same": (lambda f: f.assign(volume=50), {}, "All units have the same 'volume'"),
    "few units": (lambda f: f[f["unit"] < "u004"], {}, "4 units have trials; a relation to volume needs 10"),
    "one year": (lambda f: f[f["year"] == 2016], {}, "nothing can be said within units"),
    "events above trials": (lambda f: f.assign(y=f["n"] + 1), {}, "events cannot exceed trials"),
    "half a patient": (lambda f: f.assign(n=f["n"] + 0.5), {}, "a count must be a whole number"),
    "shape": (lambda f: f, {"shape": "curved"}, "shape='curved': expected 'linear' or 'spline'"),
    "prior": (lambda f: f, {"priors": "defalt"}, "Did you mean 'default'"),
    "seed": (lambda f: f, {"seed": -1}, "seed=-1: expected a whole number"),
    "cut below all": (lambda f: f, {"cut": 0}, "expected a cut with units on both sides"),
    "cut beyond all": (lambda f: f, {"cut": 1e9}, "expected a cut with units on both sides"),
    "case mix missing": (
        lambda f: f.assign(stratum=None),
        {"case_mix": ["stratum"]},
        "Column 'stratum', row 0: missing",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_told(name):
    change, choices, message = BAD[name]
    with pytest.raises(InputError) as told:
        volume.fit(change(world(3, units=12)), **{"cut": 30, "seed": 1, **COLUMNS, **choices})
    assert message in str(told.value)


def counts():
    rows = [
        ("A", 1, "all", 120.0), ("A", 1, "primary", 100.0), ("A", 1, "revision", 20.0),
        ("B", 1, "all", 50.0), ("B", 1, "primary", np.nan), ("B", 1, "revision", np.nan),
        ("C", 1, "all", np.nan), ("C", 1, "primary", np.nan), ("C", 1, "revision", np.nan),
        ("D", 1, "all", 4.0), ("D", 1, "primary", np.nan), ("D", 1, "revision", np.nan),
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=["unit", "year", "part", "done"])


CHOICES = {"operations": "done", "unit": "unit", "year": "year", "part": "part", "smaller": "revision"}


def test_hidden_operations_are_put_in_the_middle():
    revision = operations.published(counts(), wanted="revision", other="primary", **CHOICES).set_index("unit")
    assert revision["operations"].to_dict() == {"A": 20, "B": 3, "D": 2}
    assert revision["hidden"].to_dict() == {"A": False, "B": True, "D": True}
    primary = operations.published(counts(), wanted="primary", other="revision", **CHOICES).set_index("unit")
    assert primary["operations"].to_dict() == {"A": 100, "B": 47, "D": 2}


@pytest.mark.parametrize(
    ("change", "choices", "message"),
    [
        (lambda f: f.drop(columns="done"), {}, "no column 'done'"),
        (lambda f: f[f["part"] != "all"], {}, "holds no 'all'"),
        (lambda f: pd.concat([f, f]), {}, "Unit 'A' is counted twice in 1"),
        (lambda f: f, {"smaller": "all"}, "smaller='all': expected 'revision' or 'primary'"),
    ],
)
def test_bad_counts_of_operations_are_told(change, choices, message):
    with pytest.raises(InputError) as told:
        operations.published(change(counts()), wanted="revision", other="primary", **{**CHOICES, **choices})
    assert message in str(told.value)
