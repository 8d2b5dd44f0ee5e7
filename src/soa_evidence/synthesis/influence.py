r"""How much the pooled result hangs on single studies, on single registries, and on the order of publication.

Every study is left out in turn, every group (registry, country, design) is left out in turn, and studies are
added one after another; all these meta-analyses are fitted in one sweep. Diagnostics for study i, with
:math:`(i)` for "without i" and s² the Hartung-Knapp factor (1 if not used):

- ``rstudent``: :math:`(y_i - \hat\mu_{(i)}) / \sqrt{s^2_{(i)}(v_i + \hat\tau^2_{(i)}) + se^2_{(i)}}`
- ``dffits``: change of the mean over :math:`\sqrt{s^2_{(i)} h_i (v_i + \hat\tau^2_{(i)})}`, with leverage h
- ``cook``: squared change of the mean over :math:`se^2`; ``cov_ratio``: :math:`se^2_{(i)}/se^2`
- ``dfbeta``: change of the mean over its standard error at :math:`\hat\tau^2_{(i)}`
- ``influential``: \|dffits\| > 3/√(k−1), or cook beyond the median of chi-square, or leverage > 3/k, or
  \|dfbeta\| > 1 (Viechtbauer & Cheung 2010, Res Synth Methods 1:112).

When not to use it: to choose which studies to drop. It shows dependence, it does not grade studies.

Checked against: metafor's leave1out, cumul and influence (tests/reference/synthesis).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from soa_evidence.errors import InputError
from soa_evidence.results import Check
from soa_evidence.synthesis import heterogeneity
from soa_evidence.synthesis.pooling import INTERVALS, Pooled, pool, typical_variance
from soa_evidence.synthesis.studies import (
    Batch,
    BoolArray,
    FloatArray,
    Studies,
    read,
    require_choice,
    require_columns,
    require_level,
)

__all__ = ["InfluenceResult", "fit"]

METHODS = ("common", *(name for name in heterogeneity.ESTIMATORS if name != "GENQ"))


@dataclass(frozen=True, eq=False, kw_only=True)
class InfluenceResult:
    """Dependence of a meta-analysis on its parts.

    Attributes
    ----------
    leave_one_out, leave_group_out, cumulative : DataFrame
        label (what was left out, or last added), studies, estimate, std_error, lower, upper, p_value, tau2,
        i2_percent, q. The first is empty with two studies or fewer; the second without a group; rows of the
        third begin with one study, whose tau2 is 0.
    diagnostics : DataFrame
        label, rstudent, dffits, cook, cov_ratio, tau2_without, q_without, leverage, weight_percent, dfbeta,
        influential.
    checks : tuple of Check
    """

    leave_one_out: pd.DataFrame
    leave_group_out: pd.DataFrame
    cumulative: pd.DataFrame
    diagnostics: pd.DataFrame
    checks: tuple[Check, ...]


def fit(
    frame: pd.DataFrame,
    *,
    estimate: str = "estimate",
    std_error: str = "std_error",
    label: str = "label",
    order: str | None = None,
    group: str | None = None,
    method: str = "REML",
    interval: str = "hartung_knapp_floor",
    level: float = 0.95,
) -> InfluenceResult:
    """Leave out and add up the studies of a frame, one row a study.

    Parameters
    ----------
    order
        Column by which studies are added, e.g. the year; by default their order in the frame.
    group
        Column of groups to leave out in turn, e.g. the registry.

    Raises
    ------
    InputError
        As `pairwise.fit`; on fewer than three studies, a missing order or group, or fewer than two groups.
    """
    require_choice(method, METHODS, "method")
    require_choice(interval, INTERVALS, "interval")
    require_level(level)
    studies = read(frame, estimate=estimate, std_error=std_error, label=label)
    if len(studies) < 3:
        raise InputError(
            f"There are {len(studies)} studies; leaving one out needs at least 3, so that 2 remain to pool."
        )
    choices = (method, interval if method != "common" else "wald", level)
    without = ~np.eye(len(studies), dtype=bool)
    left_out = _fit_subsets(studies, without, list(studies.labels), choices)
    whole = _fit_subsets(studies, np.ones((1, len(studies)), dtype=bool), ["all"], choices)
    grouped = _leave_group_out(frame, studies, group, choices)
    return InfluenceResult(
        leave_one_out=left_out,
        leave_group_out=grouped,
        cumulative=_cumulative(frame, studies, order, choices),
        diagnostics=_diagnostics(studies, without, choices),
        checks=tuple(
            _check(what, whole, part) for what, part in (("study", left_out), ("group", grouped)) if len(part)
        ),
    )


def _pool_subsets(batch: Batch, method: str, interval: str) -> tuple[FloatArray, Pooled]:
    # One study alone has no spread between studies: it stands as it is, as in metafor.
    tau2 = (
        np.zeros(len(batch.size))
        if method == "common"
        else np.nan_to_num(heterogeneity.estimate(batch, method).value)
    )
    pooled = pool(batch, tau2, interval)
    single = pool(batch, tau2, "wald")
    alone = batch.size == 1
    return tau2, Pooled(
        mean=pooled.mean,
        std_error=np.where(alone, single.std_error, pooled.std_error),
        dof=np.where(alone, single.dof, pooled.dof),
        scale=np.where(alone, 1.0, pooled.scale),
    )


def _fit_subsets(
    studies: Studies, keep: BoolArray, labels: list[str], choices: tuple[str, str, float]
) -> pd.DataFrame:
    method, interval, level = choices
    batch = studies.subsets(keep)
    tau2, pooled = _pool_subsets(batch, method, interval)
    lower, upper = pooled.limits(level)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(tau2 > 0, 100 * tau2 / (tau2 + typical_variance(batch)), 0.0)
    return pd.DataFrame(
        {
            "label": labels,
            "studies": batch.size.astype(int),
            "estimate": pooled.mean,
            "std_error": pooled.std_error,
            "lower": lower,
            "upper": upper,
            "p_value": pooled.p_value(),
            "tau2": tau2,
            "i2_percent": share,
            "q": batch.spread(batch.weights(np.zeros(len(keep)))),
        }
    )


def _leave_group_out(
    frame: pd.DataFrame, studies: Studies, group: str | None, choices: tuple[str, str, float]
) -> pd.DataFrame:
    if group is None:
        return _fit_subsets(studies, np.ones((1, len(studies)), dtype=bool), ["all"], choices).iloc[:0]
    of_study = _present(frame, group)
    names = list(dict.fromkeys(of_study.astype(str)))
    if len(names) < 2:
        raise InputError(
            f"Column '{group}' holds one group ({names[0]}); leaving it out would leave nothing."
        )
    keep = np.array([of_study.astype(str).to_numpy() != name for name in names])
    return _fit_subsets(studies, keep, names, choices)


def _cumulative(
    frame: pd.DataFrame, studies: Studies, order: str | None, choices: tuple[str, str, float]
) -> pd.DataFrame:
    k = len(studies)
    sequence = np.arange(k)
    if order is not None:
        sequence = np.argsort(_present(frame, order).to_numpy(), kind="stable")
    keep = np.zeros((k, k), dtype=bool)
    keep[:, sequence] = np.tri(k, dtype=bool)
    return _fit_subsets(studies, keep, [studies.labels[i] for i in sequence], choices)


def _present(frame: pd.DataFrame, column: str) -> pd.Series:
    require_columns(frame, [column])
    missing = frame[column].isna().to_numpy()
    if missing.any():
        raise InputError(f"Column '{column}', row {int(np.argmax(missing))}: missing; every study needs one.")
    return frame[column]


def _diagnostics(studies: Studies, without: BoolArray, choices: tuple[str, str, float]) -> pd.DataFrame:
    method, interval, _ = choices
    batch, parts = studies.batch(), studies.subsets(without)
    full_tau2, full = _pool_subsets(batch, method, interval)
    tau2, left = _pool_subsets(parts, method, interval)
    k, v = len(studies), studies.variance
    weights = batch.weights(full_tau2)[0]
    leverage = weights / weights.sum()
    change = full.mean[0] - left.mean
    at_left = 1 / (1 / (v[None, :] + tau2[:, None])).sum(axis=1)
    frame = pd.DataFrame(
        {
            "label": list(studies.labels),
            "rstudent": (studies.estimate - left.mean) / np.sqrt(left.scale * (v + tau2) + left.std_error**2),
            "dffits": change / np.sqrt(left.scale * leverage * (v + tau2)),
            "cook": change**2 / full.std_error[0] ** 2,
            "cov_ratio": left.std_error**2 / full.std_error[0] ** 2,
            "tau2_without": tau2,
            "q_without": parts.spread(parts.weights(np.zeros(k))),
            "leverage": leverage,
            "weight_percent": 100 * leverage,
            "dfbeta": change / np.sqrt(left.scale * at_left),
        }
    )
    frame["influential"] = (
        (frame["dffits"].abs() > 3 * np.sqrt(1 / (k - 1)))
        | (stats.chi2.cdf(frame["cook"], 1) > 0.5)
        | (frame["leverage"] > 3 / k)
        | (frame["dfbeta"].abs() > 1)
    )
    return frame


def _check(what: str, whole: pd.DataFrame, parts: pd.DataFrame) -> Check:
    def side(frame: pd.DataFrame) -> FloatArray:
        return np.where(frame["lower"] > 0, 1.0, np.where(frame["upper"] < 0, -1.0, 0.0))

    changed = parts.loc[side(parts) != side(whole)[0], "label"]
    return Check(
        name=f"conclusion without any one {what}",
        verdict="pass" if changed.empty else "warn",
        observed="the same" if changed.empty else f"changes without {', '.join(map(str, changed[:3]))}",
        expected="the same",
        why=f"whether the interval excludes no effect should not hang on one {what}",
    )
