"""Fine–Gray regression: ratios of subdistribution hazards, which act on the share who ever have the event.

    F(t | x) = 1 - exp( -exp(x'b) H0(t) )              incidence of one cause, in the presence of the others
    log partial likelihood = sum over events of the cause of
        w x'b - w log( sum of w exp(x'b) over those at risk
                       + sum of w exp(x'b) G(t-) / G(T-) over those lingering since T )

Whoever had a competing event at T lingers in later risk sets, with the chance of still being observed at t
given that they were at T: they can no longer have the event, and that is what a share of all people means. G
is the Kaplan–Meier estimate of not being censored (`censoring`), in each stratum. exp(b) multiplies
-log(1 - F): its sign is the sign of the effect on the share, its size is not a ratio of rates.

Ties of events: Efron's approximation (default) or Breslow's. Ties of events with censorings:
`censoring="events first"` (default) takes whoever has an event at u as gone when others are censored at u, as
survival::finegray does; `"crr"` counts them, as cmprsk::crr does. So finegray + coxph is the default here and
crr is `ties="breslow", censoring="crr"`. Without such ties all are the same.

Standard errors come from the influence of each row (or cluster) on b, including what the row does to G, as in
crr; `fixed_weights_covariance` leaves the latter out, as coxph on finegray's rows does. With delayed entry
the weights carry the chance of having entered too (Geskus), and the standard error takes them as known.

When not to use it: to say what causes the event, since an effect on a competing event shows here as well: fit
`cause_specific` beside it. Nor for the incidences of several causes at once: predictions from one model a
cause may add up to more than 1, which `total_incidence_check` tells. One row a person: covariates that change
with time have no meaning after a competing event.

Sources: Fine & Gray (1999), JASA 94:496; Geskus (2011), Biometrics 67:39; Austin et al (2021), Stat Med
40:4200, on sums above 1.

Checked against: R cmprsk::crr and survival::finegray with coxph in tests/reference/fine_gray; a plain slow
twin in tests/properties.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soa_evidence.errors import InputError, nearest
from soa_evidence.results import Check, Curve, Estimates, checks_frame
from soa_evidence.survival import censoring as censorings
from soa_evidence.survival import columns, cox_checks, fine_gray_influence
from soa_evidence.survival.censoring import Censoring
from soa_evidence.survival.cox_newton import maximise
from soa_evidence.survival.cox_rows import Design, SortedRows, sort_rows
from soa_evidence.survival.cox_sweep import Sweep, sweep
from soa_evidence.survival.records import Records, WeightsAre, choice, prepare, prepare_level

__all__ = ["FineGrayResult", "fit", "total_incidence_check"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
METHOD = "survival.fine_gray"
FineGrayTies = Literal["efron", "breslow"]
CensoringTies = Literal["events first", "crr"]
RARE = 0.05  # chance of observation below which a lingering row rests on very few


@dataclass(frozen=True, eq=False, kw_only=True)
class FineGrayResult:
    """A fitted Fine–Gray model of one cause.

    Attributes
    ----------
    log_hazard_ratio : Estimates
        Log subdistribution hazard ratios with the full robust covariance;
        ``.table(transform="exp")`` gives the ratios.
    fixed_weights_covariance : array of shape (p, p)
        Robust, with G taken as known.
    model_covariance : array of shape (p, p)
        Inverse information; too small or too large where many linger.
    log_likelihood, log_likelihood_at_zero : float
        Of the weighted partial likelihood; their difference has no chi-squared distribution.
    wald : DataFrame
        Test that all coefficients are 0: statistic, degrees_of_freedom, p_value.
    cause : str
    rows, events, competing : int
    level : float
        Coverage of predicted limits unless told otherwise.
    checks : tuple of Check
    records, design, sorted_rows, clusters, censoring, ties, time_unit
        What predictions are made from.
    """

    log_hazard_ratio: Estimates
    fixed_weights_covariance: FloatArray
    model_covariance: FloatArray
    log_likelihood: float
    log_likelihood_at_zero: float
    wald: pd.DataFrame
    cause: str
    rows: int
    events: int
    competing: int
    level: float
    checks: tuple[Check, ...]
    records: Records
    design: Design
    sorted_rows: SortedRows
    clusters: IntArray | None
    censoring: Censoring
    ties: FineGrayTies
    time_unit: str

    @property
    def coefficients(self) -> FloatArray:
        """Log subdistribution hazard ratios, shape (p,)."""
        return np.asarray(self.log_hazard_ratio.mean)

    def sweep(self) -> Sweep:
        """Return the sweep over risk sets at the fitted coefficients."""
        return _swept(self.sorted_rows, self.coefficients * self.sorted_rows.scale, self.ties)

    def cumulative_incidence(
        self, profiles: pd.DataFrame, *, level: float | None = None, interval: bool = True
    ) -> dict[str, Curve]:
        """Return the predicted incidence for each row of `profiles` (and each stratum).

        Limits are symmetric on log(-log(1 - F)), from the influence of every row on coefficients, baseline
        and G together; `interval=False` leaves them out (NaN) and is quicker.
        """
        from soa_evidence.survival import fine_gray_prediction

        level = prepare_level(self.level if level is None else level)
        return fine_gray_prediction.curves(self, profiles, level=level, interval=interval)

    def __repr__(self) -> str:
        head = (
            f"Fine–Gray model of {self.cause}: {self.events} events, {self.competing} competing, "
            f"{self.rows} rows"
        )
        return f"{head}\n{self.log_hazard_ratio!r}"

    def _repr_html_(self) -> str:
        table = self.log_hazard_ratio.table(transform="exp").to_html(index=False)
        title = f"<p><strong>Subdistribution hazard ratios, {self.cause}</strong></p>"
        return f"{title}{table}{checks_frame(self.checks).to_html(index=False)}"


def fit(
    frame: pd.DataFrame,
    *,
    time: str,
    event: str,
    covariates: Sequence[str],
    cause: int = 1,
    strata: str | Sequence[str] | None = None,
    cluster: str | None = None,
    entry: str | None = None,
    weights: str | None = None,
    weights_are: WeightsAre = "frequency",
    ties: FineGrayTies = "efron",
    censoring: CensoringTies = "events first",
    causes: Mapping[int, str] | None = None,
    reference: Mapping[str, str] | None = None,
    level: float = 0.95,
    time_unit: str = "years",
) -> FineGrayResult:
    """Fit a Fine–Gray model of one cause.

    Parameters
    ----------
    frame
        One row a person.
    time, event
        End of observation; 0 censored, 1, 2, … the cause that ended it.
    covariates, strata, cluster, weights, weights_are, reference
        As in `cox.fit`; G is estimated in each stratum, and weighted.
    cause
        The cause modelled; all others compete with it.
    entry
        Start of observation where it is later than time 0.
    ties, censoring
        ``"efron"`` or ``"breslow"``; ``"events first"`` or ``"crr"`` (see the module).
    causes
        Names of the codes, e.g. ``{1: "revision", 2: "death"}``.

    Raises
    ------
    InputError
        See `cox.fit`; also on a cause that no row has, and where late entry empties a risk set so that the
        chance of observation is unknown.
    """
    choice("ties", ties, get_args(FineGrayTies))
    choice("censoring", censoring, get_args(CensoringTies))
    level = prepare_level(level)
    covariates = columns.covariates_of(covariates)
    columns.require(frame, [time, event, *covariates])
    records = prepare(
        frame,
        time=time,
        event=event,
        entry=entry,
        weights=weights,
        weights_are=weights_are,
        strata=strata,
        competing=True,
        causes=causes,
    )
    code = _position(records, event, cause, causes)
    design = Design.of(frame, covariates, reference or {})
    observed = censorings.estimate(records, events_first=censoring == "events first")
    rows = _lingering(
        sort_rows(records, design.encode(frame), design.terms, cause=code), records, code, observed
    )
    clusters = None if cluster is None else columns.clusters(frame, cluster)
    return _fitted(records, design, rows, code, observed, clusters, ties, level, time_unit)


def _position(records: Records, event: str, cause: int, causes: Mapping[int, str] | None) -> int:
    """Return the place of `cause` among the causes, from 1, refusing one without events."""
    name = (causes or {}).get(cause, f"cause {cause}")
    there = [known for k, known in enumerate(records.causes) if (records.cause == k + 1).any()]
    if name not in there:
        found = ", ".join(there) or "no event at all"
        raise InputError(
            f"Column '{event}' has no row with {name!r}, so it cannot be modelled.{nearest(name, there)} "
            f"It has: {found}."
        )
    return records.causes.index(name) + 1


def _lingering(rows: SortedRows, records: Records, code: int, observed: Censoring) -> SortedRows:
    """Return the rows with what those with a competing event count for in later risk sets."""
    compete = (records.cause > 0) & (records.cause != code)
    place = np.flatnonzero(compete)
    chance = observed.before(observed.keys(records.stratum[place], records.exit[place]))
    if (chance <= 0).any():
        row = int(place[np.argmax(chance <= 0)])
        raise InputError(
            f"Row {row}: after {records.axis[records.exit[row]]:g} observation empties before others enter, "
            "so the chance of being observed is unknown; start observation later, where it never empties."
        )
    linger = np.zeros(len(records))
    linger[place] = 1 / chance
    at = np.searchsorted(records.axis, rows.time)
    remaining = observed.before(observed.keys(rows.stratum, at))
    return replace(rows, linger=linger[rows.order], remaining=np.where(rows.deaths > 0, remaining, 0.0))


def _swept(rows: SortedRows, beta: FloatArray, ties: FineGrayTies) -> Sweep:
    found = sweep(rows, beta, efron=ties == "efron")
    if found is None:  # it did not overflow on the way to this maximum
        raise InputError("The partial likelihood overflows at its maximum; rescale the covariates.")
    return found


def _fitted(
    records: Records,
    design: Design,
    rows: SortedRows,
    code: int,
    observed: Censoring,
    clusters: IntArray | None,
    ties: FineGrayTies,
    level: float,
    time_unit: str,
) -> FineGrayResult:
    found = maximise(rows, design.terms, efron=ties == "efron")
    swept = _swept(rows, found.beta, ties)
    score = fine_gray_influence.score(rows, swept)
    fixed = fine_gray_influence.sandwich(score, found.covariance, records, rows, clusters)
    full = fixed
    if records.entry is None:
        score += fine_gray_influence.of_censoring(records, rows, swept, observed)
        full = fine_gray_influence.sandwich(score, found.covariance, records, rows, clusters)
    scales = np.outer(rows.scale, rows.scale)
    beta, covariance = found.beta / rows.scale, full / scales
    events = int(rows.died.sum())
    competing = int((rows.linger > 0).sum())
    checks = (*cox_checks.checks(found, events, clusters), *_checks(records, rows, competing))
    return FineGrayResult(
        log_hazard_ratio=Estimates(
            estimand="log subdistribution hazard ratio",
            labels=design.terms,
            unit="log subdistribution hazard ratio",
            method=METHOD,
            mean=beta,
            covariance=covariance,
            interval="confidence",
            checks=checks,
        ),
        fixed_weights_covariance=fixed / scales,
        model_covariance=found.covariance / scales,
        log_likelihood=found.likelihood,
        log_likelihood_at_zero=found.likelihood_at_zero,
        wald=cox_checks.wald(beta, covariance),
        cause=records.causes[code - 1],
        rows=len(records),
        events=events,
        competing=competing,
        level=level,
        checks=checks,
        records=records,
        design=design,
        sorted_rows=rows,
        clusters=clusters,
        censoring=observed,
        ties=ties,
        time_unit=time_unit,
    )


def _checks(records: Records, rows: SortedRows, competing: int) -> tuple[Check, ...]:
    least = float(rows.remaining[rows.deaths > 0].min())
    found = [
        Check(
            name="competing events",
            verdict="pass" if competing else "warn",
            observed=str(competing),
            expected="at least 1",
            why="where nothing competes this is Cox's model, and `cox` says more about it",
        ),
        Check(
            name="smallest chance of still being observed at an event",
            verdict="pass" if least >= RARE else "warn",
            observed=f"{least:.2g}",
            expected=f"at least {RARE:g}",
            why="those who had a competing event are weighted by the few who are followed as long",
        ),
    ]
    if records.entry is not None:
        found.append(
            Check(
                name="weights for late entry taken as known",
                verdict="warn",
                observed="standard errors leave out the uncertainty of the weights",
                expected="no delayed entry",
                why="limits may be a little off where entry is late for many",
            )
        )
    return tuple(found)


def total_incidence_check(results: Sequence[FineGrayResult], profiles: pd.DataFrame) -> Check:
    """Check that the predicted incidences of all causes add up to at most 1 for every profile.

    Parameters
    ----------
    results
        One fitted model a cause, of the same rows.
    profiles
        The covariates of all models; one row a profile.

    Raises
    ------
    InputError
        Without results, or with two of one cause, or of different numbers of rows.
    """
    names = [result.cause for result in results]
    if not names:
        raise InputError("results is empty; expected one fitted model for each cause.")
    if len(set(names)) < len(names):
        raise InputError(f"results holds two models of one cause ({', '.join(names)}); expected one each.")
    if len({result.rows for result in results}) > 1:
        raise InputError("results are of different numbers of rows; fit every cause on the same rows.")
    predicted = [result.cumulative_incidence(profiles, interval=False) for result in results]
    if len({tuple(each) for each in predicted}) > 1:
        raise InputError("results have different strata; fit every cause with the same.")
    totals = {label: sum(float(each[label].estimate[-1]) for each in predicted) for label in predicted[0]}
    worst = max(totals, key=lambda label: totals[label])
    missing = [name for name in results[0].records.causes if name not in names]
    return Check(
        name="predicted incidences of all causes add up to at most 1",
        verdict="fail" if totals[worst] > 1 else "warn" if missing else "pass",
        observed=f"{totals[worst]:.3f} at the end ({worst})"
        + (f"; without {', '.join(missing)}" if missing else ""),
        expected="at most 1, over all causes",
        why="each model is fitted by itself, and more than everyone cannot have had an event",
    )
