"""From replicates to one table: are ranks uniform, do intervals cover, how often is a claim false."""

import numpy as np
import pandas as pd
from scipy import stats

from tests.calibration import study

BINS = 10


def summarise(frame):
    """One row a study and quantity.

    Returns
    -------
    DataFrame
        study, measure, quantity, label ("all" where pooled), replicates, nominal, observed,
        simulation_error (of observed), p_value (of uniform ranks, else empty).
    """
    rows = []
    for name, part in frame.groupby("study", sort=False):
        if name == "priors":
            rows += [_uniform(name, *key, group) for key, group in _pieces(part)]
        rows += [_coverage(name, *key, group) for key, group in _pieces(part, pooled=True)]
        if name != "priors":
            rows += [_claims(name, *key, group) for key, group in _pieces(part) if key[0].startswith("diff")]
        rows.append(_failures(name, part))
    return pd.DataFrame(rows)


def _pieces(part, *, pooled=False):
    """Groups by quantity and label; many units (and, where `pooled`, everything) are taken together."""
    for quantity, group in part.groupby("quantity", sort=False):
        if quantity in ("common", "typical log spread") and group["truth"].isna().all():
            continue  # a fixed truth has no such thing
        if pooled:
            yield (quantity, "all"), group
        elif quantity == "unit risk":
            # Ranks of units of one replicate hang together; one small unit and one large stand for them.
            for label in ("ind00", "spe00"):
                yield (quantity, label), group[group["label"] == label]
        else:
            for label, one in group.groupby("label", sort=False):
                yield (quantity, label), one


def _uniform(name, quantity, label, group):
    """Test of uniform ranks: chi-square over ten equal bins, and the share of ranks in the lower half."""
    counts = np.bincount(group["rank"] * BINS // (study.KEPT + 1), minlength=BINS)
    return _row(
        name, "ranks uniform", quantity, label, group, nominal=0.5,
        observed=(group["rank"] < (study.KEPT + 1) / 2).mean(), p_value=stats.chisquare(counts).pvalue,
    )  # fmt: skip


def _coverage(name, quantity, label, group):
    by_replicate = group.groupby("seed")["covered"].mean()
    row = _row(name, "coverage", quantity, label, group, nominal=study.LEVEL, observed=by_replicate.mean())
    # Labels of one replicate are not independent: the error is that of the mean over replicates. It is at
    # least that of a single nominal indicator shared out over the labels.
    least = np.sqrt(study.LEVEL * (1 - study.LEVEL) / len(group))
    return row | {"simulation_error": max(least, by_replicate.std(ddof=1) / np.sqrt(len(by_replicate)))}


def _claims(name, quantity, label, group):
    # Where there is no difference between kinds, an interval wholly on the better side is a false claim.
    null = name == "no difference" and quantity.endswith("kind")
    nominal = (1 - study.LEVEL) / 2 if null else np.nan
    measure = "false claims of better" if null else "claims of better"
    return _row(name, measure, quantity, label, group, nominal=nominal, observed=group["claim"].mean())


def _failures(name, part):
    failed = part.drop_duplicates("seed")["failed"]
    return _row(name, "fits with a failed check", "", "", part, nominal=0.0, observed=(failed != "").mean())


def _row(name, measure, quantity, label, group, *, nominal, observed, p_value=np.nan):
    count = group["seed"].nunique()
    at = nominal if 0 < nominal < 1 else observed
    return {
        "study": name,
        "measure": measure,
        "quantity": quantity,
        "label": label,
        "replicates": count,
        "nominal": nominal,
        "observed": observed,
        "simulation_error": np.sqrt(at * (1 - at) / count),
        "p_value": p_value,
    }
