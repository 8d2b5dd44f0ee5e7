"""`survival.hierarchical.fit` against long JAGS runs (make.R) on two data sets with real hospitals."""

import json
from pathlib import Path

import arviz as az
import numpy as np
import pandas as pd
import pytest

from soa_evidence.sampling import Settings
from soa_evidence.survival import hierarchical

HERE = Path(__file__).parent
EXPECTED = json.loads((HERE / "expected.json").read_text())

#: Standard errors of the gap between two runs of the same posterior, both Monte Carlo.
MC_ERRORS = 4.0
#: Gaps of one class hang together (all follow its spread), so some exceed 3 at once; at most this share may.
SHARE_BEYOND_3 = 0.05
#: Root mean square of the standardised gaps: 1 when only chance is at work; they hang together.
ROOT_MEAN_SQUARE = 1.6
CASES = ("cgd", "bmt")


def frame_of(case):
    return pd.read_csv(HERE / "data" / f"{case}.csv", dtype={"unit": str})


def fit(case, settings):
    made = EXPECTED[case]
    return hierarchical.fit(
        frame_of(case), time="time", event="event", unit="unit", group="class", reference=made["reference"],
        case_mix=made["case_mix"], breaks=made["breaks"], periods=[made["periods"]],
        horizons=made["horizons"], seed=20264, settings=settings,
    )  # fmt: skip


def quantities(result):
    """(quantity, label) -> draws, named as in make.R."""
    posterior = result.tree["posterior"].dataset
    found = {}

    def put(quantity, labels, draws):
        for k, label in enumerate(labels):
            found[quantity, label] = np.asarray(draws)[:, k]

    chains = posterior.sizes["chain"]
    level = posterior["level"].to_numpy()
    put(
        "level", list(result.unit_risk[result.question.horizons[0]].labels), level.reshape(-1, level.shape[2])
    )
    phi = posterior["revision"].to_numpy()
    groups = result.spread.labels
    put("class level", groups, phi.reshape(-1, phi.shape[2])[:, 1 : 1 + len(groups)])
    put("spread", groups, result.spread.draws)
    put("case mix", result.case_mix.labels, result.case_mix.draws)
    if result.case_mix_death is not None:
        put("case mix, death", result.case_mix_death.labels, result.case_mix_death.draws)
    for name in ("log_smoothing", "log_period_spread", "death_log_smoothing"):
        if name in posterior:
            found[name, ""] = posterior[name].to_numpy().ravel()
    for years, risk in result.unit_risk.items():
        put(f"unit risk {years:g}", risk.labels, risk.draws)
    for comparison in (result.these_units, result.as_a_kind):
        kind = comparison.kind
        for at in comparison.horizons:
            h = f"{at.years:g} {kind}"
            put(f"net risk {h}", groups, 1 - at.revision_free.draws)
            put(f"crude incidence {h}", groups, at.cumulative_incidence.draws)
            put(f"death {h}", groups, at.death.draws)
            put(f"difference {h}", at.difference.labels, at.difference.draws)
        put(f"months {kind}", groups, comparison.months.draws)
    return {what: draws.reshape(chains, -1) for what, draws in found.items()}


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_every_quantity_agrees(case):
    result = fit(case, Settings(draws=2500, tune=700, chains=4))
    found = quantities(result)
    expected = {(q["quantity"], q["label"]): q for q in EXPECTED[case]["quantities"]}
    assert set(found) == set(expected)
    assert result.classes["revisions"].sum() == EXPECTED[case]["revisions"]
    assert result.classes["deaths"].sum() == EXPECTED[case]["deaths"]
    assert result.classes["person_years"].sum() == pytest.approx(EXPECTED[case]["person_years"], rel=1e-8)
    gaps = {}
    for what, draws in found.items():
        row = expected[what]
        if row["sd"] == 0:  # deaths where there are none
            assert np.abs(draws).max() < 1e-9
            continue
        for moment, value in (("mean", draws.mean()), ("sd", draws.std(ddof=1))):
            error = np.hypot(row[f"mcse_{moment}"], float(az.mcse(draws, method=moment)))
            gaps[(*what, moment)] = (value - row[moment]) / error
    z = pd.Series(gaps)
    assert z.abs().max() < MC_ERRORS, z[z.abs() > 3]
    assert (z.abs() > 3).mean() <= SHARE_BEYOND_3
    assert np.sqrt((z**2).mean()) < ROOT_MEAN_SQUARE


def test_the_runs_are_there_and_long_enough():
    assert set(EXPECTED) == {"versions", *CASES}
    for case in CASES:
        rows = pd.DataFrame(EXPECTED[case]["quantities"])
        rows = rows[rows["sd"] > 0]
        assert (rows["mcse_mean"] < 0.05 * rows["sd"]).all()
        assert (rows["mcse_sd"] < 0.1 * rows["sd"]).all()
        frame = frame_of(case)
        assert ((frame["event"] == 1) & (frame["time"] <= EXPECTED[case]["breaks"][-1])).sum() == EXPECTED[
            case
        ]["revisions"]
