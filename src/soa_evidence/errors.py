"""The few exceptions of the toolkit.

Every message says what is wrong, with the value and the place; what was expected; and what to do.
The command line shows the message without a traceback and exits with the class's own code.
"""

from __future__ import annotations

import difflib
import numbers
from collections.abc import Iterable

__all__ = [
    "LARGEST_SEED",
    "BuildError",
    "CatalogueError",
    "CheckFailedError",
    "EvidenceError",
    "InputError",
    "SoaEvidenceError",
    "nearest",
    "require_columns",
    "require_seed",
]

#: The largest seed that every generator of random numbers takes.
LARGEST_SEED = 2**32 - 1
MOST_SHOWN = 12  # columns of a table that a message lists


class SoaEvidenceError(Exception):
    """Base of every error a user may meet; `exit_code` is what the command line returns."""

    exit_code = 1


class InputError(SoaEvidenceError):
    """Data or arguments given to a method are not what the method needs."""

    exit_code = 2


class EvidenceError(SoaEvidenceError):
    """An evidence package is missing, changed, incomplete or breaks its own schema."""

    exit_code = 3


class CatalogueError(SoaEvidenceError):
    """The catalogue, a report's name or a report's parameter is wrong."""

    exit_code = 4


class CheckFailedError(SoaEvidenceError):
    """A result's check failed, so it may not be published."""

    exit_code = 5


class BuildError(SoaEvidenceError):
    """At least one report could not be built."""

    exit_code = 6


def nearest(name: object, known: Iterable[object]) -> str:
    """Return ' Did you mean ...?' for the known name closest to `name`, or '' where none is close."""
    options = {str(k).lower(): str(k) for k in known}
    close = difflib.get_close_matches(str(name).lower(), list(options), n=1, cutoff=0.6)
    return f" Did you mean '{options[close[0]]}'?" if close else ""


def require_columns(columns: Iterable[object], names: Iterable[object], *, what: str = "The frame") -> None:
    """Refuse a table that lacks one of the columns asked for.

    Parameters
    ----------
    columns
        What the table has, such as ``frame.columns``.
    names
        What is asked for; the first that is not there is told, with the nearest that is.
    what
        What the message calls the table.

    Raises
    ------
    InputError
        On a column that is not there.
    """
    held = list(columns)
    for name in names:
        if name not in held:
            shown = ", ".join(map(str, held[:MOST_SHOWN])) + (", …" if len(held) > MOST_SHOWN else "")
            raise InputError(
                f"{what} has no column '{name}'.{nearest(name, held)} It has: {shown or 'no columns'}."
            )


def require_seed(seed: object) -> None:
    """Refuse a seed that is no whole number from 0 to `LARGEST_SEED`.

    Raises
    ------
    InputError
        On any other value, True and False among them.
    """
    whole = isinstance(seed, numbers.Integral) and not isinstance(seed, bool)
    if not (whole and 0 <= int(seed) <= LARGEST_SEED):  # type: ignore[call-overload]
        raise InputError(f"seed={seed!r}: expected a whole number from 0 to {LARGEST_SEED}.")
