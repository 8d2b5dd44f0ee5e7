"""What every comparison of classes needs: which are the reference, and how probable a statement is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from soa_evidence.errors import InputError, nearest
from soa_evidence.results.arrays import FloatArray

__all__ = ["probability_of", "reference_classes"]


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
