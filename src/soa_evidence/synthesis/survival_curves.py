r"""Published survivorship pooled over studies: at single times or as a curve, each source of data by itself.

Survival S(t) enters as :math:`y = -\log(-\log S)` (``log-log``: minus the log cumulative hazard) or
:math:`\log\{S/(1-S)\}` (``logit``); both rise with survival and never leave 0 to 1. The model is that of
`survivorship_model`: a mean at each time (``mean="free"``), or a straight line in log time
(``mean="line"``: a Weibull curve on the log-log scale, a log-logistic one on the logit scale), with studies
around it.

Several times of one study are not independent: who has failed by ten years has failed by fifteen. What is
added between two times is independent of what was there, so the covariance of log survival at two times is
its variance at the earlier, which the published limits give. Nothing is assumed for it.

Registries and case series are never pooled together. A column must say what each row is, every source has its
own curve, and `gap` only compares them.

The interval of a pooled value says where the average of studies like these lies; *new registry* says where
the true survival of one more would lie.

When not to use it: on values that are pooled results themselves; beyond the times that studies report (it is
refused); for two or three studies without showing them one by one.

Checked against: metafor::rma.mv (tests/reference/survival_curves); coverage in tests/calibration.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soa_evidence.errors import InputError
from soa_evidence.results import Check, Estimates, checks_frame
from soa_evidence.synthesis import survivorship_rows
from soa_evidence.synthesis.reconstructed import Reconstruction
from soa_evidence.synthesis.studies import require_choice, require_columns, require_level
from soa_evidence.synthesis.survivorship_model import Block
from soa_evidence.synthesis.survivorship_source import MEANS, SourceCurve, as_survival, pool, slope

__all__ = ["MEANS", "SCALES", "SurvivalCurves", "as_survival", "choices", "fit", "from_curves"]

FloatArray = NDArray[np.float64]
SCALES = ("log-log", "logit")
METHOD = "synthesis.survival_curves"


@dataclass(frozen=True, eq=False, kw_only=True)
class SurvivalCurves:
    """Pooled survivorship, one source of data at a time.

    Attributes
    ----------
    sources : mapping of source to SourceCurve
    studies : DataFrame
        source, study, time, survival, lower, upper (shares), as they went in.
    scale, mean : str
    checks : tuple of Check
        Of all sources.
    """

    sources: Mapping[str, SourceCurve]
    studies: pd.DataFrame
    scale: str
    mean: str
    checks: tuple[Check, ...]

    def source(self, name: str) -> SourceCurve:
        """Return the pooled curve of one source; an unknown one is an error naming the nearest."""
        require_choice(name, list(self.sources), "source")
        return self.sources[name]

    def gap(self, first: str, second: str, time: float, *, draws: int = 4000, seed: int) -> Estimates:
        """Return average survival of the `first` source minus that of the `second` at a time, as a share.

        They are compared because they disagree, not to be averaged.
        """
        a = as_survival(self.source(first).at([time]).sample(draws, seed=seed), self.scale)
        b = as_survival(self.source(second).at([time]).sample(draws, seed=seed + 1), self.scale)
        return Estimates(
            estimand=f"survival at {time:g} by {first} minus that by {second}",
            labels=(f"{first} minus {second}",),
            unit="share of joints",
            method=METHOD,
            draws=a - b,
            interval="confidence",
            checks=(*self.source(first).checks, *self.source(second).checks),
        )

    def __repr__(self) -> str:
        parts = "; ".join(repr(curve) for curve in self.sources.values())
        return f"Pooled survivorship ({self.scale} scale, {self.mean} mean): {parts}"

    def _repr_html_(self) -> str:
        shown = "".join(
            curve.table().to_html(index=False, float_format="{:.4g}".format)
            for curve in self.sources.values()
        )
        return f"<p><strong>{self!r}</strong></p>{shown}" + checks_frame(self.checks).to_html(index=False)


def fit(
    frame: pd.DataFrame,
    *,
    study: str,
    source: str,
    time: str,
    percent: str,
    lower: str,
    upper: str,
    means: str = "survival",
    limits: str = "auto",
    estimate_unit: str | float | None = None,
    limit_unit: float | None = None,
    scale: str = "log-log",
    mean: str = "free",
    correlation: float | None = None,
    level: float = 0.95,
    time_unit: str = "years",
) -> SurvivalCurves:
    """Pool published percentages, one row a study and time.

    Parameters
    ----------
    study, source
        Columns: which study a row is from; what kind of data it is, e.g. "registry" or "case series".
    time, percent, lower, upper, means, limits, estimate_unit, limit_unit
        As `survivorship_rows.read` takes them (`limits` is its `interval`).
    scale
        ``"log-log"`` or ``"logit"``.
    mean
        ``"free"`` (a mean at each time reported) or ``"line"`` (a line in log time).
    correlation
        How alike a study's deviations are at times a factor e apart, from 0 to 1; estimated when not given.
    level
        Coverage of the published limits, and of those shown.

    Raises
    ------
    InputError
        As `survivorship_rows.read`; on a missing study or source, a study's time given twice, a study whose
        survival rises, an unknown choice, or too few times for a line.
    """
    require_choice(scale, SCALES, "scale")
    require_choice(mean, MEANS, "mean")
    _require_correlation(correlation)
    require_level(level)
    if not isinstance(frame, pd.DataFrame):
        raise InputError(f"Expected published percentages as a pandas DataFrame; got {type(frame).__name__}.")
    require_columns(frame, [study, source, time, percent, lower, upper])
    rows = survivorship_rows.read(
        frame, time=time, percent=percent, lower=lower, upper=upper, means=means, interval=limits,
        level=level, estimate_unit=estimate_unit, limit_unit=limit_unit,
    )  # fmt: skip
    names = {name: _names(frame, name) for name in (study, source)}
    known = pd.DataFrame(
        {
            "source": names[source],
            "study": names[study],
            "time": rows.time,
            "survival": rows.used,
            "lower": rows.lower,
            "upper": rows.upper,
            "log_variance": rows.log_variance,
            "rounding": rows.rounding,
        }
    )
    blocks: dict[str, list[Block]] = {}
    for (kind, label), mine in known.groupby(["source", "study"], sort=False):
        blocks.setdefault(str(kind), []).append(_block(str(label), mine.sort_values("time"), scale, time))
    return _pooled(blocks, known, scale, mean, correlation, level, time_unit)


def choices(
    frame: pd.DataFrame, *, study: str, source: str, kind: str, at: float, **options: Any
) -> pd.DataFrame:
    """Return what every defensible choice gives for one kind of source at one time.

    Parameters
    ----------
    frame, study, source, options
        As for `fit`; `scale` and `mean` among the options are overridden.
    kind
        The source looked at.
    at
        The time. Choices under which nothing is known then (no study reports it, one study is left) are
        absent.

    Returns
    -------
    DataFrame
        scale, mean, without (the study left out, "none"), estimate, lower, upper (of the average), new_lower,
        new_upper (of one more study): shares.
    """
    require_columns(frame, [study, source])
    mine = frame[frame[source] == kind]
    if mine.empty:
        require_choice(kind, [str(name) for name in frame[source].unique()], "kind")
    times = options["time"]
    rows = []
    for without in ("none", *(str(name) for name in mine[study].unique())):
        left = mine[mine[study] != without]
        reported = left[times].to_numpy(dtype=float)
        known = len(left) and reported.min() <= at <= reported.max()
        if left[study].nunique() < 2 or not known:
            continue
        for mean in MEANS:
            possible = np.isclose(reported, at).any() if mean == "free" else len(set(reported)) > 1
            if not possible:
                continue
            for scale in SCALES:
                made = fit(
                    left, study=study, source=source, **{**options, "scale": scale, "mean": mean}
                ).source(kind)
                average, new = (e.table(made.level) for e in (made.at([at]), made.new_registry([at])))
                row: dict[str, Any] = {"scale": scale, "mean": mean, "without": without}
                for name in ("estimate", "lower", "upper"):
                    row[name] = float(as_survival(average[name].to_numpy(), scale)[0])
                for name in ("lower", "upper"):
                    row[f"new_{name}"] = float(as_survival(new[name].to_numpy(), scale)[0])
                rows.append(row)
    return pd.DataFrame(rows)


def from_curves(
    curves: Mapping[str, Reconstruction],
    *,
    sources: Mapping[str, str],
    times: Sequence[float],
    scale: str = "log-log",
    mean: str = "free",
    correlation: float | None = None,
    level: float = 0.95,
) -> SurvivalCurves:
    """Pool reconstructed curves at `times`; sampling and reading error of each go in together.

    Parameters
    ----------
    curves
        Reconstructions by study; a study takes part at those of `times` that its curve reaches.
    sources
        What kind of data each study is.

    Raises
    ------
    InputError
        On a study without a source, a curve that reaches none of the times, curves in different units of
        time, or choices as for `fit`.
    """
    require_choice(scale, SCALES, "scale")
    require_choice(mean, MEANS, "mean")
    _require_correlation(correlation)
    require_level(level)
    if not curves:
        raise InputError("from_curves() was given no curves; expected at least one.")
    units = {curve.time_unit for curve in curves.values()}
    if len(units) > 1:
        raise InputError(
            f"The curves are in {', '.join(sorted(units))}; bring them to one unit of time first."
        )
    blocks: dict[str, list[Block]] = {}
    tables = []
    for label, curve in curves.items():
        if label not in sources:
            raise InputError(f"Study {label!r} has no source; say whether it is a registry or a case series.")
        first, last = float(curve.curve.time[0]), float(curve.curve.time[-1])
        at = np.array(sorted(t for t in times if first <= t <= last))
        if not len(at):
            raise InputError(
                f"Study {label!r} is known from its first event at {first:g} to {last:g} {curve.time_unit}; "
                "none of the times lies between."
            )
        survival, covariance = curve.covariance(list(at))
        inside = (survival > 0) & (survival < 1)
        at, survival, covariance = at[inside], survival[inside], covariance[np.ix_(inside, inside)]
        steepness = slope(survival, scale)
        value = _link(survival, scale)
        blocks.setdefault(sources[label], []).append(
            Block(label=label, time=at, value=value, covariance=covariance * np.outer(steepness, steepness))
        )
        shown = curve.curve.at(list(at))
        tables.append(
            pd.DataFrame(
                {
                    "source": sources[label],
                    "study": label,
                    "time": at,
                    "survival": survival,
                    "lower": shown["lower"].to_numpy(),
                    "upper": shown["upper"].to_numpy(),
                }
            )
        )
    known = pd.concat(tables, ignore_index=True)
    return _pooled(blocks, known, scale, mean, correlation, level, units.pop())


def _pooled(
    blocks: Mapping[str, list[Block]],
    known: pd.DataFrame,
    scale: str,
    mean: str,
    correlation: float | None,
    level: float,
    time_unit: str,
) -> SurvivalCurves:
    found = {
        kind: pool(
            mine,
            source=kind,
            scale=scale,
            mean=mean,
            correlation=correlation,
            level=level,
            time_unit=time_unit,
        )
        for kind, mine in blocks.items()
    }
    return SurvivalCurves(
        sources=MappingProxyType(found),
        studies=known[["source", "study", "time", "survival", "lower", "upper"]].reset_index(drop=True),
        scale=scale,
        mean=mean,
        checks=tuple(check for curve in found.values() for check in curve.checks),
    )


def _block(label: str, rows: pd.DataFrame, scale: str, time: str) -> Block:
    t, s = rows["time"].to_numpy(), rows["survival"].to_numpy()
    if (np.diff(t) == 0).any():
        again = t[int(np.argmax(np.diff(t) == 0))]
        raise InputError(
            f"Study '{label}' gives column '{time}' {again:g} twice in one source; keep one row, or name two "
            "groups of different patients apart."
        )
    if (np.diff(s) > 1e-12).any():
        at = int(np.argmax(np.diff(s) > 0))
        raise InputError(
            f"Study '{label}': survival rises from {s[at]:.1%} at {t[at]:g} to {s[at + 1]:.1%} at "
            f"{t[at + 1]:g}; one group cannot. If they are different patients, name them apart."
        )
    variance = rows["log_variance"].to_numpy()
    shared = np.outer(s, s) * np.minimum.outer(variance, variance)
    covariance = shared + np.diag(rows["rounding"].to_numpy() ** 2)
    steepness = slope(s, scale)
    return Block(
        label=label, time=t, value=_link(s, scale), covariance=covariance * np.outer(steepness, steepness)
    )


def _link(survival: FloatArray, scale: str) -> FloatArray:
    if scale == "logit":
        return np.asarray(np.log(survival / (1 - survival)))
    return np.asarray(-np.log(-np.log(survival)))


def _names(frame: pd.DataFrame, column: str) -> list[str]:
    missing = frame[column].isna().to_numpy()
    if missing.any():
        raise InputError(
            f"Column '{column}', row {int(np.argmax(missing))}: missing; every row must name its study "
            "and what kind of data it is, because registries and case series are not pooled together."
        )
    return [str(name) for name in frame[column]]


def _require_correlation(value: float | None) -> None:
    if value is not None and not 0 <= value <= 1:
        raise InputError(f"correlation is {value}; expected a number from 0 to 1, or None to estimate it.")
