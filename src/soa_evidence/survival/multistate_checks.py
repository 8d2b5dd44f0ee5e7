"""What a multi-state estimate rests on: moves, people at risk, sums to 1, whether the past matters."""

from __future__ import annotations

import numpy as np
import pandas as pd

from soa_evidence.errors import InputError
from soa_evidence.results import Check
from soa_evidence.survival.multistate_moments import Counted
from soa_evidence.survival.multistate_rows import Stays

__all__ = ["checks", "markov"]

FEW_MOVES = 10
SUMS_TO = 1e-9
UNLIKELY = 0.05
MARKOV_COLUMNS = ["transition", "log_hazard_ratio", "std_error", "p_value", "events"]


def markov(coded: Stays) -> pd.DataFrame:
    """Test whether each transition's hazard depends on when its state was entered.

    Cox regression on the time of entry into the state, among those who entered it by a move, with delayed
    entry; strata are the groups. Transitions with fewer than ten events, or without variation in the time of
    entry, have no row.
    """
    from scipy.stats import norm

    from soa_evidence.survival import cox

    records, found = coded.records, []
    if records.entry is None:
        return pd.DataFrame(columns=MARKOV_COLUMNS)
    inside = ~coded.first & (records.exit > records.entry)
    frame = pd.DataFrame(
        {
            "time": records.axis[records.exit[inside]],
            "entry": records.axis[records.entry[inside]],
            "entered": records.axis[records.entry[inside]],
            "group": records.group[inside],
            "state": coded.state[inside],
            "move": coded.move[inside],
        }
    )
    if records.weight is not None:
        frame["weight"] = records.weight[inside]
    for r, name in enumerate(coded.transitions):
        rows = frame[frame["state"] == coded.source[r]].assign(event=lambda table, r=r: table["move"] == r)
        events = int(rows["event"].sum())
        if events < FEW_MOVES:
            continue
        try:
            fitted = cox.fit(
                rows, time="time", event="event", entry="entry", covariates=["entered"], strata="group",
                weights="weight" if records.weight is not None else None,
            )  # fmt: skip
        except InputError:  # no variation, or no maximum: nothing that can be tested
            continue
        estimate, error = float(fitted.coefficients[0]), float(np.sqrt(fitted.covariance[0, 0]))
        found.append((name, estimate, error, 2 * float(norm.sf(abs(estimate) / error)), events))
    return pd.DataFrame(found, columns=MARKOV_COLUMNS)


def checks(coded: Stays, counted: tuple[Counted, ...], tested: pd.DataFrame) -> tuple[Check, ...]:
    """Check moves, risk sets, sums and the Markov property."""
    totals = [
        (float(group.moves[:, r].sum()), f"{group.label}: {name}")
        for group in counted
        for r, name in enumerate(coded.transitions)
    ]
    fewest = min(totals)
    gap = max(float(np.abs(group.p.sum(axis=1) - 1).max()) for group in counted)
    return (
        Check(
            name="moves in the transition with fewest",
            verdict="pass" if fewest[0] >= FEW_MOVES else "warn",
            observed=f"{fewest[0]:.0f} ({fewest[1]})",
            expected=f"at least {FEW_MOVES}",
            why="with few moves the limits, which are for large samples, are not to be trusted",
        ),
        Check(
            name="state probabilities sum to 1",
            verdict="pass" if gap <= SUMS_TO else "fail",
            observed=f"largest gap {gap:.1e}",
            expected=f"at most {SUMS_TO:g} (rounding)",
            why="everyone is in one state at every time",
        ),
        _emptied(coded, counted),
        _past(tested),
    )


def _emptied(coded: Stays, counted: tuple[Counted, ...]) -> Check:
    """Look for a state that all at risk in it leave at once, while there are moves out of it to come."""
    found = []
    for group in counted:
        for h, state in enumerate(coded.states):
            leaving = group.moves[:, coded.source == h].sum(axis=1)
            all_left = (leaving > 0) & (leaving >= group.at_risk[:, h])
            later = np.concatenate([np.cumsum(group.moves.sum(axis=1)[::-1])[::-1][1:], [0.0]]) > 0
            again = np.concatenate([(np.cumsum(leaving[::-1])[::-1])[1:], [0.0]]) > 0
            bad = all_left & later & again
            if bad.any():
                found.append((float(group.at_risk[bad, h].min()), group.label, state, group.time[bad][0]))
    small = [f"{label}: {state} at {time:g}" for _, label, state, time in found]
    return Check(
        name="state emptied by moves while others were still to arrive",
        verdict="warn" if found else "pass",
        observed=", ".join(small[:3]) if small else "never",
        expected="never",
        why="one person alone in a state who moves takes all its probability along; early, with few at risk, "
        "probabilities jump",
    )


def _past(tested: pd.DataFrame) -> Check:
    if tested.empty:
        return Check(
            name="Markov: hazards do not depend on when the state was entered",
            verdict="pass",
            observed="no transition with ten events out of a state entered at different times",
            expected=f"smallest p (Holm) at least {UNLIKELY:g}",
            why="nothing here to depend on",
        )
    at = int(tested["p_value"].to_numpy().argmin())
    p = min(float(tested["p_value"].iloc[at]) * len(tested), 1.0)
    return Check(
        name="Markov: hazards do not depend on when the state was entered",
        verdict="pass" if p >= UNLIKELY else "warn",
        observed=f"p = {p:.2g} ({tested['transition'].iloc[at]}; {len(tested)} tested)",
        expected=f"smallest p (Holm) at least {UNLIKELY:g}",
        why="where it fails, transition probabilities from a later start and Greenwood-type errors do not "
        "hold; state probabilities, expected moves and times with robust errors do",
    )
