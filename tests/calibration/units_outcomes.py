"""Simulation-based calibration of `units.gaussian` and `units.ordinal`.

Every parameter is drawn from the default priors, data are made from it and fitted, and the truth is placed
among the draws. Two more studies fix the truth: three classes that do not differ, and specialist units that
are better. Files: see `replicates`.

    python -m tests.calibration.units_outcomes [share [kinds]]
"""

import logging
import sys
from contextlib import contextmanager
from unittest import mock

import numpy as np
import pandas as pd

from soa_evidence import units
from soa_evidence.priors import gaussian, ordinal
from soa_evidence.results import power_scaling
from soa_evidence.sampling import Settings
from soa_evidence.units import posterior
from tests.calibration import replicates

SEED = 40_260_000
#: Of ordinal data sets over the priors some three in ten lack a level and are refused.
REPLICATES = {
    "gaussian": {"priors": 300, "no difference": 150, "specialists better": 150},
    "ordinal": {"priors": 500, "no difference": 150, "specialists better": 150},
}
SETTINGS = Settings(draws=500, chains=2)
UNITS = {"specialist": 3, "general": 10, "independent": 7}
PATIENTS = {"specialist": (100, 400), "general": (20, 200), "independent": (5, 80)}
LEVELS = ["poor", "fair", "good", "very good", "excellent"]
SCALE = 9.0
KINDS = ("gaussian", "ordinal")
#: How much better specialist units are where they are: standard deviations of patients, and log odds.
LIFT = {"gaussian": 0.25, "ordinal": 0.5}


def layout():
    """Class and patients of every unit, and everyone's two case-mix factors: the same for every replicate."""
    rng = np.random.default_rng(12)
    rows = []
    for name, many in UNITS.items():
        for j in range(many):
            for _ in range(int(rng.integers(*PATIENTS[name]))):
                rows.append(
                    (f"{name[:3]}{j:02d}", name, rng.choice(["a", "b"], p=[0.6, 0.4]), rng.choice(["x", "y"]))
                )
    return pd.DataFrame(rows, columns=["unit", "group", "one", "two"])


def truth(kind, study, rng, group):
    """Levels of classes and units, spreads, case mix and what else the kind needs."""
    priors = gaussian() if kind == "gaussian" else ordinal()
    levels, fixed = priors.levels, study != "priors"
    common = 2.0 if kind == "gaussian" else 1.0
    typical = levels.log_spread.mean
    if not fixed:
        common = rng.normal(levels.common.mean, levels.common.sd)
        typical = rng.normal(levels.log_spread.mean, levels.log_spread.sd)
    class_level = np.full(3, common) if fixed else rng.normal(common, levels.class_sd, 3)
    log_spread = np.full(3, typical) if fixed else rng.normal(typical, levels.class_log_spread_sd, 3)
    if study == "specialists better":
        class_level = class_level + LIFT[kind] * np.array([0.0, 0.0, 1.0])
    case_mix = np.array([0.3, -0.2]) if fixed else rng.normal(priors.case_mix.mean, priors.case_mix.sd, 2)
    made = {
        "class_level": class_level, "log_spread": log_spread, "case_mix": case_mix,
        "level": rng.normal(class_level[group], np.exp(log_spread)[group]),
    }  # fmt: skip
    if kind == "gaussian":
        size, differ = priors.log_residual, priors.log_residual_spread
        made["log_residual"] = size.mean if fixed else rng.normal(size.mean, size.sd)
        made["log_residual_spread"] = differ.mean if fixed else rng.normal(differ.mean, differ.sd)
    else:
        gaps = np.exp(np.full(3, 0.2) if fixed else rng.normal(priors.log_gap.mean, priors.log_gap.sd, 3))
        edges = np.concatenate([[0.0], np.cumsum(gaps)])
        made["thresholds"] = edges - edges[1]
    return made


def fit(kind, people, made, group_of_unit, rng, seed):
    """Make one data set of a truth and fit it."""
    design = np.column_stack([people["one"] == "b", people["two"] == "y"]).astype(float)
    if people["two"].eq("y").sum() > people["two"].eq("x").sum():
        design[:, 1] = people["two"] == "x"
    design -= design.mean(axis=0)
    units_named, unit = np.unique(people["unit"], return_inverse=True)
    eta = design @ made["case_mix"] + made["level"][unit]
    asked = {
        "unit": "unit",
        "group": "group",
        "reference": "general",
        "case_mix": ["one", "two"],
        "seed": seed,
    }
    keys = ["unit", "group", "one", "two"]
    if kind == "gaussian":
        dof = 0.5 * np.exp(-2 * made["log_residual_spread"])
        spread = np.exp(made["log_residual"]) * np.sqrt(dof / rng.chisquare(dof, len(units_named)))
        y = SCALE * rng.normal(eta, spread[unit])
        frame = (
            people.assign(y=y, yy=y**2).groupby(keys).agg(n=("y", "size"), t=("y", "sum"), s=("yy", "sum"))
        )
        return units.gaussian.fit(
            frame.reset_index(),
            count="n",
            total="t",
            squares="s",
            margin=1.0,
            scale=SCALE,
            settings=SETTINGS,
            **asked,
        )
    above = rng.logistic(eta)[:, None] > made["thresholds"]
    answer = np.array(LEVELS)[above.sum(axis=1)]
    frame = pd.crosstab([people[k] for k in keys], answer).reindex(columns=LEVELS, fill_value=0)
    if (frame.sum() == 0).any():
        return None  # refused; leaving out by the data alone leaves the posteriors of the rest as they are
    return units.ordinal.fit(frame.reset_index(), levels=LEVELS, cut="good", settings=SETTINGS, **asked)


def quantities(kind, result, made, people, group_of_unit):
    """Pairs (name, draws, truth); classes in the sorted order general, independent, specialist."""
    tree, factor = result.tree["posterior"], SCALE if kind == "gaussian" else 1.0

    def flat(name):
        values = tree[name].to_numpy()
        return values.reshape(values.shape[0] * values.shape[1], -1)

    shift = np.log(factor)
    level, class_level = flat("level"), flat("class_level")
    size = people.groupby("unit").size().to_numpy(float)
    weight = np.array(
        [np.where(group_of_unit == g, size, 0) / size[group_of_unit == g].sum() for g in range(3)]
    )
    these = weight @ made["level"] * factor
    drawn = level @ weight.T
    yield "difference, these units", drawn[:, 2] - drawn[:, 0], these[2] - these[0]
    kind_true = (made["class_level"][2] - made["class_level"][0]) * factor
    yield "difference, units as a kind", class_level[:, 2] - class_level[:, 0], kind_true
    for g, name in enumerate(("general", "independent", "specialist")):
        yield f"level, {name}", class_level[:, g], made["class_level"][g] * factor
        yield f"log spread, {name}", flat("class_log_spread")[:, g], made["log_spread"][g] + shift
    yield "unit, first", level[:, 0], made["level"][0] * factor
    yield "unit, last", level[:, -1], made["level"][-1] * factor
    yield "case mix", flat("case_mix")[:, 0], made["case_mix"][0] * factor
    if kind == "gaussian":
        yield "log residual", flat("log_residual")[:, 0], made["log_residual"] + shift
        yield "log residual spread", flat("log_residual_spread")[:, 0], made["log_residual_spread"]
    else:
        yield "threshold", result.thresholds.of("below excellent"), made["thresholds"][-1]


def replicate(kind, study, seed, people):
    """Make, fit and compare one data set: the place of every true value among its draws."""
    rng = np.random.default_rng(seed)
    classes = people.drop_duplicates("unit").sort_values("unit")["group"]
    group_of_unit = np.unique(classes, return_inverse=True)[1]
    made = truth(kind, study, rng, group_of_unit)
    try:
        result = fit(kind, people, made, group_of_unit, rng, seed % 2**31)
    except HandedOverError:
        return None
    if result is None:
        return None
    found = {}
    for name, draws, true in quantities(kind, result, made, people, group_of_unit):
        found[name] = replicates.place(draws, true)
        if name.startswith("difference"):
            found[replicates.BETTER + name] = float((draws > 0).mean())
    return found | {replicates.UNSOUND: float(any(check.verdict == "fail" for check in result.checks))}


class HandedOverError(Exception):
    """Independent draws were not sound, and the sampler would be next."""


@contextmanager
def without_sensitivity(kind):
    """Leave out what a fit costs beyond its posterior and nothing here looks at.

    For ordinal data also what is handed over to the sampler, which compiles for longer than all the rest
    takes: who is left out is told by the data and the draws, not by the truth, and so bends nothing.
    """

    def handed_over(*_, **__):
        raise HandedOverError

    def told(quantities, **_):
        return pd.DataFrame({"quantity": list(quantities), "prior": 0.0, "likelihood": 1.0, "reading": ""})

    with mock.patch.object(power_scaling, "power_scaling", told):
        if kind == "gaussian":
            yield
        else:
            with mock.patch.object(posterior, "sample", handed_over):
                yield


def main(share=1.0, kinds=KINDS):
    logging.getLogger("arviz_stats").setLevel(logging.ERROR)
    people = layout()
    for kind in kinds:
        with without_sensitivity(kind):
            table = replicates.run(
                f"units_{kind}", REPLICATES[kind],
                lambda study, seed, kind=kind: replicate(kind, study, seed, people),
                seed=SEED + 10_000_000 * KINDS.index(kind), share=share,
            )  # fmt: skip
        sys.stdout.write(table.to_string(index=False, float_format=lambda x: f"{x:.3f}") + "\n")


if __name__ == "__main__":
    main(replicates.share_asked(sys.argv), kinds=sys.argv[2:] or KINDS)
