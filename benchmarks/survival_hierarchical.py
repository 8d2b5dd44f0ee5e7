"""Speed of `survival.hierarchical.fit` on a million made-up procedures beside the model of a textbook.

The peer is the same piecewise-exponential model with unit effects by class, non-centred, in PyMC under
nutpie, on the same cells (a Poisson count with the log of person-years as offset), deaths left out, and
without anything made of its draws: `fit` also models deaths, standardises curves for every draw, class and
unit, and checks itself. Both are timed from the frame of a million rows.
"""

import multiprocessing
import os
import signal
import time

import numpy as np
import pandas as pd

SEED = 20263
ROWS = 1_000_000
UNITS = 150
GIVE_UP_SECONDS = 7 * 60
BREAKS = (0.25, 0.5, 1, 2, 3, 5, 7, 10)
MIX = {"age": 3, "sex": 2, "asa": 3}
MIX_FINE = {"age": 8, "sex": 2, "asa": 4, "bmi": 4, "deprivation": 4}


def procedures(mix):
    """A million procedures at 150 units of three classes, observed for up to 12 years."""
    rng = np.random.default_rng(SEED)
    units = pd.DataFrame({"group": np.repeat(["general", "independent", "specialist"], [100, 40, 10])})
    units["level"] = rng.normal(np.log(0.006), 0.3, UNITS)
    size = rng.dirichlet(np.full(UNITS, 4.0))
    unit = rng.choice(UNITS, ROWS, p=size)
    frame = pd.DataFrame({"unit": unit, "group": units["group"].to_numpy()[unit]})
    frame["unit"] = "unit " + frame["unit"].astype(str).str.zfill(3)
    log_hazard = units["level"].to_numpy()[unit].copy()
    for name, levels in mix.items():
        value = rng.integers(levels, size=ROWS)
        log_hazard += 0.1 * (value - value.mean())
        frame[name] = value.astype(str)
    revised, died = rng.exponential(np.exp(-log_hazard)), rng.exponential(1 / 0.03, ROWS)
    ended = rng.uniform(0.1, 12, ROWS)
    frame["years"] = np.minimum(np.minimum(revised, died), ended)
    frame["event"] = np.select([revised <= np.minimum(died, ended), died <= ended], [1, 2], 0)
    return frame


def ours(mix):
    frame = procedures(mix)
    began = time.perf_counter()
    from soa_evidence import survival

    result = survival.hierarchical.fit(
        frame, time="years", event="event", unit="unit", group="group", reference="general",
        case_mix=list(mix), horizons=(1, 3, 5, 10), seed=SEED,
    )  # fmt: skip
    seconds = time.perf_counter() - began
    failed = [check.name for check in result.checks if check.verdict == "fail"]
    return seconds, _smallest_ess(result.tree, ("level", "revision")), f"{len(failed)} checks failed"


def plain(mix):
    frame = procedures(mix)
    began = time.perf_counter()
    import nutpie
    import pymc as pm

    from soa_evidence.survival.exposure import collapse

    counted = collapse(
        frame, time="years", event="event", breaks=list(BREAKS), by=["unit", "group", *mix], competing=True,
        causes={1: "revision", 2: "death"},
    )  # fmt: skip
    counted = counted[(counted["person_time"] > 0) & (counted["band"] < len(BREAKS))]
    unit, units = pd.factorize(counted["unit"], sort=True)
    group, groups = pd.factorize(counted["group"], sort=True)
    class_of = pd.Series(group).groupby(unit).first().to_numpy()
    design = pd.get_dummies(counted[list(mix)], drop_first=True).to_numpy(float)
    with pm.Model() as model:
        class_level = pm.Normal("class_level", np.log(0.01), 1.5, shape=len(groups))
        spread = pm.LogNormal("spread", np.log(0.2), 0.5, shape=len(groups))
        z = pm.Normal("z", shape=len(units))
        level = pm.Deterministic("level", class_level[class_of] + spread[class_of] * z)
        steps = pm.Normal("steps", 0, 0.5, shape=len(BREAKS) - 1)
        shape = pm.math.concatenate([np.zeros(1), pm.math.cumsum(steps)])
        effect = pm.Normal("case_mix", 0, 0.5, shape=design.shape[1])
        log_rate = level[unit] + shape[counted["band"].to_numpy()] + pm.math.dot(design, effect)
        rate = pm.math.exp(log_rate) * counted["person_time"].to_numpy()
        pm.Poisson("events", rate, observed=counted["events_revision"].to_numpy())
    tree = nutpie.sample(
        nutpie.compile_pymc_model(model),
        draws=1000,
        tune=1000,
        chains=4,
        cores=2,
        seed=SEED,
        progress_bar=False,
    )
    return time.perf_counter() - began, _smallest_ess(tree, ("level", "case_mix")), f"{len(counted):,} cells"


def _smallest_ess(tree, names):
    import arviz as az

    found = az.ess(tree["posterior"].dataset[list(names)], method="bulk")
    return min(float(found[name].min()) for name in names)


METHODS = {"soa_evidence survival.hierarchical.fit": ours, "PyMC non-centred, nutpie, all cells": plain}
DATA = {"18 case-mix patterns": MIX, "1,024 case-mix patterns": MIX_FINE}


def _answer(pipe, method, data):
    os.setsid()
    pipe.send(METHODS[method](DATA[data]))


def timed(method, data):
    """Run one method in a process of its own; give up in time."""
    context = multiprocessing.get_context("spawn")
    receive, send = context.Pipe(duplex=False)
    process = context.Process(target=_answer, args=(send, method, data))
    process.start()
    send.close()
    try:
        if receive.poll(GIVE_UP_SECONDS):
            return receive.recv()
        return GIVE_UP_SECONDS, float("nan"), "given up: time and ratio are lower bounds"
    except EOFError:
        return float("nan"), float("nan"), "failed"
    finally:
        if process.is_alive():
            os.killpg(process.pid, signal.SIGTERM)
        process.join()


def run():
    """Return one row a data set and method, with ratios to `fit`."""
    rows = []
    for data in DATA:
        for method in METHODS:
            seconds, ess, note = timed(method, data)
            rows.append(
                {"data": data, "rows": ROWS, "units": UNITS, "method": method, "seconds": seconds,
                 "smallest_bulk_ess": ess, "ess_per_second": ess / seconds, "note": note}
            )  # fmt: skip
    table = pd.DataFrame(rows)
    first = table.groupby("data")[["seconds", "ess_per_second"]].transform("first")
    table["times_as_long_as_fit"] = table["seconds"] / first["seconds"]
    table["fit_ess_per_second_ratio"] = first["ess_per_second"] / table["ess_per_second"]
    return table
