"""units.poisson: arithmetic, hostile data and every message."""

import re

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from soa_evidence import units
from soa_evidence.errors import InputError
from soa_evidence.priors import poisson
from soa_evidence.sampling import Settings
from soa_evidence.units import poisson_kernels as kernels
from soa_evidence.units.poisson_frame import prepare
from soa_evidence.units.poisson_posterior import nodes
from soa_evidence.units.poisson_predictive import cut_off

SMALL = Settings(draws=150, chains=2)
COLUMNS = {"events": "events", "expected": "expected", "trials": "trials", "unit": "unit", "group": "group"}


def toy(**changed):
    frame = pd.DataFrame(
        {
            "unit": ["a", "b", "c", "d", "e"], "group": ["s", "s", "g", "g", "g"],
            "events": [12, 20, 33, 25, 40], "expected": [18.0, 25.0, 30.0, 27.5, 35.0],
            "trials": [500, 800, 900, 700, 1100],
        }
    )  # fmt: skip
    return frame.assign(**changed)


def years():
    return pd.concat([toy(year=2001), toy(year=2002, events=[9, 25, 30, 20, 51])], ignore_index=True)


def run(frame, **changed):
    return units.poisson.fit(frame, **{**COLUMNS, "reference": "g", "seed": 1, "settings": SMALL, **changed})


@pytest.fixture(scope="module")
def plain():
    return run(toy())


def test_rates_are_ratios_at_the_average_expected_rate(plain):
    average = 1000 * (18 + 25 + 30 + 27.5 + 35) / (500 + 800 + 900 + 700 + 1100)
    assert plain.average_per_1000 == pytest.approx(average)
    level = plain.tree["posterior"]["level"].to_numpy().reshape(-1, 5)
    rate = average * (18 * np.exp(level[:, 0]) + 25 * np.exp(level[:, 1])) / (18 + 25)
    np.testing.assert_allclose(plain.these_units.rate.of("s"), rate)
    general = plain.these_units.rate.of("g")
    np.testing.assert_allclose(plain.these_units.difference.of("s"), rate - general)
    np.testing.assert_allclose(plain.these_units.log_rate_ratio.of("s"), np.log(rate / general))
    np.testing.assert_allclose(plain.these_units.log_ratio.of("s"), np.log(rate / average))
    middle = plain.tree["posterior"]["class_level"].to_numpy().reshape(-1, 2)
    np.testing.assert_allclose(plain.as_a_kind.rate.of("s"), average * np.exp(middle[:, 1]))


def test_classes_and_units_are_counted(plain):
    classes = plain.classes.set_index("group")
    assert classes.loc["s", ["units", "events", "trials"]].tolist() == [2, 12 + 20, 500 + 800]
    assert classes.loc["s", "crude_ratio"] == pytest.approx((12 + 20) / (18 + 25))
    first = plain.units.set_index("unit").loc["a"]
    assert first["crude_ratio"] == pytest.approx(12 / 18)
    assert first["lower"] < first["estimate"] < first["upper"]
    assert first["rank_lower"] <= first["rank_median"] <= first["rank_upper"]
    assert plain.period_spread is None
    assert "these units" in repr(plain)
    assert "<table" in plain._repr_html_()


def test_direction_and_margin(plain):
    turned = run(toy(), better="higher")
    low, high = (r.these_units.probability_better.mean[0] for r in (plain, turned))
    assert low + high == pytest.approx(1)
    wide = run(toy(), margin_per_1000=900.0)
    assert wide.these_units.probability_better_by_margin.mean[0] < 0.01


def test_periods_tell_lasting_from_passing_differences():
    rng = np.random.default_rng(3)
    rows = [
        (f"u{j}", "s" if j < 10 else "g", t, 30.0, 1000, int(rng.poisson(30 * rng.gamma(4, 1 / 4))))
        for j in range(20)
        for t in range(6)
    ]
    frame = pd.DataFrame(rows, columns=["unit", "group", "year", "expected", "trials", "events"])
    told = run(frame, period="year")
    low, high = np.quantile(told.period_spread.draws, [0.005, 0.995])
    assert low < 0.5 < high  # the gamma's SD is 1 / sqrt(4)
    untold = run(frame)
    assert untold.spread.draws.mean() > told.spread.draws.mean()
    width = [float(np.ptp(r.these_units.difference.table()[["lower", "upper"]])) for r in (told, untold)]
    assert width[0] > 1.3 * width[1]  # years that swing say less


def test_a_cut_off_is_undone():
    rng = np.random.default_rng(11)
    units_, group = np.arange(600), np.where(np.arange(600) < 300, "s", "g")
    due = rng.uniform(8, 14, 600)
    level = np.where(group == "s", -0.35, 0.0) + rng.normal(0, 0.2, 600)
    seen = rng.poisson(due * np.exp(level))
    frame = pd.DataFrame(
        {"unit": units_, "group": group, "events": seen, "expected": due, "trials": 300}
    ).query("events >= 11")
    right = run(frame, at_least=11).as_a_kind.log_rate_ratio
    wrong = run(frame).as_a_kind.log_rate_ratio
    assert np.quantile(right.draws, 0.005) < -0.35 < np.quantile(right.draws, 0.995)
    assert np.quantile(wrong.draws, 0.005) > -0.35


@pytest.mark.parametrize("mean", [1e-3, 0.5, 9.0, 10.99, 11.0, 15.0, 60.0, 500.0])
def test_the_chance_of_enough_events_and_its_slopes(mean):
    value, slope, bend = kernels.least_terms(11, mean, 0.0)
    assert value == pytest.approx(stats.poisson.logsf(10, mean), rel=1e-9, abs=1e-14)
    step = 1e-4
    up, down = (kernels.least_terms(11, mean, s)[0] for s in (step, -step))
    assert slope == pytest.approx((up - down) / (2 * step), rel=1e-5, abs=1e-9)
    assert bend == pytest.approx((up - 2 * value + down) / step**2, rel=1e-3, abs=1e-5)


def test_levels_are_drawn_from_their_own_density():
    seen, due = np.array([3.0, 0.0, 5.0]), np.array([2.0, 4.0, 1.5])
    many = 4000
    level = kernels.draw_levels(
        seen, due, np.array([0, 3]), np.array([0]), np.full((many, 1), 0.1), np.full((many, 1), 0.6),
        np.full(many, 4.0), *nodes(), np.random.default_rng(2),
    )[:, 0]  # fmt: skip
    grid = np.linspace(-4, 4, 4001)
    log = stats.norm.logpdf(grid, 0.1, 0.6)
    for y, e in zip(seen, due, strict=True):
        log = log + stats.nbinom.logpmf(y, 4.0, 4.0 / (4.0 + e * np.exp(grid)))
    reached = np.cumsum(np.exp(log - log.max()))
    found = stats.kstest(level, lambda u: np.interp(u, grid, reached / reached[-1]))
    assert found.pvalue > 1e-3


def test_replicates_of_what_is_cut_off_are_cut_off_alike():
    rng = np.random.default_rng(4)
    one = np.ones(20000)
    drawn = cut_off(9.0 * one, 0 * one, 0.3 * one, 11, rng)
    level = rng.normal(0, 0.3, 200000)
    seen = rng.poisson(9 * np.exp(level))
    kept = seen[seen >= 11]
    assert drawn.min() == 11
    assert drawn.mean() == pytest.approx(kept.mean(), abs=0.06)
    assert drawn.std() == pytest.approx(kept.std(), abs=0.1)


@pytest.mark.parametrize(
    "frame",
    [
        toy(events=[0, 0, 33, 25, 40]),
        toy(events=[0] * 5, expected=[0.2] * 5),
        toy(events=[10**6] * 5, expected=[1e6] * 5, trials=10**8),
        toy(expected=[1e-4, 25.0, 30.0, 27.5, 35.0]),
        toy().iloc[[0, 2]],
        toy(events=[30] * 5, expected=[30.0] * 5),
        toy(events=[300, 20, 33, 25, 40]),
    ],
    ids=[
        "none in a class",
        "none at all",
        "huge",
        "hardly any expected",
        "one unit a class",
        "tied",
        "far out",
    ],
)
def test_hostile_data_give_finite_numbers_and_sound_draws(frame):
    result = run(frame)
    assert np.isfinite(result.these_units.difference.draws).all()
    assert result.checks[0].verdict == "pass", result.checks[0].observed
    table = result.these_units.rate.table()
    assert (table["lower"] <= table["upper"]).all()


def test_few_events_common_events_and_a_deep_cut_are_warned_of():
    names = {c.name: c.verdict for c in run(toy(events=[1, 2, 33, 25, 40])).checks}
    assert names["events in the class with fewest"] == "warn"
    names = {c.name: c.verdict for c in run(toy(trials=[60, 80, 90, 70, 110])).checks}
    assert names["procedures with an event"] == "warn"
    deep = run(toy(expected=[9.0, 6.0, 5.0, 7.0, 8.0]), at_least=11)
    names = {c.name: c.verdict for c in deep.checks}
    assert names["chance of being published, had units done as expected"] == "warn"


BAD = {
    "no column": (lambda: run(toy().drop(columns="expected")), "no column 'expected'"),
    "near name": (lambda: run(toy(), events="evens"), "'events'"),
    "empty": (lambda: run(toy().iloc[:0]), "empty"),
    "negative count": (lambda: run(toy(events=[-1, 2, 3, 4, 5])), "row 0: -1; a count cannot be negative"),
    "half a count": (lambda: run(toy(events=[1.5, 2, 3, 4, 5])), "must be a whole number"),
    "missing count": (lambda: run(toy(events=[np.nan, 2, 3, 4, 5])), "expected a count"),
    "text count": (lambda: run(toy(events=list("12345"))), "expected whole-number counts"),
    "more than procedures": (lambda: run(toy(trials=[1, 800, 900, 700, 1100])), "cannot exceed trials"),
    "none expected": (
        lambda: run(toy(expected=[0.0, 1, 1, 1, 1])),
        "row 0: 0.0; expected a number of events",
    ),
    "text expected": (lambda: run(toy(expected=list("12345"))), "expected numbers of events above 0"),
    "no procedures": (
        lambda: run(toy(events=[0, 20, 33, 25, 40], trials=[0, 800, 900, 700, 1100])),
        "cannot be expected without procedures",
    ),
    "time as expected": (lambda: run(toy(expected=[1e5] * 5)), "give it times a reference rate"),
    "missing class": (lambda: run(toy(group=["s", None, "g", "g", "g"])), "missing"),
    "two classes": (lambda: run(pd.concat([toy(), toy(group="g")])), "more than one group"),
    "one class": (lambda: run(toy(group="g")), "Only one class"),
    "unknown reference": (lambda: run(toy(), reference="gg"), "'gg' has no units"),
    "period twice": (lambda: run(pd.concat([years(), years()]), period="year"), "'2001' twice"),
    "cut and periods": (lambda: run(years(), period="year", at_least=5), "leave period out"),
    "below the cut": (lambda: run(toy(), at_least=15), "row 0: 12, yet at_least=15"),
    "rows with a cut": (lambda: run(years(), at_least=5), "unit 'a' has several rows"),
    "cut of none": (lambda: run(toy(), at_least=0), "smallest count that is published"),
    "cut as text": (lambda: run(toy(), at_least="11"), "at_least='11'"),
    "direction": (lambda: run(toy(), better="less"), "better='less'"),
    "margin": (lambda: run(toy(), margin_per_1000=-1), "margin_per_1000=-1"),
    "seed": (lambda: run(toy(), seed=1.5), "seed=1.5"),
    "priors": (lambda: run(toy(), priors="defualt"), "'default'"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_told(case):
    make, message = BAD[case]
    with pytest.raises(InputError, match=re.escape(message)):
        make()


def test_priors_are_told():
    table = poisson().table()
    assert len(table) == 5
    assert table["because"].str.len().min() > 10
    assert (
        poisson("sceptical").levels.class_sd < poisson().levels.class_sd < poisson("diffuse").levels.class_sd
    )


def test_rows_without_periods_are_added_up():
    counts = prepare(years(), **COLUMNS, period=None, at_least=None)
    assert counts.events.tolist() == [12 + 9, 20 + 25, 33 + 30, 25 + 20, 40 + 51]
    assert prepare(years(), **COLUMNS, period="year", at_least=None).first.tolist() == [0, 2, 4, 6, 8, 10]
