"""Priors that every comparison of units by class shares: levels and spreads, on the scale of its model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from soa_evidence.priors.normal import Normal, Row

__all__ = ["HasLevels", "LevelPriors"]


@dataclass(frozen=True, kw_only=True)
class LevelPriors:
    """Priors of the classes' levels and of the spreads between their units.

    Parameters
    ----------
    common
        Level around which the classes lie.
    class_sd
        Standard deviation of the classes' levels around the common one.
    log_spread
        Natural log of the between-unit standard deviation that is typical of a class.
    class_log_spread_sd
        Standard deviation, over classes, of the log spread around the typical one.
    """

    common: Normal
    class_sd: float
    log_spread: Normal
    class_log_spread_sd: float

    def rows(self, scale: str, class_because: str) -> list[Row]:
        """Return parameter, distribution and reason of each, on a scale named in words such as "log odds"."""
        return [
            self.common.row(f"common level, {scale}"),
            (f"level of a class, {scale}", f"Normal(common level, {self.class_sd:g})", class_because),
            self.log_spread.row("typical spread between units, log SD"),
            (
                "spread of a class, log SD",
                f"Normal(typical, {self.class_log_spread_sd:g})",
                "classes share what a typical spread is; each may be tighter or wider",
            ),
        ]


class HasLevels(Protocol):
    """A named set of priors with those of levels and spreads among them."""

    @property
    def levels(self) -> LevelPriors:
        """The priors of levels and spreads."""
        ...
