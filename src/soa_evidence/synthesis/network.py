r"""Network meta-analysis: several treatments compared at once, directly and through each other.

Model, contrast-based: study i's contrasts with its first arm :math:`y_i \sim N(X_i d, V_i + \tau^2 R)`,
where d holds the effects of all treatments against the reference, V the sampling covariance (contrasts of
one trial share an arm), and R has 1 on its diagonal and 1/2 elsewhere, so that every contrast has the same
tau2. Consistency: the effect of a against c is that of a against b plus that of b against c, whichever
studies show it.

- tau2: ``"DL"`` (moments: (Q - dof)/trace), ``"REML"``, ``"ML"``, or ``"common"`` (0)
- Q of the whole network = Q within designs (studies of the same arms) + Q between designs (inconsistency);
  the latter also at the tau2 left within designs
- side-splitting: in studies that hold both arms the comparison gets a parameter of its own, half on each arm;
  direct and indirect evidence then stand side by side with the test of their difference
- P-score: the mean, over the others, of the probability of being better; with the interval of ranks, never
  alone

When not to use it: where studies of different comparisons differ in what changes the effect (patients,
period, follow-up): no test can show that they do not. To name a best treatment from overlapping ranks.

Sources: Rücker 2012, Res Synth Methods 3:312; Higgins et al. 2012, Res Synth Methods 3:98; Krahn, Binder &
König 2013, BMC Med Res Methodol 13:35; White 2015, Stata J 15:951; Rücker & Schwarzer 2015, BMC Med Res
Methodol 15:58.

Checked against: netmeta's printed results for the diabetes network; metafor's rma.mv on three networks
(tests/reference/synthesis_models).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from soa_evidence.errors import InputError, nearest
from soa_evidence.results import Check, Estimates, checks_frame
from soa_evidence.synthesis.network_consistency import decomposition, side_splits
from soa_evidence.synthesis.network_studies import Network, pairs, read_network
from soa_evidence.synthesis.studies import FloatArray, require_choice, require_level
from soa_evidence.synthesis.variance_components import Components, maximise

__all__ = ["NetworkResult", "fit", "pairs"]

METHOD = "synthesis.network"
METHODS = ("common", "DL", "REML", "ML")
RANK_DRAWS = 20000
CONSISTENT = 0.10


@dataclass(frozen=True, eq=False, kw_only=True)
class NetworkResult:
    """A network meta-analysis.

    Attributes
    ----------
    effects : Estimates
        Every treatment against the reference, jointly.
    league : DataFrame
        Every pair: treatment_1, treatment_2, estimate (first against second), std_error, lower, upper,
        prediction_lower, prediction_upper (normal), direct_studies, level.
    ranking : DataFrame
        treatment, estimate, std_error (against the reference), p_score, rank_median, rank_lower, rank_upper:
        ranks as draws from the joint distribution give them, 1 the best.
    heterogeneity : DataFrame
        quantity (tau2, tau, I2_percent), estimate.
    consistency : DataFrame
        source (whole network, within designs, between designs, between designs at the tau2 within them),
        statistic, dof, p_value, tau2.
    splits : DataFrame
        Comparisons with direct and indirect evidence: treatment_1, treatment_2, direct, direct_std_error,
        indirect, indirect_std_error, difference, difference_std_error, p_value, tau2.
    reference, method : str
    checks : tuple of Check
    """

    effects: Estimates
    league: pd.DataFrame
    ranking: pd.DataFrame
    heterogeneity: pd.DataFrame
    consistency: pd.DataFrame
    splits: pd.DataFrame
    reference: str
    method: str
    checks: tuple[Check, ...]

    def _repr_html_(self) -> str:
        parts = [self.effects.table(), self.ranking, self.heterogeneity, self.consistency, self.splits]
        parts.append(checks_frame(self.checks))
        return "".join(part.to_html(index=False, float_format="{:.4g}".format) for part in parts)


def fit(
    frame: pd.DataFrame,
    *,
    reference: str,
    study: str = "study",
    treatment_1: str = "treatment_1",
    treatment_2: str = "treatment_2",
    estimate: str = "estimate",
    std_error: str = "std_error",
    method: str = "REML",
    better: str = "lower",
    level: float = 0.95,
    estimand: str = "effect against the reference",
    unit: str = "scale of the studies",
    seed: int = 1,
) -> NetworkResult:
    """Compare all treatments of a frame of contrasts, one row a pair of arms of a study.

    Parameters
    ----------
    reference
        Treatment that the others are set against; changes what is shown, not what is found.
    treatment_1, treatment_2, estimate, std_error
        Columns: the effect of the first treatment against the second. A study of three or more arms needs all
        its pairs: `pairs` makes them from arms.
    method
        ``"common"``, ``"DL"``, ``"REML"`` or ``"ML"``.
    better
        Whether a ``"lower"`` or a ``"higher"`` effect is better.
    seed
        Of the draws of ranks.

    Raises
    ------
    InputError
        As `network_studies.read_network`; on an unknown reference or choice, or no more contrasts than
        effects where tau2 is asked for.
    """
    require_choice(method, METHODS, "method")
    require_choice(better, ("lower", "higher"), "better")
    require_level(level)
    network = read_network(
        frame,
        study=study,
        treatment_1=treatment_1,
        treatment_2=treatment_2,
        estimate=estimate,
        std_error=std_error,
    )
    if reference not in network.treatments:
        raise InputError(
            f"reference is {reference!r}, which no study holds.{nearest(reference, network.treatments)} "
            f"Treatments: "
            f"{', '.join(network.treatments)}."
        )
    design = network.design(reference)
    n, p = design.shape
    if n <= p and method != "common":
        raise InputError(
            f"There are {n} independent contrasts for {p} effects, which leaves nothing to tell tau2 by; use "
            "method='common'."
        )
    tau2, certified = estimate_tau2(network, design, method)
    mean, covariance = generalised_least_squares(network, design, tau2)
    others = tuple(t for t in network.treatments if t != reference)
    consistency = decomposition(network, design)
    splits = side_splits(network, reference, method, estimate_tau2, generalised_least_squares)
    checks = _checks(network, consistency, splits, certified)
    full = np.zeros((len(network.treatments), p))
    for j, name in enumerate(others):
        full[network.treatments.index(name), j] = 1.0
    every, spread = full @ mean, full @ covariance @ full.T
    q = float(consistency["statistic"].iloc[0])
    return NetworkResult(
        effects=Estimates(
            estimand=estimand,
            labels=others,
            unit=unit,
            method=f"{METHOD} ({method}, against {reference})",
            mean=mean,
            covariance=covariance,
            interval="confidence",
            checks=checks,
        ),
        league=_league(network, every, spread, tau2, level),
        ranking=_ranking(network, every, spread, better, level, seed),
        heterogeneity=pd.DataFrame(
            {
                "quantity": ["tau2", "tau", "I2_percent"],
                "estimate": [tau2, np.sqrt(tau2), 100 * max(0.0, (q - (n - p)) / q) if q > 0 else 0.0],
            }
        ),
        consistency=consistency,
        splits=splits,
        reference=reference,
        method=method,
        checks=checks,
    )


def estimate_tau2(network: Network, design: FloatArray, method: str) -> tuple[float, bool]:
    """Return tau2 of a design, and whether its search ended at a maximum."""
    if method == "common":
        return 0.0, True
    if method == "DL":
        inverse = np.linalg.inv(network.covariance)
        right = inverse @ design
        projection = inverse - right @ np.linalg.solve(design.T @ right, right.T)
        q = float(network.estimate @ projection @ network.estimate)
        dof = design.shape[0] - design.shape[1]
        return max(0.0, (q - dof) / float((projection * network.between).sum())), True
    by = float(np.sqrt(np.mean(np.diag(network.covariance))))
    model = Components(
        estimate=network.estimate / by,
        matrix=np.linalg.qr(design)[0],
        known=network.covariance / by**2,
        pieces=(network.between,),
        restricted=method == "REML",
    )
    crude = max(float(np.var(network.estimate)) / by**2, 0.1)
    found = maximise(model, [np.array([0.02 * crude]), np.array([crude])])
    return by**2 * float(found.value[0]), found.certified


def generalised_least_squares(
    network: Network, design: FloatArray, tau2: float
) -> tuple[FloatArray, FloatArray]:
    """Return effects and their covariance given tau2."""
    weights = np.linalg.inv(network.covariance + tau2 * network.between)
    covariance = np.linalg.inv(design.T @ weights @ design)
    covariance = (covariance + covariance.T) / 2
    return covariance @ (design.T @ (weights @ network.estimate)), covariance


def _league(
    network: Network, every: FloatArray, spread: FloatArray, tau2: float, level: float
) -> pd.DataFrame:
    z = float(stats.norm.ppf(1 - (1 - level) / 2))
    rows = []
    for i, first in enumerate(network.treatments):
        for j, second in enumerate(network.treatments):
            if i == j:
                continue
            value, v = every[i] - every[j], spread[i, i] + spread[j, j] - 2 * spread[i, j]
            error, further = float(np.sqrt(v)), float(np.sqrt(v + tau2))
            direct = sum(first in trial.arms and second in trial.arms for trial in network.trials)
            limits = (value - z * error, value + z * error, value - z * further, value + z * further)
            rows.append((first, second, value, error, *limits, direct, level))
    columns = ["treatment_1", "treatment_2", "estimate", "std_error", "lower", "upper"]
    columns += ["prediction_lower", "prediction_upper", "direct_studies", "level"]
    return pd.DataFrame(rows, columns=columns)


def _ranking(
    network: Network, every: FloatArray, spread: FloatArray, better: str, level: float, seed: int
) -> pd.DataFrame:
    sign = -1.0 if better == "lower" else 1.0
    gap = sign * (every[:, None] - every[None, :])
    variance = np.diag(spread)
    error = np.sqrt(np.clip(variance[:, None] + variance[None, :] - 2 * spread, 1e-300, None))
    chance = stats.norm.cdf(gap / error)
    np.fill_diagonal(chance, 0.0)
    k = len(every)
    values, vectors = np.linalg.eigh(spread)
    noise = np.random.default_rng(seed).standard_normal((RANK_DRAWS, k))
    draws = every + (noise * np.sqrt(np.clip(values, 0, None))) @ vectors.T
    ranks = np.argsort(np.argsort(-sign * draws, axis=1), axis=1) + 1
    tail = (1 - level) / 2
    lower, median, upper = np.quantile(ranks, [tail, 0.5, 1 - tail], axis=0, method="nearest")
    table = pd.DataFrame(
        {
            "treatment": network.treatments,
            "estimate": every,
            "std_error": np.sqrt(np.clip(variance, 0, None)),
            "p_score": chance.sum(axis=1) / (k - 1),
            "rank_median": median,
            "rank_lower": lower,
            "rank_upper": upper,
        }
    )
    return table.sort_values("p_score", ascending=False, ignore_index=True)


def _checks(
    network: Network, consistency: pd.DataFrame, splits: pd.DataFrame, certified: bool
) -> tuple[Check, ...]:
    at = consistency["source"].tolist().index("between designs")
    p_between, dof = float(consistency["p_value"].iloc[at]), float(consistency["dof"].iloc[at])
    smallest = float(splits["p_value"].min()) if len(splits) else np.nan
    testable = dof > 0
    bad = testable and (p_between < CONSISTENT or smallest < CONSISTENT)
    shown = (
        f"between designs p {p_between:.3f}, smallest split p {smallest:.3f}"
        if testable
        else "no closed loop of different designs"
    )
    alone = sum(1 for trial in network.trials if len(trial.arms) == 2)
    return (
        Check(
            name="direct and indirect evidence agree",
            verdict="warn" if bad or not testable else "pass",
            observed=shown,
            expected=f"p above {CONSISTENT:g}; the tests are weak",
            why="a network whose routes disagree answers no question; where none can disagree nothing was "
            "tested",
        ),
        Check(
            name="search for the variance between studies",
            verdict="pass" if certified else "fail",
            observed="ended" if certified else "did not end",
            expected="ended",
            why="an estimate taken half-way depends on where the search began",
        ),
        Check(
            name="studies and treatments",
            verdict="pass" if len(network.trials) >= 2 * len(network.treatments) else "warn",
            observed=f"{len(network.trials)} studies ({alone} of two arms), {len(network.treatments)} "
            f"treatments",
            expected="at least two studies a treatment",
            why="in a thin network the spread is hardly known and one study may carry a comparison",
        ),
    )
