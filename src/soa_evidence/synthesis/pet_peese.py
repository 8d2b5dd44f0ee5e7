r"""PET-PEESE: where the line through the funnel ends, in a study without sampling error.

PET: the intercept of the effect on its standard error; PEESE: the intercept of the effect on its variance;
both by least squares with weights 1/v and the scale of the residuals, t with k - 2. The conditional estimate
is PEESE where PET is distinguishable from 0 at the 10 % level, else PET.

When not to use it: with few studies, or all of them small: the line then ends far from any study and the
intercept is a guess; where true effects differ much, which the single weights ignore. A sensitivity analysis,
never the headline.

Source: Stanley & Doucouliagos 2014, Res Synth Methods 5:60; Stanley 2017 for its limits.

Checked against: R's lm (tests/reference/synthesis_models).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from soa_evidence.results import Check, Estimates, checks_frame
from soa_evidence.synthesis.small_study import FEW_STUDIES, WeightedLine, require_slope, weighted_line
from soa_evidence.synthesis.studies import Studies, read

__all__ = ["PetPeeseResult", "fit"]

METHOD = "synthesis.pet_peese"
DISTINCT = 0.10
SMALL_SHARE = 0.5  # the smallest standard error, as a share of the median


@dataclass(frozen=True, eq=False, kw_only=True)
class PetPeeseResult:
    """Effects at no sampling error.

    Attributes
    ----------
    pet, peese : Estimates
        Intercepts of the two lines.
    conditional : str
        ``"pet"`` or ``"peese"``: which one the rule takes.
    checks : tuple of Check
    """

    pet: Estimates
    peese: Estimates
    conditional: str
    checks: tuple[Check, ...]

    @property
    def estimate(self) -> Estimates:
        """The one that the rule takes."""
        return self.peese if self.conditional == "peese" else self.pet

    def _repr_html_(self) -> str:
        parts = [self.pet.table(), self.peese.table(), checks_frame(self.checks)]
        return "".join(part.to_html(index=False, float_format="{:.4g}".format) for part in parts)


def fit(
    frame: pd.DataFrame,
    *,
    estimate: str = "estimate",
    std_error: str = "std_error",
    label: str = "label",
    estimand: str = "pooled effect",
    unit: str = "scale of the studies",
) -> PetPeeseResult:
    """Extrapolate the funnel of the studies of a frame, one row a study.

    Raises
    ------
    InputError
        As `studies.read`; on fewer than three studies, or studies that are all of one size.
    """
    studies = read(frame, estimate=estimate, std_error=std_error, label=label)
    require_slope(studies)
    weights = 1 / studies.variance
    lines = {
        "pet": weighted_line(studies.estimate, np.sqrt(studies.variance), weights),
        "peese": weighted_line(studies.estimate, studies.variance, weights),
    }
    checks = _checks(studies)

    def carrier(name: str, line: WeightedLine) -> Estimates:
        return Estimates(
            estimand=f"{estimand} without sampling error ({name.upper()})",
            labels=(name,),
            unit=unit,
            method=METHOD,
            mean=np.array([line.intercept]),
            covariance=np.array([[line.intercept_error**2]]),
            dof=line.dof,
            interval="confidence",
            checks=checks,
        )

    return PetPeeseResult(
        pet=carrier("pet", lines["pet"]),
        peese=carrier("peese", lines["peese"]),
        conditional="peese" if lines["pet"].intercept_p_value < DISTINCT else "pet",
        checks=checks,
    )


def _checks(studies: Studies) -> tuple[Check, ...]:
    error = np.sqrt(studies.variance)
    share = float(error.min() / np.median(error))
    return (
        Check(
            name="studies in the funnel",
            verdict="pass" if len(studies) >= FEW_STUDIES else "warn",
            observed=str(len(studies)),
            expected=f"at least {FEW_STUDIES}",
            why="a line through few studies ends almost anywhere",
        ),
        Check(
            name="smallest standard error, as a share of the median",
            verdict="pass" if share <= SMALL_SHARE else "warn",
            observed=f"{share:.2f}",
            expected=f"at most {SMALL_SHARE}",
            why="without a large study the line is drawn far beyond all studies",
        ),
        Check(
            name="asymmetry is not proof of bias",
            verdict="warn",
            observed="an extrapolation",
            expected="a study of no error, which nobody has done",
            why="the line takes every difference between small and large studies for bias",
        ),
    )
