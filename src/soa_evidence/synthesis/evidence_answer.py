"""What a set of published results says, by two schools side by side; whether the choice of one matters.

For two results or more: `pairwise` (REML, Hartung-Knapp with the floor), `bayes` (a named prior of the
spread) and every other estimator (`estimator_choice`). With few studies the spread between them is hardly
known. The Hartung-Knapp interval of two studies, on one degree of freedom, is then so wide that it says
nothing; the Bayesian one says what the studies and a stated expectation of how far studies differ say
together. The answer given first is the Bayesian; both are always shown. A single result stands as it is.

When not to use it: for a set that was made with ``pool=False``; it is refused.

Checked against: its parts, which are (tests/reference/synthesis), and figures worked out from the same papers
with metafor (tests/reference/published).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from soa_evidence.errors import InputError
from soa_evidence.results import Check, Estimates
from soa_evidence.synthesis import bayes, estimator_choice, pairwise
from soa_evidence.synthesis.evidence_sets import EvidenceSet

__all__ = ["Answer", "absolute", "fit"]

DRAWS = 4096
#: Prediction intervals by the distribution they take; k is the number of studies.
NAMES = {"z": "by z", "t_k_minus_1": "t (k − 1)", "t_k_minus_2": "t (k − 2)"}


@dataclass(frozen=True, eq=False, kw_only=True)
class Answer:
    """Pooled results of one question, on the scale of analysis (log ratios or differences).

    Attributes
    ----------
    estimate : Estimates
        The answer given first: the posterior of the average effect (its median), or the one result as it is.
    new_study : Estimates or None
        The true effect in one more study like these (Bayesian); None for a single result.
    classical : PairwiseResult
    posterior : BayesResult or None
    choice : EstimatorChoice or None
    ways : DataFrame
        way, estimate, lower, upper: every interval side by side. "Hartung–Knapp" is REML with the floor;
        prediction intervals are named by z or t.
    studies : DataFrame
        label, estimate, lower, upper, weight_percent, result_id, study_id, compared.
    ratio : bool
    checks : tuple of Check
    """

    estimate: Estimates
    new_study: Estimates | None
    classical: pairwise.PairwiseResult
    posterior: bayes.BayesResult | None
    choice: estimator_choice.EstimatorChoice | None
    ways: pd.DataFrame
    studies: pd.DataFrame
    ratio: bool
    checks: tuple[Check, ...]

    def __len__(self) -> int:
        return len(self.studies)

    @property
    def interval(self) -> tuple[float, float]:
        """95 % limits of the answer given first."""
        row = self.ways.iloc[0]
        return float(row["lower"]), float(row["upper"])

    def above_none(self) -> float | None:
        """Return the posterior probability that the average effect is above none; None for one result."""
        return None if self.posterior is None else self.posterior.probability("pooled", above=0.0)

    def weights(self) -> dict[str, float]:
        """Return the share of the weight by study, of all its results together."""
        share = self.studies.groupby("study_id")["weight_percent"].sum() / 100
        return {str(name): float(value) for name, value in share.items()}


def fit(
    evidence: EvidenceSet,
    *,
    estimand: str,
    unit: str,
    priors: str = "default",
    seed: int = 1,
) -> Answer:
    """Pool one set, or take its single result as it is.

    Parameters
    ----------
    evidence
        From `evidence_sets.fit`.
    estimand, unit
        What is pooled and on which scale, in words, e.g. ``"log odds ratio of readmission"``.
    priors
        A name of `priors.SYNTHESIS_PRIORS` on the scale of the set.
    seed
        Of the draws handed on; no figure shown depends on it.

    Raises
    ------
    InputError
        On an empty set, or several results that were not chosen to be pooled.
    """
    k = len(evidence)
    if k == 0:
        raise InputError(
            f"No result is left for the {estimand}; {len(evidence.excluded)} were left out. "
            "Say what is known in words."
        )
    if k > 1 and not evidence.pool:
        raise InputError(
            f"{k} results on the {estimand} were gathered to be shown side by side (pool=False), not to be "
            "pooled."
        )
    scale: dict[str, Any] = {"estimand": estimand, "unit": unit}
    if k == 1:
        alone = pairwise.fit(evidence.included, method="common", **scale)
        return _answer(evidence, alone, None, None)
    classical = pairwise.fit(evidence.included, **scale)
    posterior = bayes.fit(evidence.included, priors=priors, seed=seed, **scale)
    choice = estimator_choice.fit(evidence.included)
    return _answer(evidence, classical, posterior, choice)


def absolute(answer: Answer, *, baseline_per_1000: float, seed: int = 1) -> Estimates:
    """Turn an odds ratio into events more per 1,000 in less concentrated care, at an assumed risk.

    Parameters
    ----------
    baseline_per_1000
        Risk in more concentrated care, taken as known.

    Raises
    ------
    InputError
        On a difference instead of a ratio, or a risk that is not between 0 and 1,000.
    """
    if not answer.ratio:
        raise InputError(
            f"'{answer.estimate.estimand}' is a difference already; absolute() takes odds ratios."
        )
    if not 0 < baseline_per_1000 < 1000:
        raise InputError(
            f"baseline_per_1000 is {baseline_per_1000:g}; expected a risk above 0 and below 1000."
        )
    share = baseline_per_1000 / 1000
    odds = share / (1 - share) * np.exp(answer.estimate.sample(DRAWS, seed=seed))
    return Estimates(
        estimand=f"events more per 1,000 at a risk of {baseline_per_1000:.3g}, by the "
        f"{answer.estimate.estimand.removeprefix('log ')}",
        labels=answer.estimate.labels,
        unit="per 1,000 patients",
        method=answer.estimate.method,
        draws=1000 * (odds / (1 + odds) - share),
        interval=answer.estimate.interval,
        checks=answer.checks,
        centre="median",
    )


def _answer(
    evidence: EvidenceSet,
    classical: pairwise.PairwiseResult,
    posterior: bayes.BayesResult | None,
    choice: estimator_choice.EstimatorChoice | None,
) -> Answer:
    checks = [*evidence.checks, *classical.checks]
    if posterior is not None and choice is not None:
        checks += [*posterior.checks, *choice.checks]
    studies = classical.studies.merge(
        evidence.included[["label", "result_id", "study_id", "compared", "measure", "provenance"]],
        on="label",
        validate="one_to_one",
    )
    first = classical.pooled if posterior is None else replace(posterior.pooled, centre="median")
    return Answer(
        estimate=first,
        new_study=None if posterior is None else replace(posterior.new_study, centre="median"),
        classical=classical,
        posterior=posterior,
        choice=choice,
        ways=_ways(classical, posterior),
        studies=studies,
        ratio=evidence.ratio,
        checks=tuple(checks),
    )


def _ways(classical: pairwise.PairwiseResult, posterior: bayes.BayesResult | None) -> pd.DataFrame:
    rows = []
    if posterior is not None:
        exact = posterior.summary.set_index("quantity")[["median", "lower", "upper"]].astype(float)
        for name, told in (
            ("pooled", "average, Bayesian"),
            ("new study", "new study, Bayesian"),
        ):
            rows.append((told, *(float(value) for value in exact.loc[name].to_numpy())))
    told = "the one result" if posterior is None else "average, Hartung–Knapp"
    rows += [(told, *_row(classical.pooled.table()))]
    if posterior is not None:
        rows += [("average, common effect", *_row(classical.common.table()))]
        centre = float(classical.pooled.table()["estimate"].iloc[0])
        predicted: list[Any] = list(classical.prediction.itertuples())
        rows += [(f"new study, {NAMES[r.interval]}", centre, r.lower, r.upper) for r in predicted]
    return pd.DataFrame(rows, columns=["way", "estimate", "lower", "upper"])


def _row(table: pd.DataFrame) -> tuple[float, float, float]:
    row = table.iloc[0]
    values = np.array([row["estimate"], row["lower"], row["upper"]], dtype=float)
    return float(values[0]), float(values[1]), float(values[2])
