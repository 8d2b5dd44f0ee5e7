"""Every bench, side by side in one run: `make bench`. Tables go beside this file."""

import datetime
import os
import platform
import time
from importlib.metadata import version
from pathlib import Path

from benchmarks import survival, survival_frailty, survival_hierarchical, synthesis, units_binomial

HERE = Path(__file__).parent
BENCHES = {
    "survival": survival,
    "survival_frailty": survival_frailty,
    "survival_hierarchical": survival_hierarchical,
    "synthesis": synthesis,
    "units_binomial": units_binomial,
}
PACKAGES = ("soa-evidence", "pymc", "nutpie", "numba", "numpy")


def main():
    for name, bench in BENCHES.items():
        load, began = os.getloadavg()[0], time.perf_counter()
        table = bench.run()
        table["date"] = datetime.datetime.now(tz=datetime.UTC).date().isoformat()
        table["machine"] = f"{os.cpu_count()} CPUs, {platform.machine()}, load before {load:.1f}"
        table["versions"] = " ".join(f"{package} {version(package)}" for package in PACKAGES)
        table.to_csv(HERE / f"{name}.csv", index=False, float_format="%.4g", lineterminator="\n")
        print(table.drop(columns=["versions", "machine", "date"]).to_string(index=False))
        print(f"{name}: {(time.perf_counter() - began) / 60:.1f} minutes")


if __name__ == "__main__":
    main()
