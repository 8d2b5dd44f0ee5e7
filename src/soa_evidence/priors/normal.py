"""What all sets of priors are made of, and how one is found by its name."""

from __future__ import annotations

from dataclasses import dataclass

from soa_evidence.errors import InputError, nearest

__all__ = ["LOG_0_2", "Normal", "named"]

LOG_0_2 = -1.6094379124341003  # log of 0.2, a usual standard deviation between units


@dataclass(frozen=True, kw_only=True)
class Normal:
    """A normal prior: mean, standard deviation, and why they are what they are."""

    mean: float
    sd: float
    because: str

    def __post_init__(self) -> None:
        if not self.sd > 0:
            raise InputError(f"A normal prior needs a standard deviation above 0, not {self.sd}.")


def named[Priors](known: dict[str, Priors], name: str, method: str) -> Priors:
    """Return the set of that name for a method; an unknown one is an error naming the nearest."""
    if name not in known:
        raise InputError(
            f"There is no set of priors {name!r} for {method}.{nearest(name, known)} "
            f"Expected one of: {', '.join(known)}."
        )
    return known[name]
