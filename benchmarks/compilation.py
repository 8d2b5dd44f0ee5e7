"""What compiling without optimising costs and spares: the model of `units.binomial` on real revision hips.

Processor time is measured, as well as wall clock, because a machine that does other work blurs the latter.
Each optimisation level has a process of its own with an empty compilation cache.
"""

import multiprocessing
import os
import tempfile
import time

import pandas as pd

from soa_evidence.priors import binomial
from soa_evidence.sampling import Settings
from tests.reference.binomial import cases

SEED = 20265
LEVELS = (0, 3)  # of Numba's optimisation; 3 is its default
SETTINGS = Settings()


def measure(level, folder, pipe):
    os.environ["NUMBA_OPT"] = str(level)
    os.environ["NUMBA_CACHE_DIR"] = folder
    os.environ["PYTENSOR_FLAGS"] = f"base_compiledir={folder}"
    import nutpie

    from soa_evidence import units  # noqa: F401 - what a user has imported by then
    from soa_evidence.units import binomial as method
    from soa_evidence.units.cells import prepare
    from soa_evidence.units.collapse import collapse
    from soa_evidence.units.laplace import approximate

    frame, columns, case_mix, _ = cases.revision_hip_readmission()
    cells = prepare(frame, **columns, case_mix=case_mix)
    near = approximate(cells, binomial())
    model = method.build(cells, binomial(), near=near, collapsed=collapse(cells, near))
    clocks = [(time.perf_counter(), time.process_time())]
    compiled = nutpie.compile_pymc_model(model)
    clocks.append((time.perf_counter(), time.process_time()))
    nutpie.sample(
        compiled, draws=SETTINGS.draws, tune=SETTINGS.tune, chains=SETTINGS.chains, cores=2, seed=SEED,
        progress_bar=False,
    )  # fmt: skip
    clocks.append((time.perf_counter(), time.process_time()))
    pipe.send(clocks)


def run():
    """Return one row an optimisation level."""
    context, rows = multiprocessing.get_context("spawn"), []
    for level in LEVELS:
        receive, send = context.Pipe(duplex=False)
        with tempfile.TemporaryDirectory() as folder:
            process = context.Process(target=measure, args=(level, folder, send))
            process.start()
            send.close()
            start, compiled, sampled = receive.recv()
            process.join()
        row = {"numba_optimisation": level}
        for name, before, after in (("compile", start, compiled), ("sample", compiled, sampled)):
            row[f"{name}_seconds"] = after[0] - before[0]
            row[f"{name}_processor_seconds"] = after[1] - before[1]
        rows.append(row)
    return pd.DataFrame(rows)
