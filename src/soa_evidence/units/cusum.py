"""Risk-adjusted CUSUM: when a unit's results became worse (or better) than its patients' risks explain.

Procedure by procedure, X = max(0, X + w), with w the log likelihood ratio of odds `odds_ratio` times those
expected against the odds expected (divided, for `direction="better"`):

    w = y log A - log(1 - p + A p),    A = odds_ratio (worse) or 1 / odds_ratio (better).

A unit signals when X reaches the threshold h. Every threshold gives false alarms in the end: the in-control
run length is how many procedures pass on average before one, and is what h is designed by. A unit's false
alarms a decade are its procedures in ten years over its own in-control run length (`units.run_length`).

Parameters in words: `odds_ratio`, the change to be found soon; `in_control_run_length`, procedures;
`threshold`, log likelihood units.

When not to use it: with expected risks from another time or place that are not calibrated here (it then
signals on the calibration); on risks estimated from the same few outcomes; on outcomes that become known
late, unless all are complete up to the same date; as a test of units against each other (`units.funnel`).

Source: Steiner, Cook, Farewell and Treasure (2000), Biostatistics 1:441.

Checked against: closed forms, our own R code, a published weight and simulation, in
tests/reference/monitoring.
"""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soa_evidence.errors import InputError, nearest
from soa_evidence.results import Check, checks_frame
from soa_evidence.units import run_length
from soa_evidence.units.cusum_frame import Procedures, read
from soa_evidence.units.run_length import Mix

__all__ = ["CusumResult", "Direction", "fit"]

FloatArray = NDArray[np.float64]
Direction = Literal["worse", "better"]
UNIT_STATES = 300  # of a unit's own chain; the designed threshold has its own, finer
SIMULATED = 5_000_000  # procedures simulated beside the chain
FEWEST_RUNS, MOST_RUNS = 100, 1000
MANY_ERRORS = 4.0
FAR = 3.0  # standard errors from what calibrated, independent outcomes would show


@dataclass(frozen=True, eq=False, kw_only=True)
class CusumResult:
    """Units, their signals, and how often they would signal by chance.

    Attributes
    ----------
    units : DataFrame
        unit, procedures, events, expected (events), statistic (last), highest, signals, first_signal (order),
        per_year (procedures), in_control_run_length and out_of_control_run_length (procedures, for the unit's
        own risks), false_alarms (expected in this record), false_alarms_per_decade, years_to_find (a change
        of `odds_ratio`, on average, from 0).
    signals : DataFrame
        One row a signal: unit, number, procedure (1 is the unit's first), order, statistic.
    threshold : float
    in_control_run_length, out_of_control_run_length : float
        Procedures, for the risks of all units together, by the Markov chain.
    simulated : DataFrame
        The same two by simulation: state, chain, simulated, std_error, runs.
    checks : tuple of Check
    """

    units: pd.DataFrame
    signals: pd.DataFrame
    odds_ratio: float
    direction: Direction
    restart: bool
    threshold: float
    in_control_run_length: float
    out_of_control_run_length: float
    simulated: pd.DataFrame
    procedures: Procedures
    statistic: FloatArray
    checks: tuple[Check, ...]

    def path(self, unit: str) -> pd.DataFrame:
        """Return one unit's chart: procedure, order, event, expected, weight, statistic, signal.

        Raises
        ------
        InputError
            On an unknown unit, naming the nearest.
        """
        p = self.procedures
        if unit not in p.names:
            raise InputError(f"No unit is called {unit!r}.{nearest(unit, p.names)}")
        at = p.names.index(unit)
        rows = slice(int(p.starts[at]), int(p.starts[at + 1]))
        table = pd.DataFrame(
            {
                "procedure": np.arange(1, rows.stop - rows.start + 1),
                "order": p.order.iloc[rows].to_numpy(),
                "event": p.event[rows],
                "expected": p.risk[rows],
                "weight": _weight(p.event[rows], p.risk[rows], _alternative(self.odds_ratio, self.direction)),
                "statistic": self.statistic[rows],
            }
        )
        own = self.signals.loc[self.signals["unit"] == unit, "procedure"]
        table["signal"] = table["procedure"].isin(own)
        return table

    def __repr__(self) -> str:
        decade = self.units["false_alarms_per_decade"]
        rate = f"{decade.mean():.2g} false alarms a unit-decade" if decade.notna().any() else "volume unknown"
        return (
            f"CUSUM for {self.direction} results (odds ratio {self.odds_ratio:g}), {len(self.units)} units: "
            f"{len(self.signals)} signals, {self.units['false_alarms'].sum():.1f} expected by chance; "
            f"threshold {self.threshold:.3f}, in-control run length {self.in_control_run_length:,.0f} "
            f"procedures, {rate}"
        )

    def _repr_html_(self) -> str:
        shown = self.units.to_html(index=False, float_format="{:.4g}".format, max_rows=20)
        checks = checks_frame(self.checks).to_html(index=False)
        return f"<p><strong>{html.escape(repr(self))}</strong></p>{shown}{checks}"


def fit(
    frame: pd.DataFrame,
    *,
    unit: str,
    order: str,
    event: str,
    expected: str,
    odds_ratio: float = 2.0,
    threshold: float | None = None,
    in_control_run_length: float | None = None,
    direction: Direction = "worse",
    restart: bool = True,
    per_year: str | float | None = None,
    seed: int = 0,
) -> CusumResult:
    """Run a CUSUM over every unit's procedures.

    Parameters
    ----------
    frame
        One row a procedure.
    unit, order, event, expected
        Columns: the unit; date, or number in sequence (unique within the unit); 0 or 1; expected risk. Of
        procedures of one day those without an event come first, then those of lower risk.
    odds_ratio
        Above 1: the change the chart is built to find, as a factor (worse) or divisor (better) of the odds.
    threshold, in_control_run_length
        Exactly one: the threshold, or the procedures between false alarms that it is to be designed for with
        the risks of all units together.
    restart
        Whether a unit starts again from 0 after a signal; otherwise it signals once.
    per_year
        Procedures a year, a column (one number a unit) or a number. From the dates unless given; with a
        sequence and without it false alarms per decade are unknown (NaN).
    seed
        Of the simulation beside the Markov chain.

    Raises
    ------
    InputError
        Naming column and row: what is missing or impossible, or a run length no threshold gives.
    """
    _choose(odds_ratio, threshold, in_control_run_length, direction)
    data = read(frame, unit=unit, order=order, event=event, expected=expected, per_year=per_year)
    alternative = _alternative(odds_ratio, direction)
    mix = run_length.mix_of(data.risk)
    if in_control_run_length is not None:
        threshold = run_length.design(
            mix, alternative=alternative, in_control_run_length=in_control_run_length
        )
    limit = float(threshold or 0.0)
    lengths = {
        state: run_length.average(mix, alternative=alternative, threshold=limit, true_odds_ratio=truth)
        for state, truth in (("in control", 1.0), ("out of control", alternative))
    }
    simulated = _simulated(mix, alternative, limit, lengths, seed)
    from soa_evidence.units.cusum_kernels import paths

    statistic, signal = paths(_weight(data.event, data.risk, alternative), data.starts, limit, restart)
    signals = _signals(data, statistic, signal)
    units = _units(data, statistic, signals, alternative, limit, restart)
    return CusumResult(
        units=units,
        signals=signals,
        odds_ratio=float(odds_ratio),
        direction=direction,
        restart=restart,
        threshold=limit,
        in_control_run_length=lengths["in control"],
        out_of_control_run_length=lengths["out of control"],
        simulated=simulated,
        procedures=data,
        statistic=statistic,
        checks=_checks(data, units, simulated, len(signals)),
    )


def _choose(odds_ratio: float, threshold: float | None, run: float | None, direction: str) -> None:
    if direction not in get_args(Direction):
        raise InputError(
            f"direction={direction!r}.{nearest(direction, get_args(Direction))} Expected 'worse' or 'better'."
        )
    if not (np.isfinite(odds_ratio) and odds_ratio > 1):
        raise InputError(
            f"odds_ratio={odds_ratio:g}; expected above 1, such as 2. For improvement use direction='better'."
        )
    if (threshold is None) == (run is None):
        raise InputError("Give exactly one of threshold= and in_control_run_length=.")
    if threshold is not None and not (np.isfinite(threshold) and threshold > 0):
        raise InputError(f"threshold={threshold:g}; expected a finite number above 0, such as 4.5.")
    if run is not None and not (1 < run <= run_length.LARGEST / 10):
        raise InputError(f"in_control_run_length={run:g}; expected procedures, above 1 and at most 1e8.")


def _alternative(odds_ratio: float, direction: Direction) -> float:
    return float(odds_ratio) if direction == "worse" else 1 / float(odds_ratio)


def _weight(event: FloatArray, risk: FloatArray, alternative: float) -> FloatArray:
    happened, without = run_length.weights(risk, alternative)
    return np.where(event == 1, happened, without)


def _simulated(
    mix: Mix, alternative: float, limit: float, lengths: dict[str, float], seed: int
) -> pd.DataFrame:
    rows = []
    for state, truth in (("in control", 1.0), ("out of control", alternative)):
        chain = lengths[state]
        runs = int(np.clip(SIMULATED / chain, 0, MOST_RUNS)) if np.isfinite(chain) else 0
        found = (float("nan"), float("nan"))
        if runs >= FEWEST_RUNS:
            found = run_length.simulate(
                mix, alternative=alternative, threshold=limit, true_odds_ratio=truth, runs=runs, seed=seed
            )
        rows.append((state, chain, *found, runs if runs >= FEWEST_RUNS else 0))
    return pd.DataFrame(rows, columns=["state", "chain", "simulated", "std_error", "runs"])


def _signals(data: Procedures, statistic: FloatArray, signal: NDArray[np.bool_]) -> pd.DataFrame:
    at = np.flatnonzero(signal)
    of = np.searchsorted(data.starts, at, side="right") - 1
    table = pd.DataFrame(
        {
            "unit": np.array(data.names, dtype=object)[of],
            "procedure": at - data.starts[of] + 1,
            "order": data.order.iloc[at].to_numpy(),
            "statistic": statistic[at],
        }
    )
    table.insert(1, "number", table.groupby("unit").cumcount() + 1)
    return table


def _units(
    data: Procedures,
    statistic: FloatArray,
    signals: pd.DataFrame,
    alternative: float,
    limit: float,
    restart: bool,
) -> pd.DataFrame:
    first, count = data.starts[:-1], np.diff(data.starts)
    lengths = np.array(
        [
            [
                run_length.average(
                    run_length.mix_of(data.risk[a:b]),
                    alternative=alternative,
                    threshold=limit,
                    true_odds_ratio=truth,
                    states=UNIT_STATES,
                )
                for truth in (1.0, alternative)
            ]
            for a, b in zip(data.starts[:-1], data.starts[1:], strict=True)
        ]
    )
    once = signals.drop_duplicates("unit").set_index("unit")["order"]
    alarms = count / lengths[:, 0]
    return pd.DataFrame(
        {
            "unit": data.names,
            "procedures": count,
            "events": np.add.reduceat(data.event, first).astype(int),
            "expected": np.add.reduceat(data.risk, first),
            "statistic": statistic[data.starts[1:] - 1],
            "highest": np.maximum.reduceat(statistic, first),
            "signals": pd.Series(data.names).map(signals["unit"].value_counts()).fillna(0).astype(int),
            "first_signal": pd.Series(data.names).map(once),
            "per_year": data.per_year,
            "in_control_run_length": lengths[:, 0],
            "out_of_control_run_length": lengths[:, 1],
            # without restarts a unit signals at most once: run lengths in control are nearly exponential
            "false_alarms": alarms if restart else -np.expm1(-alarms),
            "false_alarms_per_decade": 10 * data.per_year / lengths[:, 0],
            "years_to_find": lengths[:, 1] / data.per_year,
        }
    )


def _checks(
    data: Procedures, units: pd.DataFrame, simulated: pd.DataFrame, signals: int
) -> tuple[Check, ...]:
    n = len(units)
    gap = ((simulated["simulated"] - simulated["chain"]).abs() / simulated["std_error"]).max()
    few = int((units["procedures"] < units["out_of_control_run_length"]).sum())
    deviation = np.sqrt(data.risk * (1 - data.risk))
    residual = (data.event - data.risk) / deviation
    z = float((data.event - data.risk).sum() / np.sqrt((deviation**2).sum()))
    inside = np.ones(len(residual) - 1, dtype=bool)
    inside[data.starts[1:-1] - 1] = False
    pairs = int(inside.sum())
    product = (residual[:-1] * residual[1:])[inside]
    # under independence products have mean 0 and, whatever the risks, variance 1
    serial = float(product.sum() / np.sqrt(pairs)) if pairs else 0.0
    unknown = int(units["false_alarms_per_decade"].isna().sum())
    chance = float(units["false_alarms"].sum())
    return (
        Check(
            name="run length, chain against simulation",
            verdict="pass" if gap <= MANY_ERRORS else "warn",
            observed=f"{gap:.1f} Monte Carlo errors" if np.isfinite(gap) else "too long a run to simulate",
            expected=f"at most {MANY_ERRORS:g}",
            why="the threshold is only as good as the run length it was designed by",
        ),
        Check(
            name="units with fewer procedures than a signal takes",
            verdict="pass" if few == 0 else "warn",
            observed=f"{few} of {n} units",
            expected="none",
            why="a unit with fewer than the out-of-control run length may not signal though changed",
        ),
        Check(
            name="expected risks, calibration in the large",
            verdict="pass" if abs(z) <= FAR else "warn",
            observed=f"{data.event.sum():,.0f} events for {data.risk.sum():,.1f} expected (z = {z:.1f})",
            expected=f"z within {FAR:g}",
            why="where risks are too low or too high for all units together, signals are about the risks",
        ),
        Check(
            name="outcomes of following patients, correlation within units",
            verdict="pass" if abs(serial) <= FAR else "warn",
            observed=f"{product.mean() if pairs else 0.0:.3f} (z = {serial:.1f})",
            expected=f"z within {FAR:g}",
            why="run lengths take outcomes for independent; in spells, false alarms are more common",
        ),
        Check(
            name="order within a day",
            verdict="pass" if data.tied <= 0.5 * len(data.event) else "warn",
            observed=f"{data.tied / len(data.event):.0%} of procedures share unit and day",
            expected="at most 50%",
            why="within a day the order is not known and was set by rule",
        ),
        Check(
            name="signals beside those by chance",
            verdict="pass",
            observed=f"{signals} seen, {chance:.1f} by chance; yearly volume unknown in {unknown} of {n}",
            expected="both stated",
            why="every chart signals in the end, also where nothing has changed",
        ),
    )
