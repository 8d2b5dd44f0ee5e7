"""`survival.hierarchical` against its deterministic twin: two classes, two bands, deaths; no shared code."""

import arviz as az
import numpy as np
import pandas as pd
import pytest

from soa_evidence.sampling import Settings
from soa_evidence.survival import hierarchical
from tests.reference.hierarchical import twin

#: Standard errors of the difference between a sampled and an exact number.
MC_ERRORS = 4.0
#: Between the twin and itself on a coarser grid, in posterior standard deviations.
GRID_ERROR = 0.01
BREAKS = (0.0, 1.0, 4.0)


def registry(seed=5):
    """Two classes of 3 and 4 units, some tiny, one without events; falling hazard; deaths differ by class."""
    rng = np.random.default_rng(seed)
    rows = []
    for unit, kind, size, level in (
        ("a", "k", 90, 0.10), ("b", "k", 40, 0.06), ("c", "k", 3, 0.08),
        ("d", "l", 120, 0.05), ("e", "l", 60, 0.09), ("f", "l", 15, 0.0), ("g", "l", 1, 0.1),
    ):  # fmt: skip
        early = rng.exponential(size=size) / max(2 * level, 1e-9)
        late = 1 + rng.exponential(size=size) / max(0.7 * level, 1e-9)
        revised = np.where(early < 1, early, late)
        died = rng.exponential(size=size) / (0.05 if kind == "k" else 0.09)
        end = rng.uniform(0.5, 4.5, size)
        years = np.minimum(np.minimum(revised, died), end)
        event = np.where(years == end, 0, np.where(years == revised, 1, 2))
        rows += [(y, e, unit, kind) for y, e in zip(years, event, strict=True)]
    return pd.DataFrame(rows, columns=["years", "event", "unit", "kind"])


def counts(frame):
    units = sorted(frame["unit"].unique())
    of = frame["unit"].map(units.index).to_numpy()
    years, event = frame["years"].to_numpy(), frame["event"].to_numpy()
    spent = np.stack([np.clip(np.minimum(years, b) - a, 0, None) for a, b in ((0, 1), (1, 4))], axis=1)
    inside = years <= 4
    band = (years > 1).astype(int)
    own = np.array([0 if u in "abc" else 1 for u in units])
    revised, died = (event == 1) & inside, (event == 2) & inside
    return twin.Counts(
        events=np.bincount(of[revised], minlength=len(units)),
        person_years=np.stack([spent[of == j].sum(axis=0) for j in range(len(units))]),
        own=own,
        breaks=np.array(BREAKS),
        events_by_band=np.bincount(band[revised], minlength=2),
        deaths=np.stack([np.bincount(band[died & (own[of] == g)], minlength=2) for g in (0, 1)]),
    )


@pytest.fixture(scope="module")
def exact():
    made = counts(registry())
    found, edge = twin.revision(made)
    assert edge < 1e-3  # the grids reach where hardly any probability is left
    return found | twin.death(made)


def test_the_twin_does_not_hang_on_its_grid(exact, monkeypatch):
    monkeypatch.setattr(twin, "GRID", (47, 33, 31))
    monkeypatch.setattr(twin, "NODES", 20)
    coarse, _ = twin.revision(counts(registry()))
    for name, (mean, sd) in coarse.items():
        assert mean == pytest.approx(exact[name][0], abs=GRID_ERROR * exact[name][1]), name
        assert sd == pytest.approx(exact[name][1], rel=GRID_ERROR), name


@pytest.mark.slow
def test_every_mean_and_sd_is_within_monte_carlo_error(exact):
    result = hierarchical.fit(
        registry(), time="years", event="event", unit="unit", group="kind", reference="k", breaks=BREAKS,
        periods=(), horizons=(1, 4), seed=11, settings=Settings(draws=4000, tune=700, chains=4),
    )  # fmt: skip
    posterior = result.tree["posterior"].dataset
    revision, death = posterior["revision"].to_numpy(), posterior["death"].to_numpy()
    level, log_spread = posterior["level"].to_numpy(), posterior["class_log_spread"].to_numpy()
    # phi: common level, the classes' levels, the step.
    sampled = {"step": revision[:, :, 3], "death step": death[:, :, 3]}
    for g in (0, 1):
        sampled[f"class level {g}"] = revision[:, :, 1 + g]
        sampled[f"log spread {g}"] = log_spread[:, :, g]
        sampled[f"death level {g}"] = death[:, :, 1 + g]
    sampled |= {f"level {j}": level[:, :, j] for j in range(level.shape[2])}
    assert set(sampled) == set(exact)
    gaps = {}
    for name, draws in sampled.items():
        mean, sd = exact[name]
        gaps[f"mean of {name}"] = (draws.mean() - mean) / float(az.mcse(draws, method="mean"))
        gaps[f"sd of {name}"] = (draws.std() - sd) / float(az.mcse(draws, method="sd"))
    assert max(abs(gap) for gap in gaps.values()) < MC_ERRORS, gaps
