"""Effects, errors, weights and tails equal R's."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from soa_evidence.pathways import (
    difference_in_differences,
    interrupted_series,
    regression_to_mean,
    reported_contrast,
    synthetic_control,
)
from soa_evidence.pathways.reported_contrast import _largest

HERE = Path(__file__).parent
R = json.loads((HERE / "expected.json").read_text())
PANEL = pd.read_csv(HERE / "panel.csv")
TREATED = ["u02", "u05", "u09"]
CLOSED, OPTIMISED = 1e-8, 1e-6
PUT = {"unit": "unit", "year": "year", "value": "value", "treated": TREATED, "start": 2016, "seed": 1}


@pytest.fixture(scope="module")
def change():
    return difference_in_differences.fit(PANEL, placebos=150, **PUT)


def test_effect_and_cluster_robust_error(change):
    row = change.cluster_robust.table().iloc[0]
    assert row["estimate"] == pytest.approx(R["did"]["estimate"], rel=CLOSED)
    assert row["std_error"] == pytest.approx(R["did"]["se"], rel=CLOSED)
    assert change.effect.table()["estimate"].iloc[0] == pytest.approx(R["did"]["estimate"], rel=CLOSED)


def test_event_study(change):
    ours = change.by_year.table().set_index("label")["estimate"]
    assert list(ours.index) == R["event"]["year"]
    assert ours.to_numpy() == pytest.approx(R["event"]["estimate"], rel=CLOSED)


def test_interrupted_series():
    mean = PANEL[PANEL["unit"].isin(TREATED)].groupby("year", as_index=False)["value"].mean()
    terms = interrupted_series.fit(mean, time="year", value="value", start=2015, lags=2).terms
    assert np.asarray(terms.mean) == pytest.approx(np.array(R["series"]["coef"]), rel=CLOSED)
    assert np.asarray(terms.covariance) == pytest.approx(np.array(R["series"]["covariance"]), rel=CLOSED)


def test_interrupted_series_against_statsmodels():
    from statsmodels.regression.linear_model import OLS

    mean = PANEL[PANEL["unit"].isin(TREATED)].groupby("year", as_index=False)["value"].mean()
    ours = interrupted_series.fit(mean, time="year", value="value", start=2015, lags=2).terms
    t = np.arange(1, 10)
    x = np.column_stack([np.ones(9), t, t >= 6, (t - 6) * (t >= 6)]).astype(float)
    theirs = OLS(mean["value"].to_numpy(), x).fit(
        cov_type="HAC", cov_kwds={"maxlags": 2, "use_correction": True}
    )
    assert np.asarray(ours.covariance) == pytest.approx(theirs.cov_params(), rel=CLOSED)


def test_synthetic_weights():
    wide = PANEL.pivot_table(index="unit", columns="year", values="value")[list(range(2010, 2016))]
    target = wide.loc[TREATED].mean().to_numpy()
    donors = wide.drop(TREATED)
    ours = synthetic_control.simplex_weights(target, donors.to_numpy(), R["synthetic"]["ridge"])
    assert list(donors.index) == R["synthetic"]["units"]
    assert ours == pytest.approx(np.array(R["synthetic"]["weights"]), abs=OPTIMISED)


def test_what_was_to_be_expected():
    two = PANEL.assign(period=np.where(PANEL["year"] < 2016, "before", "after"))
    wide = two.pivot_table(index="unit", columns="period", values="value").reset_index()
    found = regression_to_mean.fit(
        wide, unit="unit", before="before", after="after", treated=TREATED, seed=1, draws=100
    )
    assert found.units["expected"].to_numpy() == pytest.approx(R["shrinkage"]["expected"], rel=CLOSED)


def test_best_of_many_and_order_statistics():
    found = reported_contrast.fit(
        figure=(265, 265), national=50, stands_for={"all": 1}, national_stands_for={"a region": 1},
        chosen=(2, 17), reliability=(0.5, 0.5), seed=1, variations=R["best_of"]["variation"], draws=100,
    )  # fmt: skip
    assert found.best_of["probability"].to_numpy() == pytest.approx(R["best_of"]["probability"], rel=1e-6)
    assert _largest(2, 17) == pytest.approx(R["largest"]["mean_of_two"], rel=CLOSED)
    assert found.returns.table()["estimate"].iloc[0] == pytest.approx(R["largest"]["mean_of_two"] / 2)
