"""The data sets with case mix on which long runs were made, and `units.binomial.fit` on the same."""

from pathlib import Path

import numpy as np
import pandas as pd

from soa_evidence import evidence, units

HERE = Path(__file__).parent
SIMULATED_SEED = 2026


def simulate():
    """Eighteen units of three classes, two case-mix factors, some cells empty or without events."""
    rng = np.random.default_rng(SIMULATED_SEED)
    age = {"under 65": -0.3, "65 to 74": 0.0, "75 or over": 0.5}
    sex = {"female": 0.0, "male": 0.2}
    classes = {"general": (-2.2, 0.25), "independent": (-2.6, 0.15), "specialist": (-2.5, 0.35)}
    rows = []
    for name, (centre, spread) in classes.items():
        for number in range(6):
            level, size = rng.normal(centre, spread), rng.integers(20, 400)
            mix = rng.dirichlet([3, 4, 3])
            for share, (band, effect) in zip(mix, age.items(), strict=True):
                for person, shift in sex.items():
                    n = int(rng.poisson(size * share / 2))
                    p = 1 / (1 + np.exp(-(level + effect + shift)))
                    rows.append((f"{name[:3]}{number}", name, band, person, int(rng.binomial(n, p)), n))
    return pd.DataFrame(rows, columns=["unit", "class", "age", "sex", "events", "trials"])


def simulated():
    frame = pd.read_csv(HERE / "simulated.csv")
    columns = {"events": "events", "trials": "trials", "unit": "unit", "group": "class"}
    return frame, columns, ["age", "sex"], {"reference": ("general",), "reference_label": "general"}


def revision_hip_readmission(procedure="revision"):
    classes = units.classes.assign(evidence.load("nhs-units").table(), "by_size")
    frame = evidence.load("nhs-proms-units").table()
    years = ["2016/17", "2017/18", "2018/19"]
    frame = frame[(frame["joint"] == "hip") & (frame["procedure"] == procedure) & frame["year"].isin(years)]
    frame = frame.merge(classes.frame, on="provider_code", validate="many_to_one")
    columns = {
        "events": "readmission_events",
        "trials": "readmission_valid",
        "unit": "provider_code",
        "group": "comparison_class",
    }
    case_mix = ["year", "age_band", "sex", "comorbidities", "oxford_pre_band"]
    asked = {"reference": classes.reference, "reference_label": classes.reference_label}
    return frame, columns, case_mix, asked


CASES = {"simulated": simulated, "revision_hip_readmission": revision_hip_readmission}


def fit(case, *, seed, settings, priors="default", engine="direct"):
    frame, columns, case_mix, asked = CASES[case]()
    return units.binomial.fit(
        frame, **columns, case_mix=case_mix, **asked, seed=seed, settings=settings, priors=priors,
        engine=engine,
    )  # fmt: skip


def fitted_quantities(result):
    """What `textbook.quantities` names, from a `BinomialResult`; class levels it does not give."""
    chains = result.tree["posterior"].sizes["chain"]
    out = {
        "risk, these units": result.these_units.risk,
        "risk, units as a kind": result.as_a_kind.risk,
        "difference, these units": result.these_units.difference,
        "difference, units as a kind": result.as_a_kind.difference,
        "spread": result.spread,
        "case mix": result.case_mix,
        "unit risk": result.unit_risk,
    }
    return {name: (list(e.labels), e.draws.reshape(chains, -1, len(e))) for name, e in out.items()}
