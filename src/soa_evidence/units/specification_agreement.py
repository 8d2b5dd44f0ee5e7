"""What a specification curve says: signs, conclusions, and which choice moves them; nothing here fits."""

from __future__ import annotations

import numpy as np
import pandas as pd

from soa_evidence.results import Check

__all__ = ["agreement", "checks", "conclusion", "influence", "judged"]

MOST_LEFT_OUT = 0.2  # share of specifications that could not be fitted


def conclusion(lower: float, upper: float) -> str:
    """Return what an interval of differences says: lower, higher, or cannot tell."""
    return "lower" if upper < 0 else "higher" if lower > 0 else "cannot tell"


def judged(table: pd.DataFrame, told: tuple[float, float, float]) -> pd.DataFrame:
    """Sort specifications by estimate, and say which share the headline's sign and what each concludes."""
    table = table.sort_values(["estimate", "lower"], kind="stable").reset_index(drop=True)
    table["same_sign"] = np.sign(table["estimate"]) == np.sign(told[0])
    table["conclusion"] = [
        conclusion(low, high) for low, high in zip(table["lower"], table["upper"], strict=True)
    ]
    return table


def agreement(table: pd.DataFrame, headline: str) -> pd.DataFrame:
    """Count, over all specifications and for each estimand, those that agree with the headline."""
    parts = {"all": table, **dict(iter(table.groupby("estimand_kind", sort=True)))}
    rows = []
    for kind, part in parts.items():
        said = part["conclusion"]
        rows.append(
            {
                "estimand_kind": kind,
                "specifications": len(part),
                "same_sign": int(part["same_sign"].sum()),
                "same_conclusion": int((said == headline).sum()),
                "lower": int((said == "lower").sum()),
                "higher": int((said == "higher").sum()),
                "cannot_tell": int((said == "cannot tell").sum()),
                "smallest": float(part["estimate"].min()),
                "median": float(part["estimate"].median()),
                "largest": float(part["estimate"].max()),
            }
        )
    return pd.DataFrame(rows)


def influence(table: pd.DataFrame, varied: dict[str, tuple[str, ...]]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the share of the variance that goes with each choice, and what each option finds."""
    total = float(((table["estimate"] - table["estimate"].mean()) ** 2).sum())
    rows, options = [], []
    for choice, named in varied.items():
        grouped = table.groupby(choice, sort=False)["estimate"]
        mean, count = grouped.mean(), grouped.size()
        between = float((count * (mean - table["estimate"].mean()) ** 2).sum())
        rows.append(
            {
                "choice": choice,
                "share_of_variance": between / total if total > 0 else 0.0,
                "largest_gap": float(mean.max() - mean.min()),
                "lowest_option": str(mean.idxmin()),
                "highest_option": str(mean.idxmax()),
            }
        )
        options += [
            {
                "choice": choice,
                "option": option,
                "specifications": int(count[option]),
                "mean": float(mean[option]),
                "smallest": float(grouped.min()[option]),
                "largest": float(grouped.max()[option]),
            }
            for option in named
            if option in count.index
        ]
    names = ["choice", "share_of_variance", "largest_gap", "lowest_option", "highest_option"]
    shares = pd.DataFrame(rows, columns=names).sort_values(
        "share_of_variance", ascending=False, kind="stable"
    )
    return shares.reset_index(drop=True), pd.DataFrame(options)


def checks(table: pd.DataFrame, broken: int, agreed: pd.DataFrame) -> tuple[Check, ...]:
    """Check that few specifications failed and that most find the headline's sign."""
    share = broken / (broken + len(table))
    row = agreed.iloc[0]
    agree = int(row["same_sign"]) / int(row["specifications"])
    return (
        Check(
            name="specifications that could not be fitted",
            verdict="pass" if share <= MOST_LEFT_OUT else "warn",
            observed=f"{broken:,} of {broken + len(table):,}",
            expected=f"at most {MOST_LEFT_OUT:.0%}",
            why="a curve of those that happen to work may differ from the one that was meant",
        ),
        Check(
            name="specifications that find the headline's sign",
            verdict="pass" if agree >= 0.9 else "warn",
            observed=f"{int(row['same_sign']):,} of {int(row['specifications']):,}",
            expected="at least 90 %",
            why="where defensible choices disagree about the sign, the answer rests on the choice",
        ),
    )
