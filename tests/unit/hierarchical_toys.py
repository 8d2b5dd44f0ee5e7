"""Small registries with known truth for the tests of `survival.hierarchical`, and its plain slow twins."""

import numpy as np
import pandas as pd

COLUMNS = {"time": "years", "event": "event", "unit": "unit", "group": "kind"}
BREAKS = np.array([0.0, 0.5, 1.0, 3.0, 5.0])
KINDS = ("specialist", "general", "independent")


def registry(
    n=600,
    units=(2, 4, 3),
    *,
    seed=1,
    hazard=0.06,
    death=0.04,
    spread=0.3,
    effect=(-0.3, 0.0, 0.1),
    entry=False,
):
    """Procedures of three classes: exponential times to revision and death, observed up to 6 years."""
    rng = np.random.default_rng(seed)
    of_unit = np.repeat(np.arange(len(units)), units)
    level = (
        np.log(hazard) + np.array(effect[: len(units)])[of_unit] + spread * rng.standard_normal(len(of_unit))
    )
    at = rng.integers(0, len(of_unit), n)
    old, male = rng.random(n) < 0.4, rng.random(n) < 0.5
    to_revision = rng.exponential(size=n) / np.exp(level[at] - 0.3 * old + 0.2 * male)
    to_death = rng.exponential(size=n) / (death * np.exp(1.0 * old)) if death else np.full(n, np.inf)
    end = rng.uniform(0.3, 6.0, n)
    years = np.minimum(np.minimum(to_revision, to_death), end)
    frame = pd.DataFrame(
        {
            "years": years,
            "event": np.where(years == end, 0, np.where(years == to_revision, 1, 2)),
            "unit": [f"u{j:02d}" for j in at],
            "kind": np.array(KINDS)[of_unit[at]],
            "age": np.where(old, "old", "young"),
            "sex": np.where(male, "male", "female"),
        }
    )
    if entry:
        frame["start"] = np.where(rng.random(n) < 0.3, years * rng.random(n) * 0.9, 0.0)
    return frame


def cells(frame, *, breaks=BREAKS, case_mix=("age", "sex"), entry=None, grid=None):
    from soa_evidence.survival import hierarchical_cells

    return hierarchical_cells.prepare(
        frame, **COLUMNS, case_mix=list(case_mix), breaks=breaks, grid=breaks[1:] if grid is None else grid,
        entry=entry, causes={1: "revision", 2: "death"},
    )  # fmt: skip


def plain_log_likelihood(frame, made, level, log_time, case_mix, log_death, death_case_mix):
    """Log likelihood row by row: log hazard at the event, less cumulative hazards; no cells."""
    total = 0.0
    patterns = [tuple(row) for row in made.patterns.to_numpy()]
    for row in frame.itertuples():
        j = made.units.index(row.unit)
        g = made.group_of_unit[j]
        x = made.design[patterns.index(tuple(getattr(row, name) for name in made.patterns.columns))]
        for b, (low, high) in enumerate(zip(made.breaks[:-1], made.breaks[1:], strict=True)):
            spent = max(0.0, min(row.years, high) - max(getattr(row, "start", 0.0), low))
            revision = level[j] + log_time[g, b] + x @ case_mix
            death = log_death[g, b] + x @ death_case_mix
            total -= spent * (np.exp(revision) + np.exp(death))
            if low < row.years <= high and row.event:
                total += revision if row.event == 1 else death
    return total


def plain_curves(level, log_time, log_death, kinds, death_kinds, share, breaks, times, steps=4000):
    """Net and crude probabilities by each time for one unit, by fine numerical integration over time."""
    net, crude, dead, lost, free = ([] for _ in range(5))
    for end in times:
        edges = np.unique(np.concatenate([np.linspace(0, end, steps + 1), breaks[breaks <= end]]))
        middle, width = (edges[1:] + edges[:-1]) / 2, np.diff(edges)
        band = np.searchsorted(breaks, middle) - 1
        values = np.zeros(5)
        for r, r2, w in zip(kinds, death_kinds, share, strict=True):
            h1, h2 = r * np.exp(level + log_time[band]), r2 * np.exp(log_death[band])
            H1, H2 = np.cumsum(h1 * width) - h1 * width / 2, np.cumsum(h2 * width) - h2 * width / 2
            alive = np.exp(-H1 - H2)
            values += w * np.array(
                [
                    -np.expm1(-(h1 * width).sum()),
                    (h1 * alive * width).sum(),
                    (h2 * alive * width).sum(),
                    (-np.expm1(-H1) * width).sum(),
                    (alive * width).sum(),
                ]
            )
        for found, value in zip((net, crude, dead, lost, free), values, strict=True):
            found.append(value)
    return np.array(net), np.array(crude), np.array(dead), lost[-1], free[-1]


def without_sampling(model, *, seed, settings):
    """Stand in for `sampling.sample`: draws from the normal approximation, N(0, 1) in its coordinates.

    Near the posterior, not of it; quick, because nothing is compiled.
    """
    import pytensor
    import xarray

    rng = np.random.default_rng(seed)
    inputs = model.value_vars
    shapes = [model.eval_rv_shapes()[model.values_to_rvs[var].name] for var in inputs]
    names = [var.name for var in model.deterministics]
    outputs = model.replace_rvs_by_values(list(model.deterministics))
    mode = pytensor.compile.Mode(linker="py", optimizer="fast_compile")
    function = pytensor.function(inputs, outputs, mode=mode, on_unused_input="ignore")
    found = {name: [] for name in names}
    for _ in range(settings.chains * settings.draws):
        values = function(*[rng.standard_normal(shape) for shape in shapes])
        for name, value in zip(names, values, strict=True):
            found[name].append(np.asarray(value))
    shape = (settings.chains, settings.draws)
    data = {}
    for name, values in found.items():
        array = np.stack(values)
        data[name] = (
            ["chain", "draw", *[f"{name}_{k}" for k in range(array.ndim - 1)]],
            array.reshape(*shape, *array.shape[1:]),
        )
    stats = {
        "diverging": (["chain", "draw"], np.zeros(shape, bool)),
        "energy": (["chain", "draw"], rng.standard_normal(shape)),
    }
    return xarray.DataTree.from_dict(
        {"posterior": xarray.Dataset(data), "sample_stats": xarray.Dataset(stats)}
    )
