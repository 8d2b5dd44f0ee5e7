"""What every comparison of classes needs: which are the reference, and how probable a statement is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soa_evidence.errors import InputError, nearest
from soa_evidence.results.arrays import FloatArray
from soa_evidence.results.checks import Check

__all__ = ["fewest_check", "probability_of", "reference_classes", "require_better", "require_margin_per_1000"]


def reference_classes(
    groups: Sequence[str], reference: str | Sequence[str], label: str | None
) -> tuple[tuple[str, ...], str]:
    """Return the classes that together are the reference, and its name.

    Parameters
    ----------
    groups
        The classes that have units with data.
    reference
        The class, or classes taken together, that others are compared with.
    label
        Name of the reference; needed when it joins several classes.

    Raises
    ------
    InputError
        On fewer than two classes, an unknown or empty reference, one that holds every class, or a name that
        is missing or taken.
    """
    classes = (reference,) if isinstance(reference, str) else tuple(dict.fromkeys(reference))
    if len(groups) < 2:
        raise InputError(
            f"Only one class of unit is present: {', '.join(groups)}. A comparison needs at least two."
        )
    if not classes:
        raise InputError("reference is empty; name the class or classes that others are compared with.")
    for name in classes:
        if name not in groups:
            raise InputError(
                f"The reference class {name!r} has no units with data.{nearest(name, groups)} "
                f"Present: {', '.join(groups)}."
            )
    if set(classes) == set(groups):
        raise InputError("The reference holds every class, so nothing is left to compare with it.")
    if len(classes) > 1 and not label:
        raise InputError(f"The reference joins {len(classes)} classes; give it a name with reference_label=.")
    name = label or classes[0]
    if name in set(groups) - set(classes[:1] if len(classes) == 1 else ()):
        raise InputError(f"reference_label {name!r} is also the name of a class; choose another.")
    return classes, name


def require_better(better: str) -> None:
    """Refuse a direction other than 'lower' and 'higher'."""
    if better not in ("lower", "higher"):
        raise InputError(f"better={better!r}: expected 'lower' or 'higher'.")


def require_margin_per_1000(margin: float, *, of: str) -> None:
    """Refuse a margin out of range; `of` says of what it is, such as "events per 1,000 patients"."""
    if not (isinstance(margin, int | float) and 0 <= margin < 1000):
        raise InputError(f"margin_per_1000={margin!r}: expected {of}, from 0 up.")


def fewest_check(classes: pd.DataFrame, column: str, *, name: str, least: int) -> Check:
    """Check that the class with the fewest of what `column` counts has at least `least`."""
    fewest = classes.sort_values(column).iloc[0]
    return Check(
        name=name,
        verdict="pass" if fewest[column] >= least else "warn",
        observed=f"{int(fewest[column])} ({fewest['group']})",
        expected=f"at least {least}",
        why=f"with very few {name.split(maxsplit=1)[0].rstrip(',')} a class's estimate leans on the other "
        "classes and on the prior",
    )


def probability_of(statement: NDArray[np.bool_], *, chains: int) -> tuple[float, float]:
    """Return the posterior probability of a statement that holds in some draws, and its Monte Carlo error.

    Parameters
    ----------
    statement : array of shape (S,)
        Whether it holds in each draw, chains laid end to end.
    """
    import arviz as az

    indicator: FloatArray = np.asarray(statement, dtype=float)
    size = len(indicator)
    # Half a draw on either side: a finite number of draws never shows that a probability is 0 or 1.
    likely = float((indicator.sum() + 0.5) / (size + 1))
    constant = indicator.min() == indicator.max()
    effective = size if constant else float(az.ess(indicator.reshape(chains, -1), method="mean"))
    return likely, float(np.sqrt(likely * (1 - likely) / effective))
