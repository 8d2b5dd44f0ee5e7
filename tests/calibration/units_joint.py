"""Is `units.joint` calibrated? Every parameter drawn from the priors, data from the parameters, the model
fitted; and classes that do not differ, or of which one is better in all outcomes.

Three outcomes of 16 units in three classes, one of three large units: two yes/no with exact binomial
likelihoods, one score; sampling errors of the score are known. Levels are drawn about -2 (12 % of patients),
so that units with no event occur and units with none at all of either do not rule. Files: see `replicates`.

    python -m tests.calibration.units_joint

If draws are from the posterior, the place of the truth among them is uniform (Talts et al. 2018, arXiv
1804.06788).
"""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pandas as pd
from scipy import stats
from scipy.special import expit, logit

from soa_evidence import priors
from soa_evidence.priors.normal import Normal
from soa_evidence.sampling import Settings
from soa_evidence.units import joint_draws
from tests.calibration import replicates

NAME, SEED = "units_joint", 41_000_000
REPLICATES = {"priors": 300, "no difference": 100, "specialists better": 100}
GROUPS = np.repeat([0, 1, 2], [3, 7, 6])
PATIENTS = np.where(GROUPS == 0, 300, 90)
SETTINGS = Settings(draws=300, tune=250, chains=2)
THIN = 12
CHOSEN = replace(priors.joint(), common=Normal(mean=-2.0, sd=0.5, because="as rare as complications"))
K, NU = 3, 2.0
#: Of units, where the truth is fixed: standard deviations of the three outcomes, and their correlations.
SPREADS = np.array([0.3, 0.3, 0.15])
TOGETHER = np.array([[1.0, 0.4, -0.3], [0.4, 1.0, -0.3], [-0.3, -0.3, 1.0]])
LIFT = np.array([-0.4, -0.4, 0.2])  # of the class of three, where it is better


def fixed(study: str, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Classes alike, or the first better in everything; only units are drawn."""
    sigma = TOGETHER * np.outer(SPREADS, SPREADS)
    mean = np.tile([-2.0, -2.0, 0.0], (3, 1))
    mean[0] += LIFT if study == "specialists better" else 0.0
    noise = rng.multivariate_normal(np.zeros(K), sigma, len(GROUPS))
    return {"sigma": sigma, "mean": mean, "ratio": np.ones((3, K)), "level": mean[GROUPS] + noise}


def parameters(rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Draw everything from the priors, with Huang and Wand's auxiliaries."""
    auxiliary = 1 / rng.gamma(0.5, CHOSEN.spread_scale**2, K)
    scale = np.diag(2 * NU / auxiliary)
    sigma = stats.invwishart.rvs(df=NU + K - 1, scale=scale, random_state=rng)
    common = rng.normal(CHOSEN.common.mean, CHOSEN.common.sd, K)
    mean = rng.normal(common, CHOSEN.class_sd, (3, K))
    ratio = np.exp(CHOSEN.class_log_spread_sd * rng.standard_normal((3, K)))
    noise = rng.multivariate_normal(np.zeros(K), sigma, len(GROUPS))
    return {"sigma": sigma, "mean": mean, "ratio": ratio, "level": mean[GROUPS] + ratio[GROUPS] * noise}


def data(truth: dict[str, np.ndarray], rng: np.random.Generator) -> joint_draws.Layers:
    """Counts and scores of the units, as `units.summaries` would boil them down."""
    level = truth["level"]
    many = len(GROUPS)
    events = rng.binomial(PATIENTS[:, None], expit(level[:, :2])).astype(float)
    mode = logit((events + 0.5) / (PATIENTS[:, None] + 1))
    risk = expit(mode)
    information = np.column_stack([PATIENTS[:, None] * risk * (1 - risk), PATIENTS / 3.29])
    y = np.column_stack([mode + (events - PATIENTS[:, None] * risk) / information[:, :2], level[:, 2]])
    y[:, 2] += rng.standard_normal(many) / np.sqrt(information[:, 2])
    held = np.tile([1, 1, 0], many)
    sizes = np.repeat(PATIENTS.astype(float), 2)
    return joint_draws.Layers(
        units=tuple(f"unit {j}" for j in range(many)),
        groups=("few", "many", "other"),
        group_of_unit=GROUPS.astype(np.int64),
        level=y,
        information=information,
        seen=np.column_stack([events, np.zeros(many)]),
        patients=information,
        chance=np.eye(K),
        precision=np.einsum("jk,kl->jkl", information, np.eye(K)),
        exact=np.array([True, True, False]),
        starts=np.concatenate([[0], np.cumsum(held)]).astype(np.int64),
        bin_patients=sizes,
        bin_score=np.zeros_like(sizes),
        places=(),
        summaries=(),
    )


def quantities(found: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What is ranked: arrays whose first axis is the draws."""
    sigma = found["sigma"]
    usual = np.sqrt(np.diagonal(sigma, axis1=-2, axis2=-1))
    gap = found["mean"][..., 0, :] - found["mean"][..., 1, :]
    turned = gap * np.array([-1, -1, 1])
    return {
        **{f"class difference, outcome {o + 1}": gap[..., o] for o in range(K)},
        **{f"spread, outcome {o + 1}": usual[..., o] * found["ratio"][..., 1, o] for o in range(K)},
        "spread of the class of three, outcome 1": usual[..., 0] * found["ratio"][..., 0, 0],
        "correlation 1 with 2": sigma[..., 0, 1] / (usual[..., 0] * usual[..., 1]),
        "correlation 1 with 3": sigma[..., 0, 2] / (usual[..., 0] * usual[..., 2]),
        "average advantage": turned.mean(axis=-1),
        "level of a unit, outcome 1": found["level"][..., 5, 0],
        "level of a unit, outcome 3": found["level"][..., 5, 2],
    }


def one(study: str, seed: int) -> dict[str, float]:
    """Places of the truth of one replicate, and the probability that the first class is better."""
    rng = np.random.default_rng(seed)
    truth = parameters(rng) if study == "priors" else fixed(study, rng)
    drawn = joint_draws.draw(data(truth, rng), CHOSEN, settings=SETTINGS, seed=seed, thin=THIN)
    found = quantities(
        {"sigma": drawn.covariance, "mean": drawn.class_level, "ratio": drawn.relative, "level": drawn.level}
    )
    told = quantities(truth)
    places = {name: replicates.place(draws, float(told[name])) for name, draws in found.items()}
    turned = {f"class difference, outcome {o + 1}": (-1, -1, 1)[o] for o in range(K)} | {
        "average advantage": 1
    }
    for name, sign in turned.items():
        places[replicates.BETTER + name] = float((sign * found[name] > 0).mean())
    unsound = any(check.verdict == "fail" for check in drawn.checks)
    return places | {replicates.UNSOUND: float(unsound)}


def main(share: float = 1.0) -> pd.DataFrame:
    """Run all studies and write the table."""
    return replicates.run(NAME, REPLICATES, one, seed=SEED, share=share)


if __name__ == "__main__":
    sys.stdout.write(main(replicates.share_asked(sys.argv)).to_string() + "\n")
