"""Speed of `units.binomial.fit` beside the textbook model, in one run on one machine.

Both name the same posterior (tests/reference/binomial shows it), so what is compared is time to a given
quality: smallest bulk effective sample size over all parameters that both have, per second of wall clock,
model building and compiling included.
"""

import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from soa_evidence.priors import binomial
from soa_evidence.sampling import Settings
from tests.reference.binomial import cases, textbook

SEED = 20264
SETTINGS = Settings()
COMPARED = ("level", "class_level", "class_log_spread", "case_mix")
GIVE_UP_SECONDS = 7 * 60
WANTED_ESS = 4000


def made_up():
    """150 units of three classes with 30 cells each: five age bands, two sexes, three health grades."""
    rng = np.random.default_rng(SEED)
    units = pd.DataFrame(
        {"unit": np.arange(150), "class": np.repeat(["general", "independent", "specialist"], 50)}
    )
    units["level"] = rng.normal(-2.4, 0.3, len(units))
    bands = pd.MultiIndex.from_product([range(5), range(2), range(3)], names=["age", "sex", "health"])
    frame = units.merge(bands.to_frame(index=False), how="cross")
    effect = 0.1 * frame["age"] + 0.15 * frame["sex"] + 0.25 * frame["health"]
    frame["trials"] = rng.poisson(15, len(frame))
    frame["events"] = rng.binomial(frame["trials"], 1 / (1 + np.exp(-(frame["level"] + effect))))
    frame[["age", "sex", "health"]] = frame[["age", "sex", "health"]].astype(str)
    columns = {"events": "events", "trials": "trials", "unit": "unit", "group": "class"}
    asked = {"reference": ("general",), "reference_label": "general"}
    return frame.drop(columns="level"), columns, ["age", "sex", "health"], asked


DATA = {  # the smaller first
    "made up: 150 units by 30 cells": made_up,
    "revision hip, readmission": lambda: cases.revision_hip_readmission("revision"),
    "primary hip, readmission": lambda: cases.revision_hip_readmission("primary"),
}


def ours(data):
    """Time `fit`, from frame to result."""
    frame, columns, case_mix, asked = DATA[data]()
    began = time.perf_counter()
    from soa_evidence import units

    result = units.binomial.fit(frame, **columns, case_mix=case_mix, **asked, seed=SEED, settings=SETTINGS)
    seconds = time.perf_counter() - began
    verdicts = [c.verdict for c in result.checks]
    return seconds, smallest_ess(result.tree), f"{verdicts.count('fail')} checks failed"


def plain(data):
    """Time the textbook non-centred PyMC model under nutpie on all cells, as a person would write it."""
    frame, columns, case_mix, _ = DATA[data]()
    began = time.perf_counter()
    d = textbook.data(frame, **columns, case_mix=case_mix)
    tree = textbook.sample(
        textbook.model(d, binomial("default")),
        draws=SETTINGS.draws,
        tune=SETTINGS.tune,
        chains=SETTINGS.chains,
        cores=2,
        seed=SEED,
        target_accept=SETTINGS.target_accept,
    )
    seconds = time.perf_counter() - began
    tree["posterior"]["class_log_spread"] = np.log(tree["posterior"]["spread"])
    divergences = int(tree["sample_stats"]["diverging"].sum())
    return seconds, smallest_ess(tree), f"{divergences} divergences"


def jags(data):
    """Time JAGS with its glm module on all cells, one chain after another as JAGS does."""
    frame, columns, case_mix, _ = DATA[data]()
    d, priors = textbook.data(frame, **columns, case_mix=case_mix), binomial("default")
    p = [
        *(priors.common_log_odds.mean, priors.common_log_odds.sd),
        *(priors.common_log_spread.mean, priors.common_log_spread.sd),
        *(priors.class_log_odds_sd, priors.class_log_spread_sd),
        *(priors.case_mix_log_odds.mean, priors.case_mix_log_odds.sd),
    ]
    sizes = {"C": len(d.trials), "J": len(d.units), "G": len(d.classes), "K": len(d.terms)}
    arrays = {
        "y": d.events,
        "n": d.trials,
        "unit": d.unit + 1,
        "group": d.class_of_unit + 1,
        "X": d.design[d.pattern],
    }
    with tempfile.TemporaryDirectory() as folder:
        data = sizes | {"p": p} | {name: array.tolist() for name, array in arrays.items()}
        Path(folder, "data.json").write_text(json.dumps(data))
        numbers = [SETTINGS.chains, SETTINGS.tune, SETTINGS.draws, SEED]
        script = Path(__file__).with_suffix(".R")
        subprocess.run(["Rscript", str(script), folder, *map(str, numbers)], check=True)
        seconds = float(Path(folder, "seconds.txt").read_text())
        draws = pd.read_csv(Path(folder, "draws.csv"))
    return seconds, smallest_ess_of(draws.to_numpy().T.reshape(draws.shape[1], SETTINGS.chains, -1)), ""


def smallest_ess(tree):
    """Smallest bulk effective sample size over the parameters that all models have."""
    posterior = tree["posterior"].dataset[list(COMPARED)]
    stacked = [posterior[name].to_numpy().transpose(2, 0, 1) for name in COMPARED]
    return smallest_ess_of(np.concatenate(stacked))


def smallest_ess_of(parameters):
    """As above, of an array (parameter, chain, draw)."""
    import arviz as az

    return float(min(az.ess(draws, method="bulk") for draws in parameters))


METHODS = {
    "soa_evidence units.binomial.fit": ours,
    "PyMC non-centred, nutpie, all cells": plain,
    "JAGS with glm module, all cells": jags,
}


def _answer(pipe, method, data):
    os.setsid()
    pipe.send(METHODS[method](data))


def timed(method, data):
    """Run one method in a process of its own, so that nothing is warm for the second; give up in time."""
    context = multiprocessing.get_context("spawn")
    receive, send = context.Pipe(duplex=False)
    process = context.Process(target=_answer, args=(send, method, data))
    process.start()
    send.close()
    try:
        if receive.poll(GIVE_UP_SECONDS):
            return receive.recv()
        seconds, note = GIVE_UP_SECONDS, "given up: time and ratio are lower bounds"
    except EOFError:
        seconds, note = float("nan"), "failed"
    finally:
        _stop(process)
    return seconds, float("nan"), note


def _stop(process):
    # The process is its own group's leader, so that an Rscript it started ends with it.
    if process.is_alive():
        os.killpg(process.pid, signal.SIGTERM)
    process.join()


def has_jags():
    """Whether R and rjags are there; they are wanted by this bench alone."""
    if not shutil.which("Rscript"):
        return False
    return subprocess.run(["Rscript", "-e", "library(rjags)"], capture_output=True).returncode == 0


def run():
    """Return one row a data set and method, with ratios to `fit`."""
    rows, too_slow = [], set()
    for data, make in DATA.items():
        frame, columns, _, _ = make()
        frame = frame[frame[columns["trials"]] > 0]
        for method in METHODS:
            if method in too_slow or (METHODS[method] is jags and not has_jags()):
                continue
            seconds, ess, note = timed(method, data)
            if not ess > 0:
                too_slow.add(method)
            rows.append(
                {
                    "data": data,
                    "cells": len(frame),
                    "units": frame[columns["unit"]].nunique(),
                    "method": method,
                    "seconds": seconds,
                    "smallest_bulk_ess": ess,
                    "ess_per_second": ess / seconds,
                    "seconds_to_ess_4000": seconds * max(1.0, WANTED_ESS / ess),
                    "note": note,
                }
            )
    table = pd.DataFrame(rows)
    first = table.groupby("data")[["seconds", "ess_per_second"]].transform("first")
    table["times_as_long_as_fit"] = table["seconds"] / first["seconds"]
    table["fit_ess_per_second_ratio"] = first["ess_per_second"] / table["ess_per_second"]
    return table
