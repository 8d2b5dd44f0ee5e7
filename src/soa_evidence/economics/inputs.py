"""The inputs of a decision model: every parameter with its distribution, unit, price year, kind and source.

`assemble` joins parameters, brings money to one price year by a stated index, and refuses what does not fit.
The result draws all parameters at once: row i of every parameter is the same state of the world, through the
whole chain from unit comparison to pounds.

When not to use it: to correlate parameters of different sources; joint uncertainty has to come from the
method that made it (`parameters.normal`, `carried.estimates`).

Checked against: hand calculation of the index, moments of the draws (tests/unit/test_economics_inputs.py).
"""

from __future__ import annotations

import html
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soa_evidence.economics.parameters import Parameter
from soa_evidence.economics.price_index import PriceIndex
from soa_evidence.errors import InputError, nearest
from soa_evidence.results import Check, checks_frame

__all__ = ["Inputs", "PriceIndex", "assemble"]

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False, kw_only=True)
class Inputs:
    """Parameters that fit together, in one price year.

    Attributes
    ----------
    parameters : tuple of Parameter
    price_year : str or None
        None when no parameter is money.
    checks : tuple of Check
    """

    parameters: tuple[Parameter, ...]
    price_year: str | None
    checks: tuple[Check, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all parameters, in order."""
        return tuple(name for parameter in self.parameters for name in parameter.names)

    def parameter(self, name: str) -> Parameter:
        """Return the parameter that holds `name`; an unknown one is an error naming the nearest."""
        for parameter in self.parameters:
            if name in parameter.names:
                return parameter
        raise InputError(
            f"There is no parameter '{name}'.{nearest(name, self.names)} Known: {', '.join(self.names)}."
        )

    def values(self) -> dict[str, FloatArray]:
        """Return the deterministic values, each of shape (1,)."""
        return {
            name: np.array([value])
            for parameter in self.parameters
            for name, value in zip(parameter.names, parameter.centre * parameter.factor, strict=True)
        }

    def draw(self, n: int, *, seed: int) -> dict[str, FloatArray]:
        """Return `n` joint draws by name, each of shape (n,)."""
        drawn: dict[str, FloatArray] = {}
        for parameter in self.parameters:
            columns = parameter.draw(n, seed=seed)
            for at, name in enumerate(parameter.names):
                _require_possible(name, parameter, columns[:, at])
                drawn[name] = columns[:, at]
        return drawn

    def replaced(self, *parameters: Parameter) -> Inputs:
        """Return the same inputs with some parameters exchanged, or added."""
        new = {name for parameter in parameters for name in parameter.names}
        kept = [parameter for parameter in self.parameters if not new & set(parameter.names)]
        lost = {n for p in self.parameters if p not in kept for n in p.names} - new
        if lost:
            raise InputError(
                f"Exchanging {', '.join(sorted(new))} would drop {', '.join(sorted(lost))}, which "
                "is drawn jointly with it; give the whole group."
            )
        return assemble(*kept, *parameters, price_year=self.price_year)

    def table(self) -> pd.DataFrame:
        """Return one row a parameter: name, value, limits, unit, price_year, distribution, kind, source."""
        return pd.DataFrame(
            [
                {
                    "name": name,
                    "value": parameter.centre[at] * parameter.factor,
                    "lower": parameter.lower[at] * parameter.factor,
                    "upper": parameter.upper[at] * parameter.factor,
                    "unit": parameter.unit,
                    "price_year": parameter.price_year,
                    "distribution": parameter.distribution,
                    "kind": parameter.kind,
                    "source": parameter.source,
                }
                for parameter in self.parameters
                for at, name in enumerate(parameter.names)
            ]
        )

    def __repr__(self) -> str:
        prices = f", prices of {self.price_year}" if self.price_year else ""
        return f"Inputs: {len(self.names)} parameters{prices}\n{self.table().to_string(index=False)}"

    def _repr_html_(self) -> str:
        title = html.escape(f"Inputs: {len(self.names)} parameters")
        return (
            f"<p><strong>{title}</strong></p>"
            + self.table().to_html(index=False, float_format="{:.4g}".format)
            + checks_frame(self.checks).to_html(index=False)
        )


def assemble(
    *parameters: Parameter, price_year: str | None = None, index: PriceIndex | None = None
) -> Inputs:
    """Join parameters into the inputs of a model.

    Parameters
    ----------
    *parameters
        Made by `economics.parameters`.
    price_year
        The year every price is brought to; may be left out when all prices are of one year.
    index
        The price index that brings them there; without one, mixed price years are an error.

    Raises
    ------
    InputError
        On no parameter, a repeated name, or price years that differ without an index.
    """
    if not parameters:
        raise InputError("assemble() was given no parameter; a model needs at least one.")
    odd = next((p for p in parameters if not isinstance(p, Parameter)), None)
    if odd is not None:
        raise InputError(f"assemble() was given {odd!r}; expected what economics.parameters makes.")
    names = [name for parameter in parameters for name in parameter.names]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise InputError(f"The parameter '{repeated[0]}' is given more than once; keep one.")
    years = {p.price_year: p.names[0] for p in parameters if p.price_year}
    target = price_year or (next(iter(years)) if years else None)
    if len(set(years) | ({target} - {None})) > 1 and index is None:
        listed = "; ".join(f"'{name}' has prices of {year}" for year, name in years.items())
        raise InputError(
            f"Prices are of different years: {listed}"
            + (f"; asked for: {price_year}" if price_year else "")
            + ". Give price_year= and the index= that brings them there."
        )
    brought = tuple(_brought(p, target, index) for p in parameters)
    # a factor stays with its parameter when another is exchanged, so moved prices are told again
    moved = [p.names[0] for p in brought if p.factor != 1.0]
    by = f"{index.name} ({index.source})" if index else "the index that their source names"
    how = f"{', '.join(moved)} moved by {by}" if moved else "none had to be moved"
    checks = (
        Check(
            name="one price year",
            verdict="pass",
            observed=f"{target or 'no money'}; {how}",
            expected="one year",
            why="pounds of different years cannot be added",
        ),
        Check(
            name="every parameter says unit, kind and source",
            verdict="pass",
            observed=f"{len(names)} of {len(names)}",
            expected="all",
            why="a number that nobody can trace cannot be argued with",
        ),
    )
    return Inputs(parameters=brought, price_year=target if years else None, checks=checks)


def _brought(parameter: Parameter, target: str | None, index: PriceIndex | None) -> Parameter:
    if parameter.price_year in (None, target) or index is None or target is None:
        return parameter
    factor = index.factor(str(parameter.price_year), target)
    told = f"{parameter.source}; from prices of {parameter.price_year} by {index.name} (times {factor:.4g})"
    return replace(parameter, factor=parameter.factor * factor, price_year=target, source=told)


def _require_possible(name: str, parameter: Parameter, drawn: FloatArray) -> None:
    if parameter.unit == "probability" and ((drawn < 0) | (drawn > 1)).any():
        worst = drawn[np.argmax(np.abs(drawn - 0.5))]
        raise InputError(
            f"A draw of '{name}' is {worst:.4g}, and it is a probability; use a beta, or a normal on a scale "
            "that cannot leave 0 to 1."
        )
    if parameter.is_money and (drawn < 0).any() and parameter.distribution == "normal":
        raise InputError(
            f"A draw of '{name}' is {drawn.min():.4g} {parameter.unit}; a cost below 0 has no meaning here. "
            "Use a gamma."
        )
