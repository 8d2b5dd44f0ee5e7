"""Does the toolkit find nothing where there is nothing, and say so where it may be fooled? Synthetic data.

Run: ``python -m tests.calibration.referral_bias``; writes referral_bias.csv beside it (some minutes).

Every simulated country has three specialist units and forty general ones, patients of two ages, 9 % of
events. Units differ (SD 0.15 in log odds). Four worlds:

no difference
           classes do not differ, patients come as they are
referral   classes do not differ, but some patients are severe, which no record shows: twice the risk of the
           others; 20 % of general and 32 % of specialist patients. The naive analysis must find specialists
           worse
referral, units alike
           the same without any difference between units, so that severity is all there is to find
effect     specialists' odds are 0.70 of general ones', patients come as they are

For each: how often a difference is claimed by the fast estimators and by the curve's joint test, coverage of
the truth, and how often the sensitivity section says that the simulated confounding, or less, would explain
the finding (a tipping point no larger than the true imbalance, an E-value no larger than the true strength),
and whether the interval corrected by the simulated severity covers the truth.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd

from soa_evidence.results import Check, Estimates
from soa_evidence.units import class_contrast, specification_curve
from soa_evidence.units.cells import prepare
from soa_evidence.units.sensitivity import e_value, unmeasured_severity
from soa_evidence.units.sensitivity.leave_one_out import tables_of

HERE = Path(__file__).parent
REPLICATES = 400
GENERAL, SPECIALIST = 40, 3
PATIENTS = {"general": 500, "specialist": 1500}
SEVERE = {"general": 0.20, "specialist": 0.32}
SEVERE_RATIO = 2.0
UNIT_SD = 0.15
BASE_LOG_ODDS = -2.5
WORLDS = ("no difference", "referral", "referral, units alike", "effect")
EFFECT = np.log(0.70)
DRAWS = 1000
EXCHANGES = 199


def country(world: str, rng: np.random.Generator) -> tuple[pd.DataFrame, float]:
    """Return counts by unit and age, and the true difference per 1,000 of the units as they are."""
    rows, truth = [], {"general": [], "specialist": []}
    for group, many in (("specialist", SPECIALIST), ("general", GENERAL)):
        for j in range(many):
            level = BASE_LOG_ODDS + UNIT_SD * (world != "referral, units alike") * rng.standard_normal()
            level += EFFECT * (world == "effect" and group == "specialist")
            n = int(rng.poisson(PATIENTS[group]))
            # what this unit would do to the same, average, patients
            same = 0.0
            for age, shift, share in (("younger", 0.0, 0.6), ("older", 0.4, 0.4)):
                risk = 1 / (1 + np.exp(-(level + shift)))
                same += share * risk
                many_of = int(rng.binomial(n, share)) if age == "younger" else n - rows[-1][4]
                events = int(rng.binomial(many_of, risk))
                if world.startswith("referral"):
                    severe = int(rng.binomial(many_of, SEVERE[group]))
                    # severity doubles the risk; others' risk is lowered so that a general unit keeps its own
                    usual = risk / (1 + (SEVERE_RATIO - 1) * SEVERE["general"])
                    events = int(
                        rng.binomial(severe, SEVERE_RATIO * usual) + rng.binomial(many_of - severe, usual)
                    )
                rows.append((f"{group} {j}", group, age, events, many_of))
            truth[group].append(same)
    frame = pd.DataFrame(rows, columns=["unit", "group", "age", "events", "n"])
    sizes = frame.groupby(["group", "unit"], sort=False)["n"].sum()
    risks = {g: np.average(truth[g], weights=sizes[g].to_numpy()) for g in truth}
    return frame, 1000 * float(risks["specialist"] - risks["general"])


def draws_of(frame: pd.DataFrame, rng: np.random.Generator) -> tuple[Estimates, pd.Series]:
    """Return both classes' standardised risks with joint draws, from the logistic model, and its row."""
    cells = prepare(frame, events="events", trials="n", unit="unit", group="group", case_mix=["age"])
    tables = tables_of(cells, "specialist", "general")
    found, model = class_contrast.contrasts(tables, class_contrast.ESTIMATORS)
    share = tables.trials.sum(axis=0) / tables.trials.sum()
    mean = np.concatenate([model.intercept, model.terms])
    root = np.linalg.cholesky(model.inverse + 1e-14 * np.eye(len(mean)))
    theta = mean + rng.standard_normal((DRAWS, len(mean))) @ root.T
    linear = theta[:, 2:] @ tables.design.T
    risk = [(1 / (1 + np.exp(-(theta[:, [c]] + linear)))) @ share for c in (0, 1)]
    check = Check(name="simulated", verdict="pass", observed="-", expected="-", why="a study of the method")
    estimates = Estimates(
        estimand="standardised risk", labels=("specialist", "general"), unit="probability", method="logistic",
        draws=np.column_stack(risk), interval="confidence", checks=(check,),
    )  # fmt: skip
    return estimates, pd.Series(found)


def replicate(world: str, seed: int) -> dict[str, float]:
    rng = np.random.default_rng(seed)
    frame, truth = country(world, rng)
    risk, found = draws_of(frame, rng)
    row = {"truth": truth}
    for name, one in found.items():
        reach = 1000 * one.std_error * float(_t(one.dof))
        low, high = 1000 * one.estimate - reach, 1000 * one.estimate + reach
        row |= {
            f"claimed_{name}": low > 0 or high < 0,
            f"worse_{name}": low > 0,
            f"better_{name}": high < 0,
            f"covers_{name}": low <= truth <= high,
        }
        row[f"estimate_{name}"] = 1000 * one.estimate
    row |= _joint(frame, risk, seed) | _sensitivity(risk, truth, severe=world.startswith("referral"))
    return row


def _t(dof: float) -> float:
    from scipy import stats

    return float(stats.norm.ppf(0.975) if np.isinf(dof) else stats.t.ppf(0.975, dof))


def _joint(frame: pd.DataFrame, risk: Estimates, seed: int) -> dict[str, float]:
    roles = frame[["unit", "group"]].drop_duplicates()
    roles = roles.assign(role=roles["group"].map({"specialist": "specialist", "general": "comparator"}))
    difference = Estimates(
        estimand="difference", labels=("specialist",), unit="per 1,000 patients", method="logistic",
        draws=1000 * (risk.of("specialist") - risk.of("general"))[:, None], interval="confidence",
        checks=risk.checks,
    )  # fmt: skip
    curve = specification_curve.fit(
        frame, events="events", trials="n", unit="unit", roles=roles.drop(columns="group"),
        case_mix={"age": ["age"], "none": []},
        leave_out={"patients": {"all": {}, "older": {"age": ["younger"]}}},
        smallest=[0], headline=difference, label="specialist", seed=seed, exchanges=EXCHANGES,
    )  # fmt: skip
    row = curve.of("all")
    return {
        "claimed_joint": curve.reference.p_value <= 0.05,
        "same_sign": row["same_sign"] / row["specifications"],
    }


def _sensitivity(risk: Estimates, truth: float, *, severe: bool) -> dict[str, float]:
    """Whether the sensitivity section says that the simulated severity, or less, explains the finding."""
    found = unmeasured_severity.fit(
        risk,
        specialist="specialist",
        reference="general",
        severe_share=SEVERE["general"],
        risk_ratios=[SEVERE_RATIO],
    )
    at = found.at(SEVERE_RATIO)
    imbalance = SEVERE["specialist"] - SEVERE["general"]
    ratio = Estimates(
        estimand="log risk ratio", labels=("specialist",), unit="log risk ratio", method="logistic",
        draws=np.log(risk.of("specialist") / risk.of("general"))[:, None], interval="confidence",
        checks=risk.checks,
    )  # fmt: skip
    strength = e_value.fit(ratio.table(transform="exp")).table.iloc[0]
    worse = found.conclusion == "higher"
    corrected = (1 + (SEVERE_RATIO - 1) * SEVERE["general"]) / (1 + (SEVERE_RATIO - 1) * SEVERE["specialist"])
    low, high = np.quantile(corrected * risk.of("specialist") - risk.of("general"), [0.025, 0.975])
    return {
        "tips_within_truth": worse and bool(at["to_interval"] <= imbalance),
        "e_value_within_truth": worse and bool(strength["e_value_limit"] <= SEVERE_RATIO),
        "corrected_covers_truth": bool(1000 * low <= truth <= 1000 * high) if severe else np.nan,
        "tipping_imbalance": at["to_none"],
    }


def study(world: str, replicates: int, *, seed: int = 44_000) -> pd.DataFrame:
    """Return one row a figure: what, value, its simulation error, replicates."""
    rows = [replicate(world, seed + 10_000 * WORLDS.index(world) + k) for k in range(replicates)]
    frame = pd.DataFrame(rows).astype(float)
    table = pd.DataFrame(
        {"value": frame.mean(), "simulation_error": frame.std(ddof=1) / np.sqrt(frame.notna().sum())}
    )
    # Of those in which the naive analysis claims that specialists are worse.
    fooled = frame[frame["worse_g_computation"] == 1]
    for name in ("tips_within_truth", "e_value_within_truth"):
        if len(fooled) > 1:
            of = fooled[name]
            table.loc[f"{name}_of_fooled"] = (of.mean(), of.std(ddof=1) / np.sqrt(len(of)))
    table = table.rename_axis("what").reset_index()
    return table.assign(world=world, replicates=replicates)[
        ["world", "what", "value", "simulation_error", "replicates"]
    ]


def main(share: float = 1.0) -> None:
    count = max(4, round(share * REPLICATES))
    parts = []
    for world in WORLDS:
        parts.append(study(world, count))
        sys.stderr.write(f"{world}: done\n")
    table = pd.concat(parts, ignore_index=True)
    sys.stdout.write(table.to_string() + "\n")
    if share == 1.0:
        table.to_csv(HERE / "referral_bias.csv", index=False, float_format="%.5g", lineterminator="\n")


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 1.0)
